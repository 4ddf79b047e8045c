"""Networks as MLPClassifier and MLPRegressor of scikit-learn, read without importing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.io.stack import Builder, Stack, refused

_NAMES = {"logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "identity": "identity", "softmax": "softmax",
          "exp": "exp"}
_BACK = {name: theirs for theirs, name in _NAMES.items() if theirs not in ("softmax", "exp")}
_LOSSES = {"log_loss": "cross_entropy", "binary_log_loss": "cross_entropy", "squared_error": "quadratic",
           "poisson": "poisson"}


def read(estimator: Any) -> Stack:
    """Return the layers of a fitted estimator.

    Raises
    ------
    ValueError
        If it is not fitted, or is no multilayer perceptron.
    """
    for name in ("coefs_", "intercepts_", "activation", "out_activation_"):
        if getattr(estimator, name, None) is None:
            kind = type(estimator).__name__
            raise ValueError(f"{kind} has no {name}: expected a fitted MLPClassifier or MLPRegressor")
    counts = len(estimator.coefs_), len(estimator.intercepts_)
    if counts[0] != counts[1]:
        raise ValueError(f"coefs_ has {counts[0]} entries and intercepts_ {counts[1]}, expected one of each a layer")
    builder, last = Builder(), counts[0] - 1
    for l, (W, b) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        title = f"layer {l + 1}"
        builder.affine(title, np.transpose(W), b)
        theirs = estimator.out_activation_ if l == last else estimator.activation
        builder.activation(f"{title} ({theirs})", _NAMES.get(theirs))
    loss = getattr(estimator, "loss", None)
    return builder.stack(loss=_LOSSES.get(loss) if isinstance(loss, str) else None)


def write(stack: Stack, classes: Sequence[Any] | None) -> Any:
    """Return a fitted MLPClassifier if the network classifies, else an MLPRegressor."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import LabelBinarizer

    hidden, output = stack.activations[:-1], stack.activations[-1]
    for l, name in enumerate(hidden, start=1):
        if name not in _BACK or name != hidden[0]:
            raise refused(f"layer {l}", f"scikit-learn has one hidden activation of {sorted(_BACK)}, got {name!r}")
    n_out, title = len(stack.biases[-1]), f"layer {len(stack.weights)}"
    classifies = output == "softmax" or (output == "sigmoid" and stack.loss == "cross_entropy")
    if not classifies and output != "identity":
        raise refused(title, f"expected softmax, sigmoid with cross-entropy or identity, got {output!r}")
    if output == "softmax" and n_out == 2:
        raise refused(title, "scikit-learn has one sigmoid for two classes, not a softmax of two")
    sizes = tuple(len(b) for b in stack.biases[:-1])
    kind = MLPClassifier if classifies else MLPRegressor
    model = kind(hidden_layer_sizes=sizes, activation=_BACK[hidden[0]] if hidden else "identity")
    if classifies:
        labels = np.arange(max(2, n_out)) if classes is None else np.asarray(classes)
        if len(labels) != max(2, n_out):
            raise ValueError(f"classes has {len(labels)} entries, expected {max(2, n_out)}")
        if output == "sigmoid" and n_out > 1:
            labels = np.eye(n_out, dtype=int)  # an indicator matrix: each output by itself
        model._label_binarizer = LabelBinarizer().fit(labels)
        model.classes_ = model._label_binarizer.classes_
        model.out_activation_ = "logistic" if output == "sigmoid" else "softmax"
    else:
        model.out_activation_ = "identity"
    model.coefs_ = [W.T.copy() for W in stack.weights]
    model.intercepts_ = list(stack.biases)
    model.n_features_in_, model.n_outputs_ = stack.weights[0].shape[1], n_out
    model.n_layers_, model.n_iter_, model.t_ = len(stack.weights) + 1, 0, 0
    model.loss_, model.best_loss_, model.loss_curve_ = np.inf, np.inf, []
    return model
