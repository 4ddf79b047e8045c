"""Where programs live: other threads, forks, parallel functions of the user's, settings of Numba, NumPy and Python."""

import os
import sys
import tempfile

import ahead
import pytest
from processes import output_of, run_python, start_python

forks = pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="there is no fork")

# ------------------------------------------------------------------ settings
TRAIN = """
import hashlib, os, sys
import numpy as np
exec(os.environ.get("BEFORE", ""))
import fastbp
X = np.random.default_rng(0).normal(size=(60, 9)).astype(np.float32)
Y = np.arange(60) % 3
net = fastbp.Network([9, 20, 3], "tanh", rng=0)
trainer = fastbp.Trainer(net, "adam", batch_size=16, rng=0)
trainer.fit(X, Y, epochs=2, validation_data=(X, Y))
trainer.step(X, Y)
net.predict(X), net.loss(X, Y), net.backprop(X, Y)
print(hashlib.sha256(net.parameters.tobytes()).hexdigest())
"""
SETTINGS = [
    {"NUMBA_DISABLE_JIT": 1},
    {"NUMBA_BOUNDSCHECK": 1},
    {"NUMBA_THREADING_LAYER": "tbb"},
    {"NUMBA_THREADING_LAYER": "workqueue"},
    {"NUMBA_NUM_THREADS": 1},
    {"OMP_NUM_THREADS": 1},
    {"NUMBA_CACHE_DIR": "/proc/nothing"},
    {"NUMBA_LLVM_REFPRUNE_PASS": 0},
    {"NUMBA_DEBUG_CACHE": 1},
    {"NUMBA_FULL_TRACEBACKS": 1},
    {"PYTHONOPTIMIZE": 2},
    {"PYTHONHASHSEED": 7},
    {"LC_ALL": "C", "PYTHONUTF8": 0},
    {"BEFORE": "np.seterr(all='raise')"},
    {"BEFORE": "import warnings; warnings.simplefilter('error')"},
    # SciPy imports f2py, which old releases of NumPy cannot do without a standard error.
    {"BEFORE": "import numpy.f2py; sys.stderr = None"},
    {"BEFORE": "np.set_printoptions(precision=1, threshold=3)"},
]


def trained(setting):
    return ahead.run("-c", TRAIN, **setting).splitlines()


@pytest.mark.slow
@pytest.mark.ahead(of=trained)
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_no_setting_changes_a_bit(setting):
    assert ahead.result(trained, setting)[-1:] == ahead.result(trained, {})


# ------------------------------------------------------------------ threads that Numba does not have, or others have
NO_LAYER = """
import warnings
import numpy as np, fastbp
from parallel import always_parallel
always_parallel()
net = fastbp.Network([5, 9, 3], rng=0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        fastbp.Trainer(net, threads=2, rng=0).fit(np.ones((40, 5)), np.zeros(40, int))
print([str(one.message)[:55] for one in caught])
"""


@pytest.mark.slow
def test_a_threading_layer_that_is_missing_costs_threads_and_one_warning():
    shown = run_python(NO_LAYER, NUMBA_THREADING_LAYER="tbb", NUMBA_NUM_THREADS=2)
    assert shown in ("['fastbp: one thread does all, for Numba has no threads: ']\n", "[]\n")


BESIDE = """
import threading
import numba, numpy as np, fastbp
from parallel import always_parallel
always_parallel()

@numba.njit(parallel=True)
def users(x):
    total = 0.0
    for k in numba.prange(len(x)):
        total += x[k]
    return total

x, done = np.ones(100_000), threading.Event()
users(x)
net = fastbp.Network([20, 50, 3], rng=0)
trainer = fastbp.Trainer(net, threads=2, rng=0)
trainer.fit(np.ones((64, 20)), np.zeros(64, int))

def work():
    while not done.is_set():
        assert users(x) == len(x)

other = threading.Thread(target=work)
other.start()
for _ in range(300):
    trainer.fit(np.ones((64, 20)), np.zeros(64, int))
    net.forward(np.ones((5000, 20)))
done.set()
other.join()
print("done")
"""


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_training_beside_a_parallel_function_of_the_users(layer):
    if layer == "omp" and sys.platform == "darwin":
        pytest.skip("Numba's wheels have no OpenMP there")
    assert run_python(BESIDE, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS=2) == "done\n"


