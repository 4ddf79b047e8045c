"""Functions on columns: their numbers, what is computed only when looked at, and models trained by the kernels."""

import pickle
import re

import numpy as np
import pytest
from processes import run_python

from fastbp.compat import _columns
from fastbp.compat import dnn_app_utils as dnn
from fastbp.compat import planar_utils as planar

RNG = np.random.default_rng(8)
X, Y = RNG.normal(size=(6, 40)), RNG.integers(0, 2, (1, 40))


def logistic(z):
    return 1 / (1 + np.exp(-z))


def by_hand(p, hidden, rate, iterations):
    """Hidden layers of relu or tanh and a sigmoid; costs and parameters."""
    L, m, costs = len(p) // 2, X.shape[1], []
    for _ in range(iterations):
        A = [X]
        for l in range(1, L + 1):
            z = p[f"W{l}"] @ A[-1] + p[f"b{l}"]
            A.append(logistic(z) if l == L else np.tanh(z) if hidden == "tanh" else np.maximum(z, 0))
        costs.append(-(Y * np.log(A[-1]) + (1 - Y) * np.log(1 - A[-1])).sum() / m)
        dz = A[-1] - Y
        for l in range(L, 0, -1):
            dW, db = dz @ A[l - 1].T / m, dz.sum(1, keepdims=True) / m
            if l > 1:
                dz = p[f"W{l}"].T @ dz * ((1 - A[l - 1] ** 2) if hidden == "tanh" else (A[l - 1] > 0))
            p = {**p, f"W{l}": p[f"W{l}"] - rate * dW, f"b{l}": p[f"b{l}"] - rate * db}
    return costs, p


def same(found, expected):
    assert list(found) == [f"{kind}{l}" for l in range(1, len(found) // 2 + 1) for kind in "Wb"]
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-11)


def costs_in(text):
    return [float(cost) for cost in re.findall(r": (\S+)$", text, re.MULTILINE)]


@pytest.mark.parametrize("sizes", [[6, 5, 4, 1], [6, 5, 1]])
def test_models_of_the_deep_week_give_the_numbers_of_numpy(engine, runs, sizes, capsys):
    costs, expected = by_hand(dnn.initialize_parameters_deep(sizes), "relu", 0.3, 350)
    same(dnn.L_layer_model(X, Y, sizes, 0.3, 350, print_cost=True), expected)
    np.testing.assert_allclose(costs_in(capsys.readouterr().out), np.array(costs)[::100], atol=5.1e-7)
    assert len(runs) > 1 if engine == "kernels" else not runs  # the trial is the first


def test_the_two_layer_model_gives_the_numbers_of_numpy(engine, runs, capsys):
    costs, expected = by_hand(dnn.initialize_parameters(6, 5, 1), "relu", 0.3, 201)
    same(dnn.two_layer_model(X, Y, (6, 5, 1), 0.3, 201, print_cost=True), expected)
    np.testing.assert_allclose(costs_in(capsys.readouterr().out), np.array(costs)[::100], rtol=1e-10)
    assert len(runs) > 1 if engine == "kernels" else not runs  # the trial is the first


def test_the_planar_model_gives_the_numbers_of_numpy(engine, runs, capsys):
    costs, expected = by_hand(planar.initialize_parameters(6, 4, 1), "tanh", 1.2, 1500)
    found = planar.nn_model(X, Y, 4, 1500, print_cost=True)
    same(found, expected)
    np.testing.assert_allclose(costs_in(capsys.readouterr().out), np.array(costs)[::1000], atol=5.1e-7)
    assert len(runs) > 1 if engine == "kernels" else not runs  # the trial is the first
    p = planar.predict(found, X)
    assert p.shape == (1, 40)
    assert p.dtype == bool


def test_pieces_are_those_of_the_course():
    p = dnn.initialize_parameters_deep([6, 5, 1])
    np.random.seed(1)
    np.testing.assert_array_equal(p["W1"], np.random.randn(5, 6) / np.sqrt(6))
    AL, caches = dnn.L_model_forward(X, p)
    grads = dnn.L_model_backward(AL, Y, caches)
    m = X.shape[1]
    Z1 = p["W1"] @ X
    A1 = np.maximum(Z1, 0)
    dz2 = AL - Y
    dz1 = p["W2"].T @ dz2 * (Z1 > 0)
    expected = {"dA1": p["W2"].T @ dz2, "dW2": dz2 @ A1.T / m, "db2": dz2.sum(1, keepdims=True) / m,
                "dA0": p["W1"].T @ dz1, "dW1": dz1 @ X.T / m, "db1": dz1.sum(1, keepdims=True) / m}
    assert set(grads) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(grads[name], value, rtol=1e-9, atol=1e-14)
    dA, dW, _ = dnn.linear_activation_backward(expected["dA1"], caches[0], "relu")
    np.testing.assert_allclose(dA, expected["dA0"], rtol=1e-10)
    np.testing.assert_allclose(dW, expected["dW1"], rtol=1e-10, atol=1e-14)
    cost = dnn.compute_cost(AL, Y)
    assert cost.shape == ()
    old = p["W1"]
    updated = dnn.update_parameters(p, grads, 0.1)
    assert updated is p
    assert p["W1"] is not old


def test_the_gradient_of_the_inputs_is_computed_when_it_is_looked_at(monkeypatch):
    p = dnn.initialize_parameters_deep([6, 5, 1])
    AL, caches = dnn.L_model_forward(X, p)
    calls = []
    dot = np.dot
    monkeypatch.setattr(np, "dot", lambda a, b: calls.append(a.shape) or dot(a, b))
    grads = dnn.L_model_backward(AL, Y, caches)
    assert (6, 5) not in calls
    dnn.update_parameters(dict(p), grads, 0.1)
    assert (6, 5) not in calls
    assert "dA0" in grads
    assert grads["dA0"].shape == (6, 40)
    assert calls[-1] == (6, 5)
    grads["dA0"]
    assert calls.count((6, 5)) == 1


def test_a_dict_with_a_value_for_later_is_a_dict():
    def made():
        return _columns.LaterDict([("a", 1)], {"b": lambda: 2})

    assert made() == {"a": 1, "b": 2}
    assert {**made()} == {"a": 1, "b": 2}
    assert dict(made()) == {"a": 1, "b": 2}
    assert len(made()) == 2
    assert sorted(made().items()) == [("a", 1), ("b", 2)]
    assert sorted(made().values()) == [1, 2]
    assert made().get("b") == 2
    assert made().get("c", 3) == 3
    assert made().pop("b") == 2
    assert made().copy() == {"a": 1, "b": 2}
    popped = made()
    popped.pop("b")
    assert "b" not in popped
    assert popped == {"a": 1}
    assert repr(made()) == "{'a': 1, 'b': 2}"
    assert pickle.loads(pickle.dumps(made())) == {"a": 1, "b": 2}
    with pytest.raises(KeyError):
        made()["c"]
    grads = made()
    assert grads | {"c": 3} == {"c": 3} | made() == {"a": 1, "b": 2, "c": 3}
    del grads["b"]
    assert grads == {"a": 1}
    assert made().setdefault("b", 5) == 2
    assert made().setdefault("c", 5) == 5
    assert made().popitem() == ("b", 2)
    cleared = made()
    cleared.clear()
    assert cleared == {}


def test_outputs_of_exactly_1_go_the_numpy_way(monkeypatch, kernels):
    """δ of the course is not finite there: the parameters become NaN, as in NumPy."""
    with np.errstate(all="ignore"):
        found = dnn.L_layer_model(1e3 * X, Y, [6, 5, 1], learning_rate=5.0, num_iterations=60)
        monkeypatch.setattr("fastbp.compat._core.WORTH_STARTING", np.inf)
        monkeypatch.setattr("fastbp.compat._core.WORTH_IMPORTING", np.inf)
        expected = dnn.L_layer_model(1e3 * X, Y, [6, 5, 1], learning_rate=5.0, num_iterations=60)
    assert np.isnan(expected["W2"]).any()
    for name, value in expected.items():
        np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(value))


