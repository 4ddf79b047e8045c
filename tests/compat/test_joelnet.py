"""joelnet: batches of rows, a summed loss, starts of batches shuffled: the same numbers and lines as in NumPy."""

import numpy as np
import pytest
from conftest import pays_from

from fastbp.compat.joelnet.data import BatchIterator
from fastbp.compat.joelnet.layers import Activation, Linear, Tanh
from fastbp.compat.joelnet.loss import MSE
from fastbp.compat.joelnet.nn import NeuralNet
from fastbp.compat.joelnet.optim import SGD
from fastbp.compat.joelnet.tensor import Tensor
from fastbp.compat.joelnet.train import train

RNG = np.random.default_rng(3)
X = RNG.integers(0, 2, (75, 6))
Y = np.eye(3, dtype=int)[RNG.integers(0, 3, 75)]


def by_hand(epochs, size, rate, shuffle=True):
    """Two layers; the summed losses of the epochs and the parameters."""
    w1, b1, w2, b2 = (np.random.randn(*shape) for shape in ((6, 8), (8,), (8, 3), (3,)))
    losses = []
    for _ in range(epochs):
        starts = np.arange(0, 75, size)
        if shuffle:
            np.random.shuffle(starts)
        loss = 0.0
        for k in starts:
            x, y = X[k : k + size], Y[k : k + size]
            h = np.tanh(x @ w1 + b1)
            d = 2 * (h @ w2 + b2 - y)
            loss += (d**2).sum() / 4
            back = d @ w2.T * (1 - h**2)
            w2, b2 = w2 - rate * h.T @ d, b2 - rate * d.sum(0)
            w1, b1 = w1 - rate * x.T @ back, b1 - rate * back.sum(0)
        losses.append(loss)
    return losses, [w1, b1, w2, b2]


def network():
    return NeuralNet([Linear(6, 8), Tanh(), Linear(8, 3)])


def parameters(net):
    return [layer.params[name] for layer in net.layers[::2] for name in ("w", "b")]


@pytest.mark.parametrize(("size", "shuffle"), [(32, True), (25, True), (10, False), (100, True), (1, True)])
def test_joelnet_gives_the_numbers_of_numpy(engine, runs, size, shuffle, capsys):
    np.random.seed(6)
    losses, expected = by_hand(20, size, 0.001, shuffle)
    np.random.seed(6)
    net = network()
    held = parameters(net)
    train(net, X, Y, num_epochs=20, iterator=BatchIterator(size, shuffle), optimizer=SGD(lr=0.001))
    for found, value in zip(parameters(net), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-10, atol=1e-12)
    assert all(one is other for one, other in zip(parameters(net), held, strict=True))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [int(epoch) for epoch, _ in lines] == list(range(20))
    np.testing.assert_allclose([float(loss) for _, loss in lines], losses, rtol=1e-10)
    assert len(runs) > 1 if engine == "kernels" else not runs
    assert isinstance(net.forward(X), Tensor)
    assert set(net.layers[0].grads) == {"w", "b"}


class Mean(MSE):
    def loss(self, predicted, actual):
        return np.mean((predicted - actual) ** 2)


def other_batches(x, y):
    yield from BatchIterator(25)(x, y)


class Decaying(SGD):
    def step(self, net):
        super().step(net)
        self.lr *= 0.99


@pytest.mark.parametrize(("make", "arguments"), [
    (network, {"loss": Mean()}),
    (network, {"optimizer": Decaying(0.001)}),
    (network, {"iterator": other_batches}),
    (lambda: NeuralNet([Linear(6, 3), Activation(np.sin, np.cos)]), {}),
])
def test_objects_of_the_user_go_the_numpy_way(monkeypatch, runs, make, arguments):
    found = []
    for seconds in (np.inf, 0.0):
        pays_from(monkeypatch, seconds)
        np.random.seed(6)
        if "optimizer" in arguments:
            arguments["optimizer"].lr = 0.001
        net = make()
        train(net, X, Y, num_epochs=8, **{"optimizer": SGD(0.001), **arguments})
        found.append(net.forward(X))
    np.testing.assert_array_equal(*found)
    assert not runs


def test_a_loss_that_overflows_goes_on_as_in_numpy(kernels):
    net = network()
    with np.errstate(all="ignore"):
        train(net, X, Y, num_epochs=400, optimizer=SGD(lr=2.0), iterator=BatchIterator(32))
    assert not np.isfinite(net.layers[-1].params["w"]).all()
