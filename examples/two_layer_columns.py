"""Two layers, samples as columns: A1 = g(W1 X + b1), A2 = σ(W2 A1 + b2), J = −1/m Σ (Y ln A2 + (1 − Y) ln(1 − A2))."""

import numpy as np

import fastbp

# X of shape (n_x, m) and Y of shape (1, m): points inside a ring of radius 1 or outside, some of them mislabelled
rng = np.random.default_rng(1)
m = 400
X = rng.normal(size=(2, m))
Y = (np.hypot(X[0], X[1]) + 0.1 * rng.normal(size=m) < 1.0)[np.newaxis, :].astype(float)

# fastbp takes samples as rows, so X.T and Y.T; W1, b1, W2, b2 are those of the equations
net = fastbp.Network([2, 6, 1], activation="tanh", output="sigmoid", loss="cross_entropy", dtype=np.float64, rng=1)
(W1, W2), (b1, b2) = net.weights, (b[:, np.newaxis] for b in net.biases)


def gradients_by_hand():
    A1 = np.tanh(W1 @ X + b1)
    A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
    dZ2 = A2 - Y
    dZ1 = W2.T @ dZ2 * (1 - A1**2)
    return dZ1 @ X.T / m, dZ2 @ A1.T / m


pairs = zip(net.backprop(X.T, Y.T).weights, gradients_by_hand(), strict=True)
gaps = [np.abs(dW - by_hand).max() for dW, by_hand in pairs]
print(f"largest difference from dW1 and dW2 by hand: {max(gaps):.0e}")

# gradient descent: W1, b1, W2, b2 change in place
trainer = fastbp.Trainer(net, optimizer=fastbp.SGD(learning_rate=1.0), batch_size=m, shuffle=False)
for iteration in range(1000, 5001, 1000):
    history = trainer.fit(X.T, Y.T, epochs=1000)
    print(f"cost J after {iteration} iterations: {history.loss[-1]:.4f}")
print(f"accuracy: {np.mean((net.forward(X.T).T > 0.5) == Y):.1%}")
