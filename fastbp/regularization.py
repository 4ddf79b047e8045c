"""What holds a network back while it trains: penalties, dropout, limits of norms, clipping, smoothed labels."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from fastbp.checks import check_count, check_number

_LIMITS = ("max_norm", "clip_value", "clip_norm")
_SHARES = ("dropout", "label_smoothing")


@dataclass(frozen=True)
class Rules:
    """Regularisation and clipping of a trainer; the defaults do nothing.

    An update takes the gradient g of the data loss, adds the penalties' l2 w + l1 sign(w) to that of the weights, clips
    by value, clips by norm, lets the optimizer follow, and limits the norms of the weights.

    Parameters
    ----------
    l1, l2 : float
        The penalties l1 Σ|w_ij| + l2/2 Σ w_ij² of all weights, biases left out, whatever the size of a minibatch.
    dropout : float
        Probability that a hidden neuron is silent for one sample of one update.
    dropout_seed : int
        Of the random numbers that choose the silent neurons, 0..2³² − 1.
    max_norm : float, optional
        After each update ‖w_i‖ <= max_norm for the incoming weights of every neuron.
    clip_value : float, optional
        Each number of the gradient lies in -clip_value..clip_value.
    clip_norm : float, optional
        The gradient of all weights and biases together has at most this norm.
    label_smoothing : float
        e in the targets (1 − e) y + e / n_L, on a lone output (1 − e) y + e / 2.

    Raises
    ------
    TypeError, ValueError
        If one is not a number or out of its range; the message names both.

    Examples
    --------
    >>> Rules(l2=1e-4, dropout=0.5)
    Rules(l2=0.0001, dropout=0.5)
    """

    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0
    dropout_seed: int = 0
    max_norm: float | None = None
    clip_value: float | None = None
    clip_norm: float | None = None
    label_smoothing: float = 0.0

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
    def changed(self) -> dict[str, float]:
        """The rules that do something, by name."""
        named = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in named.items() if value != default and name != "dropout_seed"}

    def __repr__(self) -> str:
        return f"Rules({', '.join(f'{name}={value!r}' for name, value in self.changed.items())})"
