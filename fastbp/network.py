"""The network with compiled arithmetic."""

from __future__ import annotations

import numpy as np

from fastbp import canonical
from fastbp.base.network import BaseNetwork, Targets
from fastbp.canonical import FloatArray
from fastbp.compiled.inference import Bound
from fastbp.compiled.session import Session
from fastbp.regularization import Regularization


class Network(BaseNetwork):  # noqa: D101 (the base's, with its own first line)
    __doc__ = (
        (BaseNetwork.__doc__ or "")
        .replace("see its subclasses for the arithmetic", "its arithmetic is compiled")
        .replace("fastbp.reference import Network", "fastbp import Network")
    )

    # Made at the first call; no part of copies and pickles.
    _bound: Bound | None = None
    _session: Session | None = None
    _probes_inputs = True

    def _compiled(self) -> Bound:
        if self._bound is None:
            self._bound = Bound(self)
        return self._bound

    def _forward(self, X: FloatArray) -> FloatArray:
        a, finite = self._compiled().outputs(X)
        if not finite:
            canonical.samples(X, self.sizes[0], self.dtype)  # raises an error that names the number
        return a

    def _evaluate(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, int]:
        return self._compiled().evaluate(X, Y, weight)

    def _backprop(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, FloatArray]:
        if self._session is None:
            self._session = Session(self, self._compiled(), None, Regularization(), (), np.zeros(1, np.int64), None)
        with self._session as session:
            loss_sum, _, n = session.run((X, Y, weight), np.arange(X.shape[0]), X.shape[0])
            return loss_sum / n, session.gradient()
