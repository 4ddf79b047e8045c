"""Optimizers with running means of the gradient: Adam, AdamW, Adamax and Lion. `fastbp.optimizers` has them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from fastbp import update_rules as rules
from fastbp.checks import check_truth, keep
from fastbp.update_rules import Optimizer, Rule

__all__ = ["Adam", "AdamW", "Adamax", "Lion"]

# The smallest normal number of float32: far below each √ν of float32 that is not 0.
_LEAST_EPS = 2.0**-126


def above_0(eps: float) -> float:
    """Return the ε of a step: large enough that 0 / (0 + ε) is 0, so that what has no gradient stays, in float32, too.

    Parameters
    ----------
    eps : float
        The ε of an optimizer, 0 or more.

    Returns
    -------
    float
        The same, or the smallest normal number of float32.

    Examples
    --------
    >>> above_0(1e-8), above_0(0.0) > 0.0
    (1e-08, True)
    """
    return max(eps, _LEAST_EPS)


@dataclass(frozen=True)
class _Moments(Optimizer):
    """Hyper-parameters of the optimizers with two running means, and their correction for the start at 0."""

    learning_rate: float | Callable[[int], float] = 1e-3
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def _corrected(self, step: int, rate: float, decay: float) -> tuple[float, ...]:
        correction1, correction2 = 1.0 - self.beta1 ** (step + 1.0), 1.0 - self.beta2 ** (step + 1.0)
        return rate / correction1, 1.0 - self.beta1, 1.0 - self.beta2, correction2**-0.5, above_0(self.eps), decay


@dataclass(frozen=True)
class Adam(_Moments):
    """Adam, steps by running means of the gradient and of its square [1]_.

    μ ← β₁ μ + (1 − β₁) g, ν ← β₂ ν + (1 − β₂) g², w ← w − η μ̂ / (√ν̂ + ε). Here μ̂ = μ / (1 − β₁ᵗ) and ν̂ = ν / (1 −
    β₂ᵗ) correct the means for their start at 0, and t counts steps from 1.

    Parameters
    ----------
    learning_rate : float or callable
        Learning rate η, 0 or more, or a schedule η(t) (see `fastbp.schedules`).
    beta1, beta2 : float
        Shares β₁ and β₂ of the old means, in [0, 1).
    eps : float
        Number ε that is added to the root, 0 or more.
    weight_decay : float
        Decay λ, 0 or more. The rule adds λ w to g.
    amsgrad : bool
        Whether to divide by the largest ν so far in place of ν [2]_.
    eps_first : bool
        Whether ε is added to √ν before the correction, η √(1 − β₂ᵗ) / (1 − β₁ᵗ) μ / (√ν + ε), as in Keras and
        scikit-learn.

    Raises
    ------
    TypeError, ValueError
        If a hyper-parameter is not a number of its kind or is out of range. The message names it.

    See Also
    --------
    AdamW : Adam with the weight decay apart from the gradient.

    Notes
    -----
    The rule and its defaults are those of PyTorch. Keras has `eps_first`, its ε is 1e-7, and its ``weight_decay`` is
    that of `AdamW`.

    Reddi et al. have no corrections for the start. With `amsgrad` the largest ν is divided by 1 − β₂ᵗ, as in PyTorch.

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR, 2015. arXiv:1412.6980
    .. [2] S. J. Reddi, S. Kale and S. Kumar, "On the convergence of Adam and beyond", ICLR, 2018. arXiv:1904.09237

    Examples
    --------
    >>> rule = Adam(learning_rate=0.5, beta1=0.5, beta2=0.75, eps=0.0)
    >>> w, state = rule.update(1.0, 2.0, (0.0, 0.0), rule.hyper(step=0))
    >>> round(float(w), 3)
    0.5
    """

    _: KW_ONLY
    weight_decay: float = 0.0
    amsgrad: bool = False
    eps_first: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, amsgrad=check_truth("amsgrad", self.amsgrad), eps_first=check_truth("eps_first", self.eps_first))

    def formula(self) -> Rule:  # noqa: D102
        return rules.amsgrad if self.amsgrad else rules.adam

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        rate, share1, share2, c, eps, decay = self._corrected(step, self.rate(step), self.weight_decay)
        return rate, share1, share2, c, eps * c if self.eps_first else eps, decay


@dataclass(frozen=True)
class AdamW(_Moments):
    """AdamW, Adam with the weight decay apart from the gradient [1]_.

    w ← w − η λ w − η μ̂ / (√ν̂ + ε), with μ̂ and ν̂ as for `Adam`.

    Parameters
    ----------
    learning_rate : float or callable
        Learning rate η, 0 or more, or a schedule η(t) (see `fastbp.schedules`).
    beta1, beta2 : float
        Shares β₁ and β₂ of the old means, in [0, 1).
    eps : float
        Number ε that is added to the root, 0 or more.
    weight_decay : float
        Decay λ, 0 or more. Each step takes η λ w off w.

    Raises
    ------
    TypeError, ValueError
        If a hyper-parameter is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    The rule and its defaults are those of PyTorch. Keras has λ = 0.004 and adds its ε = 1e-7 to the root before the
    correction.

    The decay follows the learning rate and its schedule. In the paper it follows the schedule only: its λ is η λ here.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR, 2019. arXiv:1711.05101

    Examples
    --------
    >>> rule = AdamW(learning_rate=0.5, weight_decay=0.5, beta1=0.5, beta2=0.75, eps=0.0)
    >>> w, state = rule.update(1.0, 2.0, (0.0, 0.0), rule.hyper(step=0))
    >>> round(float(w), 3)
    0.25
    """

    _: KW_ONLY
    weight_decay: float = 0.01

    def formula(self) -> Rule:  # noqa: D102
        return rules.adamw

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        rate = self.rate(step)
        return self._corrected(step, rate, rate * self.weight_decay)


@dataclass(frozen=True)
class Adamax(_Moments):
    """Adamax, Adam with a running maximum of |g| in place of the root of the mean square [1]_.

    μ ← β₁ μ + (1 − β₁) g, ν ← max(β₂ ν, |g| + ε), w ← w − η μ̂ / ν, with μ̂ as for `Adam`.

    Parameters
    ----------
    learning_rate : float or callable
        Learning rate η, 0 or more, or a schedule η(t) (see `fastbp.schedules`).
    beta1 : float
        Share β₁ of the old mean, in [0, 1).
    beta2 : float
        Factor β₂ of the old maximum, in [0, 1).
    eps : float
        Number ε that is added to |g|, 0 or more.
    weight_decay : float
        Decay λ, 0 or more. The rule adds λ w to g.

    Raises
    ------
    TypeError, ValueError
        If a hyper-parameter is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    The rule and its defaults are those of PyTorch. The paper has no ε. Keras adds its ε = 1e-7 to ν in the division.
    Its default rate is 0.001.

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR, 2015, section 7.1.
       arXiv:1412.6980

    Examples
    --------
    >>> rule = Adamax(learning_rate=0.5, beta1=0.5, eps=0.0)
    >>> w, state = rule.update(1.0, 2.0, (0.0, 0.0), rule.hyper(step=0))
    >>> round(float(w), 3)
    0.5
    """

    learning_rate: float | Callable[[int], float] = 2e-3
    _: KW_ONLY
    weight_decay: float = 0.0

    def formula(self) -> Rule:  # noqa: D102
        return rules.adamax

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        rate = self.rate(step) / (1.0 - self.beta1 ** (step + 1.0))
        return rate, 1.0 - self.beta1, self.beta2, above_0(self.eps), self.weight_decay


@dataclass(frozen=True)
class Lion(Optimizer):
    """Lion, steps by the sign of a mean of the gradient [1]_.

    w ← w − η λ w − η sign(β₁ μ + (1 − β₁) g), then μ ← β₂ μ + (1 − β₂) g.

    Parameters
    ----------
    learning_rate : float or callable
        Learning rate η, 0 or more, or a schedule η(t) (see `fastbp.schedules`). It is the length of each step.
    beta1 : float
        Share β₁ of the mean in the direction of a step, in [0, 1).
    beta2 : float
        Share β₂ of the old mean in the new one, in [0, 1).
    weight_decay : float
        Decay λ, 0 or more. Each step takes η λ w off w.

    Raises
    ------
    TypeError, ValueError
        If a hyper-parameter is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    The paper advises a rate 3 to 10 times smaller than that of `AdamW`, and a decay larger by as much. Keras has the
    same rule with a default rate of 0.001.

    References
    ----------
    .. [1] X. Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS, 2023. arXiv:2302.06675

    Examples
    --------
    >>> rule = Lion(learning_rate=0.25, beta2=0.5)
    >>> w, state = rule.update(1.0, -13.0, (1.0,), rule.hyper(step=0))
    >>> round(float(w), 3)
    1.25
    """

    _counts_steps: ClassVar[bool] = False
    learning_rate: float | Callable[[int], float] = 1e-4
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def formula(self) -> Rule:  # noqa: D102
        return rules.lion

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        rate = self.rate(step)
        return rate, 1.0 - self.beta1, 1.0 - self.beta2, rate * self.weight_decay
