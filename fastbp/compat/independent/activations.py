"""Activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.compat._core import Array, remember, sigmoid
from fastbp.compat.independent.activation import Activation
from fastbp.compat.independent.layer import Layer

__all__ = ["Sigmoid", "Softmax", "Tanh"]


class Tanh(Activation):
    """Layer of the hyperbolic tangent.

    Examples
    --------
    >>> Tanh().forward(np.zeros((2, 1))).ravel()
    array([0., 0.])
    """

    def __init__(self) -> None:
        super().__init__(np.tanh, lambda x: 1 - np.tanh(x) ** 2)


class Sigmoid(Activation):
    """Layer of the logistic function.

    Examples
    --------
    >>> Sigmoid().forward(np.zeros((2, 1))).ravel()
    array([0.5, 0.5])
    """

    def __init__(self) -> None:
        super().__init__(sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x)))


@remember
class Softmax(Layer):
    """Layer of exp(z_i) / Σ_k exp(z_k) for one column.

    Examples
    --------
    >>> layer = Softmax()
    >>> layer.forward(np.zeros((2, 1))).ravel()
    array([0.5, 0.5])
    >>> layer.backward(np.ones((2, 1)), 0.1).ravel()
    array([0., 0.])
    """

    def forward(self, input: Array) -> Any:  # noqa: A002
        e = np.exp(input)
        self.output = e / np.sum(e)
        return self.output

    def backward(self, output_gradient: Array, learning_rate: float) -> Any:  # noqa: ARG002
        return np.dot((np.identity(np.size(self.output)) - self.output.T) * self.output, output_gradient)
