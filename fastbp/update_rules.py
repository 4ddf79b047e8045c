"""Update rules: how one parameter w follows its gradient g, one row each in `UPDATE_RULES`.

A rule is a formula (w, state) = rule(w, g, state, h) for one parameter. `state` is the tuple of numbers that the rule
keeps for each parameter. All of them are 0 at the start. `h` holds the numbers of one step, which are the same for all
parameters. What depends on the step alone is computed there, in float64. `Optimizer` is the base class of the classes
that compute `h`. Those are in `fastbp.optimizers`, and so are the sources.

Notes
-----
The symbols are the same in all rules: learning rate η, mean of gradients μ, mean of their squares ν, weight decay λ,
shares β, β₁, β₂ and ρ of the old mean, and ε, which keeps a denominator above 0. What may be used in a formula is said
in `fastbp.activations`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from fastbp.checks import check_number, check_step, keep, refuse_class

__all__ = ["HIGH", "UPDATE_RULES", "Optimizer", "Rule", "State"]

State = tuple[Any, ...]
Rule = Callable[[Any, Any, State, tuple[float, ...]], tuple[Any, State]]
# Each hyper-parameter lies in [0, high).
HIGH = {"momentum": 1.0, "rho": 1.0, "beta1": 1.0, "beta2": 1.0, "eps": math.inf, "weight_decay": math.inf}


@dataclass(frozen=True)
class Optimizer:
    """Base class of the optimizers.

    A subclass is a frozen dataclass of hyper-parameters. It has the methods `formula` and `hyper`.

    Parameters
    ----------
    learning_rate : float or callable
        Learning rate η, 0 or more, or a schedule η(t). A schedule is a function of the step t, which counts updates
        from 0 (see `fastbp.schedules`).

    Raises
    ------
    TypeError, ValueError
        If a hyper-parameter is not a number of its kind or is out of range. The message names it.

    See Also
    --------
    fastbp.optimizers.OPTIMIZERS : The optimizers that have a name.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from fastbp.update_rules import sgd
    >>> @dataclass(frozen=True)
    ... class Descent(Optimizer):
    ...     def formula(self):
    ...         return sgd
    ...
    ...     def hyper(self, step):
    ...         return (self.rate(step),)
    >>> rule = Descent(0.5)
    >>> rule.formula() is sgd, rule.hyper(step=0), rule.states
    (True, (0.5,), 0)
    """

    learning_rate: float | Callable[[int], float]

    # Whether `hyper` depends on the step beside the learning rate.
    _counts_steps: ClassVar[bool] = True

    def __post_init__(self) -> None:
        refuse_class("learning_rate", self.learning_rate)
        highs = HIGH if callable(self.learning_rate) else HIGH | {"learning_rate": math.inf}
        for name in [field.name for field in fields(self) if field.name in highs]:
            keep(self, **{name: check_number(name, getattr(self, name), 0.0, highs[name], open_high=True)})

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
        """Return the update rule.

        Returns
        -------
        callable
            Plain function ``(w, state) = rule(w, g, state, h)``, an entry of `UPDATE_RULES`.
        """
        raise NotImplementedError

    def hyper(self, step: int) -> tuple[float, ...]:
        """Return the numbers h of the rule at a step.

        Parameters
        ----------
        step : int
            Number of updates made before.

        Returns
        -------
        tuple of float
            Numbers h, equally many at every step.

        Raises
        ------
        TypeError, ValueError
            As `rate`.
        """
        raise NotImplementedError

    def update(self, w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
        """Apply the update rule to one parameter, or to arrays of them.

        Parameters
        ----------
        w : float or ndarray
            Parameter before the update.
        g : float or ndarray
            Gradient ∂C/∂w, of the shape of `w`.
        state : tuple of float or ndarray
            The `states` numbers that the rule keeps for each parameter. All are 0 before the first update.
        h : tuple of float
            Numbers of this step, from `hyper`.

        Returns
        -------
        w : float or ndarray
            Parameter after the update.
        state : tuple of float or ndarray
            Numbers to keep for the next update.

        Examples
        --------
        >>> from fastbp import SGD
        >>> rule = SGD(learning_rate=0.5)
        >>> rule.update(1.0, 2.0, (), rule.hyper(step=0))
        (0.0, ())
        """
        return self.formula()(w, g, state, h)

    def rate(self, step: int) -> float:
        """Return the learning rate η at a step.

        Parameters
        ----------
        step : int
            Number of updates made before.

        Returns
        -------
        float
            Learning rate, 0 or more.

        Raises
        ------
        TypeError, ValueError
            If `step` is not an integer of 0 or more, or the schedule returns anything but a finite number of 0 or more.

        Examples
        --------
        >>> from fastbp import SGD
        >>> SGD(lambda step: 1.0 / (step + 1)).rate(step=3)
        0.25
        """
        step = check_step(step)
        if callable(self.learning_rate):
            return check_number(f"learning_rate({step})", self.learning_rate(step), 0.0)
        return self.learning_rate


# ------------------------------------------------------------------ formulas
def sgd(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """w ← w − η g; h = (η,)."""
    return w - h[0] * g, state


def sgd_decay(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """w ← w − η (g + λ w); h = (η, β, λ)."""
    rate, _, decay = h
    return w - rate * (g + decay * w), state


def sgd_momentum(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """μ ← β μ + g + λ w; w ← w − η μ; h = (η, β, λ)."""
    rate, momentum, decay = h
    mu = momentum * state[0] + (g + decay * w)
    return w - rate * mu, (mu,)


def sgd_nesterov(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """g ← g + λ w; μ ← β μ + g; w ← w − η (g + β μ); h = (η, β, λ)."""
    rate, momentum, decay = h
    g = g + decay * w
    mu = momentum * state[0] + g
    return w - rate * (g + momentum * mu), (mu,)


def rmsprop(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """g ← g + λ w; ν ← ρ ν + (1 − ρ) g²; w ← w − η g / (√ν + ε); h = (η, 1 − ρ, ε, λ, β)."""
    rate, share, eps, decay, _ = h
    g = g + decay * w
    nu = state[0] + share * (g * g - state[0])
    return w - rate * g / (np.sqrt(nu) + eps), (nu,)


def rmsprop_momentum(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """g ← g + λ w; ν ← ρ ν + (1 − ρ) g²; μ ← β μ + g / (√ν + ε); w ← w − η μ; h = (η, 1 − ρ, ε, λ, β)."""
    rate, share, eps, decay, momentum = h
    nu, mu = state
    g = g + decay * w
    nu = nu + share * (g * g - nu)
    mu = momentum * mu + g / (np.sqrt(nu) + eps)
    return w - rate * mu, (nu, mu)


def adagrad(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """g ← g + λ w; ν ← ν + g²; w ← w − η g / (√ν + ε); h = (η, ε, λ)."""
    rate, eps, decay = h
    g = g + decay * w
    nu = state[0] + g * g
    return w - rate * g / (np.sqrt(nu) + eps), (nu,)


def adam(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """g ← g + λ w; μ ← β₁ μ + (1 − β₁) g; ν ← β₂ ν + (1 − β₂) g²; w ← w − η' μ / (√ν c + ε).

    h = (η', 1 − β₁, 1 − β₂, c, ε, λ) with η' = η / (1 − β₁ᵗ), c = 1 / √(1 − β₂ᵗ), t counted from 1.
    """
    rate, share1, share2, c, eps, decay = h
    mu, nu = state
    g = g + decay * w
    mu = mu + share1 * (g - mu)
    nu = nu + share2 * (g * g - nu)
    return w - rate * mu / (np.sqrt(nu) * c + eps), (mu, nu)


def amsgrad(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """As `adam` with ν̂ ← max(ν̂, ν) in the place of ν in the step; h as there."""
    rate, share1, share2, c, eps, decay = h
    mu, nu, largest = state
    g = g + decay * w
    mu = mu + share1 * (g - mu)
    nu = nu + share2 * (g * g - nu)
    largest = np.maximum(largest, nu)
    return w - rate * mu / (np.sqrt(largest) * c + eps), (mu, nu, largest)


def adamw(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """μ ← β₁ μ + (1 − β₁) g; ν ← β₂ ν + (1 − β₂) g²; w ← w − η λ w − η' μ / (√ν c + ε).

    h = (η', 1 − β₁, 1 − β₂, c, ε, η λ), η' and c as in `adam`.
    """
    rate, share1, share2, c, eps, decay = h
    mu, nu = state
    mu = mu + share1 * (g - mu)
    nu = nu + share2 * (g * g - nu)
    return w - decay * w - rate * mu / (np.sqrt(nu) * c + eps), (mu, nu)


def adamax(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """g ← g + λ w; μ ← β₁ μ + (1 − β₁) g; ν ← max(β₂ ν, |g| + ε); w ← w − η' μ / ν.

    h = (η', 1 − β₁, β₂, ε, λ) with η' = η / (1 − β₁ᵗ), t counted from 1.
    """
    rate, share1, beta2, eps, decay = h
    mu, nu = state
    g = g + decay * w
    mu = mu + share1 * (g - mu)
    nu = np.maximum(beta2 * nu, np.abs(g) + eps)
    return w - rate * mu / nu, (mu, nu)


def lion(w: Any, g: Any, state: State, h: tuple[float, ...]) -> tuple[Any, State]:
    """w ← w − η λ w − η sign(β₁ μ + (1 − β₁) g); μ ← β₂ μ + (1 − β₂) g; h = (η, 1 − β₁, 1 − β₂, η λ)."""
    rate, share1, share2, decay = h
    mu = state[0]
    direction = np.sign(mu + share1 * (g - mu))
    return w - decay * w - rate * direction, (mu + share2 * (g - mu),)


#: Every rule, and how many numbers it keeps for each parameter.
UPDATE_RULES: dict[Rule, int] = {
    sgd: 0, sgd_decay: 0, sgd_momentum: 1, sgd_nesterov: 1, rmsprop: 1, rmsprop_momentum: 2, adagrad: 1, adam: 2,
    amsgrad: 3, adamw: 2, adamax: 2, lion: 1,
}  # fmt: skip
