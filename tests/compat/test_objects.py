"""Networks of layer objects that see one sample at a time: the same numbers, lines and attributes as in NumPy."""

import re

import numpy as np
import pytest
from conftest import pays_from

from fastbp.compat import aflak, independent
from fastbp.compat.aflak.activation_layer import ActivationLayer
from fastbp.compat.aflak.activations import tanh, tanh_prime
from fastbp.compat.aflak.fc_layer import FCLayer
from fastbp.compat.aflak.network import Network
from fastbp.compat.independent.activation import Activation
from fastbp.compat.independent.activations import Sigmoid, Softmax, Tanh
from fastbp.compat.independent.dense import Dense
from fastbp.compat.independent.losses import binary_cross_entropy, binary_cross_entropy_prime, mse, mse_prime
from fastbp.compat.independent.network import predict, train

assert aflak.__doc__
assert independent.__doc__
RNG = np.random.default_rng(2)
X, Y = RNG.normal(size=(9, 4)), RNG.uniform(0.1, 0.9, (9, 2))
XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])


def logistic(z):
    return 1 / (1 + np.exp(-z))


def numbers(text):
    return [float(number) for number in re.findall(r"\d+\.\d+(?:e-\d+)?", text)]


def by_hand(W, b, x, y, epochs, rate, output="tanh", loss="mse"):
    """Two layers as W x + b, one sample after the other; the mean losses of the epochs."""
    errors = []
    for _ in range(epochs):
        error = 0.0
        for s in range(len(x)):
            h = np.tanh(W[0] @ x[s] + b[0])
            z = W[1] @ h + b[1]
            a = np.tanh(z) if output == "tanh" else logistic(z) if output == "sigmoid" else np.exp(z) / np.exp(z).sum()
            if loss == "mse":
                error += ((a - y[s]) ** 2).mean()
                g = 2 * (a - y[s]) / a.size
            else:
                error += -(y[s] * np.log(a) + (1 - y[s]) * np.log(1 - a)).mean()
                g = ((1 - y[s]) / (1 - a) - y[s] / a) / a.size
            if output == "softmax":
                d = a * (g - (g * a).sum())
            else:
                d = g * ((1 - a**2) if output == "tanh" else a * (1 - a))
            back = W[1].T @ d * (1 - h**2)
            W[1] -= rate * np.outer(d, h)
            b[1] -= rate * d
            W[0] -= rate * np.outer(back, x[s])
            b[0] -= rate * back
        errors.append(error / len(x))
    return errors


# ------------------------------------------------------------------ rows
@pytest.mark.parametrize("data", [(X, Y), XOR], ids=["floats", "ints"])
def test_aflaks_network_gives_the_numbers_of_numpy(engine, runs, data, capsys):
    x, y = data
    np.random.seed(4)
    net = Network()
    net.add(FCLayer(x.shape[1], 5))
    net.add(ActivationLayer(tanh, tanh_prime))
    net.add(FCLayer(5, y.shape[1]))
    net.add(ActivationLayer(np.tanh, lambda z: 1 - np.tanh(z) ** 2))
    np.random.seed(4)
    W, b = [], []
    for n_in, n_out in ((x.shape[1], 5), (5, y.shape[1])):
        W.append((np.random.rand(n_in, n_out) - 0.5).T)
        b.append(np.random.rand(1, n_out)[0] - 0.5)
    held = net.layers[0].weights
    net.use(mse, mse_prime)
    net.fit(x[:, None, :], y[:, None, :], epochs=40, learning_rate=0.1)
    errors = by_hand(W, b, x, y, 40, 0.1)
    for layer, one, other in zip(net.layers[::2], W, b, strict=True):
        np.testing.assert_allclose(layer.weights, one.T, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer.bias, other[None], rtol=1e-10, atol=1e-12)
    assert net.layers[0].weights is held
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"epoch {e + 1}/40   error={error:f}" for e, error in enumerate(errors)]
    # what the layers keep is of the last sample
    np.testing.assert_array_equal(net.layers[0].input, x[-1:])
    assert len(runs) > 1 if engine == "kernels" else not runs  # the trial is the first
    outputs = net.predict(x[:, None, :])
    assert isinstance(outputs, list)
    np.testing.assert_allclose(outputs[0][0], np.tanh(W[1] @ np.tanh(W[0] @ x[0] + b[0]) + b[1]), rtol=1e-9)


