"""The same network and trainer in NumPy: an independent account of the arithmetic, for comparison and for reading.

Shapes: X (m, n_0), z and a of layer l (m, n_l), W (n_l, n_{l-1}), b (n_l,), δ (m, n_l).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fastbp.activations import SOFTMAX
from fastbp.base.dropout import dropout_mask
from fastbp.base.network import BaseNetwork, Canonical, Targets
from fastbp.base.parameters import Views, layer_views
from fastbp.base.session import ChunkResult, summed_length
from fastbp.base.session import Session as AnySession
from fastbp.base.shares import shared
from fastbp.base.trainer import BaseTrainer
from fastbp.canonical import FloatArray
from fastbp.optimizers import Optimizer
from fastbp.regularization import GRADIENT_RULES, PENALTIES, Regularization
from fastbp.symbolic.derive import activation_derivative, loss_derivative

# 0 or 1/(1 − p) for the neurons of a hidden layer l and the samples of a minibatch, (m, n_l).
DropoutMask = Callable[[int], FloatArray]


class Network(BaseNetwork):
    """Fully connected network with the arithmetic of NumPy.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of neurons n_0, ..., n_L: inputs, hidden layers, outputs.
    activation : str, Activation or sequence of them
        Activation of all hidden layers, or one for each (see `fastbp.activations`).
    output : str or Activation
        Activation of the output layer.
    loss : str or Loss
        Cost of one sample, summed over the outputs (see `fastbp.losses`).
    dtype : float32 or float64
        Type of the parameters and of the arithmetic.
    init : str
        Name of an initializer (see `fastbp.initializers`), or "auto" for the one that suits each layer's activation.
    rng : seed or Generator, optional
        Seed or generator of the initial weights: anything that `numpy.random.default_rng` takes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range. The message names it and what was expected.

    See Also
    --------
    fastbp.Network : The same network with compiled arithmetic.

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
    def _evaluate(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, int]:
        loss_sum, correct = self._score(self._weighted_sums(X)[0][-1], self._targets(Y), weight, Y)
        return loss_sum / X.shape[0], correct

    @np.errstate(all="ignore")
    def _backprop(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, FloatArray]:
        gradient = np.empty_like(self.parameters)
        y = self._targets(Y)
        z = self._gradient(X, y, weight, *layer_views(gradient, self.sizes))
        return self._score(z, y, weight, Y)[0] / X.shape[0], gradient

    def _weighted_sums(
        self, X: FloatArray, mask: DropoutMask | None = None
    ) -> tuple[list[FloatArray], list[FloatArray], list[FloatArray]]:
        """z_i = Σ_j w_ij a_j + b_i of layers 1..L, the a_j of layers 0..L-1 that came in, and the dropout factors."""
        z: list[FloatArray] = []
        a, factors = [X], []
        for W, b, activation in zip(self.weights, self.biases, self.activations, strict=True):
            z.append(a[-1] @ W.T)
            z[-1] += b
            if len(z) < len(self.weights):
                a.append(activation.function(z[-1]))
                if mask is not None:
                    factors.append(mask(len(z)))
                    a[-1] = a[-1] * factors[-1]
        return z, a, factors

    def _gradient(
        self, X: FloatArray, y: FloatArray, weight: FloatArray | None, dW: Views, db: Views,
        mask: DropoutMask | None = None,
    ) -> FloatArray:
        """∂C/∂w_ij = Σ_s δ_si a_sj and ∂C/∂b_i = Σ_s δ_si, written to dW and db; returns z^L."""
        z, a, factors = self._weighted_sums(X, mask)
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
                    # a dropped neuron's a is no longer σ(z)
                    a[l] = activation.function(z[l - 1])
                delta *= activation_derivative(activation)(z[l - 1], a[l])
        return z[-1]

    def _output_delta(self, z: FloatArray, y: FloatArray) -> FloatArray:
        """δ_i^L = Σ_k ∂C/∂a_k ∂a_k/∂z_i of each sample's own cost: ∂C/∂a_i σ'(z_i) unless the output is softmax."""
        delta: FloatArray
        if self.logits_form is not None:
            delta = self.logits_form.delta(z, y)
            return delta
        a: FloatArray = self.activations[-1].function(z)
        dC: FloatArray = loss_derivative(self.loss_function)(a, y)
        if self.activations[-1] == SOFTMAX:
            # ∂a_k/∂z_i = a_k (1[i = k] − a_i)
            delta = a * (dC - np.sum(a * dC, axis=1, keepdims=True))
        else:
            delta = dC * activation_derivative(self.activations[-1])(z, a)
        return delta

    def _score(self, z: FloatArray, y: FloatArray, weight: FloatArray | None, Y: Targets) -> tuple[float, int]:
        """Σ_s v_s C_s of the targets y, summed in float64, and how many labels are those of Y, from z^L."""
        a = self.activations[-1].function(z)
        costs = self.loss_function.cost(a, y) if self.logits_form is None else self.logits_form.cost(z, y)
        if weight is not None:
            costs = costs * weight[:, np.newaxis]
        return float(np.sum(costs, dtype=np.float64)), self.count_correct(a, Y) if self.classifies else 0

    def _targets(self, Y: Targets) -> FloatArray:
        """Labels as rows of zeros with a one at their place; other targets as they are."""
        if Y.ndim == 2:
            return Y  # type: ignore[return-value]
        y = np.zeros((Y.shape[0], self.sizes[-1]), self.dtype)
        y[np.arange(Y.shape[0]), Y] = 1.0
        return y


