"""Arrays in canonical form: C order, one dtype, native byte order, aligned, finite; or a clear error.

Nothing given is ever written to, and nothing is copied that is canonical already.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastbp.checks import check_count, shown
from fastbp.conversion import FloatArray, as_array, finite, is_finite, place, variable

__all__ = [
    "BAD_STRIDE", "FloatArray", "check_samples_shape", "float_type", "generator", "layer_sizes", "row_numbers",
    "sample_weights", "samples",
]

# Rows of X a multiple of this many bytes apart map a column of a minibatch to few cache sets: copies of X are padded.
BAD_STRIDE = 1024


def samples(X: Any, n_features: int, dtype: np.dtype[Any], argument: str = "X", *, probed: bool = False) -> FloatArray:
    """Return X as a finite array (n_samples, n_features) of `dtype`, in C order.

    Where the caller finds out whether its numbers are finite (`probed`), an array that needs no conversion is not read.

    Raises
    ------
    TypeError
        If X does not hold real numbers.
    ValueError
        If X has another shape, no rows, or a value that is not finite in `dtype`.

    Examples
    --------
    >>> samples([[1, 2], [3, 4]], 2, np.dtype(np.float32))
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    given = X
    if type(X) is not np.ndarray or X.dtype != dtype:
        X = as_array(X, argument)
    if X.ndim != 2 or X.shape[1] != n_features or not len(X):
        check_samples_shape(X.shape, n_features, argument)  # which says what is wrong
    ready = X.dtype == dtype and X.flags.c_contiguous and X.flags.aligned
    return X if ready and (probed or is_finite(X.ravel())) else finite(X, dtype, argument, given)


def check_samples_shape(shape: tuple[int, ...], n_features: int, argument: str = "X") -> None:
    """Raise ValueError if a shape is not that of samples of so many features.

    Examples
    --------
    >>> check_samples_shape((5, 3), 4)
    Traceback (most recent call last):
    ValueError: X has shape (5, 3), expected (n_samples, 4)
    """
    if len(shape) != 2 or shape[1] != n_features:
        hint = _shape_hint(shape, n_features, variable(argument))
        raise ValueError(f"{argument} has shape {shape}, expected (n_samples, {n_features}){hint}")
    if shape[0] == 0:
        raise ValueError(f"{argument} has shape {shape}: no samples")


def _shape_hint(shape: tuple[int, ...], n_features: int, name: str) -> str:
    """How an X of another shape may become one of n_features columns, as code; empty if nothing is likely."""
    size = math.prod(shape)
    if shape and size == n_features and n_features > 1:
        return f"; one sample is `numpy.reshape({name}, (1, -1))`"
    if len(shape) == 1 and n_features == 1:
        return f"; samples of one feature are `numpy.reshape({name}, (-1, 1))`"
    if len(shape) == 1 and size and size % n_features == 0:
        return f"; samples one after the other are `numpy.reshape({name}, (-1, {n_features}))`"
    if len(shape) == 2 and shape[0] == n_features:
        return f"; samples as columns become rows by `numpy.transpose({name})`"
    if len(shape) > 2 and math.prod(shape[1:]) == n_features:
        return f"; samples of more dimensions become rows by `numpy.reshape({name}, (len({name}), -1))`"
    return ""


def sample_weights(
    weight: Any, n_samples: int, dtype: np.dtype[Any], argument: str = "sample_weight"
) -> FloatArray | None:
    """Return weights as a finite array (n_samples,) of `dtype` without negative numbers. None stays None.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If they have another shape, or one of them is negative or not finite in `dtype`.

    Examples
    --------
    >>> sample_weights([1, 0, 2], 3, np.dtype(np.float64))
    array([1., 0., 2.])
    """
    if weight is None:
        return None
    given, name = weight, variable(argument)
    weight = as_array(weight, argument)
    if weight.shape != (n_samples,):
        hint = f"; a column becomes flat by `numpy.ravel({name})`" if weight.shape == (n_samples, 1) else ""
        raise ValueError(f"{argument} has shape {weight.shape}, expected ({n_samples},){hint}")
    weights = finite(weight, dtype, argument, given)
    if weights.min() < 0:
        s = int(weights.argmin())
        raise ValueError(f"{place(argument, (s,))} is {weights[s]}; weights must not be negative")
    return weights


