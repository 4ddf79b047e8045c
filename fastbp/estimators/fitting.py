"""From the parameters of an estimator to a network, a trainer and a fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastbp.base.network import Targets
from fastbp.canonical import FloatArray
from fastbp.checks import shown
from fastbp.estimators.dense import Blocks, is_sparse
from fastbp.estimators.labelled import Labelled
from fastbp.estimators.monitor import Monitor, Rates, Score
from fastbp.estimators.samples import Samples
from fastbp.kernels.runtime.threads import available
from fastbp.network import Network
from fastbp.optimizers import OPTIMIZERS, SGD, Adam, Optimizer
from fastbp.trainer import Trainer

# scikit-learn's names, where fastbp has others; its logistic function is fastbp's sigmoid.
LOSS_NAMES = {"log_loss": "cross_entropy", "squared_error": "quadratic", "absolute_error": "absolute"}


# ------------------------------------------------------------------ networks
def new_network(mlp: Any, sizes: Sequence[int], dtype: Any) -> Network:
    """Return a network with the first parameters that scikit-learn draws.

    Parameters
    ----------
    mlp : BaseMLP
        Estimator with a `_random_state`.
    sizes : sequence of int
        Numbers of neurons n_0..n_L.
    dtype : dtype
        Of the parameters.

    Returns
    -------
    Network
        Weights and biases uniform within ±√(6 / (n_in + n_out)), √2 in the place of √6 for the logistic function
        (Glorot and Bengio, 2010).
    """
    hidden = hidden_activations(mlp.activation, len(sizes) - 2)
    network = network_of(mlp, sizes, dtype)
    names = [*hidden, *(hidden[-1:] or [mlp.activation])]
    layers = zip(network.weights, network.biases, names, pairwise(sizes), strict=True)
    for W, b, name, (n_in, n_out) in layers:
        bound = np.sqrt((2.0 if name in ("logistic", "sigmoid") else 6.0) / (n_in + n_out))
        W[:] = mlp._random_state.uniform(-bound, bound, (n_in, n_out)).T
        b[:] = mlp._random_state.uniform(-bound, bound, n_out)
    return network


def network_of(mlp: Any, sizes: Sequence[int], dtype: Any) -> Network:
    """Return a network of zeros with the activations and the loss of an estimator."""
    names = [*hidden_activations(mlp.activation, len(sizes) - 2), mlp.out_activation_]
    *hidden, output = ["sigmoid" if name == "logistic" else name for name in names]
    loss = LOSS_NAMES.get(mlp.loss, mlp.loss) if isinstance(mlp.loss, str) else mlp.loss
    network = Network(sizes, hidden, output, loss, dtype, init="zeros")
    network.multilabel = output == "sigmoid" and sizes[-1] > 1
    return network


def renew(mlp: Any) -> None:
    """Give an estimator a network of other functions, with the parameters and the optimizer's state as they are.

    Parameters
    ----------
    mlp : BaseMLP
        Estimator whose `activation` or `loss` was set since its last fit.
    """
    old, trainer = mlp._network, mlp._trainer
    network = network_of(mlp, old.sizes, old.dtype)
    network.parameters[:] = old.parameters
    mlp._bind(network)
    if trainer is not None:
        mlp._trainer = renewed = Trainer(network, trainer.optimizer, threads=trainer.threads, rng=trainer.rng)
        renewed.regularization, renewed.steps = trainer.regularization, trainer.steps
        renewed.optimizer_state = trainer.optimizer_state


def hidden_activations(activation: Any, n_hidden: int) -> list[Any]:
    """Return the activation of each hidden layer."""
    if isinstance(activation, (list, tuple)):
        if len(activation) != n_hidden:
            raise ValueError(f"activation has {len(activation)} entries, expected one for each of {n_hidden} layers")
        return list(activation)
    return [activation] * n_hidden


# ------------------------------------------------------------------ optimizers
def optimizer_of(mlp: Any) -> Optimizer:
    """Return the optimizer that the parameters of an estimator describe."""
    rate = mlp.learning_rate if callable(mlp.learning_rate) else float(mlp.learning_rate_init)
    if mlp.solver == "sgd":
        # a share of 1 is not in fastbp's range
        momentum = min(float(mlp.momentum), float(np.nextafter(1.0, 0.0)))
        return SGD(rate, momentum=momentum, nesterov=bool(mlp.nesterovs_momentum) and momentum > 0.0)
    if mlp.solver == "adam":
        return Adam(rate, beta1=float(mlp.beta_1), beta2=float(mlp.beta_2), eps=float(mlp.epsilon), eps_first=True)
    if isinstance(mlp.solver, str):
        return replace(OPTIMIZERS[mlp.solver], learning_rate=rate)
    optimizer: Optimizer = mlp.solver
    return replace(optimizer, learning_rate=rate) if callable(mlp.learning_rate) else optimizer


def rules_of(mlp: Any) -> dict[str, Any]:
    """Return the penalties and the dropout of an estimator, by a trainer's names: scikit-learn takes True for 1."""
    return {"l1": float(mlp.l1), "l2": float(mlp.alpha), "dropout": float(mlp.dropout)}


