"""Udacity's and Rashid's classes: the numbers of a loop over samples, in place, with methods that may be replaced."""

import numpy as np
import pytest

from fastbp.compat import my_answers
from fastbp.compat.my_answers import NeuralNetwork
from fastbp.compat.neuralnetwork import neuralNetwork


def logistic(z):
    return 1 / (1 + np.exp(-z))


# ------------------------------------------------------------------ Udacity
def by_hand(W1, W2, X, y, rate):
    """One update, sample by sample."""
    d1, d2 = np.zeros_like(W1), np.zeros_like(W2)
    for x, t in zip(X, y, strict=True):
        h = logistic(x @ W1)
        e = t - h @ W2
        d1 += np.outer(x, (W2 @ e) * h * (1 - h))
        d2 += np.outer(h, e)
    return W1 + rate * d1 / len(X), W2 + rate * d2 / len(X)


@pytest.mark.parametrize("n_out", [1, 2])
def test_bike_sharing_gives_the_numbers_of_a_loop_over_samples(n_out):
    np.random.seed(3)
    net = NeuralNetwork(6, 4, n_out, 0.5)
    np.random.seed(3)
    W1 = np.random.normal(0.0, 6**-0.5, (6, 4))
    W2 = np.random.normal(0.0, 4**-0.5, (4, n_out))
    held = net.weights_input_to_hidden, net.weights_hidden_to_output
    rng = np.random.default_rng(0)
    for _ in range(200):
        X = rng.normal(size=(12, 6))
        y = rng.normal(size=12) if n_out == 1 else rng.normal(size=(12, n_out))
        net.train(X, y)
        W1, W2 = by_hand(W1, W2, X, y, 0.5)
    np.testing.assert_allclose(net.weights_input_to_hidden, W1, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(net.weights_hidden_to_output, W2, rtol=1e-10, atol=1e-12)
    assert net.weights_input_to_hidden is held[0]
    assert net.weights_hidden_to_output is held[1]
    np.testing.assert_allclose(net.run(X), logistic(X @ W1) @ W2, rtol=1e-10)
    assert net.run(X[0]).shape == (n_out,)


def test_weights_are_set_by_attribute_and_targets_may_be_a_column():
    net = NeuralNetwork(3, 2, 1, 0.5)
    W1, W2 = np.array([[0.1, -0.2], [0.4, 0.5], [-0.3, 0.2]]), np.array([[0.3], [-0.1]])
    net.weights_input_to_hidden, net.weights_hidden_to_output = W1.copy(), W2.copy()
    X, y = np.array([[0.5, -0.2, 0.1]]), np.array([[0.4]])
    assert net.activation_function(0.5) == 1 / (1 + np.exp(-0.5))
    expected = by_hand(W1, W2, X, y, 0.5)
    net.train(X, y)
    np.testing.assert_allclose(net.weights_input_to_hidden, expected[0], rtol=1e-13)
    np.testing.assert_allclose(net.weights_hidden_to_output, expected[1], rtol=1e-13)
    np.testing.assert_allclose(net.run(X), logistic(X @ expected[0]) @ expected[1], rtol=1e-13)


def test_frames_of_pandas_are_run():
    pandas = pytest.importorskip("pandas")
    net = NeuralNetwork(3, 2, 1, 0.5)
    X = np.arange(12.0).reshape(4, 3) / 12
    np.testing.assert_array_equal(net.run(pandas.DataFrame(X)), net.run(X))
    net.train(pandas.DataFrame(X).values, pandas.Series([0.0, 1.0, 0.0, 1.0]).values)


def test_replaced_pieces_and_activations_are_called():
    calls = []

    class Own(NeuralNetwork):
        def backpropagation(self, *arguments):
            calls.append("backpropagation")
            return super().backpropagation(*arguments)

    X, y = np.random.default_rng(0).normal(size=(5, 3)), np.arange(5.0)
    np.random.seed(0)
    net = Own(3, 2, 1, 0.5)
    np.random.seed(0)
    plain = NeuralNetwork(3, 2, 1, 0.5)
    net.train(X, y)
    plain.train(X, y)
    assert len(calls) == 5
    np.testing.assert_allclose(net.weights_input_to_hidden, plain.weights_input_to_hidden, rtol=1e-12)
    plain.activation_function = lambda z: calls.append(z.shape) or np.tanh(z)
    plain.train(X, y)
    assert calls[5:] == [(2,)] * 5


def test_the_names_that_the_notebook_imports_are_there():
    names = ("iterations", "learning_rate", "hidden_nodes", "output_nodes")
    assert [getattr(my_answers, name) for name in names] == [100, 0.1, 2, 1]


# ------------------------------------------------------------------ Rashid
@pytest.mark.parametrize("sizes", [(5, 4, 3), (784, 50, 10)], ids=["small", "in blocks"])
def test_rashids_network_gives_the_numbers_of_the_book(sizes):
    np.random.seed(5)
    net = neuralNetwork(*sizes, 0.2)
    np.random.seed(5)
    wih = np.random.normal(0.0, sizes[0] ** -0.5, (sizes[1], sizes[0]))
    who = np.random.normal(0.0, sizes[1] ** -0.5, (sizes[2], sizes[1]))
    held = net.wih, net.who
    rng = np.random.default_rng(0)
    for _ in range(50):
        x, t = rng.random(sizes[0]), rng.random(sizes[2])
        net.train(list(x), t)
        h = logistic(wih @ x)
        o = logistic(who @ h)
        e = t - o
        back = who.T @ e
        who = who + 0.2 * np.outer(e * o * (1 - o), h)
        wih = wih + 0.2 * np.outer(back * h * (1 - h), x)
    np.testing.assert_allclose(net.wih, wih, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(net.who, who, rtol=1e-10, atol=1e-12)
    assert net.wih is held[0]
    assert net.who is held[1]
    outputs = net.query(x)
    assert outputs.shape == (sizes[2], 1)
    np.testing.assert_allclose(outputs[:, 0], logistic(who @ logistic(wih @ x)), rtol=1e-10)


def test_rashids_network_takes_other_weights_and_activations():
    net = neuralNetwork(784, 50, 10, 0.2)
    net.wih = net.wih.astype(np.float32)
    before = net.wih.copy()
    net.activation_function = lambda z: np.full(z.shape, 0.5)
    net.train(np.ones(784), np.ones(10))
    assert (net.wih != before).any()
    assert net.wih.dtype == np.float32
    assert (net.query(np.ones(784)) == 0.5).all()


def test_far_inputs_overflow_nowhere():
    net = neuralNetwork(2, 2, 1, 0.1)
    net.wih[:] = [[2000.0, 0.0], [-2000.0, 0.0]]
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(net.query([1.0, 0.0])).all()


def test_fewer_targets_than_samples_end_the_loop_as_in_python():
    """The course's loop zips samples and targets, and divides by the number of samples."""
    X, y, learned = np.random.default_rng(0).normal(size=(6, 3)), np.ones(4), []
    for rows in (4, 6):
        np.random.seed(1)
        net = my_answers.NeuralNetwork(3, 2, 1, 0.1 * rows / 6 if rows == 4 else 0.1)
        net.train(X[:rows], y)
        learned.append(net.weights_input_to_hidden)
    np.testing.assert_allclose(*learned, rtol=1e-12)
