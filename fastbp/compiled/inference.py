"""Outputs, costs and gradients of a network without training it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fastbp.base.network import BaseNetwork, Targets
from fastbp.checks import FloatArray
from fastbp.compiled.formulas import loss_address
from fastbp.compiled.workspace import Panels, Workspace, address, work, workspace_of
from fastbp.kernels.blocking import DIRECT_BATCH, DIRECT_BYTES, INFERENCE_BLOCK, SMALL_BATCH
from fastbp.kernels.inference import outputs_parallel, outputs_serial
from fastbp.kernels.runtime.threads import available, numba_threads
from fastbp.kernels.small_batch import forward_small_batch

# Floating-point operations from which more than one thread goes forward.
_PARALLEL_FLOP = 1e8


def loss_fields(workspace: Workspace, network: BaseNetwork) -> None:
    """Give the workspace the loss, and how labels are counted."""
    workspace.put(
        loss=loss_address(network),
        count_correct=network.classifies,
        binary=network.is_binary,
        at_zero=network.logits_form is not None or network.threshold == 0.0,
        smooth_scale=1.0,
    )


@lru_cache(maxsize=8)
def in_order(n: int) -> NDArray[np.int64]:
    """0, ..., n − 1."""
    return np.arange(n)


class Inference:
    """A network's panels and buffers, kept between calls.

    Parameters
    ----------
    network : BaseNetwork
        Its parameters may change at any time.
    panels : Panels
        Of the network.
    evaluates : bool
        Whether it computes costs, or else outputs.
    """

    def __init__(self, network: BaseNetwork, panels: Panels, *, evaluates: bool) -> None:
        self._network, self._panels, self._evaluates = network, panels, evaluates
        self._plan = workspace_of(network, training=evaluates)
        self._work = work(network.sizes)
        self._workspace = Workspace()
        self._workspace.point(w=panels.w)
        self._capacity = self._threads = 0
        if evaluates:
            loss_fields(self._workspace, network)

    def _reserve(self, n_samples: int, threads: int) -> None:
        """Have buffers for so many samples."""
        if n_samples > self._capacity or threads > self._threads:
            self._capacity = max(n_samples, self._capacity)
            self._threads = max(threads, self._threads)
            buffers = self._plan.buffers(self._capacity, self._threads, training=self._evaluates)
            self._workspace.point(**buffers)
            self._layers = self._plan.layers_for(self._capacity)
            self._place = address(self._layers), len(self._layers)

    def run(self, X: FloatArray, Y: Targets | None, weight: FloatArray | None, out: FloatArray) -> NDArray[np.int64]:
        """a^L, or costs, of each row of X into `out`; which labels are correct."""
        n = X.shape[0]
        self._panels.refresh()
        self._workspace.point_to_data(X, Y, weight)
        correct = np.empty(n if self._evaluates else 0, np.int64)
        blocks = -(-n // INFERENCE_BLOCK)
        wanted = min(blocks, available(None)) if self._work * n > _PARALLEL_FLOP else 1
        if wanted > 1:
            with numba_threads(wanted) as threads:
                self._reserve(min(n, threads * INFERENCE_BLOCK), threads)
                outputs_parallel(self._workspace.address, *self._place, in_order(n), out, correct, threads)
        else:
            self._reserve(min(n, INFERENCE_BLOCK), 1)
            outputs_serial(self._workspace.address, *self._place, in_order(n), out, correct, 1)
        return correct


class Bound:
    """What a network has of compiled things: made at the first call, kept, and never copied or pickled."""

    def __init__(self, network: BaseNetwork) -> None:
        self._network = network
        plan = workspace_of(network, training=False)
        self._place = plan.place
        self.panels = Panels(plan, network.parameters)
        self._direct = DIRECT_BATCH if network.parameters.nbytes > DIRECT_BYTES else SMALL_BATCH
        self.lock = threading.RLock()
        self._outputs: Inference | None = None
        self._costs: Inference | None = None

    @contextmanager
    def _alone(self) -> Iterator[Bound]:
        """Yield this object, or another one for once where a Python thread is at work with this one."""
        if not self.lock.acquire(blocking=False):
            yield Bound(self._network)
            return
        try:
            yield self
        finally:
            self.lock.release()

    def outputs(self, X: FloatArray) -> FloatArray:
        """a^L (n_samples, n_L)."""
        network = self._network
        out = np.empty((X.shape[0], network.sizes[-1]), network.dtype)
        if X.shape[0] <= self._direct:
            # a read-only array would be another type to compile for
            forward_small_batch(network.parameters, *self._place, X if X.flags.writeable else X.copy(), out)
            return out
        with self._alone() as bound:
            if bound._outputs is None:
                bound._outputs = Inference(network, bound.panels, evaluates=False)
            bound._outputs.run(X, None, None, out.reshape(-1))
        return out

    def evaluate(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, int]:
        """C, summed in float64, and the number of correct labels."""
        out = np.empty(X.shape[0], self._network.dtype)
        with self._alone() as bound:
            if bound._costs is None:
                bound._costs = Inference(self._network, bound.panels, evaluates=True)
            correct = bound._costs.run(X, Y, weight, out)
        return float(out.mean(dtype=np.float64)), int(correct.sum())
