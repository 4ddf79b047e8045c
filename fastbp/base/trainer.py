"""Training: epochs of shuffled minibatches, history, validation, callbacks; the arithmetic is left to a `Session`."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, Self, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp import checks
from fastbp.base.network import BaseNetwork
from fastbp.base.progress import Progress
from fastbp.base.session import Part, Session
from fastbp.base.sources import Arrays, Batches, Stream, class_weights, weigh_classes
from fastbp.callbacks import methods
from fastbp.checks import FloatArray, check_count
from fastbp.history import History
from fastbp.io import checkpoint, safetensors
from fastbp.losses import LOSSES
from fastbp.metrics import named_metrics
from fastbp.optimizers import SGD, Optimizer, get_optimizer
from fastbp.regularization import Rules
from fastbp.schedules import epoch_schedules

_DEFAULT_OPTIMIZER = SGD()


class DivergenceError(FloatingPointError):
    """The loss is no longer finite."""


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
    >>> from fastbp import SGD
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
        self.rng = checks.generator(rng)
        rules = Rules(l1, l2, dropout, 0, max_norm, clip_value, clip_norm, label_smoothing)
        if rules.label_smoothing and network.loss_function != LOSSES["cross_entropy"]:
            name = network.loss_function.name
            raise ValueError(f"label_smoothing is for the loss 'cross_entropy', the network has {name!r}")
        if rules.dropout:
            rules = replace(rules, dropout_seed=int(self.rng.integers(2**32, dtype=np.uint32)))
        self.rules = rules
        self.steps = self.epochs = 0
        self.optimizer_state = tuple(np.zeros_like(network.parameters) for _ in range(self.optimizer.states))
        self.history = History()

    def fit(  # noqa: PLR0913 - what a fit takes, each named where it is given
        self,
        X: ArrayLike | Iterable[Any],
        Y: ArrayLike | None = None,
        epochs: int = 1,
        validation_data: Sequence[ArrayLike] | None = None,
        callbacks: Iterable[Any] = (),
        progress: bool | None = False,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | Sequence[float] | None = None,
        metrics: Iterable[Any] = (),
    ) -> History:
        """Train for a number of epochs.

        Ctrl-C ends training within a fraction of a second with KeyboardInterrupt; the network keeps what it has
        learned, and `history` the epochs that were finished.

        Parameters
        ----------
        X : array_like (n_samples, n_0), or iterable of (X, Y) or (X, Y, sample_weight)
            One sample a row. A numpy.memmap in the network's dtype is read where it lies. Batches of an iterable (no Y
            then) are minibatches as they come, whatever `batch_size` and `shuffle` are; one after the other is held
            in memory. A generator serves one epoch.
        Y : array_like (n_samples, n_L) or integers (n_samples,)
            Targets, or labels 0..n_L-1 where the loss takes them.
        epochs : int
            How often to go through all samples.
        validation_data : (X, Y) or (X, Y, sample_weight), optional
            Evaluated after each epoch.
        callbacks : iterable of objects
            With any of the methods of `fastbp.callbacks.Callback`. Parameters are current in all of them, and may be
            changed at the begin and at the end of training.
        progress : bool, optional
            Whether to show a progress bar; None shows it where standard error is a terminal.
        sample_weight : array_like (n_samples,), optional
            v_s >= 0 in C = 1/m Σ_s v_s C_s; 1 if absent.
        class_weight : mapping or sequence, optional
            A weight for each label, 1 for those a mapping leaves out, by which v_s is multiplied. Validation has the
            weights of its own only.
        metrics : iterable of str or callable
            "accuracy", "top_5" (or another k), "r2", "mae" or functions (y_true, a) -> float of the targets as they
            were given and a^L, all without weights: measured on the validation data after each epoch, as "val_" and
            the name.

        Returns
        -------
        History
            Also kept as `history`.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; nothing has changed then, unless it is a batch that comes later.
        FloatingPointError
            If the loss is no longer finite; parameters are left as they are then.
        """
        epochs = check_count("epochs", epochs)
        source = self._source(X, Y, epochs, sample_weight, class_weights(class_weight, self.network))
        validation = self._validation(validation_data, metrics)
        begin, end_of_epoch, on_divergence, end = methods(callbacks)
        self.history = History()
        for on_train_begin in begin:
            on_train_begin(self)
        try:
            source.open()
            try:
                with Progress(progress, None if source.n_samples is None else epochs * source.n_samples) as bar:
                    self._run(source, epochs, validation, end_of_epoch, bar)
            except DivergenceError as error:
                source.sync()
                borne = [heed(self, error) for heed in on_divergence]
                if not any(borne):
                    raise
            finally:
                source.sync()
                source.close()
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
            raise self._diverged(loss_sum, f"step {self.steps + 1}")
        return loss_sum / n_samples

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write network, optimizer and its state, schedule, random numbers, rules and history to one file.

        It is in safetensors layout, and written as a whole or not at all. Callbacks are no part of it.
        """
        description = checkpoint.describe_network(self.network) | {"trainer": checkpoint.describe_trainer(self)}
        arrays = self.network._named(self.network.parameters) | checkpoint.trainer_arrays(self)
        safetensors.write(path, arrays, checkpoint.metadata_of(description))

    @classmethod
    def load(cls, path: str | os.PathLike[str], custom: Mapping[str, Any] | None = None) -> Self:
        """Return the trainer that `save` wrote, its network as `network`: `fit` goes on as if it had not been away.

        To the last bit, if it was saved between epochs: by `fastbp.callbacks.ModelCheckpoint`, or after a fit. The
        epochs that remain are those planned less ``trainer.epochs``; `history` is that of the saved fit until the
        next one, and the two can be added.

        Parameters
        ----------
        path : path-like
            The file; it is checked, and no code is loaded from it.
        custom : mapping of str to objects
            What is not fastbp's own: activations and losses by name, an optimizer by its class's name, a function that
            gives the learning rate as "learning_rate".

        Raises
        ------
        ValueError
            If the file is damaged, of a newer fastbp or of another library, holds no trainer, or `custom` lacks one.

        Examples
        --------
        >>> import tempfile
        >>> from fastbp.reference import Network, Trainer
        >>> trainer = Trainer(Network([1, 2], rng=0), "adam", rng=0)
        >>> history = trainer.fit([[0.0], [1.0]], [0, 1], epochs=3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     trainer.save(folder + "/run.safetensors")
        ...     again = Trainer.load(folder + "/run.safetensors")
        >>> history += again.fit([[0.0], [1.0]], [0, 1], epochs=10 - again.epochs)
        >>> len(history.loss)
        10
        """
        arrays, metadata = safetensors.read(path)
        try:
            reader = checkpoint.Reader(metadata, custom or {})
            network: BaseNetwork = get_type_hints(cls)["network"]._from_file(reader, arrays)
            if "trainer" not in reader:
                raise ValueError("it holds a network and no trainer: read it by fastbp.load")
            return cls._from_file(network, reader.part("trainer"), arrays)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)!r}: {error}") from None

    @classmethod
    def _from_file(cls, network: BaseNetwork, reader: checkpoint.Reader, arrays: Mapping[str, NDArray[Any]]) -> Self:
        threads = reader.get("threads", (int, type(None)))
        trainer = cls(network, reader.optimizer(), reader.get("batch_size", int), reader.get("shuffle", bool), threads)
        checkpoint.restore_trainer(trainer, reader, arrays)
        return trainer

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
    ) -> Part:
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

    def _source(
        self, X: Any, Y: ArrayLike | None, epochs: int, sample_weight: ArrayLike | None, by_class: FloatArray | None
    ) -> Arrays | Stream:
        if Y is not None:
            data = self.network.canonical(X, Y, sample_weight)
            return Arrays(self, weigh_classes(self.network, data, by_class))
        if sample_weight is not None:
            raise ValueError("sample_weight is for arrays; batches bring their own: (X, Y, sample_weight)")
        return Stream(self, Batches(self.network, X, epochs, by_class))

    def _run(
        self,
        source: Arrays | Stream,
        epochs: int,
        validation: Callable[[], dict[str, float]] | None,
        end_of_epoch: list[Any],
        bar: Progress,
    ) -> None:
        for epoch in range(1, epochs + 1):
            start = perf_counter()
            logs = self._epoch(source.parts(), bar, f"epoch {epoch}/{epochs}")
            if validation is not None or end_of_epoch:
                source.sync()
            if validation is not None:
                logs |= validation()
            logs["seconds"] = perf_counter() - start
            self.history.append(logs)
            self.epochs += 1
            for schedule in epoch_schedules(self.optimizer.learning_rate):
                schedule.on_epoch(logs.get("val_loss", logs["loss"]))
            stops = [on_epoch_end(self, epoch, logs) for on_epoch_end in end_of_epoch]
            if any(stops):
                break

    def _epoch(self, parts: Iterable[Part], bar: Progress, title: str) -> dict[str, float]:
        loss_sum, correct, done = 0.0, 0, 0
        for part_loss, part_correct, part_samples in parts:
            loss_sum, correct, done = loss_sum + part_loss, correct + part_correct, done + part_samples
            if not math.isfinite(loss_sum):
                raise self._diverged(loss_sum, title)
            logs = self._logs(loss_sum / done, correct, done)
            bar.update(part_samples, f"{title}, " + ", ".join(f"{name} {value:.4f}" for name, value in logs.items()))
        return logs

    def _validation(
        self, validation_data: Sequence[ArrayLike] | None, metrics: Iterable[Any]
    ) -> Callable[[], dict[str, float]] | None:
        """Return a function that measures the validation data."""
        if validation_data is None:
            if list(metrics):
                raise ValueError("metrics are measured on validation_data, which is missing")
            return None
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            kind = type(validation_data).__name__
            raise TypeError(f"validation_data must be (X, Y) or (X, Y, sample_weight), got {kind}")
        net = self.network
        X, Y, weight = (*validation_data, None)[:3]
        data = net.canonical(X, Y, weight, names=("validation_data[0]", "validation_data[1]"))
        counted = net.count_correct if net.classifies else None
        measures = named_metrics(metrics, data[1], Y, net.sizes[-1], counted)

        def measure() -> dict[str, float]:
            loss, correct = net._evaluate(*data)
            logs = self._logs(loss, correct, data[0].shape[0])
            if measures:
                a = net._forward(data[0])
                logs |= {name: function(a) for name, function in measures.items()}
            return {f"val_{name}": value for name, value in logs.items()}

        return measure

    def _logs(self, loss: float, correct: int, n_samples: int) -> dict[str, float]:
        return {"loss": loss, "accuracy": correct / n_samples} if self.network.classifies else {"loss": loss}

    def _diverged(self, loss: float, when: str) -> DivergenceError:
        learning_rate = self.optimizer.rate(max(self.steps - 1, 0))
        return DivergenceError(
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
