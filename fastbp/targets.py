"""Targets in canonical form: rows of numbers that the loss is defined on, or labels; or an error that helps."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.checks import shown
from fastbp.conversion import DOT_LIMIT, FloatArray, as_array, finite, missing, place, variable
from fastbp.losses import ANY, Loss

__all__ = ["TARGET_SUM", "Targets", "name_one_class", "targets"]

Targets = FloatArray | NDArray[np.int64]

# How far the sum of a row may be from 1: rounding of float16, of numbers with three digits.
TARGET_SUM = 1e-3


def targets(
    Y: Any, shape: tuple[int, int], n_classes: int, dtype: np.dtype[Any], argument: str = "Y", *,
    loss: Loss | None = None, shares: bool = False,
) -> Targets:
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
    loss : Loss, optional
        Loss that the targets are for.
    shares : bool
        Whether the targets of a sample are shares of one: they sum to 1.

    Returns
    -------
    ndarray
        Targets (n_samples, n_outputs), or labels (n_samples,).

    Raises
    ------
    TypeError
        If Y does not hold real numbers, or labels are not integers.
    ValueError
        If Y has another shape, a label that is out of range, a value that is not finite in `dtype`, or one that the
        loss is not defined on.

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
    given = Y
    if type(Y) is not np.ndarray or Y.dtype != dtype:
        Y = as_array(Y, argument, n_classes)
    if Y.shape != shape and (Y.shape != (n_samples,) or not (n_classes or n_outputs == 1)):
        raise ValueError(_shape_message(Y, shape, n_classes, argument, loss))
    if Y.ndim == 1 and n_outputs > 1:
        if Y.dtype.kind not in "biu":
            if np.isnan(Y).any():
                raise missing(Y, argument, np.flatnonzero(np.isnan(Y))[:1], given, "nan")
            raise TypeError(_float_labels_message(Y, n_classes, argument))
        return _labels(Y, n_classes, argument)
    rows = finite(Y, dtype, argument, given)
    if loss is not None and loss.targets is not ANY:
        if not loss.targets.holds(rows):
            raise ValueError(_domain_message(rows, argument, loss, given))
        if shares and not name_one_class(rows, nonnegative=loss.targets.low >= 0.0):
            raise ValueError(_sum_message(rows, argument, loss))
    return rows if Y.ndim == 2 else rows[:, np.newaxis]


def name_one_class(Y: NDArray[Any], *, nonnegative: bool = False) -> bool:
    """Return whether each row of targets names one class, or shares of one: its positive numbers sum to 1.

    Parameters
    ----------
    Y : ndarray (n_samples, n_outputs)
        Targets.
    nonnegative : bool
        Whether no number is known to be negative.

    Returns
    -------
    bool
        False if a row has several labels, or none.

    Examples
    --------
    >>> name_one_class(np.array([[0.0, 1.0], [0.75, 0.25], [-1.0, 1.0]])), name_one_class(np.array([[1.0, 1.0]]))
    (True, False)
    """
    if nonnegative and Y.size <= DOT_LIMIT:
        sums = Y.dot(_ones(Y.shape[1], Y.dtype))  # the usual case: 2 µs for 64 rows of 4
        if sums[sums.argmax()] <= 1.0 + TARGET_SUM and sums[sums.argmin()] >= 1.0 - TARGET_SUM:
            return True
    return not _other_than_1(Y).any()


@lru_cache(maxsize=8)
def _ones(n: int, dtype: np.dtype[Any]) -> FloatArray:
    return np.ones(n, dtype)


def _other_than_1(Y: NDArray[Any]) -> NDArray[np.bool_]:
    sums = np.add.reduce(np.maximum(Y, 0.0), axis=1)
    wrong: NDArray[np.bool_] = ~(np.abs(sums - 1.0) <= TARGET_SUM)
    return wrong


def _labels(Y: NDArray[Any], n_classes: int, argument: str) -> NDArray[np.int64]:
    labels = Y if Y.dtype == np.int64 and Y.flags.c_contiguous and Y.flags.aligned else None
    if labels is not None:
        # Negative labels are the largest as unsigned numbers, so one maximum checks both ends.
        unsigned = labels.view(np.uint64)
        if unsigned[unsigned.argmax()] < n_classes:
            return labels
    low, high = int(Y.argmin()), int(Y.argmax())
    for s in (low, high):
        if not 0 <= Y[s] < n_classes:
            expected = f"expected labels 0..{n_classes - 1}"
            raise ValueError(f"{place(argument, (s,))} is {Y[s]}, {expected}{_shift_hint(Y, n_classes, argument)}")
    return np.require(Y, dtype=np.int64, requirements=["C", "A"])


# ------------------------------------------------------------------ what to do
def _shift_hint(Y: NDArray[Any], n_classes: int, argument: str) -> str:
    """How labels of another convention become labels from 0."""
    name, low, high = variable(argument), int(Y.min()), int(Y.max())
    if n_classes == 2 and set(np.unique(Y).tolist()) == {-1, 1}:
        return f"; `(numpy.asarray({name}) > 0).astype(int)` are labels from 0"
    if low == 1 and high == n_classes:
        return f"; `numpy.asarray({name}) - 1` are labels from 0"
    return ""


def _shape_message(Y: NDArray[Any], shape: tuple[int, int], n_classes: int, argument: str, loss: Loss | None) -> str:
    (n_samples, n_outputs), name = shape, variable(argument)
    expected = f"{shape} or integer labels ({n_samples},)" if n_classes else f"{shape}"
    message, whole = f"{argument} has shape {Y.shape}, expected {expected}", Y.dtype.kind in "biu"
    if Y.shape == (n_samples,) and whole and not n_classes and n_samples and 0 <= Y.min() <= Y.max() < n_outputs:
        what = "the loss" if loss is None else f"loss {shown(loss.name)}"
        rows = f"`numpy.eye({n_outputs})[numpy.asarray({name}, int)]`"
        return f"{message}; {what} takes no labels: pass rows of 0 and 1, {rows}, or take loss='cross_entropy'"
    if Y.shape == (n_samples, 1) and n_classes and whole:
        return f"{message}; a column of labels becomes flat by `numpy.ravel({name})`"
    if Y.shape == (n_samples, 2) and shape[1] == 1 and n_classes and set(np.unique(Y)) <= {0, 1}:
        return f"{message}; the labels of two columns are `numpy.argmax({name}, axis=1)`"
    if Y.shape == shape[::-1]:
        return f"{message}; samples as columns become rows by `numpy.transpose({name})`"
    return message


def _float_labels_message(Y: NDArray[Any], n_classes: int, argument: str) -> str:
    name, message = variable(argument), f"{argument} holds {Y.dtype}; labels must be integers"
    fractions = np.flatnonzero(np.trunc(Y) != Y)
    if not len(fractions):
        return f"{message}: `numpy.asarray({name}).astype(int)`"
    s = int(fractions[0])
    return (
        f"{message} 0..{n_classes - 1}, and {place(argument, (s,))} is {Y[s]}; targets that are no classes want "
        "one output and loss='quadratic' with output='identity'"
    )


def _domain_message(Y: FloatArray, argument: str, loss: Loss, given: Any) -> str:
    outside = loss.targets.outside(Y)
    if not outside.any():  # numbers of two sets
        found = ", ".join(f"{x:g}" for x in np.unique(Y))
        return f"{argument} has {found}; loss {shown(loss.name)} takes {loss.targets}"
    where = tuple(int(i) for i in np.argwhere(outside)[0])
    at = place(argument, where, given)
    hint = _scale_hint(set(np.unique(Y).tolist()), variable(argument), loss)
    return f"{at} is {Y[where]:g}; loss {shown(loss.name)} takes targets that are {loss.targets}{hint}"


def _scale_hint(found: set[float], name: str, loss: Loss) -> str:
    """How targets of another convention become those of the loss; other losses where there is no telling."""
    if loss.targets.holds(np.array([0.0, 1.0])) and loss.labels:
        if found <= {-1.0, 1.0}:
            return f"; `(numpy.asarray({name}) + 1) / 2` are 0 and 1"
        if found <= {1.0, 2.0}:
            return f"; `numpy.asarray({name}) - 1` are 0 and 1"
        if loss.targets.high == 1.0 and min(found) >= 0.0 and 16.0 < max(found) <= 255.0:
            return f"; pixels of 0..255 become shares by `numpy.asarray({name}) / 255`"
    return "; loss='quadratic' with output='identity' takes all numbers"


def _sum_message(Y: FloatArray, argument: str, loss: Loss) -> str:
    s = int(np.flatnonzero(_other_than_1(Y))[0])
    total = float(np.maximum(Y[s], 0.0).sum(dtype=np.float64))
    hint = "several labels a sample, or none, want output='sigmoid'"
    if set(np.unique(Y).tolist()) <= {-1.0, 0.0, 1.0}:
        return f"row {s} of {argument} names {total:.0f} classes, with output='softmax' it must name one; {hint}"
    name = variable(argument)
    scaled = f"`numpy.asarray({name}) / numpy.sum({name}, axis=1, keepdims=True)`"
    scales = f"; {scaled} scales them" if bool((Y.sum(axis=1) > 0.0).all()) else ""
    return (
        f"row {s} of {argument} sums to {total:g}; with output='softmax' the targets of loss {shown(loss.name)} sum "
        f"to 1 in each row{scales}; {hint}"
    )
