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
from fastbp.kernels.runtime.threads import ThreadTuner
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


# ------------------------------------------------------------------ the choice
class Machine:
    """A simulated clock: steps that take `seconds` at each number of threads.

    Those of the first parallel chunks after others take the times of `begins`.
    """

    def __init__(self, tuner, seconds, begins=()):
        self.tuner, self.seconds, self.taken = tuner, dict(seconds), []
        self.begins, self.beginning = begins, iter(())

    def train(self, seconds, first=0.0):
        """Train for so long; the time spent at each number of threads. The first parallel step takes `first` more."""
        spent = dict.fromkeys(self.seconds, 0.0)
        while sum(spent.values()) < seconds:
            threads, n_steps = self.tuner.next(100_000)
            if threads == 1:
                self.beginning = iter(self.begins)
            step = self.seconds[threads] if threads == 1 else next(self.beginning, self.seconds[threads])
            time = n_steps * step + (first if threads > 1 and not spent[threads] else 0.0)
            self.tuner.record(threads, n_steps, time)
            spent[threads] += time
            self.taken.append((threads, n_steps, time))
        return spent

    @property
    def chosen(self):
        """The threads of the last of long chunks."""
        return next(threads for threads, n_steps, time in reversed(self.taken) if time > 0.02)


def test_little_work_has_one_thread_and_much_begins_with_all():
    assert ThreadTuner(1e5, 2).next(50)[0] == 1
    assert ThreadTuner(1e9, 2).next(50)[0] == 2
    assert ThreadTuner(1e9, 1).next(50)[0] == 1
    assert ThreadTuner(1e9, 12).next(50)[0] == 12
    assert {ThreadTuner(1e5, 2).starts_parallel, ThreadTuner(1e9, 2).starts_parallel} == {False, True}


@pytest.mark.parametrize(("serial", "parallel", "chosen"), [(1e-4, 6e-5, 2), (1e-4, 2e-4, 1), (1e-4, 9e-4, 1)])
def test_between_them_the_quicker_way_is_chosen(serial, parallel, chosen):
    machine = Machine(ThreadTuner(5e6, 2), {1: serial, 2: parallel})
    machine.train(1.0)
    assert machine.chosen == chosen


# seconds of a step at 1, 2, 4, 8, 12 threads, and which of them is found
CURVES = [
    ({1: 8e-4, 2: 4e-4, 4: 2e-4, 8: 1e-4, 12: 8e-5}, 12),
    ({1: 8e-4, 2: 4e-4, 4: 2e-4, 8: 3e-4, 12: 8e-4}, 4),
    ({1: 8e-4, 2: 9e-4, 4: 2e-3, 8: 3e-3, 12: 5e-3}, 1),
    ({1: 8e-4, 2: 6e-4, 4: 7e-4, 8: 3e-3, 12: 5e-3}, 2),
]


@pytest.mark.parametrize("flop", [5e6, 1e9], ids=["begins with one", "begins with all"])
@pytest.mark.parametrize(("curve", "chosen"), CURVES)
def test_of_many_thread_counts_the_quickest_is_found(curve, chosen, flop):
    machine = Machine(ThreadTuner(flop, 12), curve)
    machine.train(2.0)
    assert machine.chosen == chosen


def test_sixteen_threads_on_one_core_are_left_within_a_second():
    seconds = {1: 6e-3, 2: 12e-3, 4: 25e-3, 8: 50e-3, 16: 74e-3}
    machine = Machine(ThreadTuner(1e9, 16), seconds)
    machine.train(1.0)
    assert machine.chosen == 1


def test_what_the_first_parallel_step_compiles_is_not_held_against_it():
    machine = Machine(ThreadTuner(5e6, 2), {1: 1e-4, 2: 6e-5})
    machine.train(6.0, first=5.0)
    assert machine.chosen == 2


def test_threads_are_judged_by_how_they_go_on_and_not_by_how_they_begin():
    # as it was measured: of a step of 85 µs, 145 on one thread, and of one of 0.5 ms, 0.85 on one thread
    settling = [2.17e-4, 1.67e-4, 1.83e-4, 1.61e-4, 1.19e-4]
    cases = (1.45e-4, 8.5e-5, settling), (8.5e-4, 5e-4, [0.036, 0.016]), (1e-4, 6e-5, [1.5e-4] * 6)
    for serial, parallel, begins in cases:
        machine = Machine(ThreadTuner(5e6, 2), {1: serial, 2: parallel}, begins)
        machine.train(1.0)
        assert machine.chosen == 2


