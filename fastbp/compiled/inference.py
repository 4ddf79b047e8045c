"""Outputs, costs and gradients of a network without training it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastbp.base.network import BaseNetwork, Targets
from fastbp.base.sources import in_order
from fastbp.base.turns import Turns
from fastbp.canonical import FloatArray
from fastbp.compiled.formulas import loss_address
from fastbp.compiled.workspace import Panels, Plan, Workspace, address, work, workspace_of
from fastbp.kernels.blocking import DIRECT_BATCHES, PACKED_COSTS, PACKED_SAVES
from fastbp.kernels.inference import outputs_parallel, outputs_serial
from fastbp.kernels.runtime.threads import available, on_numba_threads, with_release
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


def direct_batch(network: BaseNetwork) -> int:
    """Samples up to which forward reads the weights as the user has them."""
    (least, most), (call, byte) = DIRECT_BATCHES, PACKED_COSTS
    neuron, weight = PACKED_SAVES[network.dtype.itemsize]
    saved = neuron * sum(network.sizes[1:]) + weight * sum(n_in * n_out for n_in, n_out in pairwise(network.sizes))
    return max(least, min(most, int((call + byte * network._arrays.flat.nbytes) / saved)))


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
        self._work, self._block = work(network.sizes), self._plan.inference_block()
        self._workspace = Workspace()
        panels.serve(self._workspace, training=False)
        self._capacity = self._threads = 0
        if evaluates:
            loss_fields(self._workspace, network)

    def _reserve(self, n_samples: int, threads: int) -> None:
        """Have buffers for so many samples."""
        if n_samples > self._capacity or threads > self._threads:
            capacity, threads = max(n_samples, self._capacity), max(threads, self._threads)
            buffers = self._plan.buffers(capacity, threads, training=self._evaluates)
            self._workspace.point(**buffers)
            layers = self._plan.layers_for(capacity)
            self._layers, self._place = layers, (address(layers), len(layers))
            self._capacity, self._threads = capacity, threads  # last: interrupted before, they are made again

    def run(
        self, X: FloatArray, Y: Targets | None, weight: FloatArray | None, out: FloatArray, correct: NDArray[np.int64]
    ) -> bool:
        """a^L, or costs and which labels are correct, of each row of X; whether X is finite."""
        n, size = X.shape[0], self._block
        self._workspace.point_to_data(X, Y, weight, separate=self._network.decides_separately)
        wanted = 1 if self._work * n <= _PARALLEL_FLOP else min(-(-n // size), available(self._network._limit))

        def call(threads: int) -> bool:
            outputs, threads = (outputs_parallel, threads) if threads else (outputs_serial, 1)
            self._reserve(min(n, threads * size), threads)
            changed, look = self._panels.changed()
            place = self._workspace.address, *self._place
            finite = outputs(*place, in_order(n), out, correct, size, threads, changed)
            self._panels.look = look
            return bool(finite)

        return on_numba_threads(wanted, call) if wanted > 1 else call(0)


_T = TypeVar("_T")
_bounds: weakref.WeakSet[Bound] = weakref.WeakSet()


def _nothing() -> None:
    pass


def _before_fork() -> None:
    # a child cannot know how far panels are that a thread works with which is not there
    for bound in list(_bounds):
        bound.catch_up()


def _after_fork() -> None:
    for bound in _bounds:
        bound.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


class Shows(Protocol):
    """A session that trains with the panels."""

    def show(self) -> None:
        """Have the updates that were made be in the parameters, in the middle of the session."""


class Bound:
    """What a network has of compiled things: made at the first call, kept, and never copied or pickled.

    Its lock, that of its turns, is held while a call or a session is at work with the panels and the workspaces. Code
    of the user's that runs in the same Python thread meanwhile, such as a signal handler, `__del__` or a schedule, gets
    others.
    """

    def __init__(self, network: BaseNetwork, turns: Turns | None = None) -> None:
        self._network = network
        self.panels = Panels(network)
        self._layers: Plan | None = None  # for a small batch
        self._direct = direct_batch(network)
        self.turns = Turns() if turns is None else turns
        self._take_turns()
        #: The training session that holds the lock.
        self.session: Shows | None = None
        self._outputs: Inference | None = None
        self._costs: Inference | None = None
        _bounds.add(self)

    def _take_turns(self) -> None:
        # `is_mine`: whether this Python thread holds the panels
        self.lock, self.is_mine, self.gate = self.turns.lock, self.turns.is_mine, self.turns.gate

    def renew(self) -> None:
        """In a forked child: another thread that worked with the panels is not here, and left them as they were."""
        was_taken = self.lock is not self.turns.lock  # renewed before
        self._take_turns()
        if was_taken:
            self.session = self.panels.write = None
            self.panels.forget()

    def catch_up(self) -> None:
        """Have the updates of lone steps be in the parameters; a step that another thread makes ends first.

        Code of the user's in the middle of a session of its own thread gets all updates so far.
        """
        if self.session is not None and self.is_mine():
            self.session.show()
        elif self.panels.write is not None:
            with_release(self._write, _nothing if self.is_mine() else self.unlock)

    def _write(self) -> None:
        self.lock.acquire()
        self.panels.catch_up()

    def unlock(self) -> None:
        """Let other Python threads in, if this one holds the panels."""
        while self.is_mine():
            self.lock.release()

    def serve_training(self, workspace: Workspace) -> None:
        """Let a workspace point to the panels, those for the way back, too."""
        def serve() -> None:
            self.lock.acquire()
            self.panels.serve(workspace, training=True)

        with_release(serve, _nothing if self.is_mine() else self.unlock)

    def _alone(self, work: Callable[[Bound], _T]) -> _T:
        """work(self), or with panels of its own while another call is at work with these."""
        if self.is_mine():
            return work(self.another())

        def with_panels() -> _T:
            waits = self.panels.write is not None  # the panels are ahead: the other thread makes a lone step
            return work(self if self.lock.acquire(waits) else Bound(self._network))

        return with_release(with_panels, self.unlock)

    def another(self) -> Bound:
        """Panels and workspaces of the network as it is, for code of the user's in the middle of a call of its thread.

        Those of the call hold its own data: addresses, and how many there are.
        """
        self.catch_up()
        return Bound(self._network)

    def outputs(self, X: FloatArray) -> tuple[FloatArray, bool]:
        """a^L (n_samples, n_L), and whether X is finite."""
        network = self._network
        out = np.empty((X.shape[0], network.sizes[-1]), network.dtype)
        if X.shape[0] <= self._direct:
            # a read-only array would be another type to compile for
            X = X if X.flags.writeable else X.copy()
            if self._layers is None:  # kept whole: its place alone would outlive the records
                self._layers = workspace_of(network, training=False)
            return out, bool(forward_small_batch(network._read(), *self._layers.place, X, out))
        return out, self._alone(lambda bound: bound._run_outputs(X, out.reshape(-1)))

    def _run_outputs(self, X: FloatArray, out: FloatArray) -> bool:
        if self._outputs is None:
            self._outputs = Inference(self._network, self.panels, evaluates=False)
        return self._outputs.run(X, None, None, out, _NO_LABELS)

    def evaluate(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, int]:
        """C, summed in float64, and the number of correct labels."""
        out, correct = np.empty(X.shape[0], self._network.dtype), np.empty(X.shape[0], np.int64)
        self._alone(lambda bound: bound._run_costs(X, Y, weight, out, correct))
        return float(np.add.reduce(out, dtype=np.float64)) / len(out), int(np.add.reduce(correct))

    def _run_costs(
        self, X: FloatArray, Y: Targets, weight: FloatArray | None, out: FloatArray, correct: NDArray[np.int64]
    ) -> bool:
        if self._costs is None:
            self._costs = Inference(self._network, self.panels, evaluates=True)
        return self._costs.run(X, Y, weight, out, correct)
