"""The processes that share one training: shares of a minibatch, sums in the order of ranks, and how they end together.

A step has three messages:

    1. Allgather   five numbers of each rank: size of the minibatch, own samples, Σ_s v_s C_s, right labels, what is
                   the matter
    2. Alltoallv   part r of each rank's gradient to rank r, which adds them up in the order of ranks
    3. Allgather   the sums to all

The bits of the sum depend on the number of ranks alone: not on the MPI library, nor on where ranks run. It moves as
many bytes as an Allreduce does, in as many messages as there are ranks.
"""

from __future__ import annotations

import math
import pickle
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastbp.canonical import FloatArray
from fastbp.distributed.interrupts import Interrupts
from fastbp.distributed.jobs import CALLS, END, GO_ON, Job, jobs_of_thread, where_they_are
from fastbp.distributed.places import cores_of, own_place

_E = TypeVar("_E", bound=BaseException)
_T = TypeVar("_T")

# What a rank says is the matter, last of the numbers that it sends.
_FINE, _STOPS, _FAILED = 0.0, 1.0, 2.0


class Tally(NamedTuple):
    """Sums over all ranks."""

    #: Samples.
    n_samples: int
    #: Σ_s v_s C_s.
    loss_sum: float
    #: Samples whose label was correct.
    correct: int


