"""The modules of each family that scripts import: written anew, by `examples/compat_originals.py` and loops by hand."""

import contextlib
import importlib.util
import io
import json
import random
import re
from itertools import pairwise
from pathlib import Path

import nnfs_by_hand
import numpy as np
from nielsen_by_hand import Plain
from processes import ROOT

spec = importlib.util.spec_from_file_location("compat_originals", ROOT / "examples" / "compat_originals.py")
originals = importlib.util.module_from_spec(spec)
spec.loader.exec_module(originals)


def show(line):
    print(line)  # noqa: T201


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
            show(f"epoch {epoch}/{epochs}   error={float(error):f}")

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


# ------------------------------------------------------------------ Nielsen's chapter 3
class CrossEntropyCost:
    @staticmethod
    def fn(a, y):
        return np.sum(np.nan_to_num(-y * np.log(a) - (1 - y) * np.log(1 - a)))


class QuadraticCost:
    @staticmethod
    def fn(a, y):
        return 0.5 * np.linalg.norm(a - y) ** 2


class Network2(Plain):
    """A network by hand with the names and lines of the module."""

    def __init__(self, sizes, cost=CrossEntropyCost):
        super().__init__(sizes, entropy=cost is CrossEntropyCost, scaled=True)
        self.sizes, self.cost = sizes, cost

    weights = property(lambda self: self.w)
    biases = property(lambda self: self.b)

    def large_weight_initializer(self):
        self.b = [np.random.randn(n, 1) for n in self.sizes[1:]]
        self.w = [np.random.randn(n, m) for m, n in pairwise(self.sizes)]

    def feedforward(self, x):
        return self.outputs(x)

    def accuracy(self, data, convert=False):
        return sum(int(np.argmax(self.outputs(x)) == (np.argmax(y) if convert else y)) for x, y in data)

    def total_cost(self, data, lmbda, convert=False):
        costs = [self.cost.fn(self.outputs(x), np.eye(10)[:, [y]] if convert else y) for x, y in data]
        return sum(costs) / len(data) + 0.5 * lmbda / len(data) * sum(np.linalg.norm(w) ** 2 for w in self.w)

    def SGD(self, training_data, epochs, mini_batch_size, eta, lmbda=0.0, evaluation_data=None,
            monitor_evaluation_cost=False, monitor_evaluation_accuracy=False, monitor_training_cost=False,
            monitor_training_accuracy=False, early_stopping_n=0):
        training_data, n = list(training_data), len(list(training_data))
        evaluation_data = list(evaluation_data or [])
        lists, best, waited = ([], [], [], []), 0, 0
        for epoch in range(epochs):
            random.shuffle(training_data)
            self.train_in_order(training_data, mini_batch_size, eta, lmbda)
            show(f"Epoch {epoch} training complete")
            if monitor_training_cost:
                lists[2].append(self.total_cost(training_data, lmbda))
                show(f"Cost on training data: {lists[2][-1]}")
            if monitor_training_accuracy:
                lists[3].append(self.accuracy(training_data, convert=True))
                show(f"Accuracy on training data: {lists[3][-1]} / {n}")
            if monitor_evaluation_cost:
                lists[0].append(self.total_cost(evaluation_data, lmbda, convert=True))
                show(f"Cost on evaluation data: {lists[0][-1]}")
            if monitor_evaluation_accuracy:
                lists[1].append(self.accuracy(evaluation_data))
                show(f"Accuracy on evaluation data: {lists[1][-1]} / {len(evaluation_data)}")
            if early_stopping_n:
                accuracy = (lists[1] or lists[3])[-1]
                best, waited = (accuracy, 0) if accuracy > best else (best, waited + 1)
                if waited == early_stopping_n:
                    break
        return lists

    def train_in_order(self, data, size, eta, lmbda):
        state, shuffle = random.getstate(), random.shuffle
        random.shuffle = lambda data: None
        try:
            self.train(data, 1, size, eta, lmbda)
        finally:
            random.shuffle = shuffle
            random.setstate(state)

    def save(self, filename):
        content = {"sizes": self.sizes, "weights": [w.tolist() for w in self.w],
                   "biases": [b.tolist() for b in self.b], "cost": self.cost.__name__}
        Path(filename).write_text(json.dumps(content))


