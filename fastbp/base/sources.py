"""What a fit is fed with: whole arrays in minibatches, or minibatches that come one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp import canonical
from fastbp.base.network import BaseNetwork, Canonical
from fastbp.base.session import ChunkResult, Session
from fastbp.canonical import FloatArray

# ------------------------------------------------------------------ an epoch, chunk by chunk
_KEPT_ROWS = 8192
_arange = lru_cache(maxsize=8)(np.arange)


def in_order(n: int) -> NDArray[np.int64]:
    """Return the rows 0, ..., n − 1, to be read only: those of a minibatch are kept from call to call."""
    rows: NDArray[np.int64] = _arange(n) if n <= _KEPT_ROWS else np.arange(n)
    return rows


def array_chunks(
    session: Session, data: Canonical, order: NDArray[np.int64], batch_size: int
) -> Iterator[ChunkResult]:
    """Train on all rows of `data` in an order; between two chunks Ctrl-C is answered."""
    done = 0
    while done < len(order):
        result = session.run(data, order[done:], batch_size)
        done += result.n_samples
        yield result


def batch_chunks(session: Session, batches: Iterable[Canonical]) -> Iterator[ChunkResult]:
    """Train on minibatches as they come."""
    for data in batches:
        n = data[0].shape[0]
        yield session.run(data, in_order(n), n, last=False)


# ------------------------------------------------------------------ weights of classes
def class_weights(weights: Any, network: BaseNetwork) -> FloatArray | None:
    """Return one weight for each label of a network, in its dtype; None stays None.

    Raises
    ------
    TypeError, ValueError
        If the loss takes no labels, or `weights` does not have numbers >= 0 for labels of the network.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> class_weights({1: 2.0}, Network([4, 3]))
    array([1., 2., 1.], dtype=float32)
    """
    if weights is None:
        return None
    n_classes = network.n_classes
    if n_classes == 0:
        raise ValueError(f"class_weight is for losses that take labels, the network has {network.loss_function.name!r}")
    expected = f"class_weight must have a number >= 0 for each of the labels 0..{n_classes - 1}"
    if isinstance(weights, Mapping):
        strange = [label for label in weights if label not in range(n_classes)]
        if strange:
            raise ValueError(f"{expected}, got the label {strange[0]!r}")
        weights = [weights.get(label, 1.0) for label in range(n_classes)]
    if isinstance(weights, str) or np.shape(weights) != (n_classes,):
        raise ValueError(f"{expected}, got {weights!r}")
    return canonical.sample_weights(weights, n_classes, network.dtype, "class_weight")


def weigh_classes(network: BaseNetwork, data: Canonical, by_class: FloatArray | None) -> Canonical:
    """Return the data with the weight of each sample's label as (another factor of) its own weight."""
    if by_class is None:
        return data
    X, Y, weight = data
    factors = by_class[network.labels_of(Y)]
    return X, Y, factors if weight is None else weight * factors


# ------------------------------------------------------------------ minibatches of an iterable
class Batches:
    """Minibatches as an iterable gives them, each in canonical form.

    Parameters
    ----------
    network : BaseNetwork
        Whose form it is.
    batches : iterable of (X, Y) or (X, Y, sample_weight)
        Gone through once for each epoch. A generator, or another iterator, can be gone through only once.
    epochs : int
        How often that will be.
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

    def __init__(self, network: BaseNetwork, batches: Any, epochs: int, by_class: FloatArray | None = None) -> None:
        if isinstance(batches, (np.ndarray, str, bytes, Mapping)) or not isinstance(batches, Iterable):
            kind = type(batches).__name__
            raise TypeError(f"X is of type {kind} and Y is missing; X alone must be an iterable of (X, Y)")
        if isinstance(batches, Iterator) and epochs > 1:
            raise ValueError(
                f"X is of type {type(batches).__name__}, which can be gone through once, and epochs is {epochs}; "
                "pass a list, or an object whose __iter__ begins anew"
            )
        self._network, self._batches, self._by_class = network, batches, by_class

    def __iter__(self) -> Iterator[Canonical]:
        number = 0
        for number, batch in enumerate(self._batches, start=1):
            if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
                of = f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""
                kind = f"{type(batch).__name__}{of}"
                raise TypeError(f"batch {number} is of type {kind}, expected (X, Y) or (X, Y, sample_weight)")
            X, Y, weight = (*batch, None)[:3]
            names = (f"X of batch {number}", f"Y of batch {number}")
            yield weigh_classes(self._network, self._network.canonical(X, Y, weight, names=names), self._by_class)
        if number == 0:
            raise ValueError("X gave no batches; an iterable must begin anew each time it is gone through")
