"""Networks and data that several tests use."""

import numpy as np

from fastbp.activations import ACTIVATIONS as ALL_ACTIVATIONS
from fastbp.losses import LOSSES
from fastbp.optimizers import SGD

ACTIVATIONS = ["sigmoid", "tanh", "relu", "identity"]
# (output activation, loss): the two pairs, the general δ^L of an elementwise output, softmax's full Jacobian.
PAIRS = [
    ("sigmoid", "cross_entropy"),
    ("softmax", "cross_entropy"),
    ("hard_sigmoid", "cross_entropy"),
    ("sigmoid", "quadratic"),
    ("tanh", "quadratic"),
    ("relu", "quadratic"),
    ("identity", "quadratic"),
    ("softmax", "quadratic"),
]
# The output activations of the losses that do not take all of them.
_SHARES = ["sigmoid", "hard_sigmoid", "softmax"]
TAKES = {
    "cross_entropy": _SHARES,
    "poisson": [*_SHARES, "relu", "softplus", "exp"],
    "hinge": [name for name in (*ALL_ACTIVATIONS, "softmax")
              if name not in ("sigmoid", "hard_sigmoid", "relu", "softplus", "exp")],
}
EVERY_PAIR = [(output, loss) for output in (*ALL_ACTIVATIONS, "softmax") for loss in LOSSES]
ALL_PAIRS = [(output, loss) for output, loss in EVERY_PAIR if output in TAKES.get(loss, [output])]
# (sizes, samples): 1, primes, nothing that a CPU vector or a register tile divides.
SHAPES = [
    ([1, 1], 1),
    ([1, 1, 1], 3),
    ([3, 4, 2], 5),
    ([2, 3, 5, 1], 1),
    ([17, 13, 7], 11),
    ([5, 1, 3], 9),
    ([7, 19, 2, 3], 4),
]


def make_network(implementation, sizes, activation="tanh", output="softmax", loss="cross_entropy", dtype=np.float64):
    """A network whose parameters, biases too, are none of them 0, with two outputs at least of softmax."""
    if output == "softmax":
        sizes = [*sizes[:-1], max(sizes[-1], 2)]
    net = implementation.Network(sizes, activation, output, loss, dtype, rng=0)
    rng = np.random.default_rng(sum(sizes))
    net.parameters[:] = rng.normal(0.0, 0.5, net.parameters.size)
    if (output, loss) == ("hard_sigmoid", "cross_entropy"):  # within its slope: no ln 0
        net.weights[-1][:] *= 0.1 / sizes[-2] ** 0.5
    return net


def make_data(net, n_samples, seed=0):
    """Inputs in -1..1 and targets in 0..1, rows of sum 1 where the output is softmax, of -1 and 1 for hinge."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1.0, 1.0, (n_samples, net.sizes[0])).astype(net.dtype)
    Y = rng.uniform(0.1, 0.9, (n_samples, net.sizes[-1]))
    if net.activations[-1].name == "softmax":
        Y /= Y.sum(axis=1, keepdims=True)
    if net.loss_function.name == "hinge":
        Y = np.eye(net.sizes[-1])[Y.argmax(axis=1)] * 2.0 - 1.0
    return X, Y.astype(net.dtype)


def make_labels(n_samples, n_classes, seed=0):
    return np.random.default_rng(seed).integers(0, n_classes, n_samples)


def make_trainer(implementation, sizes=(3, 5, 2), dtype=np.float64, **arguments):
    net = make_network(implementation, list(sizes), dtype=dtype)
    return implementation.Trainer(net, **{"optimizer": SGD(0.1), "batch_size": 4, "rng": 0, **arguments})


def make_samples(n_samples=11):
    rng = np.random.default_rng(5)
    return rng.normal(size=(n_samples, 3)), make_labels(n_samples, 2)


def as_lists(net):
    """W, b and the names of the activations as tests/naive.py takes them: from layer 1 on, None at 0."""
    W = [None, *(W.astype(np.float64).tolist() for W in net.weights)]
    b = [None, *(b.astype(np.float64).tolist() for b in net.biases)]
    return W, b, [None, *(activation.name for activation in net.activations)]


def flatten(dW, db):
    """What tests/naive.py calls dW and db (or W and b) in the order of `net.parameters`."""
    parts = [np.ravel(part) for layer in zip(dW[1:], db[1:], strict=True) for part in layer]
    return np.concatenate(parts)


def relative_error(found, expected):
    """The largest difference as a share of the largest expected value."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    scale = np.abs(expected).max(initial=0.0)
    return np.abs(found - expected).max(initial=0.0) / (scale if scale > 1e-12 else 1.0)
