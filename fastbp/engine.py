"""A network bound to the compiled kernels: formulas by address, buffers, panels, and the calls.

Everything that reaches compiled code passes here, in canonical form (`fastbp.inputs`): a wrong shape there would be a
segmentation fault.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.activations import ACTIVATIONS, SOFTMAX, Activation
from fastbp.base import BaseNetwork
from fastbp.derive import Formula, check_derivative, formulas
from fastbp.inputs import FloatArray
from fastbp.kernels import epoch, evaluation
from fastbp.kernels import formulas as compiled
from fastbp.kernels.few import FEW, few_outputs
from fastbp.kernels.gradient import DESCEND, STORE, UPDATE
from fastbp.kernels.parameters import pack_parameters, unpack_parameters
from fastbp.kernels.plan import Plan, leading, record
from fastbp.kernels.simd import lanes_of
from fastbp.kernels.threads import Choice, Running, available
from fastbp.losses import LOSSES, Loss
from fastbp.optimizers import STATES, Optimizer
from fastbp.rules import Rules

Targets = FloatArray | NDArray[np.int64]

PLAIN = Rules()
# Rows of X a multiple of this many bytes apart put a column of a minibatch on few cache sets: X is copied once, padded.
_BAD_STRIDE = 1024
_BAD_STRIDE_ROWS = 64


# ------------------------------------------------------------------ formulas
@cache
def _checked(row: Activation | Loss) -> tuple[Formula, Formula]:
    """The formulas of a row; a custom one's derivative is checked against finite differences once."""
    if row not in ACTIVATIONS.values() and row not in LOSSES.values():
        check_derivative(row)
    return formulas(row)


def _name(row: Activation | Loss, *sources: Formula) -> str:
    """A name that tells a row's formulas from all others, for files."""
    plain = "".join(c for c in row.name if c.isascii() and c.isalnum()) or "custom"
    return f"{plain}-{hashlib.sha256(''.join(f.source for f in sources).encode()).hexdigest()[:12]}"


def _activation(row: Activation, dtype: np.dtype[Any], training: bool) -> int:
    """Address of a layer's activation; 0 where a = z."""
    if row == ACTIVATIONS["identity"]:
        return 0
    if row == SOFTMAX:
        return compiled.softmax_address(dtype)
    value, slope = _checked(row)
    return compiled.activation_address(
        _name(row, value, slope), value.function, slope.function if training else None, dtype
    )


def _loss(network: BaseNetwork) -> int:
    """Address of the loss: on z where output and loss are a pair, else on a, with σ'(z) in d."""
    loss, output, dtype = network.loss_function, network.activations[-1], network.dtype
    pair = network.pair
    own = loss != LOSSES.get(loss.name)  # its pairs have no name that files could tell from others
    if pair is not None and output == SOFTMAX:
        if own:
            raise ValueError(f"loss {loss.name!r} has a pair of its own for softmax, which is not compiled")
        return compiled.softmax_cross_entropy_address(network.sizes[-1] <= lanes_of(dtype), dtype)
    if pair is not None:
        pair_name = None if own else f"{loss.name}-{output.name}"
        return compiled.loss_address(pair_name, pair.cost, pair.delta, False, dtype)
    cost, slope = _checked(loss)
    name = _name(loss, cost, slope)
    if output == SOFTMAX:
        return compiled.softmax_loss_address(name, cost.function, slope.function, dtype)
    return compiled.loss_address(name, cost.function, slope.function, output != ACTIVATIONS["identity"], dtype)


def _update(optimizer: Optimizer, dtype: np.dtype[Any]) -> int:
    """Address of the optimizer's rule."""
    rule = optimizer.formula()
    name = rule.__name__ if rule in STATES else None  # others have no name that files could tell from others
    return compiled.update_address(name, rule, len(optimizer.hyper(0)), optimizer.states, dtype)


@lru_cache(maxsize=64)
def plan_of(
    sizes: tuple[int, ...], dtype: np.dtype[Any], activations: tuple[Activation, ...], paired: bool, training: bool
) -> Plan:
    """The plan of a network; where output and loss are a pair, training leaves z^L to the loss."""
    addresses = [_activation(row, dtype, training) for row in activations[:-1]]
    addresses.append(0 if paired and training else _activation(activations[-1], dtype, training))
    return Plan(sizes, dtype, addresses)


def work(sizes: Sequence[int]) -> int:
    """Floating-point operations of one sample's forward and backward pass and its part of ∂C/∂w."""
    products = [n_in * n_out for n_in, n_out in pairwise(sizes)]
    return 2 * (3 * sum(products) - products[0])


