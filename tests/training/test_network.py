"""Networks against the equations: naive loops, finite differences, examples by hand, and numbers at the edges."""

import copy
import math
import pickle

import naive
import numpy as np
import pytest
from networks import (
    ACTIVATIONS,
    ALL_PAIRS,
    PAIRS,
    SHAPES,
    as_lists,
    flatten,
    make_data,
    make_labels,
    make_network,
    relative_error,
)

import fastbp.reference
from fastbp.activations import ACTIVATIONS as ALL_ACTIVATIONS
from fastbp.optimizers import SGD

ROUNDING = {np.float32: 2e-5, np.float64: 1e-12}
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


# ------------------------------------------------------------------ the equations, loop by loop
@pytest.mark.parametrize(("sizes", "m"), SHAPES, ids=str)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@dtypes
def test_forward_loss_and_backprop_equal_the_naive_loops(implementation, dtype, activation, output, loss, sizes, m):
    net = make_network(implementation, sizes, activation, output, loss, dtype)
    X, Y = make_data(net, m)
    W, b, names = as_lists(net)
    before = net.parameters.copy()
    assert relative_error(net.forward(X), naive.forward(X.tolist(), W, b, names)[1][-1]) < ROUNDING[dtype]
    assert net.loss(X, Y) == pytest.approx(naive.cost(X.tolist(), Y.tolist(), W, b, names, loss), rel=ROUNDING[dtype])
    gradients = net.backprop(X, Y)
    expected = flatten(*naive.gradients(X.tolist(), Y.tolist(), W, b, names, loss))
    assert relative_error(gradients.flat, expected) < ROUNDING[dtype]
    assert np.array_equal(net.parameters, before)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_minibatches_with_a_ragged_last_one_equal_the_naive_loops(implementation, output, loss):
    net = make_network(implementation, [5, 3, 4, 2], "sigmoid", output, loss)
    X, Y = make_data(net, 11)
    W, b, names = as_lists(net)
    trainer = implementation.Trainer(net, SGD(0.3), batch_size=4, rng=7)
    trainer.fit(X, Y, epochs=3)
    rng = np.random.default_rng(7)
    for _ in range(3):
        rows = rng.permutation(11)
        for batch in (rows[:4], rows[4:8], rows[8:]):
            naive.sgd(W, b, *naive.gradients(X[batch].tolist(), Y[batch].tolist(), W, b, names, loss), 0.3)
    assert relative_error(net.parameters, flatten(W, b)) < 1e-12


def test_naive_gradients_equal_finite_differences_of_the_naive_cost():
    h = 1e-6
    for output, loss in PAIRS:
        net = make_network(fastbp.reference, [3, 2, 3], "tanh", output, loss)
        X, Y = (array.tolist() for array in make_data(net, 4))
        W, b, names = as_lists(net)
        dW, db = naive.gradients(X, Y, W, b, names, loss)
        for place, gradient in [(W[l][i], dW[l][i]) for l in (1, 2) for i in range(len(W[l]))] + [(b[2], db[2])]:
            for j, w in enumerate(list(place)):
                place[j] = w + h
                above = naive.cost(X, Y, W, b, names, loss)
                place[j] = w - h
                below = naive.cost(X, Y, W, b, names, loss)
                place[j] = w
                assert gradient[j] == pytest.approx((above - below) / (2 * h), rel=1e-6, abs=1e-8)


# ------------------------------------------------------------------ the systems by hand
def test_3_4_2_network_with_quadratic_cost_equals_the_chain_rule_by_hand(implementation):
    net = make_network(implementation, [3, 4, 2], "sigmoid", "sigmoid", "quadratic")
    x, t = [0.5, -1.0, 2.0], [1.0, 0.0]
    W1, W2 = net.weights
    b1, b2 = net.biases

    def sigma(z):
        return 1.0 / (1.0 + math.exp(-z))

    h1 = sigma(W1[0, 0] * x[0] + W1[0, 1] * x[1] + W1[0, 2] * x[2] + b1[0])
    h2 = sigma(W1[1, 0] * x[0] + W1[1, 1] * x[1] + W1[1, 2] * x[2] + b1[1])
    h3 = sigma(W1[2, 0] * x[0] + W1[2, 1] * x[1] + W1[2, 2] * x[2] + b1[2])
    h4 = sigma(W1[3, 0] * x[0] + W1[3, 1] * x[1] + W1[3, 2] * x[2] + b1[3])
    o1 = sigma(W2[0, 0] * h1 + W2[0, 1] * h2 + W2[0, 2] * h3 + W2[0, 3] * h4 + b2[0])
    o2 = sigma(W2[1, 0] * h1 + W2[1, 1] * h2 + W2[1, 2] * h3 + W2[1, 3] * h4 + b2[1])
    delta1, delta2 = (o1 - t[0]) * o1 * (1 - o1), (o2 - t[1]) * o2 * (1 - o2)
    delta_h3 = (W2[0, 2] * delta1 + W2[1, 2] * delta2) * h3 * (1 - h3)

    gradients = net.backprop([x], [t])
    assert net.loss([x], [t]) == pytest.approx(0.5 * ((o1 - t[0]) ** 2 + (o2 - t[1]) ** 2), rel=1e-13)
    assert gradients.weights[1][1, 3] == pytest.approx(delta2 * h4, rel=1e-12)
    assert gradients.biases[1][0] == pytest.approx(delta1, rel=1e-12)
    assert gradients.weights[0][2, 1] == pytest.approx(delta_h3 * x[1], rel=1e-12)
    assert gradients.biases[0][2] == pytest.approx(delta_h3, rel=1e-12)

    w, alpha = W1[2, 1], 0.7
    implementation.Trainer(net, SGD(alpha)).step([x], [t])
    assert W1[2, 1] == pytest.approx(w - alpha * delta_h3 * x[1], rel=1e-12)


