"""Optimizers: hyper-parameters and the numbers h of a step, one row each in `OPTIMIZERS`.

The formulas by which a parameter follows its gradient stand in `fastbp.update_rules`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar

from fastbp import update_rules as rules
from fastbp.checks import check_number, choose
from fastbp.update_rules import UPDATE_RULES, Rule, State

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

    # Whether `hyper` depends on the step beside the learning rate.
    _counts_steps: ClassVar[bool] = True

    def __post_init__(self) -> None:
        highs = HIGH if callable(self.learning_rate) else HIGH | {"learning_rate": math.inf}
        for name in [field.name for field in fields(self) if field.name in highs]:
            number = check_number(name, getattr(self, name), 0.0, highs[name], open_high=True)
            object.__setattr__(self, name, number)  # frozen: whatever kind of number came, h is of Python floats

    @property
    def is_constant(self) -> bool:
        """Whether the numbers of every step are the same."""
        return not (self._counts_steps or callable(self.learning_rate))

    @property
    def states(self) -> int:
        """How many numbers the rule keeps for each parameter."""
        return UPDATE_RULES[self.formula()]

    @property
    def is_plain_sgd(self) -> bool:
        """Whether the rule is w ← w − η g and nothing else."""
        return False

    def formula(self) -> Rule:
        """Return the rule, a plain function (w, state) = rule(w, g, state, h)."""
        raise NotImplementedError

    def hyper(self, step: int) -> tuple[float, ...]:
        """Return the numbers h of the rule at `step`, counted from 0; always as many."""
        raise NotImplementedError

    def update(self, w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
        """Apply the rule: the new parameter and what is kept for it."""
        return self.formula()(w, g, state, h)

    def rate(self, step: int) -> float:
        """Return the learning rate at `step`, counted from 0."""
        if callable(self.learning_rate):
            return check_number(f"learning_rate({step})", self.learning_rate(step), 0.0)
        return self.learning_rate


def _check_truth(argument: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{argument} must be True or False, got {value!r} ({type(value).__name__})")


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
    >>> rule.update(1.0, 2.0, (3.0,), rule.hyper(step=0))
    (0.53, (4.7,))
    """

    _counts_steps: ClassVar[bool] = False
    learning_rate: float | Callable[[int], float] = 0.1
    _: KW_ONLY
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_truth("nesterov", self.nesterov)
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("momentum must be a number in (0, 1) where nesterov is True, got 0.0")

    @property
    def is_plain_sgd(self) -> bool:  # noqa: D102
        return self.momentum == 0.0 and self.weight_decay == 0.0

    def formula(self) -> Rule:  # noqa: D102
        if self.is_plain_sgd:
            return rules.sgd
        if self.momentum == 0.0:
            return rules.sgd_decay
        return rules.sgd_nesterov if self.nesterov else rules.sgd_momentum

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        rate = self.rate(step)
        return (rate,) if self.is_plain_sgd else (rate, self.momentum, self.weight_decay)


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

    _counts_steps: ClassVar[bool] = False
    learning_rate: float | Callable[[int], float] = 0.01
    _: KW_ONLY
    rho: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    weight_decay: float = 0.0

    def formula(self) -> Rule:  # noqa: D102
        return rules.rmsprop if self.momentum == 0.0 else rules.rmsprop_momentum

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

    _counts_steps: ClassVar[bool] = False
    learning_rate: float | Callable[[int], float] = 0.01
    _: KW_ONLY
    eps: float = 1e-10
    weight_decay: float = 0.0

    def formula(self) -> Rule:  # noqa: D102
        return rules.adagrad

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        return self.rate(step), self.eps, self.weight_decay


@dataclass(frozen=True)
class _Moments(Optimizer):
    """What the Adam family shares: two running means, corrected for their start at 0."""

    learning_rate: float | Callable[[int], float] = 1e-3
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def _corrected(self, step: int, rate: float, decay: float) -> tuple[float, ...]:
        correction1, correction2 = 1.0 - self.beta1 ** (step + 1), 1.0 - self.beta2 ** (step + 1)
        return rate / correction1, 1.0 - self.beta1, 1.0 - self.beta2, correction2**-0.5, self.eps, decay


@dataclass(frozen=True)
class Adam(_Moments):
    """Running means of the gradient and of its square, corrected for their start at 0 (Kingma and Ba, 2015).

    Parameters
    ----------
    learning_rate, weight_decay
        As for `SGD`.
    beta1, beta2 : float
        β₁ and β₂, the shares of the old means that stay at each step.
    eps : float
        ε, added to the root of the mean square.
    amsgrad : bool
        Whether the largest mean square so far takes the place of the present one (Reddi et al., 2018).
    """

    weight_decay: float = 0.0
    amsgrad: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_truth("amsgrad", self.amsgrad)

    def formula(self) -> Rule:  # noqa: D102
        return rules.amsgrad if self.amsgrad else rules.adam

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        return self._corrected(step, self.rate(step), self.weight_decay)


@dataclass(frozen=True)
class AdamW(_Moments):
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
        return rules.adamw

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        rate = self.rate(step)
        return self._corrected(step, rate, rate * self.weight_decay)


@dataclass(frozen=True)
class Adamax(_Moments):
    """Adam with the running maximum of |g| in place of the root of the mean square (Kingma and Ba, 2015).

    Parameters
    ----------
    learning_rate, beta1, beta2, eps, weight_decay
        As for `Adam`; ε is added to |g|.
    """

    learning_rate: float | Callable[[int], float] = 2e-3
    weight_decay: float = 0.0

    def formula(self) -> Rule:  # noqa: D102
        return rules.adamax

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
    Adam(learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, amsgrad=False)
    """
    return choose(argument, spec, OPTIMIZERS, Optimizer)
