"""Arrays of the caller that are the parameters of a network: what they must be, and their sizes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fastbp.canonical import FloatArray

__all__ = ["chained", "check_apart", "check_biases", "check_weights", "vector"]

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _check_array(argument: str, array: Any) -> None:
    if not isinstance(array, np.ndarray) or array.dtype not in _FLOATS:
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"{argument} is {found}, expected an ndarray of float32 or float64, to be trained in place")
    if not array.flags.writeable:
        raise ValueError(f"{argument} is read-only, expected an array to be trained in place")


def check_weights(weights: Any) -> list[FloatArray]:
    """The matrices, which must be of float32 or float64 and writable."""
    if isinstance(weights, np.ndarray) or not isinstance(weights, Sequence) or len(weights) == 0:
        raise TypeError(f"weights is of type {type(weights).__name__}, expected a list of matrices, one for each layer")
    for l, W in enumerate(weights):
        _check_array(f"weights[{l}]", W)
        if W.ndim != 2:
            raise ValueError(f"weights[{l}] has shape {W.shape}, expected a matrix")
    return list(weights)


def check_biases(biases: Any, weights: list[FloatArray]) -> tuple[FloatArray, ...] | None:
    """The biases of all layers, which must be writable; None where no layer has any."""
    if biases is None:
        return None
    if isinstance(biases, np.ndarray) or not isinstance(biases, Sequence) or len(biases) != len(weights):
        found = f"{len(biases)} entries" if isinstance(biases, Sequence) else f"the type {type(biases).__name__}"
        raise ValueError(f"biases has {found}, expected one array for each of the {len(weights)} matrices")
    missing = [l for l, b in enumerate(biases) if b is None]
    if missing:
        if len(missing) < len(biases):
            raise ValueError(f"biases[{missing[0]}] is None, expected arrays for all layers or for none")
        return None
    for l, b in enumerate(biases):
        _check_array(f"biases[{l}]", b)
    return tuple(biases)


def check_apart(arrays: list[FloatArray]) -> None:
    """Raise ValueError if two of the arrays share memory."""
    for k, one in enumerate(arrays):
        if any(np.may_share_memory(one, other) and np.shares_memory(one, other) for other in arrays[:k]):
            raise ValueError("two of the arrays in weights and biases share memory, expected one array a parameter")


def chained(matrices: list[FloatArray], columns: bool) -> list[int]:
    """Sizes n_0, ..., n_L of matrices (n_l, n_{l-1})."""
    for l, (W, after) in enumerate(pairwise(matrices)):
        if W.shape[0] != after.shape[1]:
            form = "(n_l, n_{l-1}), as columns=True has it" if columns else "(n_{l-1}, n_l), as columns=False has it"
            raise ValueError(f"weights[{l}] gives {W.shape[0]} neurons and weights[{l + 1}] takes {after.shape[1]}; "
                             f"expected matrices {form}")
    return [matrices[0].shape[1], *(W.shape[0] for W in matrices)]


def vector(b: FloatArray, n: int, l: int) -> FloatArray:
    """The biases as a view (n,)."""
    if b.shape == (n,):
        return b[:]
    if b.shape == (1, n):
        row: FloatArray = b[0]
        return row
    if b.shape == (n, 1):
        column: FloatArray = b[:, 0]
        return column
    raise ValueError(f"biases[{l}] has shape {b.shape}, expected ({n},), (1, {n}) or ({n}, 1)")