@pytest.mark.parametrize("g", ACTIVATIONS)
def test_two_layers_with_samples_as_columns_equal_the_matrix_form(implementation, g):
    net = make_network(implementation, [3, 5, 1], g, "sigmoid", "cross_entropy")
    X, Y = make_data(net, 8)
    W1, b1, W2, b2 = (array.copy() for array in (net.weights[0], net.biases[0][:, None], net.weights[1], net.biases[1]))
    trainer = implementation.Trainer(net, SGD(0.5), batch_size=8, shuffle=False)
    A0, T, m = X.T, Y.T, 8
    for _ in range(10):
        Z1 = W1 @ A0 + b1
        A1 = ALL_ACTIVATIONS[g].function(Z1)
        A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
        J = -np.sum(T * np.log(A2) + (1 - T) * np.log(1 - A2)) / m
        assert trainer.step(X, Y) == pytest.approx(J, rel=1e-12)
        dZ2 = A2 - T
        dZ1 = W2.T @ dZ2 * ALL_ACTIVATIONS[g].derivative(Z1, A1)
        W2 -= 0.5 / m * dZ2 @ A1.T
        b2 -= 0.5 / m * dZ2.sum()
        W1 -= 0.5 / m * dZ1 @ A0.T
        b1 -= 0.5 / m * dZ1.sum(axis=1, keepdims=True)
    expected = np.concatenate([W1.ravel(), b1.ravel(), W2.ravel(), b2.ravel()])
    assert relative_error(net.parameters, expected) < 1e-12


@pytest.mark.parametrize(
    ("sizes", "output"), [([4, 3, 5, 2, 3], "sigmoid"), ([2, 6, 1], "sigmoid"), ([3, 4], "softmax")]
)
def test_general_and_special_form_of_the_output_delta_agree(implementation, sizes, output):
    net = make_network(implementation, sizes, "sigmoid", output, "cross_entropy")
    X, Y = make_data(net, 6)
    W, b, names = as_lists(net)
    z, a = naive.forward(X.tolist(), W, b, names)
    general = [naive.delta_L(z[-1][s], a[-1][s], Y[s], output, "cross_entropy") for s in range(6)]
    special = [naive.delta_L_special(a[-1][s], Y[s]) for s in range(6)]
    assert relative_error(general, special) < 1e-12
    # ∂C/∂b_i^L = 1/m Σ_s δ_si shows δ^L of the network itself
    assert relative_error(net.backprop(X, Y).biases[-1], np.mean(special, axis=0)) < 1e-12


# ------------------------------------------------------------------ targets, labels, weights
@pytest.mark.parametrize(("output", "n_outputs"), [("softmax", 4), ("softmax", 2), ("sigmoid", 3), ("sigmoid", 1)])
@dtypes
def test_labels_mean_rows_of_zeros_with_a_one(implementation, dtype, output, n_outputs):
    net = make_network(implementation, [3, 5, n_outputs], "tanh", output, "cross_entropy", dtype)
    X, _ = make_data(net, 7)
    binary = output == "sigmoid" and n_outputs == 1
    labels = make_labels(7, 2 if binary else n_outputs)
    Y = labels[:, None] if binary else np.eye(n_outputs)[labels]
    assert net.loss(X, labels) == net.loss(X, Y)
    assert np.array_equal(net.backprop(X, labels).flat, net.backprop(X, Y).flat)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@dtypes
