"""Callbacks: what is done at the begin, after each epoch, and at the end of a fit.

A callback is any object with some of the methods of `Callback`; those here are the usual ones. A learning rate that
follows the loss is a schedule and no callback: `fastbp.schedules.ReduceOnPlateau` is told of each epoch by itself.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fastbp.checks import check_count, check_name, check_number

EVENTS = ("on_train_begin", "on_epoch_end", "on_divergence", "on_train_end")
# Of these more is better, whatever stands before or after: val_accuracy, val_top_5, val_r2.
_MORE_IS_BETTER = ("accuracy", "top_", "r2")


class Callback:
    """The methods that a callback may have; these here do nothing.

    Examples
    --------
    >>> class PrintEveryTenth(Callback):
    ...     def on_epoch_end(self, trainer, epoch, logs):
    ...         if epoch % 10 == 0:
    ...             print(epoch, round(logs["loss"], 3))
    """

    def on_train_begin(self, trainer: Any) -> None:
        """Do what comes before training; parameters may be changed."""

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> bool | None:
        """Do what comes after an epoch.

        Parameters
        ----------
        trainer : Trainer
            Its network, optimizer state and history are current, to be read and not written.
        epoch : int
            Of this fit, counted from 1; ``trainer.epochs`` counts those of all fits.
        logs : mapping
            What `History` holds of the epoch.

        Returns
        -------
        bool or None
            True ends training, after the other callbacks have been called.
        """

    def on_divergence(self, trainer: Any, error: FloatingPointError) -> bool | None:
        """Take note of a loss that is not finite; True ends training in silence, else `error` is raised."""

    def on_train_end(self, trainer: Any) -> None:
        """Do what comes after training, after an error or Ctrl-C too; parameters may be changed."""


class LambdaCallback:
    """A callback of functions.

    Parameters
    ----------
    on_train_begin, on_epoch_end, on_divergence, on_train_end : callable, optional
        As the methods of `Callback`.

    Examples
    --------
    >>> stop_soon = LambdaCallback(on_epoch_end=lambda trainer, epoch, logs: logs["loss"] < 0.1)
    """

    def __init__(self, **functions: Callable[..., Any]) -> None:
        for event, function in functions.items():
            check_name("the event of a LambdaCallback", event, EVENTS)
            if not callable(function):
                raise TypeError(f"{event} must be a function, got {function!r}")
            setattr(self, event, function)


class _Best:
    """The best value of a monitored measure so far; NaN is never better."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be a name such as 'val_loss', got {monitor!r}")
        check_name("mode", mode, ("auto", "min", "max"))
        self.monitor = monitor
        rises = mode == "max" or (mode == "auto" and any(name in monitor for name in _MORE_IS_BETTER))
        self._sign = -1.0 if rises else 1.0
        self._min_delta = check_number("min_delta", min_delta, 0.0)
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._least = math.inf

    def improves(self, logs: Mapping[str, float]) -> bool:
        """Whether this epoch is the best, by more than min_delta."""
        if self.monitor not in logs:
            raise ValueError(f"monitor {self.monitor!r} is not measured, there are {', '.join(logs)}")
        value = self._sign * logs[self.monitor]
        better = value < self._least - self._min_delta
        if better:
            self._least = value
        return better


