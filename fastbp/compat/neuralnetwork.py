"""Class `neuralNetwork` of T. Rashid's book: a hidden layer, sigmoids, no biases, one sample a call [1]_.

It is NumPy alone. A call takes its time in the memory of the weights, so what counts is to go through it rarely: the
learning rate multiplies the error of the neurons, and not a whole matrix.

The book carries the error of the outputs back without the slope of their sigmoids. So this is not the gradient of the
quadratic cost, and no kernel of fastbp computes it.

References
----------
.. [1] T. Rashid, "Make Your Own Neural Network", CreateSpace, 2016, part 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastbp.compat._core import Array

__all__ = ["neuralNetwork"]


def _sigmoid(x: Any) -> Any:
    """1 / (1 + exp(−x)), which overflows nowhere."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


class neuralNetwork:  # noqa: N801 - the book's name
    """Network with a hidden layer of sigmoids, outputs of sigmoids, and no biases.

    Parameters
    ----------
    inputnodes, hiddennodes, outputnodes : int
        Numbers of neurons.
    learningrate : float
        Learning rate.

    Attributes
    ----------
    wih : ndarray (hiddennodes, inputnodes)
        Weights, drawn first, by `numpy.random.normal`. They change in place.
    who : ndarray (outputnodes, hiddennodes)
        Weights, drawn second.
    lr : float
        Learning rate.
    activation_function : callable
        Activation of both layers. Its derivative is taken to be a (1 − a).

    Examples
    --------
    >>> np.random.seed(0)
    >>> net = neuralNetwork(3, 4, 2, 0.3)
    >>> net.train([0.1, 0.5, 0.9], [0.01, 0.99])
    >>> net.query([0.1, 0.5, 0.9]).shape
    (2, 1)
    """

    def __init__(self, inputnodes: int, hiddennodes: int, outputnodes: int, learningrate: float) -> None:
        self.inodes, self.hnodes, self.onodes = inputnodes, hiddennodes, outputnodes
        normal = np.random.normal
        self.wih = normal(0.0, self.inodes**-0.5, (self.hnodes, self.inodes))
        self.who = normal(0.0, self.hnodes**-0.5, (self.onodes, self.hnodes))
        self.lr = learningrate
        self.activation_function: Any = _sigmoid

    def train(self, inputs_list: ArrayLike, targets_list: ArrayLike) -> None:
        """Make one update with one sample.

        Parameters
        ----------
        inputs_list : array_like (inputnodes,)
            Inputs.
        targets_list : array_like (outputnodes,)
            Targets.

        Examples
        --------
        >>> neuralNetwork(2, 3, 1, 0.3).train([0.5, 0.9], [0.99])
        """
        inputs = np.array(inputs_list, ndmin=2).T
        targets = np.array(targets_list, ndmin=2).T
        hidden = self.activation_function(np.dot(self.wih, inputs))
        outputs = self.activation_function(np.dot(self.who, hidden))
        errors = targets - outputs
        hidden_errors = np.dot(self.who.T, errors)
        self.who = _added(self.who, self.lr, errors * outputs * (1.0 - outputs), hidden)
        self.wih = _added(self.wih, self.lr, hidden_errors * hidden * (1.0 - hidden), inputs)

    def query(self, inputs_list: ArrayLike) -> Array:
        """Compute the outputs.

        Parameters
        ----------
        inputs_list : array_like (inputnodes,)
            Inputs.

        Returns
        -------
        ndarray (outputnodes, 1)
            Outputs.

        Examples
        --------
        >>> neuralNetwork(2, 3, 1, 0.3).query([0.5, 0.9]).shape
        (1, 1)
        """
        inputs = np.array(inputs_list, ndmin=2).T
        outputs: Array = self.activation_function(np.dot(self.who, self.activation_function(np.dot(self.wih, inputs))))
        return outputs


def _added(W: Any, rate: float, delta: Array, x: Array) -> Any:
    """W += rate δ xᵀ, in place."""
    W += np.dot(rate * delta, x.T)
    return W
