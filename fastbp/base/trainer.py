"""Training: epochs of shuffled minibatches, history, validation, callbacks; a `Session` does the arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastbp.base.progress import Progress
from fastbp.base.session import ChunkResult, Session
from fastbp.base.sources import Batches, array_chunks, batch_chunks, class_weights, weigh_classes
from fastbp.base.trainer_state import TrainerState
from fastbp.callbacks import methods
from fastbp.canonical import FloatArray
from fastbp.checks import check_count
from fastbp.history import History
from fastbp.metrics import named_metrics
from fastbp.schedules import epoch_schedules


class DivergenceError(FloatingPointError):
    """The loss is no longer finite."""


class BaseTrainer(TrainerState):
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
        chunks, n_samples = self._source(X, Y, epochs, sample_weight, class_weights(class_weight, self.network))
        validation = self._validation(validation_data, metrics)
        begin, end_of_epoch, on_divergence, end = methods(callbacks)
        self.history = History()
        for on_train_begin in begin:
            on_train_begin(self)
        try:
            with Progress(progress, None if n_samples is None else epochs * n_samples) as bar:
                for epoch in range(1, epochs + 1):
                    if self._epoch(chunks, epoch, epochs, validation, end_of_epoch, bar):
                        break
        except DivergenceError as error:
            quiet = [callback(self, error) for callback in on_divergence]
            if not any(quiet):
                raise
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
        n = data[0].shape[0]
        with self._opened() as session:
            loss_sum = session.run(data, np.arange(n), n).loss_sum
        if not math.isfinite(loss_sum):
            raise self._diverged(loss_sum, f"step {self.steps + 1}")
        return float(loss_sum / n)

    def _source(
        self, X: Any, Y: ArrayLike | None, epochs: int, sample_weight: ArrayLike | None, by_class: FloatArray | None
    ) -> tuple[Callable[[Session], Iterator[ChunkResult]], int | None]:
        """Return what trains a session for an epoch, and of how many samples, where that is known."""
        if Y is None:
            if sample_weight is not None:
                raise ValueError("sample_weight is for arrays; batches bring their own: (X, Y, sample_weight)")
            batches = Batches(self.network, X, epochs, by_class)
            return lambda session: batch_chunks(session, batches), None
        data = weigh_classes(self.network, self.network.canonical(X, Y, sample_weight), by_class)
        n = data[0].shape[0]

        def chunks(session: Session) -> Iterator[ChunkResult]:
            order = self.rng.permutation(n) if self.shuffle else np.arange(n)
            return array_chunks(session, data, order, self.batch_size)

        return chunks, n

    def _epoch(
        self,
        chunks: Callable[[Session], Iterator[ChunkResult]],
        epoch: int,
        epochs: int,
        validation: Callable[[], dict[str, float]] | None,
        end_of_epoch: list[Any],
        bar: Progress,
    ) -> bool:
        """Train for an epoch, measure, tell the callbacks; whether one of them ends training."""
        start, title = perf_counter(), f"epoch {epoch}/{epochs}"
        with self._opened() as session:
            logs = self._train(chunks(session), title, bar)
        if validation is not None:
            logs |= validation()
        logs["seconds"] = perf_counter() - start
        self.history.append(logs)
        self.epochs += 1
        for schedule in epoch_schedules(self.optimizer.learning_rate):
            schedule.on_epoch(logs.get("val_loss", logs["loss"]))
        stops = [on_epoch_end(self, epoch, logs) for on_epoch_end in end_of_epoch]
        return any(stops)

    def _train(self, chunks: Iterator[ChunkResult], title: str, bar: Progress) -> dict[str, float]:
        """Go through the chunks of an epoch; what they measured."""
        loss_sum, correct, done = 0.0, 0, 0
        for chunk in chunks:
            loss_sum, correct, done = loss_sum + chunk.loss_sum, correct + chunk.correct, done + chunk.n_samples
            if not math.isfinite(loss_sum):
                raise self._diverged(loss_sum, title)
            if bar.shown:
                logs = self._logs(loss_sum / done, correct, done)
                text = ", ".join(f"{name} {value:.4f}" for name, value in logs.items())
                bar.update(chunk.n_samples, f"{title}, {text}")
        return self._logs(loss_sum / done, correct, done)

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
