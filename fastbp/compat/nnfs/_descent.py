"""The steps of `Model.train`: by the objects at first, then by the kernels where they pay and give the same numbers.

Losses and accuracies are always measured by the user's own objects, of the outputs that the kernels computed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fastbp.compat._core import Array, Clock, Engine, close, copies, overridden
from fastbp.compat._objects import Affine, Function, Hypothesis, Part, hypothesis
from fastbp.compat.nnfs.activations import Activation_Softmax
from fastbp.compat.nnfs.layers import Layer_Dense
from fastbp.compat.nnfs.losses import (
    CLIP,
    Activation_Softmax_Loss_CategoricalCrossentropy,
    Loss,
    Loss_BinaryCrossentropy,
    Loss_CategoricalCrossentropy,
    Loss_MeanAbsoluteError,
    Loss_MeanSquaredError,
)

if TYPE_CHECKING:
    from fastbp.compat.nnfs._rules import Rule

_CALLS = ("forward", "backward")
# Weighted inputs beyond which a sigmoid is clipped, less a margin.
_FAR = math.log(1 / CLIP) - 0.5
# Gradients are compared where they are more than noise, and steps there so far.
_NOISE, _STEP = 1e-3, {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-2}

Measured = tuple[Any, Any, Any]


class Descent:
    """One call of `Model.train`, as a context manager.

    Parameters
    ----------
    model : Model
        The model.
    base : type
        Class Model, whose methods the kernels stand for.
    X, y : ndarray
        Samples and targets.
    batch_size : int or None
        Samples of a batch, or None for all.
    steps : int
        Steps of all epochs.
    """

    def __init__(self, model: Any, base: type, X: Array, y: Array, batch_size: int | None, steps: int) -> None:
        self._model, self._base, self._X, self._y = model, base, X, y
        self._size = len(X) if batch_size is None else batch_size
        self._clock = Clock(steps)
        self._kernels: Kernels | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    def _leave(self) -> None:
        kernels, self._kernels = self._kernels, None
        if kernels is not None:
            kernels.leave()

    def settle(self, wanted: bool) -> None:
        """At the end of an epoch: the layers' arrays as they are to be seen, if somebody looks."""
        if self._kernels is not None and (wanted or self._kernels.penalizes):
            self._kernels.pause()

    def step(self, k: int) -> Measured:
        """Make the k-th step of an epoch; accuracy, loss and penalty of its batch before it."""
        start = k * self._size
        X, y = self._X[start : start + self._size], self._y[start : start + self._size]
        if self._kernels is None and self._clock.pays:
            self._clock.refused = True
            self._kernels = taken_over(self._model, self._base, (self._X, self._y), (X, y))
        prepared = False
        if self._kernels is not None and self._clock.left > 1:
            prepared = True
            found = self._kernels.step(start, start + len(X))
            if found is not None:
                self._clock.left -= 1
                output, penalty = found
                return self._accuracy(output, y), self._model.loss.calculate(output, y), penalty
        # the last step is left to the objects: what they keep of it is there
        self._leave()
        measured: Measured = self._clock.step(self._by_objects, X, y, prepared)
        return measured

    def _by_objects(self, X: Array, y: Array, prepared: bool) -> Measured:
        model = self._model
        output = model.forward(X, training=True)
        losses = model.loss.calculate(output, y, include_regularization=True)
        accuracy = self._accuracy(output, y)
        model.backward(output, y)
        update(model, prepared=prepared)
        return accuracy, *losses

    def _accuracy(self, output: Array, y: Array) -> Any:
        return self._model.accuracy.calculate(self._model.output_layer_activation.predictions(output), y)


def update(model: Any, *, prepared: bool = False) -> None:
    """Let the optimizer follow the gradients that the layers have; it may be prepared for the step."""
    if not prepared:
        model.optimizer.pre_update_params()
    for layer in model.trainable_layers:
        model.optimizer.update_params(layer)
    model.optimizer.post_update_params()


