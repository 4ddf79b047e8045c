"""What callbacks, generators and optimizers of the user's may do to a fit, and what is left when they fail."""

import dataclasses
import math
import warnings

import numpy as np
import pytest
from networks import make_samples, make_trainer

import fastbp
from fastbp import update_rules
from fastbp.callbacks import CSVLogger, EarlyStopping, LambdaCallback
from fastbp.optimizers import Adam, Optimizer

X, Y = make_samples(23)


class Recorder:
    def __init__(self):
        self.events = []

    def on_train_begin(self, trainer):
        self.events.append("begin")

    def on_train_end(self, trainer):
        self.events.append("end")


def fail(*_):
    raise ZeroDivisionError("of the user's")


# ------------------------------------------------------------------ callbacks
def test_what_began_ends_where_another_callback_fails_to_begin(implementation):
    before, after = Recorder(), Recorder()
    trainer = make_trainer(implementation)
    with pytest.raises(ZeroDivisionError):
        trainer.fit(X, Y, callbacks=[before, LambdaCallback(on_train_begin=fail), after])
    assert (before.events, after.events) == (["begin", "end"], [])


def test_all_callbacks_end_where_one_fails_to(implementation):
    trainer, stopping, last = make_trainer(implementation, optimizer="adam"), EarlyStopping("loss"), Recorder()
    best = []
    keep = LambdaCallback(on_epoch_end=lambda trainer, *_: best.append(trainer.network.parameters.copy()))
    ends = LambdaCallback(on_train_end=fail)
    with pytest.raises(ZeroDivisionError):
        trainer.fit(X, Y, epochs=3, callbacks=[keep, ends, stopping, ends, last])
    assert np.array_equal(trainer.network.parameters, best[stopping.best_epoch - 1])
    assert last.events == ["begin", "end"]


