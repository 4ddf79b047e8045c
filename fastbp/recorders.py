"""Callbacks that write files, public in `fastbp.callbacks`: they are refused before training if they could not."""

from __future__ import annotations

import csv
import io
import math
import os
import warnings
from collections.abc import Mapping
from typing import Any

from fastbp.best import MODES, Best, are_finite
from fastbp.checks import check_name, check_truth, shortened, shown
from fastbp.events import Callback
from fastbp.exceptions import FormatError
from fastbp.kernels.runtime import whole_files
from fastbp.paths import PathTemplate, check_ending, check_path


class ModelCheckpoint(Callback):
    """Save the trainer after each epoch, or after each epoch that is the best so far.

    The file has all that `Trainer.load` needs to continue. It is replaced as a whole, so a complete file exists at any
    moment after the first save.

    Parameters
    ----------
    path : str or path-like
        File to write. ``{epoch}`` in it stands for the number of epochs over all fits, and the name of a measure for
        its value: "run-{epoch:03d}-{val_loss:.4f}.safetensors". Folders that are missing are made.
    monitor : str
        Measure to watch if `best_only`, as in `EarlyStopping`.
    best_only : bool
        Whether to save only epochs that are better than all before.
    mode : {'auto', 'min', 'max'}
        Whether smaller or larger is better, as in `EarlyStopping`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or unknown, if `path` ends as the names of files of another kind, if
        `best_only` and `mode` is "auto" for a measure that it does not know, and after the first epoch if a measure is
        not there.
    OSError
        Before training, if the file cannot be written; after an epoch, if it no longer can.

    Warns
    -----
    RuntimeWarning
        If the parameters are not finite. The file is then not written, and keeps what it has.

    Notes
    -----
    The best value is in the file. In a fit that goes on from it, or from that of another `ModelCheckpoint` in the same
    fit, a worse epoch does not replace a better file.

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

    writes = True

    def __init__(
        self, path: str | os.PathLike[str], monitor: str = "val_loss", best_only: bool = False, mode: str = "auto"
    ) -> None:
        self._path = PathTemplate(check_ending(path))
        self.saves_first = check_truth("best_only", best_only)
        # a monitor that is not looked at may be any
        check_name("mode", mode, MODES)
        self._best = Best(monitor, "min" if mode == "auto" and not self.saves_first else mode)
        self._due, self._before = False, math.nan
        self._last = ""  # file of the best epoch

    def on_train_begin(self, trainer: Any) -> None:  # noqa: ARG002, D102
        self._path.prepare()

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002, D102
        self._before = self._best.value
        self._due = not self.saves_first or self._best.improves(trainer, logs)
        if self._due:
            self._last = self._path.filled(trainer.epochs, logs)

    def on_checkpoint(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002, D102
        if not are_finite(trainer):
            message = f"parameters are not finite after epoch {trainer.epochs}: {shown(self._path.text)} is not written"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        elif self._due:
            try:
                os.makedirs(os.path.dirname(self._last) or os.curdir, exist_ok=True)
                trainer.save(self._last)
            except BaseException:
                self._best.value = self._before
                raise

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and the file that has it.

        Returns
        -------
        dict of str to object
            State for `load_state_dict`.

        Examples
        --------
        >>> ModelCheckpoint("run.safetensors", "loss", mode="min").state_dict()
        {'monitor': 'loss', 'rises': False, 'best': nan, 'path': ''}
        """
        return {**self._best.state_dict(), "path": self._last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state, unless it is that of another measure, or its file is no longer there.

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
        >>> ModelCheckpoint("run.safetensors", "loss").load_state_dict({"monitor": "val_loss", "path": ""})
        """
        last = state.get("path")
        if not isinstance(last, str) or "\0" in last:
            raise FormatError("the state of ModelCheckpoint in the checkpoint is damaged")
        if os.path.exists(last if self._path.has_fields else self._path.filled(0, {})):
            self._best.load_state_dict(state)


class CSVLogger(Callback):
    """Write the measures of each epoch as a row of a CSV file, complete after each epoch.

    Parameters
    ----------
    path : str or path-like
        The file, whose folder is made if it is missing. Its columns are "epoch", counted over all fits, and those of
        `History`.
    append : bool
        Whether to keep the rows of earlier fits. By default each fit starts a new file, unless it goes on from a
        checkpoint. The rows of epochs that are trained again are replaced then.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, and after the first epoch if the file has other columns.
    OSError
        Before training, if the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastbp.reference import Network, Trainer
    >>> trainer = Trainer(Network([1, 2], rng=0), rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLogger(folder + "/training.csv", append=True)
    ...     history = trainer.fit([[0.0], [1.0]], [0, 1], epochs=2, callbacks=[log])
    ...     Path(folder, "training.csv").read_text().splitlines()[0]
    'epoch,loss,accuracy,seconds'
    """

    writes = True

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self._path = check_path(path)
        self._append = check_truth("append", append)
        self._columns: list[str] | None = None
        self._goes_on = False

    def on_train_begin(self, trainer: Any) -> None:  # noqa: D102
        self._columns = None
        os.makedirs(os.path.dirname(self._path) or os.curdir, exist_ok=True)
        whole_files.target_of(self._path)
        with open(self._path, "a" if self._append or self._goes_on else "w", encoding="utf-8"):
            pass
        if self._goes_on:
            self._drop_rows_after(trainer.epochs)
            self._goes_on = False

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: D102
        # The file is opened for each row, so nothing stays open after an error and the callback can be pickled.
        strange = [] if self._columns is None else [name for name in logs if name not in self._columns]
        if strange:
            raise ValueError(
                f"{shortened(self._path)} has the columns {shown(self._columns)}, and epoch {epoch} has "
                f"{shown(strange[0])}, too"
            )
        with open(self._path, "a+", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if self._columns is None:
                columns = ["epoch", *logs]
                file.seek(0)
                header = next(csv.reader(file), None)
                if header is None:
                    writer.writerow(columns)
                elif header != columns:
                    where = shortened(self._path)
                    raise ValueError(f"{where} has the columns {shown(header)}, expected {shown(columns)}")
                self._columns = columns
            writer.writerow([trainer.epochs, *(logs.get(name, math.nan) for name in self._columns[1:])])

    def on_train_end(self, trainer: Any) -> None:  # noqa: ARG002, D102
        self._columns = None

    def state_dict(self) -> dict[str, Any]:
        """Return whether a fit has written rows.

        Returns
        -------
        dict of str to object
            State for `load_state_dict`. It is empty between fits.

        Examples
        --------
        >>> CSVLogger("training.csv").state_dict()
        {}
        """
        return {} if self._columns is None else {"columns": self._columns}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the rows that are there in the next fit.

        Parameters
        ----------
        state : dict of str to object
            State from a file.

        Examples
        --------
        >>> CSVLogger("training.csv").load_state_dict({"columns": ["epoch", "loss"]})
        """
        self._goes_on = bool(state)

    def _drop_rows_after(self, epoch: int) -> None:
        """Drop the rows of epochs that came after the checkpoint, and a row that a kill cut off."""
        with open(self._path, newline="", encoding="utf-8") as file:
            header, *rows = [*csv.reader(file)] or [[]]
        text = io.StringIO()
        kept = [row for row in rows if len(row) == len(header) and row[0].isdigit() and int(row[0]) <= epoch]
        csv.writer(text).writerows([header, *kept] if header else [])
        if kept != rows:
            whole_files.write_whole(self._path, [text.getvalue().encode()])
