"""Optimizers compared.

Every optimizer of fastbp on the same tumours: 30 measurements of 569 tissue samples, benign or malignant. All begin
with the same weights and see the samples in the same order; each has a rate that suits it.
"""

from matplotlib import pyplot as plt
from sklearn.datasets import load_breast_cancer

import fastbp

X, labels = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
OPTIMIZERS = {
    "SGD(0.1)": fastbp.SGD(0.1),
    "SGD(0.02, momentum=0.9)": fastbp.SGD(0.02, momentum=0.9),
    "SGD(0.02, momentum=0.9, nesterov=True)": fastbp.SGD(0.02, momentum=0.9, nesterov=True),
    "RMSProp(1e-3)": fastbp.RMSProp(1e-3),
    "Adagrad(0.03)": fastbp.Adagrad(0.03),
    "Adam(2e-3)": fastbp.Adam(2e-3),
    "AdamW(2e-3)": fastbp.AdamW(2e-3, weight_decay=0.01),
    "Adamax(4e-3)": fastbp.Adamax(4e-3),
    "Lion(3e-4)": fastbp.Lion(3e-4),
}

figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
for k, (name, optimizer) in enumerate(OPTIMIZERS.items()):
    net = fastbp.Network([30, 16, 2], activation="tanh", rng=0)
    history = fastbp.Trainer(net, optimizer=optimizer, batch_size=32, rng=0).fit(X, labels, epochs=30)
    print(f"{name:<40} loss {history.loss[-1]:.4f} after 30 epochs")
    axes.plot(history.loss, label=name, color=f"C{k}", linestyle="-" if k < 6 else "--")
axes.set(xlabel="epoch", ylabel="loss", yscale="log")
axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
axes.grid(alpha=0.3)
figure.savefig("optimizers_compared.png", dpi=110)
