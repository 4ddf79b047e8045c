"""Training on all samples at once by L-BFGS, with the routine of SciPy."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import ArrayLike

from fastbp.base.network import BaseNetwork, layer_views
from fastbp.canonical import FloatArray
from fastbp.checks import check_count, check_number
from fastbp.history import History


def fit_lbfgs(
    network: BaseNetwork,
    X: ArrayLike,
    Y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    max_iter: int = 200,
    tol: float = 1e-5,
) -> History:
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
    History
        The measures `loss` and `seconds` of each iteration.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, shape or range. The network is then unchanged.
    FloatingPointError
        If the loss is not finite at the start. The network is then unchanged.
    ImportError
        If SciPy is not installed.

    See Also
    --------
    fastbp.Trainer : Training by minibatches.

    Notes
    -----
    The arithmetic is in float64 for any dtype of the network. The result is rounded at the end.

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
    history, start, loss = History(), perf_counter(), np.nan

    def objective(parameters: FloatArray) -> tuple[float, FloatArray]:
        nonlocal loss
        work.parameters[:] = parameters
        loss, gradient = work._backprop(*data)
        penalty = 0.0
        for W, dW in zip(work.weights, layer_views(gradient, work.sizes)[0], strict=True):
            penalty += 0.5 * l2 * float(np.vdot(W, W))
            np.add(dW, l2 * W, out=dW)
        return loss + penalty, gradient

    def record(_: FloatArray) -> None:
        # The last evaluation of a line search is the one at its end, so `loss` belongs to this iteration.
        nonlocal start
        now = perf_counter()
        history.append({"loss": loss, "seconds": now - start})
        start = now

    first, _ = objective(work.parameters.copy())
    if not np.isfinite(first):
        raise FloatingPointError(f"the loss is {first} at the start of L-BFGS; scale the inputs to about -1..1")
    found = minimize(objective, work.parameters.copy(), jac=True, method="L-BFGS-B", callback=record, options=options)
    network.parameters[:] = found.x
    network.multilabel = work.multilabel
    return history
