"""Epochs that nobody is told of between are trained in one call: as those that are trained one by one."""

import threading

import numba
import numpy as np
import pytest

import fastbp
from fastbp.compiled import session as sessions
from fastbp.exceptions import DivergenceError
from fastbp.kernels.epoch import finite_share
from fastbp.kernels.runtime.records import workspace_at

RNG = np.random.default_rng(0)
X = RNG.normal(size=(23, 5))  # minibatches of 8, 8 and 7
LABELS = RNG.integers(0, 3, 23)
WEIGHT = RNG.random(23)


class Told:
    """A callback: whoever is told of each epoch sees the network as it is after it."""

    def on_epoch_end(self, trainer, epoch, logs):
        pass


def make(optimizer="sgd", *, dtype="float32", **rules):
    net = fastbp.Network([5, 9, 3], "tanh", dtype=dtype, rng=0)
    return fastbp.Trainer(net, optimizer, 8, rng=0, threads=2, **rules)


def trained(trainer, epochs=12, **how):
    """What is to be the same: the parameters, what was measured, the counts, and the orders that come next."""
    history = trainer.fit(X, LABELS, epochs, **how).history
    assert len(history.pop("seconds")) == epochs
    return trainer.network.parameters.copy(), history, trainer.steps, trainer.epochs, trainer.rng.bit_generator.state


def assert_same(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1:] == expected[1:]


@pytest.fixture
def counts(monkeypatch):
    """How many epochs each call trained."""
    found, epochs = [], sessions.Session.epochs

    def counted(self, data, rows, batch_size, measured):
        found.append(len(measured))
        epochs(self, data, rows, batch_size, measured)

    monkeypatch.setattr(sessions.Session, "epochs", counted)
    return found


