"""Epochs that nobody is told of between: as many in one call as take a tenth of a second."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any

import numpy as np

from fastbp.base.feeds import Feed
from fastbp.base.session import MEASURES, EpochsSession, within
from fastbp.canonical import FloatArray
from fastbp.history import History


def several_epochs(trainer: Any, feed: Feed, history: History, epoch: int, epochs: int) -> int:
    """Train for the epochs from number `epoch` on that one call takes, and return how many they were.

    It is 0 where the next epoch is to be trained by itself: where it is the last one, or the trainer's first, after
    which layers may be found dead, where it is long, where code of the user's may look at what was learned before it,
    or where the order of its samples could not be drawn again.

    Raises
    ------
    DivergenceError
        If a loss or a parameter is no longer finite. The epochs before it are in the history.
    """
    if epoch == epochs or trainer.epochs == 0 or callable(trainer.optimizer.learning_rate):
        return 0
    orders, n, data, rng = feed.orders, feed.n_samples, feed.samples(), trainer.rng
    if orders is None or n is None or data is None:
        return 0
    session = trainer._opened()
    if not hasattr(session, "epochs") or (trainer.shuffle and not _is_numpys(rng)):
        return 0
    start, state, measured = perf_counter(), None, np.empty((0, MEASURES), np.float64)

    def train(session: EpochsSession) -> None:
        nonlocal state, measured
        count = session.whole_epochs(n, trainer.batch_size, epochs - epoch + 1)
        if count > 1:
            state = rng.bit_generator.state if trainer.shuffle else None
            rows, measured = orders(count).ravel(), np.zeros((count, MEASURES), np.float64)
            session.epochs(data, rows, trainer.batch_size, measured)

    try:
        within(session, train)
    finally:  # also after Ctrl-C: what the parameters have learned is counted
        begun, whole = int(np.count_nonzero(measured[:, 2])), int(np.count_nonzero(measured[:, 4]))
        if begun < len(measured) and state is not None:  # as if no order had been drawn for the others
            rng.bit_generator.state = state
            for _ in range(begun):
                rng.permutation(n)
        if whole:
            trainer._count_epochs(history, _measures(trainer, measured[:whole], n, perf_counter() - start), whole)
    if whole < len(measured):
        loss_sum = float(measured[whole, 0])
        what = f"the loss is {loss_sum} in" if not math.isfinite(loss_sum) else "a parameter is not finite after"
        raise trainer._diverged(what, f"epoch {epoch + whole}/{epochs}")
    return whole


def _is_numpys(rng: np.random.Generator) -> bool:
    """Whether the state of a generator can be set back: those of others may have none."""
    return type(rng.bit_generator).__module__.startswith("numpy.random")


def _measures(trainer: Any, measured: FloatArray, n_samples: int, seconds: float) -> dict[str, list[float]]:
    """What the history gets of epochs that took so many seconds together."""
    means = measured[:, :2] / n_samples
    accuracy = {"accuracy": means[:, 1].tolist()} if trainer.network.classifies else {}
    return {"loss": means[:, 0].tolist(), **accuracy, "seconds": [seconds / len(measured)] * len(measured)}
