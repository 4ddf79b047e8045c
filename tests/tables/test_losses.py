"""The table of losses against mpmath, at its edges, and by hand."""

from __future__ import annotations

import pickle

import mpmath as mp
import numpy as np
import pytest

from fastbp.activations import softmax
from fastbp.kernels.vectors.vecmath import sigmoid
from fastbp.losses import LOSSES, Loss, get_loss

EXACT = {
    "quadratic": lambda a, y: (a - y) ** 2 / 2,
    "cross_entropy": lambda a, y: -(y * mp.log(a) + (1 - y) * mp.log(1 - a)),
    "absolute": lambda a, y: abs(a - y),
    "huber": lambda a, y: (a - y) ** 2 / 2 if abs(a - y) <= 1 else abs(a - y) - mp.mpf(1) / 2,
    "poisson": lambda a, y: a - y * mp.log(a),
    "hinge": lambda a, y: max(0, 1 - (1 if y > 0.5 else -1) * a),
}
# (a, y, c, ∂c/∂a), worked out by hand: ln 2 = 0.693147, ln 4 = 1.386294
WORKED = {
    "quadratic": [(3.0, 1.0, 2.0, 2.0), (1.0, 1.0, 0.0, 0.0)],
    "cross_entropy": [(0.5, 1.0, 0.693147, -2.0), (0.75, 0.0, 1.386294, 4.0), (0.5, 0.25, 0.693147, 1.0)],
    "absolute": [(3.0, 1.0, 2.0, 1.0), (1.0, 3.0, 2.0, -1.0), (1.0, 1.0, 0.0, 0.0)],
    "huber": [(1.5, 1.0, 0.125, 0.5), (4.0, 1.0, 2.5, 1.0), (-2.0, 1.0, 2.5, -1.0), (1.0, 1.0, 0.0, 0.0)],
    "poisson": [(2.0, 4.0, -0.772589, -1.0), (1.0, 3.0, 1.0, -2.0), (0.5, 0.0, 0.5, 1.0)],
    "hinge": [(0.25, 1.0, 0.75, -1.0), (0.25, 0.0, 1.25, 1.0), (0.25, -1.0, 1.25, 1.0), (3.0, 1.0, 0.0, 0.0)],
}
A = (0.03, 0.2, 0.5001, 0.77, 0.98)
Y = (-1.0, 0.0, 0.25, 1.0, 3.0)
LOGITS = (0.0, 1e-300, 0.5, -0.5, 3.0, -3.0, 20.0, -20.0, 100.0, -100.0, 1e4, -1e4)
DTYPES = (np.float32, np.float64)
specs = pytest.mark.parametrize("spec", LOSSES.values(), ids=LOSSES)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def test_every_loss_has_exact_values_and_worked_numbers():
    assert set(EXACT) == set(WORKED) == set(LOSSES)


@dtypes
@specs
def test_cost_and_derivative_equal_mpmath(spec, dtype):
    a, y = (x.ravel().astype(dtype) for x in np.meshgrid(A, Y))
    with mp.workdps(50):
        pairs = [(mp.mpf(float(p)), mp.mpf(float(q))) for p, q in zip(a, y, strict=True)]
        costs = [float(EXACT[spec.name](p, q)) for p, q in pairs]
        slopes = [float(mp.diff(lambda x, q=q: EXACT[spec.name](x, q), p, h=mp.mpf(10) ** -20)) for p, q in pairs]
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(spec.cost(a, y), costs, rtol=20 * eps, atol=20 * eps)
    np.testing.assert_allclose(spec.derivative(a, y), slopes, rtol=20 * eps, atol=20 * eps)


@specs
def test_worked_numbers(spec):
    a, y, cost, slope = np.array(WORKED[spec.name]).T
    np.testing.assert_allclose(spec.cost(a, y), cost, atol=1e-6)
    np.testing.assert_allclose(spec.derivative(a, y), slope, atol=1e-6)


