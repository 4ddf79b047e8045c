"""Losses and their derivatives by the prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["mse", "mse_prime"]


def mse(y_true: Any, y_pred: Any) -> Any:
    """Return the mean squared error."""
    return np.mean(np.power(y_true - y_pred, 2))


def mse_prime(y_true: Any, y_pred: Any) -> Any:
    """Return the derivative of `mse` by the prediction."""
    return 2 * (y_pred - y_true) / np.size(y_true)
