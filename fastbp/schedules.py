"""Schedules: the learning rate η(t) as a function of the step t.

A step is one update, with one minibatch. Steps count from 0 over all fits of a trainer, and an epoch of n samples has
ceil(n / batch_size) of them. An optimizer takes any function of the step as its ``learning_rate``; these are the usual
ones, and ``schedule(t)`` is η(t), for an integer t of 0 or more.

Notes
-----
PyTorch's schedulers usually count epochs and are called by the user. Those of fastbp and Keras count steps, and the
trainer calls them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fastbp.checks import check_step, keep_counts, keep_from_0, refuse_class
from fastbp.cosine import CosineDecay, OneCycle
from fastbp.plateau import ReduceOnPlateau

__all__ = ["SCHEDULES", "Constant", "CosineDecay", "ExponentialDecay", "InverseScaling", "OneCycle", "ReduceOnPlateau",
           "Schedule", "StepDecay", "WarmUp", "epoch_schedules"]

Schedule = Callable[[int], float]


def _decayed(initial: float, factor: float, exponent: float) -> float:
    """initial · factor^exponent, where a rate of 0 stays 0."""
    return initial * _power(factor, exponent) if initial else 0.0


def _power(base: float, exponent: float) -> float:
    """base^exponent for a base of 0 or more, infinite where it is too large for a float."""
    try:
        return float(base**exponent)
    except OverflowError:
        return math.inf


@dataclass(frozen=True)
class Constant:
    """Constant learning rate, η(t) = value.

    Parameters
    ----------
    value : float
        Learning rate, 0 or more.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its kind or is out of range. The message names it.

    Examples
    --------
    >>> Constant(0.1)(1000)
    0.1
    """

    value: float

    def __post_init__(self) -> None:
        keep_from_0(self, "value")

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        check_step(step)
        return self.value


@dataclass(frozen=True)
class _Decay:
    initial: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        keep_from_0(self, "initial", "factor")
        keep_counts(self, "every")


@dataclass(frozen=True)
class StepDecay(_Decay):
    """Decay in steps, η(t) = initial · factor^⌊t / every⌋.

    Parameters
    ----------
    initial : float
        First learning rate, 0 or more.
    every : int
        Optimizer steps from one decay to the next.
    factor : float
        Factor of each decay, 0 or more.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    PyTorch calls it ``StepLR(step_size, gamma)``, Keras ``ExponentialDecay(staircase=True)``.

    Examples
    --------
    >>> [StepDecay(1.0, every=10, factor=0.5)(step) for step in (0, 9, 10, 25)]
    [1.0, 1.0, 0.5, 0.25]
    """

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        return _decayed(self.initial, self.factor, check_step(step) // self.every)


@dataclass(frozen=True)
class ExponentialDecay(_Decay):
    """Exponential decay, η(t) = initial · factor^(t / every).

    Parameters
    ----------
    initial : float
        First learning rate, 0 or more.
    every : int
        Optimizer steps in which the rate is multiplied by `factor`.
    factor : float
        Factor for each `every` steps, 0 or more.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    Keras has the arguments ``decay_steps`` and ``decay_rate``. PyTorch's ``ExponentialLR`` has ``every=1``.

    Examples
    --------
    >>> [ExponentialDecay(1.0, every=10, factor=0.25)(step) for step in (0, 5, 10)]
    [1.0, 0.5, 0.25]
    """

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        return _decayed(self.initial, self.factor, check_step(step) / self.every)


@dataclass(frozen=True)
class InverseScaling:
    """Decay by a power of the step, η(t) = initial / (1 + t / every)^power [1]_.

    Parameters
    ----------
    initial : float
        First learning rate, 0 or more.
    every : int
        Optimizer steps after which the rate is initial / 2^power.
    power : float
        Exponent, 0 or more.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    Scikit-learn's ``"invscaling"`` counts samples, and changes the rate once an epoch.

    References
    ----------
    .. [1] H. Robbins and S. Monro, "A stochastic approximation method", Annals of Mathematical Statistics 22, 1951.
       doi:10.1214/aoms/1177729586

    Examples
    --------
    >>> [InverseScaling(1.0, every=10, power=1.0)(step) for step in (0, 10, 30)]
    [1.0, 0.5, 0.25]
    """

    initial: float
    every: int = 1
    power: float = 0.5

    def __post_init__(self) -> None:
        keep_from_0(self, "initial", "power")
        keep_counts(self, "every")

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        return self.initial / _power(1.0 + check_step(step) / self.every, self.power)


@dataclass(frozen=True)
class WarmUp:
    """Linear warm-up, η(t) = η_0 (t + 1) / steps, then another schedule with the first rate η_0 [1]_.

    Parameters
    ----------
    schedule : float or callable
        Learning rate after the warm-up, or a schedule, which counts its own steps from the end of the warm-up.
    steps : int
        Optimizer steps of the warm-up.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its kind or is out of range. The message names it.

    References
    ----------
    .. [1] P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017. arXiv:1706.02677

    Examples
    --------
    >>> [WarmUp(0.8, steps=4)(step) for step in (0, 1, 3, 9)]
    [0.2, 0.4, 0.8, 0.8]
    """

    schedule: float | Schedule
    steps: int

    def __post_init__(self) -> None:
        refuse_class("schedule", self.schedule)
        if not callable(self.schedule):
            keep_from_0(self, "schedule")
        keep_counts(self, "steps")

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        step = check_step(step)
        then = self.schedule(max(step - self.steps, 0)) if callable(self.schedule) else self.schedule
        return then * min((step + 1) / self.steps, 1.0)


def epoch_schedules(rate: float | Schedule | None) -> Iterator[Any]:
    """Yield the schedules that have a method `on_epoch`: the rate itself, and those inside it.

    Parameters
    ----------
    rate : float or callable, optional
        Learning rate of an optimizer.

    Yields
    ------
    object
        Schedule to call with the loss of each epoch.

    Examples
    --------
    >>> plateau = ReduceOnPlateau(0.1)
    >>> list(epoch_schedules(WarmUp(plateau, steps=10))) == [plateau]
    True
    """
    while callable(rate):
        if hasattr(rate, "on_epoch"):
            yield rate
        rate = getattr(rate, "schedule", None)


SCHEDULES: dict[str, type] = {
    "constant": Constant,
    "step": StepDecay,
    "exponential": ExponentialDecay,
    "cosine": CosineDecay,
    "one_cycle": OneCycle,
    "inverse_scaling": InverseScaling,
    "warm_up": WarmUp,
    "reduce_on_plateau": ReduceOnPlateau,
}
