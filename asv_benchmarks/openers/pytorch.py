"""PyTorch, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from cases import LEARNING_RATE, Task
from torch.nn import functional

from . import Job

SIGMA = {
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "relu": torch.nn.ReLU,
    "softmax": lambda: torch.nn.Softmax(dim=1),
}


def _network(task: Task, output: list[Any]) -> Any:
    """The network up to z^L, and what `output` puts on top."""
    modules: list[Any] = []
    for W, b in task.case.layers(task.case.parameters(task.dtype)):
        linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=getattr(torch, task.dtype))
        linear.weight.data = torch.from_numpy(W.copy())
        linear.bias.data = torch.from_numpy(b.copy())
        modules += [linear, SIGMA[task.case.hidden]()]
    return torch.nn.Sequential(*modules[:-1], *output)


def _loss_of(task: Task, net: Any) -> Callable[[Any, Any], Any]:
    def loss(x: Any, y: Any) -> Any:
        if task.case.output == "softmax":
            return functional.cross_entropy(net(x), y)
        return functional.binary_cross_entropy_with_logits(net(x), y, reduction="sum") / task.case.batch

    return loss


def _open_steps(task: Task, compiled: bool) -> Job:
    net = _network(task, [])
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)  # on CPUs its `fused` form takes as long
    loss, update = _loss_of(task, net), optimizer.step
    if compiled:
        torch.compiler.reset()  # else its limit on recompilations ends compiling after eight cases
        loss, update = torch.compile(loss), torch.compile(optimizer.step)
    X, labels, one_hot = ([torch.from_numpy(block) for block in blocks] for blocks in task.blocks())
    minibatches = list(zip(X, task.targets(labels, one_hot), strict=True))

    def steps() -> None:
        for x, y in minibatches:
            optimizer.zero_grad()
            loss(x, y).backward()
            update()

    return Job(steps, lambda: np.concatenate([p.detach().numpy().ravel() for p in net.parameters()]))


def _open_forward(task: Task) -> Job:
    net = _network(task, [SIGMA[task.case.output]()]).eval()
    blocks = [torch.from_numpy(block) for block in task.blocks()[0]]

    def forward() -> list[Any]:
        with torch.inference_mode():
            return [net(x) for x in blocks]

    return Job(forward, lambda: torch.cat(forward()).numpy())


def open_torch(task: Task) -> Job:
    """Eager mode; a forward call is made in inference mode."""
    torch.set_num_threads(task.threads)
    return _open_forward(task) if task.call == "forward" else _open_steps(task, compiled=False)


def open_torch_compile(task: Task) -> Job:
    """Network, loss and their gradient compiled together, and the optimizer's step."""
    torch.set_num_threads(task.threads)
    return _open_steps(task, compiled=True)
