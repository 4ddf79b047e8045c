"""The network that a caller's code is, found by its gradient or by its step."""

import numpy as np
import pytest

import fastbp

rng = np.random.default_rng(11)
X, T = rng.normal(size=(12, 4)), np.eye(3)[rng.integers(0, 3, 12)]
LABELS = T.argmax(1)


def logistic(z):
    return 1 / (1 + np.exp(-z))


def parameters():
    r = np.random.default_rng(5)
    return [r.normal(size=(4, 6)), r.normal(size=6), r.normal(size=(6, 3)), r.normal(size=3)]


def rows_softmax(p, scale=1.0, l2=0.0, relu=False):
    """Gradients of a network of rows, with a penalty of weights."""
    W1, b1, W2, b2 = p
    z1 = X @ W1 + b1
    a = np.maximum(z1, 0) if relu else logistic(z1)
    z = a @ W2 + b2
    delta = scale * (np.exp(z) / np.exp(z).sum(1, keepdims=True) - T) / len(X)
    back = delta @ W2.T * ((z1 > 0) if relu else a * (1 - a))
    return [X.T @ back + l2 * W1, back.sum(0), a.T @ delta + l2 * W2, delta.sum(0)]


def columns_sigmoid(p):
    W1, b1, W2, b2 = p
    a1 = np.tanh(W1 @ X.T + b1)
    a2 = logistic(W2 @ a1 + b2)
    dz2 = a2 - T.T
    dz1 = W2.T @ dz2 * (1 - a1**2)
    m = len(X)
    return [dz1 @ X / m, dz1.sum(1, keepdims=True) / m, dz2 @ a1.T / m, dz2.sum(1, keepdims=True) / m]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("scale", "l2"), [(1.0, 0.0), (12.0, 0.0), (1.0, 0.03), (2.0, 0.5)])
def test_scale_and_penalty_are_solved_for(relu, scale, l2):
    found = fastbp.find_binding(parameters(), X, LABELS, rows_softmax(parameters(), scale, l2, relu))
    assert found
    assert found.activation == ("relu" if relu else "sigmoid",)
    assert (found.output, found.loss) == ("softmax", "cross_entropy")
    assert not found.columns
    assert found.scale == pytest.approx(scale, rel=1e-9)
    assert found.l2 == pytest.approx(l2, abs=1e-9)


def test_a_step_in_place_is_taken_apart():
    p = parameters()

    def step():
        for array, g in zip(p, rows_softmax(p), strict=True):
            np.subtract(array, 0.3 * g, out=array)

    found = fastbp.find_binding(p, X, T, step)
    assert found.scale == pytest.approx(0.3, rel=1e-9)
    assert found.bind().weights[0] is p[0]


def test_columns_and_a_mapping():
    p = [w.T.copy() if w.ndim == 2 else w[:, None].copy() for w in parameters()]
    names = ("W1", "b1", "W2", "b2")
    grads = dict(zip(names, columns_sigmoid(p), strict=True))
    found = fastbp.find_binding(dict(zip(names, p, strict=True)), X.T, T.T, grads)
    assert found.columns
    assert (found.activation, found.output, found.loss) == (("tanh",), "sigmoid", "cross_entropy")
    assert "mean over the samples" in str(found)


def test_biases_may_come_after_or_before_all_matrices():
    p, g = parameters(), rows_softmax(parameters())
    for order in ([0, 2, 1, 3], [1, 3, 0, 2]):
        assert fastbp.find_binding([p[k] for k in order], X, T, [g[k] for k in order])


def test_where_no_network_fits_the_first_difference_is_told():
    p, g = parameters(), rows_softmax(parameters())
    g[2][5, 1] += 0.1
    found = fastbp.find_binding(p, X, T, g)
    assert not found
    assert "first difference in the weights of layer" in str(found)
    with pytest.raises(ValueError, match="no network gives these numbers"):
        found.bind()


def test_float32_is_compared_as_such():
    p = [array.astype(np.float32) for array in parameters()]
    g = [array.astype(np.float32) for array in rows_softmax(p)]
    assert fastbp.find_binding(p, X.astype(np.float32), T, g)


def test_shapes_that_fit_nothing_are_named():
    with pytest.raises(ValueError, match=r"do not take X of shape \(12, 4\)"):
        fastbp.find_binding([np.ones((5, 3))], X, T, [np.ones((5, 3))])
    with pytest.raises(ValueError, match="gradients have the shapes"):
        fastbp.find_binding([np.ones((4, 3))], X, T, [np.ones((3, 4))])


@pytest.mark.parametrize("kind", ["in place", "new arrays in a list", "new arrays in a dict"])
def test_a_step_in_place_or_of_new_arrays(kind):
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    given = [rng.normal(size=(3, 2)), rng.normal(size=2)]
    parameters = dict(zip(("W1", "b1"), given, strict=True)) if kind.endswith("dict") else given
    names = ("W1", "b1") if kind.endswith("dict") else (0, 1)

    def step():
        error = (X @ given[0] + given[1] - Y) / 12
        for name, gradient in zip(names, (X.T @ error, error.sum(0)), strict=True):
            if kind == "in place":
                parameters[name] -= 0.1 * gradient
            else:
                parameters[name] = parameters[name] - 0.1 * gradient

    found = fastbp.find_binding(parameters, X, Y, step)
    assert (found.found, found.output, found.loss) == (True, "identity", "quadratic")
    assert found.scale == pytest.approx(0.1)
    # the arrays that are there now are trained
    assert found.bind().weights[0] is parameters[names[0]]


def test_gradients_are_found_by_their_names():
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(12, 3)), rng.normal(size=(12, 3))
    W1, W2 = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    a = np.tanh(X @ W1)
    error = (a @ W2 - Y) / 12
    gradients = {"dW2": a.T @ error, "dW1": X.T @ (error @ W2.T * (1 - a**2))}
    found = fastbp.find_binding({"W1": W1, "W2": W2}, X, Y, gradients)
    assert found
    assert found.activation == ("tanh",)


def test_what_holds_no_parameters_is_named():
    X, Y, W = np.ones((5, 3)), np.ones((5, 2)), np.ones((3, 2))
    with pytest.raises(ValueError, match="the step changed none of the parameters"):
        fastbp.find_binding([W], X, Y, lambda: None)
    with pytest.raises(TypeError, match="parameters is of type list of list, expected a list or dict of ndarrays"):
        fastbp.find_binding([W.tolist()], X, Y, [W])
    for wrong in (None, "tanh", W.sum()):
        with pytest.raises(TypeError, match=r"gradients_or_step is of type .* or a function that makes a step"):
            fastbp.find_binding([W], X, Y, wrong)
    for kind in (object, complex, str):
        with pytest.raises(TypeError, match=r"array 0 of parameters is .*, expected real numbers"):
            fastbp.find_binding([W.astype(kind)], X, Y, [W])
        with pytest.raises(TypeError, match=r"array 0 of gradients_or_step is .*, expected real numbers"):
            fastbp.find_binding([W], X, Y, [W.astype(kind)])


def test_gradients_of_0_tell_nothing():
    p = parameters()
    with pytest.raises(ValueError, match="gradients_or_step holds nothing but 0"):
        fastbp.find_binding(p, X, T, [np.zeros_like(one) for one in p])
