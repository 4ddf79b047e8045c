"""Targets and outputs that a loss is defined on, at every door; several labels a sample."""

import re

import numpy as np
import pytest
from networks import ALL_PAIRS, EVERY_PAIR, make_data, make_network

import fastbp
from fastbp import Loss
from fastbp.losses import LOSSES, Domain
from fastbp.targets import name_one_class

X = np.random.default_rng(0).normal(size=(6, 3))
ROWS = np.eye(3)[[0, 1, 2, 2, 1, 0]]
MULTI = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0]], float)


def door_names():
    return ["fit", "step", "loss", "backprop", "validation_data", "batches", "validation batches", "lbfgs", "gradients"]


def through(door, implementation, net, X, Y):
    """Hand X and Y to a network by one of the doors."""
    trainer = implementation.Trainer(net, fastbp.SGD(1e-3), rng=0)
    good = make_data(net, 4)
    if door == "lbfgs":
        pytest.importorskip("scipy")
    return {
        "fit": lambda: trainer.fit(X, Y),
        "step": lambda: trainer.step(X, Y),
        "loss": lambda: net.loss(X, Y),
        "backprop": lambda: net.backprop(X, Y),
        "validation_data": lambda: trainer.fit(*good, validation_data=(X, Y)),
        "batches": lambda: trainer.fit([good, (X, Y)]),
        "validation batches": lambda: trainer.fit(*good, validation_data=[good, (X, Y)]),
        "lbfgs": lambda: fastbp.fit_lbfgs(net, X, Y, max_iter=1),
        "gradients": lambda: fastbp.check_gradients(net, X, Y),
    }[door]()


# ------------------------------------------------------------------ targets that a loss is not defined on
# output, loss, targets, what the message has
REFUSED = {
    "-1 and 1": ("softmax", "cross_entropy", 2 * ROWS - 1, "[0, 1] ", "is -1; loss 'cross_entropy' takes targets"),
    "1 and 2": ("softmax", "cross_entropy", ROWS + 1, "[0, 0] ", "is 2; loss 'cross_entropy' takes targets"),
    "1 and 2, sigmoid": ("sigmoid", "cross_entropy", ROWS + 1, "[0, 0] ", "numbers in [0, 1]"),
    "pixels": ("sigmoid", "cross_entropy", ROWS * 255, "[0, 0] ", "is 255; loss 'cross_entropy' takes targets"),
    "several of softmax": ("softmax", "cross_entropy", MULTI, "row 0 of ", "names 2 classes"),
    "none of softmax": ("softmax", "cross_entropy", MULTI[[3, 1]], "row 1 of ", "names 0 classes"),
    "shares of softmax": ("softmax", "cross_entropy", ROWS * 0.5, "row 0 of ", "sums to 0.5"),
    "counts below 0": ("softplus", "poisson", ROWS - 2 * np.eye(6, 3), "[0, 0] ", "is -1; loss 'poisson' takes"),
    "hinge, 2": ("identity", "hinge", ROWS * 2, "[0, 0] ", "is 2; loss 'hinge' takes targets that are numbers of"),
    "hinge, a share": ("identity", "hinge", ROWS * 0.5, "[0, 0] ", "is 0.5; loss 'hinge' takes targets"),
    "hinge, both": ("identity", "hinge", ROWS - np.eye(6, 3, 1), "", "has -1, 0, 1; loss 'hinge' takes numbers of -"),
}


@pytest.mark.parametrize("door", door_names())
@pytest.mark.parametrize("case", REFUSED)
def test_targets_outside_the_domain_of_a_loss_are_refused_by_place_and_value(implementation, case, door):
    output, loss, Y, place, message = REFUSED[case]
    message = message.replace("numbers of -", "numbers of 0, 1 alone or of -1, 1 alone")
    net = implementation.Network([3, 4, 3], "tanh", output, loss, np.float64, rng=0)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        through(door, implementation, net, X[: len(Y)], Y)
    assert re.search(re.escape(place.strip()).replace("\\[", r"(validation_data\[1\]|Y)\[", 1), str(error.value))


