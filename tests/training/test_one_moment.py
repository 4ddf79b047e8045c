"""What one thread saves, copies and reads while another one trains: the numbers of one moment."""

import copy
import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from communicators import results_of
from networks import make_data, make_labels

import fastbp
from fastbp.callbacks import LambdaCallback
from fastbp.optimizers import Adam

SIZES, BATCH, N = [6, 9, 3], 16, 300
STEPS = -(-N // BATCH)


class Other:
    """Another thread, which a schedule begins at a step and waits for until it waits to read."""

    def __init__(self, step=5):
        self._step, self._thread, self.found = step, None, []

    def __call__(self, step):
        if self._thread is None and step == self._step:
            self.begin()
        return 0.01 / (1 + step)

    def begin(self):
        self._thread = threading.Thread(target=lambda: self.found.append(self.work()))
        self._thread.start()
        while not self.network._turns.gate.locked() and self._thread.is_alive():
            time.sleep(1e-3)

    def result(self):
        self._thread.join()
        return self.found[0]


def make(implementation, rate, comm=None):
    net = implementation.Network(SIZES, "tanh", rng=0)
    return implementation.Trainer(net, Adam(rate), BATCH, shuffle=False, rng=0, comm=comm)


def rate(step):
    return 0.01 / (1 + step)


@pytest.fixture
def fast_switches():
    """Python's threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def short_chunks(monkeypatch):
    """What trains may be interrupted after each minibatch."""
    monkeypatch.setattr("fastbp.reference._CHUNK_SECONDS", 0.0)
    monkeypatch.setattr("fastbp.kernels.runtime.threads.ThreadTuner.next", lambda *_: (1, 1))


def data():
    X, _ = make_data(fastbp.reference.Network(SIZES, rng=0), N)
    return X, make_labels(N, 3)


def after(implementation, steps):
    """A trainer after so many of the steps of a fit."""
    trainer, (X, Y) = make(implementation, rate), data()
    for k in range(steps):
        batch = slice(k * BATCH, (k + 1) * BATCH)
        trainer.step(X[batch], Y[batch])
    return trainer


def fitted(implementation, work, path, comm=None):
    """The trainer after an epoch, and what `work(trainer, path)` found in another thread from its fifth step on."""
    other = Other()
    trainer = make(implementation, other, comm)
    other.network, other.work = trainer.network, lambda: work(trainer, path)
    trainer.fit(*data())
    return trainer, other


def load(implementation, path):
    return implementation.Trainer.load(path, custom={"learning_rate": rate})


def assert_same(trainer, other):
    assert np.array_equal(trainer.network.parameters, other.network.parameters)
    assert np.array_equal(trainer.optimizer_state, other.optimizer_state)


def test_a_trainer_that_another_thread_saves_is_that_of_one_moment(implementation, short_chunks, tmp_path):
    trainer, other = fitted(implementation, lambda trainer, path: trainer.save(path), tmp_path / "run")
    other.result()
    found = load(implementation, tmp_path / "run")
    assert 5 <= found.steps < STEPS
    assert (found.epochs, found.history.loss) == (0, [])
    assert_same(found, after(implementation, found.steps))
    assert_same(trainer, after(implementation, STEPS))


READS = {
    "save": lambda trainer, path: trainer.network.save(path) or fastbp.reference.Network.load(path).parameters,
    "copy": lambda trainer, _: trainer.network.copy().parameters,
    "pickle": lambda trainer, _: pickle.loads(pickle.dumps(trainer.network)).parameters,
    "states": lambda trainer, _: trainer.optimizer_state,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_what_another_thread_reads_of_a_network_is_that_after_a_minibatch(
    implementation, short_chunks, tmp_path, read
):
    _, other = fitted(implementation, read, tmp_path / "net")
    found = other.result()
    moments = (after(implementation, steps) for steps in range(5, STEPS))
    assert any(np.array_equal(found, read(moment, tmp_path / "net")) for moment in moments)


def test_a_network_on_the_arrays_of_the_user_is_saved_whole_too(short_chunks, tmp_path):
    own = fastbp.Network(SIZES, "tanh", rng=0)
    W, b = [W.copy() for W in own.weights], [b.copy() for b in own.biases]
    other = Other()
    net = fastbp.bind(W, b, "tanh", columns=True)
    trainer = fastbp.Trainer(net, Adam(other), BATCH, shuffle=False, rng=0)
    other.network, other.work = net, lambda: trainer.save(tmp_path / "run")
    X, Y = data()
    trainer.fit(X.T, Y)
    other.result()
    found = load(fastbp, tmp_path / "run")
    assert 5 <= found.steps < STEPS
    assert_same(found, after(fastbp, found.steps))
    expected = after(fastbp, STEPS).network
    assert all(map(np.array_equal, [*W, *b], [*expected.weights, *expected.biases]))


def test_a_rank_that_saves_in_another_thread_stops_no_other_rank(implementation, short_chunks, tmp_path):
    def work(comm):
        other = Other(5 if comm.rank == 0 else -1)
        trainer = make(implementation, other, comm)
        if comm.rank == 0:
            other.network, other.work = trainer.network, lambda: trainer.save(tmp_path / "run")
        trainer.fit(*data())
        return comm.rank == 0 and other.result()

    results_of(2, work)
    found = load(implementation, tmp_path / "run")
    twin = after(implementation, found.steps)
    assert 5 <= found.steps < STEPS
    assert np.allclose(found.network.parameters, twin.network.parameters, atol=1e-5)


def test_history_and_count_of_epochs_are_of_one_moment(implementation, tmp_path, monkeypatch):
    other, trainer = Other(), make(implementation, rate)
    other.network, other.work = trainer.network, lambda: trainer.save(tmp_path / "run")
    extend = fastbp.History._extend
    monkeypatch.setattr(fastbp.History, "_extend", lambda *arguments: extend(*arguments) or other.begin())
    trainer.fit(*data())
    other.result()
    found = load(implementation, tmp_path / "run")
    assert (found.epochs, len(found.history.loss), found.steps) == (1, 1, STEPS)


def test_the_columns_that_another_thread_reads_have_the_same_epochs(implementation, tmp_path, fast_switches):
    trainer, (X, Y) = make(implementation, 0.01), data()
    reads = {
        "history": lambda history: history.history,
        "items": lambda history: dict(history.items()),
        "values": lambda history: dict(enumerate(history.values())),
        "sum": lambda history: (history + fastbp.History()).history,
        "copy": lambda history: vars(copy.deepcopy(history)),
        "pickle": lambda history: vars(pickle.loads(pickle.dumps(history))),
        "table": lambda history: history.to_csv(tmp_path / "table") or {},
        "repr": lambda history: repr(history) and {},
    }
    found, done = [], threading.Event()

    def read():
        while not done.is_set():
            for name, of in reads.items():
                steps, epochs, columns = trainer.steps, trainer.epochs, of(trainer.history)
                lengths = {len(column) for column in columns.values() if len(column)}
                found.append((name, len(lengths) <= 1 and steps >= epochs >= 0))

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            trainer.fit(X[:20], Y[:20], epochs=300, validation_data=(X[:20], Y[:20]), metrics=["top_1", "top_2"])
        finally:
            done.set()
        reading.result()
    assert {name for name, even in found if not even} == set()
    assert len(found) >= len(reads)


def test_what_was_read_of_a_history_stays(implementation):
    trainer, (X, Y) = make(implementation, 0.01), data()
    first = []
    keep = LambdaCallback(on_epoch_end=lambda trainer, *_: first.append(trainer.history.history) if not first else None)
    trainer.fit(X, Y, epochs=3, callbacks=[keep])
    assert {len(column) for column in first[0].values()} == {1}
    twin = copy.copy(trainer.history)
    trainer.history.append({"loss": 1.0})
    assert len(twin.loss) == 3


def test_a_callback_may_wait_for_another_thread_that_saves(implementation, tmp_path):
    trainer = make(implementation, rate)
    with ThreadPoolExecutor(1) as pool:
        save = LambdaCallback(
            on_epoch_end=lambda *_: pool.submit(trainer.save, tmp_path / "run").result(timeout=60)
        )
        trainer.fit(*data(), epochs=2, callbacks=[save])
    assert_same(load(implementation, tmp_path / "run"), trainer)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickle.dumps])
def test_a_copy_of_a_trainer_in_the_middle_of_a_fit_of_another_thread_is_refused(implementation, duplicate):
    def refused(trainer, _):
        with pytest.raises(RuntimeError, match=r"in the middle of a fit in another thread.*its save, which waits"):
            duplicate(trainer)
        return True

    trainer, other = fitted(implementation, refused, None)
    assert other.result()
    trainer.optimizer = "adam"  # a function within a test has no pickle
    duplicate(trainer)
    trainer.fit(*data(), callbacks=[LambdaCallback(on_epoch_end=lambda trainer, *_: duplicate(trainer) and None)])


def test_fits_of_one_trainer_at_the_same_time_have_histories_of_their_own(implementation):
    trainer, (X, Y) = make(implementation, 0.01), data()
    with ThreadPoolExecutor(4) as pool:
        histories = list(pool.map(lambda _: trainer.fit(X[:40], Y[:40], epochs=60), range(4)))
    assert [len(history.loss) for history in histories] == [60] * 4
    assert (trainer.epochs, trainer.steps, trainer._fits_in) == (240, 720, [])
