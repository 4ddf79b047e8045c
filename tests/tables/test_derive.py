"""Derived formulas against the table's own and against finite differences, and what cannot be recorded."""

from __future__ import annotations

import math
import pickle
import warnings

import numpy as np
import pytest

from fastbp.activations import ACTIVATIONS, SOFTMAX, Activation
from fastbp.kernels.vectors.vecmath import erf, sigmoid, softplus
from fastbp.losses import LOSSES, Loss
from fastbp.symbolic.derive import activation_derivative, check_derivative, formulas, loss_derivative
from fastbp.symbolic.source import Formula

# functions a user may write
CUSTOM = {
    "constant": lambda z: 1.0,
    "same": lambda z: z,
    "line": lambda z: 3 - 2 * z,
    "signs": lambda z: -z + -np.tanh(z) - -3,
    "swish": lambda z: z / (1 + np.exp(-z)),
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "logistic_of_exp": lambda z: np.exp(z) / (np.exp(z) + 1),
    "logistic_in_halves": lambda z: np.where(z >= 0, 1 / (1 + np.exp(-z)), np.exp(z) / (1 + np.exp(z))),
    "logistic_stable": lambda z: np.where(z >= 0, 1.0, np.exp(-np.abs(z))) / (1 + np.exp(-np.abs(z))),
    "softplus_naive": lambda z: np.log(1 + np.exp(z)),
    "softplus_stable": lambda z: np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))),
    "softplus_logaddexp": lambda z: np.logaddexp(z, 0),
    "vecmath": lambda z: sigmoid(2 * z) + softplus(-z) * erf(z / 3),
    "mish": lambda z: z * np.tanh(np.log1p(np.exp(z))),
    "gelu_tanh": lambda z: 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "relu_by_product": lambda z: z * (z > 0),
    "relu_by_max": lambda z: np.maximum(0, z),
    "relu6": lambda z: np.clip(z, 0, 6),
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "bump": lambda z: np.where((z > -1.5) & (z < 1.5), 2.25 - z * z, 0),
    "outside": lambda z: np.where((z < -1.5) | ~(z < 1.5), np.sign(z), np.float64(0.5)) * z,
    "truthy": lambda z: np.where(np.minimum(z, 0), z, 2 * z),
    "gauss": lambda z: np.exp(-np.square(z)),
    "bell": lambda z: (1 + z**2) ** -1.5,
    "odd_power": lambda z: (1 + z * z) ** 0.3,
    "power_of_two": lambda z: 2.0**z,
    "power_of_expression": lambda z: (1 + z * z) ** (z / 10),
    "root": lambda z: np.sqrt(np.reciprocal(2 + np.abs(z))) + abs(z),
    "logs": lambda z: np.log(2 + z * z) + np.log1p(z * z),
    "series": lambda z: sum(z**k / math.factorial(k) for k in range(9)),
    "float32_constant": lambda z: np.float32(0.5) * z + np.array(2.0),
    "step": lambda z: z > 0,
}


def nested(z):
    for _ in range(300):
        z = np.tanh(0.9 * z + 0.1)
    return z


CUSTOM["nested"] = nested
Z = np.array([-3.0, -1.2, -0.4, 0.3, 0.9, 2.5])
custom = pytest.mark.parametrize("name", CUSTOM)
activations = pytest.mark.parametrize("spec", ACTIVATIONS.values(), ids=ACTIVATIONS)
losses = pytest.mark.parametrize("spec", LOSSES.values(), ids=LOSSES)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@custom
def test_formula_and_derivative_of_what_users_write(name):
    function = CUSTOM[name]
    value, slope = (formula.function for formula in formulas(Activation(name, function)))
    a = value(Z)
    np.testing.assert_allclose(a, np.broadcast_to(function(Z), Z.shape), rtol=1e-13, atol=1e-15)
    h = 1e-5
    central = (np.broadcast_to(function(Z + h), Z.shape) * 1.0 - np.broadcast_to(function(Z - h), Z.shape)) / (2 * h)
    np.testing.assert_allclose(slope(Z, a), central, rtol=1e-8, atol=1e-9)
    check_derivative(Activation(name, function))


@dtypes
@custom
def test_derived_formulas_keep_shape_and_dtype(name, dtype):
    value, slope = (formula.function for formula in formulas(Activation(name, CUSTOM[name])))
    z = np.linspace(-2, 2, 6, dtype=dtype).reshape(2, 3)
    a = value(z)
    assert a.dtype == slope(z, a).dtype == dtype
    assert a.shape == slope(z, a).shape == z.shape


