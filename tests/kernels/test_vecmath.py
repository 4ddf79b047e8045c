"""Elementary functions on vectors: errors in ULP over the whole range, limits, numbers and arrays beside vectors."""

from __future__ import annotations

import hashlib
import math

import mpmath
import numba
import numpy as np
import pytest
import scipy.special

from fastbp.kernels.runtime.host import HAS_FMA
from fastbp.kernels.vectors.memory import lanes_in, load, pointer, store
from fastbp.kernels.vectors.vecmath import erf, sigmoid, softplus

DTYPES = (np.float32, np.float64)
INF, NAN = math.inf, math.nan


def logistic(x):
    """sigmoid in float64, whose own error is nothing beside half a ULP of float32."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


def log_limits(function, edge):
    return lambda x: function(x) if x > edge else -mpmath.inf if x == edge else mpmath.nan


# name: function, its float64 form, its mpmath form, the bounds of its docstring in ULP: with FMA, without
FUNCTIONS = {
    "exp": (np.exp, np.exp, mpmath.exp, 0.9, 1.2),
    "expm1": (np.expm1, np.expm1, mpmath.expm1, 1.9, 2.0),
    "log": (np.log, np.log, log_limits(mpmath.log, 0), 0.9, 0.9),
    "log1p": (np.log1p, np.log1p, log_limits(mpmath.log1p, -1), 1.4, 1.4),
    "tanh": (np.tanh, np.tanh, mpmath.tanh, 2.0, 2.2),
    "sigmoid": (sigmoid, logistic, lambda x: 1 / (1 + mpmath.exp(-x)), 1.7, 2.0),
    "softplus": (softplus, lambda x: np.logaddexp(0.0, x), lambda x: mpmath.log1p(mpmath.exp(x)), 2.0, 2.0),
    "erf": (erf, scipy.special.erf, mpmath.erf, 1.1, 1.3),
}
names = pytest.mark.parametrize("name", FUNCTIONS)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)


def on_vectors(function):
    """`function` over whole vectors of an array, compiled."""
    @numba.njit(error_model="numpy")
    def loop(out, x):
        p, q = pointer(out), pointer(x)
        step = lanes_in(p)
        for i in range(0, np.int64(x.size), step):
            store(p, i, function(load(q, i)))

    def apply(x):
        padded = np.concatenate([x, np.ones(-x.size % 16, x.dtype)])
        out = np.empty_like(padded)
        loop(out, padded)
        return out[:x.size]
    return apply


def ulp(got, expected, dtype):
    """|got − expected| in units of the last place in `dtype`; ∞ where infinity, NaN or the sign of 0 differ."""
    with np.errstate(all="ignore"):
        rounded = expected.astype(dtype)
        error = np.abs(got - expected) / np.spacing(np.abs(rounded)).astype(np.float64)
    special = ~np.isfinite(rounded) | ~np.isfinite(got)
    same = (rounded == got) | (np.isnan(rounded) & np.isnan(got))
    error[special] = np.where(same[special], 0.0, INF)
    error[(rounded == 0) & (np.signbit(got) != np.signbit(rounded))] = INF
    return error


def float32_sweep():
    """Every 997th bit pattern, and the ranges where something happens."""
    bits = np.arange(0, 2**32, 997, dtype=np.uint64).astype(np.uint32)
    near = [np.linspace(-edge, edge, 100_001, dtype=np.float32) for edge in (0.6, 2, 30, 110)]
    return np.concatenate([bits.view(np.float32), *near])


def float64_sample():
    """Random bit patterns, and random numbers around the edges of the kernels' pieces."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**64, 600, dtype=np.uint64)
    edges = rng.choice([0.0, 0.2, -0.3, 0.35, -0.35, 0.42, 0.71, 1.0, -1.04, 1.05, 1.41, 1.5, 20.0, -37.0], 1200)
    near = edges + rng.normal(size=1200) * 10.0 ** rng.uniform(-8, -1, 1200)
    wide = [rng.uniform(-edge, edge, 300) for edge in (3, 40, 760)]
    exponents = rng.choice([-1, 1], 300) * 10.0 ** rng.uniform(-12, 2, 300)
    return np.concatenate([bits.view(np.float64), near, *wide, exponents])


def float64_errors(got, x, exact):
    """`ulp` against mpmath: the double nearest to the exact value, and how far the value is from that."""
    with mpmath.workprec(140):
        values = [exact(mpmath.mpf(v)) for v in x.tolist()]
        nearest = np.array([float(value) for value in values])
        finite = np.isfinite(nearest)
        rest = np.array([float(v - n) if f else 0.0 for v, n, f in zip(values, nearest.tolist(), finite, strict=True)])
    error = ulp(got, nearest, np.float64)
    with np.errstate(all="ignore"):
        exactly = np.abs((got - nearest) - rest) / np.spacing(np.abs(nearest))
    return np.where(np.isfinite(error) & finite & np.isfinite(got), exactly, error)


def worst(name, dtype):
    """(the largest error in ULP, where) of one function."""
    function, double, exact, *_ = FUNCTIONS[name]
    if dtype is np.float32:
        x = float32_sweep()
        with np.errstate(all="ignore"):
            error = ulp(on_vectors(function)(x), double(x.astype(np.float64)), dtype)
    else:
        x = float64_sample()
        error = float64_errors(on_vectors(function)(x), x, exact)
    place = np.argmax(error)
    return float(error[place]), float(x[place])


