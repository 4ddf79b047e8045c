"""What holds a network back while it trains: each rule against its formula, in both implementations."""

from dataclasses import fields

import numpy as np
import pytest
from networks import make_data, make_labels, make_network, make_samples, make_trainer, relative_error

import fastbp
from fastbp.activations import Activation
from fastbp.base.parameters import layer_views
from fastbp.kernels.blocking import NORM_PART
from fastbp.optimizers import SGD, Adagrad, Adam, Adamax, AdamW, RMSProp
from fastbp.reference import dropout_mask
from fastbp.regularization import Regularization


def update_of(trainer, X, Y, **arguments):
    """The change of the parameters by one update, divided by the learning rate: the gradient that was followed."""
    before = trainer.network.parameters.copy()
    trainer.step(X, Y, **arguments)
    return (before - trainer.network.parameters) / 0.1


def biases_of(network, flat):
    return np.concatenate(layer_views(flat, network.sizes)[1])


def weights_of(network, flat):
    return np.concatenate([W.ravel() for W in layer_views(flat, network.sizes)[0]])


@pytest.mark.parametrize("rule", [field.name for field in fields(Regularization)])
def test_no_rule_takes_a_number_below_0(rule):
    with pytest.raises(ValueError, match=f"{rule} must be .*, got -1"):
        Regularization(**{rule: -1})


# ------------------------------------------------------------------ penalties
@pytest.mark.parametrize("batch_size", [1, 4, 11])
@pytest.mark.parametrize("rules", [{"l2": 0.3}, {"l1": 0.2}, {"l1": 0.2, "l2": 0.3}], ids=str)
def test_penalties_add_to_the_gradient_of_weights_alone(implementation, rules, batch_size):
    X, Y = (part[:batch_size] for part in make_samples())
    trainer = make_trainer(implementation, **rules)
    net = trainer.network
    expected = net.backprop(X, Y)
    for l, W in enumerate(net.weights):
        expected.weights[l][:] += rules.get("l2", 0.0) * W + rules.get("l1", 0.0) * np.sign(W)
    assert relative_error(update_of(trainer, X, Y), expected.flat) < 1e-10


def test_penalties_are_the_gradient_of_the_penalty(implementation):
    X, Y = make_samples()
    trainer = make_trainer(implementation, l1=0.2, l2=0.3)
    twin = trainer.network.copy()

    def objective(parameters):
        twin.parameters[:] = parameters
        w = weights_of(twin, twin.parameters)
        return twin.loss(X, Y) + 0.2 * np.abs(w).sum() + 0.15 * (w @ w)

    start = trainer.network.parameters.copy()
    steps = 1e-6 * np.eye(start.size)
    expected = [(objective(start + step) - objective(start - step)) / 2e-6 for step in steps]
    assert relative_error(update_of(trainer, X, Y), expected) < 1e-7


def test_the_loss_reported_is_that_of_the_data(implementation):
    X, Y = make_samples()
    trainer = make_trainer(implementation, l1=0.2, l2=0.3, optimizer=SGD(0.0))
    cost = trainer.network.loss(X, Y)
    assert trainer.step(X, Y) == pytest.approx(cost, rel=1e-12)
    assert trainer.fit(X, Y).loss == pytest.approx([cost], rel=1e-12)


# ------------------------------------------------------------------ clipping and limits
@pytest.mark.parametrize("limit", [0.01, 0.1, 100.0])
def test_clip_value_limits_each_number_of_the_gradient_with_penalties(implementation, limit):
    X, Y = make_samples()
    plain, clipped = make_trainer(implementation, l2=0.3), make_trainer(implementation, l2=0.3, clip_value=limit)
    expected = np.clip(update_of(plain, X, Y), -limit, limit)
    assert relative_error(update_of(clipped, X, Y), expected) < 1e-10


@pytest.mark.parametrize("limit", [0.01, 0.1, 100.0])
def test_clip_norm_limits_the_norm_of_the_whole_gradient(implementation, limit):
    X, Y = make_samples()
    plain, clipped = make_trainer(implementation, l1=0.1), make_trainer(implementation, l1=0.1, clip_norm=limit)
    g = update_of(plain, X, Y)
    expected = g * min(1.0, limit / np.linalg.norm(g))
    assert relative_error(update_of(clipped, X, Y), expected) < 1e-10


