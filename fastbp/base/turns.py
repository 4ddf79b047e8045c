"""Which thread has the numbers of a network to itself: the one that trains it, or one that reads them at one moment.

And what becomes of locks in a forked child, where the thread that has one is not there to give it back.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Turns:
    """The lock of a network's numbers, and the gate before it.

    What trains a network holds the lock for an epoch, or some short ones. Where the gate is closed another thread wants
    to read: what trains then gives the lock back after its minibatches, and goes through the gate before it takes the
    lock again.

    Examples
    --------
    >>> turns = Turns()
    >>> with turns.one_moment():
    ...     turns.is_mine()
    True
    >>> turns.is_mine()
    False
    """

    def __init__(self) -> None:
        self._make()
        _turns.add(self)

    def _make(self) -> None:
        self.lock = threading.RLock()
        #: Whether this thread has the lock.
        self.is_mine: Callable[[], bool] = self.lock._is_owned  # type: ignore[attr-defined]
        self.gate = threading.Lock()

    def wait(self) -> None:
        """Let those in who wait at the gate."""
        if not self.is_mine():
            with self.gate:
                pass

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """Let nothing train the network in another thread."""
        if self.is_mine():
            yield
            return
        try:
            with self.gate:
                self.lock.acquire()
            yield
        finally:
            try:
                self._give_back()
            finally:  # Ctrl-C may come within the first
                self._give_back()

    def _give_back(self) -> None:
        while self.is_mine():
            self.lock.release()

    def renew(self) -> None:
        """In a forked child: a thread that has the lock, or waits at the gate, is not here."""
        if self.lock.acquire(blocking=False):
            self.lock.release()
            self.gate = threading.Lock()  # a thread may have it that has not said so yet
        else:
            self._make()


# ------------------------------------------------------------------ forks
# Seconds in which another thread ends a draw.
_PATIENCE = 1.0

_turns: weakref.WeakSet[Turns] = weakref.WeakSet()
_trainers: weakref.WeakSet[Any] = weakref.WeakSet()
_held: dict[int, list[Any]] = {}  # by the thread that forks


def draws(trainer: Any) -> None:
    """Have the `rng` of a trainer be usable in forked children, whatever thread draws from it when they are forked."""
    _trainers.add(trainer)


def _before_fork() -> None:
    locks = _held.setdefault(threading.get_ident(), [])
    for trainer in list(_trainers):
        lock = trainer.rng.bit_generator.lock
        if lock.acquire(timeout=_PATIENCE):
            locks.append(lock)


def _after_fork() -> None:
    for lock in _held.pop(threading.get_ident(), []):
        lock.release()


def _after_fork_in_child() -> None:
    _after_fork()
    _held.clear()
    for turns in _turns:
        turns.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