def row_numbers(rows: Any, n_samples: int) -> NDArray[np.int64]:
    """Return numbers of samples as int64 (k,), at least one, each of 0..n_samples-1.

    Raises
    ------
    TypeError
        If they are not integers.
    ValueError
        If they have another shape, or one of them is out of range.

    Examples
    --------
    >>> row_numbers([2, 0, 2], 3)
    array([2, 0, 2])
    """
    array = as_array(rows, "rows")
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"rows has shape {array.shape}, expected (k,) with k > 0")
    if array.dtype.kind not in "iu":
        raise TypeError(f"rows holds {array.dtype}, expected numbers of samples: integers")
    for k in (int(array.argmin()), int(array.argmax())):
        if not 0 <= array[k] < n_samples:
            raise ValueError(f"rows[{k}] is {array[k]}, expected rows 0..{n_samples - 1}")
    return np.require(array, dtype=np.int64, requirements=["C", "A"])


def layer_sizes(sizes: Any) -> tuple[int, ...]:
    """Return the sizes n_0, ..., n_L of layers as a tuple of two or more positive integers.

    Raises
    ------
    TypeError
        If they are not a sequence of integers.
    ValueError
        If there are fewer than two, or one is not positive.

    Examples
    --------
    >>> layer_sizes([784, 128, 10])
    (784, 128, 10)
    """
    if isinstance(sizes, np.ndarray):
        sizes = sizes.tolist()
    if not isinstance(sizes, Sequence) or isinstance(sizes, (str, bytes, bytearray)):
        raise TypeError(f"sizes is {shown(sizes)}, expected a sequence of integers such as [784, 128, 10]")
    if len(sizes) < 2:
        raise ValueError(f"sizes is {shown(sizes)}, expected at least two: the inputs and the outputs")
    return tuple(check_count(f"sizes[{l}]", size) for l, size in enumerate(sizes))


def float_type(dtype: DTypeLike | None) -> np.dtype[Any]:
    """Return `dtype` as a numpy.dtype that is float32 or float64.

    Raises
    ------
    ValueError
        If it is another type.

    Examples
    --------
    >>> float_type("float32")
    dtype('float32')
    """
    try:
        found = np.dtype(np.void if dtype is None else dtype)
    except Exception:  # noqa: BLE001 - of text that is no UTF-8, and whatever the object's own methods raise
        found = np.dtype(np.void)
    if found not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {shown(dtype)}, expected float32 or float64")
    return found


def generator(rng: Any) -> np.random.Generator:
    """Return `rng` as a numpy.random.Generator.

    Raises
    ------
    TypeError, ValueError
        If `numpy.random.default_rng` does not take it.

    Examples
    --------
    >>> generator(0).permutation(3)
    array([2, 0, 1])
    """
    expected = f"rng is {shown(rng)}, expected what numpy.random.default_rng takes"
    if _is_nested(rng, _SEED_DEPTH):
        raise ValueError(f"{expected}, and seeds in no more than {_SEED_DEPTH} lists")
    try:
        return np.random.default_rng(np.asarray(rng) if isinstance(rng, np.ndarray) else rng)
    except Exception as error:  # noqa: BLE001 - its own methods may raise anything
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{expected}: {shown(error.args[0] if error.args else error)}") from None


# NumPy goes into lists of seeds by recursion in C, and so into a list that holds itself, or a row of a numpy.matrix,
# which is a matrix again, until the process dies.
_SEED_DEPTH = 4


def _is_nested(seed: Any, depth: int) -> bool:
    """Whether lists lie in lists more than `depth` deep."""
    return isinstance(seed, (list, tuple)) and (depth == 0 or any(_is_nested(each, depth - 1) for each in seed))
