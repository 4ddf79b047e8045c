"""Models of the book's classes, and what they are trained on."""

import numpy as np

from fastbp.compat import nnfs

RNG = np.random.default_rng(12)
X, LABELS = RNG.normal(size=(70, 5)), RNG.integers(0, 3, 70)
RULES = {
    "SGD": lambda: nnfs.Optimizer_SGD(0.5),
    "SGD, decay": lambda: nnfs.Optimizer_SGD(0.5, decay=0.05),
    "SGD, decay, momentum": lambda: nnfs.Optimizer_SGD(0.2, decay=0.05, momentum=0.8),
    "Adagrad, decay": lambda: nnfs.Optimizer_Adagrad(0.1, decay=0.01),
    "RMSprop, decay": lambda: nnfs.Optimizer_RMSprop(0.02, decay=0.01),
    "Adam, decay": lambda: nnfs.Optimizer_Adam(0.02, decay=0.01),
}
KINDS = {
    "cce": (3, nnfs.Activation_Softmax, nnfs.Loss_CategoricalCrossentropy, nnfs.Accuracy_Categorical, LABELS),
    "bce": (2, nnfs.Activation_Sigmoid, nnfs.Loss_BinaryCrossentropy, lambda: nnfs.Accuracy_Categorical(binary=True),
            np.stack([LABELS > 0, LABELS == 1], axis=1).astype(int)),
    "mse": (2, nnfs.Activation_Linear, nnfs.Loss_MeanSquaredError, nnfs.Accuracy_Regression, np.sin(X[:, :2])),
}


def model(kind="cce", optimizer=RULES["Adam, decay"], hidden=nnfs.Activation_ReLU, dtype=np.float64, penalties=(0, 0),
          dense=nnfs.Layer_Dense, **own):
    n_out, output, loss, accuracy, _ = KINDS[kind]
    np.random.seed(5)
    made = nnfs.Model()
    for layer in (dense(5, 12, *penalties), hidden(), dense(12, n_out, *penalties), output()):
        made.add(layer)
    for layer in made.layers[::2]:
        layer.weights, layer.biases = (40 * layer.weights).astype(dtype), (layer.biases + 0.1).astype(dtype)
    made.set(loss=own.get("loss", loss)(), optimizer=optimizer(), accuracy=own.get("accuracy", accuracy)())
    made.finalize()
    return made


def arrays(made):
    layers = made.trainable_layers
    return [*(layer.weights for layer in layers), *(layer.biases for layer in layers)]
