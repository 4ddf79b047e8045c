"""fastbp and its NumPy twin: one class each, two modules."""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import LEARNING_RATE, Floats, Task

from . import Job


def _network(module: Any, task: Task) -> Any:
    case = task.case
    net = module.Network(
        case.sizes, activation=case.hidden, output=case.output, loss=case.loss, dtype=np.dtype(task.dtype), rng=0
    )
    net.parameters[:] = case.parameters(task.dtype)
    return net


def _open(module: Any, task: Task) -> Job:
    import fastbp

    net = _network(module, task)
    if task.call == "forward":
        blocks, _, _ = task.blocks()

        def forward() -> list[Floats]:
            return [net.forward(x) for x in blocks]

        return Job(forward, lambda: np.concatenate(forward()))

    trainer = module.Trainer(
        net, optimizer=fastbp.SGD(learning_rate=LEARNING_RATE), batch_size=task.case.batch, shuffle=False,
        threads=task.threads, rng=0,
    )  # fmt: skip

    def parameters() -> Floats:
        # no method of `net.parameters`: that would hold a view, which each step would have to keep current
        copied: Floats = net.parameters.copy()
        return copied

    if task.call == "fit":
        X, labels, one_hot = task.case.data(task.dtype)
        Y = task.targets(labels, one_hot)
        return Job(lambda: trainer.fit(X, Y, epochs=task.epochs), parameters)

    blocks, labels, one_hot = task.blocks()
    minibatches = list(zip(blocks, task.targets(labels, one_hot), strict=True))

    def steps() -> None:
        for x, y in minibatches:
            trainer.step(x, y)

    return Job(steps, parameters)


def open_fastbp(task: Task) -> Job:
    """`fit` makes all steps of an epoch in one compiled call."""
    import fastbp

    return _open(fastbp, task)


def open_numpy(task: Task) -> Job:
    """The twin; its threads are those of NumPy's BLAS."""
    import fastbp.reference

    return _open(fastbp.reference, task)
