"""How many threads a step gets: few for little work, decided by timing the training itself.

The bits are the same at any thread count, so both ways can take turns on real minibatches, and the quicker one stays.
"""
from __future__ import annotations

import functools
import math
import os
import threading
import warnings
from collections.abc import Callable, Hashable
from importlib import import_module
from statistics import median
from typing import TypeVar

import numba

from fastbp.kernels.runtime import host
from fastbp.kernels.runtime.numba_private import UNNAMED, usable

# Below this much work a step is done before a second core has its cache lines: 784-30-10 at batch 10 (0.96 MFLOP) takes
# 9.6 µs on one thread and 10.3 on two, 8-64-64-4 at batch 64 (1.8 MFLOP) 20.5 and 14.5 (Zen 4).
_TOO_LITTLE = 1.2e6
# Above this much, training begins on all threads, whatever the threading layer (workqueue: 90 µs a loop); no serial
# kernel need be compiled.
_PLENTY = 2e8
# Timings of each of two thread counts, one after the other, and those before them that do not count: the first may
# compile or wake threads, and others find the data in the caches of other cores. 784-128-10 at batch 32 on two threads,
# chunks of 3 steps from the first on: 217, 167, 183, 161, 119, 105, then 85 µs a step; 145 on one thread (Zen 3).
_SETTLING, _TRIALS = 6, 5
# Steps of so many seconds are timed once each after one: their time varies little, and a wrong thread count costs much.
_LONG_STEP = 5e-3
# Long enough for sleeping threads to wake within it: 50 µs.
_TRIAL_SECONDS = 5e-4
# After so much training the neighbours of a thread count are tried again: other processes come and go, and a virtual
# machine's cores move. A trial of steps so long that it would take more than a tenth of the training waits longer.
_AGAIN = 2.0
# Measure again at once if a parallel step takes more than this multiple of the serial time last measured.
_WORSE = 1.1
# Serial training goes on for so long, in one fit or in many, before the parallel kernel is compiled to be tried: short
# programs never wait for it. Where it is there already, threads are tried sooner.
_PATIENCE, _LITTLE_PATIENCE = 0.25, 0.005
# Ctrl-C is answered between two chunks of training: a chunk aims at 0.1 s, so that one that takes twice as long as the
# last is still answered within 0.2 s.
_CHUNK_SECONDS = 0.1
_GROWTH = 8

_T = TypeVar("_T")
_forked = False
# What was found for the work that a key names: the level, and seconds of a step on one thread.
_found: dict[Hashable, tuple[int, float]] = {}
_MANY_FOUND = 1000
_waited = [0.0]  # seconds of serial training by tuners with a key


class _Inside:
    """The Python thread that is inside Numba's threading layer, and Numba's count of threads while another one is set.

    Taking and giving back see, interrupted at any point, what has been taken.
    """

    def __init__(self) -> None:
        self.lock, self.before = threading.RLock(), 0

    def take(self, wanted: int) -> int:
        """Enter, with so many of Numba's threads; 0 where that cannot be."""
        if not self.lock.acquire(blocking=False) or not _can_launch() or (layer() == "workqueue" and not _alone()):
            return 0
        self.before = numba.get_num_threads()
        numba.set_num_threads(wanted)
        return wanted

    def is_mine(self) -> bool:
        """Whether this Python thread is inside."""
        return bool(self.lock._is_owned())  # type: ignore[attr-defined]

    def give_back(self) -> None:
        """Leave, if this Python thread is inside."""
        if self.is_mine():
            if self.before:
                numba.set_num_threads(self.before)
                self.before = 0
            self.lock.release()


_inside = _Inside()


def _after_fork() -> None:
    global _forked, _inside
    _forked, _inside = True, _Inside()


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
    try:
        numba.threading_layer()
    except ValueError:
        return False
    return True


def layer() -> str:
    """The threading layer that runs, or the one that will be launched (which depends on the libraries there are)."""
    if launched():
        return str(numba.threading_layer())
    if numba.config.THREADING_LAYER != "default":
        return str(numba.config.THREADING_LAYER)
    if not usable(UNNAMED):
        return "not known yet"
    return next(name for name in numba.config.THREADING_LAYER_PRIORITY if _loads(name))


def _loads(name: str) -> bool:
    """Whether a layer's library can be loaded; that launches no thread."""
    try:
        import_module(f"numba.np.ufunc.{name if name == 'workqueue' else name + 'pool'}")
    except ImportError:
        return False
    return True


# ------------------------------------------------------------------ the number of threads
_cores = functools.cache(host.usable_cores)


def count() -> int:
    """How many threads may be used: Numba's number, at most the cores of this process; one in a forked child.

    Asking launches nothing.
    """
    if _forked:
        return 1
    return min(numba.get_num_threads() if launched() else int(numba.config.NUMBA_NUM_THREADS), _cores())


def available(limit: int | None) -> int:
    """How many threads may be used, `limit` at most."""
    return count() if limit is None else min(limit, count())


def on_numba_threads(wanted: int, call: Callable[[int], _T]) -> _T:
    """Return call(granted), one parallel call with up to `wanted` of Numba's threads; or with 0: then none may be made.

    That is where another Python thread is inside, or may get there: two threads inside the workqueue layer would abort
    the process. Numba's thread count is as before afterwards. A call for one thread needs its count, too: others that
    wait in vain cost 1.4 → 4 ms beside a busy process.
    """
    inside = _inside
    if inside.is_mine():  # code of the user's in the middle of such a call, which must find it as it was
        return call(0)
    return with_release(lambda: call(inside.take(wanted)), inside.give_back)