# ------------------------------------------------------------------ the same numbers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rules", [
    {}, {"shuffle": False}, {"l2": 0.1, "dropout": 0.3}, {"clip_norm": 0.1, "max_norm": 1.0},
], ids=["shuffled", "in order", "dropout", "norms"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_epochs_in_one_call_give_the_same_bits(optimizer, rules, dtype, counts):
    expected = trained(make(optimizer, dtype=dtype, **rules), callbacks=[Told()])
    assert not counts
    found = trained(make(optimizer, dtype=dtype, **rules))
    assert sum(counts) >= 8
    assert_same(found, expected)


def test_threads_in_one_call_give_the_same_bits(parallel, counts):
    expected = trained(make("adam"), callbacks=[Told()])
    found = trained(make("adam"))
    assert sum(counts) == 11  # the first epoch by itself
    assert_same(found, expected)


def test_weights_and_minibatches_that_are_whole_count_likewise(counts):
    how = {"sample_weight": WEIGHT, "class_weight": {0: 2.0}}
    expected = trained(make(), callbacks=[Told()], **how)
    assert_same(trained(make(), **how), expected)
    assert sum(counts) >= 8


def test_bound_arrays_learn_in_one_call_too(counts):
    def arrays():
        rng = np.random.default_rng(1)
        return [rng.normal(size=(5, 9)), rng.normal(size=(9, 3))], [np.zeros((1, 9)), np.zeros((1, 3))]

    found = []
    for callbacks in ([Told()], []):
        W, b = arrays()
        net = fastbp.bind(W, b, "tanh")
        fastbp.Trainer(net, "sgd", 8, rng=0).fit(X, LABELS, 12, callbacks=callbacks)
        found.append([*W, *b])
    assert sum(counts) >= 8
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------------ what must see each epoch does
@pytest.mark.parametrize("how", [
    {"callbacks": [Told()]}, {"validation_data": (X, LABELS)}, {"progress": True},
], ids=["a callback", "validation", "progress"])
def test_who_is_told_is_told_after_each_epoch(how, counts):
    trained(make(), **how)
    assert not counts


def test_a_schedule_of_epochs_is_told_of_each(counts):
    seen = []

    class Watching:
        def __call__(self, step):
            return 0.1

        def on_epoch(self, loss):
            seen.append(loss)

    history = make(fastbp.SGD(Watching())).fit(X, LABELS, 6)
    assert seen == history.loss
    assert not counts


def test_a_rate_of_the_users_is_asked_while_the_epochs_before_are_counted(counts):
    trainer = make()
    asked = []

    def rate(step):
        asked.append((step, trainer.epochs))
        return 0.1

    trainer.optimizer = fastbp.SGD(rate)
    trainer.fit(X, LABELS, 6)
    assert not counts
    assert {(0, 0), (17, 5)} <= set(asked)


def test_a_generator_that_cannot_be_set_back_draws_one_order_at_a_time(counts):
    class Mine(np.random.PCG64):
        @property
        def state(self):
            raise NotImplementedError

    trainer = make()
    trainer.rng = np.random.Generator(Mine(0))
    found = trained_parameters(trainer)
    assert not counts
    other = make()
    other.rng = np.random.Generator(np.random.PCG64(0))
    np.testing.assert_array_equal(found, trained_parameters(other))
    assert counts


def trained_parameters(trainer):
    trainer.fit(X, LABELS, 12)
    return trainer.network.parameters.copy()


# ------------------------------------------------------------------ what ends it
def assert_ends_alike(make, message):
    found = []
    for callbacks in ([Told()], []):
        trainer = make()
        with pytest.raises(DivergenceError, match=message) as error:
            trainer.fit(*trainer.data, 400, callbacks=callbacks)
        history = trainer.history.history
        assert len(history.pop("seconds")) == trainer.epochs > 4
        counts = trainer.steps, trainer.epochs, trainer.rng.bit_generator.state
        found.append((str(error.value), trainer.network.parameters.copy(), history, *counts))
    np.testing.assert_array_equal(found[1][1], found[0][1])
    assert found[1][0] == found[0][0]
    assert found[1][2:] == found[0][2:]


def test_a_loss_that_is_not_finite_ends_it_after_the_same_minibatch(counts):
    def growing():
        net = fastbp.Network([2, 1], output="identity", loss="quadratic", rng=0)
        trainer = fastbp.Trainer(net, fastbp.SGD(3.0), 2, rng=0)
        trainer.data = np.ones((5, 2)), np.arange(5.0)[:, None]
        return trainer

    assert_ends_alike(growing, r"the loss is (inf|nan) in epoch \d+/400 at learning_rate 3")
    assert counts


def test_a_parameter_that_is_not_finite_ends_it_after_the_same_epoch(counts):
    def growing():
        # inputs of 0 read no weight, which grows by a factor of −2 a step: the loss stays as it is
        net = fastbp.Network([2, 1], output="tanh", loss="quadratic", rng=0)
        trainer = fastbp.Trainer(net, fastbp.SGD(1.0), 2, rng=0, l2=3.0)
        trainer.data = np.zeros((5, 2)), np.zeros((5, 1))
        return trainer

    assert_ends_alike(growing, r"a parameter is not finite after epoch 4\d/400")
    assert counts


@numba.njit
def all_finite(address, hyper, threads):
    found = 0
    for t in range(threads):
        found += finite_share(workspace_at(address, hyper), t, threads)
    return found == threads


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_parameter_is_checked_by_one_of_the_threads(dtype):
    trainer = make(dtype=dtype)
    trainer.fit(X, LABELS)
    panels, address = trainer.network._bound.panels.w, trainer._session._workspace.address
    for threads in (1, 2, 3):
        assert all_finite(address, np.empty((1, 1), dtype), threads)
        for k in range(len(panels)):
            for value in (np.inf, -np.inf, np.nan):
                before, panels[k] = panels[k], value
                assert not all_finite(address, np.empty((1, 1), dtype), threads), (k, threads, value)
                panels[k] = before


def test_ctrl_c_leaves_no_epoch_uncounted(monkeypatch, counts):
    trainer = make()
    trainer.fit(X, LABELS, 3)
    left = sessions.Session._left

    def interrupted(self, last, leaves):
        left(self, last, leaves)
        if counts:
            raise KeyboardInterrupt

    counts.clear()
    monkeypatch.setattr(sessions.Session, "_left", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, LABELS, 9)
    assert counts
    assert counts == [len(trainer.history.loss)]
    assert trainer.epochs == 3 + counts[0]
    assert trainer.steps == 3 * trainer.epochs
    monkeypatch.undo()
    trainer.fit(X, LABELS, 13 - trainer.epochs)
    np.testing.assert_array_equal(trainer.network.parameters, trained(make(), 13)[0])


def test_ctrl_c_before_the_call_draws_no_order(monkeypatch):
    trainer, draws = make(), []
    trainer.fit(X, LABELS, 3)
    monkeypatch.setattr(sessions.Session, "epochs", lambda *_: draws.append(trainer.rng.bit_generator.state) or 1 / 0)
    before = trainer.rng.bit_generator.state
    with pytest.raises(ZeroDivisionError):
        trainer.fit(X, LABELS, 9)
    assert trainer.rng.bit_generator.state == before != draws[0]


# ------------------------------------------------------------------ other threads
def test_another_thread_reads_epochs_that_are_whole(counts):
    trainer = make()
    trainer.fit(X, LABELS, 2)
    fitting = threading.Thread(target=trainer.fit, args=(X, LABELS, 3000))
    fitting.start()
    seen = 0
    while fitting.is_alive():
        history = trainer.history.history
        assert len({len(values) for values in history.values()}) <= 1
        assert trainer.network.copy().parameters.shape == (84,)
        seen += 1
    fitting.join()
    assert seen > 1
    assert trainer.steps == 3 * 3002
    assert len(trainer.history.loss) == 3000
