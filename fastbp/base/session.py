"""What trains: the protocol that the compiled and the NumPy half follow."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastbp.base.network import Canonical
from fastbp.canonical import FloatArray


class ChunkResult(NamedTuple):
    """What `Session.run` measured on some minibatches."""

    #: Σ_s v_s C_s, each before the update that its minibatch made.
    loss_sum: float
    #: Samples whose label was correct, likewise.
    correct: int
    #: Samples that were trained on.
    n_samples: int
    #: Σ_s of the penalties, each before the update, too; 0 unless they were scaled.
    penalty_sum: float = 0.0


# What `EpochsSession.epochs` measures of an epoch: these, and whether all parameters were finite after it.
MEASURES = len(ChunkResult._fields) + 1


class Session(Protocol):
    """A trainer's network, optimizer state and buffers in the form that the arithmetic takes.

    As a context manager it takes over the parameters on entry, and makes the network's current on exit, whatever
    happens between. It is entered once for each epoch, some short ones or a step, and kept between them. While it is
    entered, its thread has the numbers of the network to itself; see `fastbp.base.turns`.

    Attributes
    ----------
    gate : Lock
        Locked where another thread waits to read the network.
    """

    gate: Lock

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def leave(self) -> None:
        """Do what is left of the exit: nothing after a whole one."""

    def run(
        self, data: Canonical, rows: NDArray[np.int64], batch_size: int, *, last: bool = True,
        penalty_scale: float | None = None,
    ) -> ChunkResult:
        """Train on the first minibatches of `rows`, for about a tenth of a second.

        It ends after a minibatch whose loss is not finite, for which no update is made.

        Parameters
        ----------
        data : tuple
            X, Y and sample weights in canonical form.
        rows : ndarray of int64
            Rows of the data, a minibatch after the other.
        batch_size : int
            Samples of a minibatch; the last one may be smaller.
        last : bool
            Whether nothing else is trained on before the exit, so that the parameters may be made current at once.
        penalty_scale : float, optional
            Factor of l1 and l2 for these minibatches, whose penalties are then measured.
        """

    def states(self) -> tuple[FloatArray, ...]:
        """Return the optimizer's numbers for each parameter, laid out as the parameters."""


class EpochsSession(Session, Protocol):
    """A session that trains for several epochs in one call, where they are short."""

    def whole_epochs(self, n_samples: int, batch_size: int, most: int) -> int:
        """Return how many epochs the next call of `epochs` may take: for about a tenth of a second, 0 to `most`.

        Parameters
        ----------
        n_samples : int
            Samples of an epoch.
        batch_size : int
            Samples of a minibatch.
        most : int
            Epochs that are left.
        """

    def epochs(
        self, data: Canonical, rows: NDArray[np.int64], batch_size: int, measured: NDArray[np.float64]
    ) -> None:
        """Train for some epochs, up to one with a loss, or after one with a parameter, that is not finite.

        Parameters
        ----------
        data : tuple
            X, Y and sample weights in canonical form.
        rows : ndarray of int64 (epochs n,)
            Rows of the data, an epoch after the other.
        batch_size : int
            Samples of a minibatch.
        measured : ndarray (epochs, MEASURES)
            Zeros, which get the four measures of `ChunkResult` of each epoch, and 1 if all parameters were finite after
            it.
        """


class SplitSession(Session, Protocol):
    """A session whose steps are cut in two: between them gradients are added up.

    Attributes
    ----------
    summed : ndarray
        Where `differentiate` leaves ∂C/∂w of Σ_s v_s C_s of its samples, and `update` finds that of all. Its length is
        a multiple of the number of parts that it was made for, and zero where it has no gradient.
    """

    summed: FloatArray

    def differentiate(self, data: Canonical | None, rows: NDArray[np.int64], first: int) -> ChunkResult:
        """Compute the gradient of some samples of a minibatch, of which there may be none.

        Parameters
        ----------
        data : tuple
            X, Y and sample weights in canonical form; None where there are no rows.
        rows : ndarray of int64
            Rows of the data.
        first : int
            Samples of the minibatch before these.
        """

    def update(self, n_samples: int, *, last: bool, penalty_scale: float | None) -> float:
        """Let the parameters follow `summed`, and return the penalty, as `run` measures it, of one sample.

        Parameters
        ----------
        n_samples : int
            Samples of the minibatch.
        last, penalty_scale : see `Session.run`
            Whether parameters may be made current, and the factor of the penalties.
        """


# Numbers of a part, at least: a cache line of float32.
_WHOLE = 16


def summed_length(n: int, parts: int) -> int:
    """Return the length of `SplitSession.summed` for `n` numbers in so many equal parts, whole cache lines each.

    Examples
    --------
    >>> summed_length(100, 2), summed_length(1, 3)
    (128, 48)
    """
    return -(-n // (_WHOLE * parts)) * _WHOLE * parts


_S = TypeVar("_S", bound=Session)
_T = TypeVar("_T")


def within(session: _S, work: Callable[[_S], _T]) -> _T:
    """Return work(session) from within a session.

    The session is left, whatever happens: Ctrl-C may come during the exit itself.
    """
    try:
        with session:
            return work(session)
    except BaseException:
        session.leave()
        raise
