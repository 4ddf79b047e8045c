"""A network bound to the compiled kernels: formulas by address, buffers, panels, and the calls.

Everything that reaches compiled code passes here, in canonical form (`fastbp.checks`): a wrong shape there would be a
segmentation fault.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.base.network import BaseNetwork
from fastbp.checks import FloatArray
from fastbp.compiled.formulas import loss_address, update_address
from fastbp.compiled.workspace import padded_ld, plan_of, record, work
from fastbp.kernels import epoch
from fastbp.kernels.gradient import OPTIMIZER, SGD, STORE
from fastbp.kernels.runtime.threads import ThreadTuner, available, numba_threads
from fastbp.kernels.tiles.packing import pack_parameters, unpack_parameters
from fastbp.optimizers import Optimizer
from fastbp.regularization import Rules

Targets = FloatArray | NDArray[np.int64]

PLAIN = Rules()
# Rows of X a multiple of this many bytes apart put a column of a minibatch on few cache sets: X is copied once, padded.
_BAD_STRIDE = 1024
_BAD_STRIDE_ROWS = 64


def data_fields(network: BaseNetwork, X: FloatArray, Y: Targets, weight: FloatArray | None) -> dict[str, int]:
    """Addresses of the data; the caller keeps the arrays."""
    return {
        "x": X.ctypes.data,
        "targets" if Y.ndim == 2 else "labels": Y.ctypes.data,
        "sample_weight": 0 if weight is None else weight.ctypes.data,
        "count_correct": network.classifies,
        "binary": network.is_binary,
        "at_zero": network.pair is not None or network.threshold == 0.0,
    }


def rule_fields(rules: Rules, network: BaseNetwork) -> dict[str, float]:
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
        "drop_threshold": int(rules.dropout * 2**32),
        "drop_scale": 1.0 / kept,
        "smooth_scale": 1.0 - rules.label_smoothing,
        "smooth_shift": rules.label_smoothing / n_classes,
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
        self._tuner = ThreadTuner(work(network.sizes) * self._batch, threads)
        plan = plan_of(network.sizes, dtype, network.activations, network.pair is not None, True)
        self._layers = plan.layers_for(self._batch)
        X = self._spread(X)
        by_norm = rules.clip_norm is not None
        self._arrays = plan.arrays(self._batch, threads, len(states), gradient=optimizer is None or by_norm)
        self._kept = X, Y, weight
        regularized = bool(rules.l1 or rules.l2 or rules.clip_value is not None)
        in_registers = optimizer is not None and optimizer.plain and not regularized and not by_norm
        epilogue = STORE if optimizer is None or by_norm else SGD if in_registers else OPTIMIZER
        self._ruled = by_norm or rules.max_norm is not None
        self._ws = record(
            self._arrays,
            loss=loss_address(network),
            epilogue=epilogue,
            regularized=regularized,
            together=plan.together(self._batch),
            scratch_per_thread=plan.scratch_per_thread(self._batch),
            update=0 if optimizer is None or in_registers else update_address(optimizer, dtype),
            **data_fields(network, X, Y, weight),
            **rule_fields(rules, network),
        )
        self._step = self._ws["step"]
        self._steady: tuple[tuple[float, ...], FloatArray] | None = None
        pack_parameters(self._arrays["w"], self._arrays["w_t"], network.parameters, self._layers)
        for name, state in zip(("s", "u"), states, strict=False):
            pack_parameters(self._arrays[name], self._arrays["w_t"][:0], state, self._layers)

    def _spread(self, X: FloatArray) -> FloatArray:
        """X, or a copy with rows padded where a column would fall on few cache sets; a mapped file is not copied."""
        if X.strides[0] % _BAD_STRIDE or self._batch < _BAD_STRIDE_ROWS or _is_mapped(X):
            return X
        copy = np.empty((X.shape[0], padded_ld(X.shape[1], X.dtype)), X.dtype)
        copy[:, : X.shape[1]] = X
        self._layers[0]["ld_in"] = copy.shape[1]
        return copy

    def run(self, rows: NDArray[np.int64], step: int) -> tuple[float, int, int]:
        """Train on consecutive minibatches of `rows`: Σ_s v_s C_s before the updates, right labels, samples."""
        loss_sum, correct, n = 0.0, 0, len(rows)
        hyper = self._hyper(step, -(-n // self._batch))
        done = 0
        while done < n:
            first = done // self._batch
            self._step[0] = step + first
            wanted, n_steps = self._tuner.next(-(-(n - done) // self._batch))
            part = rows[done : done + n_steps * self._batch]
            start = perf_counter()
            with numba_threads(wanted) as threads:
                train = epoch.TRAIN[self._ruled, threads > 1]
                part_loss, part_right = train(self._ws, self._layers, part, self._batch, hyper[first:], threads)
            self._tuner.record(threads, n_steps, perf_counter() - start)
            loss_sum, correct, done = loss_sum + float(part_loss), correct + int(part_right), done + len(part)
        return loss_sum, correct, n

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
