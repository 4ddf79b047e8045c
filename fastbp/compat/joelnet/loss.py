"""Losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.compat._core import Array, remember

__all__ = ["MSE", "Loss"]


class Loss:
    """A loss, and its derivative by the prediction.

    Examples
    --------
    >>> class Absolute(Loss):
    ...     def loss(self, predicted, actual):
    ...         return float(np.sum(np.abs(predicted - actual)))
    ...     def grad(self, predicted, actual):
    ...         return np.sign(predicted - actual)
    >>> Absolute().loss(np.ones((1, 2)), np.zeros((1, 2))), Absolute().grad(np.ones((1, 2)), np.zeros((1, 2)))
    (2.0, array([[1., 1.]]))
    """

    def loss(self, predicted: Array, actual: Array) -> float:
        """Return the loss of a batch.

        Parameters
        ----------
        predicted, actual : ndarray (m, n)
            Predictions and targets.

        Returns
        -------
        float
            Loss.
        """
        raise NotImplementedError

    def grad(self, predicted: Array, actual: Array) -> Any:
        """Return the derivative by the prediction.

        Parameters
        ----------
        predicted, actual : ndarray (m, n)
            Predictions and targets.

        Returns
        -------
        ndarray (m, n)
            Derivative.
        """
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
        return np.sum((predicted - actual) ** 2)

    def grad(self, predicted: Array, actual: Array) -> Any:
        return 2 * (predicted - actual)
