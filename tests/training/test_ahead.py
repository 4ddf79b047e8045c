"""Lone steps leave the parameters as they were while nobody has a view of them; whoever asks gets them current."""

import copy
import ctypes
import os
import pickle
import threading
import weakref

import numpy as np
import pytest
from networks import make_data

import fastbp
from fastbp.compiled.inference import _before_fork
from fastbp.optimizers import Adam

SIZES = [7, 33, 20, 3]


def make(**arguments):
    net = fastbp.Network(SIZES, "tanh", dtype=np.float64, rng=0)
    return net, fastbp.Trainer(net, **{"optimizer": Adam(0.01), "rng": 0, **arguments})


def is_ahead(net):
    return net._bound.panels.write is not None


@pytest.fixture
def pair():
    """Two trainers of equal networks, of which the second one's parameters are held, and data."""
    net, trainer = make()
    other, second = make()
    held = other.parameters
    X, Y = make_data(net, 40)
    for each in (trainer, second):
        for _ in range(3):
            each.step(X, Y)
    assert is_ahead(net)
    assert not is_ahead(other)
    return trainer, second, held, X, Y


def saved(net, folder):
    net.save(folder / "net")
    return fastbp.Network.load(folder / "net").parameters


ASKED = {
    "parameters": lambda net, _: net.parameters,
    "weights": lambda net, _: np.concatenate([x.ravel() for pair in zip(net.weights, net.biases) for x in pair]),  # noqa: B905
    "a copy": lambda net, _: net.copy().parameters,
    "another dtype and back": lambda net, _: net.copy(np.float64).parameters,
    "copy.copy": lambda net, _: copy.copy(net).parameters,
    "copy.deepcopy": lambda net, _: copy.deepcopy(net).parameters,
    "a pickle": lambda net, _: pickle.loads(pickle.dumps(net)).parameters,
    "a file": saved,
    "memory": lambda net, _: np.frombuffer(memoryview(net.parameters)),
    "a buffer's buffer": lambda net, _: np.asarray(net.parameters.base),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_who_asks_gets_all_updates(ask, pair, tmp_path):
    trainer, second, held, X, Y = pair
    assert np.array_equal(ask(trainer.network, tmp_path), held)
    for each in (trainer, second):
        each.step(X, Y)
    assert np.array_equal(ask(trainer.network, tmp_path), held)


USED = {
    "one row": lambda net, X, Y: net.forward(X[:1]),
    "rows": lambda net, X, Y: net.forward(X),
    "loss": lambda net, X, Y: net.loss(X, Y),
    "backprop": lambda net, X, Y: net.backprop(X, Y).flat,
    "check": lambda net, X, Y: fastbp.check_gradients(net, X[:3], Y[:3]).max_relative_error,
    "fit": lambda net, X, Y: fastbp.Trainer(net, "sgd", 8, rng=0).fit(X, Y, epochs=2).loss,
    "another step": lambda net, X, Y: fastbp.Trainer(net, "sgd").step(X, Y),
    "lbfgs": lambda net, X, Y: fastbp.fit_lbfgs(net, X, Y, max_iter=2).n_iterations,
}


@pytest.mark.parametrize("use", USED.values(), ids=USED)
def test_what_computes_goes_by_all_updates(use, pair):
    trainer, second, held, X, Y = pair
    assert np.array_equal(use(trainer.network, X, Y), use(second.network, X, Y))
    for each in (trainer, second):
        each.step(X, Y)
    assert np.array_equal(trainer.network.parameters, held)


def through_ctypes(array):
    pointer = array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    return lambda: pointer.contents.__setattr__("value", pointer.contents.value + 1.0)


HELD = {
    "parameters": lambda net: net.parameters,
    "weights": lambda net: net.weights,
    "a layer": lambda net: net.weights[1],
    "a bias": lambda net: net.biases[2],
    "a row": lambda net: net.weights[1][3],
    "a view of a view": lambda net: net.weights[0].T[2:][::-1],
    "another type": lambda net: net.weights[0].view(np.int64),
    "a buffer": lambda net: memoryview(net.parameters)[3:9],
    "the buffer below": lambda net: net.parameters.base,
    "an iterator": lambda net: net.biases[0].flat,
    "a pointer": lambda net: through_ctypes(net.parameters),
}


@pytest.mark.parametrize("hold", HELD.values(), ids=HELD)
def test_a_view_however_it_was_made_is_kept_current_while_it_is_held(hold, pair):
    trainer, second, _, X, Y = pair
    net = trainer.network
    view = hold(net)
    for each in (trainer, second):
        each.step(X, Y)
        each.step(X, Y)
    assert not is_ahead(net)
    del view
    for each in (trainer, second):
        each.step(X, Y)
        each.step(X, Y)
    assert is_ahead(net)
    assert np.array_equal(net.parameters, second.network.parameters)


WRITTEN = {
    "flat": lambda net: net.parameters.__imul__(0.5),
    "a layer": lambda net: net.weights[1].__iadd__(0.25),
    "one bias": lambda net: net.biases[0].__setitem__(2, 3.0),
    "through memory": lambda net: np.frombuffer(net.parameters).__setitem__(11, 0.75),
    "through a pointer": lambda net: through_ctypes(net.parameters)(),
    "filled": lambda net: net.parameters.fill(0.125),
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_what_is_written_between_steps_counts(write, pair):
    trainer, second, held, X, Y = pair
    for _ in range(2):
        for each in (trainer, second):
            write(each.network)
            each.step(X, Y)
            each.step(X, Y)
        assert np.array_equal(trainer.network.parameters, held)


def test_what_is_written_through_a_view_that_was_taken_before_counts(pair):
    trainer, second, held, X, Y = pair
    view = trainer.network.weights[1][2:5]  # nothing else is asked for
    outputs = []
    for _ in range(3):
        for each, written in ((trainer, view), (second, second.network.weights[1][2:5])):
            written.__iadd__(0.125)
            each.step(X, Y)
            written.__imul__(0.5)
            outputs.append(each.network.forward(np.concatenate([X, X])))
    assert np.array_equal(outputs[::2], outputs[1::2])
    assert np.array_equal(trainer.network.parameters, held)


def test_a_view_that_another_thread_takes_during_a_step_is_kept_current(pair):
    trainer, second, held, X, Y = pair
    net, views, ready = trainer.network, [], threading.Event()

    def take():
        for _ in range(3000):
            views[:] = [net.weights[1]]
            ready.set()

    thread = threading.Thread(target=take)
    thread.start()
    ready.wait()
    for _ in range(300):
        trainer.step(X, Y)
        second.step(X, Y)
        assert np.array_equal(views[0], second.network.weights[1])
    thread.join()
    assert np.array_equal(net.parameters, held)


def test_other_threads_compute_with_all_updates(pair):
    trainer, second, _, X, _ = pair
    found = []
    thread = threading.Thread(target=lambda: found.append(trainer.network.forward(X)))
    thread.start()
    thread.join()
    assert np.array_equal(found[0], second.network.forward(X))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_all_updates(pair):
    trainer, _, held, _, _ = pair
    child = os.fork()
    if not child:
        os._exit(0 if np.array_equal(trainer.network.parameters, held) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_before_a_fork_all_updates_are_written(pair):
    """A thread that makes a step meanwhile is not in the child, and its panels are not whole."""
    trainer, _, held, _, _ = pair
    _before_fork()
    assert not is_ahead(trainer.network)
    assert np.array_equal(trainer.network._arrays.flat, held)


@pytest.mark.parametrize("rows", [40, 8], ids=["one minibatch", "minibatches"])
def test_a_fit_begins_with_all_updates_written(rows, pair):
    trainer, second, _, X, Y = pair
    found = []
    for each in (trainer, second):
        each.batch_size = rows
        found.append([])

        def batches(trainer=each, seen=found[-1]):
            for _ in range(3):
                yield X, Y
                seen.append(trainer.network.parameters.copy())

        each.fit(batches())
    assert np.array_equal(*found)


def test_who_reads_after_each_step_waits_for_nothing_more(pair):
    trainer, _, _, X, Y = pair
    for _ in range(2):
        trainer.step(X, Y)
        trainer.network.forward(X[:1])
    trainer.step(X, Y)
    assert not is_ahead(trainer.network)


def test_another_optimizer_and_other_rules_go_on_from_all_updates(pair):
    trainer, second, held, X, Y = pair
    for each in (trainer, second):
        each.optimizer = fastbp.SGD(0.1)
        each.step(X, Y)
        each.l2 = 0.01
        each.step(X, Y)
        each.clip_norm = 0.1
        each.step(X, Y)
    assert np.array_equal(trainer.network.parameters, held)


def test_a_loss_that_is_not_finite_leaves_the_parameters_of_the_step_before(pair):
    trainer, second, held, X, Y = pair
    for each in (trainer, second):
        each.network.biases[2][0] = 1e308
        each.network.biases[2][1] = -1e308
        each.optimizer = fastbp.SGD(1e300)
        steps = (each.step(X, Y) for _ in range(5))
        with pytest.raises(fastbp.DivergenceError):
            list(steps)
    assert np.array_equal(trainer.network.parameters, held, equal_nan=True)


def test_a_network_goes_with_its_trainer():
    net, trainer = make()
    X, Y = make_data(net, 40)
    trainer.step(X, Y)
    gone = weakref.ref(net)
    del net, trainer
    import gc

    gc.collect()
    assert gone() is None