def load(filename):
    content = json.loads(Path(filename).read_text())
    net = Network2(content["sizes"], cost=globals()[content["cost"]])
    net.w, net.b = ([np.array(each) for each in content[name]] for name in ("weights", "biases"))
    return net


# ------------------------------------------------------------------ the book of scratch
class Layer:
    def __init__(self, n_inputs=0, n_neurons=0, weight_regularizer_l1=0, weight_regularizer_l2=0):
        self.penalties = weight_regularizer_l1, weight_regularizer_l2
        if n_neurons:
            self.weights, self.biases = 0.01 * np.random.randn(n_inputs, n_neurons), np.zeros((1, n_neurons))


KIND = {name: type(name, (Layer,), {}) for name in (
    "Layer_Dense", "Activation_ReLU", "Activation_Softmax", "Activation_Sigmoid", "Activation_Linear",
    "Loss_CategoricalCrossentropy", "Loss_BinaryCrossentropy", "Loss_MeanSquaredError", "Accuracy_Categorical",
    "Accuracy_Regression")}
LOSSES = {"Loss_CategoricalCrossentropy": "cce", "Loss_BinaryCrossentropy": "bce", "Loss_MeanSquaredError": "mse"}


class Model:
    """A list of layers that is trained by hand, with the lines of the book."""

    def __init__(self):
        self.layers = []

    def add(self, layer):
        self.layers.append(layer)

    def set(self, *, loss, optimizer, accuracy):
        self.kind, self.rule = LOSSES[type(loss).__name__], optimizer

    def finalize(self):
        self.dense = self.layers[::2]
        self.W, self.b = [layer.weights for layer in self.dense], [layer.biases for layer in self.dense]

    def train(self, X, y, *, epochs=1, batch_size=None, print_every=1, validation_data=None):
        steps = -(-len(X) // (batch_size or len(X)))
        for epoch in range(1, epochs + 1):
            first = self.rule.t
            shown = nnfs_by_hand.train(
                self.W, self.b, self.kind, self.rule, X, y, 1, batch_size or len(X), *self.dense[0].penalties)
            show(f"epoch: {epoch}")
            for step, measured in enumerate(shown):
                rate = self.rule.rate
                if self.rule.decay:
                    rate *= 1.0 / (1.0 + self.rule.decay * (first + min(step, steps - 1)))
                what = "training" if step == steps else f"step: {step}"
                if step >= steps - 1 or step % print_every == 0:
                    show(what + ", acc: {:.3f}, loss: {:.3f} (data_loss: {:.3f}, reg_loss: {:.3f}), lr: ".format(
                        *measured) + str(rate))
            if validation_data:
                losses, right, _ = nnfs_by_hand.loss_and_delta(self.kind, self.sums(validation_data[0]),
                                                               validation_data[1])
                show(f"validation, acc: {np.mean(right):.3f}, loss: {np.mean(losses):.3f}")

    def sums(self, X):
        for l, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            X = np.maximum(X, 0) @ W + b if l else X @ W + b
        return X

    def predict(self, X):
        return nnfs_by_hand.softmax(self.sums(X)) if self.kind == "cce" else self.sums(X)


def rule(name, default):
    def made(learning_rate=default, decay=0.0, momentum=0.0):
        return nnfs_by_hand.Rule(name, learning_rate, decay, momentum)

    return made


MODULES = {
    "network": {"Network": originals.Nielsen},
    "network2": {"Network": Network2, "CrossEntropyCost": CrossEntropyCost, "QuadraticCost": QuadraticCost,
                 "load": load},
    "nnfs": {"Model": Model, **KIND, "Optimizer_SGD": rule("SGD", 1.0), "Optimizer_Adam": rule("Adam", 0.001),
             "Optimizer_RMSprop": rule("RMSprop", 0.001), "Optimizer_Adagrad": rule("Adagrad", 1.0)},
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
