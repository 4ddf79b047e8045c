"""Arrays in canonical form: C order, one dtype, native byte order, aligned, finite; or a clear error.

Nothing given is ever written to, and nothing is copied that is canonical already.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastbp.checks import check_count

FloatArray = NDArray[np.floating[Any]]

# Up to so many numbers, one BLAS dot product is the fastest test for NaN and infinity. BLAS may wake its threads for
# more.
_DOT_LIMIT = 8192
_sum = np.errstate(over="ignore", invalid="ignore")(np.add.reduce)


def samples(
    X: Any, n_features: int, dtype: np.dtype[Any], argument: str = "X", *, probed: bool = False
) -> FloatArray:
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
    if type(X) is not np.ndarray or X.dtype != dtype:
        X = _as_array(X, argument)
    if X.ndim == 1 and X.size == n_features:
        row = f"{argument}.reshape(1, -1)"
        raise ValueError(f"{argument} has shape {X.shape}, expected (n_samples, {n_features}); one sample is {row}")
    if X.ndim != 2 or X.shape[1] != n_features:
        raise ValueError(f"{argument} has shape {X.shape}, expected (n_samples, {n_features})")
    if X.shape[0] == 0:
        raise ValueError(f"{argument} has shape {X.shape}: no samples")
    ready = probed and X.dtype == dtype and X.flags.c_contiguous and X.flags.aligned
    return X if ready else _finite(X, dtype, argument)


def targets(
    Y: Any, shape: tuple[int, int], n_classes: int, dtype: np.dtype[Any], argument: str = "Y"
) -> FloatArray | NDArray[np.int64]:
    """Return Y as a finite array of `shape` and `dtype`, or as int64 labels (n_samples,).

    Parameters
    ----------
    Y : array_like
        Targets (n_samples, n_outputs), or (n_samples,) for a single output, or labels (n_samples,).
    shape : tuple of int
        The shape (n_samples, n_outputs).
    n_classes : int
        Labels are 0..n_classes-1. It is 0 if the loss takes no labels, and 2 for a single output, whose labels are the
        targets 0 and 1 themselves.
    dtype : numpy.dtype
        Dtype of targets.
    argument : str
        Name of the argument.

    Returns
    -------
    ndarray
        Targets (n_samples, n_outputs), or labels (n_samples,).

    Raises
    ------
    TypeError
        If Y does not hold real numbers, or labels are not integers.
    ValueError
        If Y has another shape, a label that is out of range, or a value that is not finite in `dtype`.

    Examples
    --------
    >>> targets([2, 0], (2, 3), 3, np.dtype(np.float32))
    array([2, 0])
    >>> targets([True, False], (2, 1), 2, np.dtype(np.float32))
    array([[1.],
           [0.]], dtype=float32)
    """
    n_samples, n_outputs = shape
    if type(Y) is np.ndarray and Y.dtype == np.int64 and n_classes == n_outputs and Y.shape == (n_samples,):
        return _labels(Y, n_classes, argument)
    if type(Y) is not np.ndarray or Y.dtype != dtype:
        Y = _as_array(Y, argument, hint=_label_hint(argument, n_classes))
    if Y.shape != shape and Y.shape != (n_samples,):
        expected = f"{shape} or integer labels ({n_samples},)" if n_classes else f"{shape}"
        raise ValueError(f"{argument} has shape {Y.shape}, expected {expected}")
    if Y.ndim == 2:
        return _finite(Y, dtype, argument)
    if n_classes and Y.dtype.kind in "biu":
        labels = _labels(Y, n_classes, argument)
        return labels if n_classes == n_outputs else labels[:, np.newaxis].astype(dtype)
    if n_outputs == 1:
        return _finite(Y, dtype, argument)[:, np.newaxis]
    if n_classes:
        raise TypeError(f"{argument} holds {Y.dtype}; labels must be integers: {argument}.astype(int)")
    raise ValueError(f"{argument} has shape {Y.shape}, expected {shape}")


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
    weight = _as_array(weight, argument)
    if weight.shape != (n_samples,):
        raise ValueError(f"{argument} has shape {weight.shape}, expected ({n_samples},)")
    weights = _finite(weight, dtype, argument)
    if weights.min() < 0:
        s = int(weights.argmin())
        raise ValueError(f"{argument}[{s}] is {weights[s]}; weights must not be negative")
    return weights


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
    if not isinstance(sizes, Sequence) or isinstance(sizes, str):
        raise TypeError(f"sizes is {sizes!r}, expected a sequence of integers such as [784, 128, 10]")
    if len(sizes) < 2:
        raise ValueError(f"sizes is {sizes!r}, expected at least two: the inputs and the outputs")
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
    except TypeError:
        found = np.dtype(np.void)
    if found not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {dtype!r}, expected float32 or float64")
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
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(f"rng is {rng!r}, expected what numpy.random.default_rng takes: {error}") from None


def _as_array(value: Any, argument: str, hint: str = "") -> NDArray[Any]:
    """`value` as an array of real numbers, of any type."""
    if hasattr(value, "toarray") and not isinstance(value, np.ndarray):
        raise TypeError(f"{argument} is a sparse {type(value).__name__}; pass {argument}.toarray()")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{argument} has masked values; fill them first: {argument}.filled(...)")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{argument} is not a rectangular array: {error}") from None
    if array.dtype.kind == "O":
        strange = [type(x).__name__ for x in array.flat if not isinstance(x, (numbers.Real, np.bool_))]
        if strange:
            raise TypeError(f"{argument} holds {strange[0]}, expected real numbers{hint}")
        whole = all(isinstance(x, (numbers.Integral, np.bool_)) for x in array.flat)
        try:
            return array.astype(np.int64 if whole else np.float64)
        except OverflowError:
            raise ValueError(f"{argument} holds a number beyond int64 or float64") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{argument} holds {array.dtype}, expected real numbers{hint}")
    return array


def _finite(array: NDArray[Any], dtype: np.dtype[Any], argument: str) -> FloatArray:
    """`array` in canonical form, every value finite."""
    result = array
    flags = array.flags
    if array.dtype != dtype or not (flags.c_contiguous and flags.aligned):
        with np.errstate(over="ignore"):
            result = np.require(array, dtype=dtype, requirements=["C", "A"])
    flat = result.reshape(-1)
    # A finite sum, of squares or of all, settles it. An infinite one may also come from large finite values.
    probe = np.vdot(flat, flat) if flat.size <= _DOT_LIMIT else _sum(flat)
    if not (math.isfinite(probe) or np.isfinite(flat).all()):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0])
        place = f"{argument}[{', '.join(map(str, where))}]"
        if np.isfinite(array[where]):
            raise ValueError(f"{place} is {array[where]}, too large for {dtype}")
        raise ValueError(f"{place} is {array[where]}; every value must be finite")
    return result


def _labels(Y: NDArray[Any], n_classes: int, argument: str) -> NDArray[np.int64]:
    labels = Y if Y.dtype == np.int64 and Y.flags.c_contiguous and Y.flags.aligned else None
    if labels is not None:
        # Negative labels are the largest as unsigned numbers, so one maximum checks both ends.
        unsigned = labels.view(np.uint64)
        if unsigned[unsigned.argmax()] < n_classes:
            return labels
    for s in (int(Y.argmin()), int(Y.argmax())):
        if not 0 <= Y[s] < n_classes:
            raise ValueError(f"{argument}[{s}] is {Y[s]}, expected labels 0..{n_classes - 1}")
    return np.require(Y, dtype=np.int64, requirements=["C", "A"])


def _label_hint(argument: str, n_classes: int) -> str:
    if not n_classes:
        return ""
    return f" or integer labels 0..{n_classes - 1}; numpy.unique({argument}, return_inverse=True)[1] makes labels"