def test_a_sample_weight_counts_like_that_many_copies(implementation, dtype, output, loss):
    net = make_network(implementation, [3, 4, 2], "tanh", output, loss, dtype)
    X, Y = make_data(net, 5)
    weight = [2, 0, 1, 3, 1]
    copies = np.repeat(np.arange(5), weight)
    share = len(copies) / 5  # C is a mean over the samples, and there are more copies than samples
    assert net.loss(X, Y, weight) == pytest.approx(share * net.loss(X[copies], Y[copies]), rel=ROUNDING[dtype])
    expected = share * net.backprop(X[copies], Y[copies]).flat
    assert relative_error(net.backprop(X, Y, weight).flat, expected) < ROUNDING[dtype]


@pytest.mark.parametrize(
    ("output", "loss", "X", "expected"),
    [
        ("sigmoid", "cross_entropy", [[-1.0], [0.1]], [0, 1]),
        ("identity", "hinge", [[-0.1], [0.1]], [0, 1]),
        ("identity", "quadratic", [[-0.5], [2.0]], [[-0.5], [2.0]]),
    ],
)
def test_predict_gives_labels_where_the_loss_takes_them_else_outputs(implementation, output, loss, X, expected):
    net = implementation.Network([1, 1], output=output, loss=loss, rng=0)
    net.parameters[:] = [1.0, 0.0]
    assert np.array_equal(net.predict(X), np.asarray(expected, net.predict(X).dtype))


def test_predict_gives_the_class_with_the_largest_output(implementation):
    net = make_network(implementation, [3, 4])
    X, _ = make_data(net, 20)
    assert np.array_equal(net.predict(X), net.forward(X).argmax(axis=1))
    assert net.predict(X).dtype == np.int64


# ------------------------------------------------------------------ numbers at the edges
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
@dtypes
def test_logits_of_1e4_give_exact_costs_and_deltas(implementation, dtype, output):
    net = implementation.Network([2, 2], output=output, dtype=dtype, rng=0)
    net.parameters[:] = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    X = [[1e4, -1e4], [-1e4, 1e4]]
    assert net.loss(X, [[1, 0], [0, 1]]) == 0.0
    assert net.loss(X, [[0, 1], [1, 0]]) == 2e4
    assert np.array_equal(net.backprop(X[:1], [[0, 1]]).biases[0], [1.0, -1.0])


@dtypes
def test_equal_logits_give_equal_shares(implementation, dtype):
    net = implementation.Network([1, 3], init="zeros", dtype=dtype)
    assert np.array_equal(net.forward([[5.0]]), np.full((1, 3), dtype(1) / dtype(3)))
    assert net.loss([[5.0]], [2]) == pytest.approx(math.log(3), rel=1e-6)


@dtypes
def test_one_sigmoid_equals_two_softmax_outputs(implementation, dtype):
    one = make_network(implementation, [3, 1], output="sigmoid", dtype=dtype)
    two = implementation.Network([3, 2], dtype=dtype)
    two.parameters[:] = 0.0
    two.weights[0][1], two.biases[0][1] = one.weights[0][0], one.biases[0][0]
    X, _ = make_data(one, 9)
    labels = make_labels(9, 2)
    assert one.loss(X, labels) == pytest.approx(two.loss(X, labels), rel=ROUNDING[dtype])
    dW_one, dW_two = one.backprop(X, labels).weights[0], two.backprop(X, labels).weights[0]
    assert relative_error(dW_one[0], dW_two[1]) < ROUNDING[dtype]


def test_float32_costs_are_summed_in_float64(implementation):
    net = implementation.Network([1, 1], output="identity", loss="quadratic", dtype=np.float32)
    net.parameters[:] = [1.0, 0.0]
    X = np.full((1_000_003, 1), 0.3, np.float32)
    cost = float(np.float32(0.5) * np.float32(0.3) * np.float32(0.3))
    assert net.loss(X, np.zeros_like(X)) == pytest.approx(cost, rel=1e-9)


def test_relu_has_slope_0_at_0(implementation):
    net = implementation.Network([1, 1], output="relu", loss="quadratic", init="zeros")
    assert np.array_equal(net.backprop([[1.0]], [[1.0]]).flat, [0.0, 0.0])


@pytest.mark.parametrize("sizes", [[1] * 1001, [3] + [1] * 50 + [2]], ids=["1000 layers", "50 layers"])
def test_deep_networks_of_width_1_work(implementation, sizes):
    net = implementation.Network(sizes, "identity", "identity", "quadratic", np.float64, rng=0)
    net.parameters[:] = 1.0
    net.weights[0][:], net.biases[0][:] = 0.0, 0.0
    X, Y, depth = np.zeros((2, sizes[0])), np.zeros((2, sizes[-1])), len(sizes) - 2.0
    assert np.array_equal(net.forward(X), np.full_like(Y, depth))
    assert np.array_equal(net.backprop(X, Y).biases[-1], np.full(sizes[-1], depth))


