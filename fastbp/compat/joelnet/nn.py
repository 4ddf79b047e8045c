"""Networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastbp.compat._core import Array, remember

__all__ = ["NeuralNet"]


@remember
class NeuralNet:
    """List of layers.

    Parameters
    ----------
    layers : sequence of Layer
        Layers in their order.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.compat.joelnet.layers import Linear, Tanh
    >>> NeuralNet([Linear(2, 3), Tanh(), Linear(3, 1)]).forward(np.zeros((5, 2))).shape
    (5, 1)
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self.layers = layers

    def forward(self, inputs: Array) -> Any:
        """Return the outputs of a batch.

        Parameters
        ----------
        inputs : ndarray (m, n)
            Samples.

        Returns
        -------
        ndarray (m, n_L)
            Outputs.
        """
        for layer in self.layers:
            inputs = layer.forward(inputs)
        return inputs

    def backward(self, grad: Array) -> Any:
        """Return the derivative by the inputs; the layers keep their gradients.

        Parameters
        ----------
        grad : ndarray (m, n_L)
            Derivative by the outputs.

        Returns
        -------
        ndarray (m, n)
            Derivative by the inputs.

        Examples
        --------
        >>> import numpy as np
        >>> from fastbp.compat.joelnet.layers import Linear
        >>> net = NeuralNet([Linear(2, 1)])
        >>> outputs = net.forward(np.zeros((5, 2)))
        >>> net.backward(np.ones((5, 1))).shape, len(list(net.params_and_grads()))
        ((5, 2), 2)
        """
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad

    def params_and_grads(self) -> Iterator[tuple[Array, Array]]:
        """Yield each parameter with its gradient.

        Yields
        ------
        param : ndarray
            Parameter.
        grad : ndarray
            Its gradient.

        Examples
        --------
        >>> list(NeuralNet([]).params_and_grads())
        []
        """
        for layer in self.layers:
            for name, param in layer.params.items():
                yield param, layer.grads[name]
