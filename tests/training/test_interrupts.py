"""Ctrl-C at every line of the package while it trains: what was learned is kept, counted, and nothing stays taken."""

import linecache
import os
import sys
import threading
from pathlib import Path

import numba
import numpy as np
import pytest

import fastbp
from fastbp.kernels.runtime import threads as kernel_threads

PACKAGE = str(Path(fastbp.__file__).parent)
SIZES = [5, 9, 3]
X = np.random.default_rng(0).normal(size=(23, 5)).astype(np.float32)
Y = np.arange(23) % 3


class At:
    """A trace function that raises KeyboardInterrupt at the k-th line of the package, and counts lines.

    Python answers signals after calls and where functions and loops begin, so "try:" and "pass" are no lines, nor is a
    `with` as it is left: what comes next is the call that ends it.
    """

    def __init__(self, k):
        self.k, self.lines, self.before = k, 0, {}

    def __call__(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        is_left = line.startswith("with ") and frame.f_lineno < self.before.get(frame.f_code, 0)
        self.before[frame.f_code] = frame.f_lineno
        if event == "line" and line not in ("try:", "pass") and not is_left:
            self.lines += 1
            if self.lines - 1 == self.k:
                raise KeyboardInterrupt
        return self


def make(optimizer):
    net = fastbp.Network(SIZES, "tanh", rng=0)
    return fastbp.Trainer(net, optimizer, 8, shuffle=False, rng=0, threads=2)


def fit(trainer):
    trainer.fit(X, Y, epochs=2, validation_data=(X, Y))


def unwatched(trainer):
    """Epochs 2 to 5 in one call."""
    trainer.fit(X, Y, epochs=5)


def iterable(trainer):
    trainer.fit([(X[:8], Y[:8]), (X[8:16], Y[8:16]), (X[16:], Y[16:])], epochs=2)


class Made:
    """Batches that code of the user's makes, which may use the network meanwhile."""

    def __iter__(self):
        yield from [(X[:8], Y[:8]), (X[8:16], Y[8:16]), (X[16:], Y[16:])]


def made(trainer):
    trainer.fit(Made(), epochs=2)


class Sliced:
    """What has a shape and row slices and nothing else."""

    shape, dtype = X.shape, X.dtype

    def __getitem__(self, rows):
        return X[rows]


def blocks(trainer):
    trainer.fit(Sliced(), Y, epochs=2, memory=1900)


def steps(trainer):
    for first in (*range(0, 23, 8), *range(0, 23, 8)):
        trainer.step(X[first : first + 8], Y[first : first + 8])


def after_each_step(optimizer):
    """The parameters and states after 0, 1, ..., 15 updates."""
    trainer = make(optimizer)
    found = [(trainer.network.parameters.copy(), trainer.optimizer_state)]
    for first in 5 * (0, 8, 16):
        trainer.step(X[first : first + 8], Y[first : first + 8])
        found.append((trainer.network.parameters.copy(), trainer.optimizer_state))
    return found


def lines_of(work, trainer):
    counter = At(-1)
    sys.settrace(counter)
    try:
        work(trainer)
    finally:
        sys.settrace(None)
    return counter.lines


def interrupt(work, trainer, k):
    sys.settrace(At(k))
    try:
        work(trainer)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


def free_for_others(lock):
    taken = []
    other = threading.Thread(target=lambda: taken.append(lock.acquire(blocking=False)) or (taken[0] and lock.release()))
    other.start()
    other.join()
    return taken == [True]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("work", [fit, unwatched, iterable, made, blocks, steps], ids=lambda work: work.__name__)
def test_ctrl_c_at_every_line_leaves_what_was_learned_and_nothing_taken(work, optimizer, parallel):
    expected = after_each_step(optimizer)
    work(make(optimizer))  # compiles
    n_lines, threads, hit = lines_of(work, make(optimizer)), numba.get_num_threads(), 0
    assert n_lines > 100
    # with a thread that reads, each try takes ten times as long
    some = 1 if work is not blocks or "FASTBP_TEST_WHOLE" in os.environ else 17
    for k in range(0, n_lines, some):
        trainer = make(optimizer)
        hit += interrupt(work, trainer, k)
        parameters, states = expected[trainer.steps]
        assert np.array_equal(trainer.network.parameters, parameters), k
        assert all(map(np.array_equal, trainer.optimizer_state, states)), k
        assert numba.get_num_threads() == threads
        assert not kernel_threads._inside.lock._is_owned()
        assert not [thread for thread in threading.enumerate() if thread.name == "fastbp reads"], k
        if trainer.network._bound is not None:
            assert free_for_others(trainer.network._bound.lock), k
        assert len({len(column) for column in trainer.history.history.values()}) <= 1, k
        if trainer.steps < len(expected) - 1:
            first = trainer.steps % 3 * 8
            trainer.step(X[first : first + 8], Y[first : first + 8])
            assert np.array_equal(trainer.network.parameters, expected[trainer.steps][0]), k
    assert hit > n_lines / some * 0.9
