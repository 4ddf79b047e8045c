"""The same network and trainer in NumPy: an independent account of the arithmetic, for comparison and for reading.

Shapes: X (m, n_0), z and a of layer l (m, n_l), W (n_l, n_{l-1}), b (n_l,), δ (m, n_l).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastbp.activations import SOFTMAX
from fastbp.base.network import BaseNetwork, Views, layer_views
from fastbp.base.trainer import BaseTrainer
from fastbp.checks import FloatArray
from fastbp.symbolic.derive import activation_derivative, loss_derivative

Targets = FloatArray | NDArray[np.int64]
# 0 or 1/(1 − p) for the neurons of a hidden layer l and the samples of a minibatch, (m, n_l).
Silence = Callable[[int], FloatArray]


class Network(BaseNetwork):
    """A fully connected network whose arithmetic is NumPy's; parameters and methods are those of `fastbp.Network`.

    Examples
    --------
    >>> net = Network([2, 3, 2], activation="sigmoid", dtype=np.float64, rng=0)
    >>> gradients = net.backprop([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    >>> [dW.shape for dW in gradients.weights]
    [(3, 2), (2, 3)]
    """

    @np.errstate(all="ignore")
    def _forward(self, X: FloatArray) -> FloatArray:
        output: FloatArray = self.activations[-1].function(self._weighted_sums(X)[0][-1])
        return output

    @np.errstate(all="ignore")
    def _loss(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> float:
        return self._evaluate(X, Y, weight)[0]

    @np.errstate(all="ignore")
    def _evaluate(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, int]:
        loss_sum, correct = self._score(self._weighted_sums(X)[0][-1], self._targets(Y), weight)
        return loss_sum / X.shape[0], correct

    @np.errstate(all="ignore")
    def _backprop(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, FloatArray]:
        gradient = np.empty_like(self.parameters)
        y = self._targets(Y)
        z = self._gradient(X, y, weight, *layer_views(gradient, self.sizes))
        return self._score(z, y, weight)[0] / X.shape[0], gradient

    def _weighted_sums(
        self, X: FloatArray, silence: Silence | None = None
    ) -> tuple[list[FloatArray], list[FloatArray], list[FloatArray]]:
        """z_i = Σ_j w_ij a_j + b_i of layers 1..L, the a_j of layers 0..L-1 that came in, and what silenced them."""
        z: list[FloatArray] = []
        a, factors = [X], []
        for W, b, activation in zip(self.weights, self.biases, self.activations, strict=True):
            z.append(a[-1] @ W.T)
            z[-1] += b
            if len(z) < len(self.weights):
                a.append(activation.function(z[-1]))
                if silence is not None:
                    factors.append(silence(len(z)))
                    a[-1] = a[-1] * factors[-1]
        return z, a, factors

    def _gradient(
        self, X: FloatArray, y: FloatArray, weight: FloatArray | None, dW: Views, db: Views,
        silence: Silence | None = None,
    ) -> FloatArray:
        """∂C/∂w_ij = Σ_s δ_si a_sj and ∂C/∂b_i = Σ_s δ_si, written to dW and db; returns z^L."""
        z, a, factors = self._weighted_sums(X, silence)
        delta = self._output_delta(z[-1], y)
        delta = delta * (1.0 / X.shape[0] if weight is None else weight[:, np.newaxis] / X.shape[0])
        for l in reversed(range(len(dW))):
            np.matmul(delta.T, a[l], out=dW[l])
            delta.sum(axis=0, out=db[l])
            if l > 0:
                # δ_j = Σ_i w_ij δ_i σ'(z_j)
                delta = delta @ self.weights[l]
                activation = self.activations[l - 1]
                if factors:
                    delta *= factors[l - 1]
                    # a silent neuron's a is no longer σ(z)
                    a[l] = activation.function(z[l - 1])
                delta *= activation_derivative(activation)(z[l - 1], a[l])
        return z[-1]

    def _output_delta(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """δ_i^L = Σ_k ∂C/∂a_k ∂a_k/∂z_i of each sample's own cost: ∂C/∂a_i σ'(z_i) unless the output is softmax."""
        delta: FloatArray
        if self.pair is not None:
            delta = self.pair.delta(z, y)
            return delta
        a: FloatArray = self.activations[-1].function(z)
        dC: FloatArray = loss_derivative(self.loss_function)(a, y)
        if self.activations[-1] == SOFTMAX:
            # ∂a_k/∂z_i = a_k (1[i = k] − a_i)
            delta = a * (dC - np.sum(a * dC, axis=1, keepdims=True))
        else:
            delta = dC * activation_derivative(self.activations[-1])(z, a)
        return delta

    def _score(self, z: FloatArray, y: FloatArray, weight: FloatArray | None) -> tuple[float, int]:
        """Σ_s v_s C_s, summed in float64, and the number of right labels, from z^L."""
        a = self.activations[-1].function(z)
        costs = self.loss_function.cost(a, y) if self.pair is None else self.pair.cost(z, y)
        if weight is not None:
            costs = costs * weight[:, np.newaxis]
        return float(np.sum(costs, dtype=np.float64)), self.count_correct(a, y) if self.classifies else 0

    def _targets(self, Y: Targets) -> FloatArray:
        """Labels as rows of zeros with a one at their place; other targets as they are."""
        if Y.ndim == 2:
            return Y  # type: ignore[return-value]
        y = np.zeros((Y.shape[0], self.sizes[-1]), self.dtype)
        y[np.arange(Y.shape[0]), Y] = 1.0
        return y


class Trainer(BaseTrainer):
    """Minibatch training in NumPy; parameters and methods are those of `fastbp.Trainer`, `threads` has no effect.

    Examples
    --------
    >>> net = Network([1, 1], output="identity", loss="quadratic", rng=0)
    >>> trainer = Trainer(net, optimizer="sgd", batch_size=2, rng=0)
    >>> history = trainer.fit([[0.0], [1.0]], [[1.0], [3.0]], epochs=300)
    >>> net.predict([[2.0]]).round(2)
    array([[5.]], dtype=float32)
    """

    network: Network

    def _open(
        self, X: FloatArray, Y: Targets, weight: FloatArray | None, batch_size: int | None = None
    ) -> _Session:
        return _Session(self, X, Y, weight, batch_size or self.batch_size)


class _Session:
    """Training on one data set, on parameters and optimizer state of its own until `sync`."""

    def __init__(self, trainer: Trainer, X: FloatArray, Y: Targets, weight: FloatArray | None, batch_size: int) -> None:
        self._trainer, self._rules, self._optimizer = trainer, trainer.rules, trainer.optimizer
        self._network = trainer.network.copy()
        self._states = [state.copy() for state in trainer.optimizer_state]
        self._data = X, Y, weight
        self._batch_size = batch_size
        self._gradient = np.empty_like(self._network.parameters)
        self._dW, self._db = layer_views(self._gradient, self._network.sizes)

    @np.errstate(all="ignore")
    def run(self, rows: NDArray[np.int64], step: int) -> tuple[float, int, int]:
        network, size = self._network, self._batch_size
        X, Y, weight = self._data
        y = self._smooth(network._targets(Y[rows]))
        v = None if weight is None else weight[rows]
        z = np.empty_like(y)
        for k, start in enumerate(range(0, len(rows), size)):
            batch = slice(start, start + size)
            v_batch = None if v is None else v[batch]
            silence = self._silence(step + k, len(rows[batch]))
            z[batch] = network._gradient(X[rows[batch]], y[batch], v_batch, self._dW, self._db, silence)
            self._shape_gradient()
            self._follow_gradient(step + k)
            self._limit_weights()
        # The costs of all minibatches at once: small ones pay NumPy's time per call most of all.
        loss_sum, _ = network._score(z, y, v)
        a = network.activations[-1].function(z)
        return loss_sum, network.count_correct(a, Y[rows]) if network.classifies else 0, len(rows)

    def _smooth(self, y: FloatArray) -> FloatArray:
        """(1 − e) y + e / n, n the number of classes."""
        e = self._rules.label_smoothing
        return y if e == 0.0 else (1.0 - e) * y + e / (2 if self._network.is_binary else self._network.sizes[-1])

    def _silence(self, step: int, n_samples: int) -> Silence | None:
        rules, network = self._rules, self._network
        if rules.dropout == 0.0:
            return None

        def factors(l: int) -> FloatArray:
            speaks = kept(rules.dropout_seed, step, l, (n_samples, network.sizes[l]), rules.dropout)
            scaled: FloatArray = speaks * network.dtype.type(1.0 / (1.0 - rules.dropout))
            return scaled

        return factors

    def _shape_gradient(self) -> None:
        """Add the penalties' part, ∂/∂w (l1 |w| + l2/2 w²), and clip: each number, then the norm of all."""
        rules, g = self._rules, self._gradient
        for l, W in enumerate(self._network.weights):
            if rules.l2:
                self._dW[l][:] += rules.l2 * W
            if rules.l1:
                self._dW[l][:] += rules.l1 * np.sign(W)
        if rules.clip_value is not None:
            np.clip(g, -rules.clip_value, rules.clip_value, out=g)
        if rules.clip_norm is not None:
            norm = float(np.sqrt(np.sum(np.square(g, dtype=np.float64))))
            if norm > rules.clip_norm:
                g *= rules.clip_norm / norm

    def _follow_gradient(self, step: int) -> None:
        """Let all parameters and states follow the gradient (which is overwritten)."""
        optimizer, parameters, g = self._optimizer, self._network.parameters, self._gradient
        hyper = optimizer.hyper(step)
        if optimizer.plain:
            g *= hyper[0]
            parameters -= g
            return
        s, u = (*self._states, 0.0, 0.0)[:2]
        parameters[...], *states = optimizer.update(parameters, g, s, u, hyper)
        for state, new_state in zip(self._states, states, strict=False):
            state[...] = new_state

    def _limit_weights(self) -> None:
        """w_ij ← w_ij max_norm / ‖w_i‖ for each neuron whose weights are longer."""
        if self._rules.max_norm is None:
            return
        for W in self._network.weights:
            norm = np.sqrt(np.sum(W * W, axis=1, keepdims=True))
            W[:] *= np.where(norm > self._rules.max_norm, self._rules.max_norm / norm, 1.0)

    def sync(self) -> None:
        self._trainer.network.parameters[...] = self._network.parameters
        for state, own in zip(self._trainer.optimizer_state, self._states, strict=True):
            state[...] = own

    def close(self) -> None:
        pass



_GOLDEN = 0x9E3779B9  # 2³² / golden ratio: neighbours end up far apart
_MASK = 0xFFFFFFFF

Words = NDArray[np.uint32]


def hash32(x: Words) -> Words:
    """Mix the bits of 32-bit words (the finalizer lowbias32 of Wellons, 2018); arithmetic is modulo 2³².

    Examples
    --------
    >>> hash32(np.array([0, 1, 2], dtype=np.uint32))
    array([         0, 1753845952, 3507691905], dtype=uint32)
    """
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def kept(seed: int, step: int, layer: int, shape: tuple[int, int], probability: float) -> NDArray[np.bool_]:
    """Return which neurons of a hidden layer speak in one update, (n_samples, n_l).

    Parameters
    ----------
    seed : int
        0..2³² − 1.
    step : int
        Updates made before.
    layer : int
        l of the hidden layer, 1..L-1.
    shape : tuple of int
        Samples of the minibatch, neurons of the layer.
    probability : float
        That of silence, in [0, 1).

    Examples
    --------
    >>> kept(seed=1, step=0, layer=1, shape=(2, 4), probability=0.5)
    array([[False, False,  True,  True],
           [False, False,  True,  True]])
    """
    samples, neurons = (np.arange(n, dtype=np.uint32) for n in shape)
    layer_key = hash32(hash32(_word(seed ^ step)) + _word(layer))
    key = hash32(layer_key + samples)
    u = hash32(key[:, np.newaxis] + neurons * np.uint32(_GOLDEN))
    return u >= np.uint32(int(probability * 2.0**32))


def _word(number: int) -> Words:
    return np.array([number & _MASK], dtype=np.uint32)
