"""Training: epochs of shuffled minibatches, history, validation, callbacks; the arithmetic is left to a `Session`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp import inputs
from fastbp.base import BaseNetwork, Canonical
from fastbp.checks import check_count
from fastbp.history import History
from fastbp.inputs import FloatArray
from fastbp.losses import LOSSES
from fastbp.optimizers import SGD, Optimizer, get_optimizer
from fastbp.progress import Progress
from fastbp.rules import Rules

# Ctrl-C is answered between two chunks: 0.1 s each leaves room for one that takes longer than the last did.
_CHUNK_SECONDS = 0.1
_GROWTH = 8

_EVENTS = ("on_train_begin", "on_epoch_end", "on_train_end")
_DEFAULT_OPTIMIZER = SGD()


class Session(Protocol):
    """Training on one data set, from `BaseTrainer._open` to `close`; it may keep parameters in a form of its own."""

    def run(self, rows: NDArray[np.int64], step: int) -> tuple[float, int, int]:
        """Train on consecutive minibatches of `rows`, the last of which may be smaller.

        Parameters
        ----------
        rows : ndarray of int64
            Rows of the data.
        step : int
            Updates that all fits of this trainer made before.

        Returns
        -------
        loss_sum : float
            Σ_s v_s C_s, each before the update that its minibatch makes.
        correct : int
            How many samples got the right label, likewise.
        samples : int
            len(rows).
        """

    def sync(self) -> None:
        """Make the network's parameters and the optimizer's state current."""

    def close(self) -> None:
        """Give back what the session holds."""


class BaseTrainer(ABC):
    """Minibatch training of a network; see its subclasses for the arithmetic.

    Parameters
    ----------
    network : Network
        Trained in place.
    optimizer : str or Optimizer
        Rule of the updates, or the name of one with its usual hyper-parameters. Its state and the count of steps
        last over several fits.
    batch_size : int
        Samples of one minibatch; the last one of an epoch takes what remains, and each update follows the mean
        gradient of its own minibatch.
    shuffle : bool
        Whether each epoch takes the samples in a new order.
    threads : int, optional
        At most so many; chosen by the work if absent.
    rng : anything numpy.random.default_rng takes
        Seed or generator of the orders, and of the seed of dropout.
    l1, l2 : float
        Penalties l1 Σ|w_ij| + l2/2 Σ w_ij² of all weights, biases left out; not scaled by the batch size, and not part
        of the loss that is reported.
    dropout : float
        Probability that a hidden neuron is silent for one sample of one update; the others are scaled by
        1 / (1 − dropout). In training only.
    max_norm : float, optional
        ‖w_i‖ at most, of the incoming weights of every neuron, after each update.
    clip_value, clip_norm : float, optional
        Each number of the gradient (penalties included) at most, in absolute value; and then the norm of the whole
        gradient, biases included.
    label_smoothing : float
        e in the targets (1 − e) y + e / n_L, on a lone output (1 − e) y + e / 2, for the cross-entropy. The training
        loss is that of the smoothed targets; accuracy and validation take the targets as they are.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; the message names it and what was expected.

    Examples
    --------
    >>> from fastbp.reference import Network, Trainer
    >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> net = Network([2, 8, 1], activation="tanh", output="sigmoid", rng=0)
    >>> trainer = Trainer(net, optimizer=SGD(learning_rate=0.5), batch_size=4, rng=0)
    >>> history = trainer.fit(X, Y, epochs=500)
    >>> net.predict(X)
    array([0, 1, 1, 0])
    """

    def __init__(  # noqa: PLR0913 - hyper-parameters, each named where it is given
        self,
        network: BaseNetwork,
        optimizer: str | Optimizer = _DEFAULT_OPTIMIZER,
        batch_size: int = 32,
        shuffle: bool = True,
        threads: int | None = None,
        rng: Any = None,
        *,
        l1: float = 0.0,
        l2: float = 0.0,
        dropout: float = 0.0,
        max_norm: float | None = None,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        if not isinstance(network, BaseNetwork):
            raise TypeError(f"network must be a Network, got {network!r}")
        if not isinstance(shuffle, (bool, np.bool_)):
            raise TypeError(f"shuffle must be True or False, got {shuffle!r}")
        self.network = network
        self.optimizer = get_optimizer(optimizer)
        self.batch_size = check_count("batch_size", batch_size)
        self.shuffle = bool(shuffle)
        self.threads = None if threads is None else check_count("threads", threads)
        self.rng = inputs.generator(rng)
        rules = Rules(l1, l2, dropout, 0, max_norm, clip_value, clip_norm, label_smoothing)
        if rules.label_smoothing and network.loss_function != LOSSES["cross_entropy"]:
            name = network.loss_function.name
            raise ValueError(f"label_smoothing is for the loss 'cross_entropy', the network has {name!r}")
        if rules.dropout:
            rules = replace(rules, dropout_seed=int(self.rng.integers(2**32, dtype=np.uint32)))
        self.rules = rules
        self.steps = 0
        self.optimizer_state = tuple(np.zeros_like(network.parameters) for _ in range(self.optimizer.states))
        self.history = History()

    def fit(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        epochs: int = 1,
        validation_data: Sequence[ArrayLike] | None = None,
        callbacks: Iterable[Any] = (),
        progress: bool | None = False,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | Sequence[float] | None = None,
    ) -> History:
        """Train for a number of epochs.

        Ctrl-C ends training within a fraction of a second with KeyboardInterrupt; the network keeps what it has
        learned, and `history` the epochs that were finished.

        Parameters
        ----------
        X : array_like (n_samples, n_0)
            One sample a row.
        Y : array_like (n_samples, n_L) or integers (n_samples,)
            Targets, or labels 0..n_L-1 where the loss takes them.
        epochs : int
            How often to go through all samples.
        validation_data : (X, Y) or (X, Y, sample_weight), optional
            Evaluated after each epoch.
        callbacks : iterable of objects
            With any of the methods ``on_train_begin(trainer)``, ``on_epoch_end(trainer, epoch, logs)`` (epochs count
            from 1; True ends training) and ``on_train_end(trainer)``. Parameters are current in all of them, and may
            be changed in the first and the last.
        progress : bool, optional
            Whether to show a progress bar; None shows it where standard error is a terminal.
        sample_weight : array_like (n_samples,), optional
            v_s >= 0 in C = 1/m Σ_s v_s C_s; 1 if absent.
        class_weight : mapping or sequence, optional
            A weight for each label, 1 for those a mapping leaves out, by which v_s is multiplied. Validation has the
            weights of its own only.

        Returns
        -------
        History
            Also kept as `history`.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; nothing has changed then.
        FloatingPointError
            If the loss is no longer finite; parameters are left as they are then.
        """
        by_class = class_weights(class_weight, self.network)
        data = weigh_classes(self.network, self.network.canonical(X, Y, sample_weight), by_class)
        validation = self._validation(validation_data)
        epochs = check_count("epochs", epochs)
        begin, end_of_epoch, end = _methods(callbacks)
        self.history = History()
        for on_train_begin in begin:
            on_train_begin(self)
        try:
            session = self._open(*data)
            try:
                with Progress(progress, epochs * data[0].shape[0]) as bar:
                    self._run(session, data[0].shape[0], epochs, validation, end_of_epoch, bar)
            finally:
                session.sync()
                session.close()
        finally:
            for on_train_end in end:
                on_train_end(self)
        return self.history

    def step(self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Make one update with all of X and Y as its minibatch.

        Parameters are those of `fit`.

        Returns
        -------
        float
            C before the update.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described for `fit`; nothing has changed then.
        FloatingPointError
            If the loss is not finite.
        """
        data = self.network.canonical(X, Y, sample_weight)
        loss_sum, _, n_samples = self._update(*data)
        if not math.isfinite(loss_sum):
            raise FloatingPointError(self._diverged(loss_sum, f"step {self.steps + 1}"))
        return loss_sum / n_samples

    @abstractmethod
    def _open(
        self,
        X: FloatArray,
        Y: FloatArray | NDArray[np.int64],
        weight: FloatArray | None,
        batch_size: int | None = None,
    ) -> Session:
        """Begin training on canonical data, with minibatches of `batch_size` or of the trainer's."""

    def _update(
        self, X: FloatArray, Y: FloatArray | NDArray[np.int64], weight: FloatArray | None
    ) -> tuple[float, int, int]:
        """Make one update with one minibatch, none if its loss is not finite; return what `Session.run` does."""
        session = self._open(X, Y, weight, X.shape[0])
        try:
            result = session.run(np.arange(X.shape[0]), self.steps)
            if math.isfinite(result[0]):
                session.sync()
                self.steps += 1
        finally:
            session.close()
        return result

    def _run(
        self,
        session: Session,
        n_samples: int,
        epochs: int,
        validation: Canonical | None,
        end_of_epoch: list[Any],
        bar: Progress,
    ) -> None:
        chunk = _Chunk(self.batch_size)
        for epoch in range(1, epochs + 1):
            start = perf_counter()
            logs = self._epoch(session, n_samples, chunk, bar, f"epoch {epoch}/{epochs}")
            if validation is not None or end_of_epoch:
                session.sync()
            if validation is not None:
                logs |= self._validate(*validation)
            logs["seconds"] = perf_counter() - start
            self.history.append(logs)
            stops = [on_epoch_end(self, epoch, logs) for on_epoch_end in end_of_epoch]
            if any(stops):
                break

    def _epoch(self, session: Session, n_samples: int, chunk: _Chunk, bar: Progress, title: str) -> dict[str, float]:
        rows = self.rng.permutation(n_samples) if self.shuffle else np.arange(n_samples)
        loss_sum, correct, done = 0.0, 0, 0
        while done < n_samples:
            start = perf_counter()
            part = rows[done : done + chunk.minibatches * self.batch_size]
            part_loss, part_correct, part_samples = session.run(part, self.steps)
            self.steps += -(-part_samples // self.batch_size)
            chunk.adapt(part_samples, perf_counter() - start)
            loss_sum, correct, done = loss_sum + part_loss, correct + part_correct, done + part_samples
            if not math.isfinite(loss_sum):
                raise FloatingPointError(self._diverged(loss_sum, title))
            logs = self._logs(loss_sum / done, correct, done)
            bar.update(part_samples, f"{title}, " + ", ".join(f"{name} {value:.4f}" for name, value in logs.items()))
        return logs

    def _validation(self, validation_data: Sequence[ArrayLike] | None) -> Canonical | None:
        if validation_data is None:
            return None
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            kind = type(validation_data).__name__
            raise TypeError(f"validation_data must be (X, Y) or (X, Y, sample_weight), got {kind}")
        X, Y, weight = (*validation_data, None)[:3]
        names = ("validation_data[0]", "validation_data[1]")
        return self.network.canonical(X, Y, weight, names=names)

    def _validate(
        self, X: FloatArray, Y: FloatArray | NDArray[np.int64], weight: FloatArray | None
    ) -> dict[str, float]:
        loss, correct = self.network._evaluate(X, Y, weight)
        return {f"val_{name}": value for name, value in self._logs(loss, correct, X.shape[0]).items()}

    def _logs(self, loss: float, correct: int, n_samples: int) -> dict[str, float]:
        return {"loss": loss, "accuracy": correct / n_samples} if self.network.classifies else {"loss": loss}

    def _diverged(self, loss: float, when: str) -> str:
        learning_rate = self.optimizer.rate(max(self.steps - 1, 0))
        return (
            f"the loss is {loss} in {when} at learning_rate {learning_rate:g}; "
            "try a smaller learning_rate, or inputs scaled to about -1..1"
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.network!r}, optimizer={self.optimizer!r}, batch_size={self.batch_size}, "
            f"shuffle={self.shuffle}, threads={self.threads}"
            + "".join(f", {name}={value!r}" for name, value in self.rules.changed.items())
            + ")"
        )


