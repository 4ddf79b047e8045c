"""Numbers at the edges through whole networks: large, infinite and tiny ones, for few and for many outputs and rows."""

import mpmath as mp
import numpy as np
import pytest
from networks import make_data, make_network

import fastbp
import fastbp.reference

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# Below one vector of the narrowest kind, beyond one and beyond two of the widest; with few and with many rows.
OUTPUTS = pytest.mark.parametrize("n", [2, 3, 5, 17, 40])
ROWS = pytest.mark.parametrize("rows", [1, 3, 40])
INF = np.inf


def passing(implementation, n, output, dtype, loss="cross_entropy"):
    """A network whose z are its inputs."""
    net = implementation.Network([n, n], output=output, loss=loss, dtype=dtype, rng=0)
    net.parameters[:] = 0.0
    net.weights[0][:] = np.eye(n)
    return net


# ------------------------------------------------------------------ logits that are large
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
@ROWS
@OUTPUTS
@DTYPES
def test_logits_of_1e4_give_exact_costs_and_deltas_at_any_number_of_outputs(implementation, dtype, n, rows, output):
    net = passing(implementation, n, output, dtype)
    X = np.full((rows, n), -1e4)
    largest = np.arange(rows) * 7 % n
    X[np.arange(rows), largest] = 1e4
    right, wrong = np.eye(n)[largest], np.eye(n)[(largest + 1) % n]
    assert np.array_equal(net.forward(X), right)
    assert net.loss(X, right) == 0.0
    assert net.loss(X, wrong) == 2e4
    assert not net.backprop(X, right).flat.any()
    expected = (right - wrong).sum(axis=0) / rows
    np.testing.assert_allclose(net.backprop(X, wrong).biases[0], expected, rtol=4e-7, atol=1e-7)


@pytest.mark.parametrize("labels", [True, False], ids=["labels", "rows"])
@OUTPUTS
@DTYPES
def test_of_equal_outputs_the_first_counts_as_it_is_predicted(implementation, dtype, n, labels):
    net = implementation.Network([n, n], init="zeros", dtype=dtype)
    X, targets = np.ones((40, n)), np.arange(40) % 2
    assert not net.predict(X).any()
    trainer = implementation.Trainer(net, fastbp.SGD(0.0), batch_size=40)
    history = trainer.fit(X, targets if labels else np.eye(n)[targets], validation_data=(X, targets))
    assert history.accuracy == history.val_accuracy == [0.5]
    history = trainer.fit(X, np.full(40, n - 1), validation_data=(X, np.full(40, n - 1)))
    assert history.accuracy == history.val_accuracy == [0.0]


# ------------------------------------------------------------------ probabilities that are tiny
def exact_softmax(z, t):
    """Cost and δ of one row, from logits."""
    with mp.workdps(60):
        e = [mp.exp(mp.mpf(float(x))) for x in z]
        share = [x / mp.fsum(e) for x in e]
        return float(-mp.log(share[t])), [float(p - (k == t)) for k, p in enumerate(share)]


def exact_sigmoid(z, t):
    with mp.workdps(60):
        a = [1 / (1 + mp.exp(-mp.mpf(float(x)))) for x in z]
        cost = -mp.fsum(mp.log(p if k == t else 1 - p) for k, p in enumerate(a))
        return float(cost), [float(p - (k == t)) for k, p in enumerate(a)]