def test_parameters_are_of_the_type_that_numpy_gives_them(kernels):
    X, Y = np.random.default_rng(0).normal(size=(3, 9)).astype(np.longdouble), np.arange(9)[np.newaxis] % 2
    assert planar.nn_model(X, Y, 4, num_iterations=6)["W1"].dtype == np.longdouble


@pytest.mark.parametrize(("name", "limit"), [("_ONE", -1e9), ("_ZERO", 1e9)])
def test_what_the_kernels_did_up_to_a_saturated_output_is_taken_back(monkeypatch, kernels, runs, name, limit):
    monkeypatch.setattr(_columns, name, limit)
    found = dnn.L_layer_model(X, Y, [6, 5, 1], 0.3, 60)
    assert len(runs) == 2  # the trial, and one call
    expected = dnn.initialize_parameters_deep([6, 5, 1])
    for _ in range(60):
        AL, caches = dnn.L_model_forward(X, expected)
        dnn.update_parameters(expected, dnn.L_model_backward(AL, Y, caches), 0.3)
    for one, value in expected.items():
        np.testing.assert_array_equal(found[one], value)


def test_images_are_laid_out_for_many_updates_and_give_the_same():
    wide, few = RNG.normal(size=(60_000, 20)), RNG.normal(size=(6, 20))
    assert _columns.laid_out(wide, 100).flags.f_contiguous
    assert _columns.laid_out(wide, 5) is wide
    assert _columns.laid_out(few, 100) is few
    labels = RNG.integers(0, 2, (1, 20))
    found = dnn.L_layer_model(wide, labels, [60_000, 3, 1], 0.01, 21)
    expected = dnn.initialize_parameters_deep([60_000, 3, 1])
    for _ in range(21):
        AL, caches = dnn.L_model_forward(wide, expected)
        dnn.update_parameters(expected, dnn.L_model_backward(AL, labels, caches), 0.01)
    same(found, expected)


def test_predict_prints_the_accuracy(capsys):
    p = dnn.initialize_parameters_deep([6, 5, 1])
    labels = dnn.predict(X, Y, p)
    AL, _ = dnn.L_model_forward(X, p)
    np.testing.assert_array_equal(labels, AL > 0.5)
    assert float(capsys.readouterr().out.split(": ")[1]) == pytest.approx(np.mean(labels == Y))


def test_a_star_import_brings_what_the_course_brings_and_loads_nothing():
    code = """
import sys
from fastbp.compat.dnn_app_utils import *
parameters = L_layer_model(np.eye(3), np.array([[0, 1, 1]]), [3, 2, 1], num_iterations=5)
print(*({"matplotlib", "h5py", "numba"} & set(sys.modules)), np.__name__, plt is not None, h5py is not None)
"""
    assert run_python(code).split() == ["numpy", "True", "True"]


def test_the_flower_is_the_courses():
    flower, labels = planar.load_planar_dataset()
    np.random.seed(1)
    angle = np.linspace(0, 3.12, 200) + np.random.randn(200) * 0.2
    radius = 4 * np.sin(4 * angle) + np.random.randn(200) * 0.2
    np.testing.assert_array_equal(flower[:, :200], [radius * np.sin(angle), radius * np.cos(angle)])
    assert labels.sum() == 200
    pytest.importorskip("sklearn")
    assert [len(one[0]) for one in planar.load_extra_datasets()] == [200] * 5
