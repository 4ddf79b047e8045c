"""What a trainer asks of the processes that it shares its work with, where there is none but its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from fastbp.canonical import FloatArray

_E = TypeVar("_E", bound=BaseException)
_T = TypeVar("_T")
_NOTHING = nullcontext()


class Alone:
    """The only rank of a job: the methods of `fastbp.distributed.ranks.Ranks`, none of which has anything to do.

    Parameters
    ----------
    comm : object
        Communicator of one process, or None.

    Examples
    --------
    >>> Alone(None).share(10)
    (0, 10)
    """

    rank, size = 0, 1
    #: Whether this is the rank that writes files and shows progress.
    is_first = True
    #: Cores that this rank may use, of those that it shares with others; None: all.
    cores: int | None = None
    #: Where a loss was not finite, as part of a message.
    blame = ""
    #: Whether rank 0 has given its state to the others.
    met = True

    def __init__(self, comm: Any) -> None:
        self.comm, self._context = comm, nullcontext(self)

    def job(self, call: str) -> AbstractContextManager[Any]:  # noqa: ARG002
        """Return the context of a training: where one rank leaves it by an error, all ranks do.

        Parameters
        ----------
        call : str
            What was called, one of `fastbp.distributed.jobs.CALLS`. All ranks call the same, or none.

        Returns
        -------
        context manager
            Context, which returns this object.

        Examples
        --------
        >>> with Alone(None).job("Trainer.fit") as ranks:
        ...     ranks.rank
        0
        """
        return self._context

    def together(self) -> AbstractContextManager[Any]:
        """Return a context after which all ranks raise the error that one rank has had in it.

        Returns
        -------
        context manager
            Context.

        Examples
        --------
        >>> with Alone(None).together():
        ...     pass
        """
        return _NOTHING

    def share(self, n: int) -> tuple[int, int]:
        """Return where this rank's share of n samples begins, and where it ends.

        Parameters
        ----------
        n : int
            Samples that all ranks share. Shares differ by one at most, and some are empty where there are few samples.

        Returns
        -------
        begin, end : int
            Range of this rank's samples.

        Examples
        --------
        >>> Alone(None).share(5)
        (0, 5)
        """
        return 0, n

    def gather(self, work: Callable[[], _T]) -> list[_T]:
        """Return what a function returns on each rank.

        Parameters
        ----------
        work : callable
            Function without arguments. An error that it raises on one rank is raised on all of them.

        Returns
        -------
        list
            Results in the order of ranks.

        Examples
        --------
        >>> Alone(None).gather(lambda: 3)
        [3]
        """
        return [work()]

    def settled(self, parameters: FloatArray, seconds: float, when: str) -> float:  # noqa: ARG002
        """Check that all ranks have the same parameters.

        Parameters
        ----------
        parameters : ndarray
            Parameters after an epoch.
        seconds : float
            Duration of the epoch on this rank.
        when : str
            Name of the epoch in a message.

        Returns
        -------
        float
            Seconds that rank 0 came with.

        Raises
        ------
        RuntimeError
            If another rank has other parameters.

        Examples
        --------
        >>> import numpy as np
        >>> Alone(None).settled(np.zeros(3), 1.5, "epoch 1/3")
        1.5
        """
        return seconds

    def agreed(self, error: _E) -> _E:
        """Return an error that is raised on all ranks at once, so that none of them waits for others.

        Parameters
        ----------
        error : exception
            Error, which is remembered.

        Returns
        -------
        exception
            The same error.

        Examples
        --------
        >>> Alone(None).agreed(ValueError("X is empty"))
        ValueError('X is empty')
        """
        return error


#: Where no communicator was given.
ALONE = Alone(None)
