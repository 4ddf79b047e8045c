"""Fully connected layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.compat._core import Array, remember
from fastbp.compat.independent.layer import Layer

__all__ = ["Dense"]


@remember
class Dense(Layer):
    """Layer W x + b of columns.

    Parameters
    ----------
    input_size, output_size : int
        Numbers of neurons.

    Attributes
    ----------
    weights, bias : ndarray (output_size, input_size) and (output_size, 1)
        Parameters, drawn by `numpy.random.randn`, changed in place.

    Examples
    --------
    >>> layer = Dense(2, 3)
    >>> layer.forward(np.ones((2, 1))).shape
    (3, 1)
    >>> layer.backward(np.ones((3, 1)), 0.1).shape
    (2, 1)
    """

    def __init__(self, input_size: int, output_size: int) -> None:
        self.weights = np.random.randn(output_size, input_size)  # noqa: NPY002 - the original's stream
        self.bias = np.random.randn(output_size, 1)  # noqa: NPY002

    def forward(self, input: Array) -> Any:  # noqa: A002
        self.input = input
        return np.dot(self.weights, self.input) + self.bias

    def backward(self, output_gradient: Array, learning_rate: float) -> Any:
        weights_gradient = np.dot(output_gradient, self.input.T)
        input_gradient = np.dot(self.weights.T, output_gradient)
        self.weights -= learning_rate * weights_gradient
        self.bias -= learning_rate * output_gradient
        return input_gradient
