"""Callbacks: actions at the start of a fit, after each epoch, and at the end.

A callback is any object with some of the methods of `Callback`. The usual ones are here. A learning rate that follows
the loss needs no callback: the trainer reports each epoch to a `fastbp.schedules.ReduceOnPlateau`. Keras has the same
methods with other arguments, ``on_epoch_end(epoch, logs)``, and counts epochs from 0.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastbp.checks import check_count, check_name, check_number, check_truth
from fastbp.events import EVENTS
from fastbp.metrics import better_if


class Callback:
    """Base class of callbacks, whose methods do nothing.

    Examples
    --------
    >>> class PrintEveryTenth(Callback):
    ...     def on_epoch_end(self, trainer, epoch, logs):
    ...         if epoch % 10 == 0:
    ...             print(epoch, round(logs["loss"], 3))
    >>> from fastbp.reference import Network, Trainer
    >>> trainer = Trainer(Network([1, 2], init="zeros"), "sgd")
    >>> history = trainer.fit([[0.0], [0.0]], [0, 1], epochs=10, callbacks=[PrintEveryTenth()])
    10 0.693
    """

    def on_train_begin(self, trainer: Any) -> None:
        """Act before the first epoch of a fit.

        Parameters
        ----------
        trainer : Trainer
            The trainer. The parameters of its network may be changed.
        """

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> bool | None:
        """Act after an epoch.

        Parameters
        ----------
        trainer : Trainer
            The trainer. Its network, optimizer state and history are current, and must not be changed.
        epoch : int
            Epoch of this fit, counted from 1. The attribute ``trainer.epochs`` counts over all fits.
        logs : mapping of str to float
            What `History` has of this epoch.

        Returns
        -------
        bool or None
            True ends training after the other callbacks have been called. Whatever is not True or False is ignored.
        """

    def on_divergence(self, trainer: Any, error: FloatingPointError) -> bool | None:
        """Act on a loss that is not finite.

        Parameters
        ----------
        trainer : Trainer
            The trainer.
        error : FloatingPointError
            Error that the fit is about to raise. It names epoch, learning rate and a remedy.

        Returns
        -------
        bool or None
            True ends training without the error. Whatever is not True or False is ignored.
        """

    def on_train_end(self, trainer: Any) -> None:
        """Act at the end of a fit, also after an error or Ctrl-C.

        Parameters
        ----------
        trainer : Trainer
            The trainer. The parameters of its network may be changed.
        """


class LambdaCallback:
    """Callback made of functions.

    Parameters
    ----------
    **functions : callable
        Functions by the names of the methods of `Callback`: on_train_begin, on_epoch_end, on_divergence, on_train_end.

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
                raise TypeError(f"{event} must be a function, got {function!r}")
            setattr(self, event, function)


