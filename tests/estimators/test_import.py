"""What an import of the estimators needs and loads."""

import pytest
from processes import run_python

pytest.importorskip("sklearn")

WITHOUT = """
import sys
sys.modules["sklearn"] = None
try:
    import fastbp.estimators
except ImportError as error:
    print(error)
import fastbp
print(fastbp.Network([1, 2], rng=0).sizes)
"""

LOADED = """
import sys
from fastbp.estimators import MLPClassifier, MLPRegressor
print(*sys.modules)
"""


def test_without_scikit_learn_one_line_says_what_to_install():
    out = run_python(WITHOUT).splitlines()
    assert out == ['fastbp.estimators needs scikit-learn: pip install "fastbp[sklearn]"', "(1, 2)"]


def test_an_import_loads_neither_numba_nor_scikit_learns_networks():
    loaded = set(run_python(LOADED).split())
    assert "fastbp.estimators" in loaded
    assert not loaded & {"numba", "llvmlite", "fastbp.network", "fastbp.kernels", "sklearn.neural_network"}


def test_an_import_loads_nothing_that_scikit_learns_networks_do_not_load():
    theirs = set(run_python(LOADED.replace("fastbp.estimators", "sklearn.neural_network")).split())
    extra = {name for name in set(run_python(LOADED).split()) - theirs if not name.startswith("fastbp")}
    assert not {name.split(".")[0] for name in extra} - {"sklearn", "encodings"}, extra
