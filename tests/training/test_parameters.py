"""Every parameter of every callback, schedule and metric does what is documented of it, also at its ends."""

import inspect
import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from networks import make_data, make_network, make_samples, make_trainer

import fastbp
from fastbp import metrics
from fastbp.callbacks import CALLBACKS, CSVLogger, EarlyStopping, LambdaCallback, ModelCheckpoint
from fastbp.events import EVENTS
from fastbp.optimizers import SGD
from fastbp.schedules import (
    SCHEDULES,
    Constant,
    CosineDecay,
    ExponentialDecay,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    StepDecay,
    WarmUp,
)

NAN, INF = math.nan, math.inf
CHECKED = {}


def of(*names):
    """A test of these parameters, each "Class.parameter"."""

    def keep(test):
        CHECKED.update(dict.fromkeys(names, test.__name__))
        return test

    return keep


def refused(make, *values):
    for value in values:
        with pytest.raises((TypeError, ValueError)):
            make(value)


# ------------------------------------------------------------------ early stopping
def stopped(values, measure="val_loss", **arguments):
    """The best epoch, that in which training ends (0: never), and the parameters that are left."""
    stopping = EarlyStopping(measure, **arguments)
    trainer = SimpleNamespace(network=SimpleNamespace(parameters=np.zeros(1)), steps=0)
    stopping.on_train_begin(trainer)
    for epoch, value in enumerate(values, start=1):
        trainer.network.parameters[:] = trainer.steps = epoch
        if stopping.on_epoch_end(trainer, epoch, {measure: value, "another": -epoch}):
            break
    stopping.on_train_end(trainer)
    return stopping.best_epoch, stopping.stopped_epoch, trainer.network.parameters[0]


@of("EarlyStopping.monitor")
def test_monitor_is_the_measure_that_counts():
    assert stopped([1, 2, 3], patience=1) == (1, 3, 1)
    assert stopped([3, 2, 1], "loss", patience=1) == (3, 0, 3)
    refused(EarlyStopping, None, 3, ["loss"])
    with pytest.raises(ValueError, match="monitor 'val_loss' is not measured, there are loss"):
        EarlyStopping().on_epoch_end(None, 1, {"loss": 1.0})


@of("EarlyStopping.patience")
def test_patience_is_how_many_epochs_without_improvement_are_borne():
    values = [1.0, *[2.0] * 20]
    for patience in (0, 1, 2, 10, np.int64(3)):
        assert stopped(values, patience=patience) == (1, patience + 2, 1)
    assert stopped([2, 2, 1, 1, 1], patience=1) == (3, 5, 3)
    refused(lambda value: EarlyStopping(patience=value), -1, 1.0, True, None, "3")


@of("EarlyStopping.min_delta")
def test_an_improvement_is_larger_than_min_delta():
    assert stopped([3, 2], min_delta=1.0)[0] == 1
    assert stopped([3, 2], min_delta=0.999)[0] == 2
    assert stopped([3, 3], min_delta=0)[0] == 1
    assert stopped([2, 3], min_delta=1, mode="max")[0] == 1
    assert stopped([2, 3.5], min_delta=1, mode="max")[0] == 2
    assert stopped([3, 2.5, 1.9], min_delta=1)[0] == 3  # from the best, not from the last
    refused(lambda value: EarlyStopping(min_delta=value), -0.1, NAN, INF, "1", None)


@of("EarlyStopping.restore_best")
def test_restore_best_is_whether_the_best_parameters_come_back():
    assert stopped([2, 1, 3], restore_best=True) == (2, 0, 2)
    assert stopped([2, 1, 3], restore_best=np.True_) == (2, 0, 2)
    assert stopped([2, 1, 3], restore_best=False) == (2, 0, 3)
    assert stopped([NAN, NAN]) == (0, 0, 2)
    refused(lambda value: EarlyStopping(restore_best=value), "no", 1, None)


KNOWN = {"min": ["loss", "mae", "seconds"], "max": ["accuracy", "r2", "top_1", "top_5", "top_10"]}
UNKNOWN = ["val_f1", "val_auc", "val_err2", "val_neg_r2", "inaccuracy", "val_top_k", "val_top_", "top_05", "val_score",
           "val_val_loss", "loss2", "stop_1", "R2", ""]


