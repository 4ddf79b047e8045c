"""Optimizers."""

from __future__ import annotations

from typing import Any

from fastbp.compat._core import remember

__all__ = ["SGD", "Optimizer"]


class Optimizer:
    """A rule by which parameters follow their gradients.

    Examples
    --------
    >>> class Nothing(Optimizer):
    ...     def step(self, net):
    ...         pass
    >>> Nothing().step(None)
    """

    def step(self, net: Any) -> None:
        """Make one update.

        Parameters
        ----------
        net : NeuralNet
            Network with gradients.
        """
        raise NotImplementedError


@remember
class SGD(Optimizer):
    """Gradient descent, in place.

    Parameters
    ----------
    lr : float
        Learning rate.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.compat.joelnet.layers import Linear
    >>> from fastbp.compat.joelnet.nn import NeuralNet
    >>> net = NeuralNet([Linear(1, 1)])
    >>> net.layers[0].grads = {"w": np.zeros((1, 1)), "b": np.zeros(1)}
    >>> SGD(lr=0.1).step(net)
    """

    def __init__(self, lr: float = 0.01) -> None:
        self.lr = lr

    def step(self, net: Any) -> None:
        for param, grad in net.params_and_grads():
            param -= self.lr * grad  # noqa: PLW2901 - in place