def test_trying_costs_little_where_threads_do_not_pay():
    assert Machine(ThreadTuner(5e6, 2), {1: 1e-4, 2: 1e-3}).train(1.0)[2] < 0.05
    assert Machine(ThreadTuner(5e6, 2), {1: 1e-4, 2: 1e-3}).train(20.0)[2] < 0.2


def test_the_choice_is_made_again_as_the_machine_changes():
    machine = Machine(ThreadTuner(5e6, 2), {1: 1e-4, 2: 6e-5})
    machine.train(1.0)
    assert machine.chosen == 2
    machine.seconds[2] = 1.05e-4  # a little slower than one thread: found when both are tried again
    machine.train(4.0)
    assert machine.chosen == 1


def test_threads_that_have_become_slower_than_one_are_left_at_once():
    machine = Machine(ThreadTuner(5e6, 2), {1: 1e-4, 2: 6e-5})
    machine.train(1.0)
    machine.seconds[2] = 3e-4
    machine.train(1.0)
    assert machine.chosen == 1


def test_a_chunk_grows_to_a_tenth_of_a_second_and_shrinks_again():
    machine, sizes = Machine(ThreadTuner(1e5, 2), {1: 1e-4}), []
    for seconds in (1e-4,) * 6 + (0.02,) * 3 + (10.0,) * 2:
        machine.seconds[1] = seconds
        machine.train(1e-9)
        sizes.append(machine.taken[-1][1])
    assert sizes == [1, 8, 64, 512, 1000, 1000, 1000, 5, 5, 5, 1]


def test_short_fits_never_wait_for_the_parallel_kernel():
    assert Machine(ThreadTuner(5e6, 2), {1: 1e-3, 2: 1e-3}).train(0.2)[2] == 0.0


def test_threads_that_another_python_thread_has_are_not_asked_for_all_the_time():
    tuner, steps = ThreadTuner(5e6, 2, ready=True), []
    while sum(steps) < 200_000:  # 20 seconds
        steps.append(tuner.next(100_000)[1])
        tuner.record(1, steps[-1], steps[-1] * 1e-4)  # one, whatever was asked for
    assert len(steps) < 400


def test_where_threads_need_no_compiling_they_are_tried_sooner():
    machine = Machine(ThreadTuner(5e6, 2, ready=True), {1: 1e-4, 2: 6e-5})
    assert machine.train(0.06)[2] > 0.03


def test_many_short_fits_wait_together_before_threads_are_tried(monkeypatch):
    monkeypatch.setattr(kernel_threads, "_waited", [0.0])
    spent = [Machine(ThreadTuner(5e6, 2, "short"), {1: 1e-4, 2: 6e-5}).train(0.04)[2] for _ in range(12)]
    assert spent[:4] == [0.0] * 4
    assert min(spent[8:]) > 0.02


def test_the_next_trainer_of_the_same_work_begins_with_what_was_found():
    first = Machine(ThreadTuner(5e6, 2, "work"), {1: 1e-4, 2: 6e-5})
    first.train(1.0)
    assert ThreadTuner(5e6, 2, "work").next(50)[0] == 2
    others = (2, "other work"), (1, "work"), (2,), (4, "work")
    assert {ThreadTuner(5e6, *other).next(50)[0] for other in others} == {1}
    again = Machine(ThreadTuner(5e6, 2, "work"), {1: 1e-4, 2: 3e-4})  # the machine has changed: found at once
    again.train(0.2)
    assert again.chosen == 1
    assert ThreadTuner(5e6, 2, "work").next(50)[0] == 1


def test_what_was_found_is_kept_for_so_much_work_and_no_more():
    for work in range(1100):
        Machine(ThreadTuner(1e9, 2, ("many", work)), {1: 2e-2, 2: 1e-2}).train(0.2)
    assert len(kernel_threads._found) <= 1000


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
