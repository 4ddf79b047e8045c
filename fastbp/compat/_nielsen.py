"""The loop over minibatches of M. Nielsen's networks, and outputs of many samples at once.

Parameters are lists: weights (n_out, n_in), biases (n_out, 1). Samples are pairs (x (n_0, 1), y (n_L, 1)).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fastbp.compat._core import Array, Clock, Engine, close, overridden, rate_of, sigmoid, stacked

# The methods that the kernels stand for.
LOOP = ("update_mini_batch", "backprop", "feedforward")
COSTS = ("cross_entropy", "quadratic")
# Where a gradient is 0, as of neurons at their ends, that of each cost is the same.
_TELLS_APART = 1e-150


def sigmoid_prime(z: Any) -> Any:
    """Compute the derivative of `sigmoid`.

    Parameters
    ----------
    z : float or ndarray
        Weighted inputs.

    Returns
    -------
    float or ndarray
        Derivative at z.

    Examples
    --------
    >>> float(sigmoid_prime(0.0))
    0.25
    """
    return sigmoid(z) * (1 - sigmoid(z))


Names = Mapping[str, Any]


def in_place(names: Names) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """`sigmoid` and `sigmoid_prime` as they are among the names of a module now: users put others in their place."""
    function, slope = names["sigmoid"], names["sigmoid_prime"]
    if slope is sigmoid_prime and function is not sigmoid:  # it would call the new one there
        return function, lambda z: function(z) * (1 - function(z))
    return function, slope


# ------------------------------------------------------------------ one sample, one minibatch
def feedforward(net: Any, a: Array, names: Names) -> Array:
    """The output for one input."""
    function, _ = in_place(names)
    for w, b in zip(net.weights, net.biases, strict=True):
        a = function(np.dot(w, a) + b)
    return a


def drawn(sizes: Sequence[int]) -> tuple[list[Array], list[Array]]:
    """Biases, then weights from the normal distribution, by the stream of numbers that the book uses."""
    biases = [np.random.randn(n, 1) for n in sizes[1:]]  # noqa: NPY002
    return biases, [np.random.randn(n, m) for m, n in pairwise(sizes)]  # noqa: NPY002


def gradients(
    net: Any, x: Array, output_delta: Callable[[Array, Array], Array], names: Names
) -> tuple[list[Array], list[Array]]:
    """Derivatives by biases and weights of one sample's cost, whose δ^L is output_delta(z^L, a^L)."""
    outputs, sums, (function, slope) = [x], list[Array](), in_place(names)
    for w, b in zip(net.weights, net.biases, strict=True):
        sums.append(np.dot(w, outputs[-1]) + b)
        outputs.append(function(sums[-1]))
    delta = output_delta(sums[-1], outputs[-1])
    nabla_b, nabla_w = [delta], [np.dot(delta, outputs[-2].T)]
    for l in range(len(net.weights) - 2, -1, -1):
        delta = np.dot(net.weights[l + 1].T, delta) * slope(sums[l])
        nabla_b.insert(0, delta)
        nabla_w.insert(0, np.dot(delta, outputs[l].T))
    return nabla_b, nabla_w


def update(net: Any, mini_batch: Sequence[Any], eta: float, kept: float) -> None:
    """w ← kept w − η/m Σ_s ∂C_s/∂w, and biases without the factor, as new arrays."""
    sum_b = [np.zeros(b.shape) for b in net.biases]
    sum_w = [np.zeros(w.shape) for w in net.weights]
    for x, y in mini_batch:
        nabla_b, nabla_w = net.backprop(x, y)
        sum_b = [s + g for s, g in zip(sum_b, nabla_b, strict=True)]
        sum_w = [s + g for s, g in zip(sum_w, nabla_w, strict=True)]
    step = eta / len(mini_batch)
    net.weights = [kept * w - step * g for w, g in zip(net.weights, sum_w, strict=True)]
    net.biases = [b - step * g for b, g in zip(net.biases, sum_b, strict=True)]


