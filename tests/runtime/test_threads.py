"""Threads: the same bits at any number of them, none left behind, none where they would abort the process."""

import hashlib
import multiprocessing
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import ahead
import numba
import numpy as np
import pytest
from networks import ALL_PAIRS, make_data
from processes import run_python

import fastbp
from fastbp.kernels import epoch
from fastbp.kernels.runtime import threads as kernel_threads
from fastbp.optimizers import OPTIMIZERS

RULES = [
    {"l1": 0.01, "l2": 0.01},
    {"dropout": 0.3},
    {"clip_value": 0.01},
    {"clip_norm": 0.1},
    {"max_norm": 0.5},
    {"label_smoothing": 0.1},
    {"dropout": 0.3, "l2": 0.01, "clip_norm": 0.1, "max_norm": 0.5},
]
PAIR = ("cross_entropy", "softmax")
OTHERS = [(loss, output) for output, loss in ALL_PAIRS
          if output in ("softmax", "sigmoid", "identity") and (loss, output) != PAIR]
# (optimizer, loss, output, rules, dtype)
ROWS = [
    *((optimizer, *PAIR, {}, "float32") for optimizer in OPTIMIZERS),
    *(("sgd", *other, {}, "float32") for other in OTHERS),
    *((optimizer, *PAIR, rules, "float32") for rules in RULES for optimizer in ("sgd", "adam")),
    *((optimizer, *PAIR, {}, "float64") for optimizer in ("sgd", "adam")),
]


def trained(row, threads, epochs=2):
    """A digest of all that training leaves, by the parallel kernel where there are several threads."""
    optimizer, loss, output, rules, dtype = row
    rng = np.random.default_rng(0)
    net = fastbp.Network([17, 40, 33, 5], "tanh", output, loss, dtype, rng=0)
    X, Y = make_data(net, 150)
    trainer = fastbp.Trainer(net, optimizer, 64, threads=threads, rng=0, **rules)
    sample_weight = rng.uniform(0.5, 2.0, 150)
    trainer.fit(X, Y, epochs=epochs, sample_weight=sample_weight)
    # an epoch's loss is the sum of chunks whose sizes follow the clock: its last digit may differ
    loss = np.array(trainer.step(X, Y, sample_weight))
    parts = [net.parameters, *trainer.optimizer_state, loss, net.backprop(X, Y).flat]
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


# ------------------------------------------------------------------ the same bits
@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(map(str, row)))
def test_two_threads_give_the_bits_of_one(row, parallel):
    assert trained(row, threads=2) == trained(row, threads=1)


FOUR = """
import numba
from parallel import always_parallel
from test_threads import ROWS, trained
assert numba.config.NUMBA_NUM_THREADS == 4
always_parallel()
for row in ROWS:
    print(*(trained(row, threads) for threads in (1, 2, 3, 4)))
"""


def on_four():
    return ahead.run("-c", FOUR, NUMBA_NUM_THREADS=4, OMP_WAIT_POLICY="passive").splitlines()


@pytest.mark.slow
@pytest.mark.ahead(of=on_four)
def test_three_and_four_threads_give_the_bits_of_one(parallel):
    found = ahead.result(on_four)
    assert len(found) == len(ROWS)
    for row, digests in zip(ROWS, found, strict=True):
        assert set(digests.split()) == {trained(row, threads=1)}, row


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="there is one thread")
def test_the_parallel_kernel_is_what_these_tests_run(parallel, monkeypatch):
    taken = []
    running = kernel_threads.on_numba_threads
    monkeypatch.setattr(
        "fastbp.compiled.session.on_numba_threads", lambda n, call: taken.append(n) or running(n, call)
    )
    trained(ROWS[0], threads=2)
    assert 2 in taken


# ------------------------------------------------------------------ the count of threads
COUNTS = """
import numba, numpy as np, fastbp
from parallel import always_parallel
from test_threads import ROWS, trained
from fastbp.kernels.runtime import threads
always_parallel()
for own in (1, 3, 4):
    numba.set_num_threads(own)
    for limit in (None, 1, 2, 100):
        trained(ROWS[0], limit)
        assert numba.get_num_threads() == own, (own, limit)
net = fastbp.Network([3, 4], "tanh", "identity", "quadratic", rng=0)
try:
    fastbp.Trainer(net, fastbp.SGD(1e30), threads=2, rng=0).fit(np.ones((99, 3)), np.ones((99, 4)), epochs=9)
except FloatingPointError:
    print("diverged", numba.get_num_threads(), threads._inside.lock._is_owned())
"""


@pytest.mark.slow
def test_numbas_count_of_threads_is_as_before_after_an_error_too():
    assert run_python(COUNTS, NUMBA_NUM_THREADS=4, OMP_WAIT_POLICY="passive").split() == ["diverged", "4", "False"]


MORE = """
import numba, numpy as np, fastbp
from parallel import always_parallel
always_parallel()
numba.set_num_threads(1)
class More:
    def on_epoch_end(self, trainer, epoch, logs):
        numba.set_num_threads(4)
X = np.random.default_rng(0).normal(size=(200, 90))
net = fastbp.Network([90, 90, 90], rng=0)
fastbp.Trainer(net, "adam", 50, rng=0).fit(X, np.zeros(200, int), 3, callbacks=[More()])
print("done", numba.get_num_threads())
"""


