"""Training on all samples at once by L-BFGS, with the routine of SciPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastbp.base.network import BaseNetwork
from fastbp.base.parameters import layer_views
from fastbp.base.shares import SharedGradient
from fastbp.canonical import FloatArray
from fastbp.checks import MANY, check_count, check_number, shown
from fastbp.distributed.alone import Alone
from fastbp.distributed.communicator import ranks_of
from fastbp.distributed.ranks import Ranks
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
    comm: Any = None,
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
    comm : communicator, optional
        Communicator of mpi4py whose processes train together, each with its share of the samples. All of them pass the
        same arguments, and have the same result.

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
    if not isinstance(network, BaseNetwork):
        raise TypeError(f"network must be a Network, got {shown(network)}")
    with ranks_of(comm).job("fit_lbfgs") as ranks:
        with ranks.together():
            if not network._trains_biases:
                raise ValueError("the network has no biases, and L-BFGS trains them; take a Trainer")
            l2 = check_number("l2", l2, 0.0)
            max_iter = check_count("max_iter", max_iter, 1, MANY)
            options = {"maxiter": max_iter, "gtol": check_number("tol", tol, 0.0), "ftol": 0.0}
            options["maxfun"] = 20 * max_iter  # maxiter comes first: an iteration takes little more than one evaluation
            objective = Objective(network, (*network._rows(X, Y), sample_weight), l2)
            _scipy_minimize()
        if isinstance(ranks, Ranks):
            objective._share(ranks, {"max_iter": max_iter, "tol": tol})
        return _fit(network, objective, options, ranks)


def _fit(network: BaseNetwork, objective: Objective, options: dict[str, Any], ranks: Alone | Ranks) -> LBFGSHistory:
    """`fit_lbfgs` with all arguments checked."""
    run = _Run(objective, network.dtype)
    first, _ = objective(objective.network.parameters.copy())
    if not np.isfinite(first):
        message = f"the loss is {first} at the start of L-BFGS{ranks.blame}; scale the inputs to about -1..1"
        raise ranks.agreed(DivergenceError(message))
    try:
        found = minimize(objective, options, run.record)
    except KeyboardInterrupt as interrupt:
        interrupt.history = history = run.history()  # type: ignore[attr-defined]
        history.message = "interrupted"
        raise
    finally:
        network.parameters[:] = run.reached[0]
        network.multilabel = objective.network.multilabel
        network._settle()
    if run.diverged or not np.isfinite(found.fun):
        message = f"L-BFGS came to numbers that are not finite in {network.dtype}; scale the inputs"
        raise ranks.agreed(DivergenceError(message))
    history = run.history()
    message = found.message.decode() if isinstance(found.message, bytes) else str(found.message)
    history.converged, history.message = bool(found.success), message
    return history


class Objective:
    """C + l2/2 Σ w_ij² and its gradient as functions of all parameters, in float64.

    Parameters
    ----------
    network : BaseNetwork
        Network whose copy computes.
    data : tuple
        X, Y and sample weights, as its `canonical` takes them.
    l2 : float
        Penalty of the weights.

    Attributes
    ----------
    network : BaseNetwork
        The copy, whose parameters are those of the last call.
    loss : float
        C of the last call, without the penalty.
    n_evaluations : int
        Calls so far.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> net = Network([1, 1], output="identity", loss="quadratic", init="zeros")
    >>> value, gradient = Objective(net, ([[0.0], [1.0]], [[1.0], [3.0]], None), l2=0.1)(np.array([0.0, 1.0]))
    >>> value, gradient
    (1.0, array([-1., -1.]))
    """

    def __init__(self, network: BaseNetwork, data: tuple[Any, Any, Any], l2: float) -> None:
        self.network, self.loss, self.n_evaluations, self._l2 = network.copy(np.float64), np.nan, 0, l2
        self._data = self.network.canonical(*data)
        self._mean: Callable[[], tuple[float, FloatArray]] = lambda: self.network._backprop(*self._data)

    def _share(self, ranks: Ranks, facts: dict[str, Any]) -> None:
        """Compute together with other ranks from now on, from the parameters of rank 0.

        Parameters
        ----------
        ranks : Ranks
            The ranks.
        facts : dict of str to object
            Values that must be the same on all ranks, beside the network and the data.

        Raises
        ------
        ValueError
            If something differs between ranks.
        """
        from fastbp.base import agreement  # few need it

        network = self.network
        ranks.meet({**agreement.network_facts(network), **agreement.data_facts(self._data), "l2": self._l2, **facts})
        network.parameters[:] = ranks.from_first(np.array(network.parameters))
        network._limit = ranks.cores
        self._mean = SharedGradient(network, self._data, ranks)

    def __call__(self, parameters: FloatArray) -> tuple[float, FloatArray]:
        """Return the value and the gradient at `parameters`."""
        network = self.network
        network.parameters[:] = parameters
        self.loss, gradient = self._mean()
        self.n_evaluations += 1
        for W, dW in zip(network.weights, layer_views(gradient, network.sizes)[0], strict=True):
            np.add(dW, self._l2 * W, out=dW)
        return self.loss + self.penalty(), gradient

    def penalty(self) -> float:
        """Return the penalty of the last call.

        Returns
        -------
        float
            Penalty l2/2 Σ w_ij².

        Examples
        --------
        >>> from fastbp.reference import Network
        >>> net = Network([1, 1], output="identity", loss="quadratic", init="zeros")
        >>> objective = Objective(net, ([[0.0], [1.0]], [[1.0], [3.0]], None), l2=0.1)
        >>> value, gradient = objective(np.array([2.0, 0.0]))
        >>> objective.penalty()
        0.2
        """
        return sum(0.5 * self._l2 * float(np.vdot(W, W)) for W in self.network.weights)


def minimize(
    objective: Objective, options: dict[str, Any], callback: Callable[[FloatArray], None] | None = None
) -> Any:
    """Minimise an objective, beginning with its network's parameters.

    Parameters
    ----------
    objective : Objective
        Function to minimise.
    options : dict
        Options of SciPy's L-BFGS-B.
    callback : callable, optional
        Function of the parameters after each iteration.

    Returns
    -------
    scipy.optimize.OptimizeResult
        What SciPy found.

    Raises
    ------
    ImportError
        If SciPy is not installed.
    TypeError
        If `objective` is none.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> net = Network([1, 1], output="identity", loss="quadratic", init="zeros")
    >>> objective = Objective(net, ([[0.0], [1.0]], [[1.0], [3.0]], None), l2=0.0)
    >>> found = minimize(objective, {"maxiter": 100})
    >>> found.x.round(3)
    array([2., 1.])
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective must be an Objective, got {shown(objective)}")
    start = objective.network.parameters.copy()
    return _scipy_minimize()(objective, start, jac=True, method="L-BFGS-B", callback=callback, options=options)