# ------------------------------------------------------------------ columns
@pytest.mark.parametrize(("last", "output", "loss"), [
    (Tanh, "tanh", "mse"), (Sigmoid, "sigmoid", "mse"), (Softmax, "softmax", "mse"), (Sigmoid, "sigmoid", "entropy"),
])
def test_the_independent_codes_train_gives_the_numbers_of_numpy(engine, runs, last, output, loss, capsys):
    np.random.seed(4)
    network = [Dense(4, 5), Tanh(), Dense(5, 2), last()]
    np.random.seed(4)
    W, b = [], []
    for n_in, n_out in ((4, 5), (5, 2)):
        W.append(np.random.randn(n_out, n_in))
        b.append(np.random.randn(n_out, 1)[:, 0])
    functions = (mse, mse_prime) if loss == "mse" else (binary_cross_entropy, binary_cross_entropy_prime)
    train(network, *functions, X[:, :, None], list(Y[:, :, None]), epochs=30, learning_rate=0.1)
    errors = by_hand(W, b, X, Y, 30, 0.1, output, loss)
    for layer, one, other in zip(network[::2], W, b, strict=True):
        np.testing.assert_allclose(layer.weights, one, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer.bias, other[:, None], rtol=1e-10, atol=1e-12)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"{e + 1}/30" for e in range(30)]
    np.testing.assert_allclose([numbers(line)[-1] for line in lines], errors, rtol=1e-10)
    np.testing.assert_array_equal(network[0].input, X[-1][:, None])
    assert len(runs) > 1 if engine == "kernels" else not runs
    assert predict(network, X[0][:, None]).shape == (2, 1)


def test_nothing_is_printed_if_not_asked_for(engine, capsys):
    train([Dense(2, 1), Tanh()], mse, mse_prime, XOR[0][:, :, None], XOR[1][:, :, None], 20, 0.1, verbose=False)
    assert capsys.readouterr().out == ""


# ------------------------------------------------------------------ what is not taken over, and is right
class Scaled(Dense):
    """A layer of the user's."""

    def forward(self, x):
        return 2 * super().forward(x)


def trained(network, loss=mse, loss_prime=mse_prime, x=X[:, :, None], y=Y[:, :, None], rate=0.1):
    train(network, loss, loss_prime, x, y, epochs=5, learning_rate=rate, verbose=False)
    return [array for layer in network for array in (getattr(layer, "weights", None), getattr(layer, "bias", None))
            if array is not None]


def network(first=Dense, activation=Tanh, last=Tanh):
    np.random.seed(4)
    return [first(4, 5), activation(), Dense(5, 2), last()]


def odd_loss(y, a):
    return np.mean((a - y) ** 4)


def odd_loss_prime(y, a):
    return 4 * (a - y) ** 3 / np.size(y)


def wrong_prime():
    return Activation(np.tanh, lambda z: 1 - 0.9 * np.tanh(z) ** 2)


@pytest.mark.parametrize(("make", "arguments"), [
    (lambda: network(first=Scaled), {}),
    (lambda: network(activation=wrong_prime), {}),
    (lambda: network(activation=lambda: Activation(np.sin, np.cos)), {}),
    (lambda: [*network(), Tanh()], {}),
    (lambda: [Tanh(), *network()], {}),
    (network, {"loss": odd_loss, "loss_prime": odd_loss_prime}),
    (network, {"loss_prime": lambda y, a: -mse_prime(y, a)}),
    (network, {"rate": -0.1}),
])
def test_what_is_no_network_of_fastbps_goes_the_numpy_way(monkeypatch, runs, make, arguments):
    pays_from(monkeypatch, np.inf)
    expected = trained(make(), **arguments)
    pays_from(monkeypatch, 0.0)
    runs.clear()
    found = trained(make(), **arguments)
    assert not runs
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