@dtypes
@specs
def test_shape_and_dtype_are_kept(spec, dtype):
    a, y = np.full((2, 3), 0.25, dtype), np.ones((2, 3), dtype)
    functions = [spec.cost, spec.derivative]
    functions += [f for form in spec.logits.values() for f in (form.cost, form.delta)]
    for function in functions:
        result = function(a, y)
        assert result.dtype == dtype
        assert result.shape == (2, 3)


@dtypes
@specs
def test_extremes_are_finite_and_raise_no_flag(spec, dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    inside = (0.0, tiny, 1.0 - np.finfo(dtype).eps, 1.0)
    a, y = np.meshgrid(np.array(inside if spec.name == "cross_entropy" else (1e4, -1e4, *inside), dtype),
                       np.array([0.0, 1.0, 0.5], dtype))
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(spec.cost(a, y)).all()
        assert np.isfinite(spec.derivative(a, y)).all()


@dtypes
def test_sigmoid_form_equals_mpmath_from_logits(dtype):
    form = LOSSES["cross_entropy"].logits["sigmoid"]
    z, y = (x.ravel().astype(dtype) for x in np.meshgrid(LOGITS, (0.0, 1.0, 0.25)))
    with mp.workdps(60):
        exact = [(float(mp.log1p(mp.exp(p)) - q * p), float(1 / (1 + mp.exp(-p)) - q))
                 for p, q in zip(map(mp.mpf, map(float, z)), map(float, y), strict=True)]
    costs, deltas = np.array(exact).T
    eps, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_allclose(form.cost(z, y), costs, rtol=4 * eps, atol=tiny)
        np.testing.assert_allclose(form.delta(z, y), deltas, rtol=4 * eps, atol=eps)


@dtypes
def test_exp_form_of_poisson_equals_mpmath_from_logits(dtype):
    form = LOSSES["poisson"].logits["exp"]
    z, y = (x.ravel().astype(dtype) for x in np.meshgrid((0.0, 0.5, -0.5, 3.0, -3.0, 60.0, -1e4), (0.0, 1.0, 7.0)))
    pairs = list(zip(map(mp.mpf, map(float, z)), map(float, y), strict=True))
    with mp.workdps(60):
        costs, deltas = np.array([(float(mp.exp(p) - q * p), float(mp.exp(p) - q)) for p, q in pairs]).T
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(form.cost(z, y), costs, rtol=20 * eps)
    np.testing.assert_allclose(form.delta(z, y), deltas, rtol=20 * eps, atol=eps)


@dtypes
def test_softmax_form_equals_mpmath_from_logits(dtype):
    form = LOSSES["cross_entropy"].logits["softmax"]
    z = np.array([[0.5, -1.0, 2.0], [1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [3.0, 0.0, 60.0]], dtype)
    y = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5], [0.0, 0.0, 1.0]], dtype)
    costs, deltas = [], []
    with mp.workdps(60):
        for row, target in zip(z.tolist(), y.tolist(), strict=True):
            total = mp.fsum(map(mp.exp, row))
            costs.append([float(-t * mp.log(mp.exp(x) / total)) for x, t in zip(row, target, strict=True)])
            deltas.append([float(mp.exp(x) / total - t) for x, t in zip(row, target, strict=True)])
    eps = np.finfo(dtype).eps
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_allclose(form.cost(z, y), costs, rtol=4 * eps, atol=eps)
        np.testing.assert_allclose(form.delta(z, y), deltas, rtol=4 * eps, atol=2 * eps)


@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_delta_of_a_logits_form_is_the_derivative_of_its_cost(output):
    form = LOSSES["cross_entropy"].logits[output]
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(5, 4)), rng.uniform(size=(5, 4))  # rows of y do not sum to 1
    h = 1e-6
    for i in range(4):
        step = h * np.eye(4)[i]
        slope = (form.cost(z + step, y).sum(axis=1) - form.cost(z - step, y).sum(axis=1)) / (2 * h)
        np.testing.assert_allclose(form.delta(z, y)[:, i], slope, atol=1e-8)


