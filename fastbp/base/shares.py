"""Steps that several processes make together: each takes its share of a minibatch, and all make the same update."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.base.network import BaseNetwork, Canonical
from fastbp.base.session import ChunkResult, Session, SplitSession, summed_length
from fastbp.base.sources import Batches, Chunks, give_way, in_order
from fastbp.canonical import FloatArray
from fastbp.distributed.alone import Alone
from fastbp.distributed.ranks import Ranks, checksum

_NOTHING = ChunkResult(0.0, 0, 0)


def shared(session: Any, ranks: Alone | Ranks) -> Session:
    """Return a session that makes its steps together with other ranks, or the session itself where there are none."""
    own: Session = SharedSession(session, ranks) if isinstance(ranks, Ranks) else session
    return own


class SharedSession:
    """A session of all ranks; see `fastbp.base.session.Session`. It makes one step a call.

    Parameters
    ----------
    inner : SplitSession
        Session that computes on this rank.
    ranks : Ranks
        The ranks.
    """

    def __init__(self, inner: SplitSession, ranks: Ranks) -> None:
        self._inner, self._ranks = inner, ranks
        self.states, self.leave = inner.states, inner.leave

    def __enter__(self) -> SharedSession:
        self._inner.__enter__()
        self.gate = self._inner.gate
        return self

    def __exit__(self, *error: object) -> None:
        self._inner.leave()

    def run(
        self, data: Canonical | None, rows: NDArray[np.int64], batch_size: int, *, last: bool = True,
        penalty_scale: float | None = None, place: tuple[int, int] | None = None,
    ) -> ChunkResult:
        """Make one step, by the first minibatch of `rows`.

        Parameters
        ----------
        data, rows, batch_size, last, penalty_scale : see `fastbp.base.session.Session`
            The same on all ranks, without `place`.
        place : tuple of int, optional
            How many samples of the minibatch other ranks have before the `rows`, which are this rank's own, and how
            many it has.
        """
        m = min(batch_size, len(rows))
        begin, end = self._ranks.share(m) if place is None else (0, m)
        first, total = (begin, m) if place is None else place
        part, error = _NOTHING, None
        try:
            part = self._inner.differentiate(data, rows[begin:end], first)
        except Exception as caught:  # noqa: BLE001 - raised on all ranks
            error = caught
        measured = part.n_samples, part.loss_sum, part.correct
        sums = self._ranks.tally(("the size of a minibatch", total), *measured, error=error)
        if not math.isfinite(sums.loss_sum):
            return ChunkResult(sums.loss_sum, sums.correct, total)
        self._ranks.sum(self._inner.summed)
        penalty = self._inner.update(total, last=last and m == len(rows), penalty_scale=penalty_scale)
        return ChunkResult(sums.loss_sum, sums.correct, total, total * penalty)


def share_of(data: Canonical, ranks: Alone | Ranks) -> Canonical | None:
    """Return this rank's share of samples, or None where it is empty."""
    X, Y, weight = data
    begin, end = ranks.share(X.shape[0])
    if begin == end:
        return None
    return X[begin:end], Y[begin:end], None if weight is None else weight[begin:end]


class OwnBatches:
    """Minibatches whose parts the ranks bring, each its own; a part may have no rows.

    Parameters
    ----------
    network : BaseNetwork
        Network that is trained.
    batches : Batches
        Parts of this rank.
    ranks : Ranks
        The ranks.
    """

    def __init__(self, network: BaseNetwork, batches: Batches, ranks: Ranks) -> None:
        self._network, self._batches, self._ranks = network, batches, ranks
        batches.may_be_empty = True

    def chunks(self, session: Any) -> Chunks:
        """Train for an epoch.

        Raises
        ------
        ValueError
            If one rank has a minibatch where another has none left.
        """
        parts, n_before = iter(self._batches), 0
        while True:
            data, n, error = None, -1, None
            try:
                data = next(parts)
                n = data[0].shape[0]
            except StopIteration:
                pass
            except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001 - raised on all ranks
                error = caught
            place = self._place(n, n_before, error)
            if place is None:
                return
            n_before += 1
            if place[1]:
                yield session.run(data, in_order(n), max(1, n), last=False, place=place)
                give_way(session)

    def _place(self, n: int, n_before: int, error: BaseException | None) -> tuple[int, int] | None:
        """Samples of the ranks before, and of all, in a minibatch of which this rank has n; None if none has any."""
        ranks, network = self._ranks, self._network
        found = ranks.numbers(n, network.multilabel, error=error)
        counts = [int(row[0]) for row in found]
        if max(counts) < 0:
            return None
        if min(counts) < 0:
            raise ranks.agreed(_uneven(counts, n_before))
        if not network.multilabel and any(row[1] for row in found):
            network.multilabel = True
        return sum(counts[: ranks.rank]), sum(counts)


def _uneven(counts: list[int], n_before: int) -> ValueError:
    done, goes_on = (next(rank for rank, n in enumerate(counts) if (n < 0) == ended) for ended in (True, False))
    return ValueError(
        f"X on rank {done} ended after {n_before} batches, and rank {goes_on} has another one; "
        "all ranks must bring as many: a rank without samples may bring a batch of no rows"
    )


# ------------------------------------------------------------------ parameters that all ranks compute together
class SharedGradient:
    """Cost and gradient of the mean over samples of which each rank computes its share.

    Parameters
    ----------
    network : BaseNetwork
        Network that computes.
    data : tuple
        X, Y and sample weights in canonical form, the same on all ranks.
    ranks : Ranks
        The ranks.
    """

    def __init__(self, network: BaseNetwork, data: Canonical, ranks: Ranks) -> None:
        self._network, self._ranks = network, ranks
        self._n, self._own = data[0].shape[0], share_of(data, ranks)
        self._sum = np.zeros(summed_length(network.parameters.size, ranks.size), network.dtype)

    def __call__(self) -> tuple[float, FloatArray]:
        """Return C and its gradient at the network's parameters."""
        network, error, n, loss = self._network, None, 0, 0.0
        gradient = self._sum[: network.parameters.size]
        gradient[:] = 0.0
        try:
            if self._own is not None:
                n = self._own[0].shape[0]
                mean, own = network._backprop(*self._own)
                loss = mean * n
                np.multiply(own, n, out=gradient)
        except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001 - raised on all ranks
            error = caught
        token = "the checksum of the parameters", checksum(network.parameters)
        total = self._ranks.tally(token, n, loss, 0, error=error)
        self._ranks.sum(self._sum)
        return total.loss_sum / self._n, gradient / self._n
