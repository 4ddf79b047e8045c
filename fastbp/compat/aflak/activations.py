"""Activations and their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["tanh", "tanh_prime"]


def tanh(x: Any) -> Any:
    """Return tanh x.

    Parameters
    ----------
    x : float or ndarray
        Weighted inputs.

    Returns
    -------
    float or ndarray
        Activations.

    Examples
    --------
    >>> float(tanh(0.0))
    0.0
    """
    return np.tanh(x)


def tanh_prime(x: Any) -> Any:
    """Return 1 − tanh² x.

    Parameters
    ----------
    x : float or ndarray
        Weighted inputs.

    Returns
    -------
    float or ndarray
        Derivative.

    Examples
    --------
    >>> float(tanh_prime(0.0))
    1.0
    """
    return 1 - np.tanh(x) ** 2
