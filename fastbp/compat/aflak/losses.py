"""Losses and their derivatives by the prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["mse", "mse_prime"]


def mse(y_true: Any, y_pred: Any) -> Any:
    """Return the mean squared error.

    Parameters
    ----------
    y_true, y_pred : ndarray
        Targets and predictions, of one shape.

    Returns
    -------
    float
        Loss.

    Examples
    --------
    >>> float(mse(np.array([1.0, 2.0]), np.array([2.0, 0.0])))
    2.5
    """
    return np.mean(np.power(y_true - y_pred, 2))


def mse_prime(y_true: Any, y_pred: Any) -> Any:
    """Return the derivative of `mse` by the prediction.

    Parameters
    ----------
    y_true, y_pred : ndarray
        Targets and predictions, of one shape.

    Returns
    -------
    ndarray
        Derivative, of the same shape.

    Examples
    --------
    >>> mse_prime(np.array([1.0, 2.0]), np.array([2.0, 0.0]))
    array([ 1., -2.])
    """
    return 2 * (y_pred - y_true) / np.size(y_true)
