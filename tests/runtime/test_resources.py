"""Memory: flat over a thousand fits and a thousand failures, clean errors where there is none, arrays beyond 2^31."""

import mmap
import sys

import numpy as np
import pytest
from processes import run_python

import fastbp
from fastbp.compiled.workspace import Plan
from fastbp.kernels.vectors.simd import lanes_of

MAP_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")

FLAT = """
import gc, os, sys
import numpy as np
import MODULE as module
from fastbp import callbacks, SGD
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(64, 200)).astype(np.float32), np.arange(64) % 3

def fits(k):
    net = module.Network([200, 64, 3], rng=k)
    trainer = module.Trainer(net, ["sgd", "adam"][k % 2], 32, rng=k, dropout=0.1, clip_norm=1.0)
    trainer.fit(X, Y, epochs=2, validation_data=(X, Y), metrics=["top_2"],
                callbacks=[callbacks.EarlyStopping("val_loss", patience=3)])
    trainer.step(X, Y), net.predict(X), net.backprop(X, Y)

def failures(k):
    net = module.Network([200, 64, 3], rng=k)
    trainer = module.Trainer(net, ["sgd", "adam"][k % 2], 32, rng=k)
    def broken(trainer, epoch, logs):
        raise RuntimeError
    bad_X, bad_Y = X.copy(), Y.copy()
    bad_X[3, 5], bad_Y[7] = np.nan, 9
    steep = module.Network([200, 64, 3], "identity", "identity", "quadratic", rng=k)
    work = [
        lambda: trainer.fit(bad_X, Y),
        lambda: trainer.fit(X, bad_Y),
        lambda: trainer.fit(X, Y, callbacks=[callbacks.LambdaCallback(on_epoch_end=broken)]),
        lambda: module.Trainer(steep, SGD(1e30), 8).fit(X, np.ones((64, 3), np.float32), epochs=9),
        lambda: trainer.fit(((X, Y) if k < 1 else 1 / 0 for k in range(2))),
        lambda: net.forward(X[:, :7]),
        lambda: module.Trainer.load(sys.executable),
        lambda: trainer.save("/proc/nothing/here"),
    ][k % 8]
    try:
        work()
    except (ValueError, RuntimeError, FloatingPointError, ZeroDivisionError, OSError):
        return
    raise AssertionError(k)

def state():
    gc.collect()
    resident = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resident, len(os.listdir("/proc/self/fd")), len(gc.get_objects())

work = dict(fits=fits, failures=failures)[sys.argv[1]]
for k in range(200):
    work(k)
before = state()
for k in range(1000):
    work(k)
print(*(after - first for after, first in zip(state(), before)))
"""


@linux
@pytest.mark.slow
@pytest.mark.parametrize("work", ["fits", "failures"])
@pytest.mark.parametrize("module", ["fastbp", "fastbp.reference"])
def test_memory_files_and_objects_are_flat_over_a_thousand(work, module):
    grown, descriptors, objects = map(int, run_python(FLAT.replace("MODULE", module), work).split())
    # one network of each kept would be more than 50 MB and ten thousand objects
    assert grown < 16e6
    assert descriptors == 0
    assert objects < 500


