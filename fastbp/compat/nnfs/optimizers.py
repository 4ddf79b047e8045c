"""Optimizers. Each changes a layer's parameters in place, and keeps running means as attributes of the layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.compat._core import remember

__all__ = ["Optimizer_Adagrad", "Optimizer_Adam", "Optimizer_RMSprop", "Optimizer_SGD"]


class _Optimizer:
    """What optimizers have in common: a learning rate η / (1 + decay t)."""

    def __init__(self, learning_rate: float, decay: float) -> None:
        self.learning_rate = self.current_learning_rate = learning_rate
        self.decay = decay
        self.iterations = 0

    def pre_update_params(self) -> None:
        """Compute the learning rate of this step, if it decays.

        Examples
        --------
        >>> optimizer = Optimizer_SGD(1.0, decay=0.5)
        >>> optimizer.iterations = 2
        >>> optimizer.pre_update_params()
        >>> optimizer.current_learning_rate
        0.5
        """
        if self.decay:
            self.current_learning_rate = self.learning_rate * (1.0 / (1.0 + self.decay * self.iterations))

    def update_params(self, layer: Any) -> None:
        """Change a layer's parameters.

        Parameters
        ----------
        layer : Layer_Dense
            Layer with `dweights` and `dbiases`.
        """
        raise NotImplementedError

    def post_update_params(self) -> None:
        """Count a step.

        Examples
        --------
        >>> optimizer = Optimizer_SGD()
        >>> optimizer.post_update_params()
        >>> optimizer.iterations
        1
        """
        self.iterations += 1


def _kept(layer: Any, name: str) -> Any:
    """A layer's running means by the name of their attribute, zeros before the first step."""
    if not hasattr(layer, name):
        setattr(layer, name, np.zeros_like(layer.weights if name.startswith("weight") else layer.biases))
    return getattr(layer, name)


_PARAMETERS = (("weight", "weights"), ("bias", "biases"))


@remember
class Optimizer_SGD(_Optimizer):  # noqa: N801 - the book's names, here and below
    """Gradient descent: u ← β u − η g, w ← w + u.

    Parameters
    ----------
    learning_rate : float
        Learning rate η before the first step.
    decay : float
        The rate is η / (1 + decay t) at step t.
    momentum : float
        Momentum β. Without it nothing is kept.

    Examples
    --------
    >>> from fastbp.compat.nnfs.layers import Layer_Dense
    >>> layer, optimizer = Layer_Dense(1, 1), Optimizer_SGD(learning_rate=0.5, decay=0.1)
    >>> layer.weights[:], layer.dweights, layer.dbiases = 1.0, np.ones((1, 1)), np.zeros((1, 1))
    >>> optimizer.pre_update_params()
    >>> optimizer.update_params(layer)
    >>> optimizer.post_update_params()
    >>> layer.weights, optimizer.iterations
    (array([[0.5]]), 1)
    """

    def __init__(self, learning_rate: float = 1.0, decay: float = 0.0, momentum: float = 0.0) -> None:
        super().__init__(learning_rate, decay)
        self.momentum = momentum

    def update_params(self, layer: Any) -> None:
        for kind, name in _PARAMETERS:
            update = -self.current_learning_rate * getattr(layer, f"d{name}")
            if self.momentum:
                update = self.momentum * _kept(layer, f"{kind}_momentums") + update
                setattr(layer, f"{kind}_momentums", update)
            parameters = getattr(layer, name)
            parameters += update


@remember
class Optimizer_Adagrad(_Optimizer):  # noqa: N801
    """Adagrad: ν ← ν + g², w ← w − η g / (√ν + ε).

    Parameters
    ----------
    learning_rate : float
        Learning rate η before the first step.
    decay : float
        The rate is η / (1 + decay t) at step t.
    epsilon : float
        Number ε.

    Examples
    --------
    >>> from fastbp.compat.nnfs.layers import Layer_Dense
    >>> layer, optimizer = Layer_Dense(1, 1), Optimizer_Adagrad(0.5, epsilon=0.0)
    >>> layer.weights[:], layer.dweights, layer.dbiases = 1.0, np.full((1, 1), 3.0), np.ones((1, 1))
    >>> optimizer.update_params(layer)
    >>> layer.weights, layer.weight_cache
    (array([[0.5]]), array([[9.]]))
    """

    def __init__(self, learning_rate: float = 1.0, decay: float = 0.0, epsilon: float = 1e-7) -> None:
        super().__init__(learning_rate, decay)
        self.epsilon = epsilon

    def update_params(self, layer: Any) -> None:
        for kind, name in _PARAMETERS:
            g, cache, parameters = getattr(layer, f"d{name}"), _kept(layer, f"{kind}_cache"), getattr(layer, name)
            cache += g**2
            parameters += -self.current_learning_rate * g / (np.sqrt(cache) + self.epsilon)


