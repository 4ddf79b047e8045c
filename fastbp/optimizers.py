"""Optimizers: the rule by which one parameter w follows its gradient g, one row each in `OPTIMIZERS`.

A rule is a formula (w, s, u) = update(w, g, s, u, h) for one parameter: s and u are the numbers it keeps for each
parameter (0 at the start; a rule that needs fewer hands them through), h the numbers of this step, the same for all
parameters. What depends on the step alone is computed in h, in float64. Formulas as in `fastbp.activations`.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any

import numpy as np

from fastbp.checks import check_number, choose

Rule = Callable[[Any, Any, Any, Any, tuple[float, ...]], tuple[Any, Any, Any]]


# ------------------------------------------------------------------ the formulas
def sgd(w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """w ← w − η g; h = (η,)."""
    return w - h[0] * g, s, u


def sgd_decay(w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """w ← w − η (g + λ w); h = (η, μ, λ)."""
    return w - h[0] * (g + h[2] * w), s, u


def sgd_momentum(w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """s ← μ s + g + λ w; w ← w − η s; h = (η, μ, λ)."""
    s = h[1] * s + (g + h[2] * w)
    return w - h[0] * s, s, u


def sgd_nesterov(w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """g ← g + λ w; s ← μ s + g; w ← w − η (g + μ s); h = (η, μ, λ)."""
    g = g + h[2] * w
    s = h[1] * s + g
    return w - h[0] * (g + h[1] * s), s, u


def rmsprop(w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """g ← g + λ w; s ← ρ s + (1 − ρ) g²; w ← w − η g / (√s + ε); h = (η, 1 − ρ, ε, λ, μ)."""
    g = g + h[3] * w
    s = s + h[1] * (g * g - s)
    return w - h[0] * g / (np.sqrt(s) + h[2]), s, u


def rmsprop_momentum(w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """g ← g + λ w; s ← ρ s + (1 − ρ) g²; u ← μ u + g / (√s + ε); w ← w − η u; h = (η, 1 − ρ, ε, λ, μ)."""
    g = g + h[3] * w
    s = s + h[1] * (g * g - s)
    u = h[4] * u + g / (np.sqrt(s) + h[2])
    return w - h[0] * u, s, u


def adagrad(w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """g ← g + λ w; s ← s + g²; w ← w − η g / (√s + ε); h = (η, ε, λ)."""
    g = g + h[2] * w
    s = s + g * g
    return w - h[0] * g / (np.sqrt(s) + h[1]), s, u


def adam(w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """g ← g + λ w; s ← β₁ s + (1 − β₁) g; u ← β₂ u + (1 − β₂) g²; w ← w − η' s / (√u c + ε).

    h = (η', 1 − β₁, 1 − β₂, c, ε, λ) with η' = η / (1 − β₁ᵗ), c = 1 / √(1 − β₂ᵗ), t counted from 1.
    """
    g = g + h[5] * w
    s = s + h[1] * (g - s)
    u = u + h[2] * (g * g - u)
    return w - h[0] * s / (np.sqrt(u) * h[3] + h[4]), s, u


def adamw(w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """s ← β₁ s + (1 − β₁) g; u ← β₂ u + (1 − β₂) g²; w ← w − η λ w − η' s / (√u c + ε).

    h = (η', 1 − β₁, 1 − β₂, c, ε, η λ), η' and c as in `adam`.
    """
    s = s + h[1] * (g - s)
    u = u + h[2] * (g * g - u)
    return w - h[5] * w - h[0] * s / (np.sqrt(u) * h[3] + h[4]), s, u


def adamax(w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """g ← g + λ w; s ← β₁ s + (1 − β₁) g; u ← max(β₂ u, |g| + ε); w ← w − η' s / u.

    h = (η', 1 − β₁, β₂, ε, λ) with η' = η / (1 − β₁ᵗ), t counted from 1.
    """
    g = g + h[4] * w
    s = s + h[1] * (g - s)
    u = np.maximum(h[2] * u, np.abs(g) + h[3])
    return w - h[0] * s / u, s, u


def lion(w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """w ← w − η λ w − η sign(β₁ s + (1 − β₁) g); s ← β₂ s + (1 − β₂) g; h = (η, 1 − β₁, 1 − β₂, η λ)."""
    direction = np.sign(s + h[1] * (g - s))
    return w - h[3] * w - h[0] * direction, s + h[2] * (g - s), u


# how many numbers of each parameter a rule keeps
STATES: dict[Rule, int] = {sgd: 0, sgd_decay: 0, sgd_momentum: 1, sgd_nesterov: 1, rmsprop: 1, rmsprop_momentum: 2,
                           adagrad: 1, adam: 2, adamw: 2, adamax: 2, lion: 1}

# ------------------------------------------------------------------ their hyper-parameters
# each lies in [0, high)
HIGH = {"momentum": 1.0, "rho": 1.0, "beta1": 1.0, "beta2": 1.0, "eps": math.inf, "weight_decay": math.inf}


@dataclass(frozen=True)
class Optimizer:
    """What all optimizers share.

    Parameters
    ----------
    learning_rate : float or callable
        η, or a schedule: a function of the step, which counts minibatches from 0 (see `fastbp.schedules`).

    Raises
    ------
    TypeError, ValueError
        If a hyper-parameter is not a number or out of its range; the message names both.
    """

    learning_rate: float | Callable[[int], float]

    def __post_init__(self) -> None:
        highs = HIGH if callable(self.learning_rate) else HIGH | {"learning_rate": math.inf}
        for name in [field.name for field in fields(self) if field.name in highs]:
            number = check_number(name, getattr(self, name), 0.0, highs[name], open_high=True)
            object.__setattr__(self, name, number)  # frozen: whatever kind of number came, h is of Python floats

    @property
    def states(self) -> int:
        """How many numbers (0, 1 or 2) the rule keeps for each parameter."""
        return STATES[self.formula()]

    @property
    def plain(self) -> bool:
        """Whether the rule is w ← w − η g and nothing else."""
        return False

    def formula(self) -> Rule:
        """Return the rule, a plain function (w, s, u) = rule(w, g, s, u, h)."""
        raise NotImplementedError

    def hyper(self, step: int) -> tuple[float, ...]:
        """Return the numbers h of the rule at `step`, counted from 0; always as many."""
        raise NotImplementedError

    def update(self, w: Any, g: Any, s: Any, u: Any, h: tuple[float, ...]) -> tuple[Any, Any, Any]:
        """Apply the rule: the new parameter and what is kept for it."""
        return self.formula()(w, g, s, u, h)

    def rate(self, step: int) -> float:
        """Return the learning rate at `step`, counted from 0."""
        if callable(self.learning_rate):
            return check_number(f"learning_rate({step})", self.learning_rate(step), 0.0)
        return self.learning_rate


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: w ← w − η g, with momentum if asked for.

    Parameters
    ----------
    learning_rate : float or callable
        η.
    momentum : float
        μ: s ← μ s + g, w ← w − η s (Polyak, 1964).
    nesterov : bool
        Look ahead: w ← w − η (g + μ s) (Nesterov, 1983).
    weight_decay : float
        λ, which adds λ w to g.

    Examples
    --------
    >>> rule = SGD(learning_rate=0.1, momentum=0.9)
    >>> rule.update(1.0, 2.0, 3.0, 0.0, rule.hyper(step=0))
    (0.53, 4.7, 0.0)
    """

    learning_rate: float | Callable[[int], float] = 0.1
    _: KW_ONLY
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.nesterov, bool):
            raise TypeError(f"nesterov must be True or False, got {self.nesterov!r} ({type(self.nesterov).__name__})")
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("momentum must be a number in (0, 1) where nesterov is True, got 0.0")

    @property
    def plain(self) -> bool:  # noqa: D102
        return self.momentum == 0.0 and self.weight_decay == 0.0

    def formula(self) -> Rule:  # noqa: D102
        if self.plain:
            return sgd
        if self.momentum == 0.0:
            return sgd_decay
        return sgd_nesterov if self.nesterov else sgd_momentum

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        rate = self.rate(step)
        return (rate,) if self.plain else (rate, self.momentum, self.weight_decay)


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """Divide the gradient by the root of its running mean square (Tieleman and Hinton, 2012).

    Parameters
    ----------
    learning_rate, weight_decay
        As for `SGD`.
    rho : float
        ρ, the share of the old mean square that stays at each step.
    eps : float
        ε, added to the root.
    momentum : float
        μ: u ← μ u + g / (√s + ε), w ← w − η u.
    """

    learning_rate: float | Callable[[int], float] = 0.01
    _: KW_ONLY
    rho: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    weight_decay: float = 0.0

    def formula(self) -> Rule:  # noqa: D102
        return rmsprop if self.momentum == 0.0 else rmsprop_momentum

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        return self.rate(step), 1.0 - self.rho, self.eps, self.weight_decay, self.momentum


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Divide the gradient by the root of the sum of its squares so far (Duchi et al., 2011).

    Parameters
    ----------
    learning_rate, weight_decay
        As for `SGD`.
    eps : float
        ε, added to the root.
    """

    learning_rate: float | Callable[[int], float] = 0.01
    _: KW_ONLY
    eps: float = 1e-10
    weight_decay: float = 0.0

    def formula(self) -> Rule:  # noqa: D102
        return adagrad

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        return self.rate(step), self.eps, self.weight_decay


@dataclass(frozen=True)
class Adam(Optimizer):
    """Running means of the gradient and of its square, corrected for their start at 0 (Kingma and Ba, 2015).

    Parameters
    ----------
    learning_rate, weight_decay
        As for `SGD`.
    beta1, beta2 : float
        β₁ and β₂, the shares of the old means that stay at each step.
    eps : float
        ε, added to the root of the mean square.
    """

    learning_rate: float | Callable[[int], float] = 1e-3
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0

    def formula(self) -> Rule:  # noqa: D102
        return adam

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        return self._corrected(step, self.rate(step), self.weight_decay)

    def _corrected(self, step: int, rate: float, decay: float) -> tuple[float, ...]:
        correction1, correction2 = 1.0 - self.beta1 ** (step + 1), 1.0 - self.beta2 ** (step + 1)
        return rate / correction1, 1.0 - self.beta1, 1.0 - self.beta2, correction2 ** -0.5, self.eps, decay


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with the decay of the weights apart from the gradient (Loshchilov and Hutter, 2019).

    Parameters
    ----------
    learning_rate, beta1, beta2, eps
        As for `Adam`.
    weight_decay : float
        λ: each step takes η λ w off w.
    """

    weight_decay: float = 0.01

    def formula(self) -> Rule:  # noqa: D102
        return adamw

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        rate = self.rate(step)
        return self._corrected(step, rate, rate * self.weight_decay)


@dataclass(frozen=True)
class Adamax(Adam):
    """Adam with the running maximum of |g| in place of the root of the mean square (Kingma and Ba, 2015).

    Parameters
    ----------
    learning_rate, beta1, beta2, eps, weight_decay
        As for `Adam`; ε is added to |g|.
    """

    learning_rate: float | Callable[[int], float] = 2e-3

    def formula(self) -> Rule:  # noqa: D102
        return adamax

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        rate = self.rate(step) / (1.0 - self.beta1 ** (step + 1))
        return rate, 1.0 - self.beta1, self.beta2, self.eps, self.weight_decay


@dataclass(frozen=True)
class Lion(Optimizer):
    """Step by the sign of a running mean of the gradient (Chen et al., 2023).

    Parameters
    ----------
    learning_rate, weight_decay
        As for `AdamW`; η is the length of every step.
    beta1, beta2 : float
        β₁ and β₂, the shares of the running mean in the direction of a step and in the next running mean.
    """

    learning_rate: float | Callable[[int], float] = 1e-4
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def formula(self) -> Rule:  # noqa: D102
        return lion

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        rate = self.rate(step)
        return rate, 1.0 - self.beta1, 1.0 - self.beta2, rate * self.weight_decay


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": SGD(),
    "momentum": SGD(momentum=0.9),
    "nesterov": SGD(momentum=0.9, nesterov=True),
    "rmsprop": RMSProp(),
    "adagrad": Adagrad(),
    "adam": Adam(),
    "adamw": AdamW(),
    "adamax": Adamax(),
    "lion": Lion(),
}


def get_optimizer(spec: str | Optimizer, argument: str = "optimizer") -> Optimizer:
    """Return the optimizer that `spec` names, with its usual hyper-parameters, or `spec` itself.

    Raises
    ------
    ValueError
        If the name is unknown. The message names `argument`.
    TypeError
        If `spec` is neither a name nor an Optimizer.

    Examples
    --------
    >>> get_optimizer("adam")
    Adam(learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0)
    """
    return choose(argument, spec, OPTIMIZERS, Optimizer)