class Trainer(BaseTrainer):
    """Training of a network by minibatches with the arithmetic of NumPy.

    Parameters
    ----------
    network : Network
        Network to train in place.
    optimizer : str or Optimizer
        Rule of the updates, or its name in `fastbp.optimizers.OPTIMIZERS`. Its state and the number of updates last
        over several fits.
    batch_size : int
        Samples of one minibatch. The last minibatch of an epoch has what remains.
    shuffle : bool
        Whether each epoch takes the samples in a new order.
    threads : int, optional
        Number that has no effect here.
    rng : seed or Generator, optional
        Seed or generator of the sample order and of the dropout masks: anything that `numpy.random.default_rng` takes.
    l1, l2 : float
        Penalties l1 Σ|w_ij| + l2/2 Σ w_ij² of all weights, 0 or more. Biases have none, and the reported loss is
        without them. They do not depend on the batch size.
    dropout : float
        Probability in [0, 1) that a hidden neuron is dropped for one sample of one update. The others are scaled by
        1 / (1 − dropout).
    max_norm : float, optional
        Upper limit of ‖w_i‖, the norm of the incoming weights of each neuron, after each update.
    clip_value : float, optional
        Upper limit of the absolute value of each component of the gradient, penalties included.
    clip_norm : float, optional
        Upper limit of the norm of the whole gradient, biases included, after `clip_value`.
    label_smoothing : float
        Share e in [0, 1) of the targets (1 − e) y + e / n_L, on a lone output (1 − e) y + e / 2. It needs the
        cross-entropy. Accuracy and validation take the targets as they are.
    comm : communicator, optional
        Communicator of mpi4py, such as MPI.COMM_WORLD, whose processes train together: see ``docs/scaling.md``. Each
        passes the same arguments and arrays; `batch_size` is that of all. Of an iterable each brings its own part.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range. The message names it and what was expected.

    See Also
    --------
    fastbp.Trainer : The same trainer with compiled arithmetic.
    fastbp.regularization.Regularization : Sources of the penalties, dropout and limits.

    Examples
    --------
    >>> net = Network([1, 1], output="identity", loss="quadratic", rng=0)
    >>> trainer = Trainer(net, optimizer="sgd", batch_size=2, rng=0)
    >>> history = trainer.fit([[0.0], [1.0]], [[1.0], [3.0]], epochs=300)
    >>> net.predict([[2.0]]).round(2)
    array([[5.]], dtype=float32)
    """

    network: Network
    _networks = Network

    def _open(self, states: Sequence[FloatArray]) -> AnySession:
        network, rules, ranks = self.network, self.regularization, self._ranks
        return shared(_Session(network, self.optimizer, rules, states, self._steps, ranks.size), ranks)


# Ctrl-C is answered between two chunks of training.
_CHUNK_SECONDS = 0.1


