"""Training on all samples at once by L-BFGS (Liu and Nocedal, 1989), through SciPy."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import ArrayLike

from fastbp.base.network import BaseNetwork, layer_views
from fastbp.checks import FloatArray, check_count, check_number
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
    """Minimise C + l2/2 Σ w_ij² over all parameters of a network (needs SciPy).

    For few samples, as scikit-learn's ``solver="lbfgs"`` is: no learning rate is needed, and each iteration takes all
    samples. It computes in float64, whatever the network's dtype is, and rounds at the end.

    Parameters
    ----------
    network : Network
        Trained in place.
    X : array_like (n_samples, n_0)
        One sample a row.
    Y : array_like (n_samples, n_L) or integers (n_samples,)
        Targets, or labels 0..n_L-1 where the loss takes them.
    sample_weight : array_like (n_samples,), optional
        v_s >= 0 in C = 1/m Σ_s v_s C_s; 1 if absent.
    l2 : float
        Penalty of the weights, biases left out; no part of the loss that is reported.
    max_iter : int
        Iterations at most.
    tol : float
        Training ends where no number of the gradient is larger.

    Returns
    -------
    History
        `loss` and `seconds` of each iteration.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; nothing has changed then.
    FloatingPointError
        If the loss is not finite where it begins; nothing has changed then.
    ImportError
        If SciPy is not installed.

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
    options["maxfun"] = 20 * max_iter  # no limit of its own: an iteration takes little more than one evaluation
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

    def note(_: FloatArray) -> None:
        # Where a line search ends was evaluated last.
        nonlocal start
        now = perf_counter()
        history.append({"loss": loss, "seconds": now - start})
        start = now

    first, _ = objective(work.parameters.copy())
    if not np.isfinite(first):
        raise FloatingPointError(f"the loss is {first} where L-BFGS begins; scale the inputs to about -1..1")
    found = minimize(objective, work.parameters.copy(), jac=True, method="L-BFGS-B", callback=note, options=options)
    network.parameters[:] = found.x
    return history
