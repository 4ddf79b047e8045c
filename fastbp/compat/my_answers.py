"""Module `my_answers` of Udacity's project "bike sharing": one class with a hidden layer and no biases.

`train` takes all samples at once, in matrix form, where nobody has replaced one of the methods for one sample or the
activation. It is NumPy alone: a call takes some ten microseconds, for which no kernel is worth its import.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastbp.compat._core import Array, overridden, remember, sigmoid

__all__ = ["NeuralNetwork", "hidden_nodes", "iterations", "learning_rate", "output_nodes"]

#: What the project's notebook imports beside the class, as its template has them.
iterations = 100
learning_rate = 0.1
hidden_nodes = 2
output_nodes = 1

_PIECES = ("forward_pass_train", "backpropagation", "update_weights")


@remember
class NeuralNetwork:
    """Network with a hidden layer of sigmoids, an output that is linear, and no biases.

    Parameters
    ----------
    input_nodes, hidden_nodes, output_nodes : int
        Numbers of neurons.
    learning_rate : float
        Learning rate of the mean gradient of ½ (y − f)².

    Attributes
    ----------
    weights_input_to_hidden : ndarray (input_nodes, hidden_nodes)
        Weights, drawn first, by `numpy.random.normal`. They change in place.
    weights_hidden_to_output : ndarray (hidden_nodes, output_nodes)
        Weights, drawn second.
    lr : float
        Learning rate.
    activation_function : callable
        Activation of the hidden layer. Its derivative is taken to be a (1 − a).

    Examples
    --------
    >>> np.random.seed(21)
    >>> net = NeuralNetwork(3, 2, 1, 0.5)
    >>> net.train(np.array([[0.5, -0.2, 0.1]]), np.array([0.4]))
    >>> net.run(np.array([[0.5, -0.2, 0.1]])).shape
    (1, 1)
    """

    def __init__(self, input_nodes: int, hidden_nodes: int, output_nodes: int, learning_rate: float) -> None:
        self.input_nodes, self.hidden_nodes, self.output_nodes = input_nodes, hidden_nodes, output_nodes
        normal = np.random.normal
        self.weights_input_to_hidden = normal(0.0, input_nodes**-0.5, (input_nodes, hidden_nodes))
        self.weights_hidden_to_output = normal(0.0, hidden_nodes**-0.5, (hidden_nodes, output_nodes))
        self.lr = learning_rate
        self.activation_function: Any = sigmoid

    def train(self, features: ArrayLike, targets: ArrayLike) -> None:
        """Make one update with the mean gradient of all samples.

        Parameters
        ----------
        features : array_like (m, input_nodes)
            Inputs, one sample per row.
        targets : array_like (m,) or (m, output_nodes)
            Targets.

        Examples
        --------
        >>> NeuralNetwork(2, 3, 1, 0.1).train([[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0])
        """
        X, y = np.asarray(features), np.asarray(targets)
        replaced = self.activation_function is not sigmoid or overridden(self, NeuralNetwork, _PIECES)
        odd = X.ndim != 2 or not len(X) or y.shape[:1] != X.shape[:1]
        if replaced or odd or X.dtype.kind not in "biuf" or y.dtype.kind not in "biuf":
            self._train_one_by_one(features, targets)
            return
        W1, W2, step = self.weights_input_to_hidden, self.weights_hidden_to_output, self.lr / len(X)
        # 1 / (1 + exp(−z)), in one array
        hidden = X @ W1
        np.negative(hidden, out=hidden)
        np.exp(hidden, out=hidden)
        hidden += 1
        np.reciprocal(hidden, out=hidden)
        error = y.reshape(len(X), -1) - hidden @ W2
        error *= step
        # h (1 − h) as h − h²
        slope = hidden * hidden
        np.subtract(hidden, slope, out=slope)
        slope *= error * W2[:, 0] if W2.shape[1] == 1 else error @ W2.T
        W2 += hidden.T @ error
        W1 += X.T @ slope

    def _train_one_by_one(self, features: Any, targets: Any) -> None:
        delta_weights_i_h = np.zeros(self.weights_input_to_hidden.shape)
        delta_weights_h_o = np.zeros(self.weights_hidden_to_output.shape)
        for X, y in zip(features, targets, strict=False):
            final_outputs, hidden_outputs = self.forward_pass_train(X)
            delta_weights_i_h, delta_weights_h_o = self.backpropagation(
                final_outputs, hidden_outputs, X, y, delta_weights_i_h, delta_weights_h_o
            )
        self.update_weights(delta_weights_i_h, delta_weights_h_o, len(features))

    def forward_pass_train(self, X: Array) -> tuple[Array, Array]:
        """Compute the outputs for one sample or for several.

        Parameters
        ----------
        X : ndarray (input_nodes,) or (m, input_nodes)
            Inputs.

        Returns
        -------
        final_outputs : ndarray (output_nodes,) or (m, output_nodes)
            Outputs of the network.
        hidden_outputs : ndarray (hidden_nodes,) or (m, hidden_nodes)
            Outputs of the hidden layer.

        Examples
        --------
        >>> final_outputs, hidden_outputs = NeuralNetwork(3, 2, 1, 0.5).forward_pass_train(np.zeros(3))
        >>> hidden_outputs
        array([0.5, 0.5])
        """
        hidden_outputs = self.activation_function(np.dot(X, self.weights_input_to_hidden))
        return np.dot(hidden_outputs, self.weights_hidden_to_output), hidden_outputs

    def backpropagation(
        self, final_outputs: Array, hidden_outputs: Array, X: Array, y: Any,
        delta_weights_i_h: Array, delta_weights_h_o: Array,
    ) -> tuple[Array, Array]:
        """Add what one sample contributes to the changes of the weights, in place.

        Parameters
        ----------
        final_outputs, hidden_outputs : ndarray
            Outputs, as from `forward_pass_train`.
        X : ndarray (input_nodes,)
            Inputs of the sample.
        y : float or ndarray
            Target of the sample.
        delta_weights_i_h, delta_weights_h_o : ndarray
            Changes so far.

        Returns
        -------
        delta_weights_i_h : ndarray (input_nodes, hidden_nodes)
            Changes of the first layer.
        delta_weights_h_o : ndarray (hidden_nodes, output_nodes)
            Changes of the second layer.

        Examples
        --------
        >>> net, X = NeuralNetwork(3, 2, 1, 0.5), np.ones(3)
        >>> changes = net.backpropagation(*net.forward_pass_train(X), X, 1.0, np.zeros((3, 2)), np.zeros((2, 1)))
        >>> [change.shape for change in changes]
        [(3, 2), (2, 1)]
        """
        error = y - final_outputs
        hidden_error = np.dot(self.weights_hidden_to_output, error)
        hidden_error_term = hidden_error * hidden_outputs * (1 - hidden_outputs)
        delta_weights_i_h += hidden_error_term * X[:, None]
        delta_weights_h_o += error * hidden_outputs[:, None]
        return delta_weights_i_h, delta_weights_h_o

    def update_weights(self, delta_weights_i_h: Array, delta_weights_h_o: Array, n_records: int) -> None:
        """Change the weights in place.

        Parameters
        ----------
        delta_weights_i_h, delta_weights_h_o : ndarray
            Sums of changes.
        n_records : int
            Number of samples in these sums.

        Examples
        --------
        >>> net = NeuralNetwork(3, 2, 1, 0.5)
        >>> net.update_weights(np.zeros((3, 2)), np.zeros((2, 1)), n_records=1)
        """
        self.weights_hidden_to_output += self.lr * delta_weights_h_o / n_records
        self.weights_input_to_hidden += self.lr * delta_weights_i_h / n_records

    def run(self, features: Any) -> Array:
        """Compute the outputs.

        Parameters
        ----------
        features : array_like (input_nodes,) or (m, input_nodes)
            Inputs: arrays, or frames of pandas.

        Returns
        -------
        ndarray (output_nodes,) or (m, output_nodes)
            Outputs.

        Examples
        --------
        >>> NeuralNetwork(3, 2, 1, 0.5).run(np.zeros((4, 3))).shape
        (4, 1)
        """
        hidden = self.activation_function(np.dot(features, self.weights_input_to_hidden))
        outputs: Array = np.dot(hidden, self.weights_hidden_to_output)
        return outputs