LOSSES = {
    "absolute": (lambda y, p: np.mean(np.abs(p - y)), lambda y, p: np.sign(p - y) / np.size(y)),
    "huber": (lambda y, p: np.sum(np.where(np.abs(p - y) < 2, (p - y) ** 2 / 2, 2 * np.abs(p - y) - 2)),
              lambda y, p: np.clip(p - y, -2, 2)),
    "log cosh": (lambda y, p: np.sum(np.log(np.cosh(p - y))), lambda y, p: np.tanh(p - y)),
    "cubic": (lambda y, p: np.sum(np.abs(p - y) ** 3), lambda y, p: 3 * (p - y) * np.abs(p - y)),
    "weighted by target": (lambda y, p: np.sum((1 + y) * (p - y) ** 2), lambda y, p: 2 * (1 + y) * (p - y)),
    "root, printed alone": (lambda y, p: np.sqrt(np.mean((p - y) ** 2)), mse_prime),
    "cross-entropy": (binary_cross_entropy, binary_cross_entropy_prime),
    "thrice the squares": (lambda y, p: 3 * np.sum((p - y) ** 2), lambda y, p: 6 * (p - y)),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_of_one_output_is_known_by_more_than_one_number(monkeypatch, runs, loss, capsys):
    """With one output, the derivatives of any two losses are multiples of each other at one point."""
    shown, learned = [], []
    for seconds in (0.0, np.inf):
        pays_from(monkeypatch, seconds)
        np.random.seed(3)
        network = [Dense(2, 3), Tanh(), Dense(3, 1), Sigmoid()]
        train(network, *LOSSES[loss], XOR[0][:, :, None], XOR[1][:, :, None], epochs=12, learning_rate=0.5)
        shown.append(numbers(capsys.readouterr().out))
        learned.append(np.concatenate([network[0].weights.ravel(), network[2].bias.ravel()]))
    np.testing.assert_allclose(learned[0], learned[1], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(*shown, rtol=1e-8)
    assert (len(runs) > 1) == (loss in ("cross-entropy", "thrice the squares"))


def test_a_loss_that_overflows_goes_on_as_in_numpy(kernels):
    net = network(last=lambda: Activation(lambda z: z, np.ones_like))
    with np.errstate(all="ignore"):
        assert np.isnan(trained(net, rate=1e200)[0]).any()


def test_shared_layers_go_the_numpy_way(monkeypatch):
    found = []
    for seconds in (np.inf, 0.0):
        pays_from(monkeypatch, seconds)
        np.random.seed(4)
        dense = Dense(4, 4)
        found.append(trained([dense, Tanh(), dense, Tanh()], y=X[:, :, None]))
    assert all((a == b).all() for a, b in zip(*found, strict=True))


def test_an_activation_that_is_another_one_far_out_goes_the_numpy_way(monkeypatch):
    def tanh_nearby(z):
        return np.where(np.abs(z) < 3.5, np.tanh(z), 0.9)

    found = []
    for seconds in (np.inf, 0.0):
        pays_from(monkeypatch, seconds)
        net = network(activation=lambda: Activation(tanh_nearby, tanh_prime))
        found.append(trained(net, x=20 * X[:, :, None]))
    assert all((a == b).all() for a, b in zip(*found, strict=True))


def test_one_epoch_is_taken_over_in_its_middle(kernels, runs, capsys):
    np.random.seed(4)
    net = [Dense(4, 2), Tanh()]
    np.random.seed(4)
    W, b = np.random.randn(2, 4), np.random.randn(2, 1)[:, 0]
    train(net, mse, mse_prime, X[:, :, None], Y[:, :, None], 1, 0.1)
    error = 0.0
    for x, y in zip(X, Y, strict=True):
        a = np.tanh(W @ x + b)
        error += ((a - y) ** 2).mean()
        d = (a - y) * (1 - a * a)
        W, b = W - 0.1 * np.outer(d, x), b - 0.1 * d
    np.testing.assert_allclose(net[0].weights, W, rtol=1e-12)
    assert numbers(capsys.readouterr().out)[-1] == pytest.approx(error / 9, rel=1e-12)
    assert len(runs) == 2


def test_epochs_are_an_integer_as_for_range(engine):
    net = Network()
    net.add(FCLayer(2, 1))
    net.use(mse, mse_prime)
    before = net.layers[0].weights.copy()
    for epochs in (1.0, None, "1"):
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            net.fit(np.ones((7, 1, 2)), np.ones((7, 1, 1)), epochs, 0.1)
    np.testing.assert_array_equal(net.layers[0].weights, before)
