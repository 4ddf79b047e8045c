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


class Function:
    def __init__(self, f, f_prime):
        self.f, self.f_prime = f, f_prime

    def forward(self, x):
        self.input = x
        return self.f(self.input)

    def backward(self, error, rate):
        return np.multiply(error, self.f_prime(self.input))


class Tanh(Function):
    def __init__(self):
        super().__init__(np.tanh, lambda x: 1 - np.tanh(x) ** 2)


def predict(network, x):
    for layer in network:
        x = layer.forward(x)
    return x


def mse(y, p):
    return np.mean(np.power(y - p, 2))


def mse_prime(y, p):
    return 2 * (p - y) / np.size(y)


def train(network, x_train, y_train, epochs, rate, verbose=True):
    for epoch in range(epochs):
        error = 0
        for x, y in zip(x_train, y_train, strict=True):
            output = predict(network, x)
            error += mse(y, output)
            gradient = mse_prime(y, output)
            for layer in reversed(network):
                gradient = layer.backward(gradient, rate)
        if verbose:
            print(f"{epoch + 1}/{epochs}, error={error / len(x_train)}")


class Linear:
    """joelnet: dicts of parameters and gradients; the loop goes through layers, batches and parameters."""

    def __init__(self, n_in, n_out):
        self.params = {"w": np.random.randn(n_in, n_out), "b": np.random.randn(n_out)}
        self.grads = {}

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.params["w"] + self.params["b"]

    def backward(self, grad):
        self.grads["b"] = np.sum(grad, axis=0)
        self.grads["w"] = self.inputs.T @ grad
        return grad @ self.params["w"].T


def tanh(x):
    return np.tanh(x)


def tanh_prime(x):
    y = tanh(x)
    return 1 - y**2


class Activation:
    def __init__(self, f, f_prime):
        self.params, self.grads, self.f, self.f_prime = {}, {}, f, f_prime

    def forward(self, inputs):
        self.inputs = inputs
        return self.f(inputs)

    def backward(self, grad):
        return self.f_prime(self.inputs) * grad


class NeuralNet:
    def __init__(self, layers):
        self.layers = layers

    def forward(self, inputs):
        return predict(self.layers, inputs)

    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad

    def params_and_grads(self):
        for layer in self.layers:
            for name, param in layer.params.items():
                yield param, layer.grads[name]


class Batches:
    def __init__(self, size=32):
        self.size = size

    def __call__(self, inputs, targets):
        starts = np.arange(0, len(inputs), self.size)
        np.random.shuffle(starts)
        for start in starts:
            yield SimpleNamespace(inputs=inputs[start : start + self.size], targets=targets[start : start + self.size])


class SumOfSquares:
    def loss(self, predicted, actual):
        return np.sum((predicted - actual) ** 2)

    def grad(self, predicted, actual):
        return 2 * (predicted - actual)


def train_in_batches(net, inputs, targets, epochs, rate):
    batches, loss = Batches(), SumOfSquares()
    for epoch in range(epochs):
        epoch_loss = 0.0
        for batch in batches(inputs, targets):
            predicted = net.forward(batch.inputs)
            epoch_loss += loss.loss(predicted, batch.targets)
            net.backward(loss.grad(predicted, batch.targets))
            for param, grad in net.params_and_grads():
                param -= rate * grad
        print(epoch, epoch_loss)


def init():
    """What `nnfs.init` does: float32 is the default of some functions, and products are computed in float64."""
    np.random.seed(0)
    dot, zeros, randn = np.dot, np.zeros, np.random.randn
    np.dot = lambda *arrays: dot(*[array.astype("float64") for array in arrays]).astype("float32")
    np.random.randn = lambda *shape: randn(*shape).astype("float32")
    np.zeros = lambda *a, **k: zeros(*a, **k) if len(a) > 1 or "dtype" in k else zeros(*a, dtype="float32", **k)


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


def sigmoid_forward(Z):
    return 1 / (1 + np.exp(-Z)), Z


def relu_forward(Z):
    return np.maximum(0, Z), Z


def relu_backward(dA, cache):
    dZ = np.array(dA, copy=True)
    dZ[cache <= 0] = 0
    return dZ


def sigmoid_backward(dA, cache):
    s = 1 / (1 + np.exp(-cache))
    return dA * s * (1 - s)


def linear_forward(A, W, b):
    Z = W.dot(A) + b
    assert Z.shape == (W.shape[0], A.shape[1])
    return Z, (A, W, b)


def linear_activation_forward(A_prev, W, b, activation):
    Z, linear_cache = linear_forward(A_prev, W, b)
    A, activation_cache = sigmoid_forward(Z) if activation == "sigmoid" else relu_forward(Z)
    assert A.shape == (W.shape[0], A_prev.shape[1])
    return A, (linear_cache, activation_cache)


def linear_activation_backward(dA, cache, activation):
    (A_prev, W, b), Z = cache
    dZ = sigmoid_backward(dA, Z) if activation == "sigmoid" else relu_backward(dA, Z)
    m = A_prev.shape[1]
    dW, db, dA_prev = 1.0 / m * np.dot(dZ, A_prev.T), 1.0 / m * np.sum(dZ, axis=1, keepdims=True), np.dot(W.T, dZ)
    assert dA_prev.shape == A_prev.shape
    assert dW.shape == W.shape
    assert db.shape == b.shape
    return dA_prev, dW, db


def compute_cost(AL, Y):
    return np.squeeze((1.0 / Y.shape[1]) * (-np.dot(Y, np.log(AL).T) - np.dot(1 - Y, np.log(1 - AL).T)))


def deep_model(X, Y, sizes, rate, iterations):
    """Relu layers and a sigmoid; the gradient of the inputs is computed, too, and nobody reads it."""
    parameters, L = deep_parameters(sizes), len(sizes) - 1
    for _ in range(iterations):
        A, caches, grads = X, [], {}
        for l in range(1, L + 1):
            kind = "relu" if l < L else "sigmoid"
            A, cache = linear_activation_forward(A, parameters[f"W{l}"], parameters[f"b{l}"], kind)
            caches.append(cache)
        compute_cost(A, Y)
        dA = -(np.divide(Y, A) - np.divide(1 - Y, 1 - A))
        for l in range(L, 0, -1):
            dA, grads[f"dW{l}"], grads[f"db{l}"] = linear_activation_backward(
                dA, caches[l - 1], "sigmoid" if l == L else "relu"
            )
            grads[f"dA{l - 1}"] = dA
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
