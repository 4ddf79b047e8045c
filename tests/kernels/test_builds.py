"""Vectors of other widths and CPUs without fused multiply-add, on any machine that has them.

The process of each build is started once, ahead of the tests, and does everything that they ask of it.
"""

import contextlib
import io
import json
import platform

import ahead
import numpy as np
import pytest
import test_loops
import test_vecmath
from networks import make_labels, relative_error
from processes import TESTS

import fastbp
from fastbp.kernels.runtime.host import HAS_FMA

X86 = platform.machine() in ("x86_64", "AMD64")
# variables, vector bytes, fused multiply-add (None: as the host); LLVM splits vectors wider than the machine's
# "as on ARM": the tiles for 32 registers with vectors of 16 bytes, which LLVM spills where there are fewer
BUILDS = {
    "as on ARM": ({"FASTBP_VECTOR_BYTES": 16}, 16, None),
    "64 bytes": ({"FASTBP_VECTOR_BYTES": 64}, 64, None),
    "32 bytes": ({"FASTBP_VECTOR_BYTES": 32}, 32, None),
    "16 bytes": ({"FASTBP_VECTOR_BYTES": 16}, 16, None),
    "haswell": ({"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}, 32, True),
    "nehalem": ({"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": ""}, 16, False),
}


# ------------------------------------------------------------------ in the process of a build
def everything():
    """What the tests ask of a build."""
    return {
        "vector_bytes": fastbp.config.vector_bytes,
        "has_fma": fastbp.config.has_fma,
        "training": {dtype: training_error(dtype) for dtype in ("float32", "float64")},
        "copies": {dtype: copies_error(dtype) for dtype in ("float32", "float64")},
        "simd": report_of("test_simd.py"),
        # where there is no FMA, the errors are others
        "vecmath": test_vecmath.report(measure=not fastbp.config.has_fma),
        "loops": test_loops.different(3),
    }


def training_error(dtype):
    """How far a network of awkward sizes is from its twin after training."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(43, 19)), make_labels(43, 3)
    parameters = []
    for implementation in (fastbp, fastbp.reference):
        net = implementation.Network([19, 37, 1, 13, 3], "tanh", dtype=dtype, rng=0)
        trainer = implementation.Trainer(net, fastbp.SGD(0.05), 11, rng=0)
        trainer.fit(X, Y, epochs=2)
        trainer.optimizer = fastbp.SGD(0.05, weight_decay=0.01)
        trainer.fit(X, Y, epochs=2)
        parameters.append(net.parameters)
    return float(relative_error(*parameters))


def copies_error(dtype):
    """The same for inputs that are copied for the gradient, of every count that units and vectors leave over."""
    errors = []
    for n_in in (690, 697, 700, 701, 704):
        X, Y, parameters = np.random.default_rng(1).normal(size=(410, n_in)), make_labels(410, 3), []
        for implementation in (fastbp, fastbp.reference):
            net = implementation.Network([n_in, 45, 3], "tanh", dtype=dtype, rng=0)
            implementation.Trainer(net, fastbp.SGD(0.1), 205, rng=0).fit(X, Y, epochs=1)
            parameters.append(net.parameters)
        errors.append(float(relative_error(*parameters)))
    return max(errors)


def report_of(name):
    """Pytest's exit code on a file beside this one, and what it wrote."""
    with contextlib.redirect_stdout(io.StringIO()) as written:
        code = pytest.main(["-q", "-p", "no:cacheprovider", str(TESTS / "kernels" / name)])
    return int(code), written.getvalue()


# ------------------------------------------------------------------ the tests
def found(build):
    """Everything from one build, which compiles for itself; None where there is no such CPU."""
    variables = {"NUMBA_NUM_THREADS": 3, "OMP_WAIT_POLICY": "passive", **BUILDS[build][0]}
    if not X86 and "NUMBA_CPU_NAME" in variables:
        return None
    registers = "from fastbp.kernels.runtime import host; host.VECTOR_REGISTERS = 32; " * (build == "as on ARM")
    code = "import json, test_builds; print(json.dumps(test_builds.everything()))"
    return json.loads(ahead.run("-c", registers + code, **variables))


pytestmark = [pytest.mark.slow, pytest.mark.ahead(of=found)]


@pytest.fixture(scope="module", params=BUILDS)
def build(request):
    """Everything from one build."""
    everything = ahead.result(found, request.param)
    if everything is None:
        pytest.skip("a name of x86 CPUs")
    _, vector_bytes, has_fma = BUILDS[request.param]
    assert everything["vector_bytes"] == vector_bytes
    assert everything["has_fma"] == (HAS_FMA if has_fma is None else has_fma)
    return everything


def test_a_network_of_awkward_sizes_trains_as_the_twin_does(build):
    assert build["training"]["float32"] < 2e-5
    assert build["training"]["float64"] < 1e-12


def test_inputs_that_are_copied_train_as_the_twin_does(build):
    assert build["copies"]["float32"] < 2e-5
    assert build["copies"]["float64"] < 1e-12


def test_vectors_pass_their_tests(build):
    code, written = build["simd"]
    assert code == 0, written


def test_elementary_functions_give_the_same_bits_or_keep_their_bounds_without_fma(build):
    if build["has_fma"] == HAS_FMA:
        digests = {name: row[0] for name, row in test_vecmath.report(measure=False).items()}
        assert {name: row[0] for name, row in build["vecmath"].items()} == digests
    if not build["has_fma"]:
        for name, (_, error, x) in build["vecmath"].items():
            assert error <= test_vecmath.FUNCTIONS[name.split()[0]][4], f"{name}: {error} ULP at {x!r}"


def test_tiles_give_the_bits_of_the_loops_on_three_threads(build):
    assert build["loops"] == []
