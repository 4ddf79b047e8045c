"""What people write by hand: plain NumPy, and the textbook loops of `fastbp.kernels.loops` with NumPy between them."""

from __future__ import annotations

import numpy as np
from cases import LEARNING_RATE, SIGMA, SIGMA_PRIME, Floats, Task

from . import Job

Layers = list[tuple[Floats, Floats]]


# ---- NumPy
def _forward_numpy(task: Task, layers: Layers, x: Floats) -> list[Floats]:
    """a of layers 0..L."""
    activations = [x]
    for W, b in layers[:-1]:
        activations.append(SIGMA[task.case.hidden](activations[-1] @ W.T + b))
    W, b = layers[-1]
    return [*activations, SIGMA[task.case.output](activations[-1] @ W.T + b)]


def _step_numpy(task: Task, layers: Layers, x: Floats, y: Floats) -> None:
    *activations, output = _forward_numpy(task, layers, x)
    delta = (output - y) / len(x)
    for l in reversed(range(len(layers))):
        W, b = layers[l]
        a = activations[l]
        dW, db = delta.T @ a, delta.sum(axis=0)
        if l > 0:
            delta = (delta @ W) * SIGMA_PRIME[task.case.hidden](a)
        W -= LEARNING_RATE * dW
        b -= LEARNING_RATE * db


def open_numpy_plain(task: Task) -> Job:
    """Some twenty lines and no checks; its threads are those of NumPy's BLAS."""
    flat = task.case.parameters(task.dtype)
    layers = task.case.layers(flat)
    X, _, Y = task.blocks()
    if task.call == "forward":
        def forward() -> list[Floats]:
            return [_forward_numpy(task, layers, x)[-1] for x in X]

        return Job(forward, lambda: np.concatenate(forward()))

    def steps() -> None:
        for x, y in zip(X, Y, strict=True):
            _step_numpy(task, layers, x, y)

    return Job(steps, flat.copy)


# ---- loops
class Loops:
    """A network whose products are the three loops, on whole arrays; all else is NumPy.

    Buffers are made once for blocks of `rows` rows, as for a network that trains on minibatches of one size.
    """

    def __init__(self, task: Task, rows: int) -> None:
        self.hidden, self.output = task.case.hidden, task.case.output
        self.flat = task.case.parameters(task.dtype)
        self.layers = task.case.layers(self.flat)
        self.gradients = task.case.layers(np.empty_like(self.flat))
        self.z = [np.empty((rows, len(b)), task.dtype) for _, b in self.layers]
        self.delta = [np.empty((rows, W.shape[1]), task.dtype) for W, _ in self.layers]  # of each layer's inputs

    def forward(self, x: Floats) -> list[Floats]:
        """a of layers 0..L, the output in a new array."""
        from fastbp.kernels import loops

        activations = [x]
        for l, (W, b) in enumerate(self.layers, start=1):
            z = self.z[l - 1]
            loops.forward(z, W, b, activations[-1])
            activations.append(SIGMA[self.hidden if l < len(self.layers) else self.output](z))
        return activations

    def step(self, x: Floats, y: Floats) -> None:
        """One step of gradient descent."""
        from fastbp.kernels import loops

        *activations, output = self.forward(x)
        delta = (output - y) / len(x)
        for l in reversed(range(len(self.layers))):
            (W, b), (dW, db), a = self.layers[l], self.gradients[l], activations[l]
            loops.gradient(dW, db, delta, a)
            if l > 0:
                loops.backward(self.delta[l], delta, W, SIGMA_PRIME[self.hidden](a).astype(a.dtype, copy=False))
                delta = self.delta[l]
            W -= LEARNING_RATE * dW
            b -= LEARNING_RATE * db


def open_loops(task: Task) -> Job:
    """The textbook loops; their threads are Numba's."""
    X, _, Y = task.blocks()
    network = Loops(task, len(X[0]))
    if task.call == "forward":
        def forward() -> list[Floats]:
            return [network.forward(x)[-1] for x in X]

        return Job(forward, lambda: np.concatenate(forward()))

    def steps() -> None:
        for x, y in zip(X, Y, strict=True):
            network.step(x, y)

    return Job(steps, network.flat.copy)
