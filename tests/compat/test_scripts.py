"""Scripts as people write them: the same text with the family's own modules and with those of fastbp.compat.

The family's modules are written anew in `examples/compat_originals.py`; here they get their files' names.
"""

import contextlib
import importlib.util
import io
import random
import re
import sys
import types

import numpy as np
import pytest
from processes import ROOT

spec = importlib.util.spec_from_file_location("compat_originals", ROOT / "examples" / "compat_originals.py")
originals = importlib.util.module_from_spec(spec)
spec.loader.exec_module(originals)


class FCLayer(originals.Dense):
    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out, rows=True)


class RowsNetwork:
    def __init__(self):
        self.layers = []

    def add(self, layer):
        self.layers.append(layer)

    def use(self, loss, loss_prime):
        assert (loss, loss_prime) == (originals.mse, originals.mse_prime)

    def fit(self, x, y, epochs, learning_rate):
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            originals.train(self.layers, x, y, epochs, learning_rate)
        for epoch, error in enumerate(re.findall(r"error=(\S+)", shown.getvalue()), start=1):
            print(f"epoch {epoch}/{epochs}   error={float(error):f}")  # noqa: T201

    def predict(self, samples):
        return [originals.predict(self.layers, sample) for sample in samples]


def train(layers, loss, loss_prime, x, y, epochs=1000, learning_rate=0.01, verbose=True):
    originals.train(layers, x, y, epochs, learning_rate, verbose)


class Tanh(originals.Activation):
    def __init__(self):
        super().__init__(originals.tanh, originals.tanh_prime)


class BatchSGD:
    def __init__(self, lr):
        self.lr = lr


def train_joelnet(net, inputs, targets, num_epochs=5000, optimizer=None):
    originals.train_in_batches(net, inputs, targets, num_epochs, optimizer.lr)


def query(self, inputs):
    x = np.array(inputs, ndmin=2).T
    return originals.sigmoid(np.dot(self.who, originals.sigmoid(np.dot(self.wih, x))))


def run(self, features):
    return np.dot(originals.sigmoid(np.dot(features, self.weights_input_to_hidden)), self.weights_hidden_to_output)


def model_forward(X, parameters):
    A, caches, L = X, [], len(parameters) // 2
    for l in range(1, L + 1):
        A, cache = originals.linear_activation_forward(
            A, parameters[f"W{l}"], parameters[f"b{l}"], "relu" if l < L else "sigmoid")
        caches.append(cache)
    return A, caches


def model_backward(AL, Y, caches):
    grads, dA = {}, -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    for l in range(len(caches), 0, -1):
        kind = "sigmoid" if l == len(caches) else "relu"
        dA, grads[f"dW{l}"], grads[f"db{l}"] = originals.linear_activation_backward(dA, caches[l - 1], kind)
        grads[f"dA{l - 1}"] = dA
    return grads


