"""Functions that NumPy lacks or that need a stable form, on numbers and arrays; float32 stays float32."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

_erf = np.frompyfunc(math.erf, 1, 1)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(−x)), through exp(−|x|), which cannot overflow.

    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    if hasattr(x, "record_call"):  # an expression that records what is done to it, see fastbp.derive
        return x.record_call("sigmoid")
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, z) / (1.0 + z)


def softplus(x: Any) -> Any:
    """ln(1 + exp(x)) = max(x, 0) + ln(1 + exp(−|x|)).

    >>> softplus(np.array([-1e4, 1e4]))
    array([    0., 10000.])
    """
    if hasattr(x, "record_call"):
        return x.record_call("softplus")
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def erf(x: Any) -> Any:
    """2/√π ∫₀ˣ exp(−t²) dt.

    >>> erf(np.array([0.0, 1e4], dtype=np.float32))
    array([0., 1.], dtype=float32)
    """
    if hasattr(x, "record_call"):
        return x.record_call("erf")
    x = np.asarray(x)
    dtype = x.dtype if x.dtype.kind == "f" else np.float64
    return np.asarray(_erf(x), dtype=dtype)[()]
