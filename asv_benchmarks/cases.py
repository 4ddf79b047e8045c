"""The networks that are timed and tested: one table for peers.py, the asv benchmarks and the tests.

A `Task` is one call to be timed on one of them. To train ("fit" in one call, "step" by step), every implementation
starts from `Case.parameters`, meets the minibatches of `Case.data` in their order, EPOCHS times in a fit and once by
steps, by plain gradient descent at LEARNING_RATE, and must arrive at `Case.trained`. To go "forward", it keeps
`Case.parameters`, takes FORWARD_BLOCKS blocks of rows, and must give `Case.outputs`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[np.floating[Any]]

SEED = 0
SAMPLES, EPOCHS = 1024, 4  # of a fit; or a few samples more: whole minibatches
FORWARD_BLOCKS = 16
LEARNING_RATE = 0.05
DTYPES = ("float32", "float64")
CALLS = ("fit", "step", "forward")
ROWS = (1, 8, 64, 512)  # of a forward call, unless told otherwise


@dataclass(frozen=True)
class Case:
    """One network and its batch. `loss` is cross-entropy, so that delta^L = a - y with either output.

    `tolerance` bounds `Task.difference` of float32 weights: measured <= 6e-5, but 1e-3 (MKL) to 2e-2 (PyTorch, XLA)
    where many relu units stand near the corner, round-off decides for a few of them, and the later steps make more of
    it.
    """

    name: str
    sizes: tuple[int, ...]
    batch: int
    hidden: str
    output: str = "softmax"
    loss: str = "cross_entropy"
    tolerance: float = 1e-3

    @property
    def minibatches(self) -> int:
        """Minibatches of an epoch."""
        return -(-SAMPLES // self.batch)

    @property
    def flop(self) -> int:
        """Multiplications and additions of one step: three products a layer, but none for delta^0."""
        n_weights = self.weights_of_layers
        return 2 * self.batch * (3 * sum(n_weights) - n_weights[0])

    @property
    def weights_of_layers(self) -> list[int]:
        """n_in * n_out of each layer."""
        return [n_in * n_out for n_in, n_out in pairwise(self.sizes)]

    def parameters(self, dtype: DTypeLike) -> Floats:
        """W1 (rows), b1, W2, b2, ... in one flat array: normal(0, 1/sqrt(n_in)) weights, zero biases."""
        rng = np.random.default_rng(SEED)
        flat = np.zeros(sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.sizes)))
        for W, _ in self.layers(flat):
            W[:] = rng.standard_normal(W.shape) / np.sqrt(W.shape[1])
        return flat.astype(dtype)

    def layers(self, flat: Floats) -> list[tuple[Floats, Floats]]:
        """The views (W, b) of each layer into a flat array of parameters."""
        views, at = [], 0
        for n_in, n_out in pairwise(self.sizes):
            W = flat[at : at + n_out * n_in].reshape(n_out, n_in)
            views.append((W, flat[at + W.size : at + W.size + n_out]))
            at += W.size + n_out
        return views

    def data(self, dtype: DTypeLike, rows: int = 0) -> tuple[Floats, NDArray[np.int64], Floats]:
        """X (samples, n_0) in [0, 1), labels (samples,), and the labels one-hot (samples, n_L).

        There are FORWARD_BLOCKS blocks of `rows` samples; 0 stands for the minibatches.
        """
        rng = np.random.default_rng(SEED + 1)
        samples = FORWARD_BLOCKS * rows if rows else self.minibatches * self.batch
        n_classes = self.sizes[-1]
        X = rng.random((samples, self.sizes[0]), dtype=np.float32).astype(dtype)
        labels = rng.integers(0, n_classes, samples)
        return X, labels, (labels[:, None] == np.arange(n_classes)).astype(dtype)

    def trained(self, dtype: DTypeLike, epochs: int) -> Floats:
        """The parameters after so many epochs, in float64 NumPy, from start and data rounded to `dtype`."""
        X, _, Y = (array.astype(np.float64) for array in self.data(dtype))
        flat = self.parameters(dtype).astype(np.float64)
        for start in [*range(0, len(X), self.batch)] * epochs:
            self._step(flat, X[start : start + self.batch], Y[start : start + self.batch])
        return flat

    def outputs(self, dtype: DTypeLike, rows: int) -> Floats:
        """a^L of all blocks of `rows` samples, in float64 NumPy, from parameters and data rounded to `dtype`."""
        X, _, _ = self.data(dtype, rows)
        flat = self.parameters(dtype).astype(np.float64)
        return self._activations(self.layers(flat), X.astype(np.float64))[-1]

    def _activations(self, layers: list[tuple[Floats, Floats]], x: Floats) -> list[Floats]:
        activations = [x]
        for index, (W, b) in enumerate(layers, start=1):
            function = SIGMA[self.hidden if index < len(layers) else self.output]
            activations.append(function(activations[-1] @ W.T + b))
        return activations

    def _step(self, flat: Floats, x: Floats, y: Floats) -> None:
        layers = self.layers(flat)
        activations = self._activations(layers, x)
        delta = (activations.pop() - y) / len(x)
        for W, b in reversed(layers):
            a = activations.pop()
            delta_below = (delta @ W) * SIGMA_PRIME[self.hidden](a)
            W[:] -= LEARNING_RATE * (delta.T @ a)
            b[:] -= LEARNING_RATE * delta.sum(0)
            delta = delta_below

    def __str__(self) -> str:
        return f"{self.name} ({self.batch}) {self.hidden}"


@dataclass(frozen=True)
class Task:
    """One call to be timed: training by `fit` or `step`, or `forward` of `rows` rows."""

    case: Case
    call: str = "fit"
    dtype: str = "float32"
    threads: int = 1
    rows: int = 0

    @property
    def flop(self) -> int:
        """Multiplications and additions of one minibatch's step, or of one forward call."""
        return 2 * self.rows * sum(self.case.weights_of_layers) if self.call == "forward" else self.case.flop

    @property
    def epochs(self) -> int:
        """How often all minibatches are met."""
        return EPOCHS if self.call == "fit" else 1

    @property
    def calls(self) -> int:
        """Steps, or forward calls."""
        return FORWARD_BLOCKS if self.call == "forward" else self.epochs * self.case.minibatches

    @property
    def title(self) -> str:
        """The call and its network."""
        return f"{self.call} of {self.case}" if self.call != "forward" else f"forward of {self.rows} x {self.case.name}"

    def blocks(self) -> tuple[list[Floats], list[NDArray[np.int64]], list[Floats]]:
        """X, labels and one-hot labels in blocks, one for each of `calls`."""
        n = self.calls // self.epochs
        X, labels, Y = (self.epochs * np.split(array, n) for array in self.case.data(self.dtype, self.rows))
        return X, labels, Y

    def targets(self, labels: Any, one_hot: Any) -> Any:
        """Those of the two that the output is trained on: labels where it is softmax."""
        return labels if self.case.output == "softmax" else one_hot

    def expected(self) -> Floats:
        """What float64 NumPy arrives at: parameters after the steps, or outputs."""
        if self.call == "forward":
            return self.case.outputs(self.dtype, self.rows)
        return self.case.trained(self.dtype, self.epochs)

    def difference(self, result: Floats, expected: Floats) -> float:
        """Euclidean distance from `expected`, as a share of the outputs or of the way that training went.

        What is not a number counts as infinite.
        """
        start = 0.0 if self.call == "forward" else self.case.parameters(self.dtype)
        off = np.linalg.norm(result - expected) / np.linalg.norm(expected - start)
        return float(off) if np.isfinite(off) else float("inf")

    def within(self, difference: float) -> bool:
        """Whether a `difference` is round-off and no other work (float64: measured <= 3e-14)."""
        if self.dtype == "float64":
            return difference <= 1e-10
        return difference <= (OUTPUT_TOLERANCE if self.call == "forward" else self.case.tolerance)

    def request(self) -> dict[str, Any]:
        """As JSON can carry it to another process."""
        return {**asdict(self), "case": self.case.name}

    @classmethod
    def requested(cls, request: dict[str, Any]) -> Self:
        """The task that `request` was made of."""
        return cls(**{**request, "case": CASES[request["case"]]})


