"""The schedules of cosines, public as `fastbp.schedules.CosineDecay` and `OneCycle`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastbp.checks import MANY, check_count, check_number, check_step, check_truth, keep, keep_counts, keep_from_0


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
        keep_from_0(self, "initial", "final")
        keep_counts(self, "period", "growth")
        keep(self, restarts=check_truth("restarts", self.restarts))

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        step = check_step(step)
        share = self._share(step) if self.restarts else min(step / self.period, 1.0)
        return _half_cosine(self.initial, self.final, share)

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
        keep_from_0(self, "peak")
        keep(self, total=check_count("total", self.total, 2, MANY))
        keep(
            self,
            warm=check_number("warm", self.warm, 0.0, 1.0, open_low=True, open_high=True),
            start=check_number("start", self.start, 0.0, open_low=True),
            final=check_number("final", self.final, 0.0, open_low=True),
        )

    def __call__(self, step: int) -> float:
        """Return η(step)."""
        step = check_step(step)
        first = self.peak / self.start
        last = self.total - 1
        top = self.warm * last
        if step <= top:
            return _half_cosine(first, self.peak, step / top)
        return _half_cosine(self.peak, first / self.final, min((step - top) / (last - top), 1.0))


def _half_cosine(begin: float, end: float, share: float) -> float:
    """The rate after a share of the way from one to another."""
    return end + 0.5 * (begin - end) * (1.0 + math.cos(math.pi * share))
