"""The loop over samples of networks that are lists of layer objects with a forward and a backward call.

A face says how its layers are read and what one step is. The loop begins with these steps. Where the kernels pay, the
activations and the loss are recognised by their values, one step is made by both, and if the arrays agree the kernels
train the layers' own arrays in place. The last sample is always left to the objects: what they keep of it is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np

from fastbp.compat._core import Array, Clock, Engine, copies, rate_of, same_step, stacked

# Where two functions are compared: on both sides of 0, and at 0 itself.
_GRID = np.array([-3.1, -2.0, -1.0, -0.4, -0.01, 0.0, 0.02, 0.5, 1.0, 2.3, 3.2])
# Where two losses are compared, as shares of the way from a target to an output: cross-entropy ends at 0 and 1.
_PROBES = {"quadratic": (1.0, -30.0, -1.0, 1e-3, 0.3, 100.0), "cross_entropy": (1.0, 1e-3, 0.1, 0.5, 0.9)}
# How far derivatives and losses may be apart there, as a share of the largest.
_SLOPES_APART, _VALUES_APART = 1e-12, 1e-9
# Targets of as many samples are looked at.
_TARGETS = 8


class Affine:
    """A layer z = x W + b, or W x + b: its own arrays."""

    def __init__(self, W: Array, b: Array) -> None:
        self.W, self.b = W, b


class Function:
    """A layer of one function of each number, and its derivative; "softmax" is known by its name alone."""

    def __init__(self, function: Any, derivative: Any) -> None:
        self.function, self.derivative = function, derivative


Part = Affine | Function | None  # None: a layer of another kind


class Hypothesis:
    """What the objects are taken to be: arrays, names, and the loss as a multiple of fastbp's, once it is known."""

    def __init__(self, weights: list[Array], biases: list[Array], hidden: list[str], output: str) -> None:
        self.weights, self.biases, self.hidden, self.output = weights, biases, hidden, output
        self.loss, self.gradient_scale, self.loss_scale = "", 1.0, 1.0


