"""Prediction and training of lists of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastbp.compat._core import overridden
from fastbp.compat._objects import Affine, Function, Objects, Part
from fastbp.compat.independent.activation import Activation
from fastbp.compat.independent.activations import Softmax
from fastbp.compat.independent.dense import Dense

__all__ = ["predict", "train"]

_CALLS = ("forward", "backward")


def predict(network: Sequence[Any], input: Any) -> Any:  # noqa: A002 - the original's name
    """Return the output of a list of layers for one sample (n, 1).

    Parameters
    ----------
    network : list of Layer
        Layers.
    input : ndarray (n, 1)
        Sample.

    Returns
    -------
    ndarray (n_L, 1)
        Output.

    Examples
    --------
    >>> import numpy as np
    >>> predict([Dense(2, 3), Dense(3, 1)], np.zeros((2, 1))).shape
    (1, 1)
    """
    output = input
    for layer in network:
        output = layer.forward(output)
    return output


def train(
    network: Sequence[Any],
    loss: Callable[[Any, Any], Any],
    loss_prime: Callable[[Any, Any], Any],
    x_train: Sequence[Any],
    y_train: Sequence[Any],
    epochs: int = 1000,
    learning_rate: float = 0.01,
    verbose: bool = True,
) -> None:
    """Train one sample after the other, and print the mean loss of each epoch.

    Parameters
    ----------
    network : list of Layer
        Layers.
    loss, loss_prime : callable
        Functions of target and prediction.
    x_train, y_train : sequence of ndarray (n, 1)
        Samples and targets.
    epochs : int
        Number of times to go through them.
    learning_rate : float
        Learning rate.
    verbose : bool
        Whether to print.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.compat.independent.losses import mse, mse_prime
    >>> network = [Dense(2, 1)]
    >>> train(network, mse, mse_prime, np.zeros((1, 2, 1)), np.zeros((1, 1, 1)), epochs=2, verbose=False)
    """

    def step(x: Any, y: Any) -> Any:
        output = predict(network, x)
        gradient = loss_prime(y, output)
        for layer in reversed(network):
            gradient = layer.backward(gradient, learning_rate)
        return output

    def report(epoch: int, error: Any) -> None:
        if verbose:
            print(f"{epoch + 1}/{epochs}, error={error / len(x_train)}")  # noqa: T201 - as the original does

    parts = [_part(layer) for layer in network]
    Objects(parts, loss, loss_prime, learning_rate, columns=True, step=step).run(x_train, y_train, epochs, report)


def _part(layer: Any) -> Part:
    if isinstance(layer, Dense) and not overridden(layer, Dense, _CALLS):
        return Affine(layer.weights, layer.bias)
    if isinstance(layer, Activation) and not overridden(layer, Activation, _CALLS):
        return Function(layer.activation, layer.activation_prime)
    if isinstance(layer, Softmax) and not overridden(layer, Softmax, _CALLS):
        return Function("softmax", None)
    return None
