"""Losses: the cost c(a, y) of one output and its derivative ∂c/∂a, one entry each in `LOSSES`.

A network takes a loss by its name or as a `Loss`. The cost of the network is C = 1/m Σ_s v_s Σ_i c(a_si, y_si): the sum
over the outputs i, and the mean over the m samples s with the weights v_s.

=============  ===============================================  ==================  ==================  ======  ======
name           c(a, y)                                          targets y           outputs a           labels  source
=============  ===============================================  ==================  ==================  ======  ======
quadratic      ½ (a − y)²                                       any                 any
cross_entropy  −(y ln a + (1 − y) ln(1 − a))                    [0, 1]              [0, 1]              yes     [1]_
absolute       |a − y|                                          any                 any
huber          ½ (a − y)² for |a − y| <= 1, else |a − y| − ½    any                 any                         [2]_
poisson        a − y ln a                                       0 and above         0 and above                 [3]_
hinge          max(0, 1 − t a), t = 1 for y > ½, else −1        0, 1 or −1, 1       any                 yes     [4]_
=============  ===============================================  ==================  ==================  ======  ======

With softmax, cross_entropy is −y ln a: the other term is left out, and the targets of a sample sum to 1. Targets that a
loss is not defined on are refused, and so is an output activation whose values it is not defined on. In particular
cross_entropy takes no raw scores: with the outputs sigmoid and softmax it is computed from z, so it needs none.

Notes
-----
Where the output activation suits the loss, a `LogitsForm` gives c and δ = ∂c/∂z from z itself. It is exact where a has
rounded to 0 or 1. The formulas follow the rules of `fastbp.activations`.

The elementwise losses of PyTorch and Keras take the mean over the outputs, fastbp takes the sum. Their squared error
(``MSELoss``, ``"mean_squared_error"``) has no ½. PyTorch's ``PoissonNLLLoss`` expects ln a unless ``log_input=False``.

References
----------
.. [1] C. M. Bishop, "Pattern Recognition and Machine Learning", Springer, 2006, sections 4.3 and 5.2.
.. [2] P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.
   doi:10.1214/aoms/1177703732
.. [3] P. McCullagh and J. A. Nelder, "Generalized Linear Models", 2nd edition, Chapman and Hall, 1989, chapter 6.
.. [4] L. Rosasco, E. De Vito, A. Caponnetto, M. Piana and A. Verri, "Are loss functions all the same?", Neural
   Computation 16, 2004. doi:10.1162/089976604773135104
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastbp.activations import softmax
from fastbp.checks import check_truth, choose, shown
from fastbp.domains import ANY, Domain
from fastbp.kernels.vectors.vecmath import sigmoid

__all__ = ["ANY", "LOSSES", "Domain", "LogitsForm", "Loss", "get_loss"]

# Smallest normal float32. Formulas take max(a, TINY), so that ln 0 and 1/0 stay finite.
TINY = 1.1754943508222875e-38


@dataclass(frozen=True)
class LogitsForm:
    """Cost and δ of a loss as functions of z, for one output activation.

    Parameters
    ----------
    cost : callable
        The formula cost(z, y). Its sum over the outputs is the cost of one sample.
    delta : callable
        The formula δ = delta(z, y), the derivative of that sum by z.

    See Also
    --------
    Loss : Its argument `logits` takes these forms.

    Notes
    -----
    PyTorch has ``BCEWithLogitsLoss`` and ``CrossEntropyLoss`` for this purpose, and Keras has ``from_logits=True``. A
    network of fastbp chooses the form by itself. A form for softmax works on arrays (n_samples, n_L), the others on
    numbers.

    Examples
    --------
    >>> form = LOSSES["cross_entropy"].logits["sigmoid"]
    >>> form.cost(np.array([1000.0, -1000.0]), np.array([0.0, 0.0]))
    array([1000.,    0.])
    >>> form.delta(np.array([1000.0, -1000.0]), np.array([0.0, 0.0]))
    array([1., 0.])
    """

    cost: Callable[[Any, Any], Any]
    delta: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Loss:
    """Loss of one output a and its target y, c = cost(a, y).

    Parameters
    ----------
    name : str
        The name in `repr`, in messages and in files.
    cost : callable
        The formula c = cost(a, y). It may use what the `function` of a `fastbp.Activation` may.
    derivative : callable, optional
        The formula ∂c/∂a = derivative(a, y). By default fastbp derives it from `cost`.
    logits : mapping of str to LogitsForm
        Forms for output activations, by their names. A network whose output has one of these names takes the form.
    labels : bool
        Whether targets may be class numbers. Label k stands for a row of zeros with a one at place k.
    targets : Domain
        Targets that the cost is defined on. Others are refused. By default there is no limit.
    outputs : Domain
        Outputs that the cost is defined on. An output activation with other values is refused.
    suits : tuple of str
        Names of output activations to take instead, for this message.

    Raises
    ------
    TypeError
        If `name` is not a string, a function is not callable, or `targets` or `outputs` is not a Domain.

    See Also
    --------
    LOSSES : The losses that have a name.
    fastbp.activations.Activation : The same for activations.

    Examples
    --------
    >>> fourth = Loss("fourth", lambda a, y: (a - y) ** 4)
    >>> fourth.cost(np.array([1.0, 3.0]), 1.0)
    array([ 0., 16.])
    >>> import fastbp
    >>> fastbp.Network([2, 1], output="identity", loss=fourth, rng=0).loss([[0.0, 0.0]], [[2.0]])
    16.0
    """

    name: str
    cost: Callable[[Any, Any], Any]
    derivative: Callable[[Any, Any], Any] | None = None
    logits: Mapping[str, LogitsForm] = field(default_factory=dict, hash=False)
    labels: bool = False
    targets: Domain = ANY
    outputs: Domain = ANY
    suits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, got {shown(self.name)} ({type(self.name).__name__})")
        title = f"loss {shown(self.name)}"
        if not callable(self.cost):
            raise TypeError(f"cost of {title} must be callable, got {shown(self.cost)}")
        if not (self.derivative is None or callable(self.derivative)):
            raise TypeError(f"derivative of {title} must be callable or None, got {shown(self.derivative)}")
        for name in ("targets", "outputs"):
            if not isinstance(getattr(self, name), Domain):
                raise TypeError(f"{name} of {title} must be a Domain, got {shown(getattr(self, name))}")
        check_truth(f"labels of {title}", self.labels)
        logits: Any = self.logits
        if not (isinstance(logits, Mapping) and all(isinstance(form, LogitsForm) for form in logits.values())):
            raise TypeError(f"logits of {title} must be a dict of LogitsForm, got {shown(logits)}")
        suits: Any = self.suits
        if not (isinstance(suits, tuple) and all(isinstance(name, str) for name in suits)):
            raise TypeError(f"suits of {title} must be a tuple of names, got {shown(suits)}")


def quadratic(a: Any, y: Any) -> Any:
    """c = ½ (a − y)²."""
    d = a - y
    return 0.5 * d * d


def quadratic_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = a − y."""
    return a - y


