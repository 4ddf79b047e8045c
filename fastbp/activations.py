"""Activations: a = σ(z) and its derivative σ'(z), one entry each in `ACTIVATIONS`.

A network takes an activation by its name or as an `Activation`.

============  ====================================  ==========  =============
name          σ(z)                                  range       source
============  ====================================  ==========  =============
identity      z                                     (−∞, ∞)
sigmoid       1 / (1 + exp(−z))                     (0, 1)      [1]_
tanh          tanh z                                (−1, 1)     [2]_
relu          max(z, 0)                             [0, ∞)      [3]_
leaky_relu    z, or z/100 below 0                   (−∞, ∞)     [4]_
elu           z, or exp(z) − 1 below 0              (−1, ∞)     [5]_
selu          λ z, or λα (exp(z) − 1) below 0       (−λα, ∞)    [6]_
gelu          z Φ(z), Φ the normal distribution     [−0.17, ∞)  [7]_
silu          z sigmoid(z)                          [−0.28, ∞)  [8]_, [9]_
softplus      ln(1 + exp(z))                        (0, ∞)      [10]_
softsign      z / (1 + |z|)                         (−1, 1)     [11]_, [12]_
hard_sigmoid  z/6 + ½, limited to [0, 1]            [0, 1]      [13]_, [14]_
mish          z tanh(softplus(z))                   [−0.31, ∞)  [15]_
exp           exp(z)                                (0, ∞)      [17]_
softmax       exp(z_i) / Σ_k exp(z_k), output only  (0, 1)      [16]_
============  ====================================  ==========  =============

Notes
-----
A formula is written for one number. It also serves arrays and CPU vectors, so it uses arithmetic, comparisons and a few
NumPy functions, and no `if` on a value. One branch of `np.where` is always an expression in z or a, because two
literals would turn float32 into float64.

The formulas are those of PyTorch and Keras 3 with these exceptions. Keras's leaky_relu has a slope of 0.2 below 0.
Keras 2's hard_sigmoid is 0.2 z + ½. The slope of relu at 0 is 0, as in both.

References
----------
.. [1] D. E. Rumelhart, G. E. Hinton and R. J. Williams, "Learning representations by back-propagating errors", Nature
   323, 1986. doi:10.1038/323533a0
.. [2] Y. LeCun, L. Bottou, G. B. Orr and K.-R. Müller, "Efficient BackProp", Neural Networks: Tricks of the Trade,
   1998. doi:10.1007/3-540-49430-8_2
.. [3] V. Nair and G. E. Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML, 2010.
.. [4] A. L. Maas, A. Y. Hannun and A. Y. Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML
   Workshop on Deep Learning for Audio, Speech and Language Processing, 2013.
.. [5] D.-A. Clevert, T. Unterthiner and S. Hochreiter, "Fast and accurate deep network learning by exponential linear
   units (ELUs)", ICLR, 2016. arXiv:1511.07289
.. [6] G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, "Self-normalizing neural networks", NeurIPS, 2017.
   arXiv:1706.02515
.. [7] D. Hendrycks and K. Gimpel, "Gaussian error linear units (GELUs)", 2016. arXiv:1606.08415
.. [8] S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural network function approximation in
   reinforcement learning", Neural Networks 107, 2018. doi:10.1016/j.neunet.2017.12.012
.. [9] P. Ramachandran, B. Zoph and Q. V. Le, "Searching for activation functions", 2017. arXiv:1710.05941
.. [10] C. Dugas, Y. Bengio, F. Bélisle, C. Nadeau and R. Garcia, "Incorporating second-order functional knowledge for
   better option pricing", NIPS 13, 2001.
.. [11] J. Bergstra, G. Desjardins, P. Lamblin and Y. Bengio, "Quadratic polynomials learn better image features",
   Technical report 1337, Université de Montréal, 2009.
.. [12] J. Turian, J. Bergstra and Y. Bengio, "Quadratic features and deep architectures for chunking", NAACL HLT, 2009.
.. [13] M. Courbariaux, Y. Bengio and J.-P. David, "BinaryConnect: training deep neural networks with binary weights
   during propagations", NeurIPS, 2015. arXiv:1511.00363. It has the slope ½ in place of 1/6.
.. [14] A. Howard et al., "Searching for MobileNetV3", ICCV, 2019. arXiv:1905.02244
.. [15] D. Misra, "Mish: a self regularized non-monotonic activation function", 2019. arXiv:1908.08681
.. [16] J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs, with relationships to
   statistical pattern recognition", Neurocomputing, Springer, 1990. doi:10.1007/978-3-642-76153-9_28
.. [17] P. McCullagh and J. A. Nelder, "Generalized Linear Models", 2nd edition, Chapman and Hall, 1989, chapter 6.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp.checks import check_name, choose, shown
from fastbp.kernels.vectors.vecmath import erf, sigmoid, softplus

__all__ = ["ACTIVATIONS", "SOFTMAX", "Activation", "get_activation", "softmax"]

LEAK = 0.01                             # slope of leaky_relu below 0
SELU_SCALE = 1.0507009873554805         # λ and λα: outputs keep mean 0 and variance 1 (Klambauer et al., 2017)
SELU_FLOOR = 1.7580993408473766
SQRT_HALF = 0.7071067811865476          # 1/√2
NORMAL_DENSITY_0 = 0.3989422804014327   # 1/√(2π)


@dataclass(frozen=True)
class Activation:
    """Activation function a_i = σ(z_i), the same for each neuron i.

    Parameters
    ----------
    name : str
        The name in `repr`, in messages and in files.
    function : callable
        The formula a = function(z). It may use arithmetic, powers, comparisons, and of NumPy the functions abs, clip,
        exp, expm1, log, log1p, logaddexp, maximum, minimum, power, sign, sqrt, square, tanh and where.
    derivative : callable, optional
        The formula σ'(z) = derivative(z, a), which may use a = function(z) to save work. By default fastbp derives it
        from `function`.
    init : {'glorot', 'he', 'lecun'}
        The initial weights that suit this activation. A network with ``init="auto"`` takes them.

    Raises
    ------
    TypeError
        If `name` is not a string or a function is not callable.
    ValueError
        If `init` is unknown.

    See Also
    --------
    ACTIVATIONS : The activations that have a name.
    fastbp.losses.Loss : The same for losses.

    Notes
    -----
    `function` runs once when a network is built, and fastbp records its operations. A `derivative` of your own is then
    compared with finite differences.

    Examples
    --------
    >>> swish = Activation("swish", lambda z: z / (1 + np.exp(-z)))
    >>> swish.function(np.array([0.0, 1.0]))
    array([0.        , 0.73105858])
    >>> import fastbp
    >>> fastbp.Network([4, 8, 3], activation=swish).activations[0].name
    'swish'
    """

    name: str
    function: Callable[[Any], Any]
    derivative: Callable[[Any, Any], Any] | None = None
    init: str = "glorot"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, got {shown(self.name)} ({type(self.name).__name__})")
        title = f"activation {shown(self.name)}"
        if not callable(self.function):
            raise TypeError(f"function of {title} must be callable, got {shown(self.function)}")
        if not (self.derivative is None or callable(self.derivative)):
            raise TypeError(f"derivative of {title} must be callable or None, got {shown(self.derivative)}")
        check_name(f"init of {title}", self.init, ("glorot", "he", "lecun"))


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
    """σ(z) = max(z, 0) (Nair and Hinton, 2010)."""
    return np.maximum(z, 0.0)


def relu_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = 1 for z > 0, else 0."""
    return np.sign(a)