@pytest.mark.parametrize("optimizer", [Adam(eps=0.0), AdamW(eps=0.0), Adamax(eps=0.0), RMSProp(eps=0.0),
                                       RMSProp(eps=0.0, momentum=0.5), Adagrad(eps=0.0), SGD(0.1)], ids=str)
@pytest.mark.parametrize("activation", ["sigmoid", Activation("inverse", lambda z: 1.0 / z)], ids=["known", "inverse"])
def test_the_norm_is_of_what_is_there_alone(optimizer, activation):
    found = []
    for implementation in (fastbp, fastbp.reference):
        network = implementation.Network([3, 5, 2], activation, dtype=np.float64, rng=0)
        trainer = implementation.Trainer(network, optimizer, batch_size=3, clip_norm=0.01, rng=0)
        trainer.fit(*make_data(network, 7), epochs=3)
        found.append(network.parameters.copy())
    assert relative_error(*found) < 1e-10


@pytest.mark.parametrize("sizes", [[64, 64, 3], [65, 63, 80, 3]], ids=str)
def test_clip_norm_is_of_every_weight_and_bias_of_large_layers(sizes):
    assert NORM_PART == 64 * 64  # where a part ends with the weights, and where it does not
    plain, clipped = (make_trainer(fastbp, sizes, **named) for named in ({}, {"clip_norm": 0.01}))
    X, Y = np.random.default_rng(0).normal(size=(9, sizes[0])), np.arange(9) % 3
    g = update_of(plain, X, Y)
    assert relative_error(update_of(clipped, X, Y), g * 0.01 / np.linalg.norm(g)) < 1e-10


def test_the_norm_is_that_of_the_clipped_numbers(implementation):
    X, Y = make_samples()
    plain = make_trainer(implementation)
    clipped = make_trainer(implementation, clip_value=0.05, clip_norm=0.1)
    g = np.clip(update_of(plain, X, Y), -0.05, 0.05)
    assert np.linalg.norm(g) > 0.1
    assert relative_error(update_of(clipped, X, Y), g * 0.1 / np.linalg.norm(g)) < 1e-10


@pytest.mark.parametrize("limit", [0.6, 0.9, 1.05])
@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1)], ids=["sgd", "adam"])
def test_max_norm_limits_the_weights_of_every_neuron_and_leaves_shorter_ones(implementation, optimizer, limit):
    X, Y = make_samples()
    plain = make_trainer(implementation, optimizer=optimizer)
    limited = make_trainer(implementation, optimizer=optimizer, max_norm=limit)
    for trainer in (plain, limited):
        trainer.step(X, Y)
    longer = 0
    for W, expected in zip(limited.network.weights, plain.network.weights, strict=True):
        norm = np.linalg.norm(expected, axis=1, keepdims=True)
        longer += np.count_nonzero(norm > limit)
        assert relative_error(W, expected * np.minimum(1.0, limit / norm)) < 1e-12
    assert 0 < longer < 7
    assert relative_error(biases_of(limited.network, limited.network.parameters),
                          biases_of(plain.network, plain.network.parameters)) < 1e-12


# ------------------------------------------------------------------ dropout
def test_a_network_without_its_silent_neurons_is_what_dropout_trains(implementation):
    """δ and z by hand, from the masks: an account that shares nothing but the masks."""
    X, Y = make_samples()
    X, y = X[:4], np.eye(2)[Y[:4]]
    trainer = make_trainer(implementation, sizes=(3, 6, 5, 2), dropout=0.4)
    net, seed = trainer.network, trainer.regularization.dropout_seed
    trainer.steps = 7
    masks = [dropout_mask(seed, 7, l, (4, n), 0.4) / 0.6 for l, n in ((1, 6), (2, 5))]
    (W1, W2, W3), (b1, b2, b3) = net.weights, net.biases
    t1 = np.tanh(X @ W1.T + b1)
    a1 = t1 * masks[0]
    t2 = np.tanh(a1 @ W2.T + b2)
    a2 = t2 * masks[1]
    e = np.exp(a2 @ W3.T + b3)
    a3 = e / e.sum(axis=1, keepdims=True)
    d3 = (a3 - y) / 4
    d2 = d3 @ W3 * masks[1] * (1 - t2**2)
    d1 = d2 @ W2 * masks[0] * (1 - t1**2)
    expected = [d1.T @ X, d1.sum(axis=0), d2.T @ a1, d2.sum(axis=0), d3.T @ a2, d3.sum(axis=0)]
    loss = -np.sum(y * np.log(a3)) / 4
    before = net.parameters.copy()
    assert trainer.step(X, y) == pytest.approx(loss, rel=1e-12)
    found = (before - net.parameters) / 0.1
    assert relative_error(found, np.concatenate([part.ravel() for part in expected])) < 1e-10