def cross_entropy(a: Any, y: Any) -> Any:
    """c = −(y ln a + (1 − y) ln(1 − a)) (Bishop, 2006), where ln 0 counts as −87.3."""
    return -(y * np.log(np.maximum(a, TINY)) + (1.0 - y) * np.log(np.maximum(1.0 - a, TINY)))


def cross_entropy_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = −y/a + (1 − y)/(1 − a)."""
    return (1.0 - y) / np.maximum(1.0 - a, TINY) - y / np.maximum(a, TINY)


def sigmoid_cross_entropy(z: Any, y: Any) -> Any:
    """c = ln(1 + exp(z)) − y z. The large terms cancel before the small one is added."""
    return np.maximum(z, 0.0) - z * y + np.log1p(np.exp(-np.abs(z)))


def sigmoid_cross_entropy_delta(z: Any, y: Any) -> Any:
    """δ = a − y with a = sigmoid(z)."""
    return sigmoid(z) - y


def softmax_cross_entropy(z: Any, y: Any) -> Any:
    """c_i = −y_i ln a_i with a = softmax(z), along the last axis of arrays (n_samples, n_L)."""
    shifted = z - np.max(z, axis=-1, keepdims=True)
    return y * (np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True)) - shifted)


def softmax_cross_entropy_delta(z: Any, y: Any) -> Any:
    """δ_i = a_i Σ_k y_k − y_i along the last axis of arrays (n_samples, n_L): a − y if the targets sum to 1."""
    return softmax(z) * np.sum(y, axis=-1, keepdims=True) - y


def absolute(a: Any, y: Any) -> Any:
    """c = |a − y|."""
    return np.abs(a - y)


def absolute_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = sign(a − y), which is 0 at a = y."""
    return np.sign(a - y)


