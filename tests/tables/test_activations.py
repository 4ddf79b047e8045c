"""The table of activations against mpmath, at its edges, and by hand."""

from __future__ import annotations

import pickle

import mpmath as mp
import numpy as np
import pytest

from fastbp.activations import ACTIVATIONS, SOFTMAX, Activation, get_activation, softmax

LAMBDA, LAMBDA_ALPHA = mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.7580993408473768599402175208123")

EXACT = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
    "tanh": mp.tanh,
    "relu": lambda z: max(z, 0),
    "leaky_relu": lambda z: z if z > 0 else z / 100,
    "elu": lambda z: z if z > 0 else mp.expm1(z),
    "selu": lambda z: LAMBDA * z if z > 0 else LAMBDA_ALPHA * mp.expm1(z),
    "gelu": lambda z: z * mp.ncdf(z),
    "silu": lambda z: z / (1 + mp.exp(-z)),
    "softplus": lambda z: mp.log1p(mp.exp(z)),
    "softsign": lambda z: z / (1 + abs(z)),
    "hard_sigmoid": lambda z: min(max(z / 6 + mp.mpf(1) / 2, 0), 1),
    "mish": lambda z: z * mp.tanh(mp.log1p(mp.exp(z))),
    "exp": mp.exp,
}
# σ(0), σ'(0), σ(1) and σ(−1) to four digits, worked out by hand or with a pocket calculator
WORKED = {
    "identity": (0, 1, 1, -1),
    "sigmoid": (0.5, 0.25, 0.7311, 0.2689),
    "tanh": (0, 1, 0.7616, -0.7616),
    "relu": (0, 0, 1, 0),
    "leaky_relu": (0, 0.01, 1, -0.01),
    "elu": (0, 1, 1, -0.6321),
    "selu": (0, 1.7581, 1.0507, -1.1113),
    "gelu": (0, 0.5, 0.8413, -0.1587),
    "silu": (0, 0.5, 0.7311, -0.2689),
    "softplus": (0.6931, 0.5, 1.3133, 0.3133),
    "softsign": (0, 1, 0.5, -0.5),
    "hard_sigmoid": (0.5, 0.1667, 0.6667, 0.3333),
    "mish": (0, 0.6, 0.8651, -0.3034),
    "exp": (1, 1, 2.7183, 0.3679),
}
POINTS = [s * x for x in (2.0**-20, 0.3, 0.999, 1.7, 2.9, 3.1, 5.0, 12.0, 40.0, 104.0, 800.0, 1e4) for s in (1.0, -1.0)]
# from here on a float32 cannot hold a value
OVERFLOWS = {"exp": 88.0}
DTYPES = (np.float32, np.float64)
specs = pytest.mark.parametrize("spec", ACTIVATIONS.values(), ids=ACTIVATIONS)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def exact(name: str, z: float) -> tuple[float, float]:
    with mp.workdps(60):
        # the difference quotient leans away from 0, where some activations have a kink
        value, slope = EXACT[name](mp.mpf(z)), mp.diff(EXACT[name], mp.mpf(z), h=mp.mpf(10) ** -30)
        return float(value), float(slope)


def test_every_activation_has_exact_values_and_worked_numbers():
    assert set(EXACT) == set(WORKED) == set(ACTIVATIONS)


@dtypes
@specs
def test_value_and_derivative_equal_mpmath(spec, dtype):
    z = np.minimum(np.array(POINTS, dtype), OVERFLOWS.get(spec.name, np.inf), dtype=dtype)
    a = spec.function(z)
    values, slopes = np.array([exact(spec.name, float(x)) for x in z]).T
    eps = np.finfo(dtype).eps
    # 1 + erf(z) rounds at 1, and so do 1 − a and the like in the derivatives
    np.testing.assert_allclose(a, values, rtol=8 * eps, atol=8 * eps if spec.name == "gelu" else np.finfo(dtype).tiny)
    np.testing.assert_allclose(spec.derivative(z, a), slopes, rtol=8 * eps, atol=8 * eps)


