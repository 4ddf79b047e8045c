"""History: what a fit measured in each epoch."""

from __future__ import annotations

import csv
import math
import os
from collections import deque
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.checks import shortened, shown
from fastbp.paths import check_path

_ALWAYS = ("loss", "accuracy", "seconds", "val_loss", "val_accuracy")


class History(Mapping[str, NDArray[np.float64]]):
    """Losses, accuracies, metrics and times of the epochs of one fit.

    A measure is a list as an attribute, ``history.loss``, and an array as an item, ``history["loss"]``. The sum
    ``earlier + later`` has the epochs of two fits.

    Parameters
    ----------
    columns : mapping of str to sequence of float, optional
        Measures of epochs so far, by name.

    Attributes
    ----------
    loss : list of float
        Mean cost of the samples of an epoch, without penalties. Each cost is taken before the update of its minibatch.
    accuracy : list of float
        Share of those samples whose label was correct. It is empty unless the network classifies.
    seconds : list of float
        Time of an epoch in seconds, with validation. Short epochs that are trained together have equal parts of theirs.
    val_loss : list of float
        Mean cost of the validation data after an epoch. It is empty without validation data.
    val_accuracy : list of float
        Share of correct labels of the validation data after an epoch.
    val_... : list of float
        Each metric that `Trainer.fit` was asked for, of the validation data after an epoch.

    Raises
    ------
    TypeError
        If the columns are no lists of numbers by name.
    ValueError
        If two histories are added of which only one has some measure.

    Notes
    -----
    Keras's ``History.history`` is the property `history`. Keras's loss has the penalties in it.

    While another thread trains, `history`, `items`, `values`, sums, copies and `to_csv` have the same epochs in all
    columns. Two attributes or items that are read one after the other may differ by an epoch.

    Examples
    --------
    >>> history = History()
    >>> history.append({"loss": 0.5, "accuracy": 0.8, "seconds": 0.01})
    >>> history.history
    {'loss': [0.5], 'accuracy': [0.8], 'seconds': [0.01]}
    >>> (history + history)["loss"]
    array([0.5, 0.5])
    """

    loss: list[float]
    accuracy: list[float]
    seconds: list[float]
    val_loss: list[float]
    val_accuracy: list[float]

    def __init__(self, columns: Mapping[str, Iterable[float]] | None = None) -> None:
        columns = {} if columns is None else columns
        if not isinstance(columns, Mapping):
            raise TypeError(f"columns must be a dict of lists by name, got {shown(columns)}")
        vars(self).update({name: [] for name in _ALWAYS})
        for name, values in columns.items():
            vars(self)[name] = _numbers(name, values)

    @property
    def history(self) -> dict[str, list[float]]:
        """Copies of the lists that have values, by name: of one moment, also while another thread trains."""
        return {name: values for name, values in self._at_one_moment().items() if values}

    def _at_one_moment(self) -> dict[str, list[float]]:
        lists = {name: values for name, values in list(vars(self).items()) if isinstance(values, list)}
        # without Python code between two columns, as in `append`, so that no epoch is in some of them only
        return dict(zip(lists, list(map(list, lists.values())), strict=True))

    def __getstate__(self) -> Any:
        state: Any = super().__getstate__()  # with the slots that a class beneath may have
        kept, *slots = state if isinstance(state, tuple) else (state,)
        columns = {**kept, **self._at_one_moment()}
        return (columns, *slots) if slots else columns

    def append(self, logs: Mapping[str, float]) -> None:
        """Append the measures of one epoch to the lists.

        Parameters
        ----------
        logs : mapping of str to float
            Value of each measure. NaN stands for one that other epochs have and this one lacks, or the reverse.

        Raises
        ------
        TypeError
            If `logs` is no mapping.
        """
        if not isinstance(logs, Mapping):
            raise TypeError(f"logs must be a dict of numbers by name, got {shown(logs)}")
        self._extend(dict(zip(logs, zip(logs.values(), strict=True), strict=True)), 1)

    def _extend(self, measures: Mapping[str, Sequence[float]], epochs: int) -> None:
        """Append the measures of some epochs."""
        table, columns, measured = vars(self), [], []
        for name in measures:
            table.setdefault(name, [])
        for name, values in table.items():
            if isinstance(values, list) and (values or name in measures):
                columns.append(values)
                measured.append(measures[name] if name in measures else (math.nan,) * epochs)
        lengths = set(map(len, columns))
        if len(lengths) > 1:
            for values in columns:
                values.extend([math.nan] * (max(lengths) - len(values)))
        # without Python code between two columns, so that Ctrl-C leaves none longer than the others
        deque(map(list.extend, columns, measured), maxlen=0)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        values = vars(self).get(name)
        if not (isinstance(values, list) and values):
            raise KeyError(name)
        return np.array(list(values))

    def items(self) -> ItemsView[str, NDArray[np.float64]]:
        """Return names and arrays, all of one moment.

        Returns
        -------
        items view
            Name and array of each measure that has values.

        Examples
        --------
        >>> dict(History({"loss": [0.5, 0.25]}).items())
        {'loss': array([0.5 , 0.25])}
        """
        return {name: np.array(values) for name, values in self.history.items()}.items()

    def values(self) -> ValuesView[NDArray[np.float64]]:
        """Return the arrays, all of one moment.

        Returns
        -------
        values view
            Array of each measure that has values.

        Examples
        --------
        >>> list(History({"loss": [0.5, 0.25]}).values())
        [array([0.5 , 0.25])]
        """
        return dict(self.items()).values()

    def __iter__(self) -> Iterator[str]:
        return iter(self.history)

    def __len__(self) -> int:
        return len(self.history)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.history == other.history

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, later: Self) -> Self:
        if not isinstance(later, History):
            raise TypeError(f"a History can be added to a History, got {shown(later)}")
        first, then = self.history, later.history
        names = list(dict.fromkeys([*first, *then]))
        uneven = [name for name in names if (name in first) != (name in then)]
        if uneven and "loss" in first and "loss" in then:
            raise ValueError(f"only one of the two fits measured {shortened(', '.join(uneven))}")
        return type(self)({name: first.get(name, []) + then.get(name, []) for name in names})

    def __repr__(self) -> str:
        columns = self.history
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in columns.items())
        return f"History({len(columns.get('loss', []))} epochs{', the last one: ' if last else ''}{last})"

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a table with a header and one row per epoch, counted from 1.

        Parameters
        ----------
        path : str or path-like
            The file, which is replaced if it exists. A leading ~ stands for the home folder.

        Raises
        ------
        OSError
            If the file cannot be written.
        TypeError
            If `path` is neither text nor path-like.
        ValueError
            If the measures have different numbers of epochs, or are no numbers.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     History({"loss": [0.5, 0.25]}).to_csv(folder + "/history.csv")
        ...     print(Path(folder, "history.csv").read_text())
        epoch,loss
        1,0.5
        2,0.25
        """
        columns = table(self)
        rows: list[tuple[float, ...]] = [*zip(*(column.tolist() for column in columns.values()), strict=True)]
        with open(check_path(path), "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", *columns])
            writer.writerows([epoch, *row] for epoch, row in enumerate(rows, start=1))

    def plot(self, axes: Any = None) -> Any:
        """Draw loss, accuracy and each metric over the epochs, with matplotlib.

        Parameters
        ----------
        axes : matplotlib.axes.Axes or sequence of them, optional
            One for each measure. By default a new figure is made.

        Returns
        -------
        ndarray of matplotlib.axes.Axes
            The axes, one for each measure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `axes` are none of matplotlib.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> axes = History({"loss": [0.5, 0.25], "val_loss": [0.6, 0.4]}).plot(Figure().subplots())
        >>> axes[0].get_ylabel()
        'loss'
        """
        columns = self.history
        measures = list(dict.fromkeys(name.removeprefix("val_") for name in columns if name != "seconds"))
        if axes is None:
            from matplotlib import pyplot as plt

            width = 4.8 * max(len(measures), 1)
            _, axes = plt.subplots(1, max(len(measures), 1), figsize=(width, 3.6), layout="constrained")
        axes = np.atleast_1d(axes)
        if not all(hasattr(ax, "plot") for ax in axes.flat):
            raise TypeError(f"axes must be Axes of matplotlib, got {shown(axes)}")
        for ax, name in zip(axes, measures, strict=False):
            for label, key in (("training", name), ("validation", f"val_{name}")):
                values = columns.get(key, [])
                if values:
                    ax.plot(range(1, len(values) + 1), values, label=label)
            ax.set(xlabel="epoch", ylabel=name)
            ax.grid(alpha=0.3)
            ax.legend(frameon=False)
        return axes


def _numbers(name: Any, values: Any) -> list[float]:
    """The values of a column."""
    try:
        return [float(x) for x in values]
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"columns[{shown(name)}] must be a list of numbers, got {shown(values)}") from None


def table(history: History) -> dict[str, NDArray[np.float64]]:
    """Return the measures of a history as columns of one length.

    Parameters
    ----------
    history : History
        The history.

    Returns
    -------
    dict of str to ndarray
        A number for each epoch, by name.

    Raises
    ------
    ValueError
        If somebody put in a list of another length, or of what is no number.

    Examples
    --------
    >>> table(History({"loss": [0.5, 0.25]}))
    {'loss': array([0.5 , 0.25])}
    """
    columns = {}
    for name, values in history.history.items():
        try:
            column = np.array(values, np.float64)
        except (TypeError, ValueError, OverflowError):
            column = np.empty((0, 0))
        if column.ndim != 1:
            what = f"history.{shortened(name)} must be a list of numbers, one for each epoch"
            raise ValueError(f"{what}, got {shown(values)}")
        columns[name] = column
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise ValueError(f"the history must have a number for each epoch in every list: {shortened(found, 200)}")
    return columns
