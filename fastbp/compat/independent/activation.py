"""Layers of one function of each number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastbp.compat._core import Array, remember
from fastbp.compat.independent.layer import Layer

__all__ = ["Activation"]


@remember
class Activation(Layer):
    """Layer of a function of each number.

    Parameters
    ----------
    activation, activation_prime : callable
        Function and its derivative.

    Examples
    --------
    >>> layer = Activation(np.square, lambda x: 2 * x)
    >>> layer.forward(np.array([[3.0]]))
    array([[9.]])
    >>> layer.backward(np.array([[0.5]]), 0.1)
    array([[3.]])
    """

    def __init__(self, activation: Callable[[Any], Any], activation_prime: Callable[[Any], Any]) -> None:
        self.activation = activation
        self.activation_prime = activation_prime

    def forward(self, input: Array) -> Any:  # noqa: A002
        self.input = input
        return self.activation(self.input)

    def backward(self, output_gradient: Array, learning_rate: float) -> Any:  # noqa: ARG002
        return np.multiply(output_gradient, self.activation_prime(self.input))
