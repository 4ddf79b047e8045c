"""Networks of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastbp.compat._core import overridden
from fastbp.compat._objects import Affine, Function, Objects, Part
from fastbp.compat.aflak.activation_layer import ActivationLayer
from fastbp.compat.aflak.fc_layer import FCLayer

__all__ = ["Network"]

_CALLS = ("forward_propagation", "backward_propagation")


class Network:
    """List of layers that is trained one sample at a time.

    Attributes
    ----------
    layers : list
        Layers in their order.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.compat.aflak.losses import mse, mse_prime
    >>> net = Network()
    >>> net.add(FCLayer(2, 1))
    >>> net.use(mse, mse_prime)
    >>> net.fit(np.zeros((1, 1, 2)), np.zeros((1, 1, 1)), epochs=0, learning_rate=0.1)
    >>> len(net.predict(np.zeros((4, 1, 2))))
    4
    """

    def __init__(self) -> None:
        self.layers: list[Any] = []
        self.loss: Any = None
        self.loss_prime: Any = None

    def add(self, layer: Any) -> None:
        """Append a layer.

        Parameters
        ----------
        layer : Layer
            Layer.
        """
        self.layers.append(layer)

    def use(self, loss: Callable[[Any, Any], Any], loss_prime: Callable[[Any, Any], Any]) -> None:
        """Set the loss and its derivative, functions of target and prediction.

        Parameters
        ----------
        loss, loss_prime : callable
            Functions of target and prediction.
        """
        self.loss = loss
        self.loss_prime = loss_prime

    def predict(self, input_data: Sequence[Any]) -> list[Any]:
        """Return the list of outputs for a sequence of samples (1, n).

        Parameters
        ----------
        input_data : sequence of ndarray (1, n)
            Samples.

        Returns
        -------
        list of ndarray (1, n_L)
            Outputs.
        """
        return [self._forward(sample) for sample in input_data]

    def fit(self, x_train: Sequence[Any], y_train: Sequence[Any], epochs: int, learning_rate: float) -> None:
        """Train, and print the mean loss of each epoch.

        Parameters
        ----------
        x_train, y_train : sequence of ndarray (1, n)
            Samples and targets.
        epochs : int
            Number of times to go through them.
        learning_rate : float
            Learning rate.
        """
        n = len(x_train)

        def step(x: Any, y: Any) -> Any:
            output = self._forward(x)
            error = self.loss_prime(y, output)
            for layer in reversed(self.layers):
                error = layer.backward_propagation(error, learning_rate)
            return output

        def report(epoch: int, error: Any) -> None:
            print(f"epoch {epoch + 1}/{epochs}   error={error / n:f}")  # noqa: T201 - as the original does

        parts = [_part(layer) for layer in self.layers]
        Objects(parts, self.loss, self.loss_prime, learning_rate, columns=False, step=step).run(
            x_train, y_train, epochs, report
        )

    def _forward(self, output: Any) -> Any:
        for layer in self.layers:
            output = layer.forward_propagation(output)
        return output


def _part(layer: Any) -> Part:
    if isinstance(layer, FCLayer) and not overridden(layer, FCLayer, _CALLS):
        return Affine(layer.weights, layer.bias)
    if isinstance(layer, ActivationLayer) and not overridden(layer, ActivationLayer, _CALLS):
        return Function(layer.activation, layer.activation_prime)
    return None