def test_subnormal_inputs_pass_through(implementation):
    net = implementation.Network([1, 1], output="identity", loss="quadratic", dtype=np.float32)
    net.parameters[:] = [1.0, 0.0]
    tiny = np.float32(1e-42)
    assert net.forward([[tiny]])[0, 0] == tiny


@pytest.mark.parametrize(("output", "loss"), ALL_PAIRS)
def test_float32_gradients_agree_with_float64(implementation, output, loss):
    net = make_network(implementation, [4, 6, 3], "gelu", output, loss)
    net.biases[-1][:] = [0.1, 0.2, 0.3]  # outputs between 0 and 1, for the logarithms
    net.weights[-1][:] *= 0.02
    X, Y = make_data(net, 9)
    gradient = net.backprop(X, Y).flat
    assert np.isfinite(gradient).all()
    assert relative_error(net.copy(np.float32).backprop(X, Y).flat, gradient) < 2e-5


# ------------------------------------------------------------------ parameters
def test_weights_and_biases_are_views_into_the_parameters(implementation):
    net = implementation.Network([2, 3, 1], output="sigmoid", rng=0)
    assert [W.shape for W in net.weights] == [(3, 2), (1, 3)]
    assert [b.shape for b in net.biases] == [(3,), (1,)]
    net.parameters[:] = np.arange(13)
    assert np.array_equal(net.weights[0], [[0, 1], [2, 3], [4, 5]])
    assert np.array_equal(net.biases[0], [6, 7, 8])
    before = net.forward([[1.0, 1.0]])
    net.biases[1][0] = -5000.0
    assert net.parameters[12] == -5000.0
    assert net.forward([[1.0, 1.0]]) != before
    with pytest.raises(AttributeError):
        net.parameters = np.zeros(13)
    with pytest.raises(TypeError):
        net.weights[0] = np.zeros((3, 2))


def test_one_seed_gives_one_network_in_both_precisions(implementation):
    nets = [implementation.Network([5, 4, 3], dtype=np.float64, rng=seed) for seed in (3, 3, 4)]
    assert np.array_equal(nets[0].parameters, nets[1].parameters)
    assert not np.array_equal(nets[0].parameters, nets[2].parameters)
    single = implementation.Network([5, 4, 3], dtype=np.float32, rng=3)
    assert np.array_equal(single.parameters, nets[0].parameters.astype(np.float32))
    twin = fastbp.reference.Network([5, 4, 3], dtype=np.float64, rng=3)
    assert np.array_equal(twin.parameters, nets[0].parameters)


@pytest.mark.parametrize("duplicate", [lambda net: pickle.loads(pickle.dumps(net)), copy.copy, copy.deepcopy])
def test_pickles_and_copies_are_networks_of_their_own(implementation, duplicate):
    net = make_network(implementation, [3, 4, 2], output="sigmoid", loss="quadratic", dtype=np.float32)
    X, Y = make_data(net, 5)
    twin = duplicate(net)
    assert repr(twin) == repr(net)
    assert np.array_equal(twin.forward(X), net.forward(X))
    twin.weights[0][:] = 0.0
    assert np.array_equal(twin.parameters[:12], np.zeros(12))
    assert net.weights[0].all()
    assert twin.loss(X, Y) != net.loss(X, Y)


def test_a_pickle_holds_the_parameters_once(implementation):
    net = implementation.Network([100, 100], rng=0)
    assert len(pickle.dumps(net)) < 1.2 * net.parameters.nbytes


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({}, "Network([3, 4, 2], activation='relu', output='softmax', loss='cross_entropy', dtype='float32')"),
        (
            {"sizes": [3, 4, 4, 2], "activation": ["tanh", "relu"], "loss": "hinge", "dtype": np.float64},
            "Network([3, 4, 4, 2], activation=['tanh', 'relu'], output='softmax', loss='hinge', dtype='float64')",
        ),
        ({"sizes": [3, 2]}, "Network([3, 2], output='softmax', loss='cross_entropy', dtype='float32')"),
    ],
)
def test_repr_is_the_call_that_makes_such_a_network(implementation, arguments, shown):
    net = implementation.Network(**{"sizes": [3, 4, 2], **arguments})
    assert repr(net) == shown
    assert repr(eval(shown, {"Network": implementation.Network})) == shown


def test_a_result_never_shares_memory_with_the_network_or_the_input(implementation):
    net = implementation.Network([2, 2], output="identity", loss="quadratic", rng=0)
    X = np.ones((3, 2), np.float32)
    first = net.forward(X)
    kept = first.copy()
    gradients = net.backprop(X, X)
    kept_gradient = gradients.flat.copy()
    net.forward(-X)
    net.backprop(-X, X)
    assert np.array_equal(first, kept)
    assert np.array_equal(gradients.flat, kept_gradient)
    assert not np.shares_memory(first, X)
    assert not np.shares_memory(gradients.flat, net.parameters)
