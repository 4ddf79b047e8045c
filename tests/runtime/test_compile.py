"""What is compiled, and how often: once for a dtype, whatever the network."""

import json
import tempfile

import ahead
import pytest

# A fresh process with an empty cache; three threads start cold together. Counts are of functions that Numba compiles.
PROCESS = """
import importlib, json, pkgutil
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from numba.core import event, types
compiled = event.RecordingListener()
event.register("numba:compile", compiled)
import fastbp, fastbp.kernels
from fastbp.kernels.runtime.cache import KernelCache

def starts():
    return sum(recorded.is_start for _, recorded in compiled.buffer)

def fit(sizes, *formulas, optimizer="sgd", n=50, batch_size=32):
    X = np.random.default_rng(0).normal(size=(n, sizes[0]))
    net = fastbp.Network(sizes, *formulas, rng=0)
    history = fastbp.Trainer(net, optimizer, batch_size, threads=1, rng=0).fit(X, np.zeros(n, int))
    return history.loss[0]

counts = {}
def count(name, function):
    before = starts()
    function()
    counts[name] = starts() - before

def together():
    with ThreadPoolExecutor(3) as pool:
        losses = list(pool.map(lambda _: fit([7, 9, 3]), range(3)))
    assert len(set(losses)) == 1
    counts["first"] = starts()

together()
counts["first"] = starts()
count("shape", lambda: fit([33, 65, 129, 2]))
count("depth", lambda: fit([8] * 1000 + [3]))
count("samples", lambda: fit([8, 3], n=1, batch_size=1))
count("activation", lambda: fit([7, 9, 3], "tanh"))
count("another depth of it", lambda: fit([7, 9, 11, 13, 3], "tanh"))
count("all activations", lambda: fit([7, *[5] * len(fastbp.activations.ACTIVATIONS), 3],
                                     list(fastbp.activations.ACTIVATIONS)))
count("loss", lambda: fit([7, 9, 3], "tanh", "tanh", "hinge"))
count("optimizer", lambda: fit([7, 9, 3], "tanh", optimizer="adam"))
count("all again", lambda: fit([5, 4, 3], "tanh", "tanh", "hinge", optimizer="adam"))
overloads, entries, literal = {}, {}, []
for module in pkgutil.walk_packages(fastbp.kernels.__path__, "fastbp.kernels."):
    module = importlib.import_module(module.name)
    for name, value in vars(module).items():
        if hasattr(value, "overloads") and value.py_func.__module__ == module.__name__:
            overloads[f"{module.__name__}.{name}"] = len(value.overloads)
            if any(isinstance(kind, types.Literal) for kinds in value.overloads for kind in kinds):
                literal.append(name)
        for one in [value, *(value.values() if isinstance(value, dict) else ())]:
            if isinstance(getattr(one, "_cache", None), KernelCache):
                entries[one._cache._name] = len(one.overloads)
print(json.dumps({"counts": counts, "overloads": overloads, "entries": entries, "literal": literal}))
"""


def counted():
    with tempfile.TemporaryDirectory() as place:
        return json.loads(ahead.run("-c", PROCESS, FASTBP_CACHE_DIR=place))


pytestmark = [pytest.mark.slow, pytest.mark.ahead(of=counted)]


@pytest.fixture
def cold():
    return ahead.result(counted)


@pytest.mark.parametrize("what", ["shape", "depth", "samples", "another depth of it", "all again"])
def test_nothing_is_compiled_for_another(cold, what):
    assert cold["counts"][what] == 0


# an activation and its slope are compiled for one vector and for four side by side
FORMULAS = [("activation", 6), ("all activations", 60), ("loss", 4), ("optimizer", 4)]


@pytest.mark.parametrize(("what", "most"), FORMULAS)
def test_another_formula_compiles_itself_alone(cold, what, most):
    assert 0 < cold["counts"][what] <= most


def test_each_kernel_is_compiled_for_few_types(cold):
    assert 40 < sum(cold["overloads"].values()) < 80
    assert max(cold["overloads"].values()) <= 6  # tiles of two vectors' width have four heights, those of one two
    # what Python calls, with all that it is made of, once for the dtype
    assert cold["entries"]["train-00"] == 1
    assert set(cold["entries"].values()) == {0, 1}


def test_no_kernel_is_compiled_for_a_literal(cold):
    assert cold["literal"] == []  # it would be, with all that it calls, again for every other number


def test_threads_that_start_cold_together_compile_each_kernel_once(cold):
    assert 40 < cold["counts"]["first"] < 90
    assert cold["overloads"]["fastbp.kernels.tiles.packing.pack_parameters"] == 1
