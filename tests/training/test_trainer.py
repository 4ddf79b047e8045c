"""Training: orders, minibatches, history, validation, callbacks, interruption and divergence."""

import csv
import pickle
import signal
import sys
import threading
from time import perf_counter

import numpy as np
import pytest
from networks import make_data, make_labels, make_network, make_samples, make_trainer, relative_error

from fastbp import DivergenceError
from fastbp.optimizers import OPTIMIZERS, SGD


class Spy:
    """A session that notes what it is asked for, and interrupts after some runs."""

    def __init__(self, session, calls, interrupt_after=None):
        self.session, self.calls, self.interrupt_after = session, calls, interrupt_after

    def __enter__(self):
        self.session.__enter__()
        self.gate = self.session.gate
        return self

    def __exit__(self, *error):
        self.session.__exit__(*error)
        self.calls.append("exit")

    def leave(self):
        self.session.leave()

    def states(self):
        return self.session.states()

    def run(self, data, rows, batch_size, **more):
        runs = sum(isinstance(call, list) for call in self.calls)
        if self.interrupt_after is not None and runs >= self.interrupt_after:
            self.interrupt_after = None
            raise KeyboardInterrupt
        result = self.session.run(data, rows, batch_size, **more)
        self.calls.append(rows[: result.n_samples].tolist())
        return result


def spy_on(monkeypatch, implementation, **arguments):
    calls = []
    open_session = implementation.Trainer._open
    monkeypatch.setattr(implementation.Trainer, "_open", lambda *states: Spy(open_session(*states), calls, **arguments))
    return calls


def rows_by_epoch(calls, n_samples):
    rows = [row for call in calls if isinstance(call, list) for row in call]
    return np.reshape(rows, (-1, n_samples))


# ------------------------------------------------------------------ orders and minibatches
def test_each_epoch_takes_all_samples_in_the_order_of_the_seed(implementation, monkeypatch):
    calls = spy_on(monkeypatch, implementation)
    make_trainer(implementation, rng=42).fit(*make_samples(), epochs=3)
    rng = np.random.default_rng(42)
    assert np.array_equal(rows_by_epoch(calls, 11), [rng.permutation(11) for _ in range(3)])


def test_without_shuffling_samples_come_as_they_are(implementation, monkeypatch):
    calls = spy_on(monkeypatch, implementation)
    make_trainer(implementation, shuffle=False).fit(*make_samples(), epochs=2)
    assert np.array_equal(rows_by_epoch(calls, 11), [np.arange(11)] * 2)


