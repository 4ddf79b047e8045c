"""Schedules: the learning rate η(t) as a function of the step t.

A step is one update, with one minibatch. Steps count from 0 over all fits of a trainer, and an epoch of n samples has
ceil(n / batch_size) of them. An optimizer takes any function of the step as its ``learning_rate``; these are the usual
ones, and ``schedule(t)`` is η(t).

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

from fastbp.checks import check_count, check_number
from fastbp.plateau import ReduceOnPlateau

__all__ = ["SCHEDULES", "Constant", "CosineDecay", "ExponentialDecay", "InverseScaling", "OneCycle", "ReduceOnPlateau",
           "Schedule", "StepDecay", "WarmUp", "epoch_schedules"]

Schedule = Callable[[int], float]


def _at_least_zero(**numbers: float) -> None:
    for name, value in numbers.items():
        check_number(name, value, 0.0)


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
        _at_least_zero(value=self.value)

    def __call__(self, step: int) -> float:  # noqa: ARG002
        """Return η(step)."""
        return self.value


@dataclass(frozen=True)
class StepDecay:
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

    initial: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _at_least_zero(initial=self.initial, factor=self.factor)
        check_count("every", self.every)

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        return self.initial * self.factor ** (step // self.every)


@dataclass(frozen=True)
class ExponentialDecay:
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

    initial: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _at_least_zero(initial=self.initial, factor=self.factor)
        check_count("every", self.every)

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        return float(self.initial * self.factor ** (step / self.every))


@dataclass(frozen=True)
class CosineDecay:
    """Half a cosine, η(t) = final + ½ (initial − final) (1 + cos(π t / period)), with restarts if wanted [1]_.

    Parameters
    ----------
    initial : float
        Learning rate at the start of a period, 0 or more.
    period : int
        Optimizer steps of the first period.
    final : float
        Learning rate at the end of a period, 0 or more. Without restarts it stays after the first period.
    restarts : bool
        Whether a new period begins at `initial` after each period.
    growth : int
        Length of each new period as a multiple of the last one.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    With restarts it is PyTorch's ``CosineAnnealingWarmRestarts(T_0, T_mult, eta_min)``. Keras's argument ``alpha`` is
    final / initial. PyTorch's ``CosineAnnealingLR`` rises again after a period.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR, 2017.
       arXiv:1608.03983

    Examples
    --------
    >>> [round(CosineDecay(1.0, period=4)(step), 3) for step in (0, 2, 4, 5)]
    [1.0, 0.5, 0.0, 0.0]
    >>> [round(CosineDecay(1.0, period=4, restarts=True, growth=2)(step), 3) for step in (0, 2, 4, 8, 12)]
    [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    initial: float
    period: int
    final: float = 0.0
    restarts: bool = False
    growth: int = 1

    def __post_init__(self) -> None:
        _at_least_zero(initial=self.initial, final=self.final)
        check_count("period", self.period)
        check_count("growth", self.growth)

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        share = self._share(step) if self.restarts else min(step / self.period, 1.0)
        return self.final + 0.5 * (self.initial - self.final) * (1.0 + math.cos(math.pi * share))

    def _share(self, step: int) -> float:
        """Share of the period around `step` that is over, in [0, 1)."""
        period = self.period
        if self.growth == 1:
            return step % period / period
        while step >= period:
            step, period = step - period, period * self.growth
        return step / period


@dataclass(frozen=True)
class OneCycle:
    """One cycle: half a cosine from peak / start up to `peak`, another down to almost 0 [1]_.

    Parameters
    ----------
    peak : float
        Highest learning rate, 0 or more.
    total : int
        Optimizer steps of the whole cycle, 2 or more. The last rate stays afterwards.
    warm : float
        Share of the cycle in which the rate rises, between 0 and 1.
    start : float
        The first rate is peak / start.
    final : float
        The last rate is peak / (start · final).

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    The defaults are those of PyTorch's ``OneCycleLR``, where `warm` is ``pct_start``. The peak is at step
    warm · (total − 1), in PyTorch at step warm · total − 1. The momentum stays as it is, PyTorch changes it too.

    References
    ----------
    .. [1] L. N. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large learning
       rates", 2018. arXiv:1708.07120

    Examples
    --------
    >>> schedule = OneCycle(1.0, total=101, warm=0.5)
    >>> [round(schedule(step), 6) for step in (0, 25, 50, 100)]
    [0.04, 0.52, 1.0, 4e-06]
    """

    peak: float
    total: int
    warm: float = 0.3
    start: float = 25.0
    final: float = 1e4

    def __post_init__(self) -> None:
        _at_least_zero(peak=self.peak)
        check_count("total", self.total, 2)
        check_number("warm", self.warm, 0.0, 1.0, open_low=True, open_high=True)
        check_number("start", self.start, 0.0, open_low=True)
        check_number("final", self.final, 0.0, open_low=True)

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        first = self.peak / self.start
        last = self.total - 1
        top = self.warm * last
        if step <= top:
            return _half_cosine(first, self.peak, step / top)
        return _half_cosine(self.peak, first / self.final, min((step - top) / (last - top), 1.0))


def _half_cosine(begin: float, end: float, share: float) -> float:
    return end + 0.5 * (begin - end) * (1.0 + math.cos(math.pi * share))


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
        _at_least_zero(initial=self.initial, power=self.power)
        check_count("every", self.every)

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        return float(self.initial / (1.0 + step / self.every) ** self.power)


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
        if not callable(self.schedule):
            _at_least_zero(schedule=self.schedule)
        check_count("steps", self.steps)

    def __call__(self, step: int) -> float:
        """Return η(step)."""
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
