"""Vectors of other widths and CPUs without fused multiply-add, on any machine that has them."""

import pytest
from processes import output_of, start_python

from fastbp.kernels.runtime.host import ARCHITECTURE

TRAIN = """
import numpy as np, fastbp
from networks import make_labels, relative_error
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(43, 19)), make_labels(43, 3)
for dtype, tolerance in ((np.float32, 2e-5), (np.float64, 1e-12)):
    parameters = []
    for implementation in (fastbp, fastbp.reference):
        net = implementation.Network([19, 37, 1, 13, 3], "tanh", dtype=dtype, rng=0)
        trainer = implementation.Trainer(net, fastbp.SGD(0.05), 11, rng=0)
        trainer.fit(X, Y, epochs=2)
        trainer.optimizer = fastbp.SGD(0.05, weight_decay=0.01)
        trainer.fit(X, Y, epochs=2)
        parameters.append(net.parameters)
    error = relative_error(*parameters)
    assert error < tolerance, (dtype, error)
print(fastbp.config.vector_bytes, fastbp.config.has_fma)
"""
# variables, vector bytes, fused multiply-add (None: as the host)
BUILDS = {
    "32 bytes": ({"FASTBP_VECTOR_BYTES": 32}, 32, None),
    "16 bytes": ({"FASTBP_VECTOR_BYTES": 16}, 16, None),
    "haswell": ({"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}, 32, True),
    "nehalem": ({"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": ""}, 16, False),
}


@pytest.fixture(scope="module")
def processes():
    """All of them at once: each compiles for itself."""
    named = [name for name in BUILDS if ARCHITECTURE == "x86_64" or name.endswith("bytes")]
    started = {name: start_python(TRAIN, **BUILDS[name][0]) for name in named}
    yield started
    for process in started.values():
        process.kill()


@pytest.mark.parametrize("build", BUILDS)
def test_a_network_of_awkward_sizes_trains_as_the_twin_does_with(build, processes):
    if build not in processes:
        pytest.skip("a name of x86 CPUs")
    width, fma = output_of(processes[build]).split()
    assert int(width) == BUILDS[build][1]
    assert BUILDS[build][2] in (None, fma == "True")
