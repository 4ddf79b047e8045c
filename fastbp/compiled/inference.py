"""Outputs, costs and gradients of a network without training it."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from fastbp.base.network import BaseNetwork, Targets
from fastbp.base.sources import in_order
from fastbp.canonical import FloatArray
from fastbp.compiled.formulas import loss_address
from fastbp.compiled.workspace import Panels, Workspace, address, work, workspace_of
from fastbp.kernels.blocking import DIRECT_BATCH, DIRECT_BYTES, SMALL_BATCH
from fastbp.kernels.inference import outputs_parallel, outputs_serial
from fastbp.kernels.runtime.threads import available, numba_threads
from fastbp.kernels.small_batch import forward_small_batch

# Floating-point operations from which more than one thread goes forward.
_PARALLEL_FLOP = 1e8
_NO_LABELS = np.empty(0, np.int64)


def loss_fields(workspace: Workspace, network: BaseNetwork) -> None:
    """Give the workspace the loss, and how labels are counted."""
    workspace.put(
        loss=loss_address(network),
        count_correct=network.classifies,
        binary=network.is_binary,
        separate=network.decides_separately,
        at_zero=network.logits_form is not None or network.threshold == 0.0,
        smooth_scale=1.0,
    )


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
        self._network, self._evaluates = network, evaluates
        self._plan = workspace_of(network, training=evaluates)
        self._work, self._block = work(network.sizes), self._plan.inference_block()
        self._workspace = Workspace()
        panels.serve(self._workspace, training=False)
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

    def run(
        self, X: FloatArray, Y: Targets | None, weight: FloatArray | None, out: FloatArray, correct: NDArray[np.int64]
    ) -> bool:
        """a^L, or costs and which labels are correct, of each row of X; whether X is finite."""
        n, size = X.shape[0], self._block
        self._workspace.point_to_data(X, Y, weight)
        self._workspace.words[Workspace.WORD["separate"]] = self._network.decides_separately
        wanted = 1 if self._work * n <= _PARALLEL_FLOP else min(-(-n // size), available(None))
        if wanted > 1:
            with numba_threads(wanted) as threads:
                if threads:
                    self._reserve(min(n, threads * size), threads)
                    place = self._workspace.address, *self._place
                    return bool(outputs_parallel(*place, in_order(n), out, correct, size, threads))
        self._reserve(min(n, size), 1)
        return bool(outputs_serial(self._workspace.address, *self._place, in_order(n), out, correct, size, 1))


class Bound:
    """What a network has of compiled things: made at the first call, kept, and never copied or pickled."""

    def __init__(self, network: BaseNetwork) -> None:
        self._network = network
        self.panels = Panels(network)
        self._place: tuple[int, int] | None = None  # of the layers, for a small batch
        self._direct = DIRECT_BATCH if network.parameters.nbytes > DIRECT_BYTES else SMALL_BATCH
        self.lock = threading.RLock()
        self._outputs: Inference | None = None
        self._costs: Inference | None = None

    def outputs(self, X: FloatArray) -> tuple[FloatArray, bool]:
        """a^L (n_samples, n_L), and whether X is finite."""
        network = self._network
        out = np.empty((X.shape[0], network.sizes[-1]), network.dtype)
        if X.shape[0] <= self._direct:
            # a read-only array would be another type to compile for
            X = X if X.flags.writeable else X.copy()
            if self._place is None:
                self._place = workspace_of(network, training=False).place
            return out, bool(forward_small_batch(network.parameters, *self._place, X, out))
        if not self.lock.acquire(blocking=False):  # another Python thread is at work with these panels
            return Bound(network).outputs(X)
        try:
            if self._outputs is None:
                self._outputs = Inference(network, self.panels, evaluates=False)
            return out, self._outputs.run(X, None, None, out.reshape(-1), _NO_LABELS)
        finally:
            self.lock.release()

    def evaluate(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, int]:
        """C, summed in float64, and the number of correct labels."""
        if not self.lock.acquire(blocking=False):
            return Bound(self._network).evaluate(X, Y, weight)
        try:
            if self._costs is None:
                self._costs = Inference(self._network, self.panels, evaluates=True)
            out, correct = np.empty(X.shape[0], self._network.dtype), np.empty(X.shape[0], np.int64)
            self._costs.run(X, Y, weight, out, correct)
        finally:
            self.lock.release()
        return float(np.add.reduce(out, dtype=np.float64)) / len(out), int(np.add.reduce(correct))
