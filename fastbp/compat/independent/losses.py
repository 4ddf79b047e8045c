"""Losses and their derivatives by the prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.compat.aflak.losses import mse, mse_prime

__all__ = ["binary_cross_entropy", "binary_cross_entropy_prime", "mse", "mse_prime"]


def binary_cross_entropy(y_true: Any, y_pred: Any) -> Any:
    """Return the mean of −(y ln p + (1 − y) ln(1 − p)).

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
    >>> round(float(binary_cross_entropy(np.array([1.0]), np.array([0.5]))), 6)
    0.693147
    """
    return np.mean(-y_true * np.log(y_pred) - (1 - y_true) * np.log(1 - y_pred))


def binary_cross_entropy_prime(y_true: Any, y_pred: Any) -> Any:
    """Return the derivative of `binary_cross_entropy` by the prediction.

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
    >>> binary_cross_entropy_prime(np.array([1.0]), np.array([0.5]))
    array([-2.])
    """
    return ((1 - y_true) / (1 - y_pred) - y_true / y_pred) / np.size(y_true)