# ------------------------------------------------------------------ without training
def outputs(network: BaseNetwork, X: FloatArray) -> FloatArray:
    """a^L (n_samples, n_L)."""
    plan = plan_of(network.sizes, network.dtype, network.activations, network.pair is not None, False)
    out = np.empty((X.shape[0], network.sizes[-1]), network.dtype)
    if X.shape[0] <= FEW:
        # a read-only array would be another type to compile for
        few_outputs(network.parameters, *plan.place, X if X.flags.writeable else X.copy(), out)
        return out
    _blocks(network, plan, X, out, np.empty(0, np.int64), {})
    return out


def evaluate(network: BaseNetwork, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, int]:
    """C, summed in float64, and the number of right labels."""
    plan = plan_of(network.sizes, network.dtype, network.activations, network.pair is not None, True)
    out, right = np.empty(X.shape[0], network.dtype), np.empty(X.shape[0], np.int64)
    numbers = {"loss": _loss(network), **_data(network, X, Y, weight), **_numbers(PLAIN, network)}
    _blocks(network, plan, X, out, right, numbers)
    return float(out.mean(dtype=np.float64)), int(right.sum())


def _blocks(
    network: BaseNetwork,
    plan: Plan,
    X: FloatArray,
    out: FloatArray,
    right: NDArray[np.int64],
    numbers: dict[str, float],
) -> None:
    blocks = -(-X.shape[0] // evaluation.SAMPLES)
    with Running(min(blocks, available(None)) if work(network.sizes) * X.shape[0] > 1e8 else 1) as threads:
        size = min(X.shape[0], threads * evaluation.SAMPLES)
        arrays, layers = plan.arrays(size, training="loss" in numbers), plan.layers_for(size)
        pack_parameters(arrays["w"], arrays["back"][:0], network.parameters, layers)
        memory = record(arrays, **{"x": X.ctypes.data, **numbers})
        run = evaluation.outputs_parallel if threads > 1 else evaluation.outputs_serial
        run(memory, layers, np.arange(X.shape[0]), out.reshape(-1), right, threads)


def backprop(network: BaseNetwork, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, FloatArray]:
    """C and its gradient, laid out as the parameters: one minibatch of all samples, stored and not applied."""
    session = Session(network, X, Y, weight, batch_size=X.shape[0], optimizer=None, states=(), limit=None)
    loss_sum, _, n = session.run(np.arange(X.shape[0]), 0)
    return loss_sum / n, session.gradient()


def _data(network: BaseNetwork, X: FloatArray, Y: Targets, weight: FloatArray | None) -> dict[str, int]:
    """Addresses of the data; the caller keeps the arrays."""
    return {
        "x": X.ctypes.data,
        "targets" if Y.ndim == 2 else "labels": Y.ctypes.data,
        "sample_weight": 0 if weight is None else weight.ctypes.data,
        "count_right": network.classifies,
        "binary": network.is_binary,
        "at_zero": network.pair is not None or network.threshold == 0.0,
    }


def _numbers(rules: Rules, network: BaseNetwork) -> dict[str, float]:
    """What the rules are to the kernels; 0 where a rule does not apply."""
    kept = 1.0 - rules.dropout
    n_classes = 2 if network.is_binary else network.sizes[-1]
    return {
        "l1": rules.l1,
        "l2": rules.l2,
        "clip_value": np.inf if rules.clip_value is None else rules.clip_value,
        "clip_norm": rules.clip_norm or 0.0,
        "max_norm": rules.max_norm or 0.0,
        "seed": rules.dropout_seed,
        "drop_below": int(rules.dropout * 2**32),
        "drop_scale": 1.0 / kept,
        "sharp": 1.0 - rules.label_smoothing,
        "spread": rules.label_smoothing / n_classes,
    }


def _is_mapped(X: Any) -> bool:
    """Whether the numbers of X lie in a file."""
    while X is not None and not isinstance(X, mmap.mmap):
        X = getattr(X, "base", None)
    return X is not None


# ------------------------------------------------------------------ training
class Session:
    """Training on one data set, parameters and optimizer state in panels from here to `sync`.

    Parameters
    ----------
    network : BaseNetwork
        Its parameters are read now and written by `sync`.
    X, Y, weight : ndarray
        Canonical data, kept and not copied (but once, X whose rows lie on the same cache sets).
    batch_size : int
        Samples of a minibatch.
    optimizer : Optimizer or None
        None stores the gradient instead of applying it.
    states : sequence of ndarray
        The optimizer's, as the parameters; read now and written by `sync`.
    limit : int or None
        Threads at most.
    rules : Rules
        Penalties, clipping, dropout, smoothing.
    """

    def __init__(  # noqa: PLR0913 (data, how to train, and where it is kept)
        self,
        network: BaseNetwork,
        X: FloatArray,
        Y: Targets,
        weight: FloatArray | None,
        batch_size: int,
        optimizer: Optimizer | None,
        states: Sequence[FloatArray],
        limit: int | None,
        rules: Rules = PLAIN,
    ) -> None:
        dtype = network.dtype
        self._network, self._optimizer, self._states = network, optimizer, states
        self._batch = min(batch_size, X.shape[0])
        threads = available(limit)  # the buffers have room for so many
        self._choice = Choice(work(network.sizes) * self._batch, threads)
        plan = plan_of(network.sizes, dtype, network.activations, network.pair is not None, True)
        self._layers = plan.layers_for(self._batch)
        X = self._spread(X)
        by_norm = rules.clip_norm is not None
        self._arrays = plan.arrays(self._batch, threads, len(states), gradient=optimizer is None or by_norm)
        self._kept = X, Y, weight
        shaped = bool(rules.l1 or rules.l2 or rules.clip_value is not None)
        in_registers = optimizer is not None and optimizer.plain and not shaped and not by_norm
        ending = STORE if optimizer is None or by_norm else DESCEND if in_registers else UPDATE
        self._ruled = by_norm or rules.max_norm is not None
        self._memory = record(
            self._arrays,
            loss=_loss(network),
            ending=ending,
            shaped=shaped,
            together=plan.together(self._batch),
            room=plan.room(self._batch),
            update=0 if optimizer is None or in_registers else _update(optimizer, dtype),
            **_data(network, X, Y, weight),
            **_numbers(rules, network),
        )
        self._step = self._memory["step"]
        self._steady: tuple[tuple[float, ...], FloatArray] | None = None
        pack_parameters(self._arrays["w"], self._arrays["back"], network.parameters, self._layers)
        for name, state in zip(("s", "u"), states, strict=False):
            pack_parameters(self._arrays[name], self._arrays["back"][:0], state, self._layers)

    def _spread(self, X: FloatArray) -> FloatArray:
        """X, or a copy with rows padded where a column would fall on few cache sets; a mapped file is not copied."""
        if X.strides[0] % _BAD_STRIDE or self._batch < _BAD_STRIDE_ROWS or _is_mapped(X):
            return X
        copy = np.empty((X.shape[0], leading(X.shape[1], X.dtype)), X.dtype)
        copy[:, : X.shape[1]] = X
        self._layers[0]["lead_in"] = copy.shape[1]
        return copy

    def run(self, rows: NDArray[np.int64], step: int) -> tuple[float, int, int]:
        """Train on consecutive minibatches of `rows`: Σ_s v_s C_s before the updates, right labels, samples."""
        loss_sum, right, n = 0.0, 0, len(rows)
        hyper = self._hyper(step, -(-n // self._batch))
        done = 0
        while done < n:
            first = done // self._batch
            self._step[0] = step + first
            wanted, n_steps = self._choice.next(-(-(n - done) // self._batch))
            part = rows[done : done + n_steps * self._batch]
            start = perf_counter()
            with Running(wanted) as threads:
                train = epoch.TRAIN[self._ruled, threads > 1]
                part_loss, part_right = train(self._memory, self._layers, part, self._batch, hyper[first:], threads)
            self._choice.timed(threads, n_steps, perf_counter() - start)
            loss_sum, right, done = loss_sum + float(part_loss), right + int(part_right), done + len(part)
        return loss_sum, right, n

    def _hyper(self, step: int, n_steps: int) -> FloatArray:
        """The optimizer's numbers at each of the steps, (n_steps, H)."""
        if self._optimizer is None:
            return np.zeros((n_steps, 1), self._network.dtype)
        first, last = self._optimizer.hyper(step), self._optimizer.hyper(step + n_steps - 1)
        if first == last and not callable(self._optimizer.learning_rate):
            # what depends on the step changes in one direction
            if self._steady is None or self._steady[0] != first or len(self._steady[1]) < n_steps:
                self._steady = first, np.full((n_steps, len(first)), first, self._network.dtype)
            return self._steady[1][:n_steps]
        return np.array([self._optimizer.hyper(step + k) for k in range(n_steps)], self._network.dtype)

    def gradient(self) -> FloatArray:
        """The gradient that the last step stored, laid out as the parameters."""
        flat = np.empty_like(self._network.parameters)
        unpack_parameters(flat, self._arrays["g"], self._layers)
        return flat

    def sync(self) -> None:
        """Write parameters and optimizer state to the arrays that the user sees."""
        unpack_parameters(self._network.parameters, self._arrays["w"], self._layers)
        for name, state in zip(("s", "u"), self._states, strict=False):
            unpack_parameters(state, self._arrays[name], self._layers)

    def close(self) -> None:
        """Let the data and the buffers go."""
        del self._arrays, self._kept
