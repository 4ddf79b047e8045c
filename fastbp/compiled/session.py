"""A trainer bound to the compiled kernels.

Everything that reaches compiled code passes here, in canonical form (`fastbp.checks`): a wrong shape there would be a
segmentation fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import get_ident
from time import perf_counter
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.base.mapped import mapping_of
from fastbp.base.network import BaseNetwork, Canonical
from fastbp.base.session import ChunkResult
from fastbp.canonical import BAD_STRIDE, FloatArray
from fastbp.compiled.formulas import rules_address, update_address
from fastbp.compiled.inference import Bound, loss_fields
from fastbp.compiled.workspace import Workspace, address, aligned, padded_ld, work, workspace_of
from fastbp.kernels.blocking import SAMPLE_PASS
from fastbp.kernels.epoch import MEASURES, TRAIN
from fastbp.kernels.gradient_layers import OPTIMIZER, SGD, STORE
from fastbp.kernels.runtime.jit import is_ready
from fastbp.kernels.runtime.threads import ThreadTuner, available, on_numba_threads
from fastbp.kernels.tiles.packing import pack_parameters, unpack_parameters
from fastbp.optimizers import Optimizer
from fastbp.regularization import PENALTIES, Regularization

_NO_ROWS = np.empty(0, np.int64)


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
        self._kept: FloatArray | None = None  # X as the kernels read it
        self._row_length = 0
        self._constant = optimizer is None or optimizer.is_constant
        self._steady = np.zeros((0, 1), network.dtype)
        self._n_hyper = 1 if optimizer is None else len(optimizer.hyper(0))
        self._steps = steps
        self._rules: Regularization = regularization
        self._penalty_scale: float | None = None
        self._norm_rules = regularization.clip_norm is not None or regularization.max_norm is not None
        self._state = aligned(max(1, len(states)) * self._plan.n_panels, network.dtype)
        self._states = self._state.reshape(-1, self._plan.n_panels)[: len(states)]
        for own, state in zip(self._states, states, strict=True):
            pack_parameters(own, own[:0], state, *self._plan.place)
        self._workspace = Workspace()
        bound.serve_training(self._workspace)
        self._enters = self._is_current = True
        self._look: object | None = None
        self._shown, self._owner = False, 0
        self._workspace.point(steps=steps, result=np.zeros((1, MEASURES), np.float64), state=self._state)
        self._workspace.put(state_stride=self._plan.n_panels)
        loss_fields(self._workspace, network)
        self._regularize(regularization)

    def _regularize(self, rules: Regularization) -> None:
        """Set what the rules are to the kernels, and what becomes of the gradient."""
        dtype, workspace, optimizer = self._network.dtype, self._workspace, self._optimizer
        n_classes = 2 if self._network.is_binary else self._network.sizes[-1]
        weight_rules, bias_rules = (rules.gradient_rules(biases=biases) for biases in (False, True))
        stores = optimizer is None or rules.clip_norm is not None
        ruled = stores or weight_rules or bias_rules
        in_registers = optimizer is not None and optimizer.is_plain_sgd and not ruled
        self._epilogue = STORE if stores else SGD if in_registers else OPTIMIZER
        self._weight_rules = weight_rules
        workspace.point(
            weight_numbers=np.array([*weight_rules.values()], dtype),
            bias_numbers=np.array([*bias_rules.values()], dtype),
            g=aligned(0, dtype),
        )
        workspace.put(
            weight_rules=rules_address(tuple(weight_rules), dtype),
            bias_rules=rules_address(tuple(bias_rules), dtype),
            epilogue=self._epilogue,
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
        self.gate = self._bound.gate
        if self.gate.locked():
            self._bound.turns.wait()
        self._bound.lock.acquire()  # other Python threads wait, or predict with panels of their own
        self._owner = get_ident()
        self._enters, self._look = self._bound.panels.changed()
        self._is_current = True
        if self._optimizer is not None:
            self._bound.session = self
        return self

    def leave(self, *error: object) -> None:  # noqa: ARG002 - it is the exit, too
        """Write what is not yet in the network's parameters, and let other Python threads in."""
        # left already, or never entered: another Python thread may be at work with it; not where Ctrl-C came on leaving
        if self._owner != get_ident() and not self._bound.is_mine():
            return
        try:
            self._end()
            self._owner = 0
        finally:
            self._bound.session = None
            self._bound.unlock()

    __exit__ = leave

    def _end(self) -> None:
        try:
            if not self._is_current:
                self._write()
                self._is_current = True
        finally:
            self._data = self._kept = None

    def show(self) -> None:
        """Have the updates that were made be in the parameters, in the middle of the session."""
        if not self._is_current:
            self._shown = True  # before it is known who has a view now
            self._write_now()

    def _write(self) -> None:
        """Write the parameters from the panels."""
        self._write_now()
        self._bound.panels.write = None

    def _write_now(self) -> None:
        result = self._workspace.arrays["result"]
        measured = result[0].copy()
        self._train(_NO_ROWS, 1, self._steady[:0], 1, parallel=False, leaves=True)
        result[0] = measured

    # ------------------------------------------------------------------ training
    def run(
        self,
        data: Canonical,
        rows: NDArray[np.int64],
        batch_size: int,
        *,
        last: bool = True,
        penalty_scale: float | None = None,
    ) -> ChunkResult:
        """Train on the first minibatches of `rows`; see `fastbp.base.session.Session`."""
        batch_size = min(batch_size, len(rows))
        if penalty_scale != self._penalty_scale:
            self._penalize(penalty_scale)
        tuner = self._tuners[batch_size] if batch_size == self._batch_size else self._reserve(batch_size)
        if data is not self._data:
            self._take(data, batch_size)
        alone = len(rows) == batch_size
        tunes = tuner.tunes or not alone
        wanted, n_steps = tuner.next(-(-len(rows) // batch_size)) if tunes else (1, 1)
        hyper = self._hyper(n_steps)
        last &= n_steps * batch_size >= len(rows) and self._optimizer is not None
        leaves = self._leaves(last, alone=alone)
        if tunes:
            train = partial(self._train, rows[: n_steps * batch_size], batch_size, hyper, leaves=leaves)
            timed(tuner, wanted, n_steps, train)
        else:
            self._train(rows, batch_size, hyper, 1, parallel=False, leaves=leaves)
        self._left(last, leaves)
        loss_sum, correct, n_samples, penalty_sum, _ = self._workspace.arrays["result"][0].tolist()
        return ChunkResult(loss_sum, int(correct), int(n_samples), penalty_sum)

    def whole_epochs(self, n_samples: int, batch_size: int, most: int) -> int:
        """How many of `most` epochs `epochs` may take in its next call; see `fastbp.base.session.EpochsSession`."""
        batch_size = min(batch_size, n_samples)
        n_steps = -(-n_samples // batch_size)
        return self._reserve(batch_size).next(n_steps * most)[1] // n_steps

    def epochs(
        self, data: Canonical, rows: NDArray[np.int64], batch_size: int, measured: NDArray[np.float64]
    ) -> None:
        """Train for some epochs in one call; see `fastbp.base.session.EpochsSession`."""
        count = len(measured)
        batch_size = min(batch_size, len(rows) // count)
        tuner, n_steps = self._reserve(batch_size), -(-len(rows) // count // batch_size) * count
        if self._penalty_scale is not None:
            self._penalize(None)
        if data is not self._data:
            self._take(data, batch_size)
        wanted, _ = tuner.next(n_steps)
        hyper, leaves = self._hyper(n_steps), self._leaves(last=True, alone=False)
        self._workspace.point(result=measured)
        timed(tuner, wanted, n_steps, partial(self._train, rows, batch_size, hyper, leaves=leaves, epochs=count))
        self._left(last=True, leaves=leaves)

    def _leaves(self, last: bool, *, alone: bool) -> bool:
        """Whether the next steps write the parameters.

        If it is a lone one and nobody has a view of the parameters, they are written when somebody asks for them; at
        once if somebody did since the step before, and is about to do so again.
        """
        panels = self._bound.panels
        was_read, panels.arrays.is_read = panels.arrays.is_read, False
        self._is_current = self._optimizer is None
        if not (last and alone):
            if not self._is_current:
                panels.catch_up()
            return last
        panels.write = self._write  # before it is known who has a view: who asks for one from now on waits
        return was_read or panels.arrays.is_held()

    def _left(self, last: bool, leaves: bool) -> None:
        """After the steps: the parameters are current if the last of them was among these."""
        if leaves:
            self._bound.panels.write = None
        elif last and self._shown:  # whoever asked between `_leaves` and the step may hold a view
            self._write()
        self._is_current |= last
        self._shown = False

    def _penalize(self, scale: float | None) -> None:
        """Multiply the penalties of the next steps by a number, and measure them; None: as they are, unmeasured."""
        self._penalty_scale, factor, rules = scale, 1.0 if scale is None else scale, self._rules
        numbers = [x * factor if name in PENALTIES else x for name, x in self._weight_rules.items()]
        self._workspace.arrays["weight_numbers"][:] = numbers
        measured = 0.0 if scale is None else scale
        self._workspace.put(l1=rules.l1 * measured, l2=rules.l2 * measured)

    def _train(
        self, rows: NDArray[np.int64], batch_size: int, hyper: FloatArray, threads: int, *, parallel: bool,
        leaves: bool, epochs: int = 1,
    ) -> None:
        place = self._workspace.address, self._layers_at, len(self._layers)
        TRAIN[self._norm_rules, parallel](*place, rows, epochs, batch_size, hyper, threads, self._enters, leaves)
        self._entered()

    def _entered(self) -> None:
        """After a call: what users may have written is in the panels."""
        self._enters, self._bound.panels.look = False, self._look

    def _reserve(self, batch_size: int) -> ThreadTuner:
        """Have buffers for a minibatch; the tuner for its size."""
        if batch_size > self._capacity:
            self._workspace.point(**self._plan.buffers(batch_size, self._threads, training=True))
            self._workspace.put(scratch_per_thread=self._plan.scratch_per_thread(batch_size))
            layers = self._plan.layers_for(batch_size)
            self._layers, self._layers_at, self._row_length = layers, address(layers), 0
            stores = self._epilogue == STORE or (self._epilogue == OPTIMIZER and batch_size > SAMPLE_PASS)
            if stores and not len(self._workspace.arrays["g"]):
                self._workspace.point(g=aligned(self._plan.n_panels, self._network.dtype))
            self._capacity = batch_size  # last: interrupted before, the next call makes them again
        if batch_size != self._batch_size:
            self._workspace.put(sample_block=self._plan.sample_block(batch_size))
            if batch_size not in self._tuners:
                self._tuners[batch_size] = self._tuner_of(batch_size)
            self._batch_size = batch_size
        return self._tuners[batch_size]

    def _tuner_of(self, batch_size: int) -> ThreadTuner:
        sizes, dtype, stores = self._network.sizes, self._network.dtype, self._epilogue == STORE
        ready = is_ready(TRAIN[self._norm_rules, True], dtype)
        return ThreadTuner(work(sizes) * batch_size, self._threads, (sizes, dtype.str, batch_size, stores), ready=ready)

    def _take(self, data: Canonical, batch_size: int) -> None:
        """Let the workspace point to the data."""
        X, Y, weight = data
        spread = self.laid_out(X, batch_size)
        row_length = spread.strides[0] // spread.itemsize
        if row_length != self._row_length:
            self._layers[0]["ld_in"] = self._row_length = row_length
        self._workspace.point_to_data(spread, Y, weight, separate=self._network.decides_separately)
        self._data, self._kept = data, spread

    def laid_out(self, X: FloatArray, batch_size: int) -> FloatArray:
        """X as the kernels read it: a copy with padded rows, unless it is good, as such a copy is, or a mapped file."""
        if X.strides[0] % BAD_STRIDE or not self._plan.reads_columns(batch_size) or mapping_of(X) is not None:
            return X
        copy = np.empty((X.shape[0], padded_ld(X.shape[1], X.dtype)), X.dtype)[:, : X.shape[1]]
        copy[...] = X
        return copy

    def _hyper(self, n_steps: int) -> FloatArray:
        """The optimizer's numbers at each of the steps, (n_steps, H)."""
        optimizer = self._optimizer
        if optimizer is not None and not self._constant:
            step = int(self._steps[0])
            rows = [optimizer.hyper(step + k) for k in range(n_steps)]
            # the compiled formula reads so many
            if any(len(row) != self._n_hyper for row in rows):
                counts = sorted({len(row) for row in rows} - {self._n_hyper})
                raise ValueError(
                    f"hyper of {type(optimizer).__name__} returns {counts[0]} numbers at a step from {step} on, and "
                    f"{self._n_hyper} at step 0"
                )
            return np.array(rows, self._network.dtype)
        if len(self._steady) < n_steps:
            numbers = (1.0,) if optimizer is None else optimizer.hyper(0)  # 1: the gradient of the mean
            self._steady = np.full((n_steps, len(numbers)), numbers, self._network.dtype)
        return self._steady[:n_steps]

    # ------------------------------------------------------------------ what can be read, and taken back
    def outputs(self) -> FloatArray:
        """a^L of the last minibatch, or z^L where the loss is computed from it: a view, until the next step."""
        n, layer = self._batch_size, self._layers[-1]
        start, length = int(layer["outputs"]), int(layer["ld"])
        return self._workspace.arrays["a"][start : start + n * length].reshape(n, length)[:, : layer["n_out"]]

    def mark(self) -> list[NDArray[Any]]:
        """Copies of all that an update changes, for `back`, in the middle of a session."""
        return [array.copy() for array in self._changing()]

    def back(self, mark: Sequence[NDArray[Any]]) -> None:
        """Take back the updates since `mark`."""
        for array, old in zip(self._changing(), mark, strict=True):
            array[...] = old

    def _changing(self) -> tuple[NDArray[Any], ...]:
        panels = self._bound.panels
        return panels.w, panels.w_t, self._state, self._steps

    def states(self) -> tuple[FloatArray, ...]:
        """The optimizer's numbers, laid out as the parameters."""
        return tuple(self._flat(state) for state in self._states)

    def gradient(self) -> FloatArray:
        """The gradient that the last step stored, laid out as the parameters."""
        return self._flat(self._workspace.arrays["g"])

    def _flat(self, panels: FloatArray) -> FloatArray:
        flat = np.empty_like(self._bound.panels.arrays.flat)
        unpack_parameters(flat, panels, *self._plan.place)
        return flat


def timed(tuner: ThreadTuner, wanted: int, n_steps: int, call: Callable[..., None]) -> None:
    """Make `call(threads, parallel=...)` with up to `wanted` threads, and let the tuner know how long it took."""
    start = perf_counter()

    def counted(threads: int) -> int:
        call(max(1, threads), parallel=threads > 0)
        return max(1, threads)

    if wanted > 1 or tuner.starts_parallel:
        threads = on_numba_threads(wanted, counted)
    else:
        threads = 1
        call(threads, parallel=False)
    tuner.record(threads, n_steps, perf_counter() - start)