def trainer_of(mlp: Any, network: Network) -> Trainer:
    """Return a new trainer of a network."""
    seed = int(mlp._random_state.randint(2**31 - 1)) if mlp.dropout else None
    return Trainer(
        network, optimizer_of(mlp), threads=threads_of(mlp.n_jobs), rng=seed, **rules_of(mlp),
    )  # fmt: skip


def threads_of(n_jobs: Any) -> int | None:
    """Return the limit of threads that `n_jobs` means: −1 is all, −2 all but one.

    Examples
    --------
    >>> threads_of(None), threads_of(-1), threads_of(3)
    (None, None, 3)
    """
    if n_jobs is None:
        return None
    if not isinstance(n_jobs, Integral) or n_jobs == 0:
        raise ValueError(f"n_jobs must be None, a number of threads or a negative number, got {shown(n_jobs)}")
    n_threads = int(n_jobs)
    if n_threads == -1:
        return None
    return n_threads if n_threads > 0 else max(1, available(None) + 1 + n_threads)


# ------------------------------------------------------------------ losses as scikit-learn reports them
def constants_of(mlp: Any, targets: Targets) -> FloatArray | None:
    """Return what scikit-learn's loss of each sample has beside C: Σ_i y_i ln y_i − y_i of the Poisson deviance.

    Parameters
    ----------
    mlp : BaseMLP
        Estimator whose loss it is.
    targets : ndarray (n_samples, n_L)
        Targets y.

    Returns
    -------
    ndarray (n_samples,) or None
        The constants; None for other losses.
    """
    if mlp.loss != "poisson":
        return None
    from scipy.special import xlogy

    constants: FloatArray = (xlogy(targets, targets) - targets).sum(axis=1)
    return constants


def mean_of(constants: FloatArray | None, weight: FloatArray | None) -> float:
    """Return the mean of what `constants_of` returned."""
    return 0.0 if constants is None else float(np.average(constants, weights=weight))


# ------------------------------------------------------------------ fits
def fit_minibatches(
    mlp: Any, network: Network, train: Labelled, validation: Labelled | None, incremental: bool
) -> None:
    """Train by minibatches, which keeps the fitted attributes of the estimator current.

    Parameters
    ----------
    mlp : BaseMLP
        Estimator with all attributes of its start.
    network : Network
        Its network.
    train : Labelled
        Samples to train on.
    validation : Labelled, optional
        Samples to measure after each epoch.
    incremental : bool
        Whether to go on for one epoch with the optimizer as it is, or else to begin anew.
    """
    trainer = mlp._trainer
    if not incremental or trainer is None or trainer.network is not network:
        mlp._trainer = trainer = trainer_of(mlp, network)
        mlp._rates = Rates(mlp.learning_rate, mlp.learning_rate_init, mlp.power_t)
    rules = replace(trainer.regularization, **rules_of(mlp))
    if rules != trainer.regularization:
        trainer.regularization = rules
    trainer.batch_size = mlp._batch_size(train.X.shape[0])
    judged = mlp.early_stopping and validation is not None
    score = Score(mlp, validation) if judged and validation is not None else None
    samples = Samples(network, train, mlp.shuffle, mlp._random_state)
    monitor = Monitor(mlp, train.X.shape[0], _report_of(mlp, train, samples, validation), score, incremental)
    mlp.n_iter_, mlp.stopped_ = 0, False
    try:
        mlp.history_ = trainer.fit(
            samples,
            epochs=1 if incremental else int(mlp.max_iter),
            validation_data=None if validation is None else _validation_data(validation),
            callbacks=[monitor, *(mlp.callbacks or ())],
            progress=mlp.progress,
            metrics=[] if score is None else [score],
        )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
        return
    if not incremental and not mlp.stopped_ and mlp.n_iter_ == mlp.max_iter:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({mlp.max_iter}) reached and the optimization hasn't converged "
            "yet.",
            ConvergenceWarning,
            stacklevel=2,
        )


def _validation_data(data: Labelled) -> Any:
    """Validation data of a trainer, whose loss divides by the number of samples and not by their weight."""
    weight = None if data.weight is None else data.weight / data.weight.mean()
    return Blocks(data.X, data.targets, weight) if is_sparse(data.X) else (data.X, data.targets, weight)


def _report_of(
    mlp: Any, train: Labelled, samples: Samples, validation: Labelled | None
) -> Callable[[Mapping[str, float], str], float]:
    """The loss as scikit-learn reports it, of what a trainer has measured."""
    constants = constants_of(mlp, train.targets)
    held_out = 0.0 if validation is None else mean_of(constants_of(mlp, validation.targets), validation.weight)

    def report(logs: Mapping[str, float], prefix: str) -> float:
        constant = held_out if prefix else mean_of(constants, samples.weight)
        penalty = 0.0 if prefix else logs.get("penalty", 0.0)
        return np.float64((logs[f"{prefix}loss"] + constant) / mlp._terms_of_loss + penalty)

    return report