def update_parameters(parameters, grads, learning_rate):
    for l in range(1, len(parameters) // 2 + 1):
        for kind in "Wb":
            parameters[f"{kind}{l}"] = parameters[f"{kind}{l}"] - learning_rate * grads[f"d{kind}{l}"]
    return parameters


MODULES = {
    "network": {"Network": originals.Nielsen},
    "my_answers": {"NeuralNetwork": type("NeuralNetwork", (originals.Udacity,), {"run": run})},
    "neuralnetwork": {"neuralNetwork": type("neuralNetwork", (originals.Rashid,), {"query": query})},
    "independent.dense": {"Dense": originals.Dense},
    "independent.activations": {"Tanh": originals.Tanh},
    "independent.losses": {"mse": originals.mse, "mse_prime": originals.mse_prime},
    "independent.network": {"train": train, "predict": originals.predict},
    "aflak.network": {"Network": RowsNetwork},
    "aflak.fc_layer": {"FCLayer": FCLayer},
    "aflak.activation_layer": {"ActivationLayer": originals.Function},
    "aflak.activations": {"tanh": originals.tanh, "tanh_prime": originals.tanh_prime},
    "aflak.losses": {"mse": originals.mse, "mse_prime": originals.mse_prime},
    "joelnet.layers": {"Linear": originals.Linear, "Tanh": Tanh},
    "joelnet.nn": {"NeuralNet": originals.NeuralNet},
    "joelnet.optim": {"SGD": BatchSGD},
    "joelnet.train": {"train": train_joelnet},
    "dnn_app_utils": {
        "np": np, "initialize_parameters_deep": originals.deep_parameters, "L_model_forward": model_forward,
        "compute_cost": originals.compute_cost, "L_model_backward": model_backward,
        "update_parameters": update_parameters,
    },
    "planar_utils": {"nn_model": originals.planar_model},
}

SCRIPTS = {
    "network": """
from network import Network
training = [(rng.random((20, 1)), np.eye(4)[:, [k % 4]]) for k in range(60)]
net = Network([20, 8, 4])
net.SGD(training, 4, 10, 3.0)
learned = [*net.weights, *net.biases]
""",
    "my_answers": """
from my_answers import NeuralNetwork
features, targets = rng.normal(size=(300, 8)), rng.normal(size=300)
net = NeuralNetwork(8, 5, 1, 0.3)
for step in range(60):
    batch = np.random.choice(300, size=32)
    net.train(features[batch], targets[batch])
    if step % 20 == 0:
        print(np.mean((net.run(features).T - targets) ** 2))
learned = [net.weights_input_to_hidden, net.weights_hidden_to_output]
""",
    "neuralnetwork": """
from neuralnetwork import neuralNetwork
n = neuralNetwork(30, 12, 4, 0.2)
for record in rng.random((80, 30)):
    targets = np.zeros(4) + 0.01
    targets[int(record[0] * 4)] = 0.99
    n.train(record * 0.99 + 0.01, targets)
print(np.argmax(n.query(record)))
learned = [n.wih, n.who]
""",
    "independent": """
from independent.dense import Dense
from independent.activations import Tanh
from independent.losses import mse, mse_prime
from independent.network import train, predict
X = np.reshape([[0, 0], [0, 1], [1, 0], [1, 1]], (4, 2, 1))
Y = np.reshape([[0], [1], [1], [0]], (4, 1, 1))
network = [Dense(2, 3), Tanh(), Dense(3, 1), Tanh()]
train(network, mse, mse_prime, X, Y, epochs=50, learning_rate=0.1)
for x in X:
    print(predict(network, x)[0, 0])
learned = [network[0].weights, network[0].bias, network[2].weights, network[2].bias]
""",
    "aflak": """
from aflak.network import Network
from aflak.fc_layer import FCLayer
from aflak.activation_layer import ActivationLayer
from aflak.activations import tanh, tanh_prime
from aflak.losses import mse, mse_prime
x_train = np.array([[[0, 0]], [[0, 1]], [[1, 0]], [[1, 1]]])
y_train = np.array([[[0]], [[1]], [[1]], [[0]]])
net = Network()
net.add(FCLayer(2, 3))
net.add(ActivationLayer(tanh, tanh_prime))
net.add(FCLayer(3, 1))
net.add(ActivationLayer(tanh, tanh_prime))
net.use(mse, mse_prime)
net.fit(x_train, y_train, epochs=50, learning_rate=0.1)
print(net.predict(x_train)[0][0, 0])
learned = [net.layers[0].weights, net.layers[2].bias]
""",
    "joelnet": """
from joelnet.train import train
from joelnet.nn import NeuralNet
from joelnet.layers import Linear, Tanh
from joelnet.optim import SGD
inputs = np.array([[x >> i & 1 for i in range(10)] for x in range(101, 300)])
targets = np.eye(4, dtype=int)[[(x % 3 == 0) + 2 * (x % 5 == 0) for x in range(101, 300)]]
net = NeuralNet([Linear(10, 12), Tanh(), Linear(12, 4)])
train(net, inputs, targets, num_epochs=12, optimizer=SGD(lr=0.001))
learned = [layer.params[name] for layer in (net.layers[0], net.layers[2]) for name in ("w", "b")]
""",
    "dnn_app_utils": """
from dnn_app_utils import *
X, Y = rng.normal(size=(7, 40)), rng.integers(0, 2, (1, 40))
parameters = initialize_parameters_deep([7, 5, 3, 1])
for i in range(120):
    AL, caches = L_model_forward(X, parameters)
    cost = compute_cost(AL, Y)
    grads = L_model_backward(AL, Y, caches)
    parameters = update_parameters(parameters, grads, 0.0075)
    if i % 50 == 0:
        print(cost)
learned = [parameters[name] for name in sorted(parameters)] + [grads["dA0"]]
""",
    "planar_utils": """
from planar_utils import nn_model
X = rng.normal(size=(2, 100))
Y = (X[:1] * X[1:] > 0).astype(np.uint8)
parameters = nn_model(X, Y, 4, 200)
learned = [parameters[name] for name in sorted(parameters)]
""",
}


def executed(script):
    names, shown = {"np": np, "rng": np.random.default_rng(0)}, io.StringIO()
    np.random.seed(3)
    random.seed(3)
    with contextlib.redirect_stdout(shown):
        exec(compile(script, "script.py", "exec"), names)
    return names["learned"], shown.getvalue()


@pytest.mark.parametrize("family", SCRIPTS)
def test_a_script_gives_the_same_where_only_its_imports_change(engine, monkeypatch, family):
    script = SCRIPTS[family]
    for name, content in MODULES.items():
        made = types.ModuleType(name)
        vars(made).update(content)
        monkeypatch.setitem(sys.modules, name, made)
        monkeypatch.setitem(sys.modules, name.split(".")[0], made) if "." in name else None
    expected, lines = executed(script)
    changed = re.sub(rf"(?m)^from ({family}\S*) import", r"from fastbp.compat.\1 import", script)
    assert changed != script
    found, other_lines = executed(changed)
    for one, other in zip(found, expected, strict=True):
        assert type(one) is type(other)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)
    number = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
    assert [number.sub("#", line) for line in other_lines.splitlines()] == [
        number.sub("#", line) for line in lines.splitlines()]
    pairs = zip(number.findall(other_lines), number.findall(lines), strict=True)
    assert all(float(one) == pytest.approx(float(other), rel=1e-8, abs=2e-6) for one, other in pairs)
