"""Activations and their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["tanh", "tanh_prime"]


def tanh(x: Any) -> Any:
    """Return tanh x."""
    return np.tanh(x)


def tanh_prime(x: Any) -> Any:
    """Return 1 − tanh² x."""
    return 1 - np.tanh(x) ** 2
