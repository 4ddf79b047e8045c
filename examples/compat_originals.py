"""What `fastbp.compat` stands in the place of, written anew in the manner of each family: for `compat_times.py`."""

import random
from itertools import pairwise
from types import SimpleNamespace

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# ------------------------------------------------------------------ one sample after the other, columns
class Nielsen:
    """Lists of arrays; a gradient for each sample, added up in new arrays."""

    def __init__(self, sizes):
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in pairwise(sizes)]

    def backprop(self, x, y):
        outputs, sums = [x], []
        for w, b in zip(self.weights, self.biases, strict=True):
            sums.append(np.dot(w, outputs[-1]) + b)
            outputs.append(sigmoid(sums[-1]))
        delta = (outputs[-1] - y) * sigmoid(sums[-1]) * (1 - sigmoid(sums[-1]))
        grads = [(delta, np.dot(delta, outputs[-2].T))]
        for l in range(2, len(self.weights) + 1):
            slope = sigmoid(sums[-l]) * (1 - sigmoid(sums[-l]))
            delta = np.dot(self.weights[1 - l].T, delta) * slope
            grads.insert(0, (delta, np.dot(delta, outputs[-l - 1].T)))
        return grads

    def SGD(self, data, epochs, size, eta):
        data = list(data)
        for epoch in range(epochs):
            random.shuffle(data)
            for k in range(0, len(data), size):
                batch = data[k : k + size]
                nabla_b = [np.zeros(b.shape) for b in self.biases]
                nabla_w = [np.zeros(w.shape) for w in self.weights]
                for x, y in batch:
                    grads = self.backprop(x, y)
                    nabla_b = [total + g for total, (g, _) in zip(nabla_b, grads, strict=True)]
                    nabla_w = [total + g for total, (_, g) in zip(nabla_w, grads, strict=True)]
                step = eta / len(batch)
                self.weights = [w - step * g for w, g in zip(self.weights, nabla_w, strict=True)]
                self.biases = [b - step * g for b, g in zip(self.biases, nabla_b, strict=True)]
            print(f"Epoch {epoch} complete")


class Udacity:
    """A hidden layer, no biases, a Python loop over the samples of each call."""

    def __init__(self, n_in, n_hidden, n_out, rate):
        self.weights_input_to_hidden = np.random.normal(0.0, n_in**-0.5, (n_in, n_hidden))
        self.weights_hidden_to_output = np.random.normal(0.0, n_hidden**-0.5, (n_hidden, n_out))
        self.lr = rate

    def train(self, features, targets):
        delta_1, delta_2 = np.zeros(self.weights_input_to_hidden.shape), np.zeros(self.weights_hidden_to_output.shape)
        for x, y in zip(features, targets, strict=True):
            hidden = sigmoid(np.dot(x, self.weights_input_to_hidden))
            error = y - np.dot(hidden, self.weights_hidden_to_output)
            term = np.dot(self.weights_hidden_to_output, error) * hidden * (1 - hidden)
            delta_1 += term * x[:, None]
            delta_2 += error * hidden[:, None]
        self.weights_hidden_to_output += self.lr * delta_2 / features.shape[0]
        self.weights_input_to_hidden += self.lr * delta_1 / features.shape[0]


class Rashid:
    """A hidden layer, sigmoids, no biases, one sample a call."""

    def __init__(self, n_in, n_hidden, n_out, rate):
        self.wih = np.random.normal(0.0, n_in**-0.5, (n_hidden, n_in))
        self.who = np.random.normal(0.0, n_hidden**-0.5, (n_out, n_hidden))
        self.lr = rate

    def train(self, inputs_list, targets_list):
        x, t = np.array(inputs_list, ndmin=2).T, np.array(targets_list, ndmin=2).T
        hidden = sigmoid(np.dot(self.wih, x))
        outputs = sigmoid(np.dot(self.who, hidden))
        errors = t - outputs
        back = np.dot(self.who.T, errors)
        self.who += self.lr * np.dot(errors * outputs * (1.0 - outputs), np.transpose(hidden))
        self.wih += self.lr * np.dot(back * hidden * (1.0 - hidden), np.transpose(x))