@of("EarlyStopping.mode", "ModelCheckpoint.mode", "better_if.measure")
def test_mode_is_what_is_better_and_auto_knows_the_names_of_fastbp_alone(tmp_path):
    for known, names in KNOWN.items():
        for name in (*names, *(f"val_{name}" for name in names)):
            assert metrics.better_if(name) == known
            assert stopped([1, 2, 0], name)[0] == {"min": 3, "max": 2}[known]
            assert stopped([1, 2, 0], name, mode="min")[0] == 3
            assert stopped([1, 2, 0], name, mode="max")[0] == 2
    for name in UNKNOWN:
        assert metrics.better_if(name) is None
        for make in (EarlyStopping, lambda monitor: ModelCheckpoint(tmp_path / "x", monitor, best_only=True)):
            with pytest.raises(ValueError, match=f"monitor '{name}' say mode='min' or mode='max'"):
                make(name)
        assert stopped([1, 2, 0], name, mode="max")[0] == 2
        ModelCheckpoint(tmp_path / "x", name)  # nothing is compared
    refused(lambda value: EarlyStopping(mode=value), "best", "Max", None)
    refused(lambda value: ModelCheckpoint(tmp_path / "x", mode=value), "best", None)


# ------------------------------------------------------------------ other callbacks
@of("ModelCheckpoint.path", "ModelCheckpoint.best_only", "ModelCheckpoint.monitor")
def test_a_checkpoint_is_kept_each_epoch_or_each_best_one(tmp_path):
    saved = []
    trainer = SimpleNamespace(epochs=0, save=saved.append, network=SimpleNamespace(parameters=np.zeros(1)))

    def files(values, **arguments):
        saved.clear()
        callback = ModelCheckpoint(tmp_path / "a-{epoch:02d}", "val_mae", **arguments)
        for epoch, value in enumerate(values, start=1):
            trainer.epochs = epoch + 10
            for event in (callback.on_epoch_end, callback.on_checkpoint):
                event(trainer, epoch, {"val_mae": value, "val_loss": -epoch})
        return [int(str(path)[-2:]) - 10 for path in saved]

    assert files([2, 3, 1, 1]) == [1, 2, 3, 4]
    assert files([2, 3, 1, 1], best_only=True) == [1, 3]
    assert files([2, 3, 1, NAN], best_only=np.True_, mode="max") == [1, 2]
    assert ModelCheckpoint(str(tmp_path / "b"))
    refused(ModelCheckpoint, 3, None)
    refused(lambda value: ModelCheckpoint(tmp_path / "b", best_only=value), "yes", 1, None)
    refused(lambda value: ModelCheckpoint(tmp_path / "b", value), 3, None)


@of("CSVLogger.path", "CSVLogger.append")
def test_the_log_is_begun_anew_or_continued(tmp_path):
    X, Y = make_samples()
    for append, rows in ((False, 3), (True, 5), (np.True_, 7), (False, 3)):
        trainer = make_trainer(fastbp.reference)
        trainer.fit(X, Y, epochs=2, callbacks=[CSVLogger(str(tmp_path / "log.csv"), append=append)])
        assert len((tmp_path / "log.csv").read_text().splitlines()) == rows
    refused(lambda value: CSVLogger(tmp_path / "log.csv", append=value), "a", 1, None)
    refused(CSVLogger, 3, None)


@of("LambdaCallback.functions")
def test_functions_are_called_at_the_events_of_their_names():
    for event in EVENTS:
        assert getattr(LambdaCallback(**{event: lambda *arguments: len(arguments)}), event)(1, 2) == 2
        refused(lambda value, event=event: LambdaCallback(**{event: value}), None, 3)
    refused(lambda value: LambdaCallback(**{value: print}), "on_batch_end", "on_epoch")


@pytest.mark.parametrize("returned", [1, "yes", [1], {"loss": 1}, np.float64(0.5), np.ones(3), object()])
def test_only_true_ends_training(implementation, returned):
    trainer = make_trainer(implementation)
    ignored = LambdaCallback(on_epoch_end=lambda *_: returned)
    assert len(trainer.fit(*make_samples(), epochs=3, callbacks=[ignored]).loss) == 3
    for true in (True, np.True_):
        ends = LambdaCallback(on_epoch_end=lambda trainer, epoch, logs, true=true: true if epoch == 2 else False)
        assert len(trainer.fit(*make_samples(), epochs=3, callbacks=[ignored, ends]).loss) == 2
    net = make_network(implementation, [3, 1], "identity", "identity", "quadratic")
    with pytest.raises(FloatingPointError):
        implementation.Trainer(net, SGD(1e6)).fit(
            *make_data(net, 11), epochs=500, callbacks=[LambdaCallback(on_divergence=lambda *_: returned)]
        )


