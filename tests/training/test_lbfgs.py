"""L-BFGS finds minima that are known, in both implementations."""

import pickle
import sys

import numpy as np
import pytest
from networks import make_data, make_network, make_samples

import fastbp
from fastbp.lbfgs import fit_lbfgs

scipy = pytest.importorskip("scipy")
pytest.importorskip("scipy.optimize")


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


def test_it_says_how_it_ended(implementation):
    net, (X, Y) = make_network(implementation, [3, 6, 2]), make_samples()
    short = fit_lbfgs(net, X, Y, l2=0.05, max_iter=3)
    assert (short.converged, short.n_iterations) == (False, 3)
    assert "ITERATIONS" in short.message
    whole = fit_lbfgs(net, X, Y, l2=0.05, max_iter=500)
    assert whole.converged
    assert "CONVERGENCE" in whole.message
    assert whole.n_evaluations >= whole.n_iterations == len(whole.loss) == len(whole["seconds"]) < 500
    assert list(whole.history) == ["loss", "seconds"]
    assert fit_lbfgs(net, X, Y, l2=0.05, tol=1e-3).n_iterations == 0
    again = pickle.loads(pickle.dumps(whole))
    assert (again == whole, again.message, again.converged) == (True, whole.message, True)
    assert len((whole + short).loss) == len(whole.loss) + 3


@pytest.mark.parametrize("after", [2, 9, 17])
def test_ctrl_c_keeps_the_iterations_so_far(implementation, monkeypatch, after):
    net, (X, Y) = make_network(implementation, [3, 6, 2], dtype=np.float32), make_samples()
    before, calls, backprop = net.parameters.copy(), [], implementation.Network._backprop

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == after:
            raise KeyboardInterrupt
        return backprop(*arguments)

    monkeypatch.setattr(implementation.Network, "_backprop", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        fit_lbfgs(net, X, Y, l2=0.05)
    history = caught.value.history
    assert (history.converged, history.message, history.n_evaluations) == (False, "interrupted", after - 1)
    if after == 2:
        assert np.array_equal(net.parameters, before)
    else:
        assert net.loss(X, Y) == pytest.approx(history.loss[-1], rel=1e-5)
        assert history.n_iterations == len(history.seconds) > 0


def test_numbers_that_are_not_finite_are_no_result(implementation, monkeypatch):
    net, (X, Y) = make_network(implementation, [3, 6, 2]), make_samples()
    calls, backprop = [], implementation.Network._backprop

    def overflowing(*arguments):
        calls.append(arguments)
        loss, gradient = backprop(*arguments)
        return (np.nan, gradient * np.nan) if len(calls) > 6 else (loss, gradient)

    monkeypatch.setattr(implementation.Network, "_backprop", overflowing)
    with pytest.raises(fastbp.DivergenceError, match="numbers that are not finite in float64"):
        fit_lbfgs(net, X, Y, l2=0.05)
    assert np.isfinite(net.parameters).all()


def test_an_iteration_beyond_float32_is_no_result(implementation, monkeypatch):
    net, (X, Y) = make_network(implementation, [3, 6, 2], dtype=np.float32), make_samples()

    def minimize(objective, start, callback, **_):
        objective(start)
        callback(start + 1.0)
        callback(start + 1e39)
        return scipy.optimize.OptimizeResult(fun=1.0, success=True, message="")

    monkeypatch.setattr(scipy.optimize, "minimize", minimize)
    before = net.parameters.copy()
    with pytest.raises(fastbp.DivergenceError, match="numbers that are not finite in float32"):
        fit_lbfgs(net, X, Y)
    assert np.array_equal(net.parameters, before + 1)


def test_without_scipy_it_says_what_to_install(implementation, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match="fit_lbfgs needs SciPy: pip install scipy"):
        fit_lbfgs(make_network(implementation, [3, 2]), *make_samples())
