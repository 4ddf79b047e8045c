"""Metrics of validation data, one row each in `METRICS`: numbers that say how good outputs are but train nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.checks import FloatArray, check_name

Targets = FloatArray | NDArray[np.int64]
Metric = Callable[[Any, Any], float]


def r2(y: FloatArray, a: FloatArray) -> float:
    """R² = 1 − Σ(y − a)² / Σ(y − mean y)², the mean over the outputs; of a constant target 1 if it is met, else 0.

    Examples
    --------
    >>> r2(np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]))
    0.5
    """
    rest = np.sum(np.square(y - a, dtype=np.float64), axis=0)
    total = np.sum(np.square(y - y.mean(axis=0, dtype=np.float64)), axis=0)
    constant = total == 0.0
    return float(np.mean(np.where(constant, rest == 0.0, 1.0 - rest / np.where(constant, 1.0, total))))


def mae(y: FloatArray, a: FloatArray) -> float:
    """Mean of |y − a| over samples and outputs.

    Examples
    --------
    >>> mae(np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]))
    0.5
    """
    return float(np.mean(np.abs(y - a), dtype=np.float64))


def top_k(k: int) -> Metric:
    """Return the metric "top_<k>": the share of samples whose label is among the k largest outputs.

    Of equal outputs those of smaller labels count as larger.

    Examples
    --------
    >>> top_k(2)(np.array([2, 0]), np.array([[0.1, 0.5, 0.4], [0.1, 0.5, 0.4]]))
    0.5
    """

    def share(y: Targets, a: FloatArray) -> float:
        labels = y if y.ndim == 1 else y.argmax(axis=1)
        of_label = np.take_along_axis(a, labels[:, np.newaxis].astype(np.int64), axis=1)
        before = np.arange(a.shape[1]) < labels[:, np.newaxis]
        rank = np.count_nonzero((a > of_label) | ((a == of_label) & before), axis=1)
        return float(np.mean(rank < k))

    share.__name__ = f"top_{k}"
    return share


# Metrics of targets and outputs of one shape.
METRICS: dict[str, Metric] = {"r2": r2, "mae": mae}
_TOP = re.compile(r"top_([1-9]\d*)")


def named_metrics(
    metrics: Any, Y: Targets, given: Any, n_outputs: int, count_correct: Callable[[FloatArray, Any], int] | None
) -> dict[str, Callable[[FloatArray], float]]:
    """Return functions of the outputs a^L by name.

    Parameters
    ----------
    metrics : iterable of str or callable
        Names: "accuracy", "top_5" (or another k), "r2", "mae"; or functions (y_true, a) -> float, called by their
        ``__name__``.
    Y, given
        The targets in canonical form, for the names, and as they were given, for the functions.
    n_outputs : int
        n_L.
    count_correct : callable, optional
        Right labels among outputs; None where the network does not classify.
    """
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be a list of names and functions, got {metrics!r}")
    y_true = np.asarray(given)
    named: dict[str, Callable[[FloatArray], float]] = {}
    for metric in metrics:
        if isinstance(metric, str):
            name, measure = metric, _built_in(metric, Y, n_outputs, count_correct)
        elif callable(metric):
            name = getattr(metric, "__name__", type(metric).__name__)
            measure = _bound(metric, y_true)
        else:
            raise TypeError(f"metrics holds {metric!r}, expected a name or a function (y_true, a) -> float")
        if name in named or name == "loss":
            raise ValueError(f"metrics has more than one {name!r}; give a function another __name__")
        named[name] = measure
    return named


def _built_in(
    name: str, Y: Targets, n_outputs: int, count_correct: Callable[[FloatArray, Any], int] | None
) -> Callable[[FloatArray], float]:
    top = _TOP.fullmatch(name)
    if top is None:
        check_name("metrics", name, [*METRICS, "accuracy", "top_5"])
    if name in METRICS:
        if Y.ndim == 1:
            raise ValueError(f"metrics: {name!r} needs targets (n_samples, {n_outputs}), validation_data has labels")
        return _bound(METRICS[name], Y)
    if count_correct is None:
        raise ValueError(f"metrics: {name!r} is for networks that classify")
    if name == "accuracy":
        return lambda a: count_correct(a, Y) / a.shape[0]
    k = int(name.removeprefix("top_"))
    if k >= n_outputs:
        raise ValueError(f"metrics: {name!r} needs more than {k} outputs, the network has {n_outputs}")
    return _bound(top_k(k), Y)


def _bound(metric: Metric, y: Any) -> Callable[[FloatArray], float]:
    return lambda a: float(metric(y, a))
