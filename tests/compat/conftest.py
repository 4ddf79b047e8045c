"""Whether the kernels take over at once, or never, and how often they trained."""

import numpy as np
import pytest

from fastbp.compat import _core


def pays_from(monkeypatch, seconds):
    monkeypatch.setattr(_core, "WORTH_IMPORTING", seconds)
    monkeypatch.setattr(_core, "WORTH_STARTING", seconds)


@pytest.fixture(params=["NumPy", "kernels"])
def engine(request, monkeypatch):
    """Whether the kernels take over after three steps, or never."""
    pays_from(monkeypatch, 0.0 if request.param == "kernels" else np.inf)
    return request.param


@pytest.fixture
def kernels(monkeypatch):
    """The kernels take over after three steps."""
    pays_from(monkeypatch, 0.0)


@pytest.fixture
def runs(monkeypatch):
    """How often the kernels trained, trials on copies of one sample included."""
    counted = []
    for name in ("run", "epochs"):
        original = getattr(_core.Engine, name)
        monkeypatch.setattr(_core.Engine, name, lambda *a, original=original: counted.append(1) or original(*a))
    return counted
