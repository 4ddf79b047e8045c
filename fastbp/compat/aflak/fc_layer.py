"""Fully connected layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.compat._core import Array, remember
from fastbp.compat.aflak.layer import Layer

__all__ = ["FCLayer"]


@remember
class FCLayer(Layer):
    """Layer x W + b of rows.

    Parameters
    ----------
    input_size, output_size : int
        Numbers of neurons.

    Attributes
    ----------
    weights, bias : ndarray (input_size, output_size) and (1, output_size)
        Parameters, uniform in −½..½ by `numpy.random.rand`, changed in place.

    Examples
    --------
    >>> layer = FCLayer(2, 3)
    >>> layer.forward_propagation(np.ones((1, 2))).shape
    (1, 3)
    >>> layer.backward_propagation(np.ones((1, 3)), 0.1).shape
    (1, 2)
    """

    def __init__(self, input_size: int, output_size: int) -> None:
        self.weights = np.random.rand(input_size, output_size) - 0.5  # noqa: NPY002 - the original's stream
        self.bias = np.random.rand(1, output_size) - 0.5  # noqa: NPY002

    def forward_propagation(self, input_data: Array) -> Any:
        self.input = input_data
        self.output = np.dot(self.input, self.weights) + self.bias
        return self.output

    def backward_propagation(self, output_error: Array, learning_rate: float) -> Any:
        input_error = np.dot(output_error, self.weights.T)
        self.weights -= learning_rate * np.dot(self.input.T, output_error)
        self.bias -= learning_rate * output_error
        return input_error
