"""L-BFGS with the limits of scikit-learn, and its value of the loss where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.optimize import _check_optimize_result

from fastbp.base.network import Targets
from fastbp.canonical import FloatArray
from fastbp.estimators.dense import Blocks
from fastbp.estimators.fitting import constants_of, mean_of
from fastbp.estimators.labelled import Labelled
from fastbp.lbfgs import Objective, minimize
from fastbp.network import Network


def fit_lbfgs(mlp: Any, network: Network, train: Labelled) -> None:
    """Train on all samples at once.

    Parameters
    ----------
    mlp : BaseMLP
        Estimator whose attributes `n_iter_` and `loss_` are set.
    network : Network
        Its network.
    train : Labelled
        Samples to train on.
    """
    objective = EstimatorObjective(mlp, network, train)
    found = minimize(objective, {"maxiter": mlp.max_iter, "maxfun": mlp.max_fun, "gtol": mlp.tol})
    objective(found.x)  # what was evaluated last may be a try of a line search
    mlp.n_iter_ = _check_optimize_result("lbfgs", found, mlp.max_iter)
    mlp.loss_ = np.float64((objective.loss + objective.constant) / mlp._terms_of_loss + objective.penalty())
    network.parameters[:] = objective.network.parameters


class EstimatorObjective(Objective):
    """(Σ_s v_s C_s + alpha/2 Σ w_ij²) / Σ_s v_s and its gradient as functions of all parameters.

    With `sklearn_compat` the value is that of scikit-learn, which is no integral of its gradient: squared errors are a
    mean over the outputs in the value and a sum in the gradient, and in the value no probability is below the rounding
    error.

    Parameters
    ----------
    mlp : BaseMLP
        Estimator with its parameters.
    network : Network
        Network whose copy computes.
    train : Labelled
        Samples to train on.
    """

    def __init__(self, mlp: Any, network: Network, train: Labelled) -> None:
        n, weight = train.X.shape[0], train.weight
        total = float(n) if weight is None else float(weight.sum())
        of_mean_1 = None if weight is None else weight * (n / total)
        self._blocks = Blocks(train.X, train.targets, of_mean_1)
        super().__init__(network, next(iter(self._blocks)), mlp.alpha / total)
        if len(self._blocks) > 1:
            self._mean = self._mean_of_blocks
        self.constant = mean_of(constants_of(mlp, train.targets), weight)
        self._compat, self._clips = mlp.sklearn_compat, mlp.loss == "log_loss"
        self._terms = mlp._terms_of_loss if mlp.sklearn_compat else 1

    def __call__(self, parameters: FloatArray) -> tuple[float, FloatArray]:
        """Return the value and the gradient at `parameters`."""
        _, gradient = super().__call__(parameters)
        if self._compat and self._clips:
            self.loss = self._clipped_loss()
        return (self.loss + self.constant) / self._terms + self.penalty(), gradient

    def _canonical(self) -> Iterator[tuple[Any, ...]]:
        """All samples in the network's form, in blocks where there are several."""
        if len(self._blocks) == 1:
            yield self._data
            return
        for block in self._blocks:
            yield self.network.canonical(*block)

    def _mean_of_blocks(self) -> tuple[float, FloatArray]:
        n_samples, loss, sums = 0, 0.0, np.zeros_like(self.network.parameters)
        for data in self._canonical():
            m = len(data[0])
            part, gradient = self.network._backprop(*data)
            n_samples, loss = n_samples + m, loss + m * part
            sums += m * gradient
        return loss / n_samples, sums / n_samples

    def _clipped_loss(self) -> float:
        parts = [(self.network.forward(X), *rest) for X, *rest in self._canonical()]
        outputs, targets, weights = zip(*parts, strict=True)
        weight = None if weights[0] is None else np.concatenate(weights)
        return clipped_log_loss(np.concatenate(outputs), np.concatenate(targets), weight)


def clipped_log_loss(a: FloatArray, Y: Targets, weight: FloatArray | None) -> float:
    """Return scikit-learn's logarithmic loss of outputs a, which takes probabilities of 1e-16 for smaller ones.

    Parameters
    ----------
    a : ndarray (n_samples, n_L)
        Outputs.
    Y : ndarray (n_samples, n_L) or ints (n_samples,)
        Targets 0 and 1, or labels.
    weight : ndarray (n_samples,) or None
        Weights of the samples.

    Returns
    -------
    float
        Mean over the samples of the sum over the outputs.

    Examples
    --------
    >>> round(clipped_log_loss(np.array([[1.0, 0.0]]), np.array([1]), None), 2)
    36.04
    """
    eps = np.finfo(a.dtype).eps
    p = a[np.arange(len(Y)), Y][:, np.newaxis] if Y.ndim == 1 else np.where(Y > 0.5, a, 1.0 - a)
    return float(np.average(-np.log(np.clip(p, eps, 1.0 - eps)).sum(axis=1), weights=weight))
