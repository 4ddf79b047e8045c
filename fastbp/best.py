"""The best epoch so far, by a measure: what `EarlyStopping` and `ModelCheckpoint` watch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastbp.checks import check_name, check_number, shortened, shown
from fastbp.conversion import is_finite
from fastbp.exceptions import FormatError
from fastbp.metrics import better_if

MODES = ("auto", "min", "max")


class Best:
    """Best value of a measure so far. NaN is never better, nor is an epoch that leaves parameters that are not finite.

    Parameters
    ----------
    monitor : str
        Measure to watch.
    mode : {'auto', 'min', 'max'}
        Whether smaller or larger is better. With "auto", smaller is better for loss, mae and seconds, larger for
        accuracy, r2 and top_k, each with or without "val_". Other measures need "min" or "max".
    min_delta : float
        An improvement must be larger than this.

    Attributes
    ----------
    value : float
        Best value so far. It is NaN if there was none.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range.

    Examples
    --------
    >>> best = Best("val_accuracy", "auto")
    >>> best.value
    nan
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be a name such as 'val_loss', got {shown(monitor)}")
        check_name("mode", mode, MODES)
        self.monitor = monitor
        known = better_if(monitor) if mode == "auto" else mode
        if known is None:
            known_are = "loss, mae, seconds, accuracy, r2 and top_k"
            said = f"mode 'auto' is for {known_are}; for monitor {shown(monitor)}"
            raise ValueError(f"{said} say mode='min' or mode='max'")
        self._sign = -1.0 if known == "max" else 1.0
        self._min_delta = check_number("min_delta", min_delta, 0.0)
        self.value = math.nan

    def improves(self, trainer: Any, logs: Mapping[str, float]) -> bool:
        """Take note of an epoch and return whether it is better than the best so far by more than min_delta.

        Parameters
        ----------
        trainer : Trainer
            The trainer, whose parameters must be finite.
        logs : mapping of str to float
            Measures of the epoch.

        Returns
        -------
        bool
            Whether it is better.

        Raises
        ------
        ValueError
            If the measure is not there.

        Examples
        --------
        >>> from fastbp.reference import Network, Trainer
        >>> best, trainer = Best("loss", "min"), Trainer(Network([1, 2], rng=0))
        >>> best.improves(trainer, {"loss": 0.5}), best.improves(trainer, {"loss": 0.6})
        (True, False)
        """
        if self.monitor not in logs:
            raise ValueError(f"monitor {shown(self.monitor)} is not measured, there are {shortened(', '.join(logs))}")
        value = float(logs[self.monitor])
        least = math.inf if math.isnan(self.value) else self._sign * self.value
        better = self._sign * value < least - self._min_delta and are_finite(trainer)
        if better:
            self.value = value
        return better

    def state_dict(self) -> dict[str, Any]:
        """Return the measure, whether larger is better, and the best value.

        Returns
        -------
        dict of str to object
            State for `load_state_dict`.

        Examples
        --------
        >>> Best("loss", "min").state_dict()
        {'monitor': 'loss', 'rises': False, 'best': nan}
        """
        return {"monitor": self.monitor, "rises": self._sign < 0.0, "best": self.value}

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Go on from a state; return whether it is one of this measure.

        Parameters
        ----------
        state : mapping of str to object
            State from a file.

        Returns
        -------
        bool
            Whether the state is of this measure in this direction. Another one has no effect.

        Raises
        ------
        FormatError
            If the best value is not a number.

        Examples
        --------
        >>> best = Best("loss", "min")
        >>> best.load_state_dict({"monitor": "loss", "rises": False, "best": 0.25}), best.value
        (True, 0.25)
        """
        if (state.get("monitor"), state.get("rises")) != (self.monitor, self._sign < 0.0):
            return False
        value = state.get("best")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise FormatError(f"the best value of {shown(self.monitor)} in a checkpoint is {shown(value)}")
        self.value = float(value)
        return True


def are_finite(trainer: Any) -> bool:
    """Return whether all parameters of a trainer's network are finite.

    Parameters
    ----------
    trainer : Trainer
        The trainer.

    Returns
    -------
    bool
        Whether they are.

    Examples
    --------
    >>> from fastbp.reference import Network, Trainer
    >>> are_finite(Trainer(Network([1, 2], rng=0)))
    True
    """
    return is_finite(trainer.network.parameters)