def leaky_relu(z: Any) -> Any:
    """σ(z) = z for z > 0, else z/100 (Maas et al., 2013)."""
    return np.maximum(z, LEAK * z)


def leaky_relu_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = 1 for z > 0, else 1/100."""
    return LEAK + (1.0 - LEAK) * np.maximum(np.sign(a), 0.0)


def elu(z: Any) -> Any:
    """σ(z) = z for z > 0, else exp(z) − 1 (Clevert et al., 2016, α = 1)."""
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
    """σ(z) = z Φ(z), Φ the normal distribution, not its tanh approximation (Hendrycks and Gimpel, 2016)."""
    return z * (0.5 + 0.5 * erf(SQRT_HALF * z))


def gelu_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = Φ(z) + z φ(z)."""
    return 0.5 + 0.5 * erf(SQRT_HALF * z) + NORMAL_DENSITY_0 * z * np.exp(-0.5 * z * z)


def silu(z: Any) -> Any:
    """σ(z) = z sigmoid(z), also known as swish (Elfwing et al., 2018; Ramachandran et al., 2017)."""
    return z * sigmoid(z)


def silu_derivative(z: Any, a: Any) -> Any:
    """σ'(z) = s + z s (1 − s) with s = sigmoid(z)."""
    s = sigmoid(z)
    return s + a * (1.0 - s)