def test_rounding_is_not_taken_for_the_value_that_is_wrong(implementation):
    Y = np.ones((6, 3)) + 1e-7
    Y[4, 1] = 3.0
    with pytest.raises(ValueError, match=r"Y\[4, 1\] is 3; loss 'cross_entropy' takes targets"):
        implementation.Network([3, 3], output="sigmoid", dtype=np.float64, rng=0).loss(X, Y)


@pytest.mark.parametrize("value", [-0.1, 1.1, 2, -1])
def test_targets_of_a_lone_output_are_checked_too(implementation, value):
    net = implementation.Network([3, 1], output="sigmoid", rng=0)
    Y = [0, 1, value, 0, 1, 0]
    for given in (Y, np.reshape(Y, (-1, 1))):
        with pytest.raises(ValueError, match=re.escape(f"] is {value}; loss 'cross_entropy' takes targets")):
            net.loss(X, given)


# What is allowed, ends and rounding with it.
ALLOWED = [
    ("softmax", "cross_entropy", ROWS),
    ("softmax", "cross_entropy", np.full((6, 3), 1 / 3, np.float16)),
    ("softmax", "cross_entropy", np.tile([0.333, 0.333, 0.333], (6, 1))),
    ("softmax", "quadratic", MULTI * 7),
    ("sigmoid", "cross_entropy", MULTI),
    ("sigmoid", "cross_entropy", MULTI * np.float32(1.0000001)),
    ("sigmoid", "cross_entropy", np.full((6, 3), 0.3)),
    ("identity", "hinge", 2 * MULTI - 1),
    ("identity", "hinge", MULTI),
    ("softplus", "poisson", MULTI * 1000),
    ("identity", "quadratic", -100 * MULTI),
    ("identity", "absolute", -100 * MULTI),
    ("identity", "huber", -100 * MULTI),
]


@pytest.mark.parametrize(("output", "loss", "Y"), ALLOWED)
def test_targets_inside_the_domain_are_taken(implementation, output, loss, Y):
    net = implementation.Network([3, 4, 3], "tanh", output, loss, rng=0)
    assert np.isfinite(net.loss(X, Y))


def test_every_loss_has_allowed_targets():
    assert {loss for _, loss, _ in ALLOWED} == set(LOSSES)


@pytest.mark.parametrize("given", [[-1, 1, 1, -1, 1, 1], [0, 1, 1, 0, 1, 1], [False, True, True, False, True, True]])
def test_the_hinge_takes_its_signs_as_integers_too(implementation, given):
    net = implementation.Network([3, 1], output="identity", loss="hinge", dtype=np.float64, rng=0)
    assert net.loss(X, given) == net.loss(X, np.array([0, 1, 1, 0, 1, 1]) * 2.0 - 1.0)


def test_a_loss_of_ones_own_takes_all_targets_or_those_it_says(implementation):
    cost = LOSSES["quadratic"].cost
    free = implementation.Network([3, 3], output="identity", loss=Loss("free", cost), rng=0)
    assert np.isfinite(free.loss(X, -1e3 * ROWS))
    bounded = Loss("bounded", cost, targets=Domain(-1.0, 2.0), outputs=Domain(-1.0, 1.0), suits=("tanh",))
    net = implementation.Network([3, 3], output="tanh", loss=bounded, rng=0)
    with pytest.raises(ValueError, match=r"Y\[0, 0\] is 3; loss 'bounded' takes targets that are numbers in \[-1, 2\]"):
        net.loss(X, ROWS * 3)
    with pytest.raises(ValueError, match=r"loss 'bounded' takes outputs .* take output='tanh'"):
        implementation.Network([3, 3], output="identity", loss=bounded)
    with pytest.raises(TypeError, match="targets of loss 'x' must be a Domain, got 3"):
        Loss("x", cost, targets=3)