class Ranks:
    """The processes of a communicator, as each of them sees the others; `Alone` describes the methods they share.

    Every method but `share` and `agreed` is called by all ranks at the same point.

    Parameters
    ----------
    comm : object
        Communicator of two processes or more.
    """

    cores: int | None = None
    blame = ""
    met = False

    def __init__(self, comm: Any) -> None:
        self.comm, self.rank, self.size = comm, int(comm.rank), int(comm.size)
        self.is_first = self.rank == 0
        self._interrupts = Interrupts()
        self._agreed: BaseException | None = None
        self._lost: BaseException | None = None
        self._numbers: dict[int, tuple[FloatArray, FloatArray]] = {}
        self._summed: FloatArray | None = None
        self._messages: tuple[Any, Any] = ((), ())
        self._additions: list[tuple[FloatArray, FloatArray, FloatArray]] = []

    # ------------------------------------------------------------------ arithmetic
    def share(self, n: int) -> tuple[int, int]:  # noqa: D102
        return n * self.rank // self.size, n * (self.rank + 1) // self.size

    def sum(self, array: FloatArray) -> None:
        """Add up an array over all ranks, in their order.

        Parameters
        ----------
        array : ndarray
            Numbers of this rank, as many as a multiple of `size`. It gets the sums.
        """
        if array is not self._summed:
            self._plan_sum(array)
        self.comm.Alltoallv(*self._messages)
        with np.errstate(all="ignore"):  # as in compiled sums; the loss shows it
            for a, b, total in self._additions:
                np.add(a, b, out=total)
        self.comm.Allgather(None, array)  # the own part is in its place

    def _plan_sum(self, array: FloatArray) -> None:
        """What `sum` sends and adds: the own part is not sent, which saves a quarter of the copies of two ranks."""
        n, received = array.size // self.size, np.empty_like(array)
        counts, places = np.full(self.size, n, np.int32), np.arange(self.size, dtype=np.int64) * n
        counts[self.rank] = 0
        self._messages = [array, (counts, places)], [received, (counts, places)]
        parts, own = [*received.reshape(self.size, n)], array[self.rank * n : (self.rank + 1) * n]
        parts[self.rank] = own
        # the last sum lies where the own part was, which has been added by then
        totals = [*[np.empty_like(own)] * (self.size - 2), own]
        self._additions = list(zip([parts[0], *totals[:-1]], parts[1:], totals, strict=True))
        self._summed = array

    def tally(
        self, token: tuple[str, float], n_samples: int, loss_sum: float, correct: int,
        error: BaseException | None = None,
    ) -> Tally:
        """Add up what all ranks measured.

        Parameters
        ----------
        token : (str, float)
            Name and value of a number that is the same on all ranks.
        n_samples, loss_sum, correct : number
            Measures of this rank.
        error : exception, optional
            Error of this rank.

        Returns
        -------
        Tally
            Sums, each in the order of ranks. Where the loss is not finite, `blame` says where it was not.

        Raises
        ------
        Exception
            The error of the first rank that had one.
        KeyboardInterrupt
            If a rank is to stop.
        ValueError
            If the token differs between ranks.
        """
        rows = self.numbers(token[1], n_samples, loss_sum, correct, error=error)
        n, loss, right = 0.0, 0.0, 0.0
        for value, own_n, own_loss, own_right in rows:
            n, loss, right = n + own_n, loss + own_loss, right + own_right
            if value != rows[0][0]:
                self._refuse({token[0]: [row[0] for row in rows]})
        if not math.isfinite(loss):
            where = [str(rank) for rank, row in enumerate(rows) if not math.isfinite(row[2])]
            several = "s" if len(where) > 1 else ""
            self.blame = f" on rank{several} {', '.join(where)}" if 0 < len(where) < self.size else ""
        return Tally(int(n), loss, int(right))

    # ------------------------------------------------------------------ messages
    def numbers(self, *own: float, error: BaseException | None = None) -> list[list[float]]:
        """Return the numbers of each rank.

        Parameters
        ----------
        *own : float
            Numbers of this rank, as many on each.
        error : exception, optional
            Error of this rank.

        Returns
        -------
        list of list of float
            Numbers in the order of ranks.

        Raises
        ------
        Exception
            The error of the first rank that had one.
        KeyboardInterrupt
            If a rank is to stop.
        """
        if self._lost is not None:  # the others have left, or wait elsewhere
            raise self.agreed(self._lost)
        k = len(own) + 1
        if k not in self._numbers:
            self._numbers[k] = np.empty(k), np.empty((self.size, k))
        sent, received = self._numbers[k]
        interrupted = self._interrupts.asked or isinstance(error, KeyboardInterrupt)
        sent[:] = *own, _STOPS if interrupted else _FINE if error is None else _FAILED
        self.comm.Allgather(sent, received)
        rows: list[list[float]] = received.tolist()
        worst = max(row.pop() for row in rows)
        if worst == _FAILED:
            self._raise_first(None if interrupted else error)
        if worst == _STOPS:
            raise self.agreed(KeyboardInterrupt())
        return rows

    def _raise_first(self, error: BaseException | None) -> None:
        """Raise the error of the first rank that has one, its own or that of another; its message names the rank."""
        errors = self.comm.allgather(None if error is None else _portable(error))
        first = next(rank for rank, found in enumerate(errors) if found is not None)
        found = error if first == self.rank and error is not None else errors[first]
        if len(found.args) == 1 and isinstance(found.args[0], str):
            found.args = (f"on rank {first}: {found.args[0]}",)
        else:
            found.add_note(f"on rank {first}")
        raise self.agreed(found)

    @contextmanager
    def together(self) -> Iterator[None]:  # noqa: D102
        error: BaseException | None = None
        try:
            yield
        except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001 - raised on all ranks
            error = caught
        job = self._around()[-1]
        if job.met:
            self.numbers(error=error)
        else:
            job.met = True
            self._meet_in(CALLS.index(job.call), error)

    def gather(self, work: Callable[[], _T]) -> list[_T]:  # noqa: D102
        with self.together():
            result = work()
        results: list[_T] = self.comm.allgather(result)
        return results

    def from_first(self, thing: _T) -> _T:
        """Return what rank 0 has.

        Parameters
        ----------
        thing : object
            Object of this rank, of which only that of rank 0 counts.

        Returns
        -------
        object
            Object of rank 0, or a copy of it.
        """
        of_first: _T = self.comm.bcast(thing, root=0)
        return of_first

    # ------------------------------------------------------------------ agreement
    def meet(self, facts: Mapping[str, Any]) -> None:
        """Compare what must be the same on all ranks, and find out how many cores each of them has.

        Parameters
        ----------
        facts : mapping of str to object
            Values by name.

        Raises
        ------
        ValueError
            If a value differs between ranks.
        """
        all_facts = self.comm.allgather(dict(facts))
        for name in all_facts[0]:
            values = [each.get(name) for each in all_facts]
            if any(value != values[0] for value in values):
                self._refuse({name: values})
        self.cores = cores_of(self.comm.allgather(own_place()), self.rank)

    def _refuse(self, found: Mapping[str, list[Any]]) -> None:
        """Raise an error that names the first rank whose value is another than that of rank 0."""
        ((name, values),) = found.items()
        rank = next(rank for rank, value in enumerate(values) if value != values[0])
        raise self.agreed(ValueError(
            f"{name} must be the same on all ranks, got {values[0]} on rank 0 and {values[rank]} on rank {rank}"
        ))

    def settled(self, parameters: FloatArray, seconds: float, when: str) -> float:  # noqa: D102
        rows = self.numbers(checksum(parameters), seconds)
        others = [str(rank) for rank, row in enumerate(rows) if row[0] != rows[0][0]]
        if others:
            raise self.agreed(RuntimeError(
                f"after {when} the parameters on rank {', '.join(others)} are not those of rank 0; something differs "
                "between ranks: a callback or schedule that follows the rank, or CPUs of different kinds"
            ))
        return rows[0][1]

    def tell(self, callbacks: Callable[[], bool]) -> bool:
        """Return whether the callbacks of any rank end training.

        Parameters
        ----------
        callbacks : callable
            Function without arguments that calls those of this rank. All ranks may train in it, or none.

        Returns
        -------
        bool
            The same on all ranks.

        Raises
        ------
        RuntimeError
            If one rank trains in it, and another does not.
        """
        job = self._around()[-1]
        job.tells = True
        try:
            stops = callbacks()
        finally:
            job.tells = False
        return END in self._meet_in(END if stops else GO_ON)

    def _meet_in(self, call: int, error: BaseException | None = None) -> list[int]:
        """Return the place in `CALLS` of what each rank is in, or raise an error if they are in different ones."""
        calls = [int(row[0]) for row in self.numbers(call, error=error)]
        message = where_they_are(calls)
        if not message:
            return calls
        lost = self.agreed(RuntimeError(message))
        for job in self._around():
            job.ranks._lost = lost
        raise lost

    # ------------------------------------------------------------------ ends
    def agreed(self, error: _E) -> _E:  # noqa: D102
        self._agreed = error
        return error

    @contextmanager
    def job(self, call: str) -> Iterator[Ranks]:  # noqa: D102
        jobs, around = jobs_of_thread(), self._around()
        if around and not around[-1].tells:
            raise RuntimeError(
                f"{call} was called in the middle of {around[-1].call}, where ranks have other messages; what trains "
                "on them may be called in callbacks, on all ranks"
            )
        outermost = not any(job.ranks is self for job in around)
        jobs.append(Job(self, call))
        try:
            with self._interrupts if outermost else nullcontext():
                yield self
            if outermost and self._interrupts.asked:  # after the last message
                raise self.agreed(KeyboardInterrupt())
        except BaseException as error:
            if error is self._agreed:
                for job in around:
                    job.ranks._agreed = error
            elif outermost:
                self._abort(error)
            raise
        finally:
            jobs.pop()
            if outermost:
                self._agreed, self._lost, self._interrupts.asked = None, None, False

    def _around(self) -> list[Job]:
        """The calls of this communicator that this thread is in the middle of, the innermost last."""
        return [job for job in jobs_of_thread() if job.ranks.comm == self.comm]

    def _abort(self, error: BaseException) -> None:
        """End the whole job: the others wait for a message that will never come."""
        sys.stderr.write(f"fastbp: rank {self.rank} of {self.size} ends the job:\n")
        traceback.print_exception(error)
        sys.stderr.flush()
        self.comm.Abort(1)


def checksum(array: NDArray[Any]) -> int:
    """Return a number that tells arrays of other bits apart.

    Parameters
    ----------
    array : ndarray
        Array of any numbers.

    Returns
    -------
    int
        Number below 2³².

    Examples
    --------
    >>> checksum(np.zeros(2)) == checksum(np.array([0.0, -0.0]))
    False
    """
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _portable(error: BaseException) -> BaseException:
    """An error as other processes can have it."""
    try:
        copy: BaseException = pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever its class does
        return RuntimeError(f"{type(error).__name__}: {error}")
    return copy