@pytest.mark.parametrize("activation", ["relu", "identity", "sigmoid", "gelu"])
def test_dropout_agrees_with_the_twin_update_by_update(activation):
    results = []
    for implementation in (fastbp.reference, fastbp):
        net = make_network(implementation, [5, 37, 18, 3], activation)
        X, Y = make_data(net, 50)
        trainer = implementation.Trainer(net, SGD(0.1, momentum=0.9), batch_size=16, rng=1, dropout=0.3)
        history = trainer.fit(X, Y, epochs=3)
        results.append((net.parameters, history.loss))
    assert relative_error(results[1][0], results[0][0]) < 1e-10
    assert results[1][1] == pytest.approx(results[0][1], rel=1e-10)


def test_dropout_is_for_training_only(implementation):
    X, Y = make_samples()
    trainer = make_trainer(implementation, dropout=0.5, optimizer=SGD(0.0))
    history = trainer.fit(X, Y, epochs=2, validation_data=(X, Y))
    net = trainer.network
    assert history.val_loss == pytest.approx([net.loss(X, Y)] * 2, rel=1e-12)
    assert history.loss[0] != history.loss[1] != history.val_loss[0]


def test_masks_have_the_share_they_should_and_no_pattern():
    p, shape = 0.3, (1000, 200)
    masks = [dropout_mask(3, step, layer, shape, p) for step in (0, 1) for layer in (1, 2)]
    for mask in masks:
        # five standard deviations of the mean of independent draws
        assert abs(mask.mean() - 0.7) < 5 * np.sqrt(0.21 / mask.size)
        assert np.abs(mask.mean(axis=0) - 0.7).max() < 5 * np.sqrt(0.21 / 1000)
        assert np.abs(mask.mean(axis=1) - 0.7).max() < 5 * np.sqrt(0.21 / 200)
    for k, one in enumerate(masks):
        for other in masks[:k]:
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(one.size)


def test_the_seed_of_dropout_comes_from_the_trainers_own(implementation):
    seeds = [make_trainer(implementation, dropout=0.5, rng=rng).regularization.dropout_seed for rng in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]
    assert make_trainer(implementation).regularization.dropout_seed == 0
    drawn = make_trainer(implementation, rng=np.random.default_rng(0)).rng.permutation(5)
    assert np.array_equal(drawn, np.random.default_rng(0).permutation(5))


# ------------------------------------------------------------------ smoothed labels
@pytest.mark.parametrize(("sizes", "output"), [([3, 5, 4], "softmax"), ([3, 5, 4], "sigmoid"), ([3, 5, 1], "sigmoid"),
                                               ([3, 5, 4], "hard_sigmoid")])
@pytest.mark.parametrize("labels", [True, False], ids=["labels", "rows"])
def test_smoothed_labels_are_targets_between(implementation, sizes, output, labels):
    net = make_network(implementation, sizes, output=output)
    n_classes = max(sizes[-1], 2)
    X = make_samples()[0]
    Y = make_labels(11, n_classes)
    rows = np.eye(n_classes)[Y] if sizes[-1] > 1 else Y[:, np.newaxis]
    smooth = 0.9 * rows + 0.1 / n_classes
    expected, cost = net.backprop(X, smooth).flat, net.loss(X, smooth)
    trainer = implementation.Trainer(net, SGD(0.1), batch_size=11, label_smoothing=0.1)
    before, right = net.parameters.copy(), np.mean(net.predict(X) == Y)
    history = trainer.fit(X, Y if labels else rows)
    assert relative_error((before - net.parameters) / 0.1, expected) < 1e-10
    assert history.loss[0] == pytest.approx(cost, rel=1e-10)
    assert history.accuracy == [right]


def test_label_smoothing_is_for_the_cross_entropy(implementation):
    net = make_network(implementation, [3, 2], output="sigmoid", loss="quadratic")
    with pytest.raises(ValueError, match=r"label_smoothing is for the loss 'cross_entropy', .* has 'quadratic'"):
        implementation.Trainer(net, label_smoothing=0.1)


