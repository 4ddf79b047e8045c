"""Training."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.compat._core import Array, Clock, Engine, copies, fits_float64, overridden, rate_of, same_step
from fastbp.compat._objects import Affine, Function, Part, hypothesis
from fastbp.compat.joelnet.data import BatchIterator, DataIterator
from fastbp.compat.joelnet.layers import Activation, Linear
from fastbp.compat.joelnet.loss import MSE, Loss
from fastbp.compat.joelnet.nn import NeuralNet
from fastbp.compat.joelnet.optim import SGD, Optimizer

__all__ = ["train"]

_CALLS = ("forward", "backward")


def train(
    net: NeuralNet,
    inputs: Array,
    targets: Array,
    num_epochs: int = 5000,
    iterator: DataIterator | None = None,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
) -> None:
    """Train, and print number and summed loss of each epoch.

    Parameters
    ----------
    net : NeuralNet
        Network.
    inputs, targets : ndarray (m, n)
        Samples.
    num_epochs : int
        Number of times to go through them.
    iterator : DataIterator, optional
        What gives the batches.
    loss : Loss, optional
        Loss.
    optimizer : Optimizer, optional
        Rule of the updates.

    Examples
    --------
    >>> from fastbp.compat.joelnet.layers import Linear
    >>> net = NeuralNet([Linear(1, 1)])
    >>> net.layers[0].params = {"w": np.ones((1, 1)), "b": np.zeros(1)}
    >>> train(net, np.ones((1, 1)), np.ones((1, 1)), num_epochs=2)
    0 0.0
    1 0.0
    """
    iterator = BatchIterator() if iterator is None else iterator
    loss = MSE() if loss is None else loss
    optimizer = SGD() if optimizer is None else optimizer
    run = _Run(net, inputs, targets, iterator, loss, optimizer)
    clock = Clock(num_epochs)
    for epoch in range(num_epochs):
        # the last epoch is left to the objects: what they keep of it is there
        if clock.pays and run.known:
            clock.refused = True
            run.take_over()
        by_objects = run.engine is None or epoch == num_epochs - 1
        epoch_loss = clock.step(run.by_objects) if by_objects else run.by_kernels()
        print(epoch, epoch_loss)  # noqa: T201 - as the original does


class _Run:
    """One call of `train`."""

    def __init__(self, net: NeuralNet, inputs: Any, targets: Any, iterator: Any, loss: Any, optimizer: Any) -> None:
        self._net, self._inputs, self._targets = net, inputs, targets
        self._iterator, self._loss, self._optimizer = iterator, loss, optimizer
        self.engine: Engine | None = None
        #: Whether all objects but the layers are those of this package.
        self.known = not (
            overridden(net, NeuralNet, ("forward", "backward", "params_and_grads"))
            or not isinstance(iterator, BatchIterator) or overridden(iterator, BatchIterator, ("__call__", "starts"))
            or not isinstance(loss, MSE) or overridden(loss, MSE, ("loss", "grad"))
            or not isinstance(optimizer, SGD) or overridden(optimizer, SGD, ("step",))
        )

    def by_objects(self) -> Any:
        """One epoch in NumPy; its loss."""
        epoch_loss = 0.0
        for batch in self._iterator(self._inputs, self._targets):
            epoch_loss += self._step(batch.inputs, batch.targets)
        return epoch_loss

    def _step(self, inputs: Any, targets: Any) -> Any:
        predicted = self._net.forward(inputs)
        value = self._loss.loss(predicted, targets)
        self._net.backward(self._loss.grad(predicted, targets))
        self._optimizer.step(self._net)
        return value

    # ------------------------------------------------------------------ on the kernels
    def take_over(self) -> None:
        """Let the kernels train from now on, if they make the first batch's step as the objects do."""
        found = hypothesis([_part(layer) for layer in self._net.layers])
        rate, size = rate_of(self._optimizer.lr), int(self._iterator.batch_size)
        X, Y = np.asarray(self._inputs), np.asarray(self._targets)
        if found is None or rate is None or not all(_plain(array) for array in (X, Y)):
            return
        self._X, self._Y = X.astype(np.float64), Y.astype(np.float64)
        size = min(size, len(X))
        first, arrays = self._X[:size], [*found.weights, *found.biases]
        before = copies(arrays)

        def made(arrays: list[Array]) -> Engine:
            # the sum over the batch of squares: 2 m times the mean of their halves
            n = len(found.weights)
            return Engine(arrays[:n], arrays[n:], found.hidden, found.output, "quadratic", columns=False,
                          rate=2.0 * size * rate, batch_size=size)

        try:
            trial = made(copies(arrays))
            trial.run(first, self._Y[:size], np.arange(size))
            engine = made(arrays)
        except (TypeError, ValueError):
            return  # arrays that are none of a network
        try:
            self._step(self._inputs[:size], self._targets[:size])
            after = copies(arrays)
        finally:
            for array, old in zip(arrays, before, strict=True):
                array[...] = old
        network = trial.network
        found_arrays = [*network.weights, *network.biases]
        if all(same_step(*three) for three in zip(before, found_arrays, after, strict=True)):
            self.engine = engine

    def by_kernels(self) -> Any:
        """One epoch by the kernels; its loss. A loss that is not finite goes on in NumPy."""
        n, size = len(self._X), self._iterator.batch_size
        starts = self._iterator.starts(n)
        short = [int(k) for k in np.flatnonzero(starts + size > n)]
        epoch_loss = 0.0
        for part in np.split(starts, sorted({*short, *(k + 1 for k in short)})):
            rows = np.concatenate([np.arange(start, min(n, start + size)) for start in part]) if len(part) else part
            if len(rows) and self.engine is not None:
                done, value = self._trained(rows, short=len(rows) < size)
                epoch_loss += value
                part = part[-(-done // size) :]  # noqa: PLW2901 - what is left
                self.engine = self.engine if done == len(rows) else None
            if self.engine is None:
                for start in part:
                    epoch_loss += self._step(self._inputs[start : start + size], self._targets[start : start + size])
        return epoch_loss

    def _trained(self, rows: Array, *, short: bool) -> tuple[int, float]:
        """Train on whole batches, or on one that is short: its mean is weighed, so that it is a sum as well."""
        engine = self.engine
        assert engine is not None
        share = len(rows) / engine.trainer.batch_size if short else 1.0
        weight = self._weights(share) if short else None
        done, loss_sum = engine.run(self._X, self._Y, rows, weight)
        return done, 2.0 * loss_sum / share

    def _weights(self, share: float) -> Array:
        if not hasattr(self, "_weight"):
            self._weight = np.full(len(self._X), share)
        return self._weight


def _plain(array: Array) -> bool:
    return array.ndim == 2 and fits_float64(array) and bool(np.isfinite(array).all())


def _part(layer: Any) -> Part:
    if isinstance(layer, Linear) and not overridden(layer, Linear, _CALLS) and layer.params.keys() == {"w", "b"}:
        return Affine(layer.params["w"], layer.params["b"])
    if isinstance(layer, Activation) and not overridden(layer, Activation, _CALLS):
        return Function(layer.f, layer.f_prime)
    return None
