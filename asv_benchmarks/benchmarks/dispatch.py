"""What one call costs from Python when there is next to nothing to compute."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from cases import DTYPES, LEARNING_RATE
from numpy.typing import NDArray

from .common import SHAPES, Compiled, trainable


class Opened(NamedTuple):
    net: Any
    trainer: Any
    x: NDArray[Any]
    y: NDArray[Any]


@cache
def opened(shape: str, dtype: str) -> Opened:
    fastbp, case = trainable(), SHAPES[shape]
    net = fastbp.Network(case.sizes, activation=case.hidden, output=case.output, loss=case.loss, dtype=dtype, rng=0)
    X, _, Y = case.data(dtype)
    trainer = fastbp.Trainer(net, optimizer=fastbp.SGD(learning_rate=LEARNING_RATE), batch_size=1)
    return Opened(net, trainer, X[:1], Y[:1])


class OneRow(Compiled):
    params = (["784-30-10", "8-64-64-4"], list(DTYPES))
    param_names = ("shape", "dtype")

    def time_forward(self, shape, dtype):
        net, _, x, _ = opened(shape, dtype)
        net.forward(x)

    def time_predict(self, shape, dtype):
        net, _, x, _ = opened(shape, dtype)
        net.predict(x)

    def time_loss(self, shape, dtype):
        net, _, x, y = opened(shape, dtype)
        net.loss(x, y)

    def time_backprop(self, shape, dtype):
        net, _, x, y = opened(shape, dtype)
        net.backprop(x, y)

    def time_trainer_step(self, shape, dtype):
        _, trainer, x, y = opened(shape, dtype)
        trainer.step(x, y)