OUTPUT_TOLERANCE = 1e-5  # of float32 outputs: measured <= 1e-7


def _softmax(z: Floats) -> Floats:
    e: Floats = np.exp(z - z.max(1, keepdims=True))
    total: Floats = e.sum(1, keepdims=True)
    return e / total


SIGMA: dict[str, Callable[[Floats], Floats]] = {
    "sigmoid": lambda z: 0.5 * (1 + np.tanh(0.5 * z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "softmax": _softmax,
}
SIGMA_PRIME: dict[str, Callable[[Floats], Any]] = {  # of a = sigma(z)
    "sigmoid": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a * a,
    "relu": lambda a: a > 0,
}


def _table(*cases: Case) -> dict[str, Case]:
    return {case.name: case for case in cases}


# What peers.py times unless told otherwise.
COMPARED = _table(
    Case("784-30-10", (784, 30, 10), 10, "sigmoid", output="sigmoid"),
    Case("8-64-64-4", (8, 64, 64, 4), 64, "tanh"),
    Case("32-128-64-2", (32, 128, 64, 2), 256, "relu"),
    Case("784-128-10", (784, 128, 10), 32, "relu"),
    Case("784-256-10", (784, 256, 10), 128, "relu", tolerance=5e-2),
    Case("64-8x64-10", (64, *[64] * 8, 10), 64, "tanh"),
    Case("1024-2048-2048-1000", (1024, 2048, 2048, 1000), 512, "relu", tolerance=5e-2),
)
# Where a kernel tuned to the table above would show it: single samples, odd sizes, equal layers off the powers of two.
OTHERS = _table(
    Case("784-30-10-single", (784, 30, 10), 1, "sigmoid", output="sigmoid"),
    Case("17-37-23-5", (17, 37, 23, 5), 13, "tanh"),
    Case("5x300", (300,) * 6, 64, "relu", tolerance=1e-1),
)
CASES = COMPARED | OTHERS

# What the asv benchmarks follow from commit to commit: a small, a narrow, a wide and a deep network of those above.
WATCHED = tuple(CASES[name] for name in ("784-30-10", "8-64-64-4", "784-256-10", "5x300"))


def scaled(batch: int = 64, width: int = 128, depth: int = 3) -> Case:
    """A network of `depth` layers, all `width` wide but the last: one size is varied, the others stay as they are."""
    return Case(f"{depth}x{width}", (*[width] * depth, 10), batch, "relu")


# How cost grows with work: what is varied -> its values.
SCALES: dict[str, dict[int, Case]] = {
    "batch": {n: scaled(batch=n) for n in (1, 4, 16, 64, 256, 1024)},
    "width": {n: scaled(width=n) for n in (16, 32, 64, 128, 256, 512, 1024)},
    "depth": {n: scaled(depth=n) for n in (1, 2, 4, 8, 16)},
}

# Work for threads to share, by the millions of operations of a step.
WORK = {
    f"{case.flop / 1e6:.0f} MFLOP": case for case in (scaled(width=64), scaled(), scaled(256, 256), scaled(512, 512))
}
