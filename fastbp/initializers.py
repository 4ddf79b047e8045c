"""Initial parameters: the weights of one layer at random, one row each in `INITIALIZERS`.

W has shape (n_out, n_in). Every number is drawn in float64, layer after layer, W before b, and rounded afterwards:
networks of one seed agree in float32 and float64.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastbp.activations import Activation
from fastbp.checks import check_name

Weights = NDArray[np.float64]
Initializer = Callable[[int, int, np.random.Generator], Weights]


def _normal(std: Callable[[int, int], float]) -> Initializer:
    return lambda n_out, n_in, rng: std(n_out, n_in) * rng.standard_normal((n_out, n_in))


def _uniform(std: Callable[[int, int], float]) -> Initializer:
    # uniform on (-limit, limit) has standard deviation limit / √3
    return lambda n_out, n_in, rng: std(n_out, n_in) * 3.0**0.5 * rng.uniform(-1.0, 1.0, (n_out, n_in))


def _glorot(n_out: int, n_in: int) -> float:
    return float((2.0 / (n_in + n_out)) ** 0.5)


def _he(n_out: int, n_in: int) -> float:  # noqa: ARG001
    return float((2.0 / n_in) ** 0.5)


def _lecun(n_out: int, n_in: int) -> float:  # noqa: ARG001
    return float(n_in**-0.5)


def orthogonal(n_out: int, n_in: int, rng: np.random.Generator) -> Weights:
    """Orthonormal rows (or columns, where there are fewer), uniform among all such (Saxe et al., 2014)."""
    Q, R = np.linalg.qr(rng.standard_normal((max(n_out, n_in), min(n_out, n_in))))
    Q = Q * np.where(np.diag(R) < 0.0, -1.0, 1.0)  # without the signs of R, the signs LAPACK chooses
    return Q if n_out >= n_in else Q.T


def zeros(n_out: int, n_in: int, rng: np.random.Generator) -> Weights:  # noqa: ARG001
    """W = 0."""
    return np.zeros((n_out, n_in))


INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": _uniform(_glorot),            # variance 2 / (n_in + n_out): Glorot and Bengio, 2010
    "glorot_normal": _normal(_glorot),
    "he_uniform": _uniform(_he),                    # 2 / n_in: He et al., 2015
    "he_normal": _normal(_he),
    "lecun_uniform": _uniform(_lecun),              # 1 / n_in: LeCun et al., 1998
    "lecun_normal": _normal(_lecun),
    "orthogonal": orthogonal,
    "zeros": zeros,
    "normal": _normal(lambda *_: 1.0),               # variance 1, of the biases too
    "normal_sqrt": _normal(_lecun),                 # 1 / n_in, of the biases 1: Nielsen, 2015, chapter 3
}
AUTO = {"glorot": "glorot_uniform", "he": "he_normal", "lecun": "lecun_normal"}
RANDOM_BIASES = ("normal", "normal_sqrt")


def initialize(init: str, sizes: Sequence[int], activations: Sequence[Activation], rng: np.random.Generator,
               dtype: DTypeLike) -> NDArray[Any]:
    """Return the initial parameters of a network in one flat array: W of layer 1 row by row, b, W of layer 2, ...

    Parameters
    ----------
    init : str
        ``"auto"`` for what suits the activation of each layer, or a name of `INITIALIZERS`. Biases are 0, except
        those of ``"normal"`` and ``"normal_sqrt"``, drawn from the normal distribution of variance 1.
    sizes : sequence of int
        n_0..n_L.
    activations : sequence of Activation
        Those of layers 1..L.
    rng : numpy.random.Generator
        Where the numbers come from.
    dtype : data-type
        Of the result.

    Raises
    ------
    ValueError
        If `init` is unknown.
    TypeError
        If `init` is not a string.

    Examples
    --------
    >>> from fastbp.activations import ACTIVATIONS
    >>> initialize("zeros", [2, 1], [ACTIVATIONS["relu"]], np.random.default_rng(0), np.float32)
    array([0., 0., 0.], dtype=float32)
    """
    if not isinstance(init, str):
        raise TypeError(f"init must be a name, got {init!r} ({type(init).__name__})")
    check_name("init", init, [*INITIALIZERS, "auto"])
    layers = list(zip(sizes[1:], sizes[:-1], strict=True))
    parameters = np.empty(sum(n_out * (n_in + 1) for n_out, n_in in layers), dtype)
    begin = 0
    for (n_out, n_in), activation in zip(layers, activations, strict=True):
        name = AUTO[activation.init] if init == "auto" else init
        middle, end = begin + n_out * n_in, begin + n_out * (n_in + 1)
        parameters[begin:middle] = INITIALIZERS[name](n_out, n_in, rng).ravel()
        parameters[middle:end] = rng.standard_normal(n_out) if name in RANDOM_BIASES else 0.0
        begin = end
    return parameters
