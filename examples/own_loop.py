"""A training loop of your own, compiled by Numba, on the kernels of fastbp: two layers, one learning rate a layer."""

import numpy as np
from numba import njit

from fastbp.kernels import backward, forward, gradient

EPOCHS, RATE1, RATE2 = 400, 0.2, 0.1


@njit
def train(W1, b1, W2, b2, X, Y):
    """Full-batch descent in place; the mean of ½(a − y)² of each epoch."""
    m = X.shape[0]
    z1, z2 = np.empty((m, W1.shape[0])), np.empty((m, W2.shape[0]))
    delta1, dW1, db1 = np.empty_like(z1), np.empty_like(W1), np.empty_like(b1)
    dW2, db2 = np.empty_like(W2), np.empty_like(b2)
    losses = np.empty(EPOCHS)
    for epoch in range(EPOCHS):
        forward(z1, W1, b1, X)  # z = X Wᵀ + b
        a1 = np.tanh(z1)
        forward(z2, W2, b2, a1)
        delta2 = (z2 - Y) / m
        losses[epoch] = 0.5 * m * np.sum(delta2 * delta2)
        backward(delta1, delta2, W2, 1 - a1 * a1)  # δ₁ = δ₂ W₂ ⊙ σ'(z₁)
        gradient(dW2, db2, delta2, a1)  # ∂C/∂W₂ = δ₂ᵀ a₁
        gradient(dW1, db1, delta1, X)
        W1 -= RATE1 * dW1
        b1 -= RATE1 * db1
        W2 -= RATE2 * dW2
        b2 -= RATE2 * db2
    return losses


def train_in_numpy(W1, b1, W2, b2, X, Y):
    """The same in NumPy."""
    for _ in range(EPOCHS):
        a1 = np.tanh(X @ W1.T + b1)
        delta2 = (a1 @ W2.T + b2 - Y) / len(X)
        delta1 = delta2 @ W2 * (1 - a1 * a1)
        W1 -= RATE1 * delta1.T @ X
        b1 -= RATE1 * delta1.sum(axis=0)
        W2 -= RATE2 * delta2.T @ a1
        b2 -= RATE2 * delta2.sum(axis=0)


rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, (300, 3))
Y = np.sin(X @ np.array([[1.0], [0.5], [-1.0]]))
parameters = [0.5 * rng.normal(size=(16, 3)), np.zeros(16), 0.5 * rng.normal(size=(1, 16)), np.zeros(1)]
twins = [p.copy() for p in parameters]

losses = train(*parameters, X, Y)
train_in_numpy(*twins, X, Y)
print(f"loss: {losses[0]:.4f} at first, {losses[-1]:.4f} after {EPOCHS} epochs")
gap = max(np.abs(p - twin).max() for p, twin in zip(parameters, twins, strict=True))
print(f"largest difference from NumPy: {gap:.0e}")
