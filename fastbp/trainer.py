"""The trainer with compiled arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastbp.base.session import Session as AnySession
from fastbp.base.shares import shared
from fastbp.base.trainer import BaseTrainer
from fastbp.canonical import FloatArray
from fastbp.compiled.session import Session
from fastbp.kernels.runtime import host
from fastbp.network import Network


class Trainer(BaseTrainer):
    """Training of a network by minibatches with compiled arithmetic.

    Parameters
    ----------
    network : Network
        Network to train in place.
    optimizer : str or Optimizer
        Rule of the updates, or its name in `fastbp.optimizers.OPTIMIZERS`. Its state and the number of updates last
        over several fits.
    batch_size : int
        Samples of one minibatch. The last minibatch of an epoch has what remains.
    shuffle : bool
        Whether each epoch takes the samples in a new order.
    threads : int, optional
        Upper limit of the number of threads. By default the faster number is found by timing.
    rng : seed or Generator, optional
        Seed or generator of the sample order and of the dropout masks: anything that `numpy.random.default_rng` takes.
    l1, l2 : float
        Penalties l1 Σ|w_ij| + l2/2 Σ w_ij² of all weights, 0 or more. Biases have none, and the reported loss is
        without them. They do not depend on the batch size.
    dropout : float
        Probability in [0, 1) that a hidden neuron is dropped for one sample of one update. The others are scaled by
        1 / (1 − dropout).
    max_norm : float, optional
        Upper limit of ‖w_i‖, the norm of the incoming weights of each neuron, after each update.
    clip_value : float, optional
        Upper limit of the absolute value of each component of the gradient, penalties included.
    clip_norm : float, optional
        Upper limit of the norm of the whole gradient, biases included, after `clip_value`.
    label_smoothing : float
        Share e in [0, 1) of the targets (1 − e) y + e / n_L, on a lone output (1 − e) y + e / 2. It needs the
        cross-entropy. Accuracy and validation take the targets as they are.
    comm : communicator, optional
        Communicator of mpi4py, such as MPI.COMM_WORLD, whose processes train together: see ``docs/scaling.md``. Each
        passes the same arguments and arrays; `batch_size` is that of all. Of an iterable each brings its own part.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range. The message names it and what was expected.

    See Also
    --------
    fastbp.fit_lbfgs : Train on all samples at once.
    fastbp.reference.Trainer : The same trainer in NumPy.
    fastbp.regularization.Regularization : Sources of the penalties, dropout and limits.

    Notes
    -----
    Each update follows the mean gradient of its own minibatch. The bits of the result do not depend on `threads`.

    `optimizer`, `batch_size`, `shuffle`, `threads`, `rng` and `comm` may be assigned between two fits or updates.

    Another thread may read `steps`, `epochs` and `history` while one trains, and save; ``history.history`` has the
    same epochs in all columns, and ``network.copy()`` the parameters after a minibatch.

    Examples
    --------
    >>> from fastbp import SGD, Network, Trainer
    >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> net = Network([2, 8, 1], activation="tanh", output="sigmoid", rng=0)
    >>> trainer = Trainer(net, optimizer=SGD(learning_rate=0.5), batch_size=4, rng=0)
    >>> history = trainer.fit(X, Y, epochs=500)
    >>> net.predict(X)
    array([0, 1, 1, 0])
    """

    network: Network
    _networks = Network

    def _open(self, states: Sequence[FloatArray]) -> AnySession:
        network, ranks = self.network, self._ranks
        of = network, network._compiled(), self.optimizer, network._rules(self.regularization), states, self._steps
        if ranks.size == 1:
            return network._attach(Session(*of, self.threads))
        from fastbp.compiled.split import SplitSession  # few need it

        threads = ranks.cores if self.threads is None else self.threads
        return network._attach(shared(SplitSession(*of, threads, ranks.size), ranks))

    def _machine(self) -> dict[str, Any]:
        return {"FASTBP_VECTOR_BYTES (width of vectors)": host.VECTOR_BYTES, "fused multiply-add": host.HAS_FMA}
