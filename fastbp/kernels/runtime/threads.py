"""How many threads a step gets: few for little work, decided by timing the training itself.

The bits are the same at any thread count, so both ways can take turns on real minibatches, and the quicker one stays.
"""
from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from statistics import median

import numba
from numba.np.ufunc import parallel

# Below this much work a step is done before a second core has its cache lines: 784-30-10 at batch 10 (0.96 MFLOP) takes
# 9.6 µs on one thread and 10.3 on two, 8-64-64-4 at batch 64 (1.8 MFLOP) 20.5 and 14.5 (AMD Zen 4).
_TOO_LITTLE = 1.2e6
# Above this much, threads pay on any threading layer (workqueue: 90 µs a loop), and no serial kernel need be compiled.
_PLENTY = 2e8
_TRIALS = 5
# Long enough for sleeping threads to wake within it: 50 µs
_TRIAL_SECONDS = 5e-4
# After so much training both ways are tried again: other processes come and go, and a virtual machine's cores move.
_AGAIN = 2.0
# And at once where steps on several threads take so many times what one took when both were tried.
_WORSE = 1.1
# Serial training goes on for so long before the parallel kernel is compiled to be tried: short fits never wait for it.
_PATIENCE = 0.25

_inside = threading.Lock()
_forked = False


def _after_fork() -> None:
    global _forked, _inside
    _forked, _inside = True, threading.Lock()


if hasattr(os, "register_at_fork"):
    # A child of a process that has run an OpenMP loop is killed at its own first one.
    os.register_at_fork(after_in_child=_after_fork)


# ------------------------------------------------------------------ Numba's threading layer
_NUMBAS_ORDER = ["tbb", "omp", "workqueue"]
_CHOSEN = "NUMBA_THREADING_LAYER_PRIORITY" in os.environ or numba.config.THREADING_LAYER_PRIORITY != _NUMBAS_ORDER
if not _CHOSEN:
    # An empty parallel loop takes 1.2 µs on OpenMP. Numba reads this when it launches a layer: users can change it yet.
    numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]


def launched() -> bool:
    """Whether a threading layer runs in this process."""
    return bool(parallel._is_initialized)


def layer() -> str:
    """The threading layer that runs, or the one that will be launched (which depends on the libraries there are)."""
    if launched():
        return str(numba.threading_layer())
    if numba.config.THREADING_LAYER != "default":
        return str(numba.config.THREADING_LAYER)
    return next(name for name in numba.config.THREADING_LAYER_PRIORITY if _loads(name))


def _loads(name: str) -> bool:
    """Whether a layer's library can be loaded; that launches no thread."""
    try:
        import_module(f"numba.np.ufunc.{name if name == 'workqueue' else name + 'pool'}")
    except ImportError:
        return False
    return True


# ------------------------------------------------------------------ the number of threads
def count() -> int:
    """How many threads may be used: Numba's number, one in a forked child; asking launches nothing."""
    if _forked:
        return 1
    return numba.get_num_threads() if launched() else int(numba.config.NUMBA_NUM_THREADS)


def available(limit: int | None) -> int:
    """How many threads may be used, `limit` at most."""
    return count() if limit is None else min(limit, count())


@contextmanager
def numba_threads(wanted: int) -> Iterator[int]:
    """Up to `wanted` of Numba's threads for one parallel call, one if another Python thread has them.

    Numba's thread count is as before afterwards. Two threads inside the workqueue layer would abort the process.
    """
    lock = _inside
    if wanted < 2 or not lock.acquire(blocking=False):
        yield 1
        return
    try:
        before = numba.get_num_threads()
        numba.set_num_threads(wanted)
        try:
            yield wanted
        finally:
            numba.set_num_threads(before)
    finally:
        lock.release()


class ThreadTuner:
    """The number of threads for steps of one kind.

    Parameters
    ----------
    flop : float
        Work of a step, in floating-point operations.
    limit : int or None
        Threads at most.
    """

    def __init__(self, flop: float, limit: int | None) -> None:
        self._limit, self._seconds, self._serial = limit, 0.0, math.inf
        self._decided: float | None = None  # at how many seconds of training
        self._trials: dict[bool, list[float]] = {False: [], True: []}
        self._parallel: bool | None = None if _TOO_LITTLE <= flop <= _PLENTY else flop > _PLENTY
        self._step_seconds = flop / 1e11

    def next(self, n_steps: int) -> tuple[int, int]:
        """Threads for the next steps, and for how many of the `n_steps` to come."""
        threads = available(self._limit)
        if threads == 1 or self._parallel is not None:
            return (threads if self._parallel else 1), n_steps
        few = max(1, min(n_steps, int(_TRIAL_SECONDS / self._step_seconds)))
        if self._seconds < _PATIENCE:
            return 1, min(n_steps, max(1, int(_PATIENCE / self._step_seconds)))
        return (threads if len(self._trials[True]) <= len(self._trials[False]) else 1), few

    def record(self, threads: int, n_steps: int, seconds: float) -> None:
        """Take note of how long `n_steps` took."""
        self._seconds += seconds
        worse = threads > 1 and seconds / n_steps > _WORSE * self._serial
        again = self._decided is not None and (worse or self._seconds > self._decided + _AGAIN)
        if again and self._parallel is not None:
            self._parallel, self._trials = None, {False: [], True: []}
            return
        if self._parallel is not None or self._seconds < _PATIENCE:
            return
        self._step_seconds = seconds / n_steps if threads == 1 else self._step_seconds
        self._trials[threads > 1].append(seconds / n_steps)
        if min(map(len, self._trials.values())) > _TRIALS:
            # the first of each may have compiled or woken threads
            serial, parallel = (median(self._trials[way][1:]) for way in (False, True))
            self._parallel, self._decided, self._serial = parallel < serial, self._seconds, serial