def test_sigmoid_form_equals_the_general_form():
    spec = LOSSES["cross_entropy"]
    z, y = np.meshgrid(np.linspace(-5, 5, 11), [0.0, 0.3, 1.0])
    a = sigmoid(z)
    np.testing.assert_allclose(spec.logits["sigmoid"].cost(z, y), spec.cost(a, y), rtol=1e-12)
    delta = spec.derivative(a, y) * a * (1 - a)
    np.testing.assert_allclose(spec.logits["sigmoid"].delta(z, y), delta, rtol=1e-11, atol=1e-14)


def test_delta_with_one_hot_targets_is_a_minus_y():
    z, y = np.random.default_rng(1).normal(size=(3, 3)), np.eye(3)
    np.testing.assert_array_equal(LOSSES["cross_entropy"].logits["softmax"].delta(z, y), softmax(z) - y)


def test_bce_equals_softmax2():
    forms = LOSSES["cross_entropy"].logits
    z = np.linspace(-30, 30, 13)[:, None]
    y = (np.arange(13) % 2.0)[:, None]
    two = np.hstack([z, np.zeros_like(z)]), np.hstack([y, 1.0 - y])
    cost = forms["softmax"].cost(*two).sum(axis=1)  # its logarithm of a sum near 1 has an absolute error of eps
    np.testing.assert_allclose(cost, forms["sigmoid"].cost(z, y)[:, 0], rtol=1e-14, atol=4e-16)


def test_equal_logits_cost_ln_n():
    form = LOSSES["cross_entropy"].logits["softmax"]
    np.testing.assert_allclose(form.cost(np.full((1, 10), 7.0), np.eye(10)[:1]).sum(), np.log(10.0), rtol=1e-15)


def test_hinge_takes_targets_of_both_conventions():
    spec = LOSSES["hinge"]
    a = np.linspace(-3, 3, 7)
    for y in (np.ones(7), np.zeros(7)):
        np.testing.assert_array_equal(spec.cost(a, y), spec.cost(a, 2 * y - 1))
        np.testing.assert_array_equal(spec.derivative(a, y), spec.derivative(a, 2 * y - 1))


def test_classification_losses_take_labels():
    assert [name for name, spec in LOSSES.items() if spec.labels] == ["cross_entropy", "hinge"]


@specs
def test_specs_pickle(spec):
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_get_loss_takes_names_and_losses():
    custom = Loss("fourth", lambda a, y: (a - y) ** 4)
    assert get_loss("huber") is LOSSES["huber"]
    assert get_loss(custom) is custom


@pytest.mark.parametrize(("spec", "error", "words"), [
    ("mse", ValueError, ["loss", "'mse'", "'quadratic'", "'hinge'"]),
    (None, TypeError, ["loss", "NoneType"]),
    (max, TypeError, ["loss", "fastbp.Loss('name', function)"]),
])
def test_get_loss_names_what_is_wrong(spec, error, words):
    with pytest.raises(error) as caught:
        get_loss(spec)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(("arguments", "word"), [((1, max), "name"), (("x", 2), "cost"), (("x", max, 2), "derivative")])
def test_loss_names_what_is_wrong(arguments, word):
    with pytest.raises(TypeError, match=word):
        Loss(*arguments)


def test_general_cross_entropy_takes_ln_0_at_the_smallest_normal_float32():
    spec = LOSSES["cross_entropy"]
    np.testing.assert_allclose(spec.cost(np.array([0.0, 1.0]), np.array([1.0, 0.0])), 126 * np.log(2.0), rtol=1e-15)
    np.testing.assert_array_equal(spec.derivative(np.array([0.0, 1.0]), np.array([1.0, 0.0])), [-(2.0**126), 2.0**126])
