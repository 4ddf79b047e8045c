"""Losses: the cost c(a, y) of one output and ∂c/∂a, one row each in `LOSSES`.

C is the mean over the samples of Σ_i c(a_i, y_i), the sum over the outputs i of one sample. Where output activation
and loss belong together (sigmoid or softmax with cross-entropy), a `Pair` gives c and δ = ∂C/∂z from z itself,
exact where a has rounded to 0 or 1. Formulas as in `fastbp.activations`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastbp.activations import softmax
from fastbp.checks import choose
from fastbp.kernels.vectors.vecmath import sigmoid

# ln 0 and 1/0 are taken here instead: the smallest normal float32
TINY = 1.1754943508222875e-38


@dataclass(frozen=True)
class Pair:
    """A loss on the z of an output activation that suits it.

    Parameters
    ----------
    cost : callable
        cost(z, y), of which the sum over the outputs is the cost of one sample.
    delta : callable
        δ = delta(z, y) = ∂/∂z of that sum.
    """

    cost: Callable[[Any, Any], Any]
    delta: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Loss:
    """A cost c(a, y) of one output a and its target y.

    Parameters
    ----------
    name : str
        What `repr` and messages call it.
    cost : callable
        c = cost(a, y), of the operations and functions that `fastbp.derive` lists.
    derivative : callable, optional
        ∂c/∂a = derivative(a, y). If absent it is derived from `cost`.
    logits : mapping of str to Pair
        What to take instead, from z, where the output activation has one of these names.
    labels : bool
        Whether targets may be class numbers, which stand for rows of zeros with a one at that place.

    Raises
    ------
    TypeError
        If `name` is not a string or a function is not callable.

    Examples
    --------
    >>> fourth = Loss("fourth", lambda a, y: (a - y) ** 4)
    >>> fourth.cost(np.array([1.0, 3.0]), 1.0)
    array([ 0., 16.])
    """

    name: str
    cost: Callable[[Any, Any], Any]
    derivative: Callable[[Any, Any], Any] | None = None
    logits: Mapping[str, Pair] = field(default_factory=dict, hash=False)
    labels: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, got {self.name!r} ({type(self.name).__name__})")
        if not callable(self.cost):
            raise TypeError(f"cost of loss {self.name!r} must be callable, got {self.cost!r}")
        if not (self.derivative is None or callable(self.derivative)):
            raise TypeError(f"derivative of loss {self.name!r} must be callable or None, got {self.derivative!r}")


def quadratic(a: Any, y: Any) -> Any:
    """c = ½ (a − y)²."""
    d = a - y
    return 0.5 * d * d


def quadratic_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = a − y."""
    return a - y


def cross_entropy(a: Any, y: Any) -> Any:
    """c = −(y ln a + (1 − y) ln(1 − a)), with ln 0 taken as −87.3."""
    return -(y * np.log(np.maximum(a, TINY)) + (1.0 - y) * np.log(np.maximum(1.0 - a, TINY)))


def cross_entropy_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = −y/a + (1 − y)/(1 − a)."""
    return (1.0 - y) / np.maximum(1.0 - a, TINY) - y / np.maximum(a, TINY)


def sigmoid_cross_entropy(z: Any, y: Any) -> Any:
    """c = ln(1 + exp(z)) − y z, whose large parts cancel before the small one is added."""
    return np.maximum(z, 0.0) - z * y + np.log1p(np.exp(-np.abs(z)))


def sigmoid_cross_entropy_delta(z: Any, y: Any) -> Any:
    """δ = a − y with a = sigmoid(z)."""
    return sigmoid(z) - y


def softmax_cross_entropy(z: Any, y: Any) -> Any:
    """c_i = −y_i ln a_i with a = softmax(z), along the last axis of arrays (n_samples, n_L)."""
    shifted = z - np.max(z, axis=-1, keepdims=True)
    return y * (np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True)) - shifted)


def softmax_cross_entropy_delta(z: Any, y: Any) -> Any:
    """δ_i = a_i Σ_k y_k − y_i: a − y for targets that sum to 1, along the last axis of arrays (n_samples, n_L)."""
    return softmax(z) * np.sum(y, axis=-1, keepdims=True) - y


def absolute(a: Any, y: Any) -> Any:
    """c = |a − y|."""
    return np.abs(a - y)


def absolute_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = sign(a − y), 0 at a = y."""
    return np.sign(a - y)


def huber(a: Any, y: Any) -> Any:
    """c = ½ d² where |d| <= 1, else |d| − ½, with d = a − y (Huber, 1964)."""
    d = np.abs(a - y)
    near = np.minimum(d, 1.0)
    return 0.5 * near * near + (d - near)


def huber_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = a − y, between −1 and 1."""
    return np.minimum(np.maximum(a - y, -1.0), 1.0)


def poisson(a: Any, y: Any) -> Any:
    """c = a − y ln a, a > 0 the expected count and y >= 0 the count: −ln of the probability, without ln y!."""
    return a - y * np.log(np.maximum(a, TINY))


def poisson_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = 1 − y/a."""
    return 1.0 - y / np.maximum(a, TINY)


def hinge(a: Any, y: Any) -> Any:
    """c = max(0, 1 − t a), where t = 1 for targets y > ½ and −1 below: 0 and 1 serve as well as −1 and 1."""
    return np.maximum(1.0 - np.sign(y - 0.5) * a, 0.0)


def hinge_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = −t where t a < 1, else 0."""
    t = np.sign(y - 0.5)
    return -t * np.maximum(np.sign(1.0 - t * a), 0.0)


LOSSES: dict[str, Loss] = {row.name: row for row in (
    Loss("quadratic", quadratic, quadratic_derivative),
    Loss("cross_entropy", cross_entropy, cross_entropy_derivative, labels=True, logits={
        "sigmoid": Pair(sigmoid_cross_entropy, sigmoid_cross_entropy_delta),
        "softmax": Pair(softmax_cross_entropy, softmax_cross_entropy_delta)}),
    Loss("absolute", absolute, absolute_derivative),
    Loss("huber", huber, huber_derivative),
    Loss("poisson", poisson, poisson_derivative),
    Loss("hinge", hinge, hinge_derivative, labels=True),
)}


def get_loss(spec: str | Loss, argument: str = "loss") -> Loss:
    """Return the loss that `spec` names, or `spec` itself.

    Raises
    ------
    ValueError
        If the name is unknown. The message names `argument`.
    TypeError
        If `spec` is neither a name nor a Loss.

    Examples
    --------
    >>> get_loss("huber").cost(3.0, 1.0).item()
    1.5
    """
    return choose(argument, spec, LOSSES, Loss)