# ------------------------------------------------------------------ layer objects
class Dense:
    """Samples are columns (n, 1), or rows (1, n)."""

    def __init__(self, n_in, n_out, rows=False):
        self.rows = rows
        if rows:
            self.weights = np.random.rand(n_in, n_out) - 0.5
            self.bias = np.random.rand(1, n_out) - 0.5
        else:
            self.weights, self.bias = np.random.randn(n_out, n_in), np.random.randn(n_out, 1)

    def forward(self, x):
        self.input = x
        return (np.dot(x, self.weights) if self.rows else np.dot(self.weights, x)) + self.bias

    def backward(self, error, rate):
        if self.rows:
            back, gradient = np.dot(error, self.weights.T), np.dot(self.input.T, error)
        else:
            back, gradient = np.dot(self.weights.T, error), np.dot(error, self.input.T)
        self.weights -= rate * gradient
        self.bias -= rate * error
        return back


class Tanh:
    def forward(self, x):
        self.input = x
        return np.tanh(x)

    def backward(self, error, rate):
        return error * (1 - np.tanh(self.input) ** 2)


def train(network, x_train, y_train, epochs, rate, verbose=True):
    """One sample after the other, with the mean squared error."""
    for epoch in range(epochs):
        error = 0
        for x, y in zip(x_train, y_train, strict=True):
            output = x
            for layer in network:
                output = layer.forward(output)
            error += np.mean(np.power(y - output, 2))
            gradient = 2 * (output - y) / np.size(y)
            for layer in reversed(network):
                gradient = layer.backward(gradient, rate)
        if verbose:
            print(f"{epoch + 1}/{epochs}, error={error / len(x_train)}")


def train_in_batches(layers, inputs, targets, epochs, rate, size=32):
    """joelnet: dicts of parameters and gradients, a sum of squares, starts of batches shuffled."""
    for epoch in range(epochs):
        loss = 0.0
        starts = np.arange(0, len(inputs), size)
        np.random.shuffle(starts)
        for start in starts:
            a, y = inputs[start : start + size], targets[start : start + size]
            for layer in layers:
                layer.inputs = a
                a = a @ layer.params["w"] + layer.params["b"] if layer.params else np.tanh(a)
            loss += np.sum((a - y) ** 2)
            grad = 2 * (a - y)
            for layer in reversed(layers):
                if layer.params:
                    layer.grads["b"], layer.grads["w"] = np.sum(grad, axis=0), layer.inputs.T @ grad
                    grad = grad @ layer.params["w"].T
                else:
                    grad = (1 - np.tanh(layer.inputs) ** 2) * grad
            for layer in layers:
                for name, param in layer.params.items():
                    param -= rate * layer.grads[name]
        print(epoch, loss)


def linear(n_in, n_out):
    params = {"w": np.random.randn(n_in, n_out), "b": np.random.randn(n_out)}
    return SimpleNamespace(params=params, grads={})


class Scratch:
    """nnfs: relu layers, softmax, cross-entropy, Adam with decay; loss and accuracy of every step."""

    def __init__(self, sizes, decay):
        self.W = [0.01 * np.random.randn(m, n) for m, n in pairwise(sizes)]
        self.b = [np.zeros((1, n)) for n in sizes[1:]]
        self.kept = [[np.zeros_like(p), np.zeros_like(p)] for p in (*self.W, *self.b)]
        self.decay, self.iterations = decay, 0

    def step(self, X, y):
        a, sums, m = [X], [], len(X)
        for W, b in zip(self.W, self.b, strict=True):
            sums.append(np.dot(a[-1], W) + b)
            a.append(np.maximum(0, sums[-1]))
        e = np.exp(sums[-1] - np.max(sums[-1], axis=1, keepdims=True))
        probabilities = e / np.sum(e, axis=1, keepdims=True)
        losses = -np.log(np.clip(probabilities, 1e-7, 1 - 1e-7)[range(m), y])
        right = np.argmax(probabilities, axis=1) == y
        d = probabilities.copy()
        d[range(m), y] -= 1
        d = d / m
        dW, db = [], []
        for l in reversed(range(len(self.W))):
            dW.insert(0, np.dot(a[l].T, d))
            db.insert(0, np.sum(d, axis=0, keepdims=True))
            d = np.dot(d, self.W[l].T)
            if l:
                d[sums[l - 1] <= 0] = 0
        self.update([*dW, *db])
        return np.mean(losses), np.mean(right)

    def update(self, gradients):
        rate = 0.001 * (1.0 / (1.0 + self.decay * self.iterations))
        t = self.iterations + 1
        for p, g, kept in zip([*self.W, *self.b], gradients, self.kept, strict=True):
            kept[0] = 0.9 * kept[0] + (1 - 0.9) * g
            mean = kept[0] / (1 - 0.9**t)
            kept[1] = 0.999 * kept[1] + (1 - 0.999) * g**2
            square = kept[1] / (1 - 0.999**t)
            p += -rate * mean / (np.sqrt(square) + 1e-7)
        self.iterations += 1

    def train(self, X, y, epochs, size):
        for epoch in range(1, epochs + 1):
            print(f"epoch: {epoch}")
            for k in range(0, len(X), size):
                loss, accuracy = self.step(X[k : k + size], y[k : k + size])
                if k // size % 100 == 0:
                    print(f"step: {k // size}, acc: {accuracy:.3f}, loss: {loss:.3f}")


