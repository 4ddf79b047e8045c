"""Costs of M. Nielsen's `network2`, and the targets of digits."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from fastbp.compat._core import Array
from fastbp.compat._nielsen import in_place

__all__ = ["CrossEntropyCost", "QuadraticCost", "vectorized_result"]


class QuadraticCost:
    """Cost ½‖a − y‖².

    Examples
    --------
    >>> float(QuadraticCost.fn(np.array([[2.0]]), np.array([[0.0]])))
    2.0
    """

    @staticmethod
    def fn(a: Array, y: Array) -> Any:
        """Compute the cost of one sample.

        Parameters
        ----------
        a, y : ndarray (n_L, 1)
            Output and target.

        Returns
        -------
        float
            Cost.
        """
        return 0.5 * np.linalg.norm(a - y) ** 2

    @staticmethod
    def delta(z: Array, a: Array, y: Array) -> Array:
        """Compute the error of the output layer.

        Parameters
        ----------
        z, a, y : ndarray (n_L, 1)
            Weighted input, output and target.

        Returns
        -------
        ndarray (n_L, 1)
            Error.

        Examples
        --------
        >>> float(QuadraticCost.delta(0.0, 0.5, 0.0))
        0.125
        """
        # the module that imports this one: users put other functions in the place of its own
        _, slope = in_place(vars(sys.modules["fastbp.compat.network2"]))
        delta: Array = (a - y) * slope(z)
        return delta


class CrossEntropyCost:
    """Cost −Σ (y ln a + (1 − y) ln(1 − a)), in which 0 ln 0 counts as 0.

    Examples
    --------
    >>> round(float(CrossEntropyCost.fn(np.array([[0.5]]), np.array([[1.0]]))), 6)
    0.693147
    """

    @staticmethod
    def fn(a: Array, y: Array) -> Any:
        """Compute the cost of one sample.

        Parameters
        ----------
        a, y : ndarray (n_L, 1)
            Output and target.

        Returns
        -------
        float
            Cost.
        """
        return np.sum(np.nan_to_num(-y * np.log(a) - (1 - y) * np.log(1 - a)))

    @staticmethod
    def delta(z: Array, a: Array, y: Array) -> Array:  # noqa: ARG004
        """Compute the error of the output layer.

        Parameters
        ----------
        z, a, y : ndarray (n_L, 1)
            Weighted input, output and target.

        Returns
        -------
        ndarray (n_L, 1)
            Error.

        Examples
        --------
        >>> float(CrossEntropyCost.delta(0.0, 0.5, 0.0))
        0.5
        """
        delta: Array = a - y
        return delta


def vectorized_result(j: int) -> Array:
    """Return the target of a digit.

    Parameters
    ----------
    j : int
        Digit.

    Returns
    -------
    ndarray (10, 1)
        Zeros with a one at place j.

    Examples
    --------
    >>> vectorized_result(3).ravel()
    array([0., 0., 0., 1., 0., 0., 0., 0., 0., 0.])
    """
    e = np.zeros((10, 1))
    e[j] = 1.0
    return e