# ------------------------------------------------------------------ many minibatches
class Descent:
    """One call of SGD: shuffled epochs of minibatches, in NumPy at first, then by the kernels where they pay.

    Parameters
    ----------
    net : object
        Network with lists `weights` and `biases`, which get new arrays at every update, and `backprop`.
    base : type
        The face's own class, whose methods the kernels stand for.
    training_data : iterable of (x, y)
        Training samples as given to SGD.
    epochs, batch_size : int
        As given to SGD.
    eta, lmbda : float
        Learning rate, and λ of the penalty λ/(2n) Σ w² of the weights.
    update : callable
        Function of a minibatch that makes the update in NumPy.

    Attributes
    ----------
    data : list of (x, y)
        Training samples in the order in which they were given.
    """

    def __init__(
        self, net: Any, base: type, training_data: Iterable[Any], epochs: int, batch_size: int, eta: Any, lmbda: Any,
        update: Callable[[list[Any]], None],
    ) -> None:
        self.data = data = list(training_data)
        shuffles = net.shuffles_callers_list and isinstance(training_data, list)
        self._callers: list[Any] | None = training_data if shuffles else None  # type: ignore[assignment]
        self._net, self._epochs, self._batch, self._update = net, epochs, batch_size, update
        self._rate, self._decay = rate_of(eta), rate_of(lmbda / len(data) if data else 0.0)
        # 0 and fractions are errors here, and nothing is trained on with less than 0, as in the book
        self._minibatches = len(range(0, len(data), batch_size))
        self._clock = Clock(epochs * self._minibatches)
        self._clock.refused = self._rate is None or self._decay is None or overridden(net, base, LOOP)
        self._engine: Engine | None = None
        self._samples: tuple[Array, Array] | None = None

    def epochs(self) -> Iterator[int]:
        """Train for all epochs, each in an order of `random.shuffle`, and yield the number of each."""
        order = list(range(len(self.data)))
        for epoch in range(self._epochs):
            random.shuffle(order)
            if self._callers is not None:
                self._callers[:] = [self.data[k] for k in order]
            self._train(order)
            yield epoch

    def _train(self, order: Sequence[int]) -> None:
        """Train on all minibatches of `order`."""
        done = 0
        while self._minibatches and done < len(order):
            if self._engine is None and self._clock.pays:
                self._take_over(order[done : done + self._batch])
            if self._engine is not None:
                done += self._run(order[done:])
                continue
            batch = [self.data[k] for k in order[done : done + self._batch]]
            self._clock.step(self._update, batch)
            done += self._batch

    def _take_over(self, first: Sequence[int]) -> None:
        """Have the kernels train, if they compute the gradient of the minibatch `first` as the network does."""
        net, batch = self._net, [self.data[k] for k in first]
        self._clock.refused = True
        sizes = [net.weights[0].shape[1], *(w.shape[0] for w in net.weights)]
        X = stacked([x for x, _ in self.data], sizes[0])
        Y = stacked([y for _, y in self.data], sizes[-1])
        if X is None or Y is None or not (np.isfinite(X).all() and np.isfinite(Y).all()):
            return
        parts = [[*nabla_w, *nabla_b] for nabla_b, nabla_w in (net.backprop(x, y) for x, y in batch)]
        mean = [sum(one) / len(batch) for one in zip(*parts, strict=True)]
        if max(np.abs(np.asarray(one)).max(initial=0.0) for one in mean) < _TELLS_APART:
            return
        rows = np.array(first)
        for loss in COSTS:
            try:
                engine = Engine(
                    [w.copy() for w in net.weights], [b.copy() for b in net.biases], "sigmoid", "sigmoid", loss,
                    columns=True, rate=self._rate or 0.0, batch_size=self._batch, l2=self._decay or 0.0,
                )
                gradient = engine.gradient(X[rows], Y[rows])
            except (TypeError, ValueError):
                continue  # arrays that are none of a network, or targets that this loss does not take
            if close(gradient, mean):
                self._engine, self._samples = engine, (X, Y)
                return

    def _run(self, order: Sequence[int]) -> int:
        """Train by the kernels and give the network new arrays; how many samples were trained on."""
        engine, samples = self._engine, self._samples
        assert engine is not None and samples is not None  # noqa: PT018
        try:
            network = engine.network
            for held, w in zip((*network.weights, *network.biases), (*self._net.weights, *self._net.biases),
                               strict=True):
                held[...] = w
            done, _ = engine.run(*samples, np.array(order))
        finally:
            self._net.weights = [w.copy() for w in engine.network.weights]
            self._net.biases = [b.copy() for b in engine.network.biases]
        if done < len(order):
            self._engine = None  # a loss that is not finite: as NumPy goes on from there
        return done

    def outputs(self, data: Sequence[Any]) -> Array | None:
        """a^L of samples as rows, by the kernels if they train; None if they do not."""
        if self._engine is None:
            return None
        X = self._samples[0] if data is self.data and self._samples is not None else stacked(
            [x for x, _ in data], self._engine.network.sizes[0])
        return None if X is None else self._engine.outputs(X)
