"""scikit-learn's MLPClassifier."""

from __future__ import annotations

import numpy as np
from cases import LEARNING_RATE, Floats, Task
from sklearn.neural_network import MLPClassifier

from . import Job

NAMES = {"sigmoid": "logistic"}  # where scikit-learn has another one


def _classifier(task: Task) -> MLPClassifier:
    """The network of the task; weights and output activation are set by hand."""
    case = task.case
    mlp = MLPClassifier(
        hidden_layer_sizes=case.sizes[1:-1], activation=NAMES.get(case.hidden, case.hidden), solver="sgd", alpha=0.0,
        batch_size=case.batch, learning_rate="constant", learning_rate_init=LEARNING_RATE, momentum=0.0,
        nesterovs_momentum=False, shuffle=False, random_state=0,
    )  # fmt: skip
    # One-hot rows keep all n_L outputs where labels of two classes would not; they bring logistic ones: softmax is set.
    X, _, Y = case.data(task.dtype)
    mlp.partial_fit(X[: case.batch], Y[: case.batch].astype(np.int64), classes=np.arange(case.sizes[-1]))
    mlp.out_activation_ = NAMES.get(case.output, case.output)
    layers = case.layers(case.parameters(task.dtype))
    for coef, intercept, (W, b) in zip(mlp.coefs_, mlp.intercepts_, layers, strict=True):
        coef[:], intercept[:] = W.T, b
    return mlp


def open_sklearn(task: Task) -> Job:
    """`partial_fit` over an epoch's minibatches, or one after the other; `predict_proba` for outputs."""
    mlp = _classifier(task)
    blocks, _, targets = task.blocks()
    if task.call == "forward":
        def forward() -> list[Floats]:
            return [mlp.predict_proba(x) for x in blocks]

        return Job(forward, lambda: np.concatenate(forward()))

    minibatches = [(x, y.astype(np.int64)) for x, y in zip(blocks, targets, strict=True)]
    if task.call == "fit":
        X, _, Y = task.case.data(task.dtype)
        minibatches = [(X, Y.astype(np.int64))] * task.epochs

    def steps() -> None:
        for x, y in minibatches:
            mlp.partial_fit(x, y)

    def parameters() -> Floats:
        return np.concatenate([p.ravel() for W, b in zip(mlp.coefs_, mlp.intercepts_, strict=True) for p in (W.T, b)])

    return Job(steps, parameters)
