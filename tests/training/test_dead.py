"""A hidden layer through which no gradient passes is warned of once, and no other."""

import warnings

import numpy as np
import pytest
from networks import make_data, make_samples, make_trainer

import fastbp
from fastbp.base import dead_layers
from fastbp.optimizers import SGD


def network(implementation, activation="relu", sizes=(3, 5, 4, 2)):
    return implementation.Network(list(sizes), activation, dtype=np.float64, rng=0)


def warned(fit):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit()
    return [str(warning.message) for warning in found]


@pytest.mark.parametrize("batches", [False, True], ids=["arrays", "batches"])
@pytest.mark.parametrize("layer", [1, 2])
def test_a_layer_of_dead_neurons_is_warned_of_once(implementation, layer, batches):
    net = network(implementation)
    net.biases[layer - 1][:] = -100.0
    X, Y = make_samples()
    trainer = implementation.Trainer(net, SGD(0.01), batch_size=4, rng=0)
    data = [(X, Y)] if batches else X
    found = warned(lambda: [trainer.fit(data, None if batches else Y, epochs=3) for _ in range(2)])
    assert len(found) == 1
    for part in (f"hidden layer {layer} (relu)", "smaller learning_rate", "'he_normal'", "'leaky_relu'"):
        assert part in found[0]


def test_the_warning_points_to_the_line_of_the_fit(implementation):
    net = network(implementation)
    net.biases[0][:] = -100.0
    with pytest.warns(RuntimeWarning, match="are dead") as found:
        implementation.Trainer(net).fit(*make_samples())
    assert found[0].filename == __file__


def test_a_rate_that_is_too_large_kills_and_is_told(implementation):
    X, Y = make_samples()
    trainer = implementation.Trainer(network(implementation), SGD(1e3), batch_size=4, rng=0)
    assert "try a smaller learning_rate" in warned(lambda: trainer.fit(X + 1.0, Y))[0]


def test_saturated_neurons_are_dead_too(implementation):
    net = network(implementation, "tanh")
    X, Y = make_samples()
    found = warned(lambda: implementation.Trainer(net, SGD(0.01)).fit(1e6 * np.abs(X) + 1e6, Y))
    assert "hidden layer 1 (tanh)" in found[0]


@pytest.mark.parametrize("activation", ["relu", "tanh", "leaky_relu", "hard_sigmoid"])
def test_one_neuron_that_lives_for_one_sample_is_enough(implementation, activation):
    net = network(implementation, activation, (3, 5, 2))
    n = dead_layers._FIRST + dead_layers._BLOCK + 10
    X, Y = np.full((n, 3), -1.0), np.zeros(n, int)
    X[-1] = 1.0
    net.weights[0][:], net.biases[0][:] = 1e3, 0.0
    net.weights[0][3] = 0.5
    assert warned(lambda: implementation.Trainer(net, SGD(0.0)).fit(X, Y)) == []


def test_networks_without_hidden_layers_and_usual_ones_are_not_warned_of(implementation):
    trainer = make_trainer(implementation)
    assert warned(lambda: trainer.fit(*make_samples(), epochs=2)) == []
    flat = implementation.Network([3, 2], rng=0)
    assert warned(lambda: implementation.Trainer(flat, SGD(1e3)).fit(*make_samples())) == []
    for seed in range(10):
        net = implementation.Network([3, 8, 8, 2], rng=seed)
        assert warned(lambda net=net: implementation.Trainer(net, "adam", rng=0).fit(*make_samples())) == []


def test_few_samples_are_looked_at_where_a_layer_is_alive(monkeypatch):
    seen, look = [], dead_layers._without_slope
    monkeypatch.setattr(dead_layers, "_without_slope", lambda net, X: seen.append(len(X)) or look(net, X))
    net = network(fastbp.reference)
    trainer = fastbp.reference.Trainer(net, rng=0)
    trainer.fit(*make_data(net, 5000), epochs=3)
    assert seen == [dead_layers._FIRST]
