"""The schedule that follows the loss, public as `fastbp.schedules.ReduceOnPlateau`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fastbp.checks import check_count, check_number, check_real, check_step, keep_from_0


@dataclass
class ReduceOnPlateau:
    """Multiply the rate by `factor` after more than `patience` epochs without a fall of the loss.

    The trainer calls `on_epoch` with the validation loss of each epoch, or the training loss if there is none.

    Parameters
    ----------
    initial : float
        First learning rate, 0 or more.
    factor : float
        Factor of each reduction, in [0, 1).
    patience : int
        Epochs without a fall before a reduction, 0 or more.
    min_delta : float
        Share of the best loss by which a loss must be lower to count as a fall, 0 or more.
    lowest : float
        Lower bound of the rate, between 0 and `initial`.

    Attributes
    ----------
    rate : float
        Current learning rate.
    best : float
        Loss of the last fall, infinite before the first.
    waited : int
        Epochs since the last fall or reduction.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    It is PyTorch's ``ReduceLROnPlateau`` with its defaults, but for `eps`: small rates are reduced, too. Keras has an
    absolute `min_delta` and reduces one epoch earlier. All attributes are numbers, so a trainer from a
    file continues where it was saved.

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
        keep_from_0(self, "initial", "min_delta")
        self.lowest = check_number("lowest", self.lowest, 0.0, self.initial)
        self.factor = check_number("factor", self.factor, 0.0, 1.0, open_high=True)
        self.patience = check_count("patience", self.patience, 0)
        self.rate = self.initial

    def __call__(self, step: int) -> float:
        """Return the current rate, whatever the step is."""
        check_step(step)
        return self.rate

    def on_epoch(self, loss: float) -> None:
        """Reduce the rate if the loss of the last epoch ends a plateau.

        Parameters
        ----------
        loss : float
            Loss of an epoch. NaN does not count as a fall.

        Raises
        ------
        TypeError, ValueError
            If `loss` is not a number, or is beyond float64.
        """
        loss = check_real("loss", loss)
        if loss < self.best - self.min_delta * abs(self.best) or (self.best == math.inf and loss < math.inf):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.rate, self.waited = max(self.rate * self.factor, self.lowest), 0