@activations
def test_derived_equals_the_derivative_in_the_table(spec):
    value, slope = (formula.function for formula in formulas(Activation("again", spec.function, init=spec.init)))
    z = np.append(Z, [0.0, 1e4, -1e4])
    with np.errstate(over="ignore", under="ignore"):
        z = z[np.isfinite(spec.function(z))]  # exp(1e4) is beyond float64
    with np.errstate(all="raise", under="ignore"):
        a = value(z)
        np.testing.assert_allclose(a, spec.function(z), rtol=1e-15)
        np.testing.assert_allclose(slope(z, a), spec.derivative(z, a), rtol=1e-12, atol=1e-14)


@losses
def test_derived_equals_the_derivative_of_a_loss_in_the_table(spec):
    a, y = np.meshgrid([0.1, 0.5, 0.9], [-1.0, 0.0, 0.3, 1.0, 2.5])
    value, slope = (formula.function for formula in formulas(Loss("again", spec.cost)))
    np.testing.assert_allclose(value(a, y), spec.cost(a, y), rtol=1e-15)
    np.testing.assert_allclose(slope(a, y), spec.derivative(a, y), rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(loss_derivative(Loss("again", spec.cost))(a, y), slope(a, y))


@activations
def test_derivatives_in_the_table_pass_the_check(spec):
    check_derivative(spec)


@losses
def test_derivatives_of_losses_in_the_table_pass_the_check(spec):
    check_derivative(spec)


@pytest.mark.parametrize("name", ["swish", "logistic", "logistic_of_exp", "softplus_naive", "mish", "gauss", "relu6"])
def test_naive_forms_are_made_stable(name):
    value, slope = (formula.function for formula in formulas(Activation(name, CUSTOM[name])))
    z = np.array([1e4, -1e4, 800.0, -800.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(value(z)).all()
        assert np.isfinite(slope(z, value(z))).all()


@pytest.mark.parametrize(("name", "slope_at_0"), [
    ("relu_by_product", 0.0), ("relu_by_max", 0.0), ("logistic_stable", 0.25), ("logistic_in_halves", 0.25),
    ("softplus_stable", 0.5), ("swish", 0.5), ("elu", 1.0),
    ("vecmath", 0.5 + math.log(2) * 2 / (3 * math.pi**0.5))])
def test_slope_at_0(name, slope_at_0):
    activation = Activation(name, CUSTOM[name])
    zero = np.zeros(1)
    a = formulas(activation)[0].function(zero)
    np.testing.assert_allclose(activation_derivative(activation)(zero, a), slope_at_0, atol=1e-15)


def test_common_subexpressions_are_computed_once():
    value, slope = formulas(Activation("twice", lambda z: np.exp(np.tanh(z)) * np.tanh(z)))
    assert value.source.count("np.tanh") == 1
    assert slope.source.count("np.tanh") == slope.source.count("np.exp") == 1


def test_derivative_uses_the_value_at_hand():
    assert formulas(Activation("exponential", np.exp))[1].source == "def derivative(z, a):\n    return a\n"


def test_given_derivative_is_recorded_and_kept():
    activation = Activation("square", lambda z: z * z, lambda z, a: 2 * z + 0 * a)
    assert formulas(activation)[1].source == "def derivative(z, a):\n    return 2.0 * z\n"
    assert activation_derivative(activation) is activation.derivative


def test_formulas_pickle_and_agree_from_run_to_run():
    value, _ = formulas(Activation("swish", CUSTOM["swish"]))
    assert value.function(0.5) == pickle.loads(pickle.dumps(value)).function(0.5)
    assert Formula(value.source) == value


def test_loss_of_two_arguments():
    loss = Loss("log_cosh", lambda a, y: np.log((np.exp(a - y) + np.exp(y - a)) / 2))
    a, y = np.meshgrid([0.2, 1.5], [-1.0, 0.5])
    np.testing.assert_allclose(loss_derivative(loss)(a, y), np.tanh(a - y), rtol=1e-14)


def decide(z):
    return z if z > 0 else -z


REFUSED = {
    "if": (decide, "a decision on a value"),
    "max": (lambda z: max(z, 0), "write np.where, np.minimum or np.maximum"),
    "math": (lambda z: math.exp(z), "write np.exp for math.exp"),  # noqa: PLW0108
    "sin": (np.sin, "met: np.sin"),
    "sum": (lambda z: z / np.sum(z), "met: np.sum"),
    "reduce": (np.add.reduce, "met: np.add.reduce"),
    "keyword": (lambda z: np.exp(z, where=True), "met: np.exp with where"),
    "method": (lambda z: z.clip(0, 1), "no attribute 'clip'"),
    "array": (lambda z: z * np.ones(3), r"an array of shape \(3,\) in the place of a number"),
    "asarray": (np.asarray, "a conversion to an array"),
    "nothing": (lambda z: None, r"None \(NoneType\) in the place of a number"),
    "pair": (lambda z: (z, z), r"\(z, z\) \(tuple\)"),
    "text": (lambda z: z * "a", r"'a' \(str\)"),
    "complex": (lambda z: 1j * z, r"1j \(complex\)"),
    "modulo": (lambda z: z % 2, "unsupported operand"),
    "bits": (lambda z: z & 3, "only comparisons can be joined"),
    "index": (lambda z: z[0], "not subscriptable"),
    "arguments": (lambda z, w: z, "missing 1 required positional argument"),
    "softmax": (SOFTMAX.function, "met: np.max"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recorded_is_named(name):
    function, met = REFUSED[name]
    with pytest.raises(TypeError, match=met) as caught:
        formulas(Activation(name, function))
    assert f"function of activation '{name}'" in str(caught.value)
    assert "np.exp" in str(caught.value)
    assert "where" in str(caught.value)


def test_what_cannot_be_recorded_in_a_derivative_or_loss_is_named():
    with pytest.raises(TypeError, match="derivative of activation 'half'"):
        formulas(Activation("half", lambda z: z, lambda z, a: np.sin(z)))
    with pytest.raises(TypeError, match="cost of loss 'half'"):
        formulas(Loss("half", lambda a, y: np.sin(a)))


@pytest.mark.parametrize("spec", [
    Activation("cubic", lambda z: z**3, lambda z, a: 3 * z),
    Activation("late", lambda z: np.maximum(z, 0), lambda z, a: np.where(z > 1, 1, 0 * z)),
    Activation("infinite", lambda z: z, lambda z, a: 1 / (0.0 * z)),
    Loss("fourth", lambda a, y: (a - y) ** 4, lambda a, y: 4 * (y - a) ** 3),
    Loss("shifted", lambda a, y: np.abs(a - y), lambda a, y: np.sign(a - y) + 1e-4),
], ids=lambda spec: spec.name)
def test_wrong_derivative_is_refused_with_the_worst_point(spec):
    kind, at = ("activation", "z = ") if isinstance(spec, Activation) else ("loss", "a = .*, y = ")
    with pytest.raises(ValueError, match=f"derivative of {kind} '{spec.name}' is wrong: at {at}.* finite differences"):
        check_derivative(spec)


@pytest.mark.parametrize("spec", [
    Activation("kinks", lambda z: np.abs(z) + np.abs(z - 1.0137), lambda z, a: np.sign(z) + np.sign(z - 1.0137)),
    Activation("jump", lambda z: np.where(z > 1, z, -z), lambda z, a: np.where(z > 1, 1, -1 + 0 * z)),
    Activation("half", lambda z: np.log(z), lambda z, a: 1 / z),  # noqa: PLW0108
    Loss("log", lambda a, y: -y * np.log(a), lambda a, y: -y / a),
    Activation("steep", lambda z: np.tanh(1000 * z), lambda z, a: 1000 * (1 - a * a)),
    Activation("steep, derived", lambda z: np.tanh(1000 * z)),
    Activation("kinks that cancel", lambda z: np.log1p(np.exp(-np.abs(20 * z))) / 20 + np.maximum(z, 0)),
], ids=lambda spec: spec.name)
def test_a_correct_derivative_passes_the_check_beside_kinks_and_outside_the_domain(spec):
    check_derivative(spec)


@pytest.mark.parametrize(("function", "result"), [
    (lambda z: 0 * np.exp(z) + z * 1, "z"),
    (lambda z: 0 / np.exp(z) + z, "z"),
    (lambda z: 0 + z / 1 - 0, "z"),
    (lambda z: 0 - z, "-z"),
    (lambda z: np.negative(-z), "z"),
    (lambda z: np.where(z > 0, z, z), "z"),
    (lambda z: np.where(True, z, 2 * z), "z"),
    (lambda z: z**0, "1.0 + 0.0 * z"),
    (lambda z: -1 + np.exp(z), "np.expm1(z)"),
    (lambda z: np.log(1 + np.exp(z)), "softplus(z)"),
    (lambda z: np.maximum(0, z) + np.log1p(np.exp(-np.abs(z))), "softplus(z)"),
    (lambda z: 1 / (1 + np.exp(-z)), "sigmoid(z)"),
    (lambda z: np.exp(z) / (np.exp(z) + 1), "sigmoid(z)"),
    (CUSTOM["logistic_stable"], "sigmoid(z)"),
    (CUSTOM["logistic_in_halves"], "sigmoid(z)"),
])
def test_what_zeros_leave_and_stable_forms_are_all_there_is(function, result):
    assert formulas(Activation("any", function))[0].source == f"def function(z):\n    return {result}\n"


def test_a_formula_is_one_operation_a_line():
    value, _ = formulas(Activation("any", lambda z: np.log(1 + z * z) * np.where(z > 3, 2, -np.inf) - 1 / (z - 2)))
    assert value.source == """def function(z):
    t0 = z * z
    t1 = np.log1p(t0)
    t2 = z > 3.0
    t3 = np.where(t2, 2.0, -np.inf + 0.0 * z)
    t4 = t1 * t3
    t5 = z + -2.0
    t6 = 1.0 / t5
    return t4 - t6
"""
