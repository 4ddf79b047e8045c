"""Samples between their validation and the network."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np


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
            f"got {known}, `y` has {found}"
        )
    if len(np.setdiff1d(found, known, assume_unique=True)):
        raise ValueError(f"`y` has classes not in `self.classes_`. `self.classes_` has {known}. 'y' has {found}.")


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
