"""Callbacks, schedules that follow the loss, metrics and history, in both implementations."""

import csv
import pickle
import signal

import numpy as np
import pytest
from networks import make_data, make_network, make_samples, make_trainer

from fastbp import metrics as metrics_module
from fastbp.callbacks import CALLBACKS, Callback, CSVLogger, EarlyStopping, LambdaCallback, TerminateOnNaN
from fastbp.history import History
from fastbp.optimizers import SGD
from fastbp.schedules import ReduceOnPlateau, WarmUp


class Keep(Callback):
    """Parameters and logs of each epoch."""

    def __init__(self):
        self.parameters, self.logs = [], []

    def on_epoch_end(self, trainer, epoch, logs):
        self.parameters.append(trainer.network.parameters.copy())
        self.logs.append(dict(logs))


class Pretend(Callback):
    """Put other values into the logs before the callbacks that come later."""

    def __init__(self, **values):
        self.values = {name: list(numbers) for name, numbers in values.items()}

    def on_epoch_end(self, trainer, epoch, logs):
        logs.update({name: numbers[epoch - 1] for name, numbers in self.values.items()})


# ------------------------------------------------------------------ early stopping
@pytest.mark.parametrize(
    ("values", "arguments", "best", "stopped"),
    [
        ([3, 2, 2, 2, 2, 2], {"patience": 2}, 2, 5),
        ([3, 2, 2, 2, 2, 2], {"patience": 0}, 2, 3),
        ([3, 2, 1.5, 1, 0.5, 0.2], {"patience": 0, "min_delta": 0.6}, 2, 3),
        ([3, 2, 1, 4, 5, 0], {"patience": 2}, 6, 0),
        ([3, np.nan, np.nan, 1, 2, 2], {"patience": 2}, 4, 0),
        ([np.nan] * 6, {"patience": 2}, 0, 3),
        ([1, 2, 3, 2, 2, 2], {"patience": 1, "mode": "max"}, 3, 5),
    ],
)
def test_early_stopping_counts_epochs_without_improvement(implementation, values, arguments, best, stopped):
    stopping, keep_alive = EarlyStopping("val_score", **{"mode": "min", **arguments}), Keep()
    trainer = make_trainer(implementation)
    history = trainer.fit(*make_samples(), epochs=6, callbacks=[Pretend(val_score=values), stopping, keep_alive])
    assert (stopping.best_epoch, stopping.stopped_epoch) == (best, stopped)
    assert len(history.loss) == (stopped or 6)
    expected = keep_alive.parameters[best - 1] if best else keep_alive.parameters[-1]
    assert np.array_equal(trainer.network.parameters, expected)


@pytest.mark.parametrize("monitor", ["val_accuracy", "val_r2", "val_top_5", "accuracy"])
def test_more_is_better_where_the_name_says_so(implementation, monitor):
    stopping = EarlyStopping(monitor, patience=1)
    values = Pretend(**{monitor: [0.1, 0.5, 0.4, 0.3, 0.2]})
    make_trainer(implementation).fit(*make_samples(), epochs=5, callbacks=[values, stopping])
    assert (stopping.best_epoch, stopping.stopped_epoch) == (2, 4)


def test_early_stopping_may_leave_the_last_parameters(implementation):
    keep_alive = Keep()
    trainer = make_trainer(implementation)
    stopping = EarlyStopping("val_score", patience=1, restore_best=False, mode="min")
    trainer.fit(*make_samples(), epochs=9, callbacks=[Pretend(val_score=range(9)), stopping, keep_alive])
    assert np.array_equal(trainer.network.parameters, keep_alive.parameters[2])


def test_early_stopping_begins_anew_with_each_fit(implementation):
    stopping, trainer = EarlyStopping("val_score", patience=1, mode="min"), make_trainer(implementation)
    for values in ([1, 2, 2, 2], [5, 4, 4, 4]):
        trainer.fit(*make_samples(), epochs=4, callbacks=[Pretend(val_score=values), stopping])
    assert (stopping.best_epoch, stopping.stopped_epoch) == (2, 4)


