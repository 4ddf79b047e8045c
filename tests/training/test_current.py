"""Networks and trainers keep buffers from call to call, and never compute with numbers that are no longer true."""

import copy
import dataclasses
import pickle
import re
import threading

import numpy as np
import pytest
from networks import make_data, make_labels, relative_error

import fastbp
from fastbp.optimizers import SGD, Adam

SIZES = [7, 33, 20, 3]


def make(dtype=np.float64, **arguments):
    net = fastbp.Network(SIZES, "tanh", dtype=dtype, rng=0)
    return net, fastbp.Trainer(net, **{"optimizer": SGD(0.1), "batch_size": 16, "rng": 0, **arguments})


def twin_of(net):
    twin = fastbp.reference.Network(SIZES, "tanh", dtype=net.dtype)
    twin.parameters[:] = net.parameters
    return twin


def assert_current(net, X, Y):
    """Every call gives what a fresh NumPy network of the same parameters gives."""
    twin = twin_of(net)
    for rows in (1, 8, 9, len(X)):
        assert relative_error(net.forward(X[:rows]), twin.forward(X[:rows])) < 1e-13
    assert net.loss(X, Y) == pytest.approx(twin.loss(X, Y), rel=1e-13)
    assert relative_error(net.backprop(X, Y).flat, twin.backprop(X, Y).flat) < 1e-12


