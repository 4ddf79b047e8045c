"""Accuracies: how many predictions are right, of a batch and of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.compat._core import Array

__all__ = ["Accuracy", "Accuracy_Categorical", "Accuracy_Regression"]


class Accuracy:
    """Base class of the accuracies; a subclass has `init(y)` and `compare(predictions, y)`.

    Examples
    --------
    >>> accuracy = Accuracy_Categorical()
    >>> accuracy.new_pass()
    >>> float(accuracy.calculate(np.array([0, 1]), np.array([0, 0])))
    0.5
    >>> float(accuracy.calculate(np.array([1, 1]), np.array([1, 1])))
    1.0
    >>> float(accuracy.calculate_accumulated())
    0.75
    """

    accumulated_sum: Any = 0
    accumulated_count: Any = 0

    def init(self, y: Array) -> None:
        """Prepare for targets.

        Parameters
        ----------
        y : ndarray
            All targets.
        """

    def compare(self, predictions: Array, y: Array) -> Any:
        """Return which predictions are right.

        Parameters
        ----------
        predictions, y : ndarray
            Predictions and targets of a batch.

        Returns
        -------
        ndarray of bool
            Comparisons.

        Examples
        --------
        >>> class Near(Accuracy):
        ...     def compare(self, predictions, y):
        ...         return abs(predictions - y) < 1
        >>> Near().compare(np.array([1.5]), np.array([1.0]))
        array([ True])
        """
        raise NotImplementedError

    def calculate(self, predictions: Array, y: Array) -> Any:
        """Return the share of right predictions of a batch, and add it to that of the epoch.

        Parameters
        ----------
        predictions, y : ndarray
            Predictions and targets of a batch.

        Returns
        -------
        float
            Accuracy.
        """
        comparisons = self.compare(predictions, y)
        self.accumulated_sum += np.sum(comparisons)
        self.accumulated_count += len(comparisons)
        return np.mean(comparisons)

    def calculate_accumulated(self) -> Any:
        """Return the accuracy since `new_pass`.

        Returns
        -------
        float
            Accuracy.
        """
        return self.accumulated_sum / self.accumulated_count

    def new_pass(self) -> None:
        """Begin an epoch."""
        self.accumulated_sum = self.accumulated_count = 0


class Accuracy_Categorical(Accuracy):  # noqa: N801 - the book's name
    """Share of right labels.

    Parameters
    ----------
    binary : bool
        Whether predictions are 0 or 1 for each output, else labels.

    Examples
    --------
    >>> float(Accuracy_Categorical().calculate(np.array([0, 1]), np.array([[1, 0], [0, 1]])))
    1.0
    """

    def __init__(self, *, binary: bool = False) -> None:
        self.binary = binary

    def compare(self, predictions: Array, y: Array) -> Any:
        if not self.binary and len(y.shape) == 2:
            y = np.argmax(y, axis=1)
        return predictions == y


class Accuracy_Regression(Accuracy):  # noqa: N801
    """Share of predictions nearer than a 250th of the deviation of all targets.

    Examples
    --------
    >>> accuracy = Accuracy_Regression()
    >>> accuracy.init(np.array([[0.0], [500.0]]))
    >>> float(accuracy.precision), accuracy.compare(np.array([[0.5], [502.0]]), np.array([[0.0], [500.0]])).ravel()
    (1.0, array([ True, False]))
    """

    def __init__(self) -> None:
        self.precision: Any = None

    def init(self, y: Array, reinit: bool = False) -> None:
        """Compute the precision once.

        Parameters
        ----------
        y : ndarray
            All targets.
        reinit : bool
            Whether to compute it again.
        """
        if self.precision is None or reinit:
            self.precision = np.std(y) / 250

    def compare(self, predictions: Array, y: Array) -> Any:
        return np.absolute(predictions - y) < self.precision