def test_a_measure_that_is_not_there_is_named(implementation):
    with pytest.raises(ValueError, match="monitor 'val_loss' is not measured, there are loss, accuracy, seconds"):
        make_trainer(implementation).fit(*make_samples(), callbacks=[EarlyStopping()])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"patience": -1}, "patience"), ({"patience": 1.5}, "patience"), ({"min_delta": -1.0}, "min_delta"),
     ({"mode": "best"}, "mode"), ({"monitor": 3}, "monitor")],
)
def test_bad_arguments_of_early_stopping_are_named(arguments, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message} must be"):
        EarlyStopping(**arguments)


# ------------------------------------------------------------------ other callbacks
def test_lambda_callbacks_are_called_with_what_methods_get(implementation):
    calls = []
    callback = LambdaCallback(
        on_train_begin=lambda trainer: calls.append("begin"),
        on_epoch_end=lambda trainer, epoch, logs: calls.append((epoch, "loss" in logs)) or epoch == 2,
        on_train_end=lambda trainer: calls.append("end"),
    )
    make_trainer(implementation).fit(*make_samples(), epochs=5, callbacks=[callback])
    assert calls == ["begin", (1, True), (2, True), "end"]


def test_lambda_callbacks_know_the_events():
    with pytest.raises(ValueError, match=r"'on_epoch_end'.*got 'on_epoch'"):
        LambdaCallback(on_epoch=print)
    with pytest.raises(TypeError, match="on_epoch_end must be a function, got 3"):
        LambdaCallback(on_epoch_end=3)


def test_csv_logger_writes_a_row_each_epoch(implementation, tmp_path):
    trainer, path = make_trainer(implementation), tmp_path / "log.csv"
    rows = []
    count = LambdaCallback(on_epoch_end=lambda *_: rows.append(len(path.read_text().splitlines())))
    first = trainer.fit(*make_samples(), epochs=3, callbacks=[CSVLogger(path), count])
    assert rows == [2, 3, 4]
    later = trainer.fit(*make_samples(), epochs=2, callbacks=[CSVLogger(path, append=True)])
    with path.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["epoch"] for row in table] == ["1", "2", "3", "4", "5"]
    for name, values in (first + later).history.items():
        assert [float(row[name]) for row in table] == values
    trainer.fit(*make_samples(), callbacks=[CSVLogger(path)])
    assert len(path.read_text().splitlines()) == 2


def test_csv_logger_does_not_append_to_another_table(implementation, tmp_path):
    X, Y = make_samples()
    trainer, log = make_trainer(implementation), CSVLogger(tmp_path / "log.csv", append=True)
    trainer.fit(X, Y, callbacks=[log])
    with pytest.raises(ValueError, match=r"log.csv has the columns \['epoch', 'loss', .*\], expected"):
        trainer.fit(X, Y, validation_data=(X, Y), callbacks=[log])


def test_a_loss_that_is_not_finite_may_end_training_in_silence(implementation):
    net = make_network(implementation, [3, 4, 1], "identity", "identity", "quadratic")
    trainer, quiet, keep_alive = implementation.Trainer(net, SGD(1e6), batch_size=4, rng=0), TerminateOnNaN(), Keep()
    history = trainer.fit(*make_data(net, 11), epochs=500, callbacks=[quiet, keep_alive])
    assert len(history.loss) == len(keep_alive.logs) < 500
    assert "try a smaller learning_rate" in str(quiet.error)


def test_a_floating_point_error_of_a_callback_is_no_divergence(implementation):
    def fail(*_):
        raise FloatingPointError("mine")

    with pytest.raises(FloatingPointError, match="mine"):
        make_trainer(implementation).fit(
            *make_samples(), callbacks=[LambdaCallback(on_epoch_end=fail), TerminateOnNaN()]
        )