class Objects:
    """A training loop of a face.

    Parameters
    ----------
    parts : sequence of Affine, Function or None
        Layers in their order.
    loss, loss_prime : callable
        Functions of a target and an output.
    rate : object
        Learning rate.
    columns : bool
        Whether samples are columns, and matrices (n_out, n_in).
    step : callable
        Function of x and y that makes one step by the objects and returns the output before it.
    """

    def __init__(
        self, parts: Sequence[Part], loss: Callable[[Any, Any], Any], loss_prime: Callable[[Any, Any], Any], rate: Any,
        columns: bool, step: Callable[[Any, Any], Any],
    ) -> None:
        self._parts, self._loss, self._loss_prime = parts, loss, loss_prime
        self._rate, self._columns, self._step = rate_of(rate), columns, step
        self._engine: Engine | None = None
        self._loss_scale = 1.0

    def run(self, x: Sequence[Any], y: Sequence[Any], epochs: int, report: Callable[[int, Any], None]) -> None:
        """Train on all samples one by one for some epochs; `report` is told number and summed loss of each."""
        n, at, error = len(x), 0, 0.0
        total = n * index(epochs)
        clock = Clock(total)
        clock.refused = self._rate is None
        samples: tuple[Array, Array] | None = None
        while at < total:
            if self._engine is None and clock.pays:
                clock.refused, samples = True, self._take_over(x, y)
            if self._engine is not None and samples is not None and total - at > 1:
                if at % n == 0 and total - 1 - at >= n:
                    losses, done = self._engine.epochs(*samples, np.arange(n), (total - 1 - at) // n)
                    for loss in losses.tolist():
                        report(at // n, loss * self._loss_scale)
                        at += n
                    if done < 0:
                        at, self._engine = at - 1 - done, None
                    continue
                stop = min(n, at % n + total - 1 - at)
                done, loss = self._engine.run(*samples, np.arange(n)[at % n : stop])
                error += loss * self._loss_scale
                self._engine = None if done < stop - at % n else self._engine
                at += done
            else:
                output = clock.step(self._step, x[at % n], y[at % n])
                error += self._loss(y[at % n], output)
                at += 1
            if at % n == 0 and at:
                report(at // n - 1, error)
                error = 0.0

    # ------------------------------------------------------------------ what the objects are
    def _take_over(self, x: Sequence[Any], y: Sequence[Any]) -> tuple[Array, Array] | None:
        """Samples as rows, and an engine for the layers' arrays, if it makes the first sample's step as they do."""
        found = hypothesis(self._parts)
        if found is None:
            return None
        n_in, n_out = found.weights[0].shape[0], found.weights[-1].shape[1]
        if self._columns:
            n_in, n_out = found.weights[0].shape[1], found.weights[-1].shape[0]
        X, Y = stacked(list(x), n_in), stacked(list(y), n_out)
        if X is None or Y is None or not (np.isfinite(X).all() and np.isfinite(Y).all()):
            return None
        if not self._one_of(np.shape(x[0]), n_in):
            return None
        try:
            if not self._agrees(found, X, Y, x[0], y[0]):
                return None
            self._engine = self._made(found.weights, found.biases, found)
        except (TypeError, ValueError):
            return None  # arrays that are none of a network
        self._loss_scale = found.loss_scale
        return X, Y

    def _one_of(self, shape: tuple[int, ...], n: int) -> bool:
        return shape == ((n, 1) if self._columns else (1, n))

    def _made(self, weights: list[Array], biases: list[Array], found: Hypothesis) -> Engine:
        return Engine(weights, biases, found.hidden, found.output, found.loss, columns=self._columns,
                      rate=(self._rate or 0.0) * found.gradient_scale, batch_size=1)

    def _agrees(self, found: Hypothesis, X: Array, Y: Array, x: Any, y: Any) -> bool:
        """Whether the loss is a multiple of a known one, and a step the same: made on copies, and taken back."""
        arrays = [*found.weights, *found.biases]
        before = copies(arrays)
        try:
            output = np.asarray(self._step(x, y))
            after = copies(arrays)
        finally:
            for array, old in zip(arrays, before, strict=True):
                array[...] = old
        some = Y[:: max(1, len(Y) // _TARGETS)].reshape(-1, *output.shape)
        if not known_loss(found, output, some, self._loss, self._loss_prime):
            return False
        trained, n = copies(before), len(found.weights)
        self._made(trained[:n], trained[n:], found).run(X[:1], Y[:1], np.arange(1))
        return all(same_step(old, one, other) for old, one, other in zip(before, trained, after, strict=True))


def hypothesis(parts: Sequence[Part]) -> Hypothesis | None:
    """The network that layers are, by the values of their functions; None where it is none of fastbp's."""
    weights, biases, names = list[Array](), list[Array](), list[str]()
    for part in parts:
        if isinstance(part, Affine):
            weights.append(part.W)
            biases.append(part.b)
            names.append("identity")
        elif part is None or not weights or names[-1] != "identity":
            return None
        else:
            name = known_function(part.function, part.derivative)
            if name is None:
                return None
            names[-1] = name
    if not weights or "softmax" in names[:-1]:
        return None
    return Hypothesis(weights, biases, names[:-1], names[-1])


def known_function(function: Any, derivative: Any) -> str | None:
    """The activation that two callables of z are, by their values, or None."""
    if function == "softmax":
        return "softmax"
    from fastbp.activations import ACTIVATIONS
    from fastbp.symbolic.derive import activation_derivative

    try:
        a, slope = np.asarray(function(_GRID.copy())), np.asarray(derivative(_GRID.copy()))
    except Exception:  # noqa: BLE001 - whatever a function of the user raises
        return None
    for name, known in ACTIVATIONS.items():
        value = known.function(_GRID)
        if np.shape(a) == _GRID.shape == np.shape(slope) and np.allclose(a, value, rtol=1e-13, atol=1e-15):
            expected = np.broadcast_to(activation_derivative(known)(_GRID, value), _GRID.shape)
            if np.allclose(slope, expected, rtol=1e-12, atol=1e-15):
                return name
    return None


def known_loss(
    found: Hypothesis, a: Array, targets: Array, loss: Callable[[Any, Any], Any], loss_prime: Callable[[Any, Any], Any],
) -> bool:
    """Whether loss and derivative are multiples of one of fastbp's; the hypothesis then has it.

    They are compared for each of some targets at outputs on the line through a target and the output `a`: with one
    output, any loss has the direction of any other at a single point.
    """
    from fastbp.losses import LOSSES
    from fastbp.symbolic.derive import loss_derivative

    for name, shares in _PROBES.items():
        # softmax with cross-entropy is another cost here, y ln a alone
        if (name, found.output) == ("cross_entropy", "softmax"):
            continue
        points = [(y, y + share * (a - y)) for y in targets for share in shares if np.any(a != y)]
        derivative = loss_derivative(LOSSES[name])
        with np.errstate(all="ignore"):
            compared = _compared(points, loss, loss_prime, LOSSES[name].cost, derivative)
            if compared is None:
                return False
            scale, loss_scale = _multiple(compared[0], _SLOPES_APART), _multiple(compared[1], _VALUES_APART)
        if scale and loss_scale:
            found.loss, found.gradient_scale, found.loss_scale = name, scale, loss_scale
            return True
    return False


def _compared(
    points: list[tuple[Array, Array]], loss: Callable[[Any, Any], Any], loss_prime: Callable[[Any, Any], Any],
    cost: Callable[[Any, Any], Any], derivative: Callable[[Any, Any], Any],
) -> tuple[list[tuple[Array, Array]], list[tuple[Array, Array]]] | None:
    """Derivatives, and losses, by the user's functions and by fastbp's; None if the user's fail."""
    try:
        slopes = [(np.asarray(loss_prime(y, p), np.float64), derivative(p, y)) for y, p in points]
        return slopes, [(np.asarray(float(loss(y, p))), np.sum(cost(p, y))) for y, p in points]
    except Exception:  # noqa: BLE001 - whatever a function of the user raises
        return None


def _multiple(pairs: Sequence[tuple[Array, Array]], apart: float) -> float:
    """The positive factor that all first arrays are of the second ones, but for rounding; 0 if there is none."""
    if not pairs or any(one.shape != np.shape(other) for one, other in pairs):
        return 0.0
    one, other = pairs[0]
    factor = float(np.sum(one * other) / np.sum(other * other))
    near = all(np.abs(one - factor * other).max() <= apart * np.abs(one).max() for one, other in pairs)
    return factor if near and math.isfinite(factor) and factor > 0.0 else 0.0