def with_release(work: Callable[[], _T], release: Callable[[], object]) -> _T:
    """Return work(), and call release() whatever happens: twice, for Ctrl-C may come within the first."""
    try:
        return work()
    finally:
        try:
            release()
        finally:
            release()


def _alone() -> bool:
    """Whether this is the only Python thread: no other one can enter Numba's layer, by functions of the user's."""
    return threading.active_count() == 1


@functools.cache
def _can_launch() -> bool:
    """Whether Numba has a threading layer, launched from here on."""
    try:
        numba.get_num_threads()
    except ValueError as error:  # the one that was asked for is not installed
        message = f"fastbp: one thread does all, for Numba has no threads: {str(error).splitlines()[0]}"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        return False
    return True


class ThreadTuner:
    """How many threads the next steps get, and how many steps: one clock for the choice of threads and for Ctrl-C.

    Thread counts are 1, 2, 4, ... and the limit. Two neighbours train real minibatches, one after the other, and the
    quicker one stays; where it is the new one, it meets its other neighbour.

    Parameters
    ----------
    flop : float
        Work of a step, in floating-point operations.
    limit : int
        Threads at most.
    key : hashable, optional
        Names the work, whose tuners begin with what the one before them found.
    ready : bool
        Whether nothing need be compiled for several threads.
    """

    def __init__(self, flop: float, limit: int, key: Hashable = None, *, ready: bool = False) -> None:
        self._levels = [2**k for k in range(limit.bit_length()) if 2**k < limit] + [limit]
        #: Whether thread counts are tried; else one thread does all.
        self.tunes = limit > 1 and flop >= _TOO_LITTLE
        #: Whether training begins in parallel, so that the serial kernel need not be compiled for one thread.
        self.starts_parallel = limit > 1 and flop > _PLENTY
        self._level = len(self._levels) - 1 if self.starts_parallel else 0
        self._directions = [-1 if self.starts_parallel else 1]
        self._trials: dict[int, list[float]] = {}
        self._key = None if key is None else (key, limit)
        short = ready or (key is not None and _waited[0] > _PATIENCE)
        patience = 0.0 if self.starts_parallel else _LITTLE_PATIENCE if short else _PATIENCE
        self._seconds, self._next_trial, self._serial = 0.0, patience, math.inf
        if self._key in _found:
            self._level, self._serial = _found[self._key]
            self._directions, self._next_trial = [1, -1], _AGAIN
        self._asked = self._level
        self._pace: dict[int, float] = {}  # seconds of a step at each level
        self._steps = 1  # of the last chunk

    def next(self, n_steps: int) -> tuple[int, int]:
        """Threads for the next steps, and how many of the `n_steps` to come to take."""
        level, seconds = self._level, _CHUNK_SECONDS
        rival = self._rival() if self.tunes and self._seconds >= self._next_trial else None
        if rival is not None:
            level, seconds = (rival if self._tried(level) else level), _TRIAL_SECONDS
            self._trials.setdefault(level, [])
        self._asked = level
        pace = self._pace.get(level, self._pace.get(self._level, math.inf))
        steps = max(1, min(n_steps, int(seconds / pace), _GROWTH * self._steps))
        return self._levels[level], steps

    def record(self, threads: int, n_steps: int, seconds: float) -> None:
        """Take note of how long `n_steps` took."""
        level = self._levels.index(threads) if threads in self._levels else 0
        self._seconds += seconds
        if self._key is not None and self.tunes and level == 0:
            _waited[0] += seconds
        self._pace[level] = seconds / n_steps
        self._steps = n_steps
        if level != self._asked:  # another Python thread has Numba's
            self._trials, self._next_trial = {}, self._seconds + _AGAIN
        elif level in self._trials:
            self._trials[level].append(seconds / n_steps)
            if len(self._trials) == 2 and all(map(self._tried, self._trials)):
                self._decide()
        elif level > 0 and self._pace[level] > _WORSE * self._serial:
            self._directions, self._next_trial = [-1], self._seconds

    def _rival(self) -> int | None:
        """The level that is tried beside the present one; None where there is none in the directions left."""
        while self._directions:
            rival = self._level + self._directions[0]
            if 0 <= rival < len(self._levels):
                return rival
            self._directions.pop(0)
        self._directions, self._next_trial = [1, -1], self._seconds + _AGAIN
        return None

    def _tried(self, level: int) -> bool:
        """Whether a level has been timed often enough."""
        paces = self._trials.get(level, [])
        # the first two steps on threads that slept may take 36 and 16 ms, and the next 0.5
        quickest = min([*paces, *self._pace.values()], default=0.0)
        return len(paces) >= (_SETTLING + _TRIALS if quickest < _LONG_STEP else 2)

    def _decide(self) -> None:
        """Keep the quicker of two levels."""
        times = {level: median(paces[_SETTLING:] or paces[-1:]) for level, paces in self._trials.items()}
        rival = self._level + self._directions[0]
        spent = sum(sum(values) for values in self._trials.values())
        self._serial = times.get(0, self._serial)
        if times[rival] < times[self._level]:
            self._level, self._directions = rival, self._directions[:1]
        else:
            self._directions.pop(0)
        self._trials = {}
        if not self._directions:
            self._directions, self._next_trial = [1, -1], self._seconds + max(_AGAIN, 10.0 * spent)
        if self._key is not None:
            if len(_found) >= _MANY_FOUND:
                _found.clear()
            _found[self._key] = self._level, self._serial
