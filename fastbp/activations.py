"""Activations: a = σ(z) and σ'(z), one row each in `ACTIVATIONS`.

The formulas are written for one number and serve numbers, arrays and CPU vectors alike: arithmetic, comparisons and a
few NumPy names, no `if` on a value. One branch of `np.where` is always an expression in z or a and not a literal, so
that float32 stays float32.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp.checks import check_name, choose
from fastbp.kernels.vectors.vecmath import erf, sigmoid, softplus

LEAK = 0.01                             # slope of leaky_relu below 0
SELU_SCALE = 1.0507009873554805         # λ and λα: the fixed point of Klambauer et al., 2017, section 2
SELU_FLOOR = 1.7580993408473766
SQRT_HALF = 0.7071067811865476          # 1/√2
NORMAL_DENSITY_0 = 0.3989422804014327   # 1/√(2π)


@dataclass(frozen=True)
class Activation:
    """A function a = σ(z), applied to each z_i.

    Parameters
    ----------
    name : str
        What `repr` and messages call it.
    function : callable
        a = function(z), of the operations and functions that `fastbp.derive` lists.
    derivative : callable, optional
        σ'(z) = derivative(z, a), where a = function(z) may save work. If absent it is derived from `function`.
    init : {'glorot', 'he', 'lecun'}
        The initial weights that suit it, taken by ``init="auto"``.

    Raises
    ------
    TypeError
        If `name` is not a string or a function is not callable.
    ValueError
        If `init` is unknown.

    Examples
    --------
    >>> swish = Activation("swish", lambda z: z / (1 + np.exp(-z)))
    >>> swish.function(np.array([0.0, 1.0]))
    array([0.        , 0.73105858])
    """

    name: str
    function: Callable[[Any], Any]
    derivative: Callable[[Any, Any], Any] | None = None
    init: str = "glorot"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, got {self.name!r} ({type(self.name).__name__})")
        if not callable(self.function):
            raise TypeError(f"function of activation {self.name!r} must be callable, got {self.function!r}")
        if not (self.derivative is None or callable(self.derivative)):
            raise TypeError(f"derivative of activation {self.name!r} must be callable or None, got {self.derivative!r}")
        check_name(f"init of activation {self.name!r}", self.init, ("glorot", "he", "lecun"))


def identity(z: Any) -> Any:
    """σ(z) = z."""
    return z


def identity_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = 1, of the shape and dtype of z."""
    return np.minimum(np.abs(z), 0.0) + 1.0


def sigmoid_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = a (1 − a)."""
    return a * (1.0 - a)


def tanh(z: Any) -> Any:
    """σ(z) = tanh z."""
    return np.tanh(z)


def tanh_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = 1 − a²."""
    return 1.0 - a * a


def relu(z: Any) -> Any:
    """σ(z) = max(z, 0)."""
    return np.maximum(z, 0.0)


def relu_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = 1 for z > 0, else 0; so σ'(0) = 0, as everywhere in the field."""
    return np.sign(a)


def leaky_relu(z: Any) -> Any:
    """σ(z) = z for z > 0, else z/100."""
    return np.maximum(z, LEAK * z)


def leaky_relu_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = 1 for z > 0, else 1/100."""
    return LEAK + (1.0 - LEAK) * np.maximum(np.sign(a), 0.0)


def elu(z: Any) -> Any:
    """σ(z) = z for z > 0, else exp(z) − 1 (Clevert et al., 2016, with α = 1)."""
    return np.maximum(z, 0.0) + np.expm1(np.minimum(z, 0.0))


def elu_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = 1 for z > 0, else exp(z) = a + 1."""
    return np.minimum(a, 0.0) + 1.0


def selu(z: Any) -> Any:
    """σ(z) = λz for z > 0, else λα (exp(z) − 1) (Klambauer et al., 2017)."""
    return SELU_SCALE * np.maximum(z, 0.0) + SELU_FLOOR * np.expm1(np.minimum(z, 0.0))