# ------------------------------------------------------------------ functions on columns
def deep_parameters(sizes):
    np.random.seed(1)
    parameters = {}
    for l, (m, n) in enumerate(pairwise(sizes), start=1):
        parameters[f"W{l}"], parameters[f"b{l}"] = np.random.randn(n, m) / np.sqrt(m), np.zeros((n, 1))
    return parameters


def deep_model(X, Y, sizes, rate, iterations):
    """Relu layers and a sigmoid; the gradient of the inputs is computed, too, and nobody reads it."""
    parameters, L, m = deep_parameters(sizes), len(sizes) - 1, X.shape[1]
    for _ in range(iterations):
        A, caches = X, []
        for l in range(1, L + 1):
            Z = np.dot(parameters[f"W{l}"], A) + parameters[f"b{l}"]
            caches.append((A, Z))
            A = np.maximum(0, Z) if l < L else sigmoid(Z)
        np.squeeze(-np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m)
        grads = {}
        dA = -(np.divide(Y, A) - np.divide(1 - Y, 1 - A))
        for l in range(L, 0, -1):
            before, Z = caches[l - 1]
            if l == L:
                s = sigmoid(Z)
                dZ = dA * s * (1 - s)
            else:
                dZ = np.array(dA, copy=True)
                dZ[Z <= 0] = 0
            grads[f"dW{l}"] = 1.0 / m * np.dot(dZ, before.T)
            grads[f"db{l}"] = 1.0 / m * np.sum(dZ, axis=1, keepdims=True)
            grads[f"dA{l - 1}"] = dA = np.dot(parameters[f"W{l}"].T, dZ)
        for l in range(1, L + 1):
            parameters[f"W{l}"] = parameters[f"W{l}"] - rate * grads[f"dW{l}"]
            parameters[f"b{l}"] = parameters[f"b{l}"] - rate * grads[f"db{l}"]
    return parameters


def planar_model(X, Y, n_h, iterations):
    """A hidden layer of tanh and a sigmoid, rate 1.2."""
    np.random.seed(2)
    W1, W2 = np.random.randn(n_h, X.shape[0]) * 0.01, np.random.randn(Y.shape[0], n_h) * 0.01
    b1, b2, m = np.zeros((n_h, 1)), np.zeros((Y.shape[0], 1)), X.shape[1]
    for _ in range(iterations):
        A1 = np.tanh(np.dot(W1, X) + b1)
        A2 = sigmoid(np.dot(W2, A1) + b2)
        float(np.squeeze(-np.sum(np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)) / m))
        dZ2 = A2 - Y
        dZ1 = np.dot(W2.T, dZ2) * (1 - np.power(A1, 2))
        W2, b2 = W2 - 1.2 * np.dot(dZ2, A1.T) / m, b2 - 1.2 * np.sum(dZ2, axis=1, keepdims=True) / m
        W1, b1 = W1 - 1.2 * np.dot(dZ1, X.T) / m, b1 - 1.2 * np.sum(dZ1, axis=1, keepdims=True) / m
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