@dtypes
@specs
def test_extremes_are_finite_and_raise_no_flag(spec, dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    z = np.array([OVERFLOWS.get(spec.name, 1e4), -1e4, tiny, -tiny, 100 * tiny, 0.0, -0.0], dtype)
    with np.errstate(all="raise", under="ignore"):
        a = spec.function(z)
        slope = spec.derivative(z, a)
    assert np.isfinite(a).all()
    assert np.isfinite(slope).all()
    np.testing.assert_allclose(a, [exact(spec.name, float(x))[0] for x in z], rtol=1e-6, atol=2 * tiny)


@dtypes
@specs
def test_shape_and_dtype_are_kept(spec, dtype):
    for shape in ((), (0,), (3,), (2, 3)):
        z = np.full(shape, 0.5, dtype)
        a = spec.function(z)
        slope = spec.derivative(z, a)
        assert np.shape(a) == np.shape(slope) == shape
        assert a.dtype == slope.dtype == dtype
    assert spec.function(dtype(0.5)).dtype == spec.derivative(dtype(0.5), spec.function(dtype(0.5))).dtype == dtype


@specs
def test_worked_numbers(spec):
    at_0, slope_at_0, at_1, at_minus_1 = WORKED[spec.name]
    a = spec.function(np.array([0.0, 1.0, -1.0]))
    np.testing.assert_allclose(a, [at_0, at_1, at_minus_1], atol=5e-5)
    np.testing.assert_allclose(spec.derivative(np.zeros(1), a[:1]), slope_at_0, atol=5e-5)


@specs
def test_nan_stays_nan(spec):
    z = np.array([np.nan])
    a = spec.function(z)
    assert np.isnan(a)
    assert np.isnan(spec.derivative(z, a))


@specs
def test_specs_pickle(spec):
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_relu_at_0_has_slope_0():
    relu = ACTIVATIONS["relu"]
    z = np.array([0.0, -0.0])
    assert (relu.derivative(z, relu.function(z)) == 0.0).all()


@dtypes
def test_softmax_equals_mpmath_and_keeps_dtype(dtype):
    z = np.array([[0.5, -1.0, 2.0], [1e4, 0.0, -1e4], [-1e4, -1e4, -1e4], [-100.0, 0.0, 3.0]], dtype)
    with np.errstate(all="raise", under="ignore"):
        a = softmax(z)
    assert a.dtype == dtype
    with mp.workdps(40):
        want = [[float(mp.exp(x) / mp.fsum(map(mp.exp, map(float, row)))) for x in map(float, row)] for row in z]
    np.testing.assert_allclose(a, want, rtol=20 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)
    np.testing.assert_allclose(a.sum(axis=-1), 1.0, rtol=4 * np.finfo(dtype).eps)


def test_softmax_by_hand():
    np.testing.assert_allclose(softmax(np.log([[1.0, 2.0, 5.0]])), [[0.125, 0.25, 0.625]], rtol=1e-15)


def test_get_activation_takes_names_and_activations():
    custom = Activation("double", lambda z: 2 * z)
    assert get_activation("tanh") is ACTIVATIONS["tanh"]
    assert get_activation(custom) is custom
    assert get_activation("softmax", output=True) is SOFTMAX


@pytest.mark.parametrize(("spec", "error", "words"), [
    ("rleu", ValueError, ["hidden", "'rleu'", "'relu'", "'softplus'"]),
    ("softmax", ValueError, ["hidden", "'softmax'", "output only", "'relu'"]),
    (SOFTMAX, ValueError, ["hidden", "output only"]),
    (3, TypeError, ["hidden", "3", "int"]),
    (np.tanh, TypeError, ["hidden", "fastbp.Activation('name', function)"]),
])
def test_get_activation_names_what_is_wrong(spec, error, words):
    with pytest.raises(error) as caught:
        get_activation(spec, "hidden")
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(("arguments", "error", "word"), [
    ((1, np.tanh), TypeError, "name"),
    (("x", 2), TypeError, "function"),
    (("x", np.tanh, 2), TypeError, "derivative"),
    (("x", np.tanh, None, "xavier"), ValueError, "'glorot'"),
])
def test_activation_names_what_is_wrong(arguments, error, word):
    with pytest.raises(error, match=word):
        Activation(*arguments)