def test_a_fit_that_cannot_begin_leaves_the_parameters_of_a_checkpoint(implementation, tmp_path):
    trainer = make_trainer(implementation, optimizer=fastbp.SGD(30.0))
    save = LambdaCallback(on_checkpoint=lambda trainer, *_: trainer.save(tmp_path / "run"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dead layers
        trainer.fit(X, Y, epochs=4, callbacks=[EarlyStopping("loss"), save])
    again = type(trainer).load(tmp_path / "run")
    last = again.network.parameters.copy()
    with pytest.raises(ZeroDivisionError):
        again.fit(X, Y, callbacks=[EarlyStopping("loss"), LambdaCallback(on_train_begin=fail)])
    assert np.array_equal(again.network.parameters, last)


def test_the_history_of_a_fit_is_its_own_where_a_callback_trains(implementation):
    trainer = make_trainer(implementation)
    inner = []
    train = LambdaCallback(on_epoch_end=lambda trainer, *_: inner.append(trainer.fit(X, Y, epochs=2)) and None)
    history = trainer.fit(X, Y, epochs=3, callbacks=[train])
    assert history is trainer.history
    assert [len(each.loss) for each in (history, *inner)] == [3, 2, 2, 2]


def test_a_method_that_is_none_is_not_called(implementation):
    callback = Recorder()
    callback.on_epoch_end = None
    make_trainer(implementation).fit(X, Y, callbacks=[callback])
    assert callback.events == ["begin", "end"]


def test_a_table_of_a_log_stays_one(implementation, tmp_path):
    path = tmp_path / "log.csv"
    change = {2: lambda logs: logs.pop("accuracy"), 3: lambda logs: logs.update(rate=0.5)}
    callback = LambdaCallback(on_epoch_end=lambda _, epoch, logs: change.get(epoch, len)(logs) and None)
    with pytest.raises(ValueError, match=r"log.csv has the columns \['epoch', .*\], and epoch 3 has 'rate', too"):
        make_trainer(implementation).fit(X, Y, epochs=4, callbacks=[callback, CSVLogger(path)])
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    assert header == ["epoch", "loss", "accuracy", "seconds"]
    assert [len(row) for row in rows] == [4, 4]
    assert [rows[1][k] for k in (0, 2)] == ["2", "nan"]


# ------------------------------------------------------------------ history
@pytest.mark.parametrize(("name", "values", "message"), [
    ("rate", [0.1], "a number for each epoch in every list: loss has 2, accuracy has 2, seconds has 2, rate has 1"),
    ("rate", [[0.1], [0.2]], "history.rate must be a list of numbers"),
    ("note", ["first", "second"], "history.note must be a list of numbers"),
])
def test_a_history_that_no_file_would_give_back_is_not_written(implementation, tmp_path, name, values, message):
    trainer = make_trainer(implementation)
    trainer.save(tmp_path / "run")
    trainer.fit(X, Y, epochs=2)
    setattr(trainer.history, name, values)
    for write, path in ((trainer.save, tmp_path / "run"), (trainer.history.to_csv, tmp_path / "history.csv")):
        with pytest.raises(ValueError, match=message):
            write(path)
    assert type(trainer).load(tmp_path / "run").epochs == 0
    assert not (tmp_path / "history.csv").exists()


def test_a_note_and_whole_numbers_in_a_history_do_no_harm(implementation, tmp_path):
    trainer = make_trainer(implementation)
    trainer.fit(X, Y, epochs=2)
    trainer.history.note, trainer.history.count = "first run", [1, 2]
    trainer.save(tmp_path / "run")
    assert type(trainer).load(tmp_path / "run").history.count == [1.0, 2.0]
    assert "note" not in repr(trainer.history)


# ------------------------------------------------------------------ what is written to between epochs and batches
SETTINGS = {
    "threads": lambda trainer: setattr(trainer, "threads", 1),
    "the same optimizer": lambda trainer: setattr(trainer, "optimizer", Adam(0.01)),
    "regularization": lambda trainer: setattr(trainer, "regularization", trainer.regularization),
}


@pytest.mark.parametrize("change", SETTINGS.values(), ids=SETTINGS)
def test_a_setting_made_by_a_generator_takes_nothing_from_the_optimizer(implementation, change):
    found = []
    for setting in (lambda _: None, change):
        trainer = make_trainer(implementation, optimizer=Adam(0.01))

        def batches(trainer=trainer, setting=setting):
            for k in range(0, 20, 5):
                setting(trainer)
                yield X[k : k + 5], Y[k : k + 5]

        trainer.fit(batches, epochs=2)
        found.append([trainer.network.parameters.copy(), *trainer.optimizer_state])
    assert np.array_equal(*found)


def test_a_setting_made_by_a_generator_holds_from_the_next_batch(implementation):
    def batches():
        yield X, Y
        before.append(trainer.network.parameters.copy())
        trainer.optimizer = fastbp.SGD(0.0)
        yield X, Y

    before, trainer = [], make_trainer(implementation)
    trainer.fit(batches())
    assert np.array_equal(trainer.network.parameters, before[0])


CHANGED = {
    "labels": (lambda x, y, w: y.__setitem__(3, 2), r"Y\[3\] is 2, expected labels 0..1"),
    "negative labels": (lambda x, y, w: y.__setitem__(3, -1), r"Y\[3\] is -1, expected labels 0..1"),
    "weights": (lambda x, y, w: w.__setitem__(4, -1.0), r"sample_weight\[4\] is -1"),
    "inputs": (lambda x, y, w: x.__setitem__((5, 1), math.nan), r"X\[5, 1\] is nan"),
}


@pytest.mark.parametrize(("write", "message"), CHANGED.values(), ids=CHANGED)
def test_data_spoilt_by_a_callback_are_named(implementation, write, message):
    data = X.copy(), Y.astype(np.int64), np.ones(len(X))
    callback = LambdaCallback(on_epoch_end=lambda *_: write(*data))
    trainer = make_trainer(implementation)
    with pytest.raises(ValueError, match=message):
        trainer.fit(data[0], data[1], epochs=2, sample_weight=data[2], callbacks=[callback])
    assert len(trainer.history.loss) == 1


def test_parameters_that_were_not_finite_are_no_matter_of_the_learning_rate(implementation):
    trainer = make_trainer(implementation)
    trainer.network.parameters[3] = math.nan
    with pytest.raises(fastbp.DivergenceError, match="was not finite when training began"):
        trainer.fit(X, Y)


# ------------------------------------------------------------------ trainers
@pytest.mark.parametrize(("trainer", "network"), [(fastbp, fastbp.reference), (fastbp.reference, fastbp)])
def test_a_network_of_the_other_kind_is_named(trainer, network):
    expected = f"network must be a {trainer.__name__}.Network, got Network(.*) " + rf"\({network.__name__}\.Network\)"
    with pytest.raises(TypeError, match=expected):
        trainer.Trainer(network.Network([3, 2]))


@pytest.mark.parametrize("name", ["network", "optimizer", "rng", "_session", "_steps"])
def test_what_a_trainer_needs_cannot_be_deleted(implementation, name):
    trainer = make_trainer(implementation)
    trainer.step(X, Y)
    trainer.note = 1
    del trainer.note
    with pytest.raises(AttributeError, match=f"{name} of a trainer cannot be deleted"):
        delattr(trainer, name)


def test_a_network_that_gets_another_state_computes_with_it():
    net, other = fastbp.Network([3, 2], rng=0), fastbp.Network([9, 200, 2], rng=0)
    rows = np.ones((600, 9))
    net.forward(X)
    net.backprop(X, Y)
    net.__setstate__(other.__getstate__())
    assert np.array_equal(net.forward(rows), other.forward(rows))
    assert np.array_equal(net.backprop(rows, np.zeros(600, int)).flat, other.backprop(rows, np.zeros(600, int)).flat)


def test_an_optimizer_given_as_a_class_is_told_apart():
    with pytest.raises(TypeError, match=r"got the class Adam; make an object: Adam\(\.\.\.\)"):
        fastbp.Trainer(fastbp.Network([3, 2]), Adam)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: fastbp.SGD(10**400), "learning_rate must be a number in .*, which is beyond float64"),
    (lambda: fastbp.SGD(10**5000), "learning_rate must be a number in .* an integer of 16610 bits"),
    (lambda: make_trainer(fastbp.reference).fit(X, Y, epochs=-(10**5000)), "epochs .* an integer of 16610 bits"),
    (lambda: make_trainer(fastbp.reference, optimizer=fastbp.SGD(lambda _: 10**400)).step(X, Y), "beyond float64"),
])
def test_numbers_beyond_all_bounds_are_named(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(("arguments", "message"), [
    ({"metrics": None}, "metrics must be a list of names and functions, got None"),
    ({"progress": "yes"}, "progress must be True or False, got 'yes'"),
    ({"metrics": [lambda y, a: 10**400], "validation_data": (X, Y)}, "metric '<lambda>' returned 1000.*, expected a"),
])
def test_other_arguments_of_a_fit_are_named(implementation, arguments, message):
    with pytest.raises(TypeError, match=message):
        make_trainer(implementation).fit(X, Y, **arguments)


# ------------------------------------------------------------------ optimizers
def momentum(w, g, state, h):
    v = 0.9 * state[0] + g
    return w - h[0] * v, (v,)


@dataclasses.dataclass(frozen=True)
class Own(Optimizer):
    rule: object = momentum
    n_states: list = dataclasses.field(default_factory=lambda: [1])
    numbers: object = (0.1,)

    @property
    def states(self):
        return self.n_states[0]

    def formula(self):
        return self.rule

    def hyper(self, step):
        return self.numbers


WRONG = {
    "a state too few": (Own(0.1, n_states=[0]), TypeError, "rule of Own, called with w, g, 0 states and 1 numbers h"),
    "a state too many": (Own(0.1, n_states=[2]), TypeError, "must return w and a tuple of as many states"),
    "states that are no number": (Own(0.1, n_states=["a"]), TypeError, "Own.states must be an integer >= 0"),
    "no numbers": (Own(0.1, update_rules.sgd, [0], ()), TypeError, "called with w, g, 0 states and 0 numbers h, fails"),
    "no tuple": (Own(0.1, numbers=None), TypeError, r"Own.hyper\(0\) must be a tuple of numbers, got None"),
    "text": (Own(0.1, numbers=("a",)), TypeError, r"Own.hyper\(0\)\[0\] must be a number"),
    "no state returned": (Own(0.1, lambda w, g, state, h: w), TypeError, "fails: ValueError"),
    "a branch": (Own(0.1, lambda w, g, state, h: (w, state) if g > 0 else (g, state)), TypeError, "ambiguous"),
}


@pytest.mark.parametrize(("optimizer", "error", "message"), WRONG.values(), ids=WRONG)
def test_a_rule_that_does_not_go_with_its_numbers_is_named(implementation, optimizer, error, message):
    trainer = make_trainer(implementation, optimizer=optimizer)
    before = trainer.network.parameters.copy()
    with pytest.raises(error, match=message):
        trainer.fit(X, Y)
    assert np.array_equal(trainer.network.parameters, before)


def test_more_numbers_than_a_rule_takes_have_kernels_of_their_own(monkeypatch):
    names = []
    monkeypatch.setattr("fastbp.kernels.formulas.update_address", lambda name, *_: names.append(name) or 0)
    from fastbp.compiled.formulas import update_address

    for optimizer in (fastbp.SGD(0.1), Own(0.1, update_rules.sgd, [0], (0.1, 0.2))):
        update_address(optimizer, np.dtype(np.float32))
    assert len(set(names)) == 2


def test_another_number_of_states_in_the_middle_is_refused(implementation):
    optimizer = Own(0.1)
    trainer = make_trainer(implementation, optimizer=optimizer)
    trainer.fit(X, Y)
    optimizer.n_states[0] = 3
    trainer.threads = 1
    with pytest.raises((TypeError, ValueError), match="states"):
        trainer.fit(X, Y)