# ------------------------------------------------------------------ forks
FORK_WHILE_COMPILING = """
import os, threading, time, sys
import numpy as np, fastbp
from numba.core import event

def train():
    net = fastbp.Network([4, 5, 3], rng=0)
    fastbp.Trainer(net, rng=0).fit(np.ones((40, 4)), np.zeros(40, int))
    return net.parameters.tobytes().hex()[:40]

begun = threading.Event()
class Begun(event.Listener):
    def on_start(self, event): begun.set()
    def on_end(self, event): pass
event.register("numba:compile", Begun())
found = []
other = threading.Thread(target=lambda: found.append(train()))
other.start()
begun.wait()
pid = os.fork()
if pid == 0:
    print(train(), flush=True)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
other.join()
print(found[0])
"""


def forked_while_compiling():
    with tempfile.TemporaryDirectory() as place:
        return ahead.run("-c", FORK_WHILE_COMPILING, FASTBP_CACHE_DIR=place).split()


@forks
@pytest.mark.slow
@pytest.mark.ahead(of=forked_while_compiling)
def test_a_child_forked_while_another_thread_compiles_can_compile():
    child, parent = ahead.result(forked_while_compiling)
    assert child == parent


FORK_WHILE_TRAINING = """
import os, threading
import numpy as np, fastbp
X = np.random.default_rng(0).normal(size=(20000, 30)).astype(np.float32)
Y = np.arange(20000) % 3
net = fastbp.Network([30, 100, 3], rng=0)
trainer = fastbp.Trainer(net, rng=0, threads=1)
trainer.fit(X[:64], Y[:64])
other = threading.Thread(target=lambda: trainer.fit(X, Y, epochs=100000))
other.daemon = True
other.start()
right = 0
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        shown = net.parameters.copy()
        twin = fastbp.reference.Network([30, 100, 3])
        twin.parameters[:] = shown
        ok = np.allclose(net.forward(X[:100]), twin.forward(X[:100]), atol=1e-5)
        again = fastbp.Trainer(net, rng=0)
        again.fit(X[:64], Y[:64])
        os._exit(0 if ok and not np.array_equal(net.parameters, shown) else 1)
    right += os.waitpid(pid, 0)[1] == 0
print(right, flush=True)
os._exit(0)
"""


@forks
@pytest.mark.slow
def test_a_child_forked_while_another_thread_trains_uses_the_network():
    assert run_python(FORK_WHILE_TRAINING.replace("import numpy", "import fastbp.reference, numpy")) == "20\n"


FORK_WHILE_LOCKED = """
import os, signal, threading, time
import numpy as np
from fastbp.reference import Network, Trainer

X, Y = np.ones((64, 6)), np.arange(64) % 3
trainer = Trainer(Network([6, 9, 3], rng=0), "adam", rng=0)
begun = threading.Event()

def draw():
    while True:
        begun.set()
        trainer.rng.permutation(3_000_000)

def take():
    with trainer.network._turns.gate:
        begun.set()
        time.sleep(600)

def train():
    with trainer.network._turns.lock:
        begun.set()
        time.sleep(600)

threading.Thread(target=WORK, daemon=True).start()
begun.wait()
right = 0
for _ in range(4):
    time.sleep(0.02)
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        trainer.fit(X, Y)
        trainer.network.copy()
        os._exit(0)
    right += os.waitpid(pid, 0)[1] == 0
print(right, flush=True)
os._exit(0)
"""


@forks
@pytest.mark.parametrize("work", ["draw", "take", "train"])
def test_a_child_has_no_lock_that_a_thread_of_its_parent_has(work):
    assert run_python(FORK_WHILE_LOCKED.replace("WORK", work)) == "4\n"


# ------------------------------------------------------------------ joblib
JOBLIB = """
import numpy as np, fastbp
from joblib import Parallel, delayed

def train(net, trainer, X, Y):
    fastbp.Trainer(net, rng=0).fit(X, Y)
    trainer.fit(X, Y)
    return net.parameters.copy(), trainer.network.parameters.copy()

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(64, 600)).astype(np.float32), np.arange(64) % 3
    net = fastbp.Network([600, 600, 3], rng=0)  # above the 1 MB from which joblib maps arrays, to be read only
    trainer = fastbp.Trainer(fastbp.Network([600, 600, 3], rng=0), "adam", rng=0)
    trainer.step(X, Y)
    found = Parallel(n_jobs=2)(delayed(train)(net, trainer, X, Y) for _ in range(2))
    expected = train(net, trainer, X, Y)
    print(all(np.array_equal(one, other) for pair in found for one, other in zip(pair, expected)))
"""


@pytest.mark.slow
def test_joblibs_workers_train_what_they_are_sent(tmp_path):
    pytest.importorskip("joblib")
    script = tmp_path / "script.py"
    script.write_text(JOBLIB)
    assert output_of(start_python(script)) == "True\n"
