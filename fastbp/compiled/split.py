"""A session whose steps are cut in two, so that gradients of several processes are added up between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.base.network import BaseNetwork, Canonical
from fastbp.base.session import ChunkResult, summed_length
from fastbp.canonical import FloatArray
from fastbp.compiled.formulas import update_address
from fastbp.compiled.inference import Bound
from fastbp.compiled.session import Session, timed
from fastbp.compiled.workspace import Workspace, aligned
from fastbp.kernels.gradient_layers import OPTIMIZER
from fastbp.kernels.runtime.barrier import arrivals_size
from fastbp.kernels.runtime.threads import ThreadTuner
from fastbp.kernels.update import UPDATE
from fastbp.optimizers import Optimizer
from fastbp.regularization import Regularization

# Work of the update of one parameter, in floating-point operations of a gradient: SGD takes 0.1 ns, Adam 0.4 (Zen 3).
_UPDATE_FLOP = 10


class SplitSession(Session):
    """Training of one network; see `fastbp.base.session.SplitSession`.

    It has the optimizer's state and the rules. The gradient is that of a session without an optimizer, which works with
    the same panels.

    Parameters
    ----------
    network, bound, optimizer, regularization, states, steps, limit : see `Session`
        As for any session, with an optimizer.
    parts : int
        Processes that add up their gradients.
    """

    def __init__(
        self,
        network: BaseNetwork,
        bound: Bound,
        optimizer: Optimizer,
        regularization: Regularization,
        states: Sequence[FloatArray],
        steps: NDArray[np.int64],
        limit: int | None,
        parts: int,
    ) -> None:
        super().__init__(network, bound, optimizer, regularization, states, steps, limit)
        own = Regularization(
            dropout=regularization.dropout,
            dropout_seed=regularization.dropout_seed,
            label_smoothing=regularization.label_smoothing,
        )
        self._gradients = _Sums(network, bound, own, limit)
        self.summed = aligned(summed_length(self._plan.n_panels, parts), network.dtype)
        arrivals = aligned(arrivals_size(self._threads), np.int64)
        self._workspace.point(g=self.summed, arrivals=arrivals)
        self._gradients.store_in(self.summed)
        self._workspace.put(epilogue=OPTIMIZER, update=update_address(optimizer, network.dtype))
        self._norm_rules = False  # what is left to `Session.leave` makes no step
        self._layers, self._layers_at = self._plan.layers, self._plan.place[0]
        self._tuner = ThreadTuner(_UPDATE_FLOP * self._plan.n_panels, self._threads)

    def __enter__(self) -> Self:
        super().__enter__()
        vars(self._gradients).update(_enters=self._enters, _look=self._look, _is_current=True)
        return self

    def _end(self) -> None:
        self._gradients._end()
        super()._end()

    def differentiate(self, data: Canonical | None, rows: NDArray[np.int64], first: int) -> ChunkResult:
        """Compute the gradient of some samples; see `fastbp.base.session.SplitSession`."""
        if data is None or not len(rows):
            self.summed.fill(0)
            return ChunkResult(0.0, 0, 0)
        return self._gradients.sum(data, rows, first, int(self._steps[0]))

    def update(self, n_samples: int, *, last: bool, penalty_scale: float | None) -> float:
        """Let the parameters follow `summed`; see `fastbp.base.session.SplitSession`."""
        if penalty_scale != self._penalty_scale:
            self._penalize(penalty_scale)
        hyper, factor, place = self._hyper(1), 1.0 / n_samples, (self._workspace.address, *self._plan.place)
        leaves = self._leaves(last, alone=False)

        def update(threads: int, *, parallel: bool) -> None:
            UPDATE[parallel](*place, hyper, factor, threads, self._enters, leaves)
            self._entered()

        if self._tuner.tunes:
            timed(self._tuner, self._tuner.next(1)[0], 1, update)
        else:
            update(1, parallel=False)
        self._left(last, leaves)
        return float(self._workspace.arrays["result"][0, 3])


class _Sums(Session):
    """A session that stores the gradient of a sum of costs."""

    def __init__(self, network: BaseNetwork, bound: Bound, rules: Regularization, limit: int | None) -> None:
        super().__init__(network, bound, None, rules, (), np.zeros(1, np.int64), limit)
        self._count = np.zeros((1, 1), network.dtype)

    def store_in(self, g: FloatArray) -> None:
        """Have the gradient stored there."""
        self._workspace.point(g=g)

    def sum(self, data: Canonical, rows: NDArray[np.int64], first: int, step: int) -> ChunkResult:
        """The gradient of Σ_s v_s C_s of the rows in update number `step`, before which there are `first` samples."""
        self._steps[0], self._count[0, 0] = step, len(rows)
        self._workspace.words[Workspace.WORD["first"]] = first
        return self.run(data, rows, len(rows))

    def _hyper(self, n_steps: int) -> Any:  # noqa: ARG002 - it makes one step at a time
        return self._count
