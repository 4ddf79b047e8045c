"""What holds a network back while it trains: penalties, dropout, limits of norms, clipping, smoothed labels.

A rule that changes each number of the gradient by itself is a row of `GRADIENT_RULES`: a formula that is compiled like
an optimizer's. The others need more than one number and are parts of the kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fastbp.checks import check_count, check_number

_LIMITS = ("max_norm", "clip_value", "clip_norm")
_SHARES = ("dropout", "label_smoothing")


# ------------------------------------------------------------------ rules of one number of the gradient
@dataclass(frozen=True)
class GradientRule:
    """g ← formula(g, w, c), c the number that the trainer was given by the rule's name.

    Parameters
    ----------
    formula : callable
        Of the gradient g of one parameter, the parameter w and the number c; as the formulas of `fastbp.activations`.
    biases : bool
        Whether the rule holds for biases, too.
    """

    formula: Callable[[Any, Any, Any], Any]
    biases: bool = False


def l2_penalty(g: Any, w: Any, c: Any) -> Any:
    """g + λ₂ w, the gradient of λ₂/2 w²."""
    return g + c * w


def l1_penalty(g: Any, w: Any, c: Any) -> Any:
    """g + λ₁ sign(w), the gradient of λ₁ |w|."""
    return g + c * np.sign(w)


def clip(g: Any, w: Any, c: Any) -> Any:  # noqa: ARG001
    """g between −c and c."""
    return np.minimum(np.maximum(g, -c), c)


#: By the name of the trainer's argument, in the order in which they are applied.
GRADIENT_RULES: dict[str, GradientRule] = {
    "l2": GradientRule(l2_penalty),
    "l1": GradientRule(l1_penalty),
    "clip_value": GradientRule(clip, biases=True),
}


# ------------------------------------------------------------------ all of a trainer's
@dataclass(frozen=True)
class Regularization:
    """Regularization and clipping of a trainer; the defaults do nothing.

    An update takes the gradient g of the data loss, applies `GRADIENT_RULES` (penalties, clipping by value), clips by
    norm, lets the optimizer follow, and limits the norms of the weights.

    Parameters
    ----------
    l1, l2 : float
        The penalties l1 Σ|w_ij| + l2/2 Σ w_ij² of all weights, without the biases, whatever the size of a minibatch.
    dropout : float
        Probability that a hidden neuron is dropped for one sample of one update (Srivastava et al., 2014).
    max_norm : float, optional
        After each update ‖w_i‖ <= max_norm for the incoming weights of every neuron (Srivastava et al., 2014).
    clip_value : float, optional
        Each number of the gradient lies in -clip_value..clip_value.
    clip_norm : float, optional
        The gradient of all weights and biases together has at most this norm (Pascanu et al., 2013).
    label_smoothing : float
        e in the targets (1 − e) y + e / n_L, on a lone output (1 − e) y + e / 2 (Szegedy et al., 2016).
    dropout_seed : int
        Seed of the random numbers that choose the dropped neurons, 0..2³² − 1.

    Raises
    ------
    TypeError, ValueError
        If one is not a number or out of its range; the message names both.

    Examples
    --------
    >>> Regularization(l2=1e-4, dropout=0.5)
    Regularization(l2=0.0001, dropout=0.5)
    """

    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0
    max_norm: float | None = None
    clip_value: float | None = None
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    dropout_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("l1", "l2", *_SHARES):
            high = 1.0 if name in _SHARES else math.inf
            object.__setattr__(self, name, check_number(name, getattr(self, name), 0.0, high, open_high=True))
        for name in _LIMITS:
            if getattr(self, name) is not None:
                number = check_number(name, getattr(self, name), 0.0, open_low=True)
                object.__setattr__(self, name, number)
        if check_count("dropout_seed", self.dropout_seed, 0) >= 2**32:
            raise ValueError(f"dropout_seed must be an integer < 2**32, got {self.dropout_seed}")

    @property
    def active(self) -> dict[str, float]:
        """The rules that do something, by name."""
        named = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in named.items() if value != default and name != "dropout_seed"}

    def gradient_rules(self, *, biases: bool) -> dict[str, float]:
        """Return the active rows of `GRADIENT_RULES` with their numbers, for weights or for biases."""
        active = self.active
        rows = GRADIENT_RULES.items()
        return {name: active[name] for name, rule in rows if name in active and (rule.biases or not biases)}

    def __repr__(self) -> str:
        return f"Regularization({', '.join(f'{name}={value!r}' for name, value in self.active.items())})"
