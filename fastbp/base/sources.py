"""An epoch, chunk by chunk: whole arrays in minibatches, or minibatches that an iterable gives one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.base.classes import ClassWeights, weigh_classes
from fastbp.base.network import BaseNetwork, Canonical
from fastbp.base.session import ChunkResult, Session, within

# ------------------------------------------------------------------ an epoch, chunk by chunk
Chunks = Generator[ChunkResult, None, None]  # closed where an epoch ends before it is through
_KEPT_ROWS = 8192
_arange = lru_cache(maxsize=8)(np.arange)


def in_order(n: int) -> NDArray[np.int64]:
    """Return the rows 0, ..., n − 1, to be read only: those of a minibatch are kept from call to call."""
    rows: NDArray[np.int64] = _arange(n) if n <= _KEPT_ROWS else np.arange(n)
    return rows


class Source(ABC):
    """Samples with an order and penalties of their own, which a fit takes in the place of X and Y.

    Attributes
    ----------
    n_samples : int
        Samples of an epoch.
    """

    n_samples: int

    @abstractmethod
    def chunks(self, session: Session, batch_size: int) -> Chunks:
        """Train a session for an epoch.

        Parameters
        ----------
        session : Session
            Session that trains.
        batch_size : int
            Samples of a minibatch, as the trainer has it.

        Yields
        ------
        ChunkResult
            Measures of some minibatches. Ctrl-C is answered between two chunks.
        """


def array_chunks(
    session: Session, data: Canonical, order: NDArray[np.int64], batch_size: int, *, last: bool = True,
    penalty_scale: float | None = None,
) -> Chunks:
    """Train on all rows of `data` in an order; between two chunks Ctrl-C is answered. The rest is as in `Session`."""
    done = 0
    while done < len(order):
        result = session.run(data, order[done:], batch_size, last=last, penalty_scale=penalty_scale)
        done += result.n_samples
        yield result
        give_way(session)


def give_way(session: Session) -> None:
    """Leave the session for a while if another thread waits to read the network."""
    if session.gate.locked():
        session.leave()
        session.__enter__()


def batch_chunks(session: Session, batches: Batches, opened: Callable[[], Session]) -> Chunks:
    """Train on minibatches as they come.

    The session is left while code of the user's makes the next one: parameters are current then, may be changed, as may
    the trainer's settings, for which it is `opened` again, and nothing is taken from others.
    """
    if batches.at_hand:
        for data in batches:
            yield run_whole(data, session, last=False)
            give_way(session)
        return
    session.leave()
    for data in batches:
        yield within(opened(), partial(run_whole, data))


def run_whole(data: Canonical, session: Session, *, last: bool = True) -> ChunkResult:
    """Train on all rows of `data` as one minibatch."""
    n = data[0].shape[0]
    return session.run(data, in_order(n), n, last=last)


# ------------------------------------------------------------------ minibatches of an iterable
def parts_of(batch: Any, title: str) -> tuple[Any, Any, Any]:
    """Return X, Y and sample_weight, or None, of a batch.

    Raises
    ------
    TypeError
        If it is not (X, Y) or (X, Y, sample_weight).

    Examples
    --------
    >>> parts_of(([[1.0]], [0]), "batch 1")
    ([[1.0]], [0], None)
    """
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        of = f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""
        raise TypeError(f"{title} is of type {type(batch).__name__}{of}, expected (X, Y) or (X, Y, sample_weight)")
    X, Y, weight = (*batch, None)[:3]
    return X, Y, weight


def names_of(title: str) -> list[str]:
    """Return what messages call X, Y and sample_weight of a batch.

    Examples
    --------
    >>> names_of("batch 3")
    ['X of batch 3', 'Y of batch 3', 'sample_weight of batch 3']
    """
    return [f"{name} of {title}" for name in ("X", "Y", "sample_weight")]


def check_repeatable(batches: Any, epochs: int, argument: str) -> None:
    """Raise ValueError if batches can be gone through once, and there are several epochs."""
    if isinstance(batches, Iterator) and epochs > 1:
        raise ValueError(
            f"{argument} is of type {type(batches).__name__}, which can be gone through once, and epochs is {epochs}; "
            "pass a list, an object whose __iter__ begins anew, or a function that returns a new iterator"
        )


class _Called:
    """Batches of a function, which is called each time they are gone through."""

    def __init__(self, function: Callable[[], Any], argument: str) -> None:
        self._function, self._argument = function, argument

    def __iter__(self) -> Iterator[Any]:
        batches = self._function()
        if not may_give_batches(batches):
            raise TypeError(
                f"{self._argument}() returned {type(batches).__name__}, expected an iterator over batches (X, Y)"
            )
        return iter(batches)


def called(batches: Any, argument: str) -> Any:
    """Return batches; those that a function returns as an iterable that calls it anew.

    Examples
    --------
    >>> batches = called(lambda: iter([1, 2]), "X")
    >>> list(batches), list(batches)
    ([1, 2], [1, 2])
    """
    return _Called(batches, argument) if callable(batches) and not isinstance(batches, Iterable) else batches


def may_give_batches(batches: Any) -> bool:
    """Whether it is an iterable that is neither an array, nor text, nor a mapping."""
    return isinstance(batches, Iterable) and not isinstance(batches, (np.ndarray, str, bytes, Mapping))


class Batches:
    """Minibatches as an iterable gives them, each in canonical form.

    Parameters
    ----------
    network : BaseNetwork
        Network whose form the batches get.
    batches : iterable of (X, Y) or (X, Y, sample_weight), or function that returns one
        Gone through once for each epoch. A generator, or another iterator, can be gone through only once.
    epochs : int
        Number of times that `batches` will be gone through.
    by_class : ndarray, optional
        As `class_weights` returns it.

    Raises
    ------
    TypeError, ValueError
        If it cannot be gone through so often; and while it is, if a batch is not as described: the message counts the
        batches of an epoch from 1.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> batches = Batches(Network([1, 2]), [([[1.0]], [0]), ([[2.0], [3.0]], [1, 1])], epochs=3)
    >>> [X.shape for X, Y, weight in batches]
    [(1, 1), (2, 1)]
    """

    def __init__(self, network: BaseNetwork, batches: Any, epochs: int, by_class: ClassWeights = None) -> None:
        batches = called(batches, "X")
        if not may_give_batches(batches):
            kind = type(batches).__name__
            raise TypeError(f"X is of type {kind} and Y is missing; X alone must be an iterable of (X, Y)")
        check_repeatable(batches, epochs, "X")
        if isinstance(by_class, str):
            raise ValueError("class_weight='balanced' needs all labels at once; pass a number for each label")
        self.network, self._batches, self._by_class = network, batches, by_class
        #: Whether no code of the user's runs between two batches.
        self.at_hand = isinstance(batches, (list, tuple))
        self.last: Canonical | None = None  # the batch given last
        #: Whether a batch may have no rows: that of one of several processes.
        self.may_be_empty = False

    def __iter__(self) -> Iterator[Canonical]:
        number = 0
        for number, batch in enumerate(self._batches, start=1):
            title = f"batch {number}"
            X, Y, weight = parts_of(batch, title)
            if self.may_be_empty and np.shape(X)[:1] == (0,):
                network = self.network
                yield np.empty((0, network.sizes[0]), network.dtype), np.empty(0, np.int64), None
                continue
            self.last = self.network.canonical(X, Y, weight, names=names_of(title))
            yield weigh_classes(self.network, self.last, self._by_class)
        if number == 0:
            raise ValueError("X gave no batches; an iterable must begin anew each time it is gone through")
