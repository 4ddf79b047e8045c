"""Training on all samples at once by L-BFGS, with the routine of SciPy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastbp.base.network import BaseNetwork, Canonical, layer_views
from fastbp.canonical import FloatArray
from fastbp.checks import check_count, check_number
from fastbp.exceptions import DivergenceError
from fastbp.history import History


class LBFGSHistory(History):
    """History of a call of `fit_lbfgs`, which says how it ended, too.

    Parameters
    ----------
    columns : mapping of str to sequence of float, optional
        Measures of iterations so far, by name.

    Attributes
    ----------
    converged : bool
        Whether no component of the gradient is larger than `tol`, or the loss cannot be told from its minimum.
    message : str
        How it ended, in SciPy's words.
    n_evaluations : int
        Number of times that the loss and its gradient were computed.

    Examples
    --------
    >>> history = LBFGSHistory({"loss": [0.5, 0.25]})
    >>> history.converged, history.message, history.n_iterations
    (False, '', 2)
    """

    # In slots, beside the columns of the history, which are what is in its __dict__.
    __slots__ = ("converged", "message", "n_evaluations")

    def __init__(self, columns: Mapping[str, Iterable[float]] | None = None) -> None:
        super().__init__(columns)
        self.converged, self.message, self.n_evaluations = False, "", 0

    @property
    def n_iterations(self) -> int:
        """Number of iterations."""
        return len(self.loss)


def fit_lbfgs(
    network: BaseNetwork,
    X: ArrayLike,
    Y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    max_iter: int = 200,
    tol: float = 1e-5,
) -> LBFGSHistory:
    """Minimise C + l2/2 Σ w_ij² over all parameters of a network by L-BFGS [1]_, [2]_.

    It suits small data sets: no learning rate is needed, and each iteration takes all samples.

    Parameters
    ----------
    network : Network
        Network of any implementation, which is trained in place.
    X : array_like (n_samples, n_0)
        Inputs, one sample per row.
    Y : array_like (n_samples, n_L) or ints (n_samples,)
        Targets, or labels 0..n_L-1 if the loss takes labels.
    sample_weight : array_like (n_samples,), optional
        Weights v_s >= 0 in C = 1/m Σ_s v_s C_s. The default is 1.
    l2 : float
        Penalty of the weights, 0 or more. Biases have none, and the loss in the history is without it.
    max_iter : int
        Largest number of iterations.
    tol : float
        Training ends when no component of the gradient is larger than this in absolute value.

    Returns
    -------
    LBFGSHistory
        The measures `loss` and `seconds` of each iteration; whether it converged, SciPy's message, and the number of
        iterations as attributes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, shape or range. The network is then unchanged.
    DivergenceError
        If the loss is not finite at the start, or the parameters at the end. The network then has those of the last
        iteration at which all was finite.
    ImportError
        If SciPy is not installed.

    See Also
    --------
    fastbp.Trainer : Training by minibatches.

    Notes
    -----
    The arithmetic is in float64 for any dtype of the network. The result is rounded at the end.

    Ctrl-C ends it by KeyboardInterrupt. The network has the parameters of the last whole iteration, and the exception
    has the iterations so far as its attribute `history`.

    Scikit-learn's ``MLPClassifier(solver="lbfgs", alpha=...)`` minimises the same function with l2 = alpha / n_samples.
    Its `tol` is 1e-4.

    References
    ----------
    .. [1] D. C. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
       Programming 45, 1989. doi:10.1007/BF01589116
    .. [2] R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, "A limited memory algorithm for bound constrained optimization",
       SIAM Journal on Scientific Computing 16, 1995. doi:10.1137/0916069

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> net = Network([2, 4, 1], activation="tanh", output="sigmoid", rng=0)
    >>> history = fit_lbfgs(net, [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
    >>> net.predict([[0, 0], [0, 1], [1, 0], [1, 1]])
    array([0, 1, 1, 0])
    >>> history.converged, history.n_iterations == len(history.loss)
    (True, True)
    """
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise ImportError("fit_lbfgs needs SciPy: pip install scipy (or fastbp[scipy])") from error
    l2 = check_number("l2", l2, 0.0)
    options = {"maxiter": check_count("max_iter", max_iter), "gtol": check_number("tol", tol, 0.0), "ftol": 0.0}
    options["maxfun"] = 20 * max_iter  # maxiter comes first: an iteration takes little more than one evaluation
    work = network.copy(np.float64)
    data = work.canonical(X, Y, sample_weight)
    run = _Run(work, data, l2, network.dtype)
    first, _ = run.objective(work.parameters.copy())
    if not np.isfinite(first):
        raise DivergenceError(f"the loss is {first} at the start of L-BFGS; scale the inputs to about -1..1")
    try:
        found = minimize(
            run.objective, work.parameters.copy(), jac=True, method="L-BFGS-B", callback=run.record, options=options
        )
    except KeyboardInterrupt as interrupt:
        interrupt.history = history = run.history()  # type: ignore[attr-defined]
        history.message = "interrupted"
        raise
    finally:
        network.parameters[:] = run.reached[0]
        network.multilabel = work.multilabel
    if run.diverged or not np.isfinite(found.fun):
        raise DivergenceError(f"L-BFGS came to numbers that are not finite in {network.dtype}; scale the inputs")
    history = run.history()
    message = found.message.decode() if isinstance(found.message, bytes) else str(found.message)
    history.converged, history.message = bool(found.success), message
    return history


class _Run:
    """The function to minimise, and the iterations so far."""

    def __init__(self, work: BaseNetwork, data: Canonical, l2: float, dtype: np.dtype[Any]) -> None:
        self._work, self._data, self._l2, self._dtype = work, data, l2, dtype
        self.diverged = False
        self._start, self._loss, self._n_evaluations = perf_counter(), np.nan, 0
        #: Parameters, losses and seconds of the iterations, replaced as a whole so that Ctrl-C finds them in step.
        self.reached: tuple[FloatArray, list[float], list[float]] = (work.parameters.copy(), [], [])

    def objective(self, parameters: FloatArray) -> tuple[float, FloatArray]:
        work = self._work
        work.parameters[:] = parameters
        self._loss, gradient = work._backprop(*self._data)
        self._n_evaluations += 1
        penalty = 0.0
        for W, dW in zip(work.weights, layer_views(gradient, work.sizes)[0], strict=True):
            penalty += 0.5 * self._l2 * float(np.vdot(W, W))
            np.add(dW, self._l2 * W, out=dW)
        return self._loss + penalty, gradient

    def record(self, parameters: FloatArray) -> None:
        # The last evaluation of a line search is the one at its end, so the loss belongs to this iteration.
        with np.errstate(over="ignore"):
            rounded = parameters.astype(self._dtype)
        if not (np.isfinite(self._loss) and np.isfinite(rounded).all()):
            self.diverged = True
            return
        now = perf_counter()
        _, losses, seconds = self.reached
        self.reached = rounded, [*losses, self._loss], [*seconds, now - self._start]
        self._start = now

    def history(self) -> LBFGSHistory:
        _, losses, seconds = self.reached
        history = LBFGSHistory({"loss": losses, "seconds": seconds})
        history.n_evaluations = self._n_evaluations
        return history
