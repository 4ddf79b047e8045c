"""What trains on one data set: the protocol that the compiled and the NumPy half follow."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# What `Session.run` returns of part of an epoch.
Part = tuple[float, int, int]


class Session(Protocol):
    """Training on one data set, from `BaseTrainer._open` to `close`; it may keep parameters in a form of its own."""

    def run(self, rows: NDArray[np.int64], step: int) -> Part:
        """Train on consecutive minibatches of `rows`, the last of which may be smaller.

        Parameters
        ----------
        rows : ndarray of int64
            Rows of the data.
        step : int
            Updates that all fits of this trainer made before.

        Returns
        -------
        loss_sum : float
            Σ_s v_s C_s, each before the update that its minibatch makes.
        correct : int
            How many samples got the right label, likewise.
        samples : int
            len(rows).
        """

    def sync(self) -> None:
        """Make the network's parameters and the optimizer's state current."""

    def close(self) -> None:
        """Give back what the session holds."""
