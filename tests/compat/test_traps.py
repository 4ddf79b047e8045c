"""What could differ between NumPy code and its drop-in: a page of traps, and the tests that no family's file has."""

import ast
import random
import re

import nnfs_models
import numpy as np
import pytest
from conftest import pays_from
from nielsen_by_hand import Plain, digits
from processes import ROOT, TESTS

from fastbp.compat import network2, nnfs
from fastbp.compat.independent.activation import Activation
from fastbp.compat.independent.activations import Tanh
from fastbp.compat.independent.dense import Dense
from fastbp.compat.independent.losses import mse, mse_prime
from fastbp.compat.independent.network import train

PAGE = (ROOT / "docs" / "numpy_traps.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "function"), NAMED)
def test_the_tests_that_the_page_names_exist(file, function):
    tree = ast.parse((TESTS / "compat" / file).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_of_the_page_names_a_test():
    rows = re.findall(r"^\| (?!trap|---)(.*)\|$", PAGE, re.MULTILINE)
    assert len(rows) == 23
    assert all("`test_" in row for row in rows)


def test_chaotic_training_is_equal_for_20_minibatches(kernels, runs):
    training, _ = digits(200)
    found = []
    for make in (lambda: Plain([20, 12, 10], True, scaled=True), lambda: network2.Network([20, 12, 10])):
        np.random.seed(7)
        random.seed(7)
        found.append(make())
        (found[-1].train if isinstance(found[-1], Plain) else found[-1].SGD)(training, 1, 10, 3.0)
    for one, other in zip(found[0].w, found[1].weights, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-10)
    assert runs


@pytest.mark.parametrize("rule", ["Adam, decay", "RMSprop, decay", "Adagrad, decay", "SGD, decay, momentum"])
def test_weights_of_inputs_that_are_0_stay_as_they_are_to_the_bit(kernels, rule):
    x = nnfs_models.X.copy()
    x[:, 2] = 0.0
    made = nnfs_models.model(optimizer=nnfs_models.RULES[rule])
    before = made.layers[0].weights.copy()
    made.train(x, nnfs_models.LABELS, epochs=5, batch_size=16)
    np.testing.assert_array_equal(made.layers[0].weights[2], before[2])
    assert (made.layers[0].weights[1] != before[1]).all()


X, Y = np.random.default_rng(2).normal(size=(9, 4, 1)), np.random.default_rng(3).uniform(0.1, 0.9, (9, 2, 1))


def objects(weights=lambda W: W, hidden=Tanh):
    np.random.seed(4)
    made = [Dense(4, 5), hidden(), Dense(5, 2), Tanh()]
    for layer in made[::2]:
        layer.weights = weights(layer.weights)
    return made


def both(monkeypatch, make, x=X, y=Y):
    """Weights trained by NumPy alone, and by the kernels where they are let; or the errors of both."""
    found = []
    for seconds in (np.inf, 0.0):
        pays_from(monkeypatch, seconds)
        made = make()
        try:
            train(made, mse, mse_prime, x, y, epochs=6, learning_rate=0.1, verbose=False)
            found.append(made[0].weights)
        except (TypeError, ValueError) as error:
            found.append(type(error))
    return found


def mapped(W, folder):
    array = np.memmap(folder / f"{W.shape[0]}.dat", W.dtype, "w+", shape=W.shape)
    array[...] = W
    return array


def read_only(W):
    W.flags.writeable = False
    return W


def every_other(W):
    wide = np.zeros((W.shape[0], 2 * W.shape[1]))
    wide[:, ::2] = W
    return wide[:, ::2]


@pytest.mark.parametrize(("kind", "taken_over"), [
    ("Fortran", True), ("view", True), ("backwards", True), ("mapped", True), ("samples in Fortran order", True),
    ("list of samples", True), ("read-only samples", True), ("read-only", False), ("objects", False),
    ("no samples", False), ("longdouble", False),
])
def test_arrays_of_any_kind(monkeypatch, runs, tmp_path, kind, taken_over):
    weights = {
        "Fortran": np.asfortranarray, "view": every_other, "backwards": lambda W: W[::-1, ::-1],
        "mapped": lambda W: mapped(W, tmp_path), "read-only": read_only, "objects": lambda W: W.astype(object),
        "longdouble": lambda W: W.astype(np.longdouble),
    }.get(kind, lambda W: W)
    x = {"samples in Fortran order": np.asfortranarray(X), "list of samples": [one.tolist() for one in X],
         "read-only samples": read_only(X.copy()), "no samples": X[:0]}.get(kind, X)
    x = [np.array(one) for one in x] if isinstance(x, list) else x
    one, other = both(monkeypatch, lambda: objects(weights), x, Y[: len(x)])
    if isinstance(one, type):
        assert one is other
    else:
        np.testing.assert_allclose(np.array(other, float), np.array(one, float), rtol=1e-10, atol=1e-12)
    assert len(runs) > 1 if taken_over else not runs  # the trial is the first


def test_a_relu_with_another_slope_at_0_goes_the_numpy_way(monkeypatch, runs):
    def relu(slope):
        return lambda: Activation(lambda z: np.maximum(z, 0), lambda z: np.where(z == 0, slope, z > 0))

    one, other = both(monkeypatch, lambda: objects(hidden=relu(1.0)))
    assert not runs
    np.testing.assert_array_equal(one, other)
    both(monkeypatch, lambda: objects(hidden=relu(0.0)))
    assert len(runs) > 1  # the trial is the first


def test_of_equal_outputs_the_first_counts(kernels, runs):
    net = network2.Network([20, 10])
    training, labelled = digits(60)
    net.weights, net.biases = [np.zeros((10, 20))], [np.zeros((10, 1))]
    lists = net.SGD(training, 1, 10, 0.0, evaluation_data=labelled, monitor_evaluation_accuracy=True)
    assert runs
    assert lists[1] == [sum(int(y == 0) for _, y in labelled)]
    assert nnfs.Activation_Softmax().predictions(np.full((1, 3), 1 / 3)).tolist() == [0]