@pytest.mark.parametrize(("output", "exact"), [("softmax", exact_softmax), ("sigmoid", exact_sigmoid)])
@pytest.mark.parametrize("gap", [1.0, 15.0, 40.0, 80.0])
@OUTPUTS
@DTYPES
def test_costs_and_deltas_of_tiny_probabilities_equal_mpmath(implementation, dtype, n, gap, output, exact):
    net = passing(implementation, n, output, dtype)
    z = np.linspace(-0.5, 0.5, n).astype(dtype)
    eps, tiny = (float(number) for number in (np.finfo(dtype).eps, np.finfo(dtype).tiny))
    for shift, t in ((gap, 0), (-gap, n - 1)):
        row = z.copy()
        row[0] += dtype(shift)
        cost, delta = exact(row, t)
        assert net.loss(row[None], [t]) == pytest.approx(cost, rel=20 * eps, abs=4 * eps)
        found = net.backprop(row[None], [t]).biases[0]
        np.testing.assert_allclose(found, delta, rtol=0, atol=2 * eps)
        # a - 1 cannot be smaller than eps; the others are as exact as their own size allows
        np.testing.assert_allclose(np.delete(found, t), np.delete(delta, t), rtol=100 * eps, atol=tiny)


# ------------------------------------------------------------------ weights that are not finite
def put(where, value):
    def change(net):
        place = {"bias": net.biases[-1], "weight": net.weights[0][0]}[where]
        place[place.size // 2] = value

    return change


BROKEN = {f"{where} {value}": put(where, value) for where in ("bias", "weight") for value in (INF, -INF, np.nan)}


@pytest.mark.parametrize(("output", "loss"), [
    ("softmax", "cross_entropy"), ("sigmoid", "cross_entropy"), ("identity", "quadratic"), ("softmax", "quadratic"),
    ("tanh", "quadratic"), ("relu", "quadratic"),
])
@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("rows", [3, 40])
@pytest.mark.parametrize("n", [3, 40])
@DTYPES
def test_infinite_and_missing_parameters_give_what_the_equations_give(dtype, n, rows, change, output, loss):
    found = []
    for implementation in (fastbp, fastbp.reference):
        net = make_network(implementation, [5, 9, n], "tanh", output, loss, dtype)
        X, Y = make_data(net, rows)
        change(net)
        found.append((net.forward(X), net.loss(X, Y), net.backprop(X, Y).flat))
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)


@ROWS
@OUTPUTS
@DTYPES
def test_infinite_logits_have_the_limits(implementation, dtype, n, rows):
    X = np.zeros((rows, n))
    sigmoid = passing(implementation, n, "sigmoid", dtype)
    sigmoid.biases[0][:2] = INF, -INF
    assert np.array_equal(sigmoid.forward(X)[:, :2], np.tile([1.0, 0.0], (rows, 1)))
    softmax = passing(implementation, n, "softmax", dtype)
    softmax.biases[0][1] = -INF
    assert not softmax.forward(X)[:, 1].any()
    np.testing.assert_allclose(np.delete(softmax.forward(X), 1, axis=1), 1.0 / (n - 1), rtol=1e-6)
    softmax.biases[0][1] = np.nan
    assert np.isnan(softmax.forward(X)).all()
    assert np.isnan(softmax.loss(X, np.zeros(rows, int)))


# ------------------------------------------------------------------ subnormal numbers
@DTYPES
@pytest.mark.parametrize("rows", [1, 8, 64])
def test_subnormal_numbers_go_forward_and_back_and_into_updates(implementation, dtype, rows):
    # powers of two and whole multiples of the smallest number: every sum and every mean is exact
    n, smallest = 33, np.finfo(dtype).smallest_subnormal
    net = passing(implementation, n, "identity", dtype, "quadratic")
    X = (np.arange(rows * n).reshape(rows, n) % 50 * 64 - 1600).astype(dtype) * smallest
    assert np.abs(X).max() < np.finfo(dtype).tiny
    assert np.array_equal(net.forward(X), X)
    delta = net.backprop(X, np.zeros_like(X)).biases[0]
    assert np.array_equal(delta, X.sum(axis=0) / dtype(rows))
    assert delta.any()
    trainer = implementation.Trainer(net, fastbp.SGD(1.0), rng=0)
    trainer.step(X, np.zeros_like(X))
    assert np.array_equal(net.biases[0], -delta)
    net.weights[0][:] = np.eye(n) * 4 * smallest
    assert np.array_equal(net.forward(np.ones((rows, n))), np.tile(4 * smallest - delta, (rows, 1)))
