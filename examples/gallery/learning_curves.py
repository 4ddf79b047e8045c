"""Learning curves.

A network of 64-64-10 learns scikit-learn's handwritten digits. `fit` returns a `History`, a mapping of arrays with
one value an epoch: what the loss was on the samples learned from, and what it was on those kept apart. Where the
second curve turns up, more epochs only teach the network its own samples.
"""

from matplotlib import pyplot as plt
from sklearn.datasets import load_digits

import fastbp

X, labels = load_digits(return_X_y=True)
X = X / 16
net = fastbp.Network([64, 64, 10], activation="relu", output="softmax", loss="cross_entropy", rng=0)
trainer = fastbp.Trainer(net, optimizer=fastbp.SGD(0.2, momentum=0.9), batch_size=32, rng=0)
history = trainer.fit(X[:1200], labels[:1200], epochs=40, validation_data=(X[1200:], labels[1200:]))
print(f"accuracy on the {len(X) - 1200} digits kept apart: {history.val_accuracy[-1]:.1%}")

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
left.plot(history.loss, label="digits learned from")
left.plot(history.val_loss, label="digits kept apart")
left.set(xlabel="epoch", ylabel="loss", yscale="log")
left.legend()
right.plot(history.val_accuracy, color="C1")
right.set(xlabel="epoch", ylabel="accuracy, digits kept apart")
for axes in (left, right):
    axes.grid(alpha=0.3)
figure.savefig("learning_curves.png", dpi=110)
