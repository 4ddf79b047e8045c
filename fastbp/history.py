"""What a fit measured, epoch by epoch."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_ALWAYS = ("loss", "accuracy", "seconds", "val_loss", "val_accuracy")


class History(Mapping[str, NDArray[np.float64]]):
    """Losses, accuracies, other measures and times of the epochs of one fit.

    As attributes they are lists; as a mapping, ``history["loss"]`` or ``dict(history)``, they are arrays; and
    ``earlier + later`` are the epochs of two fits.

    Parameters
    ----------
    columns : mapping of str to sequences of float, optional
        What was measured already, by name.

    Attributes
    ----------
    loss : list of float
        Mean over the epoch's samples of their costs, each before the update that its minibatch made; penalties are no
        part of it.
    accuracy : list of float
        Share of those samples whose label was right; empty unless the network classifies.
    seconds : list of float
        Time the epoch took, validation included.
    val_loss, val_accuracy : list of float
        The same of the validation data, after the epoch; empty without them.
    val_... : list of float
        Each of the metrics that the fit was given, of the validation data only.

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
        vars(self).update({name: [] for name in _ALWAYS})
        vars(self).update({name: [float(x) for x in values] for name, values in (columns or {}).items()})

    @property
    def history(self) -> dict[str, list[float]]:
        """What was measured, by name."""
        return {name: values for name, values in vars(self).items() if values}

    def append(self, logs: Mapping[str, float]) -> None:
        """Add one epoch."""
        for name, value in logs.items():
            vars(self).setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return np.array(self.history[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.history)

    def __len__(self) -> int:
        return len(self.history)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.history == other.history

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, later: Self) -> Self:
        names = list(dict.fromkeys([*self.history, *later.history]))
        uneven = [name for name in names if (name in self) != (name in later)]
        if uneven and self.loss and later.loss:
            raise ValueError(f"only one of the two fits measured {', '.join(uneven)}")
        return type(self)({name: getattr(self, name, []) + getattr(later, name, []) for name in names})

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.history.items())
        return f"History({len(self.loss)} epochs{', the last one: ' if last else ''}{last})"

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a table with one row an epoch, counted from 1.

        Parameters
        ----------
        path : path-like
            The file to write.
        """
        columns = self.history
        rows: Iterable[tuple[float, ...]] = zip(*columns.values(), strict=True)
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", *columns])
            writer.writerows([epoch, *row] for epoch, row in enumerate(rows, start=1))

    def plot(self, axes: Any = None) -> Any:
        """Draw loss, accuracy and metrics, as far as there are, over the epochs (needs matplotlib).

        Parameters
        ----------
        axes : sequence of matplotlib.axes.Axes, optional
            Where to draw, one for each of them; new ones if absent.

        Returns
        -------
        ndarray of matplotlib.axes.Axes
        """
        measures = list(dict.fromkeys(name.removeprefix("val_") for name in self.history if name != "seconds"))
        if axes is None:
            from matplotlib import pyplot as plt

            width = 4.8 * max(len(measures), 1)
            _, axes = plt.subplots(1, max(len(measures), 1), figsize=(width, 3.6), layout="constrained")
        axes = np.atleast_1d(axes)
        for ax, name in zip(axes, measures, strict=False):
            for label, key in (("training", name), ("validation", f"val_{name}")):
                values = self.history.get(key, [])
                if values:
                    ax.plot(range(1, len(values) + 1), values, label=label)
            ax.set(xlabel="epoch", ylabel=name)
            ax.grid(alpha=0.3)
            ax.legend(frameon=False)
        return axes
