"""scikit-learn's MLPClassifier and fastbp on equal work: networks, minibatches, epochs and optimizer are the same."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from cases import Case

from .common import SHAPES, THREADS, Compiled, speedup, trainable

EPOCHS = 5
BY_LABELS = ["8-64-64-4", "784-256-10"]  # the estimator takes its classes from the labels: all must occur in the data
SGD = {"learning_rate": 0.01, "momentum": 0.9}


def fit_fastbp(case: Case, X: Any, labels: Any) -> None:
    fastbp = trainable()
    net = fastbp.Network(case.sizes, activation=case.hidden, rng=0)
    fastbp.Trainer(net, optimizer=fastbp.SGD(**SGD), batch_size=case.batch, rng=0).fit(X, labels, epochs=EPOCHS)


def fit_sklearn(case: Case, X: Any, labels: Any) -> None:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    estimator = MLPClassifier(
        hidden_layer_sizes=case.sizes[1:-1], activation=case.hidden, solver="sgd", alpha=0.0, batch_size=case.batch,
        learning_rate_init=SGD["learning_rate"], momentum=SGD["momentum"], nesterovs_momentum=False,
        max_iter=EPOCHS, tol=0.0, n_iter_no_change=EPOCHS, random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is fixed
        estimator.fit(X, labels)


@cache
def samples(shape: str) -> tuple[Any, Any]:
    X, labels, _ = SHAPES[shape].data("float32")
    return X, labels


LIBRARIES = {"fastbp": fit_fastbp, "scikit-learn": fit_sklearn}


class Fit(Compiled):
    warmup_time = 0.5  # fits of milliseconds, each from a new network
    params = (list(LIBRARIES), BY_LABELS)
    param_names = ("library", "shape")

    def time_fit(self, library, shape):
        LIBRARIES[library](SHAPES[shape], *samples(shape))


class Speedup(Compiled):
    params = (list(SHAPES), list(THREADS))
    param_names = ("shape", "threads")

    def track_speedup(self, shape, threads):
        return speedup("sklearn", SHAPES[shape], "float32", THREADS[threads])

    track_speedup.unit = "times"