# what users do to parameters in place, from every side
WRITES = {
    "one weight": lambda net: net.weights[1].__setitem__((3, 5), 0.25),
    "a layer": lambda net: net.weights[0].__imul__(1.5),
    "a view taken before": lambda net: net.kept.__iadd__(0.125),
    "a bias": lambda net: net.biases[2].__setitem__(1, -3.0),
    "flat": lambda net: net.parameters.__setitem__(slice(None), np.linspace(-1.0, 1.0, net.parameters.size)),
    "the last of all": lambda net: net.parameters.__setitem__(-1, 7.0),
    "the sign of zero": lambda net: net.weights[2].__setitem__((0, 0), -0.0),
    "through memory": lambda net: np.frombuffer(net.parameters, net.dtype).__setitem__(11, 0.75),
    "out of a function": lambda net: np.negative(net.weights[2], out=net.weights[2]),
    "swapped": lambda net: net.parameters.__setitem__(slice(None), net.parameters[::-1].copy()),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_is_written_in_place_counts_at_the_next_call(write):
    net, trainer = make()
    X, Y = make_data(net, 40)
    net.kept = net.weights[0][2:5]
    for _ in range(2):
        assert_current(net, X, Y)
        write(net)
        assert_current(net, X, Y)
        twin = fastbp.reference.Trainer(twin_of(net), SGD(0.1))
        write(net)
        twin.network.parameters[:] = net.parameters
        assert trainer.step(X, Y) == pytest.approx(twin.step(X, Y), rel=1e-12)
        assert relative_error(net.parameters, twin.network.parameters) < 1e-12
        assert_current(net, X, Y)


def test_views_taken_before_a_step_show_its_update():
    net, trainer = make()
    X, Y = make_data(net, 16)
    views, before = (net.parameters, *net.weights, *net.biases), net.parameters.copy()
    trainer.step(X, Y)
    assert not np.array_equal(views[0], before)
    assert all(np.shares_memory(view, net.parameters) for view in views)
    assert_current(net, X, Y)


def test_a_callback_that_writes_to_the_weights_is_heeded():
    class Halve:
        def on_epoch_end(self, trainer, epoch, logs):
            trainer.network.weights[1][:] *= 0.5

    net, trainer = make(shuffle=False)
    X, Y = make_data(net, 40)
    twin = fastbp.reference.Trainer(twin_of(net), SGD(0.1), 16, shuffle=False)
    for each in (trainer, twin):
        each.fit(X, Y, epochs=3, callbacks=[Halve()])
    assert relative_error(net.parameters, twin.network.parameters) < 1e-12


def test_two_trainers_of_one_network_take_turns():
    net, first = make()
    second = fastbp.Trainer(net, Adam(0.01), batch_size=8, rng=0)
    X, Y = make_data(net, 24)
    twins = [fastbp.reference.Trainer(twin_of(net), SGD(0.1))]
    twins.append(fastbp.reference.Trainer(twins[0].network, Adam(0.01)))
    for _ in range(3):
        for trainer, twin in zip((first, second), twins, strict=True):
            trainer.step(X, Y)
            twin.step(X, Y)
            assert relative_error(net.parameters, twins[0].network.parameters) < 1e-10
            assert_current(net, X, Y)


def test_minibatches_of_all_sizes_share_one_session():
    net, trainer = make(optimizer=Adam(0.01))
    twin = fastbp.reference.Trainer(twin_of(net), Adam(0.01))
    X, Y = make_data(net, 700)
    for rows in (1, 64, 3, 700, 16, 513, 2):
        trainer.step(X[:rows], Y[:rows])
        twin.step(X[:rows], Y[:rows])
        assert relative_error(net.parameters, twin.network.parameters) < 1e-9


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_in_the_middle_goes_on_with_numbers_of_its_own(again):
    net, trainer = make(optimizer=Adam(0.01))
    X, Y = make_data(net, 16)
    trainer.step(X, Y)
    other = again(trainer) if again is not copy.copy else copy.deepcopy(trainer)
    trainer.step(X, Y)
    expected = net.parameters.copy()
    other.step(X, Y)
    assert np.array_equal(other.network.parameters, expected)
    assert np.array_equal(net.parameters, expected)


def test_a_copy_of_a_trainer_of_the_same_network_counts_its_own_updates(implementation):
    net = implementation.Network(SIZES, rng=0)
    trainer = implementation.Trainer(net, "adam", rng=0)
    X, Y = make_data(net, 16)
    trainer.step(X, Y)
    other = copy.copy(trainer)
    trainer.step(X, Y)
    assert (trainer.steps, other.steps) == (2, 1)


# ------------------------------------------------------------------ what may be changed, and how
def test_other_numbers_of_an_optimizer_go_on_with_its_state():
    net, trainer = make(optimizer=Adam(0.01))
    twin = fastbp.reference.Trainer(twin_of(net), Adam(0.01))
    X, Y = make_data(net, 16)
    for rate in (0.01, 0.003):
        for each in (trainer, twin):
            each.optimizer = Adam(rate)
            each.step(X, Y)
    assert relative_error(net.parameters, twin.network.parameters) < 1e-12
    assert all(state.any() for state in trainer.optimizer_state)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", Adam(amsgrad=True)], ids=str)
def test_another_optimizer_begins_with_a_state_of_its_own(optimizer):
    net, trainer = make(optimizer=Adam(0.01))
    X, Y = make_data(net, 16)
    trainer.step(X, Y)
    trainer.optimizer = optimizer
    twin = fastbp.reference.Trainer(twin_of(net), optimizer)
    if optimizer != "adam":
        assert not any(state.any() for state in trainer.optimizer_state)
        twin.steps = trainer.steps
        trainer.step(X, Y)
        twin.step(X, Y)
        assert relative_error(net.parameters, twin.network.parameters) < 1e-12
    assert len(trainer.optimizer_state) == trainer.optimizer.states


def test_a_state_is_set_as_a_whole_and_checked():
    net, trainer = make(optimizer="momentum")
    X, Y = make_data(net, 16)
    trainer.step(X, Y)
    with pytest.raises(ValueError, match="read-only"):
        trainer.optimizer_state[0][0] = 1.0
    with pytest.raises(ValueError, match=r"optimizer_state has the shapes \(3,\), expected 1 of"):
        trainer.optimizer_state = [np.zeros(3)]
    trainer.optimizer_state = [np.zeros_like(net.parameters)]
    twin = fastbp.reference.Trainer(twin_of(net), "momentum")
    trainer.step(X, Y)
    twin.step(X, Y)
    assert relative_error(net.parameters, twin.network.parameters) < 1e-12


WRONG = [
    ("optimizer", "amda", ValueError, "optimizer must be one of"),
    ("batch_size", 0, ValueError, "batch_size must be an integer >= 1, got 0"),
    ("threads", 0, ValueError, "threads must be an integer >= 1, got 0"),
    ("shuffle", "yes", TypeError, "shuffle must be True or False"),
    ("steps", -1, ValueError, "steps must be an integer in 0..9007199254740992, got -1"),
    ("steps", 2**63 - 1, ValueError, "steps must be an integer in 0..9007199254740992, got 9223372036854775807"),
    ("epochs", 2**64, ValueError, "epochs must be an integer in 0..9007199254740992, got"),
    ("network", None, AttributeError, "network of a trainer cannot be changed"),
]


@pytest.mark.parametrize(("name", "value", "error", "message"), WRONG)
def test_a_wrong_setting_is_refused_and_changes_nothing(implementation, name, value, error, message):
    net = implementation.Network(SIZES, "tanh", dtype=np.float64, rng=0)
    trainer = implementation.Trainer(net, "adam", 16, rng=0)
    before = getattr(trainer, name)
    with pytest.raises(error, match=message):
        setattr(trainer, name, value)
    assert getattr(trainer, name) == before
    trainer.fit(*make_data(net, 40))


@pytest.mark.parametrize("name", ["sizes", "dtype", "activations", "loss_function"])
def test_the_shape_of_a_network_cannot_be_changed(implementation, name):
    net = implementation.Network(SIZES, rng=0)
    with pytest.raises(AttributeError, match=f"{name} of a network cannot be changed; make a new Network"):
        setattr(net, name, getattr(net, name))


@pytest.mark.parametrize("name", ["sizes", "dtype", "activations", "loss_function"])
def test_the_shape_of_a_network_cannot_be_deleted(implementation, name):
    net = implementation.Network(SIZES, rng=0)
    with pytest.raises(AttributeError, match=f"{name} of a network cannot be deleted"):
        delattr(net, name)


def test_settings_changed_in_the_middle_of_a_fit_hold_from_the_next_epoch():
    class Change:
        def on_epoch_end(self, trainer, epoch, logs):
            trainer.batch_size, trainer.threads = 5 + epoch, 1 + epoch % 2
            trainer.optimizer = "adam" if epoch == 2 else trainer.optimizer

    net, trainer = make(shuffle=False)
    twin = fastbp.reference.Trainer(twin_of(net), SGD(0.1), 16, shuffle=False)
    X, Y = make_data(net, 40)
    for each in (trainer, twin):
        each.fit(X, Y, epochs=4, callbacks=[Change()])
    assert trainer.steps == twin.steps
    assert relative_error(net.parameters, twin.network.parameters) < 1e-9


def test_read_only_parameters_predict_and_are_not_trained():
    net, trainer = make()
    X, Y = make_data(net, 40)
    net.parameters.setflags(write=False)
    before = net.parameters.copy()
    assert_current(net, X, Y)
    for train in (lambda: trainer.step(X, Y), lambda: trainer.fit(X, Y)):
        with pytest.raises(ValueError, match="the network's parameters are read-only"):
            train()
    assert np.array_equal(net.parameters, before)


# ------------------------------------------------------------------ several Python threads
def test_a_thread_that_predicts_while_another_trains_gets_whole_layers():
    net, trainer = make(np.float32)
    X, _ = make_data(net, 600)
    errors, done = [], threading.Event()

    def predict():
        while not done.is_set():
            try:
                a = net.forward(X)
                assert np.isfinite(a).all()
                assert np.abs(a.sum(axis=1) - 1.0).max() < 1e-4
            except AssertionError as error:
                errors.append(error)

    other = threading.Thread(target=predict)
    other.start()
    trainer.fit(X, make_labels(600, 3), epochs=300)
    done.set()
    other.join()
    assert not errors


# ------------------------------------------------------------------ what a callback does to what a fit works on
def reshape(array):
    array.shape = (array.shape[0] // 2, *array.shape[1:-1], array.shape[-1] * 2)


DURING = {
    "shape of X": lambda trainer, X, Y: reshape(X),
    "type of X": lambda trainer, X, Y: setattr(X, "dtype", np.float32),
    "shape of Y": lambda trainer, X, Y: setattr(Y, "shape", (2, -1)),
    "shape of parameters": lambda trainer, X, Y: setattr(trainer.network.parameters, "shape", (1, -1)),
    "type of parameters": lambda trainer, X, Y: setattr(trainer.network.parameters, "dtype", np.float32),
}


@pytest.mark.filterwarnings("ignore:Setting the .* on a NumPy array:DeprecationWarning")  # NumPy 2.5
@pytest.mark.parametrize("change", DURING.values(), ids=DURING)
def test_forms_changed_in_the_middle_of_a_fit_are_nothing_to_it(implementation, change):
    class Change:
        def on_epoch_end(self, trainer, epoch, logs):
            if epoch == 1:
                change(trainer, X, Y)

    found = []
    for callbacks in ([], [Change()]):
        net = implementation.Network(SIZES, "tanh", dtype=np.float64, rng=0)
        X, Y = make_data(net, 40)
        implementation.Trainer(net, "adam", 16, rng=0).fit(X, Y, epochs=3, callbacks=callbacks)
        found.append(net._parameters.copy())
    assert np.array_equal(*found)


def test_parameters_cannot_be_resized_away():
    net, trainer = make()
    trainer.step(*make_data(net, 8))
    with pytest.raises(ValueError, match="own"):
        net.parameters.resize(3, refcheck=False)


@pytest.mark.parametrize("name", ["n_classes", "logits_form", "takes_shares"])
def test_what_follows_from_the_shape_of_a_network_cannot_be_changed(implementation, name):
    net = implementation.Network(SIZES, rng=0)
    with pytest.raises(AttributeError, match=f"{name} of a network cannot be changed"):
        setattr(net, name, 100)
    assert getattr(net, name) != 100


HOW = [
    (lambda trainer: setattr(trainer.optimizer, "learning_rate", 0.5), "Adam cannot be changed, only replaced"),
    (lambda trainer: setattr(trainer, "learning_rate", 0.5), "learning_rate is the optimizer's"),
]


@pytest.mark.parametrize(("change", "message"), HOW)
def test_how_to_change_a_learning_rate_is_said_and_works(implementation, change, message):
    trainer = implementation.Trainer(implementation.Network(SIZES, rng=0), "adam")
    with pytest.raises(AttributeError, match=message) as caught:
        change(trainer)
    exec(re.search("`(.*)`", str(caught.value))[1], {"trainer": trainer, "dataclasses": dataclasses})
    assert trainer.optimizer == fastbp.Adam(0.5)


def test_an_attribute_that_would_have_no_effect_is_refused(implementation):
    trainer = implementation.Trainer(implementation.Network(SIZES, rng=0))
    with pytest.raises(AttributeError, match="a callback ends training by `return True`"):
        trainer.stop_training = True
    for name, value in (("regularization", None), ("history", {}), ("epochs", "2")):
        with pytest.raises(TypeError, match=name):
            setattr(trainer, name, value)