class Kernels:
    """The kernels on a model's own arrays; between steps these are behind, until `pause`."""

    def __init__(self, model: Any, engine: Engine, rule: Rule, data: tuple[Array, Array, Array | None]) -> None:
        self._model, self._engine, self._rule = model, engine, rule
        self._data = engine.canonical(*data)
        self._order = np.arange(len(data[0]))
        self._session: Any = None
        self._made_any = False
        self._from_logits = engine.network.logits_form is not None
        self._clips = isinstance(model.loss, Loss_BinaryCrossentropy)
        rules = engine.trainer.regularization
        self.penalizes = bool(rules.l1 or rules.l2)

    def step(self, start: int, stop: int) -> tuple[Array, float] | None:
        """Train on some rows; their outputs before, and the penalty. None where NumPy must make the step."""
        optimizer = self._model.optimizer
        optimizer.pre_update_params()
        if not self._rule.takes_rate():
            return None
        if self._session is None:
            self._session = self._engine.trainer._opened()
            self._session.__enter__()
        inner, rows = self._session.inner, self._order[start:stop]
        mark = inner.mark() if self._clips else None
        chunk = self._session.run(
            self._data, rows, len(rows), last=False, penalty_scale=1.0 if self.penalizes else None
        )
        if not math.isfinite(chunk.loss_sum):
            return None
        outputs = inner.outputs().copy()
        if mark is not None and self._is_clipped(outputs):
            inner.back(mark)
            return None
        self._made_any = True
        optimizer.post_update_params()
        if self._from_logits:
            activation = self._model.output_layer_activation
            activation.forward(outputs, True)
            outputs = activation.output
        return outputs, chunk.penalty_sum / len(rows)

    def _is_clipped(self, outputs: Array) -> bool:
        """Whether the book's loss does not see an output as it is."""
        if self._from_logits:
            return bool(np.abs(outputs).max() > _FAR)
        return bool(outputs.min() < 2 * CLIP or outputs.max() > 1 - 2 * CLIP)

    def pause(self) -> None:
        """Let the layers' weights and biases be current."""
        session, self._session = self._session, None
        if session is not None:
            session.leave()

    def leave(self) -> None:
        """Let all be as if the objects had made the steps."""
        self.pause()
        if self._made_any:
            engine = self._engine
            self._rule.give(self._model.trainable_layers, engine.trainer.optimizer_state, engine.network.sizes)


# ------------------------------------------------------------------ what the objects are
def taken_over(model: Any, base: type, samples: tuple[Any, Any], batch: tuple[Any, Any]) -> Kernels | None:
    """The kernels on a model's arrays, if they compute its gradient and make its step on one batch."""
    if not _known(model, base) or not all(isinstance(array, np.ndarray) for array in samples):
        return None
    state = np.random.get_state()  # noqa: NPY002 - a layer of the user's may draw from it
    try:
        found = hypothesis(list(map(_part, model.layers)))
        return None if found is None else _Trial(model, found).passed(*samples, *batch)
    except (TypeError, ValueError, AttributeError):
        return None  # arrays or objects that are none of a network
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _known(model: Any, base: type) -> bool:
    loss, pair = model.loss, model.softmax_classifier_output
    return not (
        overridden(model, base, _CALLS)
        or not isinstance(loss, Loss)
        or overridden(loss, Loss, ("calculate", "regularization_loss"))
        or (pair is not None and type(pair) is not Activation_Softmax_Loss_CategoricalCrossentropy)
    )


def _part(layer: Any) -> Part:
    if isinstance(layer, Layer_Dense):
        other = overridden(layer, Layer_Dense, _CALLS) or layer.bias_regularizer_l1 or layer.bias_regularizer_l2
        return None if other else Affine(layer.weights, layer.biases)
    if hasattr(layer, "weights"):
        return None
    if isinstance(layer, Activation_Softmax):
        return None if overridden(layer, Activation_Softmax, _CALLS) else Function("softmax", None)
    probe = copy.copy(layer)

    def function(z: Array) -> Any:
        probe.forward(z.reshape(1, -1), True)
        return probe.output.reshape(-1)

    def derivative(z: Array) -> Any:
        probe.forward(z.reshape(1, -1), True)
        probe.backward(np.ones((1, z.size)))
        return probe.dinputs.reshape(-1)

    return Function(function, derivative)


_LOSSES = {
    Loss_CategoricalCrossentropy: "cross_entropy",
    Loss_BinaryCrossentropy: "cross_entropy",
    Loss_MeanSquaredError: "quadratic",
    Loss_MeanAbsoluteError: "absolute",
}


