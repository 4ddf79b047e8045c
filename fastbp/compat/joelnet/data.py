"""Batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastbp.compat._core import Array, remember

__all__ = ["Batch", "BatchIterator", "DataIterator"]


class Batch(NamedTuple):
    """Inputs and targets of a batch.

    Parameters
    ----------
    inputs, targets : ndarray (m, n)
        Samples of the batch.

    Examples
    --------
    >>> Batch(np.zeros((2, 3)), np.zeros((2, 1))).inputs.shape
    (2, 3)
    """

    inputs: Any
    targets: Any


class DataIterator:
    """Something that gives batches of inputs and targets.

    Examples
    --------
    >>> class All(DataIterator):
    ...     def __call__(self, inputs, targets):
    ...         yield Batch(inputs, targets)
    >>> len(list(All()(np.zeros((5, 1)), np.zeros((5, 1)))))
    1
    """

    def __call__(self, inputs: Array, targets: Array) -> Iterator[Batch]:
        """Yield batches."""
        raise NotImplementedError


@remember
class BatchIterator(DataIterator):
    """Batches of neighbours, in an order by `numpy.random.shuffle`.

    Parameters
    ----------
    batch_size : int
        Samples of a batch; the last one of the data may have fewer.
    shuffle : bool
        Whether the order of the batches is random.

    Examples
    --------
    >>> [len(batch.inputs) for batch in BatchIterator(2, shuffle=False)(np.zeros((5, 1)), np.zeros((5, 1)))]
    [2, 2, 1]
    """

    def __init__(self, batch_size: int = 32, shuffle: bool = True) -> None:
        self.batch_size = batch_size
        self.shuffle = shuffle

    def starts(self, n: int) -> Array:
        """Return the first samples of the batches of one epoch, in their order.

        Parameters
        ----------
        n : int
            Number of all samples.

        Returns
        -------
        ndarray of int
            Numbers of first samples.

        Examples
        --------
        >>> BatchIterator(2, shuffle=False).starts(5)
        array([0, 2, 4])
        """
        starts = np.arange(0, n, self.batch_size)
        if self.shuffle:
            np.random.shuffle(starts)  # noqa: NPY002 - the original's stream
        return starts

    def __call__(self, inputs: Array, targets: Array) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        for start in self.starts(len(inputs)):
            end = start + self.batch_size
            yield Batch(inputs[start:end], targets[start:end])