# ------------------------------------------------------------------ schedules
# a schedule by its other parameters, and values of one: inside its range, on its ends, outside
RANGES = {
    "Constant.value": (Constant, [0, 1e-9, 3], [-1e-9]),
    "StepDecay.initial": (lambda x: StepDecay(x, every=2), [0, 1e-9, 3], [-1e-9]),
    "StepDecay.every": (lambda x: StepDecay(0.5, every=x), [1, 7], [0, -1, 1.5]),
    "StepDecay.factor": (lambda x: StepDecay(0.5, every=2, factor=x), [0, 0.5, 1, 2], [-0.1]),
    "ExponentialDecay.initial": (lambda x: ExponentialDecay(x, every=2), [0, 1e-9, 3], [-1e-9]),
    "ExponentialDecay.every": (lambda x: ExponentialDecay(0.5, every=x), [1, 7], [0, -1, 1.5]),
    "ExponentialDecay.factor": (lambda x: ExponentialDecay(0.5, every=2, factor=x), [0, 0.5, 1, 2], [-0.1]),
    "CosineDecay.initial": (lambda x: CosineDecay(x, period=3), [0, 0.5, 3], [-1e-9]),
    "CosineDecay.period": (lambda x: CosineDecay(0.5, period=x), [1, 7], [0, 1.5]),
    "CosineDecay.final": (lambda x: CosineDecay(0.5, period=3, final=x), [0, 0.5, 2], [-1e-9]),
    "CosineDecay.growth": (lambda x: CosineDecay(0.5, period=3, restarts=True, growth=x), [1, 2, 5], [0, 1.5]),
    "OneCycle.peak": (lambda x: OneCycle(x, total=9), [0, 0.5, 3], [-1e-9]),
    "OneCycle.total": (lambda x: OneCycle(0.5, total=x), [2, 3, 100], [1, 2.5]),
    "OneCycle.warm": (lambda x: OneCycle(0.5, total=9, warm=x), [1e-9, 0.5, 1 - 1e-9], [0, 1, 1.5, -0.5]),
    "OneCycle.start": (lambda x: OneCycle(0.5, total=9, start=x), [1e-3, 1, 25], [0, -1]),
    "OneCycle.final": (lambda x: OneCycle(0.5, total=9, final=x), [1e-3, 1, 1e9], [0, -1]),
    "InverseScaling.initial": (InverseScaling, [0, 0.5, 3], [-1e-9]),
    "InverseScaling.every": (lambda x: InverseScaling(0.5, every=x), [1, 7], [0, 1.5]),
    "InverseScaling.power": (lambda x: InverseScaling(0.5, power=x), [0, 0.5, 3, 1000], [-0.1]),
    "WarmUp.schedule": (lambda x: WarmUp(x, steps=3), [0, 0.5, 3], [-1e-9]),
    "WarmUp.steps": (lambda x: WarmUp(0.5, steps=x), [1, 7], [0, 1.5]),
    "ReduceOnPlateau.initial": (ReduceOnPlateau, [0, 0.5, 3], [-1e-9]),
    "ReduceOnPlateau.factor": (lambda x: ReduceOnPlateau(0.5, factor=x), [0, 0.5, 0.999], [1, 2, -0.1]),
    "ReduceOnPlateau.patience": (lambda x: ReduceOnPlateau(0.5, patience=x), [0, 1, 10], [-1, 1.5]),
    "ReduceOnPlateau.min_delta": (lambda x: ReduceOnPlateau(0.5, min_delta=x), [0, 0.1, 2], [-0.1]),
    "ReduceOnPlateau.lowest": (lambda x: ReduceOnPlateau(0.5, lowest=x), [0, 0.1, 0.5], [-0.1, 0.6]),
}
STEPS = (0, 1, 2, 3, 10, 997, 10**6, 10**9)


