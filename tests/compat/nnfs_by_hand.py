"""The book's training written anew on plain arrays: for comparison, nothing of fastbp."""

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def loss_and_delta(kind, z, y):
    """Losses of the samples, right predictions, and the derivative of the mean loss by z."""
    m, n = z.shape
    if kind == "cce":
        a = softmax(z)
        losses = -np.log(np.clip(a[np.arange(m), y], 1e-7, 1 - 1e-7))
        return losses, a.argmax(1) == y, (a - np.eye(n)[y]) / m
    if kind == "bce":
        a = 1 / (1 + np.exp(-z))
        c = np.clip(a, 1e-7, 1 - 1e-7)
        losses = -(y * np.log(c) + (1 - y) * np.log(1 - c)).mean(1)
        return losses, (a > 0.5) == (y > 0.5), -(y / c - (1 - y) / (1 - c)) * (1 - a) * a / n / m
    return ((z - y) ** 2).mean(1), None, 2 * (z - y) / n / m


class Rule:
    """SGD, with momentum or not, Adagrad, RMSprop, Adam: p changes in place."""

    def __init__(self, name, rate, decay=0.0, momentum=0.0):
        self.name, self.rate, self.decay, self.momentum = name, rate, decay, momentum
        self.t, self.kept = 0, {}

    def step(self, parameters, gradients):
        rate = self.rate / (1 + self.decay * self.t)
        for k, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            mu, nu = self.kept.get(k, (np.zeros_like(p), np.zeros_like(p)))
            if self.name == "SGD":
                mu = self.momentum * mu - rate * g
                p += mu  # noqa: PLW2901 - in place
            elif self.name == "Adagrad":
                nu = nu + g * g
                p -= rate * g / (np.sqrt(nu) + 1e-7)  # noqa: PLW2901
            elif self.name == "RMSprop":
                nu = 0.9 * nu + 0.1 * g * g
                p -= rate * g / (np.sqrt(nu) + 1e-7)  # noqa: PLW2901
            else:
                mu, nu = 0.9 * mu + 0.1 * g, 0.999 * nu + 0.001 * g * g
                p -= rate * mu / (1 - 0.9 ** (self.t + 1)) / (np.sqrt(nu / (1 - 0.999 ** (self.t + 1))) + 1e-7)  # noqa: PLW2901
            self.kept[k] = mu, nu
        self.t += 1


def train(W, b, kind, rule, X, y, epochs, size, l1=0.0, l2=0.0):
    """Relu layers; the numbers that are printed, epoch by epoch: accuracy, loss, penalty of each step, then of all."""
    shown = []
    for _ in range(epochs):
        sums = []
        for k in range(0, len(X), size):
            part, target = X[k : k + size], y[k : k + size]
            a, z = [part], []
            for w, v in zip(W, b, strict=True):
                z.append(a[-1] @ w + v)
                a.append(np.maximum(z[-1], 0))
            losses, right, d = loss_and_delta(kind, z[-1], target)
            right = np.abs(z[-1] - target) < y.std() / 250 if right is None else right
            penalty = sum(l1 * np.abs(w).sum() + l2 * (w * w).sum() for w in W)
            shown.append([right.mean(), losses.mean() + penalty, losses.mean(), penalty])
            sums.append((right.sum(), len(right), losses.sum(), len(losses)))
            dW, db = [], []
            for l in reversed(range(len(W))):
                dW.insert(0, a[l].T @ d + l1 * np.sign(W[l]) + 2 * l2 * W[l])
                db.insert(0, d.sum(0, keepdims=True))
                if l:
                    d = d @ W[l].T * (z[l - 1] > 0)
            rule.step([*W, *b], [*dW, *db])
        right, count, loss, samples = np.sum(sums, axis=0)
        penalty = sum(l1 * np.abs(w).sum() + l2 * (w * w).sum() for w in W)
        shown.append([right / count, loss / samples + penalty, loss / samples, penalty])
    return shown
