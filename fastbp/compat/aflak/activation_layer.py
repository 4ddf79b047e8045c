"""Layers of one function of each number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastbp.compat._core import Array, remember
from fastbp.compat.aflak.layer import Layer

__all__ = ["ActivationLayer"]


@remember
class ActivationLayer(Layer):
    """Layer of a function of each number.

    Parameters
    ----------
    activation, activation_prime : callable
        Function and its derivative.

    Examples
    --------
    >>> import numpy as np
    >>> layer = ActivationLayer(np.square, lambda x: 2 * x)
    >>> layer.forward_propagation(np.array([[3.0]]))
    array([[9.]])
    >>> layer.backward_propagation(np.array([[0.5]]), 0.1)
    array([[3.]])
    """

    def __init__(self, activation: Callable[[Any], Any], activation_prime: Callable[[Any], Any]) -> None:
        self.activation = activation
        self.activation_prime = activation_prime

    def forward_propagation(self, input_data: Array) -> Any:
        self.input = input_data
        self.output = self.activation(self.input)
        return self.output

    def backward_propagation(self, output_error: Array, learning_rate: float) -> Any:  # noqa: ARG002
        return self.activation_prime(self.input) * output_error