@of(*RANGES)
@pytest.mark.parametrize("name", RANGES)
def test_the_range_of_a_number_is_as_documented(name, tmp_path):
    make, inside, outside = RANGES[name]
    field = name.partition(".")[2]
    for value in inside:
        kinds = [value, np.float64(value)] if isinstance(value, float) else [value, np.int64(value)]
        for given in [*kinds, Fraction(value)] if not isinstance(make(value).__dict__[field], int) else kinds:
            schedule = make(given)
            assert type(getattr(schedule, field)) in (int, float)
            rates = [schedule(step) for step in STEPS]
            assert all(type(rate) is float and rate >= 0 for rate in rates), rates
            assert schedule == make(value)
    refused(make, *outside, NAN, INF, None, "1", True)
    trainer = make_trainer(fastbp.reference, optimizer=SGD(make(kinds[-1])))
    trainer.save(tmp_path / "run")
    assert type(trainer).load(tmp_path / "run").optimizer == trainer.optimizer


@of("CosineDecay.restarts")
def test_restarts_is_whether_a_new_period_begins_at_the_first_rate():
    assert [CosineDecay(1.0, 2, restarts=True)(step) for step in (0, 2, 4)] == [1.0, 1.0, 1.0]
    assert [CosineDecay(1.0, 2, restarts=np.False_)(step) for step in (0, 2, 4)] == [1.0, 0.0, 0.0]
    refused(lambda value: CosineDecay(1.0, 2, restarts=value), "yes", 1, None)


def test_rates_follow_their_formulas_at_the_ends():
    assert [StepDecay(1.0, every=1, factor=0)(step) for step in (0, 1, 2)] == [1.0, 0.0, 0.0]
    assert [ExponentialDecay(1.0, every=1, factor=0)(step) for step in (0, 1)] == [1.0, 0.0]
    assert StepDecay(1.0, every=1, factor=10)(400) == ExponentialDecay(1.0, every=1, factor=10)(400) == INF
    with pytest.raises(ValueError, match=r"learning_rate\(400\) must be a number .*, got inf"):
        SGD(StepDecay(1.0, every=1, factor=10)).rate(400)
    assert InverseScaling(1.0, power=1000)(10) == 0.0
    assert InverseScaling(1.0, power=0)(10**9) == 1.0
    cycle = OneCycle(2.0, total=2, start=4.0, final=10.0)
    assert [cycle(step) for step in (0, 1, 2)] == pytest.approx([0.5, 0.05, 0.05], rel=1e-9)
    assert [CosineDecay(0.5, period=1)(step) for step in (0, 1, 2)] == [0.5, 0.0, 0.0]
    assert [WarmUp(0.5, steps=1)(step) for step in (0, 1)] == [0.5, 0.5]
    later = WarmUp(lambda step: 1.0 + step, steps=2)
    assert [later(step) for step in range(4)] == [0.5, 1.0, 1.0, 2.0]


def test_a_class_in_place_of_a_schedule_is_named():
    for make in (SGD, lambda schedule: WarmUp(schedule, steps=2)):
        with pytest.raises(TypeError, match=r"got the class Constant; make an object: Constant\(...\)"):
            make(Constant)


def test_a_plateau_reduces_as_each_parameter_says():
    def rates(losses, **arguments):
        schedule = ReduceOnPlateau(1.0, **{"factor": 0.5, "patience": 0, "min_delta": 0.0, **arguments})
        found = []
        for loss in losses:
            schedule.on_epoch(loss)
            found.append(schedule(0))
        return found

    assert rates([2, 2, 2]) == [1.0, 0.5, 0.25]
    assert rates([2, 2, 2], factor=0.0) == [1.0, 0.0, 0.0]
    assert rates([2, 2, 2, 2], patience=1) == [1.0, 1.0, 0.5, 0.5]
    assert rates([2, 1.81, 1.62], min_delta=0.1) == [1.0, 0.5, 0.5]
    assert rates([2, 2, 2], lowest=0.4) == [1.0, 0.5, 0.4]
    assert rates([2, 2, 2], lowest=1.0) == [1.0, 1.0, 1.0]
    assert rates([NAN, 2, INF, 1]) == [0.5, 0.5, 0.25, 0.25]
    best = ReduceOnPlateau(1.0, min_delta=0.1)
    assert best.best == INF
    for loss in (2.0, 1.9, 1.7, 1.6):
        best.on_epoch(loss)
    assert (best.best, best.waited) == (1.7, 1)