def test_more_threads_in_the_middle_of_a_fit_have_no_room_to_write_in():
    assert run_python(MORE, NUMBA_NUM_THREADS=4).split() == ["done", "4"]


# ------------------------------------------------------------------ several Python threads
def concurrent(count=4, rounds=2):
    """Fits of several Python threads at once: a digest of each."""
    ready = threading.Barrier(count)

    def fit(k):
        ready.wait(60)
        return trained(ROWS[k], None, epochs=20)

    digests = set()
    with ThreadPoolExecutor(count) as pool:
        for _ in range(rounds):
            digests.add(tuple(pool.map(fit, range(count))))
    return digests


def test_concurrent_fits_give_the_bits_of_lone_ones(parallel):
    assert concurrent() == {tuple(trained(ROWS[k], 1, epochs=20) for k in range(4))}


CONCURRENT = """
import numba
from parallel import always_parallel
from test_threads import ROWS, concurrent, trained
always_parallel()
trained(ROWS[0], None)
lone = {tuple(trained(ROWS[k], 1, epochs=20) for k in range(4))}
print(concurrent() == lone, numba.threading_layer())
"""


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_concurrent_fits_do_not_abort_on(layer):
    if layer == "omp" and sys.platform == "darwin":
        pytest.skip("Numba's wheels have no OpenMP there")
    assert run_python(CONCURRENT, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS=4).split() == ["True", layer]


def test_a_network_shared_by_threads_predicts_as_it_does_alone():
    rng = np.random.default_rng(0)
    net = fastbp.Network([64, 256, 256, 10], rng=0)
    X = rng.normal(size=(3000, 64)).astype(np.float32)  # enough work for parallel kernels
    blocks = [X, X[:300], X[:7], X]
    expected = [net.forward(block) for block in blocks]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, alone in zip(pool.map(net.forward, blocks), expected, strict=True):
                assert np.array_equal(found, alone)


# ------------------------------------------------------------------ other processes
FORK = """
import os, sys
from parallel import always_parallel
from test_threads import ROWS, trained
from fastbp.kernels.runtime import threads
always_parallel()

def in_child(function):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(w, str(function()).encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as answer:
        text = answer.read()
    assert os.waitpid(pid, 0)[1] == 0
    return text

def child():
    return " ".join([trained(ROWS[0], None), str(threads.count()), in_child(grandchild)])

def grandchild():
    return trained(ROWS[0], None)

print(trained(ROWS[0], None), threads.count(), in_child(child), trained(ROWS[0], None))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(multiprocessing, "Process") or sys.platform == "win32", reason="there is no fork")
def test_forked_children_train_on_one_thread_with_the_same_bits():
    before, threads, inside, threads_inside, grandchild, after = run_python(FORK, NUMBA_NUM_THREADS=2).split()
    assert (threads, threads_inside) == ("2", "1")
    assert before == inside == grandchild == after == trained(ROWS[0], threads=1)


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted({"spawn", "forkserver"} & set(multiprocessing.get_all_start_methods())))
def test_other_processes_train_with_the_same_bits(method):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert pool.submit(trained, ROWS[0], None).result(120) == trained(ROWS[0], threads=1)


# ------------------------------------------------------------------ one at a time
@pytest.fixture
def another_inside():
    """Another Python thread has Numba's threads."""
    entered, over = threading.Event(), threading.Event()

    def stay(granted):
        entered.set()
        over.wait()

    other = threading.Thread(target=lambda: kernel_threads.on_numba_threads(1, stay))
    other.start()
    entered.wait()
    yield
    over.set()
    other.join()


def test_whoever_comes_first_gets_its_number_and_gives_it_back():
    before = numba.get_num_threads()
    assert kernel_threads.on_numba_threads(1, lambda granted: (granted, numba.get_num_threads())) == (1, 1)
    assert numba.get_num_threads() == before
    assert not kernel_threads._inside.lock._is_owned()


def test_whoever_comes_second_gets_none(another_inside):
    assert kernel_threads.on_numba_threads(1, lambda granted: granted) == 0


@pytest.mark.skipif(kernel_threads.count() < 2, reason="there is one thread")
def test_no_parallel_kernel_is_called_while_another_python_thread_is_inside(monkeypatch, another_inside):
    def refused(*_):
        raise AssertionError("a parallel kernel was called")

    X = np.random.default_rng(0).random((2048, 150))
    net = fastbp.Network([150, 150, 10], rng=0)
    monkeypatch.setitem(epoch.TRAIN, (False, True), refused)
    monkeypatch.setattr("fastbp.compiled.inference.outputs_parallel", refused)
    trainer = fastbp.Trainer(net, batch_size=2048, rng=0)
    trainer.fit(X, np.zeros(len(X), np.int64), epochs=2)
    assert net.forward(X).shape == (2048, 10)
    assert trainer._session._tuners[2048].starts_parallel
