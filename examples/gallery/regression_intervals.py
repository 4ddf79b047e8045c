"""Regression with intervals.

How ill a diabetic will be in a year, by a loss of your own: the pinball loss, whose smallest value is a quantile in
place of the mean. Three networks learn the 10 %, 50 % and 90 % quantiles of the same measurements. Four patients in
five should lie within the band; how many do is counted on patients that no network has seen.
"""

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_diabetes

import fastbp

X, y = load_diabetes(return_X_y=True)
order = np.random.default_rng(0).permutation(len(X))
train, test = order[:300], order[300:]
X = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
mean, deviation = y[train].mean(), y[train].std()
target = ((y - mean) / deviation)[:, np.newaxis]


def pinball(q):
    return fastbp.Loss(f"pinball_{100 * q:.0f}", lambda a, y: np.maximum(q * (y - a), (q - 1) * (y - a)))


found = {}
for q in (0.1, 0.5, 0.9):
    net = fastbp.Network([10, 16, 1], activation="tanh", output="identity", loss=pinball(q), rng=0)
    trainer = fastbp.Trainer(net, optimizer=fastbp.Adam(3e-3), batch_size=32, l2=3e-2, rng=0)
    trainer.fit(X[train], target[train], epochs=60)
    found[q] = net.forward(X[test])[:, 0] * deviation + mean

within = np.mean((found[0.1] <= y[test]) & (y[test] <= found[0.9]))
print(f"{within:.0%} of {len(test)} patients lie within their band of 80 %")

rank = np.argsort(found[0.5])
place = np.arange(len(test))
figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
axes.fill_between(place, found[0.1][rank], found[0.9][rank], color="#1f5fa8", alpha=0.2, label="80 % band")
axes.plot(place, found[0.5][rank], color="#1f5fa8", label="median predicted")
axes.scatter(place, y[test][rank], s=12, color="#d9822b", label="measured")
axes.set(xlabel="patients, in the order of the median predicted", ylabel="progression of diabetes")
axes.legend(loc="upper left")
axes.grid(alpha=0.3)
figure.savefig("regression_intervals.png", dpi=110)
