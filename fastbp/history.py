"""What a fit measured, epoch by epoch."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class History:
    """Losses, accuracies and times of the epochs of one fit.

    Parameters
    ----------
    loss : list of float
        Mean over the epoch's samples of their costs, each before the update that its minibatch made.
    accuracy : list of float
        Share of those samples whose label was right; empty unless the network classifies.
    seconds : list of float
        Time the epoch took, validation included.
    val_loss, val_accuracy : list of float
        The same of the validation data, after the epoch; empty without them.

    Examples
    --------
    >>> history = History()
    >>> history.append({"loss": 0.5, "accuracy": 0.8, "seconds": 0.01})
    >>> history.history
    {'loss': [0.5], 'accuracy': [0.8], 'seconds': [0.01]}
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)

    @property
    def history(self) -> dict[str, list[float]]:
        """What was measured, by name."""
        return {name: values for name, values in vars(self).items() if values}

    def append(self, logs: dict[str, float]) -> None:
        """Add one epoch."""
        for name, value in logs.items():
            getattr(self, name).append(value)

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
        """Draw loss and, where there is one, accuracy over the epochs (needs matplotlib).

        Parameters
        ----------
        axes : sequence of matplotlib.axes.Axes, optional
            Where to draw, one for each of the two; new ones if absent.

        Returns
        -------
        ndarray of matplotlib.axes.Axes
        """
        import numpy as np

        measures = [name for name in ("loss", "accuracy") if self.history.get(name)]
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
