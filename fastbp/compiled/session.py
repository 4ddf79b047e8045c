"""A trainer bound to the compiled kernels.

Everything that reaches compiled code passes here, in canonical form (`fastbp.checks`): a wrong shape there would be a
segmentation fault.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.base.network import BaseNetwork, Canonical
from fastbp.base.session import ChunkResult
from fastbp.checks import FloatArray
from fastbp.compiled.formulas import rules_address, update_address
from fastbp.compiled.inference import Bound, data_fields, loss_fields
from fastbp.compiled.workspace import Workspace, address, aligned, padded_ld, work, workspace_of
from fastbp.kernels.epoch import TRAIN
from fastbp.kernels.gradient import OPTIMIZER, SGD, STORE
from fastbp.kernels.runtime.threads import ThreadTuner, available, numba_threads
from fastbp.kernels.tiles.packing import pack_parameters, unpack_parameters
from fastbp.optimizers import Optimizer
from fastbp.regularization import Regularization

# Rows of X a multiple of this many bytes apart put a column of a minibatch on few cache sets: X is copied once, padded.
_BAD_STRIDE = 1024
_BAD_STRIDE_ROWS = 64


class Session:
    """Training of one network by one optimizer, on whatever data.

    Parameters
    ----------
    network : BaseNetwork
        Its parameters are read on entry and written on exit.
    bound : Bound
        The network's panels.
    optimizer : Optimizer or None
        None stores the gradient and changes no parameter.
    regularization : Regularization
        Penalties, clipping, dropout, smoothing.
    states : sequence of ndarray
        Where the optimizer begins, laid out as the parameters.
    steps : ndarray of int64 (1,)
        Counts the updates.
    limit : int, optional
        Threads at most.
    """

    def __init__(
        self,
        network: BaseNetwork,
        bound: Bound,
        optimizer: Optimizer | None,
        regularization: Regularization,
        states: Sequence[FloatArray],
        steps: NDArray[np.int64],
        limit: int | None,
    ) -> None:
        self._network, self._bound, self._optimizer = network, bound, optimizer
        self._plan = workspace_of(network, training=True)
        self._threads = available(limit)
        self._tuners: dict[int, ThreadTuner] = {}
        self._capacity = self._batch_size = 0
        self._data: Canonical | None = None
        self._steady: tuple[tuple[float, ...], FloatArray] | None = None
        self._steps, self._result = steps, np.zeros(3)
        self._norm_rules = regularization.clip_norm is not None or regularization.max_norm is not None
        self._state = aligned(max(1, len(states)) * self._plan.n_panels, network.dtype)
        self._states = self._state.reshape(-1, self._plan.n_panels)[: len(states)]
        for own, state in zip(self._states, states, strict=True):
            pack_parameters(own, own[:0], state, *self._plan.place)
        self._workspace = Workspace()
        self._workspace.point(steps=steps, result=self._result, state=self._state)
        self._workspace.put(state_stride=self._plan.n_panels)
        loss_fields(self._workspace, network)
        self._regularize(regularization)

    def _regularize(self, rules: Regularization) -> None:
        """Set what the rules are to the kernels, and what becomes of the gradient."""
        dtype, workspace, optimizer = self._network.dtype, self._workspace, self._optimizer
        n_classes = 2 if self._network.is_binary else self._network.sizes[-1]
        weight_rules, bias_rules = (rules.gradient_rules(biases=biases) for biases in (False, True))
        stores = optimizer is None or rules.clip_norm is not None
        in_registers = optimizer is not None and optimizer.is_plain_sgd and not (stores or weight_rules)
        workspace.point(
            weight_numbers=np.array([*weight_rules.values()], dtype),
            bias_numbers=np.array([*bias_rules.values()], dtype),
            g=aligned(self._plan.n_panels if stores else 0, dtype),
        )
        workspace.put(
            weight_rules=rules_address(tuple(weight_rules), dtype),
            bias_rules=rules_address(tuple(bias_rules), dtype),
            epilogue=STORE if stores else SGD if in_registers else OPTIMIZER,
            update=0 if optimizer is None or in_registers else update_address(optimizer, dtype),
            clip_norm=rules.clip_norm or 0.0,
            max_norm=rules.max_norm or 0.0,
            seed=rules.dropout_seed,
            drop_threshold=int(rules.dropout * 2**32),
            drop_scale=1.0 / (1.0 - rules.dropout),
            smooth_scale=1.0 - rules.label_smoothing,
            smooth_shift=rules.label_smoothing / n_classes,
        )

    def __enter__(self) -> Self:
        self._bound.__enter__()
        panels = self._bound.panels
        panels.for_training()
        panels.refresh(self._network.parameters)
        self._workspace.point(w=panels.w, w_t=panels.w_t)
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if self._optimizer is not None:
                self._bound.panels.sync(self._network.parameters)
        finally:
            self._data = None
            self._workspace.point(x=None, targets=None, labels=None, sample_weight=None)
            self._bound.__exit__(*error)

    # ------------------------------------------------------------------ training
    def run(self, data: Canonical, rows: NDArray[np.int64], batch_size: int) -> ChunkResult:
        """Train on the first minibatches of `rows`; see `fastbp.base.session.Session`."""
        batch_size = min(batch_size, len(rows))
        tuner = self._reserve(batch_size)
        if data is not self._data:
            self._take(data, batch_size)
        wanted, n_steps = tuner.next(-(-len(rows) // batch_size))
        hyper = self._hyper(n_steps)
        rows = rows[: n_steps * batch_size]
        start = perf_counter()
        if wanted > 1 or tuner.starts_parallel:
            with numba_threads(wanted) as wanted:
                self._train(rows, batch_size, hyper, wanted, parallel=wanted > 1 or tuner.starts_parallel)
        else:
            self._train(rows, batch_size, hyper, 1, parallel=False)
        tuner.record(wanted, n_steps, perf_counter() - start)
        loss_sum, correct, n_samples = self._result.tolist()
        return ChunkResult(loss_sum, int(correct), int(n_samples))

    def _train(
        self, rows: NDArray[np.int64], batch_size: int, hyper: FloatArray, threads: int, *, parallel: bool
    ) -> None:
        TRAIN[self._norm_rules, parallel](
            self._workspace.address, self._layers_at, len(self._layers), rows, batch_size, hyper, threads
        )

    def _reserve(self, batch_size: int) -> ThreadTuner:
        """Have buffers for a minibatch; the tuner for its size."""
        if batch_size > self._capacity:
            self._capacity = batch_size
            self._workspace.point(**self._plan.buffers(batch_size, self._threads, training=True))
            self._workspace.put(scratch_per_thread=self._plan.scratch_per_thread(batch_size))
            self._layers = self._plan.layers_for(batch_size)
            self._layers_at = address(self._layers)
        if batch_size != self._batch_size:
            self._batch_size = batch_size
            self._workspace.put(sample_block=self._plan.sample_block(batch_size))
            if batch_size not in self._tuners:
                self._tuners[batch_size] = ThreadTuner(work(self._network.sizes) * batch_size, self._threads)
        return self._tuners[batch_size]

    def _take(self, data: Canonical, batch_size: int) -> None:
        """Let the workspace point to the data."""
        X, Y, weight = data
        spread = _spread(X) if batch_size >= _BAD_STRIDE_ROWS else X
        self._layers[0]["ld_in"] = spread.strides[0] // spread.itemsize
        data_fields(self._workspace, spread, Y, weight)
        self._data = data

    def _hyper(self, n_steps: int) -> FloatArray:
        """The optimizer's numbers at each of the steps, (n_steps, H)."""
        optimizer, step = self._optimizer, int(self._steps[0])
        if optimizer is None:
            return np.zeros((n_steps, 1), self._network.dtype)
        first = optimizer.hyper(step)
        if n_steps > 1 and (callable(optimizer.learning_rate) or optimizer.hyper(step + n_steps - 1) != first):
            return np.array([optimizer.hyper(step + k) for k in range(n_steps)], self._network.dtype)
        # what depends on the step changes in one direction: so it does not change
        if self._steady is None or self._steady[0] != first or len(self._steady[1]) < n_steps:
            self._steady = first, np.full((n_steps, len(first)), first, self._network.dtype)
        return self._steady[1][:n_steps]

    # ------------------------------------------------------------------ what can be read
    def states(self) -> tuple[FloatArray, ...]:
        """The optimizer's numbers, laid out as the parameters."""
        return tuple(self._flat(state) for state in self._states)

    def gradient(self) -> FloatArray:
        """The gradient that the last step stored, laid out as the parameters."""
        return self._flat(self._workspace.array("g"))

    def _flat(self, panels: FloatArray) -> FloatArray:
        flat = np.empty_like(self._network.parameters)
        unpack_parameters(flat, panels, *self._plan.place)
        return flat


def _spread(X: FloatArray) -> FloatArray:
    """X, or a copy with padded rows if its row stride maps a column to few cache sets. Mapped files are not copied."""
    if X.strides[0] % _BAD_STRIDE or _is_mapped(X):
        return X
    copy = np.empty((X.shape[0], padded_ld(X.shape[1], X.dtype)), X.dtype)
    copy[:, : X.shape[1]] = X
    return copy


def _is_mapped(X: Any) -> bool:
    """Whether the numbers of X lie in a file."""
    while X is not None and not isinstance(X, mmap.mmap):
        X = getattr(X, "base", None)
    return X is not None
