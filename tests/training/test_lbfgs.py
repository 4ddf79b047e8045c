"""L-BFGS finds minima that are known, in both implementations."""

import sys

import numpy as np
import pytest
from networks import make_data, make_network, make_samples

from fastbp.lbfgs import fit_lbfgs

pytest.importorskip("scipy")


@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_linear_network_reaches_the_solution_of_the_normal_equations(implementation, l2, weighted):
    net = make_network(implementation, [3, 2], output="identity", loss="quadratic")
    X, Y = make_data(net, 20)
    v = np.linspace(0.5, 2.0, 20) if weighted else np.ones(20)
    history = fit_lbfgs(net, X, Y, l2=l2, tol=1e-10, sample_weight=v if weighted else None)
    A = np.column_stack([X, np.ones(20)])
    expected = np.linalg.solve(A.T @ (v[:, None] * A) / 20 + l2 * np.diag([1, 1, 1, 0]), A.T @ (v[:, None] * Y) / 20)
    assert np.allclose(net.weights[0].T, expected[:3], rtol=0, atol=1e-8)
    assert np.allclose(net.biases[0], expected[3], rtol=0, atol=1e-8)
    assert history.loss[-1] == pytest.approx(net.loss(X, Y, v), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_classifier_ends_where_the_gradient_vanishes(implementation, dtype):
    net = make_network(implementation, [3, 6, 2], dtype=dtype)
    X, Y = make_samples(40)
    before = net.loss(X, Y)
    history = fit_lbfgs(net, X, Y, l2=0.05, max_iter=500)
    exact = net.copy(np.float64)
    gradient = exact.backprop(X, Y)
    for l, W in enumerate(exact.weights):
        gradient.weights[l][:] += 0.05 * W
    assert np.abs(gradient.flat).max() < 2e-5
    assert history.loss[-1] < before
    assert len(history.seconds) == len(history.loss) < 500


def test_max_iter_ends_it_and_bad_arguments_change_nothing(implementation):
    net = make_network(implementation, [3, 6, 2])
    X, Y = make_samples()
    before = net.parameters.copy()
    for arguments in ({"l2": -1.0}, {"max_iter": 0}, {"tol": "a"}, {"sample_weight": [1.0]}):
        with pytest.raises((TypeError, ValueError), match=f"^{next(iter(arguments))}"):
            fit_lbfgs(net, X, Y, **arguments)
    net.parameters[0] = np.nan
    with pytest.raises(FloatingPointError, match="the loss is nan at the start of L-BFGS"):
        fit_lbfgs(net, X, Y)
    net.parameters[0] = before[0]
    assert np.array_equal(net.parameters, before)
    assert len(fit_lbfgs(net, X, Y, max_iter=3).loss) == 3


def test_without_scipy_it_says_what_to_install(implementation, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match="fit_lbfgs needs SciPy: pip install scipy"):
        fit_lbfgs(make_network(implementation, [3, 2]), *make_samples())
