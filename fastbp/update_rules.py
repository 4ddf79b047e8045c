"""The formulas of the optimizers: how one parameter w follows its gradient g, one row each in `UPDATE_RULES`.

A rule is a formula (w, state) = rule(w, g, state, h) for one parameter. `state` is the tuple of numbers that the rule
keeps for each parameter, all 0 at the start. `h` holds the numbers of this step, the same for all parameters; what
depends on the step alone is computed there, in float64. Formulas as in `fastbp.activations`. The classes that make `h`
stand in `fastbp.optimizers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

State = tuple[Any, ...]
Rule = Callable[[Any, Any, State, tuple[float, ...]], tuple[Any, State]]


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