@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_can_be_pickled(name, tmp_path):
    arguments = {"ModelCheckpoint": (tmp_path / "a",), "CSVLogger": (tmp_path / "b",)}.get(name, ())
    callback = CALLBACKS[name](*arguments)
    assert vars(pickle.loads(pickle.dumps(callback))).keys() == vars(callback).keys()


def test_a_class_in_place_of_a_callback_is_refused(implementation):
    with pytest.raises(TypeError, match=r"the class EarlyStopping, expected an object: EarlyStopping\(\)"):
        make_trainer(implementation).fit(*make_samples(), callbacks=[EarlyStopping])


def test_ctrl_c_restores_the_best_epoch_and_keeps_the_history(implementation):
    trainer, keep_alive = make_trainer(implementation), Keep()

    def interrupt(trainer, epoch, logs):
        if epoch == 4:
            signal.raise_signal(signal.SIGINT)

    score, interruption = Pretend(val_score=[3, 1, 2, 2]), LambdaCallback(on_epoch_end=interrupt)
    callbacks = [score, EarlyStopping("val_score", mode="min"), keep_alive, interruption]
    # A shell's background jobs begin with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(*make_samples(), epochs=100, callbacks=callbacks)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(trainer.history.loss) == trainer.epochs == 4
    assert np.array_equal(trainer.network.parameters, keep_alive.parameters[1])


# ------------------------------------------------------------------ schedules that follow the loss
@pytest.mark.parametrize("validated", [True, False], ids=["validation loss", "training loss"])
@pytest.mark.parametrize("nested", [False, True], ids=["alone", "after a warm-up"])
def test_a_plateau_of_the_loss_reduces_the_rate(implementation, validated, nested):
    plateau = ReduceOnPlateau(1e-9, factor=0.5, patience=1)
    trainer = make_trainer(implementation, optimizer=SGD(WarmUp(plateau, 3) if nested else plateau))
    X, Y = make_samples()
    rates = []
    note = LambdaCallback(on_epoch_end=lambda trainer, epoch, logs: rates.append(plateau.rate))
    # Steps of 1e-9 change the loss by less than the plateau's min_delta.
    trainer.fit(X, Y, epochs=6, validation_data=(X, Y) if validated else None, callbacks=[note])
    assert rates == [1e-9, 1e-9, 5e-10, 5e-10, 2.5e-10, 2.5e-10]
    assert plateau.best == trainer.history.history["val_loss" if validated else "loss"][0]


# ------------------------------------------------------------------ metrics
def test_metrics_are_measured_on_validation_data(implementation):
    net = make_network(implementation, [3, 4, 2], output="identity", loss="quadratic")
    (X, Y), (Xv, Yv) = make_data(net, 11), make_data(net, 6, seed=1)
    shapes = []

    def worst(y_true, a):
        shapes.append((y_true.shape, a.shape))
        return np.abs(y_true - a).max()

    trainer = implementation.Trainer(net, SGD(0.05), rng=0)
    history = trainer.fit(X, Y, 2, validation_data=(Xv, Yv.tolist()), metrics=["r2", "mae", worst])
    a = net.forward(Xv)
    r2 = 1 - ((Yv - a) ** 2).sum(axis=0) / ((Yv - Yv.mean(axis=0)) ** 2).sum(axis=0)
    assert list(history.history) == ["loss", "seconds", "val_loss", "val_r2", "val_mae", "val_worst"]
    assert history.val_r2[-1] == pytest.approx(r2.mean(), rel=1e-12)
    assert history.val_mae[-1] == pytest.approx(np.abs(Yv - a).mean(), rel=1e-12)
    assert history.val_worst[-1] == np.abs(Yv - a).max()
    assert shapes == [((6, 2), (6, 2))] * 2


