"""Initial parameters: how the weights of one layer are drawn, one entry each in `INITIALIZERS`.

==============  ================================  =====================  ======
name            distribution of w_ij              variance               source
==============  ================================  =====================  ======
glorot_uniform  uniform                           2 / (n_in + n_out)     [1]_
glorot_normal   normal                            2 / (n_in + n_out)     [1]_
he_uniform      uniform                           2 / n_in               [2]_
he_normal       normal                            2 / n_in               [2]_
lecun_uniform   uniform                           1 / n_in               [3]_
lecun_normal    normal                            1 / n_in               [3]_
orthogonal      orthonormal rows or columns       1 / max(n_in, n_out)   [4]_
zeros           w_ij = 0                          0
normal          normal, biases too                1                      [5]_
normal_sqrt     normal, biases of variance 1 too  1 / n_in               [5]_
==============  ================================  =====================  ======

The mean is 0. Biases are 0 except where the table says otherwise. ``"auto"`` chooses for each layer what suits its
activation: he_normal for relu and its relatives, lecun_normal for selu, glorot_uniform for the others.

Notes
-----
An entry is a function (n_out, n_in, rng) -> W, both numbers 1 or more. W has the shape (n_out, n_in). Numbers are
drawn in float64, layer after layer, W before b, and are rounded afterwards. Networks of one seed therefore agree in
float32 and float64.

Keras draws its he_normal and lecun_normal from a truncated normal distribution, PyTorch and fastbp do not. Keras's
default is glorot_uniform. PyTorch's ``Linear`` draws weights and biases uniformly with the variance 1 / (3 n_in).

References
----------
.. [1] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS,
   2010.
.. [2] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing human-level performance on ImageNet
   classification", ICCV, 2015. doi:10.1109/ICCV.2015.123
.. [3] Y. LeCun, L. Bottou, G. B. Orr and K.-R. Müller, "Efficient BackProp", Neural Networks: Tricks of the Trade,
   1998. doi:10.1007/3-540-49430-8_2
.. [4] A. M. Saxe, J. L. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
   linear neural networks", ICLR, 2014. arXiv:1312.6120
.. [5] M. A. Nielsen, "Neural Networks and Deep Learning", Determination Press, 2015, chapter 3.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastbp.activations import Activation
from fastbp.canonical import float_type, generator, layer_sizes
from fastbp.checks import MANY, check_count, check_name, listed, shown

__all__ = ["AUTO", "INITIALIZERS", "RANDOM_BIASES", "initialize"]

Weights = NDArray[np.float64]
Initializer = Callable[[int, int, np.random.Generator], Weights]


def _checked(draw: Initializer) -> Initializer:
    """The function of one layer, which a program may call by itself."""

    @wraps(draw)
    def checked(n_out: int, n_in: int, rng: np.random.Generator) -> Weights:
        return draw(check_count("n_out", n_out, 1, MANY), check_count("n_in", n_in, 1, MANY), generator(rng))

    return checked


def _normal(std: Callable[[int, int], float]) -> Initializer:
    return _checked(lambda n_out, n_in, rng: std(n_out, n_in) * rng.standard_normal((n_out, n_in)))


def _uniform(std: Callable[[int, int], float]) -> Initializer:
    # a uniform distribution on (-limit, limit) has the standard deviation limit / √3
    return _checked(lambda n_out, n_in, rng: std(n_out, n_in) * 3.0**0.5 * rng.uniform(-1.0, 1.0, (n_out, n_in)))


def _glorot(n_out: int, n_in: int) -> float:
    return float((2.0 / (n_in + n_out)) ** 0.5)


def _he(n_out: int, n_in: int) -> float:  # noqa: ARG001
    return float((2.0 / n_in) ** 0.5)


def _lecun(n_out: int, n_in: int) -> float:  # noqa: ARG001
    return float(n_in**-0.5)


@_checked
def orthogonal(n_out: int, n_in: int, rng: np.random.Generator) -> Weights:
    """W Wᵀ = I, or Wᵀ W = I if n_out > n_in, uniform over all such W (Saxe et al., 2014)."""
    Q, R = np.linalg.qr(rng.standard_normal((max(n_out, n_in), min(n_out, n_in))))
    Q = Q * np.where(np.diag(R) < 0.0, -1.0, 1.0)  # LAPACK chooses the signs of R, so Q alone is not uniform
    return Q if n_out >= n_in else Q.T


@_checked
def zeros(n_out: int, n_in: int, rng: np.random.Generator) -> Weights:  # noqa: ARG001
    """W = 0."""
    return np.zeros((n_out, n_in), np.float64)


INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": _uniform(_glorot),
    "glorot_normal": _normal(_glorot),
    "he_uniform": _uniform(_he),
    "he_normal": _normal(_he),
    "lecun_uniform": _uniform(_lecun),
    "lecun_normal": _normal(_lecun),
    "orthogonal": orthogonal,
    "zeros": zeros,
    "normal": _normal(lambda *_: 1.0),
    "normal_sqrt": _normal(_lecun),
}
# the initializer that "auto" takes for the `init` of an Activation
AUTO = {"glorot": "glorot_uniform", "he": "he_normal", "lecun": "lecun_normal"}
RANDOM_BIASES = ("normal", "normal_sqrt")


def initialize(init: str, sizes: Sequence[int], activations: Sequence[Activation], rng: np.random.Generator,
               dtype: DTypeLike) -> NDArray[Any]:
    """Draw the initial parameters of a network, in one flat array.

    Parameters
    ----------
    init : str
        A name of `INITIALIZERS`, or "auto" for what suits the activation of each layer.
    sizes : sequence of int
        The sizes n_0, ..., n_L of the layers.
    activations : sequence of Activation
        The activations of layers 1..L.
    rng : numpy.random.Generator
        Generator of the random numbers.
    dtype : dtype
        Dtype of the result, float32 or float64.

    Returns
    -------
    ndarray (n_parameters,)
        W of layer 1 row by row, b of layer 1, W of layer 2, and so on.

    Raises
    ------
    ValueError
        If `init` is unknown, or a number of `sizes` or `dtype` is none of a network.
    TypeError
        If an argument is of another type, or there are not as many `activations` as layers.

    Examples
    --------
    >>> from fastbp.activations import ACTIVATIONS
    >>> initialize("zeros", [2, 1], [ACTIVATIONS["relu"]], np.random.default_rng(0), np.float32)
    array([0., 0., 0.], dtype=float32)
    """
    if not isinstance(init, str):
        raise TypeError(f"init must be a name, got {shown(init)} ({type(init).__name__})")
    check_name("init", init, [*INITIALIZERS, "auto"])
    sizes, rng, dtype = layer_sizes(sizes), generator(rng), float_type(dtype)
    activations = listed("activations", activations, "Activation objects")
    if len(activations) != len(sizes) - 1 or not all(isinstance(each, Activation) for each in activations):
        found = shown(activations)
        raise TypeError(f"activations must be an Activation for each of the {len(sizes) - 1} layers, got {found}")
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
