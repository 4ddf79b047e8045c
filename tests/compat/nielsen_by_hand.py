"""The book's equations written anew, as slowly as they stand: for comparison, nothing of fastbp."""

import random
from itertools import pairwise

import numpy as np


def s(z):
    return 1 / (1 + np.exp(-z))


class Plain:
    def __init__(self, sizes, entropy=False, scaled=False):
        self.b = [np.random.randn(n, 1) for n in sizes[1:]]
        self.w = [np.random.randn(n, m) / (np.sqrt(m) if scaled else 1) for m, n in pairwise(sizes)]
        self.entropy = entropy

    def gradient(self, x, y):
        a, z = [x], []
        for w, b in zip(self.w, self.b, strict=True):
            z.append(w @ a[-1] + b)
            a.append(s(z[-1]))
        d = (a[-1] - y) * (1 if self.entropy else (s(z[-1]) * (1 - s(z[-1]))))
        gb, gw = [d], [d @ a[-2].T]
        for l in range(2, len(self.w) + 1):
            d = (self.w[-l + 1].T @ d) * (s(z[-l]) * (1 - s(z[-l])))
            gb, gw = [d, *gb], [d @ a[-l - 1].T, *gw]
        return gb, gw

    def train(self, data, epochs, size, eta, lmbda=0.0):
        data, n = list(data), len(data)
        for _ in range(epochs):
            random.shuffle(data)
            for k in range(0, n, size):
                part = data[k : k + size]
                grads = [self.gradient(x, y) for x, y in part]
                for l in range(len(self.w)):
                    self.w[l] = (1 - eta * lmbda / n) * self.w[l] - eta / len(part) * sum(g[1][l] for g in grads)
                    self.b[l] = self.b[l] - eta / len(part) * sum(g[0][l] for g in grads)

    def outputs(self, x):
        for w, b in zip(self.w, self.b, strict=True):
            x = s(w @ x + b)
        return x


def digits(n, n_in=20, n_out=10, seed=0):
    """Training samples (x float32 (n_in, 1), y (n_out, 1)), and the same with labels."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).random((n_out, n_in))
    labels = rng.integers(0, n_out, n)
    X = (centres[labels] + 0.2 * rng.normal(size=(n, n_in))).astype(np.float32)
    X[:, 0] = 0.0  # a dead pixel
    Y = np.eye(n_out)[labels]
    training = [(x[:, None], y[:, None]) for x, y in zip(X, Y, strict=True)]
    return training, [(x[:, None], int(label)) for x, label in zip(X, labels, strict=True)]
