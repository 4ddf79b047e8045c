"""Sweep of learning rates.

The same network from the same first weights, at twelve learning rates, with and without momentum. Too small and eight
epochs are not enough; too large and the loss diverges. Momentum moves the best rate down.
"""

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits

import fastbp

X, labels = load_digits(return_X_y=True)
X = X / 16
rates = np.logspace(-3, 1, 12)

figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
for momentum in (0.0, 0.9):
    losses = []
    for rate in rates:
        net = fastbp.Network([64, 32, 10], activation="tanh", rng=0)
        trainer = fastbp.Trainer(net, optimizer=fastbp.SGD(rate, momentum=momentum), batch_size=32, rng=0)
        trainer.fit(X[:1200], labels[:1200], epochs=8)
        losses.append(net.loss(X[1200:], labels[1200:]))
    best = rates[np.argmin(losses)]
    print(f"momentum {momentum}: the best rate is {best:.2g}, the loss there {min(losses):.3f}")
    axes.plot(rates, losses, marker="o", label=f"momentum={momentum}")
axes.set(xlabel="learning rate", ylabel="loss after 8 epochs, digits kept apart", xscale="log", yscale="log")
axes.legend()
axes.grid(alpha=0.3)
figure.savefig("learning_rates.png", dpi=110)
