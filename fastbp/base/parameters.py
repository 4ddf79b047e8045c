"""The parameters of a network: the array that the arithmetic goes by, the views that users get, and who has one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from sys import getrefcount

import numpy as np

from fastbp.canonical import FloatArray

Views = tuple[FloatArray, ...]


def layer_views(flat: FloatArray, sizes: Sequence[int]) -> tuple[Views, Views]:
    """Return views W (n_l, n_{l-1}) and b (n_l,) of each layer into a flat array W1, b1, W2, b2, ...

    Parameters
    ----------
    flat : ndarray
        Array that is laid out as the parameters of a network.
    sizes : sequence of int
        Numbers of neurons n_0..n_L.

    Returns
    -------
    weights, biases : tuple of ndarray
        Views of layers 1..L.

    Examples
    --------
    >>> weights, biases = layer_views(np.arange(9.0), [2, 1, 3])
    >>> weights[0], biases[1]
    (array([[0., 1.]]), array([6., 7., 8.]))
    """
    weights, biases, start = [], [], 0
    for n_in, n_out in pairwise(sizes):
        middle = start + n_out * n_in
        weights.append(flat[start:middle].reshape(n_out, n_in))
        start = middle + n_out
        biases.append(flat[middle:start])
    return tuple(weights), tuple(biases)


class ParameterArrays:
    """One flat array of numbers, and views of it.

    Users write to views when they like, and nothing tells so. But a view that nobody has can neither be read nor
    written: then what a step computed need not be in the array before somebody asks for a view, nor need the array be
    compared with what it was. `look` is another object after each question, and Python counts who has a view: whatever
    is made of one refers to it or to `shown`.

    Parameters
    ----------
    flat : ndarray
        The numbers W1, b1, W2, b2, ...; its shape, dtype and size are the kernels'.
    sizes : sequence of int
        Numbers of neurons n_0..n_L.

    Examples
    --------
    >>> arrays = ParameterArrays(np.arange(9.0), [2, 1, 3])
    >>> arrays.is_held()
    False
    >>> row = arrays.weights[1][0]
    >>> arrays.is_held()
    True
    """

    def __init__(self, flat: FloatArray, sizes: Sequence[int]) -> None:
        self.flat = flat
        # of a buffer, not of an array: the base of a view is the first array that is none itself
        self.shown: FloatArray = np.asarray(memoryview(flat))  # type: ignore[arg-type]
        self.weights, self.biases = layer_views(self.shown, sizes)
        self.look = object()
        #: Whether the numbers were read since this was set to False.
        self.is_read = False
        self._counted = (self.shown, self.shown.base, self.weights, self.biases, *self.weights, *self.biases)
        self._own = sum(map(getrefcount, self._counted))

    def is_held(self) -> bool:
        """Whether anybody else has a view."""
        return sum(map(getrefcount, self._counted)) != self._own