# ------------------------------------------------------------------ weights of classes
@pytest.mark.parametrize("form", ["labels", "rows", "lone output"])
def test_class_weights_multiply_the_weights_of_samples(implementation, form):
    X, Y = make_samples()
    sizes, output = ((3, 4, 1), "sigmoid") if form == "lone output" else ((3, 4, 2), "softmax")
    nets = [make_network(implementation, list(sizes), output=output) for _ in range(3)]
    v = np.linspace(0.5, 2.0, 11)
    targets = np.eye(2)[Y] if form == "rows" else Y
    trainers = [implementation.Trainer(net, SGD(0.1), batch_size=4, rng=0) for net in nets]
    trainers[0].fit(X, targets, sample_weight=v * np.where(Y == 1, 3.0, 1.0))
    trainers[1].fit(X, targets, sample_weight=v, class_weight={1: 3.0})
    trainers[2].fit(X, targets, sample_weight=v, class_weight=[1.0, 3.0])
    assert np.array_equal(nets[0].parameters, nets[1].parameters)
    assert np.array_equal(nets[0].parameters, nets[2].parameters)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({2: 1.0}, "labels 0..1, got the label 2"),
        ([1.0], r"labels 0..1, got \[1.0\]"),
        ("balance", "got 'balance'"),
        ([1.0, -1.0], r"class_weight\[1\] is -1.0"),
        ([1.0, np.nan], r"class_weight\[1\] is nan"),
        ({0: "one"}, "class_weight holds"),
    ],
)
def test_bad_class_weights_are_refused_before_anything_changes(implementation, weights, message):
    trainer = make_trainer(implementation)
    before = trainer.network.parameters.copy()
    with pytest.raises((TypeError, ValueError), match=message):
        trainer.fit(*make_samples(), class_weight=weights)
    assert np.array_equal(trainer.network.parameters, before)


def test_class_weights_need_labels(implementation):
    net = make_network(implementation, [3, 2], output="identity", loss="quadratic")
    with pytest.raises(ValueError, match="class_weight is for losses that take labels, the network has 'quadratic'"):
        implementation.Trainer(net).fit(*make_data(net, 5), class_weight=[1, 2])


# ------------------------------------------------------------------ all of them
def test_all_rules_at_once_agree_with_the_twin():
    rules = {"l1": 0.01, "l2": 0.02, "dropout": 0.2, "max_norm": 1.0, "clip_value": 0.05, "clip_norm": 0.2,
             "label_smoothing": 0.1}
    results = []
    for implementation in (fastbp.reference, fastbp):
        trainer = make_trainer(implementation, sizes=(3, 33, 17, 2), optimizer=Adam(0.01), **rules)
        trainer.fit(*make_samples(), epochs=5)
        results.append(trainer.network.parameters)
    assert relative_error(results[1], results[0]) < 1e-8


@pytest.mark.parametrize("threads", [1, 2])
def test_the_bits_are_the_same_at_any_number_of_threads(threads):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(300, 40)).astype(np.float32), rng.integers(0, 10, 300)
    results = []
    for n in (threads, None):
        net = fastbp.Network([40, 120, 60, 10], rng=0)
        rules = {"dropout": 0.3, "l2": 1e-3, "clip_norm": 0.5, "max_norm": 2.0}
        fastbp.Trainer(net, "adam", 64, rng=0, threads=n, **rules).fit(X, Y, epochs=3)
        results.append(net.parameters)
    assert np.array_equal(results[0], results[1])


def test_rules_show_what_they_change():
    assert repr(Regularization(l2=1e-4, clip_norm=1)) == "Regularization(l2=0.0001, clip_norm=1.0)"
    assert repr(make_trainer(fastbp.reference, l1=0.5, dropout=0.25)).endswith("threads=None, l1=0.5, dropout=0.25)")


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("l1", "l2", "dropout", "label_smoothing") for value in (-0.1, np.nan, np.inf, "a")]
    + [(name, 1.0) for name in ("dropout", "label_smoothing")]
    + [(name, value) for name in ("max_norm", "clip_value", "clip_norm") for value in (0.0, -1.0, np.nan, np.inf, "a")],
)
def test_a_bad_rule_is_named(implementation, name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name} must be a number in"):
        make_trainer(implementation, **{name: value})