@remember
class Optimizer_RMSprop(_Optimizer):  # noqa: N801
    """RMSprop: ν ← ρ ν + (1 − ρ) g², w ← w − η g / (√ν + ε).

    Parameters
    ----------
    learning_rate : float
        Learning rate η before the first step.
    decay : float
        The rate is η / (1 + decay t) at step t.
    epsilon : float
        Number ε.
    rho : float
        Share ρ.

    Examples
    --------
    >>> from fastbp.compat.nnfs.layers import Layer_Dense
    >>> layer, optimizer = Layer_Dense(1, 1), Optimizer_RMSprop(0.5, epsilon=0.0, rho=0.0)
    >>> layer.weights[:], layer.dweights, layer.dbiases = 1.0, np.full((1, 1), 3.0), np.ones((1, 1))
    >>> optimizer.update_params(layer)
    >>> layer.weights
    array([[0.5]])
    """

    def __init__(
        self, learning_rate: float = 0.001, decay: float = 0.0, epsilon: float = 1e-7, rho: float = 0.9
    ) -> None:
        super().__init__(learning_rate, decay)
        self.epsilon, self.rho = epsilon, rho

    def update_params(self, layer: Any) -> None:
        for kind, name in _PARAMETERS:
            g, parameters = getattr(layer, f"d{name}"), getattr(layer, name)
            cache = self.rho * _kept(layer, f"{kind}_cache") + (1 - self.rho) * g**2
            setattr(layer, f"{kind}_cache", cache)
            parameters += -self.current_learning_rate * g / (np.sqrt(cache) + self.epsilon)


@remember
class Optimizer_Adam(_Optimizer):  # noqa: N801
    """Adam: w ← w − η μ̂ / (√ν̂ + ε) of the means μ of g and ν of g², each corrected for its start at 0.

    Parameters
    ----------
    learning_rate : float
        Learning rate η before the first step.
    decay : float
        The rate is η / (1 + decay t) at step t.
    epsilon : float
        Number ε.
    beta_1, beta_2 : float
        Shares of the old means.

    Examples
    --------
    >>> from fastbp.compat.nnfs.layers import Layer_Dense
    >>> layer, optimizer = Layer_Dense(1, 1), Optimizer_Adam(0.5, epsilon=0.0)
    >>> layer.weights[:], layer.dweights, layer.dbiases = 1.0, np.full((1, 1), 3.0), np.ones((1, 1))
    >>> optimizer.update_params(layer)
    >>> layer.weights.round(12)
    array([[0.5]])
    """

    def __init__(
        self, learning_rate: float = 0.001, decay: float = 0.0, epsilon: float = 1e-7, beta_1: float = 0.9,
        beta_2: float = 0.999,
    ) -> None:
        super().__init__(learning_rate, decay)
        self.epsilon, self.beta_1, self.beta_2 = epsilon, beta_1, beta_2

    def update_params(self, layer: Any) -> None:
        t = self.iterations + 1
        for kind, name in _PARAMETERS:
            g, parameters = getattr(layer, f"d{name}"), getattr(layer, name)
            mu = self.beta_1 * _kept(layer, f"{kind}_momentums") + (1 - self.beta_1) * g
            nu = self.beta_2 * _kept(layer, f"{kind}_cache") + (1 - self.beta_2) * g**2
            setattr(layer, f"{kind}_momentums", mu)
            setattr(layer, f"{kind}_cache", nu)
            step = self.current_learning_rate * (mu / (1 - self.beta_1**t))
            parameters += -step / (np.sqrt(nu / (1 - self.beta_2**t)) + self.epsilon)
