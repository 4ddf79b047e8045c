"""Decision boundary.

Three cultivars of wine, told apart by two measurements: alcohol and colour intensity. The background is the class
that the network finds most probable at each place, the paler the less sure it is. More hidden neurons bend the
boundary; a larger penalty `l2` would smooth it.
"""

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_wine

import fastbp

wine = load_wine()
columns = [wine.feature_names.index(name) for name in ("alcohol", "color_intensity")]
X, labels = wine.data[:, columns], wine.target
mean, deviation = X.mean(axis=0), X.std(axis=0)

colours = np.array([[0.12, 0.37, 0.66], [0.85, 0.51, 0.17], [0.23, 0.56, 0.30]])
low, high = X.min(axis=0) - 0.5, X.max(axis=0) + 0.5
across, up = np.meshgrid(np.linspace(low[0], high[0], 200), np.linspace(low[1], high[1], 200))
places = np.column_stack([across.ravel(), up.ravel()])

figure, panels = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
for axes, hidden in zip(panels, (2, 32), strict=True):
    net = fastbp.Network([2, hidden, 3], activation="tanh", rng=0)
    trainer = fastbp.Trainer(net, optimizer=fastbp.Adam(0.02), batch_size=32, l2=1e-5, rng=0)
    trainer.fit((X - mean) / deviation, labels, epochs=500)
    accuracy = np.mean(net.predict((X - mean) / deviation) == labels)
    print(f"{hidden} hidden neurons: {accuracy:.1%} of the wines on their side of the boundary")
    shares = net.forward((places - mean) / deviation)
    axes.imshow(
        (1 - 0.45 * (1 - shares @ colours)).reshape(200, 200, 3), origin="lower", aspect="auto",
        extent=(low[0], high[0], low[1], high[1]),
    )  # fmt: skip
    for label, name in enumerate(wine.target_names):
        of_class = X[labels == label]
        axes.scatter(*of_class.T, s=16, color=colours[label], edgecolor="white", linewidth=0.5, label=name)
    axes.set(xlabel="alcohol (% by volume)", title=f"{hidden} hidden neurons")
panels[0].set_ylabel("colour intensity")
panels[1].legend(fontsize=8)
figure.savefig("decision_boundary.png", dpi=110)
