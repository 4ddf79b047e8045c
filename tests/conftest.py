"""The implementations of network and trainer that every test of them runs on, and what the session begins with."""

import ahead
import numpy as np
import pytest
from parallel import all_threads

import fastbp
from fastbp.compat import _core

# Each has a Network and a Trainer.
IMPLEMENTATIONS = [fastbp.reference, fastbp]


# ------------------------------------------------------------------ work of other processes (tests/ahead.py)
def pytest_collection_modifyitems(items):
    ahead.last(items)


def pytest_collection_finish(session):
    if not session.config.option.collectonly:
        ahead.begin_all(session.items)


def pytest_sessionfinish():
    ahead.give_up()


# ------------------------------------------------------------------ network and trainer
@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda implementation: implementation.__name__)
def implementation(request):
    return request.param


@pytest.fixture
def parallel(monkeypatch):
    """Steps of any size take all threads they may."""
    monkeypatch.setattr("fastbp.kernels.runtime.threads.ThreadTuner.next", all_threads)


# ------------------------------------------------------------------ when the kernels take over (fastbp.compat)
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