# ------------------------------------------------------------------ metrics
@of("r2.y", "r2.a")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_r2_of_targets_and_outputs(dtype):
    y = np.array([[1.0, 0.1], [3.0, 0.1], [5.0, 0.1]], dtype)
    assert metrics.r2(y, y) == 1.0
    assert metrics.r2(y, np.array([[3, 0.1], [3, 0.1], [3, 0.1]], dtype)) == 0.5
    assert metrics.r2(y, y + np.array([0, 1e-3], dtype)) == 0.5
    for n in (3, 7, 10, 1000):  # a mean that is rounded makes no constant vary
        constant = np.full((n, 1), 0.1, dtype)
        assert metrics.r2(constant, constant) == 1.0
        assert metrics.r2(constant, constant + dtype(1e-3)) == 0.0
    assert metrics.r2(np.array([[250], [10]], np.uint8), np.array([[10], [250]], np.uint8)) == -3.0
    with pytest.raises(ValueError, match=r"targets have shape \(3,\) and outputs \(3, 1\)"):
        metrics.r2(np.ones(3), np.ones((3, 1)))


@of("mae.y", "mae.a")
def test_mae_of_targets_and_outputs():
    assert metrics.mae(np.array([[1.0, 2.0]]), np.array([[2.0, 4.0]])) == 1.5
    assert metrics.mae(np.array([[250]], np.uint8), np.array([[255]], np.uint8)) == 5.0
    with pytest.raises(ValueError, match=r"targets have shape \(3,\) and outputs \(3, 1\)"):
        metrics.mae(np.ones(3), np.ones((3, 1)))


@of("top_k.k")
def test_k_is_how_many_outputs_count():
    y, a = np.array([0, 1, 2, 3]), np.tile([0.4, 0.3, 0.2, 0.1], (4, 1))
    for k in (1, 2, 3, 4, np.int64(3)):
        assert metrics.top_k(k)(y, a) == metrics.top_k(k)(np.eye(4)[y], a) == k / 4
        assert metrics.top_k(k).__name__ == f"top_{k}"
    assert metrics.top_k(1)(y, np.full((4, 4), NAN)) == 0.0
    refused(metrics.top_k, 0, -1, 1.5, "2", None, True)
    with pytest.raises(ValueError, match="'top_1' needs targets that name one class each"):
        metrics.top_k(1)(np.ones((4, 4)), a)
    assert metrics.top_k(1)(y.tolist(), a.tolist()) == metrics.top_k(1)(y, a)
    for strange, error, message in (
        (y - 1, ValueError, r"y\[\d\] is -1, expected labels 0..3"), (y + 1, ValueError, r"y\[\d\] is 4, expected"),
        (y[:1], ValueError, "y has shape"), (y + 0.5, TypeError, "labels must be integers"),
        (None, TypeError, "y holds"),
    ):
        with pytest.raises(error, match=message):
            metrics.top_k(1)(strange, a)
    for metric in (metrics.top_k(1), metrics.r2, metrics.mae):
        with pytest.raises(ValueError, match="shape"):
            metric(np.zeros((0, 4)), np.zeros((0, 4)))


def test_a_metric_that_gives_no_number_is_named(implementation):
    def silent(y, a):
        return None

    X, Y = make_samples()
    with pytest.raises(TypeError, match="metric 'silent' returned None, expected a number"):
        make_trainer(implementation).fit(X, Y, validation_data=(X, Y), metrics=[silent])


def test_a_metric_of_the_name_of_a_measure_is_refused(implementation):
    def accuracy(y, a):
        return 0.0

    X, Y = make_samples()
    with pytest.raises(ValueError, match="metrics has more than one 'accuracy'"):
        make_trainer(implementation).fit(X, Y, validation_data=(X, Y), metrics=[accuracy])


# ------------------------------------------------------------------ all of them
def parameters_of(function):
    return [f"{function.__name__}.{name}" for name in inspect.signature(function).parameters if name != "self"]


def test_every_parameter_has_a_test():
    everything = [*CALLBACKS.values(), *SCHEDULES.values(), metrics.top_k, metrics.better_if, *metrics.METRICS.values()]
    assert {name for thing in everything for name in parameters_of(thing)} == set(CHECKED)
