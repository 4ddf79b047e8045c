"""The network with compiled arithmetic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastbp.base.network import BaseNetwork
from fastbp.checks import FloatArray
from fastbp.compiled import inference


class Network(BaseNetwork):  # noqa: D101 (the base's, with its own first line)
    __doc__ = (
        (BaseNetwork.__doc__ or "")
        .replace("see its subclasses for the arithmetic", "its arithmetic is compiled")
        .replace("fastbp.reference import Network", "fastbp import Network")
    )

    def _forward(self, X: FloatArray) -> FloatArray:
        return inference.outputs(self, X)

    def _loss(self, X: FloatArray, Y: FloatArray | NDArray[np.int64], weight: FloatArray | None) -> float:
        return inference.evaluate(self, X, Y, weight)[0]

    def _evaluate(
        self, X: FloatArray, Y: FloatArray | NDArray[np.int64], weight: FloatArray | None
    ) -> tuple[float, int]:
        return inference.evaluate(self, X, Y, weight)

    def _backprop(
        self, X: FloatArray, Y: FloatArray | NDArray[np.int64], weight: FloatArray | None
    ) -> tuple[float, FloatArray]:
        return inference.backprop(self, X, Y, weight)