def test_chunks_are_whole_minibatches_and_steps_count_on(implementation, monkeypatch):
    calls = spy_on(monkeypatch, implementation)
    trainer = make_trainer(implementation)
    for epochs in (3, 2):
        trainer.fit(*make_samples(), epochs=epochs)
    chunks = [call for call in calls if isinstance(call, list)]
    assert all(len(rows) % 4 == 0 or len(rows) % 4 == 11 % 4 for rows in chunks)
    assert trainer.steps == sum(-(-len(rows) // 4) for rows in chunks) == 15
    assert calls[-1] == "exit"


@pytest.mark.parametrize("batch_size", [1, 4, 11, 32])
def test_a_fit_makes_the_updates_of_step_by_step_training(implementation, batch_size):
    X, Y = make_samples()
    optimizer = SGD(0.1, momentum=0.9)
    whole = make_trainer(implementation, optimizer=optimizer, batch_size=batch_size, rng=3)
    parts = make_trainer(implementation, optimizer=optimizer)
    history = whole.fit(X, Y, epochs=2)
    rng = np.random.default_rng(3)
    for epoch in range(2):
        rows = rng.permutation(11)
        batches = [rows[start : start + batch_size] for start in range(0, 11, batch_size)]
        costs = [len(batch) * parts.step(X[batch], Y[batch]) for batch in batches]
        assert history.loss[epoch] == pytest.approx(sum(costs) / 11, rel=1e-12)
    assert whole.steps == parts.steps
    assert relative_error(whole.network.parameters, parts.network.parameters) < 1e-12


def test_a_step_makes_one_update_of_more_samples_than_a_minibatch_has(implementation):
    X, Y = make_samples()
    trainer = make_trainer(implementation, batch_size=2)
    expected = trainer.network.parameters - 0.1 * trainer.network.backprop(X, Y).flat
    cost = trainer.network.loss(X, Y)
    assert trainer.step(X, Y) == pytest.approx(cost, rel=1e-14)
    assert relative_error(trainer.network.parameters, expected) < 1e-14
    assert trainer.steps == 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("use", ["fit", "step"])
def test_every_optimizer_follows_its_formula(implementation, optimizer, use):
    X, Y = make_samples()
    trainer = make_trainer(implementation, optimizer=optimizer, batch_size=11, shuffle=False)
    twin = trainer.network.copy()
    rule = OPTIMIZERS[optimizer]
    w, state = twin.parameters, tuple(np.zeros_like(twin.parameters) for _ in range(rule.states))
    for step in range(10):
        w[:], state = rule.update(w, twin.backprop(X, Y).flat, state, rule.hyper(step))
    if use == "fit":
        trainer.fit(X, Y, epochs=10)
    else:
        for _ in range(10):
            trainer.step(X, Y)
    assert relative_error(trainer.network.parameters, w) < 1e-10
    for found, expected in zip(trainer.optimizer_state, state, strict=True):
        assert relative_error(found, expected) < 1e-10


def test_sample_weights_weigh_the_updates_and_the_loss(implementation):
    X, Y = make_samples()
    weight = np.linspace(0.0, 2.0, 11)
    trainer = make_trainer(implementation, batch_size=11)
    net = trainer.network
    expected = net.parameters - 0.1 * net.backprop(X, Y, weight).flat
    cost = net.loss(X, Y, weight)
    history = trainer.fit(X, Y, sample_weight=weight)
    assert history.loss[0] == pytest.approx(cost, rel=1e-12)
    assert relative_error(net.parameters, expected) < 1e-12


# ------------------------------------------------------------------ seeds, several fits, pickles
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_seed_gives_the_same_bits_and_another_does_not(implementation, dtype):
    results = []
    for seed in (1, 1, 2):
        trainer = make_trainer(implementation, dtype=dtype, rng=seed)
        trainer.fit(*make_samples(), epochs=3)
        results.append(trainer.network.parameters)
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


@pytest.mark.parametrize("pickled", [False, True], ids=["same trainer", "pickled trainer"])
def test_two_fits_are_one_of_as_many_epochs(implementation, pickled):
    once, twice = (make_trainer(implementation, optimizer="adam") for _ in range(2))
    once.fit(*make_samples(), epochs=5)
    twice.fit(*make_samples(), epochs=2)
    if pickled:
        twice = pickle.loads(pickle.dumps(twice))
    twice.fit(*make_samples(), epochs=3)
    assert np.array_equal(once.network.parameters, twice.network.parameters)
    assert once.steps == twice.steps


def test_a_seed_sequence_or_a_generator_serves_as_rng(implementation):
    results = []
    for rng in (7, np.random.SeedSequence(7), np.random.default_rng(7)):
        trainer = make_trainer(implementation, rng=rng)
        trainer.fit(*make_samples())
        results.append(trainer.network.parameters)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


# ------------------------------------------------------------------ history and validation
def test_history_holds_loss_accuracy_and_seconds_of_each_epoch(implementation):
    trainer = make_trainer(implementation, optimizer=SGD(0.0))
    X, Y = make_samples()
    history = trainer.fit(X, Y, epochs=2, validation_data=(X[:5], Y[:5]))
    net = trainer.network
    assert history.loss == pytest.approx([net.loss(X, Y)] * 2, rel=1e-12)
    assert history.accuracy == [np.mean(net.predict(X) == Y)] * 2
    assert history.val_loss == pytest.approx([net.loss(X[:5], Y[:5])] * 2, rel=1e-12)
    assert history.val_accuracy == [np.mean(net.predict(X[:5]) == Y[:5])] * 2
    assert len(history.seconds) == 2
    assert min(history.seconds) > 0
    assert list(history.history) == ["loss", "accuracy", "seconds", "val_loss", "val_accuracy"]
    assert history is trainer.history


def test_validation_follows_the_epoch_and_may_be_weighted(implementation):
    trainer = make_trainer(implementation)
    X, Y = make_samples()
    weight = np.arange(11.0)
    history = trainer.fit(X, Y, epochs=3, validation_data=(X, Y, weight))
    assert history.val_loss[-1] == pytest.approx(trainer.network.loss(X, Y, weight), rel=1e-12)
    assert len(set(history.val_loss)) == 3


def test_regression_has_no_accuracy(implementation):
    net = make_network(implementation, [3, 4, 1], output="identity", loss="quadratic")
    X, Y = make_data(net, 9)
    history = implementation.Trainer(net, rng=0).fit(X, Y, validation_data=(X, Y))
    assert list(history.history) == ["loss", "seconds", "val_loss"]


@pytest.mark.parametrize(("output", "loss"), [("sigmoid", "cross_entropy"), ("identity", "hinge")])
def test_accuracy_of_a_lone_output_is_that_of_predict(implementation, output, loss):
    net = make_network(implementation, [3, 4, 1], output=output, loss=loss)
    X, Y = make_samples()
    for targets in (Y, Y[:, None] * 1.0):
        history = implementation.Trainer(net, SGD(0.0)).fit(X, targets)
        assert history.accuracy == [np.mean(net.predict(X) == Y)]


def test_history_writes_a_table_and_plots_itself(implementation, tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    X, Y = make_samples()
    history = make_trainer(implementation).fit(X, Y, epochs=3, validation_data=(X, Y))
    history.to_csv(tmp_path / "history.csv")
    with (tmp_path / "history.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["epoch"] for row in table] == ["1", "2", "3"]
    for name, values in history.history.items():
        assert [float(row[name]) for row in table] == values
    axes = history.plot()
    assert [ax.get_ylabel() for ax in axes] == ["loss", "accuracy"]
    assert [line.get_label() for line in axes[0].lines] == ["training", "validation"]
    assert np.array_equal(axes[1].lines[1].get_ydata(), history.val_accuracy)
    from matplotlib import pyplot as plt

    plt.close("all")


# ------------------------------------------------------------------ callbacks
class Recorder:
    def __init__(self, stop_after=None):
        self.events, self.stop_after = [], stop_after

    def on_train_begin(self, trainer):
        self.events.append("begin")

    def on_epoch_end(self, trainer, epoch, logs):
        self.events.append((epoch, dict(logs), trainer.network.parameters.copy()))
        return epoch == self.stop_after

    def on_train_end(self, trainer):
        self.events.append("end")


def test_callbacks_see_each_epoch_with_current_parameters(implementation):
    recorder = Recorder()
    trainer = make_trainer(implementation)
    start = trainer.network.parameters.copy()
    history = trainer.fit(*make_samples(), epochs=3, callbacks=[recorder])
    begin, *epochs, end = recorder.events
    assert (begin, end) == ("begin", "end")
    assert [epoch for epoch, _, _ in epochs] == [1, 2, 3]
    assert [logs["loss"] for _, logs, _ in epochs] == history.loss
    assert np.array_equal(epochs[-1][2], trainer.network.parameters)
    assert not np.array_equal(epochs[0][2], start)
    assert not np.array_equal(epochs[0][2], epochs[1][2])


def test_any_callback_stops_training_after_all_have_been_called(implementation):
    stopper, other = Recorder(stop_after=2), Recorder()
    history = make_trainer(implementation).fit(*make_samples(), epochs=5, callbacks=[stopper, other])
    assert len(history.loss) == 2
    assert len(stopper.events) == len(other.events) == 4


def test_parameters_may_be_changed_at_the_begin_and_the_end(implementation):
    class Reset:
        def on_train_begin(self, trainer):
            trainer.network.parameters[:] = 0.0

        def on_train_end(self, trainer):
            trainer.network.parameters[-1] = 7.0

    trainer = make_trainer(implementation)
    trainer.fit(*make_samples(), callbacks=[Reset()])
    assert not trainer.network.weights[0].any()  # gradients of hidden layers vanish where all weights are 0
    assert trainer.network.parameters[-1] == 7.0


def test_an_error_in_a_callback_closes_the_session(implementation, monkeypatch):
    class Broken:
        def on_epoch_end(self, trainer, epoch, logs):
            raise RuntimeError("broken")

    calls, recorder = spy_on(monkeypatch, implementation), Recorder()
    with pytest.raises(RuntimeError, match="broken"):
        make_trainer(implementation).fit(*make_samples(), callbacks=[Broken(), recorder])
    assert calls[-1] == "exit"
    assert recorder.events == ["begin", "end"]


# ------------------------------------------------------------------ interruption and divergence
def test_an_interrupt_keeps_what_was_learned(implementation, monkeypatch):
    trainer = make_trainer(implementation)
    X, Y = make_samples()
    with monkeypatch.context() as patch:
        calls, recorder = spy_on(patch, implementation, interrupt_after=5), Recorder()
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(X, Y, epochs=50, callbacks=[recorder])
    assert calls[-1] == "exit"
    assert recorder.events[-1] == "end"
    done = len(trainer.history.loss)
    assert 0 < done < 50
    twin = make_trainer(implementation)
    twin.fit(X, Y, epochs=done)
    assert np.array_equal(recorder.events[-2][2], twin.network.parameters)
    loss = trainer.network.loss(X, Y)
    assert trainer.fit(X, Y, epochs=20).loss[-1] < loss


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process alone")
def test_ctrl_c_is_answered_soon_and_leaves_a_usable_model(implementation):
    net = implementation.Network([20, 30, 10], rng=0)
    trainer = implementation.Trainer(net, SGD(0.01), batch_size=10, rng=0)
    X = np.random.default_rng(0).normal(size=(5000, 20))
    Y = make_labels(5000, 10)
    trainer.fit(X[:100], Y[:100])  # what is compiled is compiled now
    start, sent = net.parameters.copy(), []

    def interrupt():
        sent.append(perf_counter())
        signal.raise_signal(signal.SIGINT)

    # A shell's background jobs begin with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer = threading.Timer(0.5, interrupt)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(X, Y, epochs=100_000)
    finally:
        signal.signal(signal.SIGINT, before)
    assert perf_counter() - sent[0] < 1.0  # 0.2 s on a machine that does nothing else
    assert np.isfinite(net.parameters).all()
    assert not np.array_equal(net.parameters, start)
    assert np.isfinite(trainer.fit(X, Y).loss).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loss_that_is_not_finite_ends_training_with_a_hint(implementation, dtype):
    net = make_network(implementation, [3, 4, 1], "identity", "identity", "quadratic", dtype)
    trainer = implementation.Trainer(net, SGD(1e6), batch_size=4, rng=0)
    X, Y = make_data(net, 11)
    with pytest.raises(FloatingPointError, match=r"in epoch \d+/500 at learning_rate 1e\+06; try a smaller"):
        trainer.fit(X, Y, epochs=500)
    assert len(trainer.history.loss) < 500
    assert np.isfinite(trainer.history.loss).all()


def test_a_step_whose_loss_is_not_finite_changes_nothing(implementation):
    net = make_network(implementation, [3, 1], output="identity", loss="quadratic", dtype=np.float32)
    net.parameters[:] = 1e30
    trainer = implementation.Trainer(net, SGD(0.1))
    with pytest.raises(FloatingPointError, match=r"in step 1 at learning_rate 0.1"):
        trainer.step([[1e10, 1e10, 1e10]], [[0.0]])
    assert np.array_equal(net.parameters, np.full(4, 1e30, np.float32))
    assert trainer.steps == 0


def test_repr_of_a_trainer_names_its_network_and_arguments(implementation):
    shown = repr(make_trainer(implementation, batch_size=8))
    assert shown.startswith("Trainer(Network([3, 5, 2], activation='tanh'")
    assert "optimizer=SGD(learning_rate=0.1, momentum=0.0, nesterov=False, weight_decay=0.0), batch_size=8" in shown


def test_parameters_that_overflow_in_the_last_update_are_an_error(implementation):
    net = implementation.Network([2, 1], output="identity", loss="quadratic", rng=0)
    trainer = implementation.Trainer(net, SGD(1e38), batch_size=4, rng=0)
    X, Y = np.full((4, 2), 1e3, np.float32), np.full((4, 1), -1e3, np.float32)
    with pytest.raises(DivergenceError, match="a parameter is not finite after epoch 1/1"):
        trainer.fit(X, Y)
    assert trainer.steps == 1