class _Trial:
    """One batch by the objects and by the kernels on copies, from the same parameters and running means."""

    def __init__(self, model: Any, found: Hypothesis) -> None:
        from fastbp.compat.nnfs._rules import Rule

        self._model, self._found, self._rule = model, found, Rule(model.optimizer)
        layers = model.trainable_layers
        penalties = {(layer.weight_regularizer_l1, layer.weight_regularizer_l2) for layer in layers}
        if len(penalties) != 1 or len(layers) != len(found.weights):
            raise ValueError("layers with penalties of their own")
        ((self._l1, l2),) = penalties
        self._l2 = 2.0 * l2
        names = [name for base, name in _LOSSES.items() if isinstance(model.loss, base)]
        if not names:
            raise ValueError("a loss of the user's")
        self._loss = names[0]

    def _engine(self, arrays: Sequence[Array], rule: Rule, size: int) -> Engine:
        n = len(self._found.weights)
        engine = Engine(
            arrays[:n], arrays[n:], self._found.hidden, self._found.output, self._loss, columns=False,
            rate=rule.made(), batch_size=size, l1=self._l1, l2=self._l2,
        )
        network, trainer = engine.network, engine.trainer
        trainer.steps = self._model.optimizer.iterations
        trainer.optimizer_state = rule.states(self._model.trainable_layers, network._parameters, network.sizes)
        return engine

    def passed(self, X: Array, y: Array, batch_X: Array, batch_y: Array) -> Kernels | None:
        """The kernels for all samples, if the batch gives the same by both."""
        model, arrays, layers = self._model, [*self._found.weights, *self._found.biases], self._model.trainable_layers
        labels = y
        if self._found.output == "softmax" and self._loss == "cross_entropy" and y.ndim == 2:
            labels, batch_labels = np.argmax(y, axis=1), np.argmax(batch_y, axis=1)
        else:
            batch_labels = batch_y
        factor = self._factor(self._found.weights[-1].shape[1])
        weight = None if factor == 1.0 else np.full(len(X), factor)
        model.backward(model.forward(batch_X, training=True), batch_y)
        own = [*(layer.dweights for layer in layers), *(layer.dbiases for layer in layers)]
        penalties = [self._l1 * np.sign(W) + self._l2 * W for W in self._found.weights]
        trial = self._engine(copies(arrays), self._rule, len(batch_X))
        gradient = [factor * g for g in trial.gradient(batch_X, batch_labels)]
        for l, penalty in enumerate(penalties):
            gradient[l] = gradient[l] + penalty
        if not close(gradient, own):
            return None
        after = self._stepped(arrays)
        trial.run(batch_X, batch_labels, np.arange(len(batch_X)), None if weight is None else weight[: len(batch_X)])
        network = trial.network
        trained = [*network.weights, *network.biases]
        if not all(_same_change(*four) for four in zip(arrays, trained, after, own, strict=True)):
            return None
        rule = type(self._rule)(model.optimizer)
        return Kernels(model, self._engine(arrays, rule, len(batch_X)), rule, (X, labels, weight))

    def _factor(self, n_out: int) -> float:
        """The book's gradient as a multiple of that of fastbp's mean cost, which is summed over the outputs."""
        if self._found.output == "softmax" and self._loss == "cross_entropy":
            return 1.0
        return (2.0 if self._loss == "quadratic" else 1.0) / n_out

    def _stepped(self, arrays: Sequence[Array]) -> list[Array]:
        """The arrays after a step of the objects, which is taken back; the rule then has its learning rate."""
        model = self._model
        seen = [dict(vars(layer)) for layer in model.trainable_layers]
        caches = [{name: value.copy() for name, value in one.items() if isinstance(value, np.ndarray)} for one in seen]
        optimizer = dict(vars(model.optimizer))
        try:
            update(model)
            self._rule.takes_rate()
            return copies(arrays)
        finally:
            for layer, attributes, old in zip(model.trainable_layers, seen, caches, strict=True):
                vars(layer).clear()
                vars(layer).update(attributes)
                for name, value in old.items():
                    attributes[name][...] = value
            vars(model.optimizer).clear()
            vars(model.optimizer).update(optimizer)


def _same_change(before: Array, found: Array, expected: Array, gradient: Array) -> bool:
    """Whether an array changes as expected where the gradient is more than rounding."""
    if not np.isfinite(expected).all():
        return False
    seen = np.abs(gradient) >= _NOISE * np.abs(gradient).max(initial=0.0)
    change = np.abs(expected - before).max(initial=0.0)
    gap = np.abs(np.where(seen, found - expected, 0.0)).max(initial=0.0)
    rounding = 4 * np.finfo(before.dtype).eps * np.abs(expected).max(initial=0.0)
    return bool(gap <= _STEP[before.dtype] * change + rounding)