# ------------------------------------------------------------------ outputs that a loss is not defined on
@pytest.mark.parametrize(("output", "loss"), [pair for pair in EVERY_PAIR if pair not in ALL_PAIRS])
def test_a_pair_that_means_nothing_is_refused_by_name_and_what_to_take(implementation, output, loss):
    with pytest.raises(ValueError, match=f"loss '{loss}' .*output='{output}'.*; take output="):
        implementation.Network([3, 2], output=output, loss=loss)


@pytest.mark.parametrize(("output", "loss"), ALL_PAIRS)
def test_every_other_pair_is_taken(implementation, output, loss):
    implementation.Network([3, 2], output=output, loss=loss)


@pytest.mark.parametrize("loss", LOSSES)
def test_softmax_on_one_output_says_what_to_take(implementation, loss):
    with pytest.raises(ValueError, match=r"'softmax' on one output is 1 .*'sigmoid' .*, two outputs .*'identity'"):
        implementation.Network([3, 4, 1], loss=loss)


def test_an_output_of_ones_own_is_looked_at_too(implementation):
    half = fastbp.Activation("half", lambda z: 0.5 + 0.5 * np.tanh(z))
    assert implementation.Network([3, 2], output=half).classifies
    with pytest.raises(ValueError, match="output='wide' gives -2 at z = "):
        implementation.Network([3, 2], output=fastbp.Activation("wide", lambda z: 2 * np.tanh(z)))


# ------------------------------------------------------------------ several labels a sample
def decided(a, net):
    return (a > net.threshold).astype(int)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_several_labels_are_learned_predicted_and_counted_as_a_whole(implementation, dtype, smoothing):
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(300, 4))
    Y = (inputs[:, :3] > 0).astype(dtype)
    net = implementation.Network([4, 16, 3], "tanh", "sigmoid", dtype=dtype, rng=0)
    trainer = implementation.Trainer(net, fastbp.Adam(0.05), rng=0, label_smoothing=smoothing)
    history = trainer.fit(inputs, Y, 60, validation_data=(inputs, Y), metrics=["accuracy"])
    rows = net.predict(inputs)
    assert rows.dtype == np.int64
    assert np.array_equal(rows, decided(net.forward(inputs), net))
    assert history.val_accuracy[-1] == (rows == Y).all(axis=1).mean() > 0.9
    assert history.accuracy[-1] > 0.85
    frozen = implementation.Trainer(net, fastbp.SGD(0.0), label_smoothing=smoothing).fit(inputs, Y)
    assert frozen.accuracy == history.val_accuracy[-1:]


@pytest.mark.parametrize("n_outputs", [2, 5, 16, 33])
def test_accuracy_of_several_labels_is_1_only_where_all_are_right(implementation, n_outputs):
    net = implementation.Network([n_outputs, n_outputs], output="sigmoid", init="zeros")
    net.weights[0][:] = 4.0 * np.eye(n_outputs)
    Y = np.random.default_rng(0).integers(0, 2, (40, n_outputs))
    Y[0], Y[1] = 0, 1
    inputs = 2.0 * Y - 1.0
    trainer = implementation.Trainer(net, fastbp.SGD(0.0))
    assert trainer.fit(inputs, Y, validation_data=(inputs, Y)).val_accuracy == trainer.history.accuracy == [1.0]
    assert np.array_equal(net.predict(inputs), Y)
    wrong = Y.copy()
    wrong[::4, 0] = 1 - wrong[::4, 0]
    trainer.fit(inputs, wrong, validation_data=(inputs, wrong))
    assert trainer.history.accuracy == trainer.history.val_accuracy == [0.75]


def test_accuracy_follows_where_several_labels_come_later(implementation):
    net = implementation.Network([3, 3], output="sigmoid", init="zeros")
    net.weights[0][:] = 4.0 * np.eye(3)
    trainer = implementation.Trainer(net, fastbp.SGD(0.0), label_smoothing=0.9)  # accuracy takes targets as they are
    for Y, expected in ((ROWS, 1.0), (MULTI, 1.0), (ROWS, 1.0)):
        inputs = 2.0 * Y - 1.0
        history = trainer.fit(inputs, Y, validation_data=(inputs, Y))
        assert history.accuracy == history.val_accuracy == [expected]
        wrong = np.roll(Y, 1, axis=1)
        trainer.fit(inputs, wrong, validation_data=(inputs, wrong))
        assert trainer.history.accuracy == trainer.history.val_accuracy == [(wrong == Y).all(axis=1).mean()]


