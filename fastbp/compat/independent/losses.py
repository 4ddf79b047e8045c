"""Losses and their derivatives by the prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["binary_cross_entropy", "binary_cross_entropy_prime", "mse", "mse_prime"]


def mse(y_true: Any, y_pred: Any) -> Any:
    """Return the mean squared error."""
    return np.mean(np.power(y_true - y_pred, 2))


def mse_prime(y_true: Any, y_pred: Any) -> Any:
    """Return the derivative of `mse` by the prediction."""
    return 2 * (y_pred - y_true) / np.size(y_true)


def binary_cross_entropy(y_true: Any, y_pred: Any) -> Any:
    """Return the mean of −(y ln p + (1 − y) ln(1 − p))."""
    return np.mean(-y_true * np.log(y_pred) - (1 - y_true) * np.log(1 - y_pred))


def binary_cross_entropy_prime(y_true: Any, y_pred: Any) -> Any:
    """Return the derivative of `binary_cross_entropy` by the prediction."""
    return ((1 - y_true) / (1 - y_pred) - y_true / y_pred) / np.size(y_true)
