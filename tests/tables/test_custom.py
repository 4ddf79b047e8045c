"""Activations and losses of the user's own in compiled training."""

import numpy as np
import pytest
from networks import make_labels, relative_error

import fastbp
from fastbp import Activation, Loss
from fastbp.losses import LOSSES, LogitsForm
from fastbp.optimizers import SGD, Optimizer

SWISH = Activation("swish", lambda z: z / (1 + np.exp(-z)))
GIVEN = Activation("swish", SWISH.function, lambda z, a: (1 + np.exp(-z) * (1 + z)) / (1 + np.exp(-z)) ** 2)
RULE = SGD(0.05)
FOURTH = Loss("fourth", lambda a, y: (a - y) ** 4)


def trained(implementation, activation="tanh", output="identity", loss="quadratic", optimizer=RULE, dtype=np.float64):
    """The parameters that training leaves."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(50, 9)), rng.uniform(0.1, 0.9, size=(50, 3))
    net = implementation.Network([9, 21, 17, 3], activation, output, loss, dtype, init="glorot_normal", rng=0)
    implementation.Trainer(net, optimizer, 16, rng=0).fit(X, Y, epochs=3)
    return net.parameters


# ------------------------------------------------------------------ activations
@pytest.mark.parametrize("custom", [SWISH, GIVEN], ids=["derived", "given"])
def test_a_custom_swish_trains_as_the_built_in_silu(custom):
    found = trained(fastbp, custom)
    assert relative_error(found, trained(fastbp, "silu")) < 1e-12
    assert relative_error(found, trained(fastbp.reference, custom)) < 1e-12


@pytest.mark.parametrize(
    "function",
    [
        lambda z: np.where(z > 0, z, 0.1 * np.expm1(z)),
        lambda z: z * np.tanh(np.log1p(np.exp(z))),
        lambda z: 0.2 * np.maximum(z, 0) ** 2,
        lambda z: np.sqrt(z * z + 1) - 1,
        lambda z: np.clip(z, -1, 1) + 0.1 * z,
        lambda z: 1 / (1 + np.exp(-z)) - 0.5,
        np.tanh,
    ],
    ids=["where", "mish", "squared relu", "sqrt", "clip", "sigmoid", "numpy's own"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_custom_activations_train_as_in_the_twin(function, dtype):
    custom = Activation("custom", function)
    found, expected = (trained(implementation, custom, dtype=dtype) for implementation in (fastbp, fastbp.reference))
    assert relative_error(found, expected) < (2e-5 if dtype == np.float32 else 1e-12)


def test_two_of_the_same_name_do_not_mix():
    slopes = (0.5, 0.25)
    customs = [Activation("leak", lambda z, slope=slope: np.where(z > 0, z, slope * z)) for slope in slopes]
    results = [[trained(implementation, custom) for custom in customs] for implementation in (fastbp, fastbp.reference)]
    assert not np.array_equal(*results[0])
    for found, expected in zip(*results, strict=True):
        assert relative_error(found, expected) < 1e-12


def test_a_custom_output_serves_too():
    found, expected = (trained(implementation, output=SWISH) for implementation in (fastbp, fastbp.reference))
    assert relative_error(found, expected) < 1e-12
    net = fastbp.Network([9, 3], output=SWISH, loss="quadratic", dtype=np.float64, rng=0)
    twin = fastbp.reference.Network([9, 3], output=SWISH, loss="quadratic", dtype=np.float64, rng=0)
    X = np.random.default_rng(0).normal(size=(20, 9))
    assert relative_error(net.forward(X), twin.forward(X)) < 1e-14
    assert relative_error(net.forward(X[:2]), twin.forward(X[:2])) < 1e-14


@pytest.mark.parametrize("name", ["", "a/b", "../../evil", "ü" * 300, "nul\0"])
def test_any_name_will_do(name):
    net = fastbp.Network([2, 3, 2], Activation(name, lambda z: z + 0.125 * np.tanh(z)), rng=0)
    assert np.isfinite(net.loss(np.eye(2), [0, 1]))


# ------------------------------------------------------------------ losses
@pytest.mark.parametrize("output", ["identity", "sigmoid", "softmax"])
def test_a_custom_loss_trains_as_in_the_twin(output):
    found = trained(fastbp, output=output, loss=FOURTH)
    assert relative_error(found, trained(fastbp.reference, output=output, loss=FOURTH)) < 1e-12


@pytest.mark.parametrize("implementation", [fastbp, fastbp.reference], ids=lambda module: module.__name__)
@pytest.mark.parametrize("cost", [
    lambda a, y: np.abs((a - y) / y), lambda a, y: y * np.log(y / a), lambda a, y: np.log(a) + y / a,
], ids=["share", "divergence", "gamma"])
def test_a_loss_that_is_not_defined_at_0_is_trained_where_it_is(implementation, cost):
    assert np.isfinite(trained(implementation, output="sigmoid", loss=Loss("positive", cost))).all()


def test_a_custom_quadratic_trains_as_the_built_in():
    custom = Loss("half the square", lambda a, y: (a - y) ** 2 / 2)
    assert relative_error(trained(fastbp, loss=custom), trained(fastbp)) < 1e-12


def test_a_custom_loss_with_a_logits_form_is_not_taken_for_the_built_in_of_its_name():
    doubled = LogitsForm(
        lambda z, y: 2 * (np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))),
        lambda z, y: 2 / (1 + np.exp(-z)) - 2 * y,
    )
    cost = LOSSES["cross_entropy"].cost
    custom = Loss("cross_entropy", lambda a, y: 2 * cost(a, y), logits={"sigmoid": doubled})
    results = [trained(fastbp, output="sigmoid", loss=loss) for loss in (custom, "cross_entropy", custom)]
    assert np.array_equal(results[0], results[2])
    assert relative_error(results[0], trained(fastbp.reference, output="sigmoid", loss=custom)) < 1e-12
    assert relative_error(results[0], results[1]) > 1e-3


def test_a_logits_form_of_ones_own_for_softmax_is_refused():
    custom = Loss("mine", lambda a, y: -y * np.log(a), logits={"softmax": LogitsForm(np.add, np.subtract)})
    with pytest.raises(ValueError, match="loss 'mine' has a logits form of its own for softmax, which is not compiled"):
        fastbp.Network([2, 3], loss=custom).loss(np.eye(2), np.eye(3)[:2])


# ------------------------------------------------------------------ optimizers
def test_two_custom_optimizers_of_one_name_do_not_mix():
    def make(sign):
        class Custom(Optimizer):
            states = 0

            def formula(self):
                def rule(w, g, state, h):
                    return w - sign * h[0] * g, state
                return rule

            def hyper(self, step):
                return (self.learning_rate,)
        return Custom(0.05)

    for sign in (1.0, 0.5, 1.0):
        expected = trained(fastbp, optimizer=SGD(sign * 0.05))
        assert relative_error(trained(fastbp, optimizer=make(sign)), expected) < 1e-12


def test_a_custom_optimizer_that_returns_fewer_numbers_later_is_refused():
    class Custom(Optimizer):
        states = 0

        def formula(self):
            return lambda w, g, state, h: (w - h[0] * h[2] * g, state)

        def hyper(self, step):
            return (self.learning_rate(step), 1.0, 1.0)[: 3 if step < 4 else 1]

    net = fastbp.Network([2, 3, 2], rng=0)
    trainer = fastbp.Trainer(net, Custom(lambda step: 0.1), batch_size=2)
    with pytest.raises(ValueError, match=r"hyper of Custom returns 1 numbers at a step from . on, and 3 at step 0"):
        trainer.fit(np.eye(2), [0, 1], epochs=6)


# ------------------------------------------------------------------ what is wrong
WRONG = Activation("wrong", lambda z: z * z, lambda z, a: z)
WRONG_LOSS = Loss("wrong", lambda a, y: (a - y) ** 2, lambda a, y: a - y)


@pytest.mark.parametrize("arguments", [{"activation": WRONG}, {"output": WRONG}, {"loss": WRONG_LOSS}], ids=str)
def test_a_wrong_derivative_is_refused_before_there_is_a_network(arguments):
    with pytest.raises(ValueError, match=r"derivative of (activation|loss) 'wrong' is wrong: at .* finite differences"):
        fastbp.Network([2, 3, 2], **arguments)


UNTRACEABLE = [
    Activation("branch", lambda z: z if z > 0 else 0.0),
    Activation("sum", lambda z: z - z.sum()),
    Activation("sine", np.sin),
    Activation("float", float),
    Activation("two arguments", lambda z, x: z),
    Activation("nothing", lambda z: None),
    Loss("branch", lambda a, y: a if y > 0 else -a),
]


@pytest.mark.parametrize("spec", UNTRACEABLE, ids=lambda spec: f"{type(spec).__name__} {spec.name}")
def test_what_cannot_be_compiled_is_refused_with_what_can(spec):
    argument = {"loss" if isinstance(spec, Loss) else "activation": spec}
    title = f"{type(spec).__name__.lower()} '{spec.name}'"
    with pytest.raises(TypeError, match=f"of {title} must be a formula .* A formula may use"):
        fastbp.Network([2, 3, 2], **argument)


def test_labels_and_custom_activations_train_together():
    parameters = []
    for implementation in (fastbp, fastbp.reference):
        net = implementation.Network([4, 9, 3], SWISH, dtype=np.float64, rng=0)
        X = np.random.default_rng(0).normal(size=(40, 4))
        implementation.Trainer(net, "adam", 8, rng=0).fit(X, make_labels(40, 3), epochs=3)
        parameters.append(net.parameters)
    assert relative_error(*parameters) < 1e-10