def test_several_labels_of_the_hinge(implementation):
    net = implementation.Network([3, 3], output="identity", loss="hinge", init="zeros")
    net.weights[0][:] = np.eye(3)
    inputs = 2 * MULTI - 1
    for Y in (MULTI, inputs):
        history = implementation.Trainer(net, fastbp.SGD(0.0)).fit(inputs, Y, validation_data=(inputs, Y))
        assert history.accuracy == history.val_accuracy == [1.0]
    assert np.array_equal(net.predict(inputs), MULTI)


@pytest.mark.parametrize("door", [door for door in door_names() if door != "gradients"])
def test_rows_of_several_labels_make_predict_give_rows_by_every_door(implementation, door):
    net = implementation.Network([3, 4, 3], "tanh", "sigmoid", rng=0)
    one_class = make_network(implementation, [3, 3])
    assert net.predict(X).shape == (6,)
    trainer_data = X, ROWS
    implementation.Trainer(net).fit(*trainer_data)
    assert not net.multilabel
    assert net.predict(X).shape == (6,)
    through(door, implementation, net, X, MULTI)
    assert net.multilabel
    assert net.predict(X).shape == (6, 3)
    assert not one_class.multilabel


def test_one_hot_rows_and_labels_stay_classes(implementation):
    net = implementation.Network([3, 3], output="sigmoid", rng=0)
    trainer = implementation.Trainer(net, fastbp.SGD(0.0))
    found = [trainer.fit(X, Y).accuracy for Y in (ROWS, ROWS.argmax(axis=1), 0.9 * ROWS + 0.1 / 3)]
    assert found[0] == found[1] == found[2] == [np.mean(net.predict(X) == ROWS.argmax(axis=1))]
    assert not net.multilabel


def test_multilabel_can_be_decided_beforehand_and_lasts(implementation, tmp_path):
    net = implementation.Network([3, 3], output="sigmoid", rng=0)
    net.multilabel = True
    assert net.predict(X).shape == (6, 3)
    labels = ROWS.argmax(axis=1)
    expected = (net.predict(X) == ROWS).all(axis=1).mean()
    for Y in (ROWS, labels):
        assert implementation.Trainer(net, fastbp.SGD(0.0)).fit(X, Y).accuracy == [expected]
    net.save(tmp_path / "net")
    for again in (net.copy(), implementation.Network.load(tmp_path / "net")):
        assert again.multilabel
        assert np.array_equal(again.predict(X), net.predict(X))
    net.multilabel = False
    assert net.predict(X).shape == (6,)
    with pytest.raises(TypeError, match="multilabel must be True or False, got 1"):
        net.multilabel = 1
    for arguments in ({"output": "softmax"}, {"output": "identity", "loss": "quadratic"}):
        with pytest.raises(ValueError, match="multilabel needs a loss that takes labels"):
            implementation.Network([3, 3], **arguments).multilabel = True


def test_what_needs_one_label_a_sample_says_so(implementation):
    trainer = implementation.Trainer(implementation.Network([3, 3], output="sigmoid", rng=0))
    with pytest.raises(ValueError, match=r"class_weight is for one label a sample, .* use sample_weight"):
        trainer.fit(X, MULTI, class_weight=[1, 2, 3])
    with pytest.raises(ValueError, match="'top_1' needs targets that name one class each"):
        trainer.fit(X, MULTI, validation_data=(X, MULTI), metrics=["top_1"])


def test_rows_name_one_class_where_their_positive_numbers_sum_to_1():
    assert name_one_class(ROWS)
    assert name_one_class(2 * ROWS - 1)
    for row in ([1, 1, 0], [0, 0, 0], [0.6, 0.6, 0], [-1, -1, -1], [-1, 1, 1]):
        assert not name_one_class(np.array([[1, 0, 0], row]))
