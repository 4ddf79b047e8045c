"""Metrics: measures of the validation data that `Trainer.fit` reports but does not train, one entry each in `METRICS`.

A fit takes "accuracy", "top_5" (or another number), "r2", "mae", or functions (y_true, a) -> float.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.canonical import FloatArray
from fastbp.checks import check_count, check_name, listed, shown
from fastbp.conversion import as_array
from fastbp.targets import Targets, name_one_class, targets

__all__ = ["METRICS", "Metric", "NamedMetric", "better_if", "mae", "named_metrics", "r2", "top_k"]

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

    Raises
    ------
    ValueError
        If their shapes differ, or there are no samples.

    Notes
    -----
    It equals ``sklearn.metrics.r2_score`` with its defaults.

    Examples
    --------
    >>> r2(np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]))
    0.5
    """
    y, a = _of_one_shape(y, a)
    rest = np.sum(np.square(y - a), axis=0)
    total = np.sum(np.square(y - y.mean(axis=0)), axis=0)
    constant = (y == y[0]).all(axis=0)  # total is then not 0 if the mean is rounded
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

    Raises
    ------
    ValueError
        If their shapes differ, or there are no samples.

    Examples
    --------
    >>> mae(np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]))
    0.5
    """
    y, a = _of_one_shape(y, a)
    return float(np.mean(np.abs(y - a)))


def _of_one_shape(y: FloatArray, a: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Targets and outputs in float64: in integers a difference may wrap, of other shapes it has all pairs."""
    rows, outputs = as_array(y, "y").astype(np.float64), as_array(a, "a").astype(np.float64)
    if rows.shape != outputs.shape:
        raise ValueError(f"targets have shape {rows.shape} and outputs {outputs.shape}, expected one shape")
    if not rows.size:
        raise ValueError(f"targets and outputs have shape {rows.shape}: no samples")
    return rows, outputs


def _of_classes(y: Any, a: Any) -> tuple[Targets, FloatArray]:
    """Labels, or targets in rows, and as many outputs: a label out of range would be another output, or none."""
    outputs = as_array(a, "a")
    if outputs.ndim != 2 or not outputs.size:
        raise ValueError(f"a has shape {outputs.shape}, expected (n_samples, n_outputs)")
    return targets(y, outputs.shape, outputs.shape[1], np.dtype(np.float64), "y"), outputs


def top_k(k: int) -> Metric:
    """Return the metric "top_<k>": the share of samples whose label is among the k largest outputs.

    Parameters
    ----------
    k : int
        Number of outputs that count, 1 or more.

    Returns
    -------
    callable
        Function (y, a) -> float of labels (n_samples,), or of targets (n_samples, n_outputs), and outputs. It raises
        ValueError for targets that do not name one class each, and for labels or shapes out of range.

    Raises
    ------
    TypeError, ValueError
        If `k` is not an integer of 1 or more.

    Notes
    -----
    The smaller label wins among equal outputs, and an output that is not a number never counts. In
    ``sklearn.metrics.top_k_accuracy_score`` the larger one wins.

    Examples
    --------
    >>> top_k(2)(np.array([2, 0]), np.array([[0.1, 0.5, 0.4], [0.1, 0.5, 0.4]]))
    0.5
    """
    k = check_count("k", k)

    def share(y: Targets, a: FloatArray) -> float:
        y, a = _of_classes(y, a)
        if y.ndim == 2 and not name_one_class(y):
            raise ValueError(f"'top_{k}' needs targets that name one class each, and rows have several or none")
        labels = y if y.ndim == 1 else y.argmax(axis=1)
        of_label = np.take_along_axis(a, labels[:, np.newaxis].astype(np.int64), axis=1)
        before = np.arange(a.shape[1]) < labels[:, np.newaxis]
        rank = np.count_nonzero((a > of_label) | ((a == of_label) & before), axis=1)
        return float(np.mean((rank < k) & ~np.isnan(of_label[:, 0])))

    share.__name__ = f"top_{k}"
    return share


# These take targets and outputs of one shape.
METRICS: dict[str, Metric] = {"r2": r2, "mae": mae}
_TOP = re.compile(r"top_([1-9]\d*)")
# Of the measures in a history, by their names without "val_"; larger is better for each top_<k>, too.
_BETTER_IF = {"loss": "min", "mae": "min", "seconds": "min", "accuracy": "max", "r2": "max"}


