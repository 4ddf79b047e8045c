"""Data beyond memory: blocks in random order, many of them mixed, the next ones read while the kernels run.

Memory holds groups of blocks, each at another age. A round takes some samples of each group by lot, all that are left
of the oldest, and trains on them where they lie. Meanwhile a thread reads the next group to the place of the one that
was used up in the round before.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.base.classes import ClassWeights
from fastbp.base.network import BaseNetwork, Canonical
from fastbp.base.reading_thread import ReadingThread
from fastbp.base.session import Session
from fastbp.base.sources import Chunks, array_chunks
from fastbp.base.table import Table, check_memory

# Groups in memory, and blocks of a group where an array has no chunks of its own.
_GROUPS, _BLOCKS = 8, 8
# Bytes of the numbers of rows that are kept and shuffled for each sample.
_INDEX_BYTES = 48
_SOME = 4096

Order = np.random.Generator | None


class Blocks:
    """Samples that are read block by block, as many of them in memory as fit.

    Parameters
    ----------
    network : BaseNetwork
        Network whose form the samples get.
    arrays : tuple of X, Y, sample_weight
        Anything with a shape and row slices; the weights may be None.
    by_class : ndarray or "balanced", optional
        Weights of classes, as `class_weights` returns them.
    memory : float
        Bytes that samples may take.
    batch_size : int
        Samples of a minibatch.

    Attributes
    ----------
    n_samples : int
        Samples of an epoch.
    fits : bool
        Whether all of them are in memory, or may be.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, shape or range, or memory does not suffice for a minibatch and two blocks.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> X, Y = np.zeros((1000, 4), np.float16), np.zeros(1000, int)
    >>> blocks = Blocks(Network([4, 2], rng=0), (X, Y, None), None, 20_000, 32)
    >>> blocks.fits, blocks.n_samples
    (False, 1000)
    """

    def __init__(
        self, network: BaseNetwork, arrays: tuple[Any, Any, Any], by_class: ClassWeights, memory: float, batch_size: int
    ) -> None:
        self._memory = check_memory(memory)
        self._table = table = Table(network, arrays, by_class, self._memory)
        self.n_samples, self._row_bytes = table.n_samples, table.row_bytes + _INDEX_BYTES
        self._bounds = table.bounds(self._memory // (_GROUPS * _BLOCKS * self._row_bytes))
        self._largest, self._batch_size = int(np.diff(self._bounds).max()), min(batch_size, self.n_samples)
        # a sixteenth is left for what allocators hold back
        self._fixed = table.kept_bytes + table.read_bytes(self._largest)
        n_slots = (self._memory * 15 // 16 - self._fixed) // self._row_bytes
        self.fits = table.in_memory or n_slots >= self.n_samples
        if self.fits:
            return
        self._check_slots(n_slots)
        n_slots -= self._batch_size
        self._group_size = max(n_slots // _GROUPS, self._largest)
        self._n_groups = n_slots // self._group_size
        self._left_at = self._n_groups * self._group_size
        self._arrays = table.arrays(self._left_at + self._batch_size)
        self._probed, self._last = np.zeros(len(self._bounds) - 1, bool), np.empty(0, np.int64)

    def _check_slots(self, n_slots: int) -> None:
        """Raise ValueError if there are not enough for a minibatch and two blocks."""
        least = self._batch_size + 2 * self._largest
        if n_slots < least:
            needed = -(-16 * (self._fixed + least * self._row_bytes) // 15)
            raise ValueError(
                f"memory is {self._memory:,} bytes, expected {needed:,} at least, for a minibatch of "
                f"{self._batch_size:,} samples and twice the {self._largest:,} that are read at a time; smaller chunks "
                "or a smaller batch_size need less"
            )

    def whole(self) -> Canonical:
        """Return all samples, if they fit."""
        return self._table.whole()

    def samples(self) -> Canonical:
        """Return some of the samples that were trained on last."""
        X, Y, weight = self._arrays
        rows = self._last[:_SOME]
        return X[rows], Y[rows], None if weight is None else weight[rows]

    # ------------------------------------------------------------------ an epoch
    def chunks(self, session: Session, batch_size: int, rng: Order) -> Chunks:
        """Train a session for an epoch.

        Parameters
        ----------
        session : Session
            Session that trains.
        batch_size : int
            Samples of a minibatch.
        rng : Generator, optional
            Generator of the order. None takes all samples as they come.

        Yields
        ------
        ChunkResult
            Measures of some minibatches. Ctrl-C is answered between two chunks.

        Raises
        ------
        ValueError
            If a minibatch has grown since memory was shared out.
        """
        if batch_size > self._batch_size < self.n_samples:
            raise ValueError(f"batch_size has grown from {self._batch_size} to {batch_size} in a fit with memory")
        to_come, free = self._grouped(rng), [*range(self._n_groups)]
        live, left = list[_Group](), np.empty(0, np.int64)
        reader = ReadingThread(self._read)
        try:
            asked = self._ask(reader, to_come, free)
            while asked or live:
                reader.wait()
                self._land(asked, live, rng)
                rows = np.concatenate([left, _draw(live, rng, batch_size, last=not to_come)])
                used, live = _used_and_live(live)
                asked = self._ask(reader, to_come, free)
                n = len(rows) - (len(rows) % batch_size if asked or live or to_come else 0)
                yield from array_chunks(session, self._arrays, rows[:n], batch_size, last=False)
                left, self._last = self._keep(rows[n:]), rows[:n]
                free += (group.place for group in used)
        finally:
            try:
                reader.stop()
            finally:  # Ctrl-C may come within the first
                reader.stop()

    def _grouped(self, rng: Order) -> deque[_Group]:
        """The blocks of an epoch in groups that have a place in memory."""
        n = len(self._bounds) - 1
        sizes, groups = np.diff(self._bounds).tolist(), deque[_Group]()
        for k in range(n) if rng is None else rng.permutation(n).tolist():
            if not groups or groups[-1].size + sizes[k] > self._group_size:
                groups.append(_Group())
            groups[-1].blocks.append(k)
            groups[-1].size += sizes[k]
        return groups

    def _ask(self, reader: ReadingThread, to_come: deque[_Group], free: list[int]) -> list[_Group]:
        """Have groups read to the places that are free."""
        asked = []
        while to_come and free:
            asked.append(to_come.popleft())
            asked[-1].place = free.pop()
        reader.ask([job for group in asked for job in self._jobs(group)])
        return asked

    def _jobs(self, group: _Group) -> list[tuple[int, int]]:
        """Each block of a group, and the first row that it is written to."""
        at, jobs = group.place * self._group_size, []
        for k in group.blocks:
            jobs.append((k, at))
            at += int(self._bounds[k + 1] - self._bounds[k])
        return jobs

    def _read(self, job: tuple[int, int]) -> None:
        k, at = job
        start, stop = self._bounds[k : k + 2].tolist()
        self._table.store(self._arrays, at, start, stop, probed=bool(self._probed[k]))
        self._probed[k] = True

    def _land(self, asked: list[_Group], live: list[_Group], rng: Order) -> None:
        """Let samples of groups that were read be drawn: in so many rounds that one group is used up in each."""
        first = not live
        for number, group in enumerate(asked, start=1):
            group.rows = np.arange(group.size) + group.place * self._group_size
            if rng is not None:
                rng.shuffle(group.rows)
            group.rounds = number if first else self._n_groups - 1
            live.append(group)

    def _keep(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the samples of these rows are to be found when others have taken their places."""
        kept = slice(self._left_at, self._left_at + len(rows))
        for array in self._arrays:
            if array is not None:
                array[kept] = array[rows]
        return np.arange(kept.start, kept.stop)


