"""A 2-4-1 network learns exclusive or, which no single layer can."""

import numpy as np

import fastbp

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([0, 1, 1, 0])

net = fastbp.Network([2, 4, 1], activation="tanh", output="sigmoid", loss="cross_entropy", dtype=np.float64, rng=0)
print(fastbp.check_gradients(net, X, y))

trainer = fastbp.Trainer(net, optimizer=fastbp.SGD(learning_rate=0.5), batch_size=4, rng=0)
history = trainer.fit(X, y, epochs=1000)
print(f"loss after {len(history.loss)} epochs: {history.loss[-1]:.4f}")

for x, a, label in zip(X, net.forward(X)[:, 0], net.predict(X), strict=True):
    print(f"{x[0]} xor {x[1]} = {label}   (a = {a:.3f})")
