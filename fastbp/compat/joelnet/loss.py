"""Losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.compat._core import Array, remember

__all__ = ["MSE", "Loss"]


class Loss:
    """A loss, and its derivative by the prediction."""

    def loss(self, predicted: Array, actual: Array) -> float:
        """Return the loss of a batch."""
        raise NotImplementedError

    def grad(self, predicted: Array, actual: Array) -> Any:
        """Return the derivative by the prediction."""
        raise NotImplementedError


@remember
class MSE(Loss):
    """Sum of squared errors of a batch: not their mean, as in the original.

    Examples
    --------
    >>> MSE().loss(np.array([[1.0, 2.0]]), np.zeros((1, 2))), MSE().grad(np.array([[1.0, 2.0]]), np.zeros((1, 2)))
    (np.float64(5.0), array([[2., 4.]]))
    """

    def loss(self, predicted: Array, actual: Array) -> Any:
        """Return the sum of squares."""
        return np.sum((predicted - actual) ** 2)

    def grad(self, predicted: Array, actual: Array) -> Any:
        """Return twice the difference."""
        return 2 * (predicted - actual)
