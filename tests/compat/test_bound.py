"""Networks on arrays of the caller, in every orientation, shape and order: against NumPy written out."""

import pickle
from itertools import pairwise

import numpy as np
import pytest

import fastbp
from fastbp.callbacks import EarlyStopping

SIZES = [5, 7, 3]
BIASES = {"(n,)": lambda n: (n,), "(1, n)": lambda n: (1, n), "(n, 1)": lambda n: (n, 1), "none": None}


def arrays(columns=False, shape="(n,)", order="C", dtype=np.float64, sizes=SIZES):
    rng = np.random.default_rng(3)
    layers = list(pairwise(sizes))
    W = [rng.normal(0, 0.5, (n_out, n_in) if columns else (n_in, n_out)) for n_in, n_out in layers]
    W = [np.array(w, dtype=dtype, order=order) for w in W]
    if BIASES[shape] is None:
        return W, None
    return W, [rng.normal(0, 0.5, BIASES[shape](n_out)).astype(dtype) for _, n_out in layers]


def samples(m=12, dtype=np.float64):
    rng = np.random.default_rng(4)
    return rng.normal(size=(m, SIZES[0])).astype(dtype), rng.integers(0, SIZES[-1], m)


def by_hand(W, b, X, labels, rows, batch, rate, columns=False):
    """Tanh, softmax, cross-entropy: plain gradient descent on copies."""
    W = [(w.T if columns else w).astype(np.float64).copy() for w in W]
    b = None if b is None else [v.reshape(-1).astype(np.float64).copy() for v in b]
    for k in range(0, len(rows), batch):
        part = rows[k : k + batch]
        x, y = X[part].astype(np.float64), np.eye(SIZES[-1])[labels[part]]
        z = x @ W[0] + (0 if b is None else b[0])
        a = np.tanh(z)
        z = a @ W[1] + (0 if b is None else b[1])
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        delta = (p - y) / len(part)
        back = delta @ W[1].T * (1 - a * a)
        W[0] -= rate * x.T @ back
        W[1] -= rate * a.T @ delta
        if b is not None:
            b[0] -= rate * back.sum(0)
            b[1] -= rate * delta.sum(0)
    return [w.T if columns else w for w in W], b


def bound(W, b, columns=False, **more):
    return fastbp.bind(W, b, activation="tanh", output="softmax", loss="cross_entropy", columns=columns, **more)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", BIASES)