class _Session:
    """Training of one network by one optimizer, on its own parameters."""

    def __init__(
        self, network: Network, optimizer: Optimizer, regularization: Regularization, states: Sequence[FloatArray],
        steps: NDArray[np.int64], parts: int,
    ) -> None:
        self._network, self._optimizer, self._rules, self._steps = network, optimizer, regularization, steps
        self._states, self._scale = tuple(state.copy() for state in states), 1.0  # the scale of the penalties
        # as long as several processes need it that add up their gradients, in `parts`
        self.summed = np.zeros(summed_length(network._parameters.size, parts), network.dtype)
        self._gradient = self.summed[: network._parameters.size]
        self._dW, self._db = layer_views(self._gradient, network.sizes)
        self._entered = 0  # times: code of the user's may train in the middle of an update

    def __enter__(self) -> Self:
        turns = self._network._turns
        turns.wait()
        turns.lock.acquire()
        self._entered, self.gate = self._entered + 1, turns.gate
        return self

    def leave(self, *error: object) -> None:  # noqa: ARG002 - it is the exit, too
        if self._entered and self._network._turns.is_mine():
            self._entered -= 1
            self._network._turns.lock.release()

    __exit__ = leave

    def states(self) -> tuple[FloatArray, ...]:
        return tuple(state.copy() for state in self._states)

    def run(
        self, data: Canonical, rows: NDArray[np.int64], batch_size: int, *, last: bool = True,  # noqa: ARG002
        penalty_scale: float | None = None,
    ) -> ChunkResult:
        loss_sum, correct, done, penalties, end = 0.0, 0, 0, 0.0, perf_counter() + _CHUNK_SECONDS
        self._scale = 1.0 if penalty_scale is None else penalty_scale
        while done < len(rows):
            part = rows[done : done + batch_size]
            if penalty_scale is not None:
                penalties += len(part) * penalty_scale * self._rules.penalty(self._network.weights)
            part_loss, part_correct = self._minibatch(data, part)
            loss_sum, correct, done = loss_sum + part_loss, correct + part_correct, done + len(part)
            if not math.isfinite(part_loss) or perf_counter() > end:
                break
        return ChunkResult(loss_sum, correct, done, penalties)

    def _minibatch(self, data: Canonical, rows: NDArray[np.int64]) -> tuple[float, int]:
        """Σ_s v_s C_s and the number of correct labels, and the update, unless the loss is not finite."""
        loss, correct = self._measure(data, rows, 0)
        if math.isfinite(loss):
            self._follow()
        return loss, correct

    @np.errstate(all="ignore")
    def _measure(self, data: Canonical, rows: NDArray[np.int64], first: int) -> tuple[float, int]:
        """Σ_s v_s C_s and the number of correct labels, and the gradient of the mean; `first` samples are before."""
        network, (X, Y, weight) = self._network, data
        y, v = self._smooth(network._targets(Y[rows])), None if weight is None else weight[rows]
        z = network._gradient(X[rows], y, v, self._dW, self._db, self._mask(len(rows), first))
        return network._score(z, y, v, Y[rows])

    @np.errstate(all="ignore")
    def _follow(self) -> None:
        """The update by the gradient."""
        step = int(self._steps[0])
        self._regularize_gradient()
        self._apply_update(step)
        self._limit_weights()
        self._steps[0] = step + 1

    def differentiate(self, data: Canonical | None, rows: NDArray[np.int64], first: int) -> ChunkResult:
        if data is None or not len(rows):
            self._gradient[:] = 0.0
            return ChunkResult(0.0, 0, 0)
        loss, correct = self._measure(data, rows, first)
        self._gradient *= len(rows)  # of the mean, so of the sum
        return ChunkResult(loss, correct, len(rows))

    def update(self, n_samples: int, *, last: bool, penalty_scale: float | None) -> float:  # noqa: ARG002
        self._scale = 1.0 if penalty_scale is None else penalty_scale
        penalty = 0.0 if penalty_scale is None else penalty_scale * self._rules.penalty(self._network.weights)
        self._gradient /= n_samples
        self._follow()
        return penalty

    def _smooth(self, y: FloatArray) -> FloatArray:
        """(1 − e) y + e / n, n the number of classes."""
        e = self._rules.label_smoothing
        return y if e == 0.0 else (1.0 - e) * y + e / (2 if self._network.is_binary else self._network.sizes[-1])

    def _mask(self, n_samples: int, first: int) -> DropoutMask | None:
        rules, network, step = self._rules, self._network, int(self._steps[0])
        if rules.dropout == 0.0:
            return None

        def factors(l: int) -> FloatArray:
            active = dropout_mask(rules.dropout_seed, step, l, (n_samples, network.sizes[l]), rules.dropout, first)
            scaled: FloatArray = active * network.dtype.type(1.0 / (1.0 - rules.dropout))
            return scaled

        return factors

    def _regularize_gradient(self) -> None:
        """Apply the gradient rules, to weights and to biases, then clip by the norm of all."""
        rules, network, g = self._rules, self._network, self._gradient
        for biases, parts, parameters in ((False, self._dW, network.weights), (True, self._db, network.biases)):
            for name, c in rules.gradient_rules(biases=biases).items():
                number = c * self._scale if name in PENALTIES else c
                for part, parameter in zip(parts, parameters, strict=True):
                    part[:] = GRADIENT_RULES[name].formula(part, parameter, number)
        if rules.clip_norm is not None:
            norm = float(np.sqrt(np.sum(np.square(g, dtype=np.float64))))
            if norm > rules.clip_norm:
                g *= rules.clip_norm / norm

    def _apply_update(self, step: int) -> None:
        """Let all parameters and states follow the gradient (which is overwritten)."""
        optimizer, parameters, g = self._optimizer, self._network._parameters, self._gradient
        hyper = optimizer.hyper(step)
        if optimizer.is_plain_sgd:
            g *= hyper[0]
            parameters -= g
            return
        parameters[...], self._states = optimizer.update(parameters, g, self._states, hyper)

    def _limit_weights(self) -> None:
        """w_ij ← w_ij max_norm / ‖w_i‖ for each neuron whose weights are longer."""
        if self._rules.max_norm is None:
            return
        for W in self._network.weights:
            norm = np.sqrt(np.sum(W * W, axis=1, keepdims=True))
            W[:] *= np.where(norm > self._rules.max_norm, self._rules.max_norm / norm, 1.0)
