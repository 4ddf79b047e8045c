"""Layers. Each keeps its `inputs`, its `output`, and after `backward` the derivative by the inputs as `dinputs`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.compat._core import Array, remember

__all__ = ["Layer_Dense", "Layer_Dropout", "Layer_Input"]


@remember
class Layer_Dense:  # noqa: N801 - the book's names, here and below
    """Layer x W + b of rows, with penalties l1 Σ |w| + l2 Σ w².

    Parameters
    ----------
    n_inputs, n_neurons : int
        Numbers of inputs and outputs.
    weight_regularizer_l1, weight_regularizer_l2 : float
        Penalties of the weights.
    bias_regularizer_l1, bias_regularizer_l2 : float
        Penalties of the biases.

    Attributes
    ----------
    weights, biases : ndarray (n_inputs, n_neurons) and (1, n_neurons)
        Parameters: 0.01 times numbers of `numpy.random.randn`, and zeros. Optimizers change them in place.
    dweights, dbiases, dinputs : ndarray
        What `backward` computed last.

    Examples
    --------
    >>> layer = Layer_Dense(2, 3)
    >>> layer.forward(np.ones((5, 2)))
    >>> layer.backward(np.ones((5, 3)))
    >>> layer.output.shape, layer.dinputs.shape, layer.dbiases
    ((5, 3), (5, 2), array([[5., 5., 5.]]))
    """

    def __init__(
        self, n_inputs: int, n_neurons: int, weight_regularizer_l1: float = 0, weight_regularizer_l2: float = 0,
        bias_regularizer_l1: float = 0, bias_regularizer_l2: float = 0,
    ) -> None:
        self.weights = 0.01 * np.random.randn(n_inputs, n_neurons)  # noqa: NPY002 - the book's stream
        self.biases = np.zeros((1, n_neurons))
        self.weight_regularizer_l1, self.weight_regularizer_l2 = weight_regularizer_l1, weight_regularizer_l2
        self.bias_regularizer_l1, self.bias_regularizer_l2 = bias_regularizer_l1, bias_regularizer_l2

    def forward(self, inputs: Array, training: bool = True) -> None:  # noqa: ARG002
        """Compute x W + b as `output`.

        Parameters
        ----------
        inputs : ndarray (m, n_inputs)
            Samples.
        training : bool
            Makes no difference here.
        """
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues: Array) -> None:
        """Compute `dweights`, `dbiases` and `dinputs`.

        Parameters
        ----------
        dvalues : ndarray (m, n_neurons)
            Derivative by the output.
        """
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        _penalize(self.dweights, self.weights, self.weight_regularizer_l1, self.weight_regularizer_l2)
        _penalize(self.dbiases, self.biases, self.bias_regularizer_l1, self.bias_regularizer_l2)
        self.dinputs = np.dot(dvalues, self.weights.T)

    def get_parameters(self) -> tuple[Array, Array]:
        """Return weights and biases.

        Returns
        -------
        weights : ndarray (n_inputs, n_neurons)
            The layer's own array.
        biases : ndarray (1, n_neurons)
            The same.

        Examples
        --------
        >>> [array.shape for array in Layer_Dense(2, 3).get_parameters()]
        [(2, 3), (1, 3)]
        """
        return self.weights, self.biases

    def set_parameters(self, weights: Array, biases: Array) -> None:
        """Take arrays as parameters.

        Parameters
        ----------
        weights, biases : ndarray
            Arrays, which are not copied.

        Examples
        --------
        >>> layer = Layer_Dense(2, 3)
        >>> layer.set_parameters(np.ones((2, 3)), np.zeros((1, 3)))
        """
        self.weights, self.biases = weights, biases


def _penalize(gradient: Array, w: Array, l1: float, l2: float) -> None:
    """Add the gradient of l1 Σ |w| + l2 Σ w², with the slope 1 at 0 as the book has it."""
    if l1 > 0:
        gradient += l1 * np.where(w < 0, -1, 1).astype(w.dtype)
    if l2 > 0:
        gradient += 2 * l2 * w


class Layer_Dropout:  # noqa: N801
    """Layer that drops inputs while it trains, and scales the others up.

    Parameters
    ----------
    rate : float
        Probability that an input is dropped. The attribute `rate` is that of an input that is kept.

    Examples
    --------
    >>> layer = Layer_Dropout(0.5)
    >>> layer.forward(np.ones((2, 3)))
    >>> layer.backward(np.ones((2, 3)))
    >>> bool((layer.dinputs == layer.output).all())
    True
    """

    def __init__(self, rate: float) -> None:
        self.rate = 1 - rate

    def forward(self, inputs: Array, training: bool = True) -> None:
        """Compute `output` with a mask of `numpy.random.binomial`.

        Parameters
        ----------
        inputs : ndarray (m, n)
            Samples.
        training : bool
            Whether anything is dropped.
        """
        self.inputs = inputs
        if not training:
            self.output = inputs.copy()
            return
        kept = np.random.binomial(1, self.rate, size=inputs.shape)  # noqa: NPY002
        self.binary_mask = kept / self.rate
        self.output = inputs * self.binary_mask

    def backward(self, dvalues: Array) -> None:
        """Compute `dinputs`.

        Parameters
        ----------
        dvalues : ndarray (m, n)
            Derivative by the output.
        """
        self.dinputs = dvalues * self.binary_mask


class Layer_Input:  # noqa: N801
    """Layer before the first one: its output is its input.

    Examples
    --------
    >>> layer = Layer_Input()
    >>> layer.forward(np.ones((2, 3)))
    >>> layer.output.shape
    (2, 3)
    """

    output: Any

    def forward(self, inputs: Array, training: bool = True) -> None:  # noqa: ARG002
        """Keep the inputs as `output`.

        Parameters
        ----------
        inputs : ndarray (m, n)
            Samples.
        training : bool
            Makes no difference here.
        """
        self.output = inputs
