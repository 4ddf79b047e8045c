"""The trainer with compiled arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from fastbp.base.session import Session as AnySession
from fastbp.base.trainer import BaseTrainer
from fastbp.canonical import FloatArray
from fastbp.compiled.session import Session
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

    `optimizer`, `batch_size`, `shuffle`, `threads` and `rng` may be assigned between two fits or updates.

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

    def _open(self, states: Sequence[FloatArray]) -> AnySession:
        network = self.network
        rules = network._rules(self.regularization)
        session = Session(network, network._compiled(), self.optimizer, rules, states, self._steps, self.threads)
        return network._attach(session)