def class_weights(weights: Any, network: BaseNetwork) -> FloatArray | None:
    """Return one weight for each label of a network, in its dtype; None stays None."""
    if weights is None:
        return None
    n_classes = network.n_classes
    if n_classes == 0:
        raise ValueError(f"class_weight is for losses that take labels, the network has {network.loss_function.name!r}")
    expected = f"class_weight must have a number >= 0 for each of the labels 0..{n_classes - 1}"
    if isinstance(weights, Mapping):
        strange = [label for label in weights if label not in range(n_classes)]
        if strange:
            raise ValueError(f"{expected}, got the label {strange[0]!r}")
        weights = [weights.get(label, 1.0) for label in range(n_classes)]
    if isinstance(weights, str) or np.shape(weights) != (n_classes,):
        raise ValueError(f"{expected}, got {weights!r}")
    return inputs.sample_weights(weights, n_classes, network.dtype, "class_weight")


def weigh_classes(network: BaseNetwork, data: Canonical, by_class: FloatArray | None) -> Canonical:
    """Return the data with the weight of each sample's label as (another factor of) its own weight."""
    if by_class is None:
        return data
    X, Y, weight = data
    factors = by_class[network.labels_of(Y)]
    return X, Y, factors if weight is None else weight * factors


class _Chunk:
    """How many minibatches take about `_CHUNK_SECONDS`: measured, beginning with one."""

    def __init__(self, batch_size: int) -> None:
        self.minibatches = 1
        self._batch_size = batch_size

    def adapt(self, n_samples: int, seconds: float) -> None:
        fitting = _CHUNK_SECONDS * n_samples / (self._batch_size * max(seconds, 1e-9))
        self.minibatches = max(1, int(min(fitting, _GROWTH * self.minibatches)))


def _methods(callbacks: Iterable[Any]) -> list[list[Any]]:
    """Return the callbacks' methods, one list for each event."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a list of callbacks, got {callbacks!r}")
    callbacks = list(callbacks)
    for callback in callbacks:
        if not any(callable(getattr(callback, event, None)) for event in _EVENTS):
            raise TypeError(f"callbacks holds {callback!r}, which has none of the methods {', '.join(_EVENTS)}")
    return [[getattr(callback, event) for callback in callbacks if hasattr(callback, event)] for event in _EVENTS]
