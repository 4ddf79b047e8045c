"""The network with compiled arithmetic."""

from __future__ import annotations

import numpy as np

from fastbp import canonical
from fastbp.base.network import BaseNetwork, Targets
from fastbp.base.session import Session as AnySession
from fastbp.base.session import within
from fastbp.base.sources import run_whole
from fastbp.canonical import FloatArray
from fastbp.compiled.inference import Bound
from fastbp.compiled.session import Session
from fastbp.regularization import Regularization


class Network(BaseNetwork):
    """Fully connected network with compiled arithmetic.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of neurons n_0, ..., n_L: inputs, hidden layers, outputs.
    activation : str, Activation or sequence of them
        Activation of all hidden layers, or one for each (see `fastbp.activations`).
    output : str or Activation
        Activation of the output layer.
    loss : str or Loss
        Cost of one sample, summed over the outputs (see `fastbp.losses`).
    dtype : float32 or float64
        Type of the parameters and of the arithmetic.
    init : str
        Name of an initializer (see `fastbp.initializers`), or "auto" for the one that suits each layer's activation.
    rng : seed or Generator, optional
        Seed or generator of the initial weights: anything that `numpy.random.default_rng` takes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range. The message names it and what was expected.

    See Also
    --------
    fastbp.Trainer : Train a network.
    fastbp.reference.Network : The same network in NumPy.

    Notes
    -----
    Kernels are compiled at the first call for a dtype and are kept on disk. `fastbp.warmup` compiles them beforehand.

    `sizes`, `dtype`, `activations` and `loss_function` are fixed. The arrays `parameters`, `weights` and `biases` may
    be written into at any time, and views of them show each update while they are held. An address that is kept without
    its array does not: ask for the array again.

    Examples
    --------
    >>> from fastbp import Network
    >>> net = Network([2, 3, 1], activation="tanh", output="sigmoid", rng=0)
    >>> net.weights[0].shape, net.biases[1].shape
    ((3, 2), (1,))
    >>> net.forward([[0.0, 1.0], [1.0, 1.0]]).shape
    (2, 1)
    """

    # Made at the first call; no part of copies and pickles.
    _bound: Bound | None = None
    _session: Session | None = None
    _probes_inputs = True

    def _compiled(self) -> Bound:
        if self._bound is None:
            self._bound = Bound(self, self._turns)
        return self._bound

    def _catch_up(self) -> None:
        if self._bound is not None:
            self._bound.catch_up()

    def _check_idle(self) -> None:
        if self._bound is not None and self._bound.is_mine():
            raise RuntimeError(
                "the network is in the middle of a call: a signal handler, a schedule or __del__ that interrupted it "
                "may predict, but not train it; have it set a mark, and train after the call"
            )

    def _attach(self, session: AnySession) -> AnySession:
        """Return the session of a trainer, which may do more where it ends."""
        return session

    def _rules(self, rules: Regularization) -> Regularization:
        """Return the rules of a trainer, and what else holds for this network."""
        return rules

    def _forward(self, X: FloatArray) -> FloatArray:
        a, finite = self._compiled().outputs(X)
        if not finite:
            canonical.samples(X, self.sizes[0], self.dtype)  # raises an error that names the number
        return a

    def _evaluate(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, int]:
        return self._compiled().evaluate(X, Y, weight)

    def _backprop(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, FloatArray]:
        bound = self._compiled()
        if bound.is_mine():  # in the middle of a call of this thread
            session = self._gradient_session(bound.another())
        else:
            session = self._session = self._session or self._gradient_session(bound)

        def gradient(session: Session) -> tuple[float, FloatArray]:
            result = run_whole((X, Y, weight), session)
            return result.loss_sum / result.n_samples, session.gradient()

        return within(session, gradient)

    def _gradient_session(self, bound: Bound) -> Session:
        return Session(self, bound, None, Regularization(), (), np.zeros(1, np.int64), self._limit)
