"""The book's Model: the numbers, lines and attributes of NumPy, whatever objects the user's own are."""

import re

import nnfs_by_hand as hand
import numpy as np
import pytest
from conftest import pays_from
from nnfs_models import KINDS, LABELS, RULES, X, arrays, model

from fastbp.compat import nnfs
from fastbp.compat.nnfs import _descent


@pytest.fixture
def steps(monkeypatch):
    """How many steps the kernels made."""
    made, original = [], _descent.Kernels.step

    def counted(self, start, stop):
        found = original(self, start, stop)
        made.extend([1] * (found is not None))
        return found

    monkeypatch.setattr(_descent.Kernels, "step", counted)
    return made


def numbers(text):
    rows = re.findall(r"acc: (\S+), loss: (\S+) \(data_loss: (\S+), reg_loss: (\S+)\)", text)
    return np.array(rows, float)


@pytest.mark.parametrize("penalties", [(0, 0), (1e-3, 2e-3)], ids=["", "penalties"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_train_gives_the_numbers_of_numpy(engine, steps, kind, rule, penalties, capsys):
    made, y = model(kind, RULES[rule], penalties=penalties), KINDS[kind][-1]
    held, before = arrays(made), [array.copy() for array in arrays(made)]
    W, b = before[:2], before[2:]
    optimizer = made.optimizer
    plain = hand.Rule(rule.split(",")[0], optimizer.learning_rate, optimizer.decay, getattr(optimizer, "momentum", 0.0))
    expected = hand.train(W, b, kind, plain, X, y, 5, 16, *penalties)
    made.train(X, y, epochs=5, batch_size=16)
    for found, own, value in zip(arrays(made), held, [*W, *b], strict=True):
        assert found is own
        np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-10)
    text = capsys.readouterr().out
    np.testing.assert_allclose(numbers(text), expected, atol=6e-4)
    assert text.count("epoch: ") == 5
    assert text.count("step: ") == 25
    rates = [float(rate) for rate in re.findall(r"lr: (\S+)", text)]
    np.testing.assert_allclose(rates[-1], optimizer.learning_rate / (1 + optimizer.decay * 24))
    assert optimizer.iterations == 25
    assert len(steps) == (21 if engine == "kernels" else 0)
    # what the layers keep is of the last batch
    np.testing.assert_array_equal(made.layers[0].inputs, X[64:])
    kept = {name for name in vars(made.layers[0]) if name.endswith(("momentums", "cache"))}
    assert len(kept) == 2 * (("momentum" in rule or "Adam" in rule) + ("SGD" not in rule))


def test_running_means_go_on_in_another_call(engine, steps):
    for rule in RULES.values():
        twice, once = model(optimizer=rule), model(optimizer=rule)
        for epochs in (2, 3):
            twice.train(X, LABELS, epochs=epochs, batch_size=16)
        once.train(X, LABELS, epochs=5, batch_size=16)
        for one, other in zip(twice.trainable_layers, once.trainable_layers, strict=True):
            for name, value in vars(one).items():
                if isinstance(value, np.ndarray):
                    np.testing.assert_allclose(value, vars(other)[name], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("batch_size", [None, 1, 70, 64, 1000])
def test_any_size_of_a_batch(engine, steps, batch_size, capsys):
    made = model()
    W = [array.copy() for array in arrays(made)]
    expected = hand.train(W[:2], W[2:], "cce", hand.Rule("Adam", 0.02, 0.01), X, LABELS, 6, batch_size or 70)
    made.train(X, LABELS, epochs=6, batch_size=batch_size)
    for found, value in zip(arrays(made), W, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(numbers(capsys.readouterr().out), expected, atol=6e-4)
    assert bool(steps) == (engine == "kernels")


def both(monkeypatch, make, x=X, y=LABELS, **more):
    """Models trained by the objects alone, and by the kernels where they are let."""
    found = []
    for seconds in (np.inf, 0.0):
        pays_from(monkeypatch, seconds)
        made = make()
        np.random.seed(8)
        with np.errstate(all="ignore"):
            made.train(x, y, **{"epochs": 6, "batch_size": 16, **more})
        found.append(made)
    return found


def same(one, other, rtol=1e-9, atol=1e-11):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_allclose(b, a, rtol=rtol, atol=atol)


# ------------------------------------------------------------------ other members of the family
class Activation_Tanh:  # noqa: N801 - as the book's names are
    """An activation as readers add it."""

    def forward(self, inputs, training):
        self.output = np.tanh(inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - self.output**2)


class Activation_LeakyReLU:  # noqa: N801
    def forward(self, inputs, training):
        self.inputs = inputs
        self.output = np.where(inputs > 0, inputs, 0.01 * inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues * np.where(self.inputs > 0, 1, 0.01)


class Warm(nnfs.Optimizer_Adam):
    def pre_update_params(self):
        self.current_learning_rate = self.learning_rate * min(1, (self.iterations + 1) / 10)


class Mended(nnfs.Loss_MeanAbsoluteError):
    def backward(self, dvalues, y_true):
        super().backward(dvalues, y_true)
        self.dinputs = -self.dinputs


class TopTwo(nnfs.Accuracy_Categorical):
    def compare(self, predictions, y):
        return super().compare(predictions, y) | (y == 0)


@pytest.mark.parametrize(("make", "data"), [
    (lambda: model(hidden=Activation_Tanh), {}),
    (lambda: model(hidden=Activation_LeakyReLU), {}),
    (lambda: model(hidden=nnfs.Activation_Sigmoid), {}),
    (lambda: model(optimizer=lambda: Warm(0.02)), {}),
    (lambda: model("mse", loss=Mended, optimizer=RULES["SGD"]), {"y": KINDS["mse"][-1]}),
    (lambda: model(accuracy=TopTwo), {}),
    (model, {"y": np.eye(3)[LABELS]}),
    (model, {"y": LABELS.astype(np.uint8)}),
    (model, {"x": np.asfortranarray(X)}),
    (model, {"x": (50 * X).astype(np.int8)}),
    (model, {"x": X.astype(np.float32)}),
    (lambda: model("bce"), {"y": KINDS["bce"][-1].astype(np.float32)}),
], ids=["tanh", "leaky", "sigmoid", "warm-up", "absolute", "accuracy", "one-hot", "uint8", "Fortran", "int8", "32 X",
        "32 y"])
def test_other_members_of_the_family_are_taken_over(monkeypatch, steps, make, data):
    same(*both(monkeypatch, make, **data))
    assert len(steps) == 26


def test_float32_is_equal_but_for_rounding(monkeypatch, steps):
    same(*both(monkeypatch, lambda: model(dtype=np.float32), x=X.astype(np.float32)), rtol=1e-3, atol=1e-4)
    assert len(steps) == 26


# ------------------------------------------------------------------ what is not taken over, and is right
class Layer_Scaled(nnfs.Layer_Dense):  # noqa: N801
    def forward(self, inputs, training=True):
        super().forward(inputs, training)
        self.output = 2 * self.output


class Loud(nnfs.Model):
    def backward(self, output, y):
        super().backward(output, y)
        self.trainable_layers[0].dweights *= 0.5


class Watched(nnfs.Model):
    """A model that keeps what its forward passes gave: numbers are those of the class."""

    def forward(self, X, training):
        self.seen = [*getattr(self, "seen", []), super().forward(X, training)]
        return self.seen[-1]


class Loss_Focal(nnfs.Loss):  # noqa: N801
    """A loss of the reader's."""

    def forward(self, y_pred, y_true):
        return (1 - y_pred[np.arange(len(y_pred)), y_true]) ** 2

    def backward(self, dvalues, y_true):
        right = dvalues[np.arange(len(dvalues)), y_true]
        self.dinputs = np.zeros_like(dvalues)
        self.dinputs[np.arange(len(dvalues)), y_true] = -2 * (1 - right) / len(dvalues)


class Nesterov(nnfs.Optimizer_SGD):
    def update_params(self, layer):
        super().update_params(layer)
        layer.weights += 0.5 * layer.weight_momentums


class Bounded(nnfs.Optimizer_SGD):
    """A rule that is another one only where weights are large."""

    def update_params(self, layer):
        super().update_params(layer)
        np.clip(layer.weights, -2.0, 2.0, out=layer.weights)


class Shrinking(nnfs.Optimizer_SGD):
    """A rule of the reader's, which lets the weights shrink before each update."""

    layers = ()

    def pre_update_params(self):
        super().pre_update_params()
        for layer in self.layers:
            layer.weights *= 0.9


class Activation_Sine(Activation_Tanh):  # noqa: N801
    def forward(self, inputs, training):
        self.inputs, self.output = inputs, np.sin(inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues * np.cos(self.inputs)


def with_dropout():
    made = model()
    made.layers.insert(2, nnfs.Layer_Dropout(0.2))
    made.finalize()
    return made


def of_class(kind):
    made = model()
    made.__class__ = kind
    return made


def shrinking():
    made = model(optimizer=lambda: Shrinking(0.1))
    made.optimizer.layers = made.trainable_layers
    return made


def first_alone():
    made = model()
    made.layers[0].weight_regularizer_l2 = 5e-3
    return made


def biases_too():
    return model(penalties=(0, 1e-3, 0, 1e-3))


@pytest.mark.parametrize(("make", "data"), [
    (with_dropout, {}),
    (lambda: of_class(Loud), {}),
    (lambda: of_class(Watched), {}),
    (lambda: model(optimizer=lambda: Bounded(0.1)), {}),
    (shrinking, {}),
    (first_alone, {}),
    (biases_too, {}),
    (lambda: model(dense=Layer_Scaled), {}),
    (lambda: model(loss=Loss_Focal), {}),
    (lambda: model("mse", loss=nnfs.Loss_MeanAbsoluteError), {"y": KINDS["mse"][-1]}),
    (lambda: model(optimizer=lambda: Nesterov(0.1, momentum=0.9)), {}),
    (lambda: model(hidden=Activation_Sine), {}),
    (lambda: model(dtype=np.float16), {}),
    (model, {"x": np.where(np.arange(70)[:, None] == 40, np.inf, X)}),
], ids=["dropout", "model", "watched", "bounded", "shrinks", "one penalty", "biases", "layer", "loss", "uphill",
        "optimizer", "sine", "float16", "inf"])
def test_what_is_no_network_of_fastbps_goes_the_numpy_way(monkeypatch, steps, make, data):
    one, other = both(monkeypatch, make, **data)
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not steps


def test_outputs_that_the_loss_clips_go_the_numpy_way(monkeypatch, steps):
    """The book's derivative sees them at 1e-7 from 0 or 1: what the kernels have done is taken back."""
    y, rule = (X[:, :2] > 0).astype(int), lambda: nnfs.Optimizer_SGD(0.5)
    one, other = both(monkeypatch, lambda: model("bce", rule), x=2 * X, y=y, epochs=20)
    assert 0 < len(steps) < 90
    same(one, other)
    assert one.optimizer.iterations == other.optimizer.iterations == 100


def test_a_loss_that_overflows_goes_on_as_in_numpy(monkeypatch, steps):
    one, other = both(monkeypatch, lambda: model("mse", lambda: nnfs.Optimizer_SGD(3.0)), y=KINDS["mse"][-1], epochs=60)
    assert steps
    assert not np.isfinite(arrays(one)[0]).all()
    assert one.optimizer.iterations == other.optimizer.iterations
    assert not np.isfinite(arrays(other)[0]).all()


def test_a_number_of_the_optimizer_that_changes_ends_it(monkeypatch, steps):
    class Growing(nnfs.Optimizer_Adam):
        def pre_update_params(self):
            super().pre_update_params()
            self.beta_1 = 0.9 if self.iterations < 10 else 0.5

    same(*both(monkeypatch, lambda: model(optimizer=lambda: Growing(0.01))))
    assert len(steps) == 7


def test_a_draw_of_the_users_keeps_its_place_in_the_stream(monkeypatch, steps):
    class Activation_Noise(Activation_Tanh):  # noqa: N801
        def forward(self, inputs, training):
            super().forward(inputs + np.random.normal(0, 0.1, inputs.shape), training)

    one, other = both(monkeypatch, lambda: model(hidden=Activation_Noise))
    assert not steps
    np.testing.assert_array_equal(arrays(one)[0], arrays(other)[0])


def test_ctrl_c_leaves_what_was_learned(monkeypatch, kernels, steps):
    class Stopping(nnfs.Accuracy_Categorical):
        def compare(self, predictions, y):
            if len(steps) == 10:
                raise KeyboardInterrupt
            return super().compare(predictions, y)

    made = model(accuracy=Stopping)
    with pytest.raises(KeyboardInterrupt):
        made.train(X, LABELS, epochs=9, batch_size=16)
    assert made.optimizer.iterations == 13
    W = [array.copy() for array in arrays(model())]
    rule = hand.Rule("Adam", 0.02, 0.01)
    rows = np.concatenate([np.arange(70)] * 3)
    for step in range(13):
        part = rows[step // 5 * 70 + step % 5 * 16 : step // 5 * 70 + min(70, step % 5 * 16 + 16)]
        hand.train(W[:2], W[2:], "cce", rule, X[part], LABELS[part], 1, 70)
    for found, value in zip(arrays(made), W, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-10)
