"""Whatever a user hands in as an array of real numbers; or an error that says where it is not, and what to do.

Code that a user may copy stands in backquotes, with the name of the user's argument, and runs as it stands there.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.checks import shortened, shown

FloatArray = NDArray[np.floating[Any]]

# A BLAS dot product is the fastest test for NaN and infinity: 800,000 float32 take 87 µs in rows of so many, their sum
# 220 (Zen 3). BLAS may wake its threads for longer ones.
DOT_LIMIT = 8192
_dots = np.errstate(over="ignore", invalid="ignore")(np.vecdot)


# ------------------------------------------------------------------ names and places
def variable(argument: str) -> str:
    """Return what code calls an argument: X of "X of batch 3".

    Examples
    --------
    >>> variable("X of batch 3"), variable("validation_data[0]")
    ('X', 'validation_data[0]')
    """
    return argument.partition(" of ")[0]


def place(argument: str, where: Sequence[Any], given: Any = None) -> str:
    """Return the name of one number of an argument, with the name of its column in a data frame.

    Examples
    --------
    >>> place("X of batch 3", (2, 0))
    'X[2, 0] of batch 3'
    """
    name, of, rest = argument.partition(" of ")
    columns = getattr(given, "column_names", getattr(given, "columns", None))
    named = f" (column {shown(columns[where[1]])})" if columns is not None and len(where) == 2 else ""
    return f"{name}[{', '.join(map(str, where))}]{of}{rest}{named}"


# ------------------------------------------------------------------ real numbers
def as_array(value: Any, argument: str, n_classes: int = 0) -> NDArray[Any]:
    """Return `value` as an array of real numbers, of any type.

    Parameters
    ----------
    value : array_like
        Object that a user passed.
    argument : str
        Name of the argument.
    n_classes : int
        Number of classes, if `value` may be labels; else 0.

    Returns
    -------
    ndarray
        Array of booleans, integers or floats.

    Raises
    ------
    TypeError
        If it holds something else.
    ValueError
        If it is not rectangular or has missing values.

    Examples
    --------
    >>> as_array(["1.5", "2"], "X")
    Traceback (most recent call last):
    TypeError: X holds strings, expected real numbers; `numpy.asarray(X).astype(float)` converts them
    """
    name = variable(argument)
    if hasattr(value, "toarray") and not isinstance(value, np.ndarray):
        raise TypeError(f"{argument} is a sparse {type(value).__name__}; pass `{name}.toarray()`")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{argument} has masked values; fill them first: `{name}.filled({name}.mean())`")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{argument} is not a rectangular array: {shortened(error)}") from None
    except (TypeError, RuntimeError) as error:  # tensors of other libraries, of a type or at a place NumPy lacks
        wide = ".float()" if "float" in str(getattr(value, "dtype", "")) else ""
        hint = f"; pass `{name}.detach().cpu(){wide}.numpy()`" if hasattr(value, "detach") else ""
        kind = type(value).__name__
        raise TypeError(f"{argument} is a {kind} that NumPy cannot read: {shortened(error)}{hint}") from None
    if array.dtype.kind == "O":
        return _of_objects(array, argument, n_classes, value)
    if array.dtype.kind in "mM" and np.isnat(array).any():
        raise missing(array, argument, tuple(np.argwhere(np.isnat(array))[0]), value, "NaT")
    if array.dtype.kind not in "biuf":
        kind = shortened(_kind(array))
        raise TypeError(f"{argument} holds {kind}, expected real numbers{_advice(array, argument, n_classes)}")
    return array


def _of_objects(array: NDArray[Any], argument: str, n_classes: int, given: Any) -> NDArray[Any]:
    """An array of Python objects as numbers, if all of them are real numbers."""
    strange = None
    for k, x in enumerate(array.flat):
        if array.ndim and _is_missing(x):
            raise missing(array, argument, np.unravel_index(k, array.shape), given, repr(x))
        if strange is None and not isinstance(x, (numbers.Real, np.bool_)):
            strange = k
    if strange is not None:
        x = array.flat[strange]
        at = place(argument, np.unravel_index(strange, array.shape), given) if array.ndim else argument
        found = f"{argument} holds {type(x).__name__}, expected real numbers: {at} is {shown(x, 40)}"
        raise TypeError(found + _advice(array, argument, n_classes))
    whole = all(isinstance(x, (numbers.Integral, np.bool_)) for x in array.flat)
    try:
        return array.astype(np.int64 if whole else np.float64)
    except OverflowError:
        raise ValueError(f"{argument} holds a number beyond int64 or float64") from None


def _is_missing(x: Any) -> bool:
    """Whether an object stands for a value that is not there: None, NaT, NA."""
    return x is None or type(x).__name__ in ("NAType", "NaTType")


def _kind(array: NDArray[Any]) -> str:
    return "strings" if array.dtype.kind in "US" else str(array.dtype)


def missing(array: NDArray[Any], argument: str, where: Any, given: Any, text: str) -> ValueError:
    """Return the error of a missing value."""
    name, at = variable(argument), place(argument, tuple(int(i) for i in where), given)
    if name in ("X", "validation_data[0]"):
        filled = f"{name}.fillna(0)" if hasattr(given, "fillna") else f"numpy.nan_to_num(numpy.asarray({name}, float))"
        dates = array.dtype.kind in "mM"
        fill = "fill missing values" + ("" if dates else f", with 0 by `{filled}` for one,")
        return ValueError(f"{at} is {text}; every value must be finite: {fill} or leave their samples out")
    return ValueError(f"{at} is {text}; every value must be finite: leave samples without one out, in all arrays")


# ------------------------------------------------------------------ what to convert to
def _advice(array: NDArray[Any], argument: str, n_classes: int) -> str:
    """What an array that holds no real numbers can be converted to, as code; empty if nothing is sure."""
    name, kind = variable(argument), array.dtype.kind
    plain = f"numpy.asarray({name})"
    if n_classes and kind in "USO" and array.ndim == 1:
        return _label_advice(array, argument, n_classes)
    if kind == "M":
        return f"; days since 1970 are `{plain}.astype('datetime64[ms]').astype(float) / 86400000`"
    if kind == "m":
        return f"; seconds are `{plain} / numpy.timedelta64(1, 's')`"
    if kind == "c":
        if not array.imag.any():
            return f"; `numpy.real({name})` has all of it, the imaginary parts are 0"
        return f"; `numpy.concatenate([numpy.real({name}), numpy.imag({name})], axis=-1)` has both parts"
    if array.dtype.names:
        return f"; its fields as columns are `numpy.stack([{name}[field] for field in {name}.dtype.names], axis=-1)`"
    if _converts(array):
        wanted = "numpy.float32" if kind == "V" else "float"
        return f"; `{plain}.astype({wanted})` converts them"
    if kind == "O" and array.size and isinstance(array.flat[0], np.ndarray):
        return f"; rows of one length become one array by `numpy.stack({name})`"
    return "; make a column of 0 and 1 of each category" if kind in "USO" and _has_text(array) else ""


def _has_text(array: NDArray[Any]) -> bool:
    return any(isinstance(x, (str, bytes)) for x in array.flat)


def _converts(array: NDArray[Any]) -> bool:
    """Whether all of it can be converted to finite floats."""
    try:
        return bool(np.isfinite(array.astype(np.float64)).all())
    except (TypeError, ValueError):
        return False


def _label_advice(array: NDArray[Any], argument: str, n_classes: int) -> str:
    """What labels that are no numbers become."""
    name, expected = variable(argument), f" or integer labels 0..{n_classes - 1}"
    if _converts(array):
        found = array.astype(np.float64)
        if (found == np.trunc(found)).all():
            return f"{expected}; `numpy.asarray({name}).astype(float).astype(int)` converts them"
        return f"{expected}; `numpy.asarray({name}).astype(float)` converts them"
    if not all(isinstance(x, (str, bytes)) for x in array.flat):
        return expected
    n_found = len(np.unique(array))
    if n_found > n_classes:
        return f"{expected}; there are {n_found} different ones, and the network has {n_classes} classes"
    if name != argument or name != "Y":  # their order must be that of all training data
        return f"{expected}, in the order of the classes in training: numpy.searchsorted(classes, labels)"
    return f"{expected}; `numpy.unique({name}, return_inverse=True)[1]` makes labels"


# ------------------------------------------------------------------ finite numbers in one layout
def is_finite(flat: FloatArray) -> bool:
    """Whether all numbers of an array (n,) are finite.

    Examples
    --------
    >>> is_finite(np.array([1.0, 2.0])), is_finite(np.array([1.0, np.inf]))
    (True, False)
    """
    # A finite sum of squares settles it. An infinite one may also come from large finite values.
    if flat.size <= DOT_LIMIT:
        probe = float(np.vdot(flat, flat))  # without a warning, which flat.dot gives
    else:
        rows = flat[: flat.size // DOT_LIMIT * DOT_LIMIT].reshape(-1, DOT_LIMIT)
        tail = flat[rows.size :]
        probe = sum(_dots(rows, rows).tolist(), float(np.vdot(tail, tail)))
    return math.isfinite(probe) or bool(np.isfinite(flat).all())


def finite(array: NDArray[Any], dtype: np.dtype[Any], argument: str, given: Any = None) -> FloatArray:
    """Return `array` in canonical form, every value finite.

    Parameters
    ----------
    array : ndarray
        Real numbers.
    dtype : numpy.dtype
        float32 or float64.
    argument : str
        Name of the argument.
    given : object
        Object that the user passed, for messages.

    Returns
    -------
    ndarray
        The same numbers, in C order and aligned; `array` itself where it is so already.

    Raises
    ------
    ValueError
        If a value is not finite in `dtype`.

    Examples
    --------
    >>> finite(np.array([1, 2]), np.dtype(np.float32), "X")
    array([1., 2.], dtype=float32)
    """
    result = array
    flags = array.flags
    if array.dtype != dtype or not (flags.c_contiguous and flags.aligned):
        with np.errstate(over="ignore"):
            result = np.require(array, dtype=dtype, requirements=["C", "A"])
    if not is_finite(result.ravel()):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0])
        if np.isnan(array[where]):
            raise missing(array, argument, where, given, "nan")
        at = place(argument, where, given)
        if np.isfinite(array[where]):
            raise ValueError(f"{at} is {array[where]}, too large for {dtype}")
        raise ValueError(f"{at} is {array[where]}; every value must be finite")
    return result
