"""The gradient check: it passes what is right, fails what is wrong, and says where."""

import numpy as np
import pytest
from networks import ACTIVATIONS, ALL_PAIRS, PAIRS, make_data, make_labels, make_network

from fastbp.activations import ACTIVATIONS as ALL_ACTIVATIONS
from fastbp.gradcheck import check_gradients


@pytest.mark.parametrize("hidden", [[], [4], [3, 5, 2]], ids=["1 layer", "2 layers", "4 layers"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_gradient_agrees_with_finite_differences(implementation, dtype, activation, output, loss, hidden):
    net = make_network(implementation, [3, *hidden, 2], activation, output, loss, dtype)
    before = net.parameters.copy()
    report = check_gradients(net, *make_data(net, 5))
    assert report, str(report)
    assert report.checked == report.total == net.parameters.size
    assert np.array_equal(net.parameters, before)


@pytest.mark.parametrize(("output", "loss"), ALL_PAIRS)
def test_every_output_with_every_loss_agrees_with_finite_differences(implementation, output, loss):
    net = make_network(implementation, [3, 4, 3], "silu", output, loss)
    net.biases[-1][:] = [0.1, 0.2, 0.3]  # outputs between 0 and 1, for the logarithms
    net.weights[-1][:] *= 0.02
    X, Y = make_data(net, 4)
    report = check_gradients(net, X, Y)
    assert report, str(report)


@pytest.mark.parametrize("activation", ALL_ACTIVATIONS)
def test_every_hidden_activation_agrees_with_finite_differences(implementation, activation):
    net = make_network(implementation, [3, 4, 3, 2], activation)
    report = check_gradients(net, *make_data(net, 4))
    assert report, str(report)


def test_labels_and_weights_are_checked_too(implementation):
    net = make_network(implementation, [3, 4, 3])
    X, _ = make_data(net, 6)
    report = check_gradients(net, X, make_labels(6, 3), sample_weight=[1, 0, 2, 3, 0.5, 1])
    assert report, str(report)


@pytest.mark.parametrize(("dtype", "share"), [(np.float64, 1e-5), (np.float32, 0.01)])
def test_one_wrong_weight_or_bias_is_found_and_named(implementation, monkeypatch, dtype, share):
    net = make_network(implementation, [3, 4, 2], dtype=dtype)
    X, Y = make_data(net, 5)
    right = implementation.Network._backprop
    for k, name in ((7, "weights[0][2, 1]"), (13, "biases[0][1]"), (23, "weights[1][1, 3]"), (25, "biases[1][1]")):

        def wrong(self, *data, k=k):
            loss, gradient = right(self, *data)
            gradient[k] += share * np.abs(gradient).max()
            return loss, gradient

        monkeypatch.setattr(implementation.Network, "_backprop", wrong)
        report = check_gradients(net, X, Y)
        assert not report
        assert report.where == name
        assert f"FAILED: max relative error {report.max_relative_error:.1e} not <=" in str(report)
        assert f"largest at {name}: backpropagation {report.backprop:.9g}" in repr(report)


def test_a_gradient_that_is_nan_fails(implementation, monkeypatch):
    right = implementation.Network._backprop
    monkeypatch.setattr(implementation.Network, "_backprop", lambda *data: (right(*data)[0], right(*data)[1] * np.nan))
    net = make_network(implementation, [2, 2])
    assert not check_gradients(net, *make_data(net, 3))


def test_a_passing_report_prints_its_largest_error(implementation):
    net = make_network(implementation, [3, 4, 2])
    report = check_gradients(net, *make_data(net, 5))
    found = f"gradient check passed: max relative error {report.max_relative_error:.1e} <= 1e-06 over all 26 parameters"
    assert str(report).startswith(found)


def test_many_parameters_are_drawn_from_all_layers_by_the_seed(implementation):
    net = make_network(implementation, [30, 20, 10])
    X, Y = make_data(net, 3)
    report = check_gradients(net, X, Y, max_parameters=40)
    assert report, str(report)
    assert (report.checked, report.total) == (40, 830)
    assert "over 40 of 830 parameters" in str(report)
    assert report == check_gradients(net, X, Y, max_parameters=40)
    assert report != check_gradients(net, X, Y, max_parameters=40, rng=1)


@pytest.mark.parametrize("array", ["weights", "biases"])
def test_a_draw_meets_every_array(implementation, monkeypatch, array):
    net = make_network(implementation, [30, 20, 10])
    X, Y = make_data(net, 3)
    right = implementation.Network._backprop
    for l in (0, 1):
        start = 0 if (l, array) == (0, "weights") else 600 if (l, array) == (0, "biases") else 620
        start += 200 if (l, array) == (1, "biases") else 0
        stop = start + getattr(net, array)[l].size

        def wrong(self, *data, start=start, stop=stop):
            loss, gradient = right(self, *data)
            gradient[start:stop] += 1.0
            return loss, gradient

        monkeypatch.setattr(implementation.Network, "_backprop", wrong)
        report = check_gradients(net, X, Y, max_parameters=8)
        assert not report
        assert report.where.startswith(f"{array}[{l}]")


def test_a_kink_within_the_difference_is_measured_again(implementation):
    net = implementation.Network([1, 1], output="relu", loss="quadratic", dtype=np.float64)
    net.parameters[:] = [1.0, 2e-6]  # z = 2e-6 is nearer to the kink than h is
    report = check_gradients(net, [[1e-9]], [[1.0]])
    assert report, str(report)


def test_a_gradient_of_zeros_passes(implementation):
    net = make_network(implementation, [3, 2], output="identity", loss="quadratic")
    X, _ = make_data(net, 4)
    assert check_gradients(net, X, net.forward(X))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"net": 3}, TypeError, "net must be a Network, got 3"),
        ({"tolerance": 0.0}, ValueError, "tolerance must be a number in"),
        ({"max_parameters": 0}, ValueError, "max_parameters must be an integer >= 1, got 0"),
        ({"Y": [5]}, ValueError, r"Y\[0\] is 5, expected labels 0..1"),
    ],
)
def test_bad_arguments_are_refused(implementation, arguments, error, message):
    net = make_network(implementation, [2, 2])
    with pytest.raises(error, match=message):
        check_gradients(**{"net": net, "X": [[1.0, 2.0]], "Y": [0], **arguments})