def selu_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = λ for z > 0, else λα exp(z) = a + λα."""
    return np.where(a > 0.0, SELU_SCALE, a + SELU_FLOOR)


def gelu(z: Any) -> Any:
    """σ(z) = z Φ(z), Φ the normal distribution (Hendrycks and Gimpel, 2016), without the tanh approximation."""
    return z * (0.5 + 0.5 * erf(SQRT_HALF * z))


def gelu_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = Φ(z) + z φ(z)."""
    return 0.5 + 0.5 * erf(SQRT_HALF * z) + NORMAL_DENSITY_0 * z * np.exp(-0.5 * z * z)


def silu(z: Any) -> Any:
    """σ(z) = z sigmoid(z), also known as swish."""
    return z * sigmoid(z)


def silu_derivative(z: Any, a: Any) -> Any:
    """σ'(z) = s + z s (1 − s) with s = sigmoid(z)."""
    s = sigmoid(z)
    return s + a * (1.0 - s)


def softplus_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = sigmoid(z) = 1 − exp(−a)."""
    return -np.expm1(-a)


def softsign(z: Any) -> Any:
    """σ(z) = z / (1 + |z|)."""
    return z / (1.0 + np.abs(z))


def softsign_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = 1 / (1 + |z|)²; (1 − |a|)² would lose its digits where a is near 1."""
    q = 1.0 / (1.0 + np.abs(z))
    return q * q


def hard_sigmoid(z: Any) -> Any:
    """σ(z) = z/6 + 1/2 between 0 and 1."""
    return np.minimum(np.maximum(z / 6.0 + 0.5, 0.0), 1.0)


def hard_sigmoid_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = 1/6 where 0 < a < 1, else 0."""
    return np.sign(a * (1.0 - a)) / 6.0


def mish(z: Any) -> Any:
    """σ(z) = z tanh(softplus(z)) (Misra, 2019)."""
    return z * np.tanh(softplus(z))


def mish_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = t + z (1 − t²) sigmoid(z) with t = tanh(softplus(z))."""
    t = np.tanh(softplus(z))
    return t + z * (1.0 - t * t) * sigmoid(z)


def softmax(z: Any) -> Any:
    """a_i = exp(z_i) / Σ_k exp(z_k) along the last axis of an array, with the maximum of each row subtracted.

    Examples
    --------
    >>> softmax(np.array([[1e4, 1e4], [0.0, -1e4]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


ACTIVATIONS: dict[str, Activation] = {row.name: row for row in (
    Activation("identity", identity, identity_derivative),
    Activation("sigmoid", sigmoid, sigmoid_derivative),
    Activation("tanh", tanh, tanh_derivative),
    Activation("relu", relu, relu_derivative, init="he"),
    Activation("leaky_relu", leaky_relu, leaky_relu_derivative, init="he"),
    Activation("elu", elu, elu_derivative, init="he"),
    Activation("selu", selu, selu_derivative, init="lecun"),
    Activation("gelu", gelu, gelu_derivative, init="he"),
    Activation("silu", silu, silu_derivative, init="he"),
    Activation("softplus", softplus, softplus_derivative),
    Activation("softsign", softsign, softsign_derivative),
    Activation("hard_sigmoid", hard_sigmoid, hard_sigmoid_derivative),
    Activation("mish", mish, mish_derivative, init="he"),
)}

# For the output layer alone: it couples the neurons of a row, so it has no elementwise derivative.
SOFTMAX = Activation("softmax", softmax)


def get_activation(spec: str | Activation, argument: str = "activation", *, output: bool = False) -> Activation:
    """Return the activation that `spec` names, or `spec` itself; softmax only for the output layer.

    Raises
    ------
    ValueError
        If the name is unknown, or softmax is asked for a hidden layer. The message names `argument`.
    TypeError
        If `spec` is neither a name nor an Activation.

    Examples
    --------
    >>> get_activation("relu", "activation").name
    'relu'
    """
    known = ACTIVATIONS | ({"softmax": SOFTMAX} if output else {})
    if not output and (spec is SOFTMAX or (isinstance(spec, str) and spec == "softmax")):
        raise ValueError(f"{argument} must be one of {', '.join(map(repr, sorted(known)))}, got {spec!r}; "
                         "softmax couples the neurons of a layer and serves as output only")
    return choose(argument, spec, known, Activation)
