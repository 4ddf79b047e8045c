"""The trainer with compiled arithmetic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastbp.base.trainer import BaseTrainer
from fastbp.checks import FloatArray
from fastbp.compiled.session import Session
from fastbp.network import Network


class Trainer(BaseTrainer):  # noqa: D101 (the base's, with its own first line)
    __doc__ = (
        (BaseTrainer.__doc__ or "")
        .replace("see its subclasses for the arithmetic", "a whole epoch is one compiled call")
        .replace("from fastbp.reference import", "from fastbp import")
    )

    network: Network

    def _open(
        self, X: FloatArray, Y: FloatArray | NDArray[np.int64], weight: FloatArray | None, batch_size: int | None = None
    ) -> Session:
        return Session(
            self.network,
            X,
            Y,
            weight,
            batch_size or self.batch_size,
            self.optimizer,
            self.optimizer_state,
            self.threads,
            self.rules,
        )
