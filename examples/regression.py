"""Predict the course of diabetes from ten measurements of a patient: regression on scikit-learn's bundled data.

Writes regression.png, what the network predicts against what was measured.
"""

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_diabetes

import fastbp
from fastbp.callbacks import EarlyStopping

X, y = load_diabetes(return_X_y=True)
rng = np.random.default_rng(0)
train, validation, test = np.split(rng.permutation(len(X)), [300, 360])

# Inputs and targets of mean 0 and deviation 1, by what is known of the training samples alone.
X = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
mean, deviation = y[train].mean(), y[train].std()
t = ((y - mean) / deviation)[:, np.newaxis]

net = fastbp.Network([10, 32, 16, 1], activation="gelu", output="identity", loss="quadratic", rng=0)
trainer = fastbp.Trainer(net, optimizer=fastbp.Adam(learning_rate=3e-3), batch_size=32, rng=0, l2=1e-2, dropout=0.1)
history = trainer.fit(
    X[train],
    t[train],
    epochs=500,
    validation_data=(X[validation], t[validation]),
    metrics=["r2", "mae"],
    callbacks=[EarlyStopping("val_loss", patience=30)],
)

predicted = net.forward(X[test])[:, 0] * deviation + mean
error, spread = np.abs(predicted - y[test]).mean(), np.abs(y[train].mean() - y[test]).mean()
r2 = 1 - np.sum((y[test] - predicted) ** 2) / np.sum((y[test] - y[test].mean()) ** 2)
print(f"{len(history.loss)} epochs, the best R² on validation data {max(history.val_r2):.3f}")
print(f"on {len(test)} test patients: R² {r2:.3f}, mean error {error:.1f} (that of the mean: {spread:.1f})")

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 - after the choice of where to draw

figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.4), layout="constrained")
history.plot([left])
left.set_title("loss")
right.scatter(y[test], predicted, s=14, color="#1f5fa8")
ends = [min(y.min(), predicted.min()), max(y.max(), predicted.max())]
right.plot(ends, ends, color="#888888", linewidth=1)
right.set(xlabel="measured", ylabel="predicted", title=f"test patients, R² = {r2:.2f}")
right.grid(alpha=0.3)
figure.savefig("regression.png", dpi=150)
print("regression.png written")
