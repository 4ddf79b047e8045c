"""scikit-learn's multilayer perceptrons and fastbp on equal work: by its trainer, and by the estimators of both."""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from typing import Any

import numpy as np
from cases import Case

from .common import SHAPES, THREADS, Compiled, skip, speedup, trainable

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


# ------------------------------------------------------------------ the estimators, as users call them
IMPORTS = {"fastbp": "fastbp.estimators", "scikit-learn": "sklearn.neural_network"}
# Name: (class, parameters).
FITS = {
    "digits": ("MLPClassifier", {"max_iter": 20}),
    "5000x784": ("MLPClassifier", {"max_iter": 20}),
    "5000x784-weights": ("MLPClassifier", {"max_iter": 20}),
    "diabetes-lbfgs": ("MLPRegressor", {"solver": "lbfgs", "max_iter": 100, "hidden_layer_sizes": (32, 16)}),
}


@cache
def data(name: str) -> tuple[Any, Any, dict[str, Any]]:
    """X, y and what else a fit is given."""
    from sklearn import datasets

    if name.startswith("diabetes"):
        X, y = datasets.load_diabetes(return_X_y=True)
        return X / X.std(axis=0), (y - y.mean()) / y.std(), {}
    if name == "digits":
        X, y = datasets.load_digits(return_X_y=True)
        return X / 16, y, {}
    rng = np.random.default_rng(0)
    X, y = rng.random((5000, 784), np.float32), rng.integers(0, 10, 5000)
    return X, y, {"sample_weight": rng.random(5000)} if name.endswith("weights") else {}


def estimator(library: str, name: str) -> Any:
    kind, parameters = FITS[name]
    try:
        module = importlib.import_module(IMPORTS[library])
    except ModuleNotFoundError:
        skip("no estimators yet")
    return getattr(module, kind)(random_state=0, tol=0.0, n_iter_no_change=1000, **parameters)


@cache
def fitted(library: str, name: str) -> Any:
    return fit(library, name)


def fit(library: str, name: str) -> Any:
    X, y, others = data(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the number of epochs is fixed
        return estimator(library, name).fit(X, y, **others)


class Estimator(Compiled):
    warmup_time = 0.5
    params = (list(IMPORTS), list(FITS))
    param_names = ("library", "data")

    def time_fit(self, library, name):
        fit(library, name)


class Predict(Compiled):
    params = (list(IMPORTS), [1, 100_000])
    param_names = ("library", "rows")

    def time_predict(self, library, rows):
        fitted(library, "5000x784").predict(many(rows))


@cache
def many(rows: int) -> Any:
    return np.resize(data("5000x784")[0], (rows, 784))