@pytest.mark.parametrize("columns", [False, True])
def test_arrays_are_trained_where_they_lie(columns, shape, order, dtype):
    W, b = arrays(columns, shape, order, dtype)
    X, labels = samples(dtype=dtype)
    rows = np.array([3, 3, 0, 11, 7, 2, 5, 5, 9, 1])
    expected_W, expected_b = by_hand(W, b, X, labels, rows, 4, 0.3, columns)
    trainer = fastbp.Trainer(bound(W, b, columns), fastbp.SGD(0.3), batch_size=4)
    trainer.train_rows(X.T if columns else X, labels, rows)
    tolerance = 1e-10 if dtype == np.float64 else 1e-5
    for found, expected in zip(W, expected_W, strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    for found, expected in zip(b or (), expected_b or (), strict=True):
        np.testing.assert_allclose(found.ravel(), expected, rtol=tolerance, atol=tolerance)


def test_single_steps_and_a_fit_are_the_same():
    X, labels = samples()
    one, other = arrays(), arrays()
    trainer = fastbp.Trainer(bound(*one), fastbp.SGD(0.3), batch_size=4)
    for k in range(0, 12, 4):
        trainer.step(X[k : k + 4], labels[k : k + 4])
    fastbp.Trainer(bound(*other), fastbp.SGD(0.3), batch_size=4, shuffle=False).fit(X, labels, epochs=1)
    for a, b in zip([*one[0], *one[1]], [*other[0], *other[1]], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_momentum_moves_no_bias_where_there_is_none():
    W, _ = arrays(shape="none")
    X, labels = samples()
    net = bound(W, None)
    fastbp.Trainer(net, "adam", batch_size=4, rng=0, clip_value=0.1, l2=0.1).fit(X, labels, epochs=3)
    assert net.biases == (None, None)
    plain = net.copy()
    assert all((b == 0).all() for b in plain.biases)
    assert net.backprop(X, labels).biases == []
    assert fastbp.check_gradients(net, X, labels)


def test_flat_parameters_make_no_bias_where_there_is_none():
    W, _ = arrays(shape="none")
    X, _ = samples()
    net = bound(W, None)
    expected, flat = net.forward(X), net.parameters
    assert (flat == 0.0).sum() == sum(SIZES[1:])
    flat[flat == 0.0] = 1.0
    np.testing.assert_array_equal(net.forward(X), expected)
    assert all((b == 0).all() for b in net.copy().biases)


def test_what_the_caller_writes_counts_at_the_next_call():
    W, b = arrays()
    X, _ = samples()
    net = bound(W, b)
    net.forward(X)
    W[0][...] = 0.0
    b[0][...] = 0.0
    p = np.exp(b[1]) / np.exp(b[1]).sum()
    np.testing.assert_allclose(net.forward(X), np.tile(p, (12, 1)), rtol=1e-12)
    assert net.weights[0] is W[0]
    assert net.biases[1] is b[1]


def test_flat_parameters_reach_the_arrays():
    W, b = arrays(columns=True, shape="(n, 1)")
    X, labels = samples()
    net = bound(W, b, columns=True)
    best = net.parameters.copy()
    net.parameters[...] = 0.25
    net.forward(X.T)
    assert (W[0] == 0.25).all()
    assert (b[1] == 0.25).all()
    net.parameters[...] = best
    twin_W, twin_b = arrays(columns=True, shape="(n, 1)")
    twin = fastbp.Trainer(bound(twin_W, twin_b, columns=True), fastbp.SGD(0.3), batch_size=4, rng=0)
    twin.fit(X.T, labels, epochs=1)
    stopping = EarlyStopping(monitor="loss", mode="max", patience=1)  # gives the first epoch's parameters back
    trainer = fastbp.Trainer(net, fastbp.SGD(0.3), batch_size=4, rng=0)
    trainer.fit(X.T, labels, epochs=5, callbacks=[stopping])
    np.testing.assert_array_equal(W[0], twin_W[0])
    np.testing.assert_array_equal(b[1], twin_b[1])


def test_other_functions_take_a_bound_network():
    W, b = arrays(columns=True, shape="(n, 1)")
    X, labels = samples()
    net = bound(W, b, columns=True)
    assert fastbp.check_gradients(net, X.T, labels)
    gradients = net.backprop(X.T, labels)
    assert [g.shape for g in gradients.weights] == [w.shape for w in W]
    assert [g.shape for g in gradients.biases] == [v.shape for v in b]
    assert net.forward(X.T).shape == (3, 12)
    assert net.predict(X.T).shape == (12,)
    before = net.loss(X.T, labels)
    pytest.importorskip("scipy")
    fastbp.fit_lbfgs(net, X.T, labels, max_iter=5)
    h = np.tanh(W[0] @ X.T + b[0])
    z = W[1] @ h + b[1]
    loss = np.mean(np.log(np.exp(z).sum(0)) - z[labels, np.arange(12)])
    assert loss < before
    np.testing.assert_allclose(net.loss(X.T, labels), loss, rtol=1e-12)


def test_copies_and_pickles_are_networks_of_their_own(tmp_path):
    W, b = arrays(columns=True, shape="(n, 1)")
    X, _ = samples()
    net = bound(W, b, columns=True)
    expected = net.forward(X.T).T
    net.save(tmp_path / "net.safetensors")
    twins = [net.copy(), pickle.loads(pickle.dumps(net)), fastbp.load(tmp_path / "net.safetensors")]
    W[0][...] = 0.0
    for twin in twins:
        np.testing.assert_allclose(twin.forward(X), expected, rtol=1e-13)


@pytest.mark.parametrize(("weights", "biases", "message"), [
    ([[1.0]], None, r"weights\[0\] is list, expected an ndarray"),
    ([np.ones((2, 3), int)], None, r"weights\[0\] is int64, expected"),
    ([np.ones((2, 3)), np.ones((2, 3))], None, r"weights\[0\] gives 3 neurons and weights\[1\] takes 2"),
    ([np.ones((2, 3))], [np.ones(2)], r"biases\[0\] has shape \(2,\), expected \(3,\)"),
    ([np.ones((2, 3)), np.ones((3, 1))], [np.ones(3), None], r"biases\[1\] is None"),
    ([np.ones((2, 3))], [], "biases has 0 entries"),
    ([np.broadcast_to(1.0, (2, 3))], None, r"weights\[0\] is read-only"),
    ([], None, "weights is of type list"),
])
def test_what_cannot_be_bound_is_named(weights, biases, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fastbp.bind(weights, biases)


def test_one_array_as_two_parameters_is_refused():
    W = np.ones((3, 3))
    with pytest.raises(ValueError, match="share memory"):
        fastbp.bind([W, W])


def test_rows_are_checked():
    trainer = fastbp.Trainer(bound(*arrays()), batch_size=4)
    X, labels = samples()
    with pytest.raises(ValueError, match=r"rows\[1\] is 12, expected rows 0\.\.11"):
        trainer.train_rows(X, labels, [0, 12])
    with pytest.raises(TypeError, match="rows holds float64"):
        trainer.train_rows(X, labels, [0.0, 1.0])
    with pytest.raises(ValueError, match=r"rows has shape \(0,\)"):
        trainer.train_rows(X, labels, np.empty(0, int))


def test_l_bfgs_is_refused_where_there_are_no_biases():
    W, _ = arrays()
    with pytest.raises(ValueError, match="the network has no biases"):
        fastbp.fit_lbfgs(bound(W, None), *samples())


def test_rows_where_samples_are_columns_are_named_by_their_own_shape():
    net = fastbp.bind([np.ones((2, 3))], [np.ones((2, 1))], output="identity", loss="quadratic", columns=True)
    X, Y = np.ones((9, 3)), np.ones((9, 2))
    text = r"X has shape \(9, 3\), expected \(3, n_samples\), as columns=True has it; `numpy.transpose\(X\)` turns rows"
    for call in (lambda: net.forward(X), lambda: net.backprop(X, Y), lambda: fastbp.Trainer(net).step(X, Y),
                 lambda: fastbp.Trainer(net).fit(X, Y, epochs=1)):
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(ValueError, match=r"Y has shape \(9, 2\), expected \(2, n_samples\)"):
        net.backprop(X.T, Y)


@pytest.mark.filterwarnings("ignore:Setting the shape")
@pytest.mark.parametrize("columns", [False, True])
def test_arrays_that_get_another_shape_are_trained_as_they_were(columns):
    found = []
    for reshaped in (True, False):
        W, b = arrays(columns, "(n,)")
        net = fastbp.bind(W, b, columns=columns)
        if reshaped:
            W[0].shape, b[0].shape = (35,), (7, 1)
        X, y = samples()
        fastbp.Trainer(net, rng=0).fit(X.T if columns else X, y, epochs=2)
        found.append([array.ravel() for array in (*W, *b)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