class _Best:
    """Best value of a measure so far. NaN is never better."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be a name such as 'val_loss', got {monitor!r}")
        check_name("mode", mode, ("auto", "min", "max"))
        self.monitor = monitor
        known = better_if(monitor) if mode == "auto" else mode
        if known is None:
            known_are = "loss, mae, seconds, accuracy, r2 and top_k"
            raise ValueError(f"mode 'auto' is for {known_are}; for monitor {monitor!r} say mode='min' or mode='max'")
        self._sign = -1.0 if known == "max" else 1.0
        self._min_delta = check_number("min_delta", min_delta, 0.0)
        self.forget()

    def forget(self) -> None:
        """Start again without a best value."""
        self._least = math.inf

    def improves(self, logs: Mapping[str, float]) -> bool:
        """Whether this epoch is better than the best so far by more than min_delta."""
        if self.monitor not in logs:
            raise ValueError(f"monitor {self.monitor!r} is not measured, there are {', '.join(logs)}")
        value = self._sign * logs[self.monitor]
        better = value < self._least - self._min_delta
        if better:
            self._least = value
        return better


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
        Epoch of the best value, counted from 1. It is 0 if there was none.
    stopped_epoch : int
        Epoch after which this callback ended training. It is 0 if it did not.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, if `mode` is "auto" for another measure, and after the first
        epoch if it has no measure `monitor`.

    Notes
    -----
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
        self._best = _Best(monitor, mode, min_delta)
        self._patience = check_count("patience", patience, 0)
        self._restore_best = check_truth("restore_best", restore_best)
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
    """Save the trainer after each epoch, or after each epoch that is the best so far.

    The file has all that `Trainer.load` needs to continue. It is replaced as a whole, so a complete file exists at any
    moment after the first save.

    Parameters
    ----------
    path : str or path-like
        File to write. ``{epoch}`` in it stands for the number of epochs over all fits: "run-{epoch:03d}.safetensors".
    monitor : str
        Measure to watch if `best_only`, as in `EarlyStopping`.
    best_only : bool
        Whether to save only epochs that are better than all before.
    mode : {'auto', 'min', 'max'}
        Whether smaller or larger is better, as in `EarlyStopping`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or unknown, if `best_only` and `mode` is "auto" for a measure that it does not
        know, and after the first epoch if that has no measure `monitor`.
    OSError
        After an epoch, if the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from fastbp.reference import Network, Trainer
    >>> trainer = Trainer(Network([1, 2], rng=0), rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep_best = ModelCheckpoint(folder + "/best.safetensors", monitor="loss", best_only=True)
    ...     history = trainer.fit([[0.0], [1.0]], [0, 1], epochs=3, callbacks=[keep_best])
    ...     Trainer.load(folder + "/best.safetensors").epochs
    3
    """

    def __init__(
        self, path: str | os.PathLike[str], monitor: str = "val_loss", best_only: bool = False, mode: str = "auto"
    ) -> None:
        self._path = os.fspath(path)
        self._best_only = check_truth("best_only", best_only)
        # a monitor that is not looked at may be any
        self._best = _Best(monitor, "min" if mode == "auto" and not self._best_only else mode)

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002, D102
        if not self._best_only or self._best.improves(logs):
            trainer.save(self._path.format(epoch=trainer.epochs))


class CSVLogger(Callback):
    """Write the measures of each epoch as a row of a CSV file, complete after each epoch.

    Parameters
    ----------
    path : str or path-like
        The file. Its columns are "epoch", counted over all fits, and those of `History`.
    append : bool
        Whether to keep the rows of earlier fits. By default each fit starts a new file.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        After the first epoch, if the file has other columns.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from fastbp.reference import Network, Trainer
    >>> trainer = Trainer(Network([1, 2], rng=0), rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLogger(folder + "/training.csv", append=True)
    ...     history = trainer.fit([[0.0], [1.0]], [0, 1], epochs=2, callbacks=[log])
    ...     Path(folder, "training.csv").read_text().splitlines()[0]
    'epoch,loss,accuracy,seconds'
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self._path = Path(path)
        self._append = check_truth("append", append)
        self._columns: list[str] | None = None

    def on_train_begin(self, trainer: Any) -> None:  # noqa: ARG002, D102
        self._columns = None
        if not self._append:
            self._path.write_text("", encoding="utf-8")

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002, D102
        # The file is opened for each row, so nothing stays open after an error and the callback can be pickled.
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
    """End training without an error when the loss is no longer finite.

    Training also ends without this callback, but by a FloatingPointError that names epoch, learning rate and a remedy.

    Attributes
    ----------
    error : FloatingPointError or None
        The error that was not raised.

    Examples
    --------
    >>> quiet = TerminateOnNaN()
    >>> quiet.on_divergence(trainer=None, error=FloatingPointError("the loss is nan in epoch 3/10"))
    True
    >>> quiet.error
    FloatingPointError('the loss is nan in epoch 3/10')
    """

    def __init__(self) -> None:
        self.error: FloatingPointError | None = None

    def on_train_begin(self, trainer: Any) -> None:  # noqa: ARG002, D102
        self.error = None

    def on_divergence(self, trainer: Any, error: FloatingPointError) -> bool:  # noqa: ARG002, D102
        self.error = error
        return True


CALLBACKS: dict[str, type] = {
    kind.__name__: kind for kind in (EarlyStopping, ModelCheckpoint, CSVLogger, LambdaCallback, TerminateOnNaN)
}