def better_if(measure: str) -> str | None:
    """Return whether a measure is better if it is smaller or larger, where its name is one of fastbp's.

    Parameters
    ----------
    measure : str
        Name in a history: loss, accuracy, seconds, mae, r2 or top_<k>, with or without "val_".

    Returns
    -------
    str or None
        "min", "max", or None for another name.

    Raises
    ------
    TypeError
        If `measure` is no text.

    Examples
    --------
    >>> better_if("val_loss"), better_if("val_top_5"), better_if("val_err2")
    ('min', 'max', None)
    """
    if not isinstance(measure, str):
        raise TypeError(f"measure must be a name such as 'val_loss', got {shown(measure)}")
    name = measure.removeprefix("val_")
    return "max" if _TOP.fullmatch(name) else _BETTER_IF.get(name)


@dataclass(frozen=True)
class NamedMetric:
    """Metric that a fit asked for.

    Parameters
    ----------
    name : str
        Its name in the history, without "val_".
    function : callable
        Function (targets, a) -> float.
    own : bool
        Whether it is the user's, and takes the targets as they were given.
    needs_rows : bool
        Whether it takes targets of the outputs' shape alone.

    Examples
    --------
    >>> Y = np.array([[1.0], [3.0]])
    >>> NamedMetric("mae", mae, needs_rows=True)(Y, Y, Y + 0.5)
    0.5
    """

    name: str
    function: Metric
    own: bool = False
    needs_rows: bool = False

    def check(self, Y: Targets) -> None:
        """Raise ValueError if targets do not suit the metric.

        Parameters
        ----------
        Y : ndarray
            Targets in canonical form.

        Raises
        ------
        ValueError
            If they are labels and the metric needs rows.

        Examples
        --------
        >>> NamedMetric("mae", mae, needs_rows=True).check(np.array([[1.0]]))
        """
        if self.needs_rows and Y.ndim == 1:
            raise ValueError(f"metrics: {self.name!r} needs targets (n_samples, n_outputs), validation_data has labels")

    def __call__(self, Y: Targets, y_true: Any, a: FloatArray) -> float:
        """Return the metric of targets, in canonical form and as given, and outputs."""
        self.check(Y)
        found = self.function(y_true if self.own else Y, a)
        try:
            return float(found)
        except (TypeError, ValueError, OverflowError):
            raise TypeError(f"metric {shown(self.name)} returned {shown(found)}, expected a number") from None


def named_metrics(
    metrics: Any, n_outputs: int, count_correct: Callable[[FloatArray, Any], int] | None
) -> dict[str, NamedMetric]:
    """Return the metrics that a fit asks for, by name.

    Parameters
    ----------
    metrics : iterable of str or callable
        Names, or functions (y_true, a) -> float. The name of a function is its ``__name__``.
    n_outputs : int
        Number of outputs n_L.
    count_correct : callable, optional
        Function (a, Y) -> int that counts correct labels. None means that the network does not classify.

    Returns
    -------
    dict of str to NamedMetric
        Functions (Y, y_true, a) -> float.

    Raises
    ------
    TypeError
        If `metrics` is not an iterable of names and functions.
    ValueError
        If a name is unknown, comes twice, or does not fit the network.

    Examples
    --------
    >>> Y = np.array([[1.0], [3.0]])
    >>> {name: metric(Y, Y, Y + 0.5) for name, metric in named_metrics(["mae", "r2"], 1, None).items()}
    {'mae': 0.5, 'r2': 0.75}
    """
    named: dict[str, NamedMetric] = {}
    for metric in listed("metrics", metrics, "names and functions"):
        if isinstance(metric, str):
            found = _built_in(metric, n_outputs, count_correct)
        elif callable(metric):
            found = NamedMetric(getattr(metric, "__name__", type(metric).__name__), metric, own=True)
        else:
            raise TypeError(f"metrics holds {shown(metric)}, expected a name or a function (y_true, a) -> float")
        measured = {"loss"} if count_correct is None else {"loss", "accuracy"}
        if found.name in named or (found.own and found.name in measured) or found.name == "loss":
            raise ValueError(f"metrics has more than one {shown(found.name)}; give a function another __name__")
        named[found.name] = found
    return named


def _built_in(name: str, n_outputs: int, count_correct: Callable[[FloatArray, Any], int] | None) -> NamedMetric:
    top = _TOP.fullmatch(name)
    if top is None:
        check_name("metrics", name, [*METRICS, "accuracy", "top_5"])
    if name in METRICS:
        return NamedMetric(name, METRICS[name], needs_rows=True)
    if count_correct is None:
        raise ValueError(f"metrics: {name!r} is for networks that classify")
    if name == "accuracy":
        return NamedMetric(name, lambda Y, a: count_correct(a, Y) / a.shape[0])
    k = int(name.removeprefix("top_"))
    if k >= n_outputs:
        raise ValueError(f"metrics: {name!r} needs more than {k} outputs, the network has {n_outputs}")
    return NamedMetric(name, top_k(k))
