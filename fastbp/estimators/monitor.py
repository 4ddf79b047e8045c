"""What scikit-learn does after each epoch: curves, messages, the learning rate, and when training ends."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer

from fastbp.canonical import FloatArray
from fastbp.checks import shown
from fastbp.estimators.labelled import Labelled
from fastbp.optimizers import SGD
from fastbp.trainer import Trainer

# Learning rates that "adaptive" reduces no further.
_LOWEST_RATE = 1e-6


class Rates(NamedTuple):
    """How the learning rate of 'sgd' changes, as the parameters were when the optimizer was made."""

    learning_rate: Any
    learning_rate_init: float
    power_t: float


class Score:
    """Score of validation samples, a metric that `fastbp.Trainer.fit` takes.

    Parameters
    ----------
    mlp : BaseMLP
        Estimator in training.
    data : Labelled
        Samples that are scored.

    Examples
    --------
    >>> from fastbp.estimators import MLPRegressor
    >>> mlp = MLPRegressor(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])
    >>> Score(mlp, Labelled(None, np.array([[0.0], [1.0]]), None, None))(None, np.array([[0.0], [1.0]]))
    1.0
    """

    __name__ = "score"

    def __init__(self, mlp: Any, data: Labelled) -> None:
        self._mlp, self._data = mlp, data
        self._scorer = None if mlp.scoring in (None, "loss") else get_scorer(mlp.scoring)

    def __call__(self, y_true: Any, a: FloatArray) -> float:  # noqa: ARG002
        """Return the score; `a` are the outputs of the network."""
        if self._scorer is None:
            return float(self._mlp._score_outputs(a, self._data.targets, self._data.weight))
        weight = {} if self._data.weight is None else {"sample_weight": self._data.weight}
        score = self._scorer(self._mlp, self._data.X, self._data.y, **weight)
        if not isinstance(score, (Real, np.bool_)) or math.isnan(score):
            raise ValueError(f"scoring gives {shown(score)} after an epoch, expected a number")
        return float(score)

    def without_outputs(self, n_outputs: int) -> float:
        """Return the score of a network whose outputs are no numbers."""
        if self._scorer is not None:
            return math.nan
        return self(None, np.full((len(self._data.targets), n_outputs), np.nan))


class Monitor:
    """Callback that keeps the fitted attributes of an estimator and ends its training.

    Parameters
    ----------
    mlp : BaseMLP
        Estimator whose attributes are kept.
    n_samples : int
        Samples of an epoch.
    report : callable
        Function (logs, prefix) -> float of the loss as scikit-learn reports it.
    score : Score, optional
        What decides when training ends. By default it is the loss.
    once : bool
        Whether it is the single epoch of a ``partial_fit``.

    Examples
    --------
    >>> from fastbp.estimators import MLPClassifier
    >>> mlp = MLPClassifier(max_iter=9, n_iter_no_change=2, tol=10.0, random_state=0).fit([[0.0], [1.0]], [0, 1])
    >>> mlp.n_iter_, mlp.stopped_
    (4, True)
    """

    def __init__(
        self, mlp: Any, n_samples: int, report: Callable[[Mapping[str, float], str], float], score: Score | None,
        once: bool,
    ) -> None:
        self._mlp, self._n_samples, self._report, self._score, self._once = mlp, n_samples, report, score, once

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Mapping[str, float]) -> bool:  # noqa: ARG002
        """Note what was measured; whether training ends."""
        mlp = self._mlp
        mlp.n_iter_ += 1
        mlp.loss_ = self._report(logs, "")
        mlp.t_ += self._n_samples
        mlp.loss_curve_.append(mlp.loss_)
        self._say(f"Iteration {mlp.n_iter_}, loss = {mlp.loss_:.8f}")
        if "val_loss" in logs:
            mlp.validation_loss_curve_.append(self._report(logs, "val_"))
        if self._score is None:
            self._judge_loss()
        else:
            self._judge_score(trainer, logs)
        sgd = isinstance(trainer.optimizer, SGD) and not callable(trainer.optimizer.learning_rate)
        rates = mlp._rates
        if sgd and rates.learning_rate == "invscaling":
            set_rate(trainer, rates.learning_rate_init / (mlp.t_ + 1) ** rates.power_t)
        if mlp._no_improvement_count > mlp.n_iter_no_change:
            mlp.stopped_ = self._end_plateau(trainer, adaptive=sgd and rates.learning_rate == "adaptive")
        return mlp.stopped_ or self._once

    def on_divergence(self, trainer: Trainer, error: FloatingPointError) -> bool:
        """Go on to the end with parameters that are no numbers, as scikit-learn does."""
        trainer.network.parameters[:] = np.nan
        logs = {"loss": math.nan}
        if self._score is not None:
            warnings.warn(f"the best parameters so far are kept: {error}", ConvergenceWarning, stacklevel=2)
            logs |= {"val_loss": math.nan, "val_score": self._score.without_outputs(trainer.network.sizes[-1])}
        while not self.on_epoch_end(trainer, 0, logs) and self._mlp.n_iter_ < self._mlp.max_iter:
            pass
        return True

    def _judge_loss(self) -> None:
        """Count epochs in which the loss fell by less than `tol`."""
        mlp = self._mlp
        mlp._no_improvement_count = mlp._no_improvement_count + 1 if mlp.loss_ > mlp.best_loss_ - mlp.tol else 0
        if mlp.loss_ < mlp.best_loss_:
            mlp.best_loss_ = mlp.loss_

    def _judge_score(self, trainer: Trainer, logs: Mapping[str, float]) -> None:
        """Count epochs in which the score rose by less than `tol`; keep the best parameters."""
        mlp = self._mlp
        score = -self._report(logs, "val_") if mlp.scoring == "loss" else logs["val_score"]
        mlp.validation_scores_.append(score)
        self._say(f"Validation score: {score:f}")
        mlp._no_improvement_count = mlp._no_improvement_count + 1 if score < mlp.best_validation_score_ + mlp.tol else 0
        if score > mlp.best_validation_score_:
            mlp.best_validation_score_ = score
            mlp._best_parameters = trainer.network.parameters.copy()

    def _end_plateau(self, trainer: Trainer, adaptive: bool) -> bool:
        """Lower an adaptive learning rate, or say that training ends."""
        mlp = self._mlp
        what = "Training loss" if self._score is None else "Validation score"
        text = f"{what} did not improve more than tol={mlp.tol:f} for {mlp.n_iter_no_change} consecutive epochs."
        if not adaptive:
            self._say(f"{text} Stopping.")
            return True
        rate = trainer.optimizer.rate(0)
        if rate <= _LOWEST_RATE:
            self._say(f"{text} Learning rate too small. Stopping.")
            return True
        set_rate(trainer, rate / 5.0)
        self._say(f"{text} Setting learning rate to {rate / 5.0:f}")
        mlp._no_improvement_count = 0
        return False

    def _say(self, text: str) -> None:
        if self._mlp.verbose:
            print(text)  # noqa: T201 - what `verbose` asks for


def set_rate(trainer: Trainer, rate: float) -> None:
    """Change the learning rate of SGD, and let its momentum keep the old one, as scikit-learn's −η μ does.

    Parameters
    ----------
    trainer : Trainer
        Trainer with `fastbp.SGD` and a constant learning rate.
    rate : float
        New learning rate, above 0.

    Examples
    --------
    >>> from fastbp import SGD, Network, Trainer
    >>> trainer = Trainer(Network([1, 2], rng=0), SGD(0.5, momentum=0.9))
    >>> set_rate(trainer, 0.1)
    >>> trainer.optimizer.learning_rate
    0.1
    """
    old = trainer.optimizer.rate(0)
    states = [state * (old / rate) for state in trainer.optimizer_state]
    trainer.optimizer = replace(trainer.optimizer, learning_rate=rate)
    trainer.optimizer_state = states
