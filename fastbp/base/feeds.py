"""What a fit is fed with, found from its arguments: whole arrays, batches of an iterable, or blocks of data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp import canonical
from fastbp.base.classes import ClassWeights, weigh_classes
from fastbp.base.network import BaseNetwork, Canonical
from fastbp.base.session import Session
from fastbp.base.shares import OwnBatches
from fastbp.base.sources import Batches, Chunks, Source, array_chunks, batch_chunks, in_order
from fastbp.base.trainer_state import TrainerState
from fastbp.distributed.alone import Alone
from fastbp.distributed.ranks import Ranks

if TYPE_CHECKING:
    from fastbp.base.blocks import Blocks


class Feed(NamedTuple):
    """What trains a session for an epoch, of how many samples, where that is known, and some of the samples.

    Of whole arrays also their rows in the order of each of so many epochs, (epochs, n). Labels are checked once more.
    """

    chunks: Callable[[Session], Chunks]
    n_samples: int | None
    samples: Callable[[], Canonical | None]
    orders: Callable[[int], NDArray[np.int64]] | None = None


def feed_of(
    trainer: TrainerState, ranks: Alone | Ranks, given: tuple[Any, Any, Any], epochs: int, by_class: ClassWeights,
    memory: float | None,
) -> Feed:
    """Return what a trainer is fed with.

    Parameters
    ----------
    trainer : TrainerState
        Its network, batch size, order and generator count.
    ranks : Alone or Ranks
        Processes that train together.
    given : tuple of X, Y, sample_weight
        Arguments of the fit; Y and the weights may be None.
    epochs : int
        Number of times that all samples are gone through.
    by_class : ndarray or "balanced", optional
        Weights of classes, as `class_weights` returns them.
    memory : float, optional
        Bytes that samples may take.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, shape or range, or does not go together with another one.
    """
    X, Y, sample_weight = given
    if isinstance(X, Source):
        return Feed(lambda session: X.chunks(session, trainer.batch_size), X.n_samples, lambda: None)
    if memory is not None and isinstance(ranks, Ranks):
        raise ValueError(
            f"memory is for a trainer of one process, and comm has {ranks.size}; "
            "each process can read batches of its own: X may be an iterable of (X, Y)"
        )
    if Y is None:
        if sample_weight is not None:
            raise ValueError("sample_weight is for arrays; batches bring their own: (X, Y, sample_weight)")
        if memory is not None:
            raise ValueError("memory is for X and Y that are read by rows; batches are held one at a time")
        return _of_batches(trainer, Batches(trainer.network, X, epochs, by_class), ranks)
    if memory is None:
        return _of_arrays(trainer, weigh_classes(trainer.network, trainer.network.canonical(*given), by_class))
    from fastbp.base.blocks import Blocks  # few need it

    blocks = Blocks(trainer.network, given, by_class, memory, trainer.batch_size)
    return _of_arrays(trainer, blocks.whole()) if blocks.fits else _of_blocks(trainer, blocks)


def _of_batches(trainer: TrainerState, batches: Batches, ranks: Alone | Ranks) -> Feed:
    if isinstance(ranks, Ranks):
        return Feed(OwnBatches(batches.network, batches, ranks).chunks, None, lambda: batches.last)
    return Feed(lambda session: batch_chunks(session, batches, trainer._opened), None, lambda: batches.last)


def _of_blocks(trainer: TrainerState, blocks: Blocks) -> Feed:
    def chunks(session: Session) -> Chunks:
        return blocks.chunks(session, trainer.batch_size, trainer.rng if trainer.shuffle else None)

    return Feed(chunks, blocks.n_samples, blocks.samples)


def _of_arrays(trainer: TrainerState, data: Canonical) -> Feed:
    X, Y, weight = data
    # views: what a callback does to the shape of the user's own arrays is nothing to the kernels
    data = X.view(), Y.view(), None if weight is None else weight.view()
    n = X.shape[0]

    given = True  # as it was checked; a callback may write to it

    def orders(epochs: int) -> NDArray[np.int64]:
        nonlocal given
        if not given:
            _check_again(trainer.network, data)
        given = False
        if not trainer.shuffle:
            return np.broadcast_to(in_order(n), (epochs, n))
        return np.array(list(map(trainer.rng.permutation, [n] * epochs)), np.int64).reshape(epochs, n)

    def chunks(session: Session) -> Chunks:
        return array_chunks(session, data, orders(1)[0], trainer.batch_size)

    return Feed(chunks, n, lambda: data, orders)


def _check_again(network: BaseNetwork, data: Canonical) -> None:
    """Raise ValueError if labels or weights are no longer such: they would count as none, without a word.

    It takes 1 ns a sample, and what rows are not finite is seen in the loss.
    """
    X, Y, weight = data
    if Y.ndim == 1:
        network._canonical_targets(Y, X.shape[0], "Y")
    if weight is not None:
        canonical.sample_weights(weight, X.shape[0], network.dtype)