class EarlyStopping(Callback):
    """End training where a measure no longer improves, and bring the best parameters back.

    Parameters
    ----------
    monitor : str
        "val_loss", "loss", "val_accuracy", or "val_" and the name of a metric.
    patience : int
        Epochs without improvement that are borne.
    min_delta : float
        What is better by no more than this is no improvement.
    restore_best : bool
        Whether the network ends with the parameters of its best epoch, however training ends. The optimizer's state
        stays that of the last.
    mode : {"auto", "min", "max"}
        Whether less or more is better; "auto" takes more for accuracies, top_k and r2.

    Attributes
    ----------
    best_epoch : int
        The epoch of the best value, counted from 1; 0 if there was none.
    stopped_epoch : int
        The epoch after which this callback ended training; 0 if it did not.

    Examples
    --------
    >>> from fastbp.reference import Network, Trainer
    >>> X, Y = [[0.0], [1.0]], [0, 1]
    >>> trainer = Trainer(Network([1, 2], rng=0), rng=0)
    >>> stopping = EarlyStopping("loss", patience=2, min_delta=0.1)
    >>> len(trainer.fit(X, Y, epochs=1000, callbacks=[stopping]).loss) < 100
    True
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: str = "auto",
    ) -> None:
        self._best = _Best(monitor, mode, min_delta)
        self._patience = check_count("patience", patience, 0)
        self._restore_best = bool(restore_best)
        self._parameters: Any = None
        self.best_epoch = self.stopped_epoch = 0

    def on_train_begin(self, trainer: Any) -> None:  # noqa: ARG002, D102
        self._best.forget()
        self.best_epoch = self.stopped_epoch = 0

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> bool:  # noqa: D102
        if self._best.improves(logs):
            self.best_epoch = epoch
            self._parameters = trainer.network.parameters.copy() if self._restore_best else None
        stops = epoch - self.best_epoch > self._patience
        if stops:
            self.stopped_epoch = epoch
        return stops

    def on_train_end(self, trainer: Any) -> None:  # noqa: D102
        if self._parameters is not None:
            trainer.network.parameters[...] = self._parameters
        self._parameters = None


class ModelCheckpoint(Callback):
    """Save the trainer after each epoch, or after those that are the best so far.

    The file holds all that `Trainer.load` needs to go on; it is replaced as a whole, so that there is always one that
    can be read.

    Parameters
    ----------
    path : path-like
        Where to write; ``{epoch}`` in it stands for the count of epochs over all fits: "run-{epoch:03d}.safetensors".
    monitor : str
        As for `EarlyStopping`.
    best_only : bool
        Whether epochs that are not the best so far are left out.
    mode : {"auto", "min", "max"}
        As for `EarlyStopping`.

    Examples
    --------
    >>> keep_best = ModelCheckpoint("best.safetensors", monitor="val_accuracy", best_only=True)
    """

    def __init__(
        self, path: str | os.PathLike[str], monitor: str = "val_loss", best_only: bool = False, mode: str = "auto"
    ) -> None:
        self._path = os.fspath(path)
        self._best = _Best(monitor, mode)
        self._best_only = bool(best_only)

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002, D102
        if not self._best_only or self._best.improves(logs):
            trainer.save(self._path.format(epoch=trainer.epochs))


class CSVLogger(Callback):
    """Write a row of what was measured after each epoch, readable at once.

    Parameters
    ----------
    path : path-like
        The table; its columns are "epoch", counted over all fits, and those of `History`.
    append : bool
        Whether rows of an earlier fit stay, where there are any; else the table is new with every fit.

    Raises
    ------
    ValueError
        At the first epoch, if the table has other columns.

    Examples
    --------
    >>> log = CSVLogger("training.csv", append=True)
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self._path = Path(path)
        self._append = bool(append)
        self._columns: list[str] | None = None

    def on_train_begin(self, trainer: Any) -> None:  # noqa: ARG002, D102
        self._columns = None
        if not self._append:
            self._path.write_text("", encoding="utf-8")

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002, D102
        # Opened for each row: nothing stays open after an error, and the trainer's callbacks can be pickled.
        with self._path.open("a+", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if self._columns is None:
                self._columns = ["epoch", *logs]
                file.seek(0)
                header = next(csv.reader(file), None)
                if header is None:
                    writer.writerow(self._columns)
                elif header != self._columns:
                    raise ValueError(f"{self._path} has the columns {header}, expected {self._columns}")
            writer.writerow([trainer.epochs, *logs.values()])


class TerminateOnNaN(Callback):
    """End training without an error where the loss is no longer finite.

    Without this callback it is ended, too, by a FloatingPointError that names epoch, learning rate and a remedy.

    Attributes
    ----------
    error : FloatingPointError or None
        The error that there would have been.

    Examples
    --------
    >>> quiet = TerminateOnNaN()
    """

    def __init__(self) -> None:
        self.error: FloatingPointError | None = None

    def on_train_begin(self, trainer: Any) -> None:  # noqa: ARG002, D102
        self.error = None

    def on_divergence(self, trainer: Any, error: FloatingPointError) -> bool:  # noqa: ARG002, D102
        self.error = error
        return True


CALLBACKS: dict[str, type] = {
    callback.__name__: callback
    for callback in (EarlyStopping, ModelCheckpoint, CSVLogger, LambdaCallback, TerminateOnNaN)
}


def methods(callbacks: Iterable[Any]) -> list[list[Callable[..., Any]]]:
    """Return the methods of all callbacks, one list for each of the `EVENTS`."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a list of callbacks, got {callbacks!r}")
    callbacks = list(callbacks)
    for callback in callbacks:
        if isinstance(callback, type):
            raise TypeError(f"callbacks holds the class {callback.__name__}, expected an object: {callback.__name__}()")
        if not any(callable(getattr(callback, event, None)) for event in EVENTS):
            raise TypeError(f"callbacks holds {callback!r}, which has none of the methods {', '.join(EVENTS)}")
    return [[getattr(callback, event) for callback in callbacks if hasattr(callback, event)] for event in EVENTS]
