"""Epochs that nobody is told of between: as many in one call as take some milliseconds."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any

import numpy as np

from fastbp.base.feeds import Feed
from fastbp.base.session import EpochsSession, within
from fastbp.canonical import FloatArray
from fastbp.history import History


def several_epochs(trainer: Any, feed: Feed, history: History, epoch: int, epochs: int) -> int:
    """Train for the epochs from number `epoch` on that one call takes, and return how many they were.

    It is 0 where the next epoch is to be trained by itself: where it is the trainer's first one, after which layers may
    be found dead, where it is long, or where code of the user's may look at what was learned before it.

    Raises
    ------
    DivergenceError
        If a loss or a parameter is no longer finite. The epochs before it are in the history.
    """
    orders, n, data = feed.orders, feed.n_samples, feed.samples()
    if orders is None or n is None or data is None or trainer.epochs == 0 or callable(trainer.optimizer.learning_rate):
        return 0
    start, state, measured = perf_counter(), None, np.empty((0, 5))

    def train(session: EpochsSession) -> None:
        nonlocal state, measured
        most = epochs - epoch + 1
        count = session.whole_epochs(n, trainer.batch_size, most) if hasattr(session, "epochs") else 0
        if count > 1:
            state = trainer.rng.bit_generator.state
            rows, measured = orders(count).ravel(), np.zeros((count, 5))
            session.epochs(data, rows, trainer.batch_size, measured)

    try:
        within(trainer._opened(), train)
    finally:  # also after Ctrl-C: what the parameters have learned is counted
        begun, whole = (int(np.count_nonzero(column)) for column in measured.T[[2, 4]])
        if begun < len(measured):  # as if no order had been drawn for the others
            trainer.rng.bit_generator.state = state
            orders(begun)
        if whole:
            trainer._count_epochs(history, _measures(trainer, measured[:whole], n, perf_counter() - start), whole)
    if whole < len(measured):
        loss_sum = float(measured[whole, 0])
        what = f"the loss is {loss_sum} in" if not math.isfinite(loss_sum) else "a parameter is not finite after"
        raise trainer._diverged(what, f"epoch {epoch + whole}/{epochs}")
    return whole


def _measures(trainer: Any, measured: FloatArray, n_samples: int, seconds: float) -> dict[str, list[float]]:
    """What the history gets of epochs that took so many seconds together."""
    means = measured[:, :2] / n_samples
    accuracy = {"accuracy": means[:, 1].tolist()} if trainer.network.classifies else {}
    return {"loss": means[:, 0].tolist(), **accuracy, "seconds": [seconds / len(measured)] * len(measured)}