def softplus_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = sigmoid(z) = 1 − exp(−a)."""
    return -np.expm1(-a)


def softsign(z: Any) -> Any:
    """σ(z) = z / (1 + |z|) (Bergstra et al., 2009; Turian et al., 2009)."""
    return z / (1.0 + np.abs(z))


def softsign_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = 1 / (1 + |z|)². The form (1 − |a|)² loses digits where a is near 1."""
    q = 1.0 / (1.0 + np.abs(z))
    return q * q


def hard_sigmoid(z: Any) -> Any:
    """σ(z) = z/6 + 1/2, limited to [0, 1] (Courbariaux et al., 2015; Howard et al., 2019)."""
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


def exp(z: Any) -> Any:
    """σ(z) = exp(z), the inverse of the logarithmic link (McCullagh and Nelder, 1989)."""
    return np.exp(z)


def exp_derivative(z: Any, a: Any) -> Any:  # noqa: ARG001
    """σ'(z) = exp(z) = a."""
    return a


def softmax(z: Any) -> Any:
    """Compute a_i = exp(z_i) / Σ_k exp(z_k) along the last axis (Bridle, 1990).

    The maximum of each row is subtracted first, so exp does not overflow.

    Parameters
    ----------
    z : ndarray (..., n_L)
        Weighted inputs of the output layer.

    Returns
    -------
    ndarray (..., n_L)
        Outputs, each row with the sum 1, in the dtype of `z`.

    Examples
    --------
    >>> softmax(np.array([[1e4, 1e4], [0.0, -1e4]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


ACTIVATIONS: dict[str, Activation] = {spec.name: spec for spec in (
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
    Activation("exp", exp, exp_derivative),
)}

# Only for the output layer: softmax couples the neurons of a layer, so it has no elementwise derivative.
SOFTMAX = Activation("softmax", softmax)


def get_activation(spec: str | Activation, argument: str = "activation", *, output: bool = False) -> Activation:
    """Return the activation that `spec` names, or `spec` itself.

    Parameters
    ----------
    spec : str or Activation
        A name of `ACTIVATIONS`, or an activation.
    argument : str
        The name of the user's argument, for messages.
    output : bool
        Whether the activation is for the output layer, which takes softmax too.

    Returns
    -------
    Activation
        The entry of `ACTIVATIONS`, or `spec` unchanged.

    Raises
    ------
    ValueError
        If the name is unknown, or `spec` is softmax for a hidden layer.
    TypeError
        If `spec` is neither a name nor an Activation.

    Examples
    --------
    >>> get_activation("relu").init
    'he'
    >>> get_activation("softmax", output=True).name
    'softmax'
    """
    known = ACTIVATIONS | ({"softmax": SOFTMAX} if output else {})
    if not output and (spec is SOFTMAX or (isinstance(spec, str) and spec == "softmax")):
        raise ValueError(f"{argument} must be one of {', '.join(map(repr, sorted(known)))}, got {shown(spec)}; "
                         "softmax couples the neurons of a layer, so it is for the output only")
    return choose(argument, spec, known, Activation)
