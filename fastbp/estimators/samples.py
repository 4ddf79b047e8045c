"""Samples in the order and with the weights and penalties that scikit-learn gives them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastbp.base.network import BaseNetwork
from fastbp.base.session import Session
from fastbp.base.sources import Chunks, Source, array_chunks, in_order
from fastbp.canonical import FloatArray, samples
from fastbp.estimators.dense import is_sparse, rows_at_a_time
from fastbp.estimators.labelled import Labelled
from fastbp.targets import targets


class Samples(Source):
    """Samples that each epoch takes in a shuffled order; penalties are divided by the weight of their minibatch.

    The objective of a minibatch is (Σ_s v_s C_s + l2/2 Σ w_ij² + l1 Σ|w_ij|) / Σ_s v_s.

    Parameters
    ----------
    network : BaseNetwork
        Network whose form the samples get.
    train : Labelled
        Samples with weights v_s, 1 by default. Of a sparse X some minibatches are dense at a time.
    shuffle : bool
        Whether each epoch takes the rows in a new order.
    random_state : numpy.random.RandomState
        Generator of the order, used as by ``sklearn.utils.shuffle``.

    Attributes
    ----------
    weight : ndarray (n_samples,) or None
        Weights v_s in the last epoch, of mean 1 in each minibatch.

    Raises
    ------
    TypeError, ValueError
        If the samples do not fit the network.

    Examples
    --------
    >>> from fastbp.reference import Network, Trainer
    >>> net = Network([1, 2], rng=0)
    >>> train = Labelled(np.array([[0.0], [1.0]]), np.array([0, 1]), None, None)
    >>> samples = Samples(net, train, True, np.random.RandomState(0))
    >>> len(Trainer(net, batch_size=1).fit(samples, epochs=3).loss)
    3
    """

    def __init__(
        self, network: BaseNetwork, train: Labelled, shuffle: bool, random_state: np.random.RandomState
    ) -> None:
        X, n = train.X, train.X.shape[0]
        self.n_samples, self._given, self._shuffle, self._random_state = n, train.weight, shuffle, random_state
        self._order, self._dtype = np.arange(n), network.dtype
        self.weight: FloatArray | None = None
        self._sparse = X.tocsr() if is_sparse(X) else None
        shape, loss = (n, network.sizes[-1]), network.loss_function
        self._X = samples(X, network.sizes[0], network.dtype) if self._sparse is None else np.empty(0, network.dtype)
        self._Y = targets(train.targets, shape, network.n_classes, network.dtype, "y", loss=loss)

    def chunks(self, session: Session, batch_size: int) -> Chunks:  # noqa: D102
        order = self._next_order()
        parts = self._parts(order, batch_size)
        weight = self.weight
        data = self._X, self._Y, weight
        for number, (rows, scale) in enumerate(parts, start=1):
            last = number == len(parts)
            if self._sparse is None:
                yield from array_chunks(session, data, rows, batch_size, last=last, penalty_scale=scale)
                continue
            step = rows_at_a_time(self._sparse, batch_size)
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                X = self._sparse[some].toarray().astype(self._dtype, copy=False)
                dense, all_rows = (X, self._Y[some], None if weight is None else weight[some]), in_order(len(some))
                yield from array_chunks(session, dense, all_rows, batch_size, last=False, penalty_scale=scale)

    def _next_order(self) -> NDArray[np.int64]:
        """The rows of the next epoch: those of the last one, shuffled."""
        if self._shuffle:
            places = np.arange(self.n_samples)
            self._random_state.shuffle(places)
            self._order = self._order[places]
        return self._order

    def _parts(self, order: NDArray[np.int64], batch_size: int) -> list[tuple[NDArray[np.int64], float]]:
        """Runs of minibatches with the factor of their penalties; `weight` is set."""
        if self._given is None:
            whole = self.n_samples // batch_size * batch_size
            parts = [(order[:whole], 1.0 / batch_size), (order[whole:], 1.0 / max(self.n_samples - whole, 1))]
            return [(rows, scale) for rows, scale in parts if len(rows)]
        starts = np.arange(0, self.n_samples, batch_size)
        counts = np.diff(starts, append=self.n_samples)
        sums = np.add.reduceat(self._given[order], starts)
        if not sums.all():
            raise ValueError("sample_weight is 0 for all samples of a minibatch; a larger batch_size helps")
        self.weight = np.empty(self.n_samples, self._dtype)
        self.weight[order] = self._given[order] * np.repeat(counts / sums, counts)
        return list(zip(np.split(order, starts[1:]), (1.0 / sums).tolist(), strict=True))
