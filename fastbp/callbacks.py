"""Callbacks: actions at the start of a fit, after each epoch, and at the end.

A callback is any object with some of the methods of `Callback`. The usual ones are here. A learning rate that follows
the loss needs no callback: the trainer reports each epoch to a `fastbp.schedules.ReduceOnPlateau`. Keras has the same
methods with other arguments, ``on_epoch_end(epoch, logs)``, and counts epochs from 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastbp.best import Best
from fastbp.checks import check_count, check_name, check_truth, shown
from fastbp.events import EVENTS, Callback
from fastbp.exceptions import DivergenceError, FormatError
from fastbp.recorders import CSVLogger, ModelCheckpoint

__all__ = ["CALLBACKS", "EVENTS", "CSVLogger", "Callback", "EarlyStopping", "LambdaCallback", "ModelCheckpoint",
           "TerminateOnNaN"]


class LambdaCallback:
    """Callback made of functions.

    Parameters
    ----------
    **functions : callable
        Functions by the names of the methods of `Callback`: on_train_begin, on_epoch_end, on_checkpoint,
        on_divergence, on_train_end.

    Raises
    ------
    ValueError
        If a name is not one of those.
    TypeError
        If a value is not callable.

    Examples
    --------
    >>> stop_soon = LambdaCallback(on_epoch_end=lambda trainer, epoch, logs: logs["loss"] < 0.1)
    >>> stop_soon.on_epoch_end(None, 1, {"loss": 0.05})
    True
    """

    def __init__(self, **functions: Callable[..., Any]) -> None:
        for event, function in functions.items():
            check_name("the event of a LambdaCallback", event, EVENTS)
            if not callable(function):
                raise TypeError(f"{event} must be a function, got {shown(function)}")
            setattr(self, event, function)


class EarlyStopping(Callback):
    """End training when a measure stops improving, and restore the best parameters [1]_.

    Parameters
    ----------
    monitor : str
        Measure to watch: "val_loss", "loss", "val_accuracy", or "val_" and the name of a metric.
    patience : int
        Number of epochs without improvement after which training continues. It ends after the next such epoch.
    min_delta : float
        An improvement must be larger than this, in the unit of the measure.
    restore_best : bool
        Whether the network gets the parameters of the best epoch at the end, also after an error or Ctrl-C. The
        optimizer keeps its state of the last epoch.
    mode : {'auto', 'min', 'max'}
        Whether smaller or larger is better. With "auto", smaller is better for loss, mae and seconds, larger for
        accuracy, r2 and top_k, each with or without "val_". Other measures need "min" or "max".

    Attributes
    ----------
    best_epoch : int
        Epoch of the best value, counted from 1. It is 0 if there was none in this fit.
    stopped_epoch : int
        Epoch after which this callback ended training. It is 0 if it did not.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, if `mode` is "auto" for another measure, and after the first
        epoch if it has no measure `monitor`.

    Notes
    -----
    In a fit that goes on from a checkpoint, the best value and its parameters are those from before, and the epochs
    without improvement add up. Any other fit begins anew. Parameters that are not finite are never the best.

    With the same patience of 1 or more, Keras ends training one epoch earlier. Its ``restore_best_weights`` is False by
    default. Scikit-learn's ``n_iter_no_change`` counts as `patience` does.

    References
    ----------
    .. [1] L. Prechelt, "Early stopping - but when?", Neural Networks: Tricks of the Trade, 1998.
       doi:10.1007/3-540-49430-8_3

    Examples
    --------
    >>> from fastbp.reference import Network, Trainer
    >>> X, Y = [[0.0], [1.0]], [0, 1]
    >>> trainer = Trainer(Network([1, 2], rng=0), rng=0)
    >>> stopping = EarlyStopping("loss", patience=2, min_delta=0.1)
    >>> history = trainer.fit(X, Y, epochs=1000, callbacks=[stopping])
    >>> len(history.loss) == stopping.stopped_epoch == stopping.best_epoch + 3
    True
    """

    def __init__(
        self, monitor: str = "val_loss", patience: int = 10, min_delta: float = 0.0, restore_best: bool = True,
        mode: str = "auto",
    ) -> None:
        self._best = Best(monitor, mode, min_delta)
        self._patience = check_count("patience", patience, 0)
        self._restore_best = check_truth("restore_best", restore_best)
        self._parameters: Any = None
        self._waited = self.best_epoch = self.stopped_epoch = self._steps = 0
        self._runs = self._goes_on = False

    @property
    def best(self) -> float:
        """Best value of the measure, NaN if there was none."""
        return self._best.value

    def on_train_begin(self, trainer: Any) -> None:  # noqa: D102
        if not self._goes_on:
            self._best.value, self._waited, self._parameters = math.nan, 0, None
        own, kept = trainer.network.parameters, self._parameters
        if kept is not None and (kept.shape, kept.dtype) != (own.shape, own.dtype):
            found = f"{kept.shape} of {kept.dtype}, expected {own.shape} of {own.dtype}"
            raise FormatError(f"the best parameters in the checkpoint are {found}")
        self.best_epoch, self.stopped_epoch, self._steps = 0, 0, trainer.steps
        self._runs, self._goes_on = True, False

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> bool:  # noqa: D102
        if self._best.improves(trainer, logs):
            self.best_epoch, self._waited = epoch, 0
            self._parameters = trainer.network.parameters.copy() if self._restore_best else None
            return False
        self._waited += 1
        stops = self._waited > self._patience
        if stops:
            self.stopped_epoch = epoch
        return stops

    def on_train_end(self, trainer: Any) -> None:  # noqa: D102
        if self._parameters is not None and trainer.steps != self._steps:  # a fit that began has changed them
            trainer.network.parameters[...] = self._parameters
        self._parameters, self._runs = None, False

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, its parameters if they are to be restored, and how long ago it was.

        Returns
        -------
        dict of str to object
            State for `load_state_dict`. It is empty between fits.

        Examples
        --------
        >>> EarlyStopping().state_dict()
        {}
        """
        if not self._runs:
            return {}
        return {**self._best.state_dict(), "waited": self._waited, "parameters": self._parameters}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state in the next fit, unless it is that of another measure.

        Parameters
        ----------
        state : dict of str to object
            State from a file.

        Raises
        ------
        FormatError
            If the state is not one of this class.

        Examples
        --------
        >>> stopping = EarlyStopping("loss", mode="min")
        >>> state = {"monitor": "loss", "rises": False, "best": 0.25, "waited": 3, "parameters": None}
        >>> stopping.load_state_dict(state)
        >>> stopping.best
        0.25
        """
        waited, parameters = state.get("waited"), state.get("parameters")
        if type(waited) is not int or waited < 0 or not isinstance(parameters, (np.ndarray, type(None))):
            raise FormatError("the state of EarlyStopping in the checkpoint is damaged")
        if self._best.load_state_dict(state):
            self._waited, self._goes_on = waited, True
            self._parameters = parameters if self._restore_best else None


class TerminateOnNaN(Callback):
    """End training without an error when the loss is no longer finite.

    Training also ends without this callback, but by a `fastbp.DivergenceError` that names epoch, learning rate
    and a remedy.

    Attributes
    ----------
    error : DivergenceError or None
        The error that was not raised.

    Examples
    --------
    >>> import fastbp
    >>> quiet = TerminateOnNaN()
    >>> quiet.on_divergence(trainer=None, error=fastbp.DivergenceError("the loss is nan in epoch 3/10"))
    True
    >>> quiet.error
    DivergenceError('the loss is nan in epoch 3/10')
    """

    def __init__(self) -> None:
        self.error: DivergenceError | None = None

    def on_train_begin(self, trainer: Any) -> None:  # noqa: ARG002, D102
        self.error = None

    def on_divergence(self, trainer: Any, error: DivergenceError) -> bool:  # noqa: ARG002, D102
        self.error = error
        return True


CALLBACKS: dict[str, type] = {
    kind.__name__: kind for kind in (EarlyStopping, ModelCheckpoint, CSVLogger, LambdaCallback, TerminateOnNaN)
}