def huber(a: Any, y: Any) -> Any:
    """c = ½ d² where |d| <= 1, else |d| − ½, with d = a − y (Huber, 1964)."""
    d = np.abs(a - y)
    near = np.minimum(d, 1.0)
    return 0.5 * near * near + (d - near)


def huber_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = a − y, limited to [−1, 1]."""
    return np.minimum(np.maximum(a - y, -1.0), 1.0)


def poisson(a: Any, y: Any) -> Any:
    """c = a − y ln a for a count y >= 0 of mean a > 0 (McCullagh and Nelder, 1989), without the constant ln y!."""
    return a - y * np.log(np.maximum(a, TINY))


def poisson_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = 1 − y/a."""
    return 1.0 - y / np.maximum(a, TINY)


def exp_poisson(z: Any, y: Any) -> Any:
    """c = exp(z) − y z, the Poisson cost of a = exp(z)."""
    return np.exp(z) - y * z


def exp_poisson_delta(z: Any, y: Any) -> Any:
    """δ = a − y with a = exp(z)."""
    return np.exp(z) - y


def hinge(a: Any, y: Any) -> Any:
    """c = max(0, 1 − t a), t = 1 for y > ½, else −1 (Rosasco et al., 2004). Targets are 0 and 1, or −1 and 1."""
    return np.maximum(1.0 - np.sign(y - 0.5) * a, 0.0)


def hinge_derivative(a: Any, y: Any) -> Any:
    """∂c/∂a = −t where t a < 1, else 0."""
    t = np.sign(y - 0.5)
    return -t * np.maximum(np.sign(1.0 - t * a), 0.0)


LOSSES: dict[str, Loss] = {spec.name: spec for spec in (
    Loss("quadratic", quadratic, quadratic_derivative),
    Loss("cross_entropy", cross_entropy, cross_entropy_derivative, labels=True, logits={
        "sigmoid": LogitsForm(sigmoid_cross_entropy, sigmoid_cross_entropy_delta),
        "softmax": LogitsForm(softmax_cross_entropy, softmax_cross_entropy_delta)},
        targets=Domain(0.0, 1.0), outputs=Domain(0.0, 1.0), suits=("sigmoid", "softmax")),
    Loss("absolute", absolute, absolute_derivative),
    Loss("huber", huber, huber_derivative),
    Loss("poisson", poisson, poisson_derivative, logits={"exp": LogitsForm(exp_poisson, exp_poisson_delta)},
         targets=Domain(low=0.0), outputs=Domain(low=0.0), suits=("exp", "softplus", "relu")),
    Loss("hinge", hinge, hinge_derivative, labels=True,
         targets=Domain(sets=((0.0, 1.0), (-1.0, 1.0))), suits=("identity",)),
)}


def get_loss(spec: str | Loss, argument: str = "loss") -> Loss:
    """Return the loss that `spec` names, or `spec` itself.

    Parameters
    ----------
    spec : str or Loss
        A name of `LOSSES`, or a loss.
    argument : str
        The name of the user's argument, for messages.

    Returns
    -------
    Loss
        The entry of `LOSSES`, or `spec` unchanged.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If `spec` is neither a name nor a Loss.

    Examples
    --------
    >>> get_loss("huber").cost(3.0, 1.0).item()
    1.5
    """
    return choose(argument, spec, LOSSES, Loss)