@pytest.mark.parametrize("rows", [False, True], ids=["labels", "rows"])
def test_accuracy_and_top_k_count_labels(implementation, rows):
    net = make_network(implementation, [3, 4, 5])
    X, Y = make_data(net, 40)[0], np.random.default_rng(1).integers(0, 5, 40)
    targets = np.eye(5)[Y] if rows else Y
    trainer = implementation.Trainer(net, SGD(0.0))
    history = trainer.fit(X, Y, validation_data=(X, targets), metrics=["accuracy", "top_1", "top_2", "top_4"])
    order = net.forward(X).argsort(axis=1)[:, ::-1]
    for k in (1, 2, 4):
        assert history[f"val_top_{k}"][0] == np.mean((order[:, :k] == Y[:, None]).any(axis=1))
    assert history.val_accuracy == history.val_top_1 == [np.mean(net.predict(X) == Y)]


def test_metrics_agree_with_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    y, a = rng.normal(size=(2, 50, 3))
    assert metrics_module.r2(y, a) == pytest.approx(sklearn.r2_score(y, a), rel=1e-12)
    assert metrics_module.mae(y, a) == pytest.approx(sklearn.mean_absolute_error(y, a), rel=1e-12)
    labels = rng.integers(0, 4, 50)
    scores = rng.integers(0, 3, (50, 4)) / 2.0
    for k in (1, 2, 3):
        # scikit-learn's last of equal outputs is fastbp's first
        expected = sklearn.top_k_accuracy_score(3 - labels, scores[:, ::-1], k=k, labels=range(4))
        assert metrics_module.top_k(k)(labels, scores) == expected


def test_r2_of_a_constant_target_is_1_or_0():
    y = np.ones((4, 1))
    assert metrics_module.r2(y, y) == 1.0
    assert metrics_module.r2(y, y + 1e-3) == 0.0


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("accuracy", "metrics must be a list of names and functions, got 'accuracy'"),
        (["f1"], "metrics must be one of 'accuracy', 'mae', 'r2', 'top_5', got 'f1'"),
        ([3], "metrics holds 3, expected a name or a function"),
        (["r2"], r"'r2' needs targets \(n_samples, n_outputs\), validation_data has labels"),
        (["top_2"], "'top_2' needs more than 2 outputs, the network has 2"),
        (["accuracy", "accuracy"], "more than one 'accuracy'"),
    ],
)
def test_bad_metrics_are_refused_before_anything_changes(implementation, metrics, message):
    trainer = make_trainer(implementation)
    before, (X, Y) = trainer.network.parameters.copy(), make_samples()
    with pytest.raises((TypeError, ValueError), match=message):
        trainer.fit(X, Y, validation_data=(X, Y), metrics=metrics)
    assert np.array_equal(trainer.network.parameters, before)


def test_metrics_need_validation_data(implementation):
    with pytest.raises(ValueError, match="metrics are measured on validation_data, which is missing"):
        make_trainer(implementation).fit(*make_samples(), metrics=["accuracy"])


# ------------------------------------------------------------------ history
def test_history_is_a_mapping_of_arrays(implementation):
    X, Y = make_samples()
    trainer = make_trainer(implementation)
    history = trainer.fit(X, Y, 3, validation_data=(X, Y), metrics=["top_1"])
    assert {name: array.shape for name, array in history.items()} == dict.fromkeys(history.history, (3,))
    assert np.array_equal(history["val_top_1"], history.val_top_1)
    assert "val_mae" not in history
    with pytest.raises(KeyError):
        history["val_mae"]
    again = pickle.loads(pickle.dumps(history))
    assert again == history != History()
    both = history + again
    assert both.loss == history.loss * 2
    assert (History() + history).history == history.history
    with pytest.raises(ValueError, match="only one of the two fits measured accuracy, seconds"):
        _ = history + History({"loss": [1.0], **{k: [1.0] for k in history if k.startswith("val")}})
    assert repr(history).startswith("History(3 epochs, the last one: loss ")


def test_history_plots_metrics_too():
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot as plt

    axes = History({"loss": [2.0, 1.0], "seconds": [1, 1], "val_loss": [2.5, 2.0], "val_r2": [0.1, 0.2]}).plot()
    assert [ax.get_ylabel() for ax in axes] == ["loss", "r2"]
    assert [line.get_label() for line in axes[1].lines] == ["validation"]
    plt.close("all")
