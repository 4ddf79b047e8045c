"""Training: epochs of shuffled minibatches, history, validation, callbacks; a `Session` does the arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from threading import current_thread
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp import canonical
from fastbp.base.classes import class_weights
from fastbp.base.dead_layers import warn_of_dead_layers
from fastbp.base.feeds import Feed, feed_of
from fastbp.base.network import Canonical
from fastbp.base.progress import Progress
from fastbp.base.session import Session, within
from fastbp.base.several import several_epochs
from fastbp.base.sources import Chunks, array_chunks, run_whole
from fastbp.base.telling import tell_begin, tell_divergence, tell_end, tell_epoch
from fastbp.base.trainer_state import TrainerState
from fastbp.base.validation import Validation, facts_of
from fastbp.checks import MANY, check_count, check_truth
from fastbp.conversion import is_finite
from fastbp.distributed.ranks import checksum
from fastbp.events import checked, load_states, methods
from fastbp.exceptions import DivergenceError
from fastbp.history import History
from fastbp.metrics import named_metrics
from fastbp.schedules import epoch_schedules


class BaseTrainer(TrainerState):
    """Training by minibatches; `fastbp.Trainer` and `fastbp.reference.Trainer` have the arithmetic."""

    def fit(  # noqa: PLR0913 - what a fit takes, each named where it is given
        self,
        X: ArrayLike | Iterable[Any],
        Y: ArrayLike | None = None,
        epochs: int = 1,
        validation_data: Sequence[ArrayLike] | Iterable[Any] | None = None,
        callbacks: Iterable[Any] = (),
        progress: bool | None = False,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | Sequence[float] | str | None = None,
        metrics: Iterable[Any] = (),
        memory: float | None = None,
    ) -> History:
        """Train for a number of epochs.

        Parameters
        ----------
        X : array_like (n_samples, n_0), or iterable of (X, Y) or (X, Y, sample_weight)
            Inputs, one sample per row, or minibatches. A numpy.memmap in the network's dtype is not copied. The
            minibatches of an iterable are taken as they come, without `batch_size` and `shuffle`, and one at a time is
            held in memory. A generator suffices for one epoch; a function that returns one is called for each epoch.
        Y : array_like (n_samples, n_L) or ints (n_samples,), optional
            Targets, or labels 0..n_L-1 if the loss takes labels. It is absent if `X` is an iterable of minibatches.
        epochs : int
            Number of times to go through all samples.
        validation_data : (X, Y) or (X, Y, sample_weight), or iterable of them, optional
            Samples to measure after each epoch, or batches of them. A generator suffices for one epoch; a function that
            returns one is called for each. Where there are `metrics`, the outputs and targets of all batches are held
            in memory.
        callbacks : iterable of objects
            Objects with any of the methods of `fastbp.callbacks.Callback`. The network's parameters are current in all
            of them. They may be changed when training begins and when it ends.
        progress : bool, optional
            Whether to show a progress bar. None shows it if standard error is a terminal.
        sample_weight : array_like (n_samples,), optional
            Weights v_s >= 0 in C = 1/m Σ_s v_s C_s. The default is 1.
        class_weight : mapping, Series, sequence or "balanced", optional
            Factor of v_s for each label: by label from a mapping or the index of a pandas.Series, where labels that it
            lacks have 1, else by position. With "balanced" it is n / (k n_c) for n_c of n samples and k labels that
            occur, as in scikit-learn. It has no effect on validation.
        metrics : iterable of str or callable
            Measures of the validation data beside the loss: "accuracy", "top_5" (or another number), "r2", "mae", or
            functions (y_true, a) -> float of the targets as given and the outputs a^L (n_samples, n_L). They take no
            weights. The history has them as "val_" and the name.
        memory : float, optional
            Bytes that samples may take, for data beyond memory. `X`, `Y` and `sample_weight` may then be anything with
            a `shape` and row slices: numpy.memmap, zarr, h5py, dask.array. They are read in blocks of whole chunks, in
            random order, as many mixed as `memory` holds, the next ones while training goes on. X is checked as it is
            read. Where `memory` holds all samples they are read once, and training is as with arrays. Validation data
            are read in blocks, too. It is for a trainer of one process.

        Returns
        -------
        History
            The measures of each epoch, also kept as `history`.

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type, shape or range. Nothing has changed then, except by the minibatches
            before a wrong one of an iterable.
        DivergenceError
            If the loss is no longer finite: the minibatch with this loss makes no update. Or if a parameter is not
            finite after an epoch.

        Warns
        -----
        RuntimeWarning
            If no gradient passes through some hidden layer after the trainer's first epoch.

        Notes
        -----
        Accuracy is the share of samples whose label is right. If samples have several labels (see `Network.multilabel`)
        all labels of a sample must be right, as in scikit-learn. Keras's ``"binary_accuracy"`` counts labels.

        The first fit of a trainer from a file gives the callbacks the states that they had when it was saved, each to
        the first callback of the same class. A fit that is left by an error before its first epoch keeps them.

        Ctrl-C ends training within a fraction of a second by KeyboardInterrupt. The network keeps what it has learned,
        and `history` has the finished epochs.

        The loss and accuracy of an epoch are means over its minibatches, each measured before its update, as in Keras.

        Examples
        --------
        >>> from fastbp.reference import Network, Trainer
        >>> trainer = Trainer(Network([1, 2], rng=0), batch_size=2, rng=0)
        >>> history = trainer.fit([[0.0], [1.0], [2.0]], [0, 1, 1], epochs=5, validation_data=([[3.0]], [1]))
        >>> len(history.loss), len(history.val_loss), trainer.steps
        (5, 5, 10)
        """
        with self._ranks.job("Trainer.fit") as ranks:
            with ranks.together():
                epochs = check_count("epochs", epochs, 1, MANY)
                by_class = class_weights(class_weight, self.network)
                feed = feed_of(self, self._ranks, (X, Y, sample_weight), epochs, by_class, memory)
                validation = self._validation(validation_data, metrics, epochs, memory)
                callbacks = checked(callbacks)
                progress = None if progress is None else check_truth("progress", progress)
            if ranks.size > 1:
                own = {"epochs": epochs, "whether X is an iterable": Y is None}
                self._meet(feed.samples(), own | facts_of(validation))
            return self._fit(feed, epochs, validation, callbacks, progress if ranks.is_first else False)

    def _fit(
        self, feed: Feed, epochs: int, validation: Validation | None, callbacks: list[Any], progress: bool | None
    ) -> History:
        """`fit` with all arguments checked."""
        told = callbacks
        if not self._ranks.is_first:
            told = [callback for callback in callbacks if not getattr(callback, "writes", False)]
        end_of_epoch, on_checkpoint = methods(told, "on_epoch_end"), methods(told, "on_checkpoint")
        if self._callbacks is None:
            load_states(callbacks, self._loaded_states)
        history, steps, thread = History(), int(self._steps[0]), current_thread()
        vars(self).update(history=history)
        self._fits_in.append(thread)
        begun: list[Any] = []
        tells, is_whole = bool(told) or self._ranks.size > 1, False
        try:
            if tells:
                tell_begin(self, told, begun)
            vars(self).update(_callbacks=callbacks)
            with Progress(progress, None if feed.n_samples is None else epochs * feed.n_samples) as bar:
                is_watched, epoch = tells or epochs == 1 or validation is not None or bar.shown, 0
                while epoch < epochs:
                    several = 0 if is_watched else several_epochs(self, feed, history, epoch + 1, epochs)
                    if several:
                        epoch += several
                        continue
                    epoch += 1
                    title = f"epoch {epoch}/{epochs}"
                    logs = self._epoch(feed.chunks, title, validation, bar)
                    vars(self).update(history=history)  # not that of a fit within a callback
                    self._count_epochs(history, dict(zip(logs, zip(logs.values(), strict=True), strict=True)), 1)
                    if tells and tell_epoch(self, epoch, logs, end_of_epoch, on_checkpoint):
                        break
                    self._warn_of_dead_layers(feed)
            is_whole = True
        except DivergenceError as error:
            told_error = self._explained(error, feed, steps)
            if not tell_divergence(self, told_error, methods(told, "on_divergence")):
                raise told_error from None
            is_whole = True
        finally:
            vars(self).update(history=history)
            self._fits_in.remove(thread)
            try:
                if tells:
                    tell_end(self, begun, is_whole=is_whole)
            finally:
                self.network._settle()
        return history

    def step(self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Make one update with one minibatch.

        Parameters
        ----------
        X : array_like (n_samples, n_0)
            Inputs, one sample per row, which are the minibatch.
        Y : array_like (n_samples, n_L) or ints (n_samples,)
            Targets, or labels 0..n_L-1 if the loss takes labels.
        sample_weight : array_like (n_samples,), optional
            Weights v_s >= 0 in C = 1/m Σ_s v_s C_s. The default is 1.

        Returns
        -------
        float
            Cost C before the update.

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type, shape or range. Nothing has changed then.
        DivergenceError
            If the loss is not finite. The parameters are then unchanged.

        Examples
        --------
        >>> from fastbp.reference import Network, Trainer
        >>> net = Network([1, 1], output="identity", loss="quadratic", init="zeros")
        >>> trainer = Trainer(net, "sgd")
        >>> trainer.step([[0.0], [1.0]], [[1.0], [3.0]])
        2.5
        >>> net.biases[0]
        array([0.2], dtype=float32)
        """
        if self._ranks.size == 1:
            return self._step(self.network.canonical(X, Y, sample_weight))
        with self._ranks.job("Trainer.step") as ranks:
            with ranks.together():
                data = self.network.canonical(X, Y, sample_weight)
            if not ranks.met:  # once: a step has no time for more
                self._meet(data)
            return self._step(data)

    def _step(self, data: Canonical) -> float:
        """`step` with all arguments checked."""
        loss_sum = within(self._opened(), partial(run_whole, data)).loss_sum
        if not math.isfinite(loss_sum):
            raise self._diverged(f"the loss is {loss_sum} in", f"step {self.steps + 1}")
        return float(loss_sum / data[0].shape[0])

    def train_rows(self, X: ArrayLike, Y: ArrayLike, rows: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Make updates with the samples in an order of the caller's.

        Parameters
        ----------
        X, Y : array_like
            Inputs and targets, as `fit` takes them.
        rows : array_like of int (k,)
            Numbers of samples, one minibatch of `batch_size` after the other. Samples may come more than once or not at
            all. The last minibatch has what remains.
        sample_weight : array_like (n_samples,), optional
            Weights v_s >= 0 in C = 1/m Σ_s v_s C_s. The default is 1.

        Returns
        -------
        float
            Mean cost of these samples, each before the update of its minibatch.

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type, shape or range. Nothing has changed then.
        DivergenceError
            If the loss is no longer finite. The minibatch with this loss makes no update.

        Examples
        --------
        >>> from fastbp.reference import Network, Trainer
        >>> trainer = Trainer(Network([1, 2], rng=0), batch_size=2)
        >>> loss = trainer.train_rows([[0.0], [1.0], [2.0]], [0, 1, 1], rows=[2, 0, 1, 2, 2])
        >>> trainer.steps
        3
        """
        with self._ranks.job("Trainer.train_rows") as ranks:
            with ranks.together():
                data = self.network.canonical(X, Y, sample_weight)
                order = canonical.row_numbers(rows, data[0].shape[0])
            if ranks.size > 1:
                self._meet(data, {"the checksum of rows": checksum(order)})
            return self._train_rows(data, order)

    def _train_rows(self, data: Canonical, order: NDArray[np.int64]) -> float:
        """`train_rows` with all arguments checked."""

        def train(session: Session) -> float:
            loss_sum = 0.0
            for chunk in array_chunks(session, data, order, self.batch_size):
                loss_sum += chunk.loss_sum
                if not math.isfinite(loss_sum):
                    raise self._diverged(f"the loss is {loss_sum} in", f"step {self.steps + 1}")
            return loss_sum

        return within(self._opened(), train) / len(order)

    def _meet(self, data: Canonical | None, facts: dict[str, Any] | None = None) -> None:
        """See that the other ranks train the same, and give them what rank 0 has."""
        from fastbp.base import agreement  # few need it

        agreement.meet(self, agreement.data_facts(data) | (facts or {}))

    def _epoch(
        self, chunks: Callable[[Session], Chunks], title: str, validation: Validation | None, bar: Progress,
    ) -> dict[str, float]:
        """Train for an epoch and measure."""
        start = perf_counter()

        def train(session: Session) -> dict[str, float]:
            of_epoch = chunks(session)
            try:
                return self._train(of_epoch, title, bar)
            finally:
                of_epoch.close()

        logs = within(self._opened(), train)
        parameters = self.network._read()
        seconds = self._ranks.settled(parameters, perf_counter() - start, title)
        # the loss of a minibatch comes before its update: the last one's shows in the parameters alone
        if not is_finite(parameters):
            raise self._diverged("a parameter is not finite after", title)
        if validation is not None:
            logs |= validation.measure()
            seconds = self._ranks.settled(parameters, perf_counter() - start, title)
        return logs | {"seconds": seconds}

    def _count_epochs(self, history: History, measures: Mapping[str, Sequence[float]], count: int) -> None:
        """Have some epochs in the history, and tell schedules of the last one."""
        with self.network._turns.lock:  # at one moment for those who save it in another thread
            history._extend(measures, count)
            vars(self)["epochs"] += count  # a count needs none of the checks of what users set
            for schedule in epoch_schedules(self.optimizer.learning_rate):
                schedule.on_epoch(measures.get("val_loss", measures["loss"])[-1])

    def _warn_of_dead_layers(self, feed: Feed) -> None:
        """After the first of all epochs, warn of layers that no gradient passes through."""
        if self.epochs == 1 and self._ranks.is_first:
            data = feed.samples()
            warn_of_dead_layers(self.network, None if data is None else data[0], stacklevel=4)

    def _train(self, chunks: Chunks, title: str, bar: Progress) -> dict[str, float]:
        """Go through the chunks of an epoch; what they measured."""
        loss_sum, penalty_sum, correct, done = 0.0, 0.0, 0, 0
        for chunk in chunks:
            loss_sum, correct, done = loss_sum + chunk.loss_sum, correct + chunk.correct, done + chunk.n_samples
            penalty_sum += chunk.penalty_sum
            if not math.isfinite(loss_sum):
                raise self._diverged(f"the loss is {loss_sum} in", title)
            if bar.shown:
                logs = self._logs(loss_sum / done, correct, done)
                text = ", ".join(f"{name} {value:.4f}" for name, value in logs.items())
                bar.update(chunk.n_samples, f"{title}, {text}")
        logs = self._logs(loss_sum / done, correct, done)
        return logs | {"penalty": penalty_sum / done} if penalty_sum else logs

    def _validation(
        self, validation_data: Any, metrics: Iterable[Any], epochs: int, memory: float | None
    ) -> Validation | None:
        """What measures the validation data."""
        if validation_data is not None:
            return Validation(self.network, validation_data, metrics, epochs, self._ranks, memory)
        if named_metrics(metrics, self.network.sizes[-1], self.network.count_correct):
            raise ValueError("metrics are measured on validation_data, which is missing")
        return None

    def _explained(self, error: DivergenceError, feed: Feed, steps: int) -> DivergenceError:
        """Another error where the updates since `steps` are not why a loss is not finite."""
        if self.steps == steps and not is_finite(self.network._read()):
            return self._ranks.agreed(DivergenceError(
                "a parameter of the network was not finite when training began; make a new network, or load it again"
            ))
        data = feed.samples() if self._ranks.size == 1 else None
        if data is not None and len(data[0]):
            self.network.canonical(*data)  # an error of their own if somebody has written to them since
        return error

    def _logs(self, loss: float, correct: int, n_samples: int) -> dict[str, float]:
        return {"loss": loss, "accuracy": correct / n_samples} if self.network.classifies else {"loss": loss}

    def _diverged(self, what: str, when: str) -> DivergenceError:
        learning_rate = self.optimizer.rate(max(self.steps - 1, 0))
        return self._ranks.agreed(DivergenceError(
            f"{what} {when}{self._ranks.blame} at learning_rate {learning_rate:g}; "
            "try a smaller learning_rate, or inputs scaled to about -1..1"
        ))
