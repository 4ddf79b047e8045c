"""What one public call costs: with next to nothing to compute, and on a minibatch."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from cases import DTYPES, LEARNING_RATE, Task
from numpy.typing import NDArray

from .common import SHAPES, Compiled, trainable


class Opened(NamedTuple):
    """A network with its trainer, and the samples of all minibatches."""

    net: Any
    trainer: Any
    X: NDArray[Any]
    Y: NDArray[Any]
    batches: list[tuple[NDArray[Any], NDArray[Any]]]


@cache
def opened(shape: str, dtype: str) -> Opened:
    fastbp, case = trainable(), SHAPES[shape]
    net = fastbp.Network(case.sizes, activation=case.hidden, output=case.output, loss=case.loss, dtype=dtype, rng=0)
    trainer = fastbp.Trainer(
        net, optimizer=fastbp.SGD(learning_rate=LEARNING_RATE), batch_size=case.batch, shuffle=False, rng=0
    )
    X, _, Y = case.data(dtype)
    blocks, _, targets = Task(case, dtype=dtype).blocks()
    return Opened(net, trainer, X, Y, list(zip(blocks, targets, strict=True)))


@cache
def samples(shape: str, dtype: str, rows: int) -> NDArray[Any]:
    X: NDArray[Any] = SHAPES[shape].data(dtype, rows)[0][:rows]
    return X


class OnShapes(Compiled):
    """Benchmarks of calls on the two smallest networks, where a call's own cost shows."""

    params = (["784-30-10", "8-64-64-4"], list(DTYPES))
    param_names = ("shape", "dtype")


class OneRow(OnShapes):
    def time_predict(self, shape, dtype):
        opened(shape, dtype).net.predict(samples(shape, dtype, 1))

    def time_loss(self, shape, dtype):
        net, _, X, Y, _ = opened(shape, dtype)
        net.loss(X[:1], Y[:1])

    def time_backprop(self, shape, dtype):
        net, _, X, Y, _ = opened(shape, dtype)
        net.backprop(X[:1], Y[:1])

    def time_trainer_step(self, shape, dtype):
        _, trainer, X, Y, _ = opened(shape, dtype)
        trainer.step(X[:1], Y[:1])


class Minibatch(OnShapes):
    def time_step(self, shape, dtype):
        _, trainer, _, _, batches = opened(shape, dtype)
        trainer.step(*batches[0])

    def time_backprop(self, shape, dtype):
        net, _, _, _, batches = opened(shape, dtype)
        net.backprop(*batches[0])

    def time_loss(self, shape, dtype):
        net, _, _, _, batches = opened(shape, dtype)
        net.loss(*batches[0])


class Epoch(OnShapes):
    """All minibatches in one fit: of arrays, once and several times, and one after the other from an iterable."""

    def time_fit(self, shape, dtype):
        _, trainer, X, Y, _ = opened(shape, dtype)
        trainer.fit(X, Y)

    def time_fit_of_epochs(self, shape, dtype):
        _, trainer, X, Y, _ = opened(shape, dtype)
        trainer.fit(X, Y, epochs=8)

    def time_fit_of_batches(self, shape, dtype):
        _, trainer, _, _, batches = opened(shape, dtype)
        trainer.fit(batches)


class Forward(Compiled):
    params = ([1, 8, 9, 64, 512], ["784-30-10", "8-64-64-4"], list(DTYPES))
    param_names = ("rows", "shape", "dtype")

    def time_forward(self, rows, shape, dtype):
        opened(shape, dtype).net.forward(samples(shape, dtype, rows))
