"""Samples between their validation and the network."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from fastbp.checks import shortened


class Labelled(NamedTuple):
    """Samples as an estimator has checked them."""

    #: Inputs (n_samples, n_0), an array or a sparse matrix.
    X: Any
    #: What the network is trained on: targets (n_samples, n_L), or labels (n_samples,).
    targets: Any
    #: The same as the user gave it.
    y: Any
    #: Weights (n_samples,), or None.
    weight: Any

    def rows(self, rows: Any) -> Self:
        """Return some of the samples.

        Parameters
        ----------
        rows : ndarray of int
            Their places.

        Returns
        -------
        Labelled
            These samples.
        """
        return type(self)(*(None if part is None else part[rows] for part in self))


def check_classes(found: Any, known: Any, *, all_of_them: bool = False) -> None:
    """Raise ValueError if labels are found that are not known, or if not all are found where all are wanted.

    Parameters
    ----------
    found, known : ndarray
        Different labels.
    all_of_them : bool
        Whether the two must be the same.

    Raises
    ------
    ValueError
        The error has the text of scikit-learn.
    """
    if all_of_them and set(found) != set(known):
        raise ValueError(
            "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
            f"got {shortened(known)}, `y` has {shortened(found)}"
        )
    if not set(found) <= set(known):
        raise ValueError(
            f"`y` has classes not in `self.classes_`. `self.classes_` has {shortened(known)}. 'y' has "
            f"{shortened(found)}."
        )


def check_weights(argument: str, weight: Any) -> None:
    """Raise ValueError if weights of samples are no weights.

    Parameters
    ----------
    argument : str
        Where they are from.
    weight : ndarray (n_samples,)
        Weights.

    Raises
    ------
    ValueError
        If one is below 0 or not finite, or if all are 0. scikit-learn takes weights below 0, of which the loss has no
        least value.
    """
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        s = int(wrong.argmax())
        raise ValueError(f"{argument} gives sample {s} the weight {weight[s]:g}, expected a finite number of 0 or more")
    if not weight.any():
        raise ValueError(f"{argument} gives all samples the weight 0")


def check_form(y: Any, n_labels: int | None) -> None:
    """Raise ValueError if labels come in the other form than before.

    Parameters
    ----------
    y : ndarray or sparse matrix
        Labels as they came.
    n_labels : int or None
        Columns of the indicator matrix that is expected; None for one label a sample.

    Raises
    ------
    ValueError
        If `y` is a matrix where labels are expected, or the reverse.
    """
    if (y.ndim == 2) != (n_labels is not None):
        form = "one label a sample" if n_labels is None else f"an indicator matrix (n_samples, {n_labels})"
        raise ValueError(f"y has shape {y.shape}, expected {form}, as in the first fit or in `classes`")


def weighed_by_class(train: Labelled, class_weight: Any, classes: Any) -> Labelled:
    """Return samples whose weights are multiplied by those of their classes.

    Parameters
    ----------
    train : Labelled
        Samples with labels, or an indicator matrix.
    class_weight : dict or 'balanced'
        Weights as scikit-learn takes them; those of 'balanced' are of the samples' weights.
    classes : ndarray
        Names of the labels.

    Returns
    -------
    Labelled
        The samples with other weights.

    Raises
    ------
    ValueError
        If weights are not finite, below 0, or 0 for all samples, or if they are a list where labels are not several.
    """
    weight = np.ones(train.X.shape[0]) if train.weight is None else train.weight
    if train.targets.ndim == 2:
        weight = weight * compute_sample_weight(class_weight, train.y)
    elif class_weight == "balanced":
        sums = np.bincount(train.targets, weight)
        by_class = sums.sum() / (np.count_nonzero(sums) * np.where(sums > 0, sums, 1.0))
        weight = weight * by_class[train.targets]
    elif isinstance(class_weight, list):
        raise ValueError("class_weight is a list, which is for several labels a sample; expected a dict or 'balanced'")
    else:
        weight = weight * compute_class_weight(class_weight, classes=classes, y=train.y)[train.targets]
    check_weights("class_weight", weight)
    return train._replace(weight=weight)