def _scipy_minimize() -> Any:
    try:
        from scipy.optimize import minimize as scipy_minimize
    except ImportError as error:
        raise ImportError("fit_lbfgs needs SciPy: pip install scipy (or fastbp[scipy])") from error
    return scipy_minimize


class _Run:
    """The iterations so far."""

    def __init__(self, objective: Objective, dtype: np.dtype[Any]) -> None:
        self._objective, self._dtype, self._start, self.diverged = objective, dtype, perf_counter(), False
        #: Parameters, losses and seconds of the iterations, replaced as a whole so that Ctrl-C finds them in step.
        self.reached: tuple[FloatArray, list[float], list[float]] = (objective.network.parameters.copy(), [], [])

    def record(self, parameters: FloatArray) -> None:
        # The last evaluation of a line search is the one at its end, so the loss belongs to this iteration.
        with np.errstate(over="ignore"):
            rounded = parameters.astype(self._dtype)
        if not (np.isfinite(self._objective.loss) and np.isfinite(rounded).all()):
            self.diverged = True
            return
        now = perf_counter()
        _, losses, seconds = self.reached
        self.reached = rounded, [*losses, self._objective.loss], [*seconds, now - self._start]
        self._start = now

    def history(self) -> LBFGSHistory:
        _, losses, seconds = self.reached
        history = LBFGSHistory({"loss": losses, "seconds": seconds})
        history.n_evaluations = self._objective.n_evaluations
        return history
