"""Schedules: the learning rate as a function of the step, which counts minibatches from 0 over all fits.

Any callable of the step serves as ``learning_rate``; these are the usual ones. Durations are counted in steps: an epoch
of n samples has ceil(n / batch_size) of them.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fastbp.checks import check_count, check_number

Schedule = Callable[[int], float]


def _positive(**numbers: float) -> None:
    for name, value in numbers.items():
        check_number(name, value, 0.0, open_low=True)


def _at_least_zero(**numbers: float) -> None:
    for name, value in numbers.items():
        check_number(name, value, 0.0)


@dataclass(frozen=True)
class Constant:
    """η(t) = value.

    Examples
    --------
    >>> Constant(0.1)(1000)
    0.1
    """

    value: float

    def __post_init__(self) -> None:
        _at_least_zero(value=self.value)

    def __call__(self, step: int) -> float:  # noqa: ARG002
        """Return the learning rate at `step`."""
        return self.value


@dataclass(frozen=True)
class StepDecay:
    """η(t) = initial · factor^⌊t / every⌋.

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
        """Return the learning rate at `step`."""
        return self.initial * self.factor ** (step // self.every)


@dataclass(frozen=True)
class ExponentialDecay:
    """η(t) = initial · factor^(t / every), without stairs.

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
        """Return the learning rate at `step`."""
        return float(self.initial * self.factor ** (step / self.every))


@dataclass(frozen=True)
class CosineDecay:
    """η(t) = final + ½ (initial − final) (1 + cos(π t / period)), then `final` (Loshchilov and Hutter, 2017).

    Parameters
    ----------
    initial, final : float
        Where a period starts and ends.
    period : int
        Steps of the first period.
    restarts : bool
        Whether the next period begins anew at `initial`.
    growth : int
        How many times longer than the last each new period is.

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
        """Return the learning rate at `step`."""
        share = self._share(step) if self.restarts else min(step / self.period, 1.0)
        return self.final + 0.5 * (self.initial - self.final) * (1.0 + math.cos(math.pi * share))

    def _share(self, step: int) -> float:
        """How much of the period that holds `step` is over, in [0, 1)."""
        period = self.period
        if self.growth == 1:
            return step % period / period
        while step >= period:
            step, period = step - period, period * self.growth
        return step / period


@dataclass(frozen=True)
class OneCycle:
    """Up by a half cosine from peak / 25 to `peak`, then down to almost 0 (Smith and Topin, 2018).

    Parameters
    ----------
    peak : float
        The highest learning rate.
    total : int
        Steps of the whole cycle; afterwards the last rate stays.
    warm : float
        The share of the cycle that goes up.
    start, final : float
        The rate begins at peak / start and ends at peak / (start · final).

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
        _positive(start=self.start, final=self.final)

    def __call__(self, step: int) -> float:
        """Return the learning rate at `step`."""
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
    """η(t) = initial / (1 + t / every)^power.

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
        """Return the learning rate at `step`."""
        return float(self.initial / (1.0 + step / self.every) ** self.power)


@dataclass(frozen=True)
class WarmUp:
    """A share (t + 1) / steps of another schedule (or rate) during the first `steps` steps, then that schedule.

    The other schedule counts its own steps from the end of the warm-up.

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
        """Return the learning rate at `step`."""
        then = self.schedule(max(step - self.steps, 0)) if callable(self.schedule) else self.schedule
        return then * min((step + 1) / self.steps, 1.0)


@dataclass
class ReduceOnPlateau:
    """Multiply the rate by `factor` where the loss has not fallen for more than `patience` epochs.

    Who trains calls `on_epoch` with the loss of each epoch; the rate at a step is what they left. All fields are plain
    numbers, so a saved schedule goes on where it was.

    Parameters
    ----------
    initial : float
        The first learning rate.
    factor : float
        What it is multiplied by.
    patience : int
        Epochs without a fall that are borne.
    min_delta : float
        The share of the best loss by which a loss must lie below it to count as a fall.
    lowest : float
        The rate does not go below.

    Examples
    --------
    >>> schedule = ReduceOnPlateau(1.0, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.on_epoch(loss)
    >>> schedule(step=1000)
    0.5
    """

    initial: float
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4
    lowest: float = 0.0
    rate: float = field(init=False)
    best: float = field(init=False, default=math.inf)
    waited: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        _at_least_zero(initial=self.initial, min_delta=self.min_delta, lowest=self.lowest)
        check_number("factor", self.factor, 0.0, 1.0, open_high=True)
        check_count("patience", self.patience, 0)
        self.rate = self.initial

    def __call__(self, step: int) -> float:  # noqa: ARG002
        """Return the learning rate at `step`: that of the current epoch."""
        return self.rate

    def on_epoch(self, loss: float) -> None:
        """Take note of the loss of an epoch that has ended; NaN counts as no fall."""
        if loss < self.best - self.min_delta * abs(self.best) or (self.best == math.inf and loss < math.inf):
            self.best, self.waited = float(loss), 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.rate, self.waited = max(self.rate * self.factor, self.lowest), 0


def epoch_schedules(rate: float | Schedule | None) -> Iterator[Any]:
    """Yield the schedules that want to know of epochs: the rate itself, or one within it.

    Examples
    --------
    >>> list(epoch_schedules(WarmUp(0.1, steps=10)))
    []
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
