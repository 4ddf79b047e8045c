"""Layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastbp.compat._core import Array, remember
from fastbp.compat.aflak.activations import tanh, tanh_prime

__all__ = ["Activation", "Layer", "Linear", "Tanh", "tanh", "tanh_prime"]


class Layer:
    """A layer with parameters and gradients by name.

    Attributes
    ----------
    params, grads : dict of str to ndarray
        Parameters, and the gradients that `backward` computed last.

    Examples
    --------
    >>> class Twice(Layer):
    ...     def forward(self, inputs):
    ...         return 2 * inputs
    ...     def backward(self, grad):
    ...         return 2 * grad
    >>> Twice().forward(np.ones((1, 2))), Twice().backward(np.ones((1, 2)))
    (array([[2., 2.]]), array([[2., 2.]]))
    """

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}

    def forward(self, inputs: Array) -> Any:
        """Compute the outputs for a batch.

        Parameters
        ----------
        inputs : ndarray (m, n)
            Samples.
        """
        raise NotImplementedError

    def backward(self, grad: Array) -> Any:
        """Compute the derivative by the inputs, and the gradients.

        Parameters
        ----------
        grad : ndarray (m, n_out)
            Derivative by the outputs.
        """
        raise NotImplementedError


@remember
class Linear(Layer):
    """Layer x w + b of rows.

    Parameters
    ----------
    input_size, output_size : int
        Numbers of neurons. `params` has "w" (input_size, output_size) and "b" (output_size,), drawn by
        `numpy.random.randn`.

    Examples
    --------
    >>> layer = Linear(2, 3)
    >>> layer.forward(np.ones((5, 2))).shape, layer.backward(np.ones((5, 3))).shape, layer.grads["b"]
    ((5, 3), (5, 2), array([5., 5., 5.]))
    """

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__()
        self.params["w"] = np.random.randn(input_size, output_size)  # noqa: NPY002 - the original's stream
        self.params["b"] = np.random.randn(output_size)  # noqa: NPY002

    def forward(self, inputs: Array) -> Any:
        self.inputs = inputs
        return inputs @ self.params["w"] + self.params["b"]

    def backward(self, grad: Array) -> Any:
        self.grads["b"] = np.sum(grad, axis=0)
        self.grads["w"] = self.inputs.T @ grad
        return grad @ self.params["w"].T


@remember
class Activation(Layer):
    """Layer of a function of each number.

    Parameters
    ----------
    f, f_prime : callable
        Function and its derivative.

    Examples
    --------
    >>> layer = Activation(np.square, lambda x: 2 * x)
    >>> layer.forward(np.array([[3.0]])), layer.backward(np.array([[0.5]]))
    (array([[9.]]), array([[3.]]))
    """

    def __init__(self, f: Callable[[Any], Any], f_prime: Callable[[Any], Any]) -> None:
        super().__init__()
        self.f = f
        self.f_prime = f_prime

    def forward(self, inputs: Array) -> Any:
        self.inputs = inputs
        return self.f(inputs)

    def backward(self, grad: Array) -> Any:
        return self.f_prime(self.inputs) * grad


class Tanh(Activation):
    """Layer of the hyperbolic tangent.

    Examples
    --------
    >>> Tanh().forward(np.zeros((1, 2)))
    array([[0., 0.]])
    """

    def __init__(self) -> None:
        super().__init__(tanh, tanh_prime)