# ------------------------------------------------------------------ no memory
NO_MEMORY = """
import resource
import numpy as np, fastbp
X, Y = np.ones((2000, 50), np.float32), np.arange(2000) % 3
net = fastbp.Network([50, 40, 3], rng=0)
trainer = fastbp.Trainer(net, "adam", 100, rng=0)
trainer.fit(X, Y)
net.forward(X), net.loss(X, Y), net.backprop(X, Y)
big, rows = fastbp.Network([50, 1200, 3], rng=0), 300_000
many, labels = np.broadcast_to(np.float32(1.0), (rows, 50)), np.zeros(rows, int)
many_X = np.ones((rows, 50), np.float32)
fastbp.Trainer(big, threads=1).step(X, Y)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
kept = net.parameters.copy(), trainer.optimizer_state, trainer.steps
resource.setrlimit(resource.RLIMIT_AS, (used + 40_000_000, resource.RLIM_INFINITY))
attempts = [
    lambda: fastbp.Network([50, 300_000, 3], rng=0),
    lambda: trainer.fit(many, labels),
    lambda: trainer.step(many_X, labels),
    lambda: net.backprop(many_X, labels),
    lambda: fastbp.Trainer(big, "adam", rows).fit(many_X, labels),
    lambda: net.copy(np.float64).forward(many_X),
    lambda: fastbp.fit_lbfgs(big, many_X, labels),
    lambda: big.backprop(many_X, labels),
]
errors = []
for attempt in attempts * 3:
    try:
        attempt()
        errors.append("none")
    except BaseException as error:
        errors.append(type(error).__name__)
assert np.array_equal(net.parameters, kept[0]) and trainer.steps == kept[2]
assert all(map(np.array_equal, trainer.optimizer_state, kept[1]))
trainer.fit(X, Y)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
other = fastbp.Network([50, 40, 3], rng=0)
again = fastbp.Trainer(other, "adam", 100, rng=0)
again.fit(X, Y, epochs=2)
print(*errors, np.array_equal(net.parameters, other.parameters))
"""


@linux
@pytest.mark.slow
def test_without_memory_there_is_a_memory_error_and_training_goes_on_where_it_was():
    *errors, same = run_python(NO_MEMORY, NUMBA_NUM_THREADS=1, OPENBLAS_NUM_THREADS=1).split()
    assert len(errors) == 24
    assert set(errors) == {"MemoryError"}
    assert same == "True"


# ------------------------------------------------------------------ beyond 2^31
@linux
@pytest.mark.slow
@pytest.mark.skipif(sys.maxsize < 2**33, reason="there are no addresses for it")
def test_numbers_and_bytes_beyond_2_to_the_31_are_found():
    # 2^31 numbers and a minibatch more, 8.6 GB of which nothing but the last pages is ever written: the system's page
    # of zeros stands for all others. (Rows of 2,048 numbers, on few cache sets, take ten times as long.)
    columns, batch = 2064, 256
    rows = (-(-(2**31) // (columns * batch)) + 1) * batch
    try:
        space = mmap.mmap(-1, rows * columns * 4, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    except OSError as error:
        pytest.skip(f"the system does not give so many addresses ({error})")
    if hasattr(mmap, "MADV_HUGEPAGE"):
        space.madvise(mmap.MADV_HUGEPAGE)
    X = np.frombuffer(space, np.float32).reshape(rows, columns)
    tail = np.random.default_rng(0).normal(size=(batch, columns)).astype(np.float32)
    X[-batch:] = tail
    labels, weight = np.arange(rows) % 3, np.zeros(rows, np.float32)
    weight[-batch:] = 1.0
    whole, part = (fastbp.Network([columns, 4, 3], "tanh", rng=0) for _ in range(2))
    np.testing.assert_allclose(whole.forward(X)[-batch:], part.forward(tail), rtol=1e-5, atol=1e-6)
    # in order, and all but the last minibatch without weight: what is learned is learned there
    fastbp.Trainer(whole, fastbp.SGD(0.5), batch, shuffle=False, threads=1).fit(X, labels, sample_weight=weight)
    fastbp.Trainer(part, fastbp.SGD(0.5)).step(tail, labels[-batch:])
    np.testing.assert_allclose(whole.parameters, part.parameters, rtol=1e-4, atol=1e-5)
    assert not np.array_equal(part.parameters, fastbp.Network([columns, 4, 3], "tanh", rng=0).parameters)


def test_offsets_are_counted_in_64_bits():
    plan = Plan([70_000, 40_000, 3], np.float32, [0, 0])
    assert plan.n_panels == plan.layers["biases"][1] + lanes_of(plan.dtype) > 2**31
    assert plan.layers["weights"][1] > plan.layers["biases"][0] >= 70_000 * 40_000