def report(measure):
    """A digest of the results of every function and dtype; if it is to `measure`, the worst error and where it is."""
    rows = {}
    for name, (function, *_) in FUNCTIONS.items():
        for dtype in DTYPES:
            x = np.linspace(-120, 120, 40_001).astype(dtype)
            digest = hashlib.sha256(on_vectors(function)(x).tobytes()).hexdigest()
            rows[f"{name} {dtype.__name__}"] = [digest, *(worst(name, dtype) if measure else ())]
    return rows


@names
@dtypes
def test_error_is_within_the_documented_bound(name, dtype):
    error, x = worst(name, dtype)
    assert error <= FUNCTIONS[name][3 if HAS_FMA else 4], f"{error} ULP at {x!r}"


EDGES = (-INF, INF, 0.0, -0.0, -1e4, NAN)
AT_EDGES = {
    np.exp: (0, INF, 1, 1, 0, NAN),
    np.expm1: (-1, INF, 0.0, -0.0, -1, NAN),
    np.log: (NAN, INF, -INF, -INF, NAN, NAN),
    np.log1p: (NAN, INF, 0.0, -0.0, NAN, NAN),
    np.tanh: (-1, 1, 0.0, -0.0, -1, NAN),
    np.sign: (-1, 1, 0.0, 0.0, -1, NAN),
    sigmoid: (0, 1, 0.5, 0.5, 0, NAN),
    softplus: (0, INF, math.log(2), math.log(2), 0, NAN),
    erf: (-1, 1, 0.0, -0.0, -1, NAN),
}


@pytest.mark.parametrize("function", AT_EDGES, ids=lambda function: function.__name__)
@dtypes
def test_infinities_zeros_and_nan(function, dtype):
    got, expected = on_vectors(function)(np.array(EDGES, dtype)), np.array(AT_EDGES[function], dtype)
    np.testing.assert_array_equal(got, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(expected[numbers]))


@dtypes
def test_overflow_comes_where_it_must_and_not_before(dtype):
    edge = np.log(np.finfo(dtype).max)
    x = np.array([edge * (1 - np.finfo(dtype).eps), edge * (1 + np.finfo(dtype).eps), 2 * edge], dtype)
    for function in (np.exp, np.expm1):
        np.testing.assert_array_equal(np.isinf(on_vectors(function)(x)), [False, True, True])


@dtypes
def test_log1p_at_its_pole(dtype):
    got = on_vectors(np.log1p)(np.array([-1, np.nextafter(dtype(-1), dtype(-2))], dtype))
    np.testing.assert_array_equal(got, [-INF, NAN])


@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh"])
@dtypes
def test_subnormal_numbers_are_their_own_image(name, dtype):
    tiny = np.finfo(dtype).smallest_subnormal * np.array([1, 2, 3, -1, 12345], dtype)
    np.testing.assert_array_equal(on_vectors(FUNCTIONS[name][0])(tiny), tiny)


@pytest.mark.parametrize("name", ["exp", "sigmoid", "softplus"])
def test_results_underflow_gradually(name):
    x = np.array([-88.0, -95.0, -100.0, -103.9, -104.5], np.float32)
    got = on_vectors(FUNCTIONS[name][0])(x)
    np.testing.assert_array_equal(got, np.exp(x.astype(np.float64)).astype(np.float32))
    assert 0 < got[3] < got[2] < np.finfo(np.float32).tiny
    assert got[4] == 0


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "erf"])
@dtypes
def test_numbers_in_compiled_code_are_as_vectors(name, dtype):
    function = FUNCTIONS[name][0]

    @numba.njit(error_model="numpy")
    def on_numbers(out, x):
        for i in range(np.int64(x.size)):
            out[i] = function(x[i])

    x = np.concatenate([np.linspace(-120, 120, 4001), [0, -0.0, INF, -INF, NAN]]).astype(dtype)
    out = np.empty_like(x)
    on_numbers(out, x)
    np.testing.assert_array_equal(out, on_vectors(function)(x))
    assert numba.njit(lambda: function(2))() == pytest.approx(function(2.0), rel=1e-15)


@names
@dtypes
def test_arrays_and_numbers_in_python_agree_with_vectors(name, dtype):
    function = FUNCTIONS[name][0]
    x = np.linspace(0.01, 80, 4001).astype(dtype)
    x = x if name == "log" else np.concatenate([x, -x / 81 if name == "log1p" else -x])
    array, vector = function(x), on_vectors(function)(x)
    assert array.dtype == dtype
    assert array.shape == x.shape
    assert function(x[5]).dtype == dtype
    np.testing.assert_allclose(array, vector, rtol=5 * np.finfo(dtype).eps)
    np.testing.assert_allclose([function(float(v)) for v in x[::100]], vector[::100], rtol=5 * np.finfo(dtype).eps)


def test_a_formula_serves_numbers_arrays_and_vectors():
    def swish(z):
        return np.where(z > -20, z / (1 + np.exp(-z)), 0.0) + 0.5 * np.sign(z) * softplus(-np.abs(z))

    x = np.linspace(-30, 30, 1001).astype(np.float32)
    np.testing.assert_allclose(on_vectors(numba.njit(swish))(x), swish(x), rtol=2e-6)
    np.testing.assert_allclose([swish(v) for v in x], swish(x), rtol=2e-6)
