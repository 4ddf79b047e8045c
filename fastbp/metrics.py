"""Metrics: measures of the validation data that `Trainer.fit` reports but does not train, one entry each in `METRICS`.

A fit takes "accuracy", "top_5" (or another number), "r2", "mae", or functions (y_true, a) -> float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.canonical import FloatArray
from fastbp.checks import check_name

__all__ = ["METRICS", "Metric", "mae", "named_metrics", "r2", "top_k"]

Targets = FloatArray | NDArray[np.int64]
Metric = Callable[[Any, Any], float]


def r2(y: FloatArray, a: FloatArray) -> float:
    """Coefficient of determination, R² = 1 − Σ (y − a)² / Σ (y − mean y)², averaged over the outputs.

    Parameters
    ----------
    y : ndarray (n_samples, n_outputs)
        Targets.
    a : ndarray (n_samples, n_outputs)
        Outputs of the network.

    Returns
    -------
    float
        Mean of R² over the outputs, 1 at best. An output with constant targets counts 1 if all are met, else 0.

    Notes
    -----
    It equals ``sklearn.metrics.r2_score`` with its defaults.

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
    """Mean absolute error, the mean of |y − a| over samples and outputs.

    Parameters
    ----------
    y : ndarray (n_samples, n_outputs)
        Targets.
    a : ndarray (n_samples, n_outputs)
        Outputs of the network.

    Returns
    -------
    float
        Mean absolute error, 0 at best.

    Examples
    --------
    >>> mae(np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]))
    0.5
    """
    return float(np.mean(np.abs(y - a), dtype=np.float64))


def top_k(k: int) -> Metric:
    """Return the metric "top_<k>": the share of samples whose label is among the k largest outputs.

    Parameters
    ----------
    k : int
        Number of outputs that count, 1 or more.

    Returns
    -------
    callable
        Function (y, a) -> float of labels (n_samples,), or of targets (n_samples, n_outputs), and outputs.

    Notes
    -----
    The smaller label wins among equal outputs. In ``sklearn.metrics.top_k_accuracy_score`` the larger one wins.

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


# These take targets and outputs of one shape.
METRICS: dict[str, Metric] = {"r2": r2, "mae": mae}
_TOP = re.compile(r"top_([1-9]\d*)")


def named_metrics(
    metrics: Any, Y: Targets, y_true: Any, n_outputs: int, count_correct: Callable[[FloatArray, Any], int] | None
) -> dict[str, Callable[[FloatArray], float]]:
    """Return the metrics that a fit asks for, by name, as functions of the outputs a^L.

    Parameters
    ----------
    metrics : iterable of str or callable
        Names, or functions (y_true, a) -> float. The name of a function is its ``__name__``.
    Y : ndarray
        Targets in canonical form, for the metrics that have a name.
    y_true : array_like
        The same targets as the user passed them, for functions.
    n_outputs : int
        Number of outputs n_L.
    count_correct : callable, optional
        Function (a, Y) -> int that counts correct labels. None means that the network does not classify.

    Returns
    -------
    dict of str to callable
        Functions a -> float.

    Raises
    ------
    TypeError
        If `metrics` is not an iterable of names and functions.
    ValueError
        If a name is unknown, comes twice, or does not fit the network or the targets.

    Examples
    --------
    >>> Y = np.array([[1.0], [3.0]])
    >>> measures = named_metrics(["mae", "r2"], Y, Y, 1, None)
    >>> {name: measure(Y + 0.5) for name, measure in measures.items()}
    {'mae': 0.5, 'r2': 0.75}
    """
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be a list of names and functions, got {metrics!r}")
    targets = np.asarray(y_true)
    named: dict[str, Callable[[FloatArray], float]] = {}
    for metric in metrics:
        if isinstance(metric, str):
            name, measure = metric, _built_in(metric, Y, n_outputs, count_correct)
        elif callable(metric):
            name = getattr(metric, "__name__", type(metric).__name__)
            measure = _bound(metric, targets)
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
