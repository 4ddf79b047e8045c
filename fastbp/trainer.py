"""The trainer with compiled arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from fastbp.base.trainer import BaseTrainer
from fastbp.canonical import FloatArray
from fastbp.compiled.session import Session
from fastbp.network import Network


class Trainer(BaseTrainer):  # noqa: D101 (the base's, with its own first line)
    __doc__ = (
        (BaseTrainer.__doc__ or "")
        .replace("see its subclasses for the arithmetic", "a whole epoch is one compiled call")
        .replace("from fastbp.reference import", "from fastbp import")
    )

    network: Network

    def _open(self, states: Sequence[FloatArray]) -> Session:
        network = self.network
        return Session(
            network, network._compiled(), self.optimizer, self.regularization, states, self._steps, self.threads
        )