@dataclass
class _Group:
    """Blocks that are read together.

    Parameters
    ----------
    blocks : list of int
        Their numbers.
    size : int
        Their samples.
    place : int
        Number of their place in memory.
    rows : ndarray of int64
        Rows that are yet to be drawn.
    rounds : int
        Number of rounds in which they are drawn.
    """

    blocks: list[int] = field(default_factory=list)
    size: int = 0
    place: int = -1
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    rounds: int = 1

    def take(self, rounds: int) -> NDArray[np.int64]:
        """Take the rows of a round, of so many that are left."""
        n = -(-len(self.rows) // rounds)
        rows, self.rows, self.rounds = self.rows[:n], self.rows[n:], self.rounds - 1
        return rows


def _used_and_live(groups: list[_Group]) -> tuple[list[_Group], list[_Group]]:
    """Those that have no rows left, and those that have."""
    return [group for group in groups if not len(group.rows)], [group for group in groups if len(group.rows)]


def _draw(live: list[_Group], rng: Order, whole: int, *, last: bool) -> NDArray[np.int64]:
    """The rows of a round: some of each group; where no group is to come, as many of each until the end.

    Younger groups keep what is more than a multiple of `whole`, as far as they can.
    """
    if rng is None:
        return live[0].take(1)
    longest = max(group.rounds for group in live)
    taken = [group.take(longest if last else group.rounds) for group in live]
    excess = sum(map(len, taken)) % whole
    for k in reversed(range(len(live))):
        if excess and len(live[k].rows):
            n = min(excess, len(taken[k]))
            live[k].rows = np.concatenate([taken[k][len(taken[k]) - n :], live[k].rows])
            taken[k], excess = taken[k][: len(taken[k]) - n], excess - n
    rows = np.concatenate(taken)
    rng.shuffle(rows)
    return rows
