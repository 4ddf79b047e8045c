"""On any CPU: a process that finds an empty cache trains as the twin does, and the next one compiles nothing."""

import pytest
from processes import run_python

PROCESS = """
import hashlib
import numpy as np
from numba.core import event
compiled = event.RecordingListener()
event.register("numba:compile", compiled)
import fastbp
from networks import make_labels, relative_error

X, Y = np.random.default_rng(0).normal(size=(43, 19)), make_labels(43, 3)
swish = fastbp.Activation("swish", lambda z: z / (1 + np.exp(-z)))
errors, digest = [], hashlib.sha256()
for activation in ("tanh", swish):
    parameters = []
    for implementation in (fastbp, fastbp.reference):
        net = implementation.Network([19, 37, 1, 13, 3], activation, dtype={dtype!r}, rng=0)
        implementation.Trainer(net, fastbp.SGD(0.05), 11, rng=0).fit(X, Y, epochs=2)
        parameters.append(net.parameters)
    errors.append(relative_error(*parameters))
    digest.update(parameters[0])
print(max(errors), len(compiled.buffer), digest.hexdigest())
"""


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-12)])
def test_the_first_process_trains_as_the_twin_and_the_second_compiles_nothing(dtype, tolerance, tmp_path):
    code = PROCESS.format(dtype=dtype)
    first, second = (run_python(code, FASTBP_CACHE_DIR=tmp_path).split() for _ in range(2))
    for error, _, _ in (first, second):
        assert float(error) < tolerance
    assert int(first[1]) > 0
    assert int(second[1]) == 0
    assert first[2] == second[2]
