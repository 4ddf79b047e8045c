"""Scripts as people write them: the same text with the family's own modules and with those of fastbp.compat.

The family's modules are written anew in `script_modules.py`.
"""

import contextlib
import io
import random
import re
import sys
import types

import numpy as np
import pytest
from script_modules import MODULES

SCRIPTS = {
    "network": """
from network import Network
training = [(rng.random((20, 1)), np.eye(4)[:, [k % 4]]) for k in range(60)]
net = Network([20, 8, 4])
net.SGD(training, 4, 10, 3.0)
learned = [*net.weights, *net.biases]
""",
    "network2": """
import network2
centres = rng.random((10, 20))
labels = rng.integers(0, 10, 130)
images = (centres[labels] + 0.3 * rng.normal(size=(130, 20))).astype(np.float32)
training_data = [(x.reshape(20, 1), np.eye(10)[:, [k]]) for x, k in zip(images[:94], labels[:94])]
evaluation_data = list(zip([x.reshape(20, 1) for x in images[94:]], labels[94:]))
net = network2.Network([20, 12, 10], cost=network2.CrossEntropyCost)
net.large_weight_initializer()
evaluation_cost, evaluation_accuracy, training_cost, training_accuracy = net.SGD(
    training_data, 4, 10, 0.1, lmbda=5.0, evaluation_data=evaluation_data, monitor_evaluation_cost=True,
    monitor_evaluation_accuracy=True, monitor_training_cost=True, monitor_training_accuracy=True)
print(max(evaluation_accuracy), evaluation_cost, training_accuracy)
net.save(folder + "/net.json")
again = network2.load(folder + "/net.json")
again.SGD(zip([x for x, y in training_data], [y for x, y in training_data]), 30, 7, 0.05, lmbda=1.0,
          evaluation_data=evaluation_data, monitor_evaluation_accuracy=True, early_stopping_n=3)
second = network2.Network([20, 8, 10], cost=network2.QuadraticCost)
second.SGD(training_data, 3, 20, 1.5, monitor_training_cost=True)
print(second.accuracy(evaluation_data), second.total_cost(training_data, 0.3))
learned = [*net.weights, *net.biases, *again.weights, *again.biases, *second.weights, *second.biases]
""",
    "nnfs": """
from nnfs import (
    Accuracy_Categorical, Activation_ReLU, Activation_Softmax, Layer_Dense, Loss_CategoricalCrossentropy, Model,
    Optimizer_Adam)
X = rng.normal(size=(150, 6))
y = (X[:, 0] > 0).astype(int) + (X[:, 1] * X[:, 2] > 0)
X_test, y_test = X[110:], y[110:]
X, y = X[:110], y[:110]
keys = np.array(range(X.shape[0]))
np.random.shuffle(keys)
X, y = X[keys], y[keys]
model = Model()
model.add(Layer_Dense(X.shape[1], 16, weight_regularizer_l2=5e-4))
model.add(Activation_ReLU())
model.add(Layer_Dense(16, 16, weight_regularizer_l2=5e-4))
model.add(Activation_ReLU())
model.add(Layer_Dense(16, 3, weight_regularizer_l2=5e-4))
model.add(Activation_Softmax())
model.set(loss=Loss_CategoricalCrossentropy(), optimizer=Optimizer_Adam(learning_rate=0.02, decay=1e-3),
          accuracy=Accuracy_Categorical())
model.finalize()
model.train(X, y, validation_data=(X_test, y_test), epochs=6, batch_size=32, print_every=2)
confidences = model.predict(X_test[:5])
print(np.argmax(confidences, axis=1), confidences[0])
learned = [model.layers[0].weights, model.layers[2].biases, model.layers[4].weights, confidences]
""",
    "nnfs regression": """
from nnfs import (
    Accuracy_Regression, Activation_Linear, Activation_ReLU, Layer_Dense, Loss_MeanSquaredError, Model, Optimizer_SGD)
X = np.linspace(0, 1, 90).reshape(-1, 1)
y = np.sin(2 * np.pi * X)
model = Model()
model.add(Layer_Dense(1, 12))
model.add(Activation_ReLU())
model.add(Layer_Dense(12, 1))
model.add(Activation_Linear())
model.set(loss=Loss_MeanSquaredError(), optimizer=Optimizer_SGD(learning_rate=0.05, decay=1e-3, momentum=0.9),
          accuracy=Accuracy_Regression())
model.finalize()
model.train(X, y, epochs=20, print_every=100)
learned = [model.layers[0].weights, model.layers[2].weights, model.predict(X)]
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


# Families whose scripts hold the loop, of which the kernels see nothing.
LOOPS_OF_THEIR_OWN = ("my_answers", "neuralnetwork", "dnn_app_utils")


def executed(script, folder):
    names, shown = {"np": np, "rng": np.random.default_rng(0), "folder": str(folder)}, io.StringIO()
    np.random.seed(3)
    random.seed(3)
    with contextlib.redirect_stdout(shown):
        exec(compile(script, "script.py", "exec"), names)
    # where the streams are afterwards counts, too
    return [*names["learned"], np.random.random(3), np.array([random.random()])], shown.getvalue()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_gives_the_same_where_only_its_imports_change(engine, monkeypatch, name, tmp_path, runs):
    script, family = SCRIPTS[name], name.split()[0]
    for title, content in MODULES.items():
        made = types.ModuleType(title)
        vars(made).update(content)
        monkeypatch.setitem(sys.modules, title, made)
        monkeypatch.setitem(sys.modules, title.split(".")[0], made) if "." in title else None
    expected, lines = executed(script, tmp_path)
    changed = re.sub(rf"(?m)^from ({family}\S*) import", r"from fastbp.compat.\1 import", script)
    changed = re.sub(rf"(?m)^import {family}$", f"from fastbp.compat import {family}", changed)
    assert changed != script
    found, other_lines = executed(changed, tmp_path)
    assert bool(runs) == (engine == "kernels" and family not in LOOPS_OF_THEIR_OWN)
    for one, other in zip(found, expected, strict=True):
        assert type(one) is type(other)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)
    number = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
    assert [number.sub("#", line) for line in other_lines.splitlines()] == [
        number.sub("#", line) for line in lines.splitlines()]
    pairs = zip(number.findall(other_lines), number.findall(lines), strict=True)
    assert all(float(one) == pytest.approx(float(other), rel=1e-8, abs=2e-6) for one, other in pairs)
