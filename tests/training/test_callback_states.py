"""What callbacks remember over a restart, and the files that they write."""

import csv
import os
import pickle
import sys

import numpy as np
import pytest
from networks import make_samples, make_trainer

import fastbp
from fastbp.callbacks import Callback, CSVLogger, EarlyStopping, LambdaCallback, ModelCheckpoint
from fastbp.history import History


class Scores(Callback):
    """Put the score of each epoch, counted over all fits, into the logs before the callbacks that come later."""

    def __init__(self, *scores):
        self._scores = scores

    def on_epoch_end(self, trainer, epoch, logs):
        logs["val_score"] = self._scores[trainer.epochs - 1]


class KilledError(Exception):
    """Stands for a kill: nothing is saved after it."""


def killed_after(epoch):
    def kill(trainer, _, logs):
        if trainer.epochs == epoch:
            raise KilledError

    return LambdaCallback(on_checkpoint=kill)


def killed_and_gone_on(implementation, folder, scores, epoch, make_callbacks):
    """Train, be killed after an epoch, go on from "last"; the second trainer and its callbacks."""
    callbacks = make_callbacks()
    trainer = make_trainer(implementation)
    with pytest.raises(KilledError):
        trainer.fit(*make_samples(), epochs=len(scores), callbacks=[Scores(*scores), *callbacks, killed_after(epoch)])
    again, callbacks = implementation.Trainer.load(folder / "last"), make_callbacks()
    assert again.epochs == epoch
    again.fit(*make_samples(), epochs=len(scores) - epoch, callbacks=[Scores(*scores), *callbacks])
    return again, callbacks


# ------------------------------------------------------------------ the best epoch
@pytest.mark.parametrize("order", [1, -1], ids=["best first", "best last"])
@pytest.mark.parametrize(("scores", "epoch", "best"), [
    ([3, 1, 2, 2, 2], 2, 2), ([3, 1, 2, 2, 2], 3, 2), ([3, 2, 2, 1, 2], 3, 4), ([3, np.nan, 2.5, 4, 5], 3, 3),
])
def test_a_restart_does_not_replace_a_better_file(implementation, tmp_path, scores, epoch, best, order):
    def make_callbacks():
        best = ModelCheckpoint(tmp_path / "best", "val_score", best_only=True, mode="min")
        return [best, ModelCheckpoint(tmp_path / "last")][::order]

    killed_and_gone_on(implementation, tmp_path, scores, epoch, make_callbacks)
    assert implementation.Trainer.load(tmp_path / "best").epochs == best
    assert implementation.Trainer.load(tmp_path / "last").epochs == 5


@pytest.mark.parametrize("order", [1, -1], ids=["stopping first", "stopping last"])
@pytest.mark.parametrize(("scores", "epoch", "stopped", "best"), [
    ([3, 1, 2, 2, 2, 2, 2, 2], 2, 5, 2), ([3, 1, 2, 2, 2, 2, 2, 2], 4, 5, 2), ([3, 2, 2, 1, 2, 2, 2, 2], 3, 7, 4),
])
def test_early_stopping_goes_on_as_if_nothing_had_happened(
    implementation, tmp_path, scores, epoch, stopped, best, order
):
    def make_callbacks():
        return [EarlyStopping("val_score", patience=2, mode="min"), ModelCheckpoint(tmp_path / "last")][::order]

    trainer, callbacks = killed_and_gone_on(implementation, tmp_path, scores, epoch, make_callbacks)
    whole = make_trainer(implementation)
    stopping = EarlyStopping("val_score", patience=2, mode="min")
    whole.fit(*make_samples(), epochs=8, callbacks=[Scores(*scores), stopping])
    assert trainer.epochs == whole.epochs == stopped
    assert stopping.best_epoch == best
    assert np.array_equal(trainer.network.parameters, whole.network.parameters)
    (gone_on,) = (callback for callback in callbacks if isinstance(callback, EarlyStopping))
    assert gone_on.best == stopping.best == scores[best - 1]
    assert gone_on.best_epoch == max(0, best - epoch)


def test_a_trainer_that_is_saved_after_a_fit_begins_anew(implementation, tmp_path):
    trainer = make_trainer(implementation)
    stopping = EarlyStopping("val_score", patience=1, mode="min")
    trainer.fit(*make_samples(), epochs=4, callbacks=[Scores(1, 2, 2, 2), stopping])
    assert trainer.epochs == 3
    trainer.save(tmp_path / "a")
    again = implementation.Trainer.load(tmp_path / "a")
    stopping = EarlyStopping("val_score", patience=1, mode="min")
    again.fit(*make_samples(), epochs=4, callbacks=[Scores(0, 0, 0, 5, 4, 4, 4), stopping])
    assert (stopping.best_epoch, stopping.stopped_epoch) == (2, 4)


@pytest.mark.parametrize("other", [
    {"monitor": "loss"}, {"mode": "max"}, {"path": "elsewhere"},
], ids=str)
def test_another_measure_or_place_begins_anew(tmp_path, other):
    arguments = {"path": tmp_path / "best", "monitor": "val_score", "best_only": True, "mode": "min"}
    trainer = make_trainer(fastbp.reference)
    callbacks = [Scores(-1e9), ModelCheckpoint(**arguments), ModelCheckpoint(tmp_path / "last")]
    trainer.fit(*make_samples(), callbacks=callbacks)
    again = fastbp.reference.Trainer.load(tmp_path / "last")
    if "path" in other:
        other = {"path": tmp_path / "elsewhere"}
    again.fit(*make_samples(), callbacks=[Scores(0, 2.0), ModelCheckpoint(**{**arguments, **other})])
    assert fastbp.reference.Trainer.load({**arguments, **other}["path"]).epochs == 2


def test_a_best_file_that_is_gone_is_written_again(tmp_path):
    trainer = make_trainer(fastbp.reference)
    best = {"path": tmp_path / "best", "monitor": "val_score", "best_only": True, "mode": "min"}
    trainer.fit(*make_samples(), callbacks=[Scores(1), ModelCheckpoint(**best), ModelCheckpoint(tmp_path / "last")])
    (tmp_path / "best").unlink()
    again = fastbp.reference.Trainer.load(tmp_path / "last")
    again.fit(*make_samples(), callbacks=[Scores(1, 2), ModelCheckpoint(**best)])
    assert fastbp.reference.Trainer.load(tmp_path / "best").epochs == 2


def test_a_save_that_fails_is_no_best_epoch(tmp_path, monkeypatch):
    trainer = make_trainer(fastbp.reference)
    best = ModelCheckpoint(tmp_path / "best", "val_score", best_only=True, mode="min")
    trainer.fit(*make_samples(), callbacks=[Scores(3), best])

    def full(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="disk full"):
            trainer.fit(*make_samples(), callbacks=[Scores(3, 1), best])
    trainer.fit(*make_samples(), callbacks=[Scores(3, 1, 2), best])
    assert fastbp.reference.Trainer.load(tmp_path / "best").epochs == 3


# ------------------------------------------------------------------ parameters that are not finite
@pytest.mark.parametrize("best_only", [True, False])
def test_broken_parameters_do_not_replace_a_good_file(implementation, tmp_path, best_only):
    trainer = make_trainer(implementation)
    saver = ModelCheckpoint(tmp_path / "a", "val_score", best_only=best_only, mode="min")
    trainer.fit(*make_samples(), callbacks=[Scores(3), saver])
    good = (tmp_path / "a").read_bytes()

    def break_them(trainer, epoch, logs):
        trainer.network.parameters[3] = np.inf

    with pytest.warns(RuntimeWarning, match=r"parameters are not finite after epoch 2: '.*a' is not written"):
        trainer.fit(*make_samples(), callbacks=[Scores(3, 1), LambdaCallback(on_epoch_end=break_them), saver])
    assert (tmp_path / "a").read_bytes() == good


def test_broken_parameters_are_not_the_best_of_early_stopping(implementation):
    trainer, stopping = make_trainer(implementation), EarlyStopping("val_score", mode="min")

    def break_them(trainer, epoch, logs):
        if epoch == 2:
            trainer.network.parameters[3] = np.nan

    trainer.fit(*make_samples(), epochs=2, callbacks=[Scores(3, 1), LambdaCallback(on_epoch_end=break_them), stopping])
    assert (stopping.best_epoch, stopping.best) == (1, 3.0)
    assert np.isfinite(trainer.network.parameters).all()


# ------------------------------------------------------------------ callbacks of the user
class Everything(Callback):
    def __init__(self, n_epochs=0):
        self.n_epochs, self.loaded = n_epochs, None

    def on_epoch_end(self, trainer, epoch, logs):
        self.n_epochs += 1

    def state_dict(self):
        return {
            "n_epochs": np.int64(self.n_epochs), "list": [1.5, None, True, "text", [np.inf, -np.inf]],
            "dict": {"a": {}}, "values": np.arange(6.0).reshape(2, 3), "bytes": np.zeros(0, np.uint8),
            "nan": np.float32(np.nan),
        }

    def load_state_dict(self, state):
        self.loaded, self.n_epochs = state, state["n_epochs"]


def test_states_of_callbacks_come_back_as_they_were(implementation, tmp_path):
    trainer = make_trainer(implementation)
    trainer.fit(*make_samples(), epochs=3, callbacks=[Everything(), Everything(10), ModelCheckpoint(tmp_path / "a")])
    again, callbacks = implementation.Trainer.load(tmp_path / "a"), [Everything(), Everything(), Everything()]
    again.save(tmp_path / "b")  # states that no fit has taken are still there
    again = implementation.Trainer.load(tmp_path / "b")
    again.fit(*make_samples(), callbacks=callbacks)
    assert [callback.n_epochs for callback in callbacks] == [4, 14, 1]
    loaded = callbacks[0].loaded
    assert loaded["list"] == [1.5, None, True, "text", [np.inf, -np.inf]]
    assert loaded["dict"] == {"a": {}}
    assert np.array_equal(loaded["values"], np.arange(6.0).reshape(2, 3))
    assert loaded["bytes"].dtype == np.uint8
    assert np.isnan(loaded["nan"])
    assert callbacks[2].loaded is None
    callbacks = [Everything()]
    again.fit(*make_samples(), callbacks=callbacks)  # the second fit begins anew
    assert callbacks[0].loaded is None


def test_a_fit_that_is_refused_keeps_the_states(tmp_path):
    trainer = make_trainer(fastbp.reference)
    trainer.fit(*make_samples(), callbacks=[Everything(5), ModelCheckpoint(tmp_path / "a")])
    again = fastbp.reference.Trainer.load(tmp_path / "a")
    with pytest.raises(OSError, match="expected a plain file"):
        again.fit(*make_samples(), callbacks=[Everything(), ModelCheckpoint(tmp_path)])
    callback = Everything()
    again.fit(*make_samples(), callbacks=[callback])
    assert callback.n_epochs == 7


def test_pickles_of_a_trainer_have_the_states_and_not_the_callbacks(implementation):
    trainer = make_trainer(implementation)
    trainer.fit(*make_samples(), callbacks=[Everything(5), LambdaCallback(on_train_end=lambda trainer: None)])
    again, callback = pickle.loads(pickle.dumps(trainer)), Everything()
    again.fit(*make_samples(), callbacks=[callback])
    assert callback.n_epochs == 7


@pytest.mark.parametrize("state", [
    {"a": object()}, {"a": 1j}, {"a": np.zeros(2, complex)}, {"a": {1: 2}}, {"array": 1}, {"a": {"special": 2}}, {3: 4},
])
def test_a_state_that_no_file_can_hold_is_named_and_the_file_stays(tmp_path, state):
    class Strange(Callback):
        def state_dict(self):
            return state

    trainer = make_trainer(fastbp.reference)
    trainer.save(tmp_path / "a")
    before = (tmp_path / "a").read_bytes()
    with pytest.raises(TypeError, match=r"^the state of Strange has"):
        trainer.fit(*make_samples(), callbacks=[Strange(), ModelCheckpoint(tmp_path / "a")])
    assert (tmp_path / "a").read_bytes() == before


def test_a_state_too_deep_to_be_read_is_not_written(tmp_path):
    class Deep(Callback):
        def state_dict(self):
            return {"a": [[[[[[[[[[1]]]]]]]]]]}

    with pytest.raises(ValueError, match="nested too deep"):
        make_trainer(fastbp.reference).fit(*make_samples(), callbacks=[Deep(), ModelCheckpoint(tmp_path / "a")])


# ------------------------------------------------------------------ paths
def test_epoch_and_measures_are_filled_in_and_folders_made(implementation, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    trainer = make_trainer(implementation)
    path = os.path.join("~", "runs", "{epoch:02d}", "{{a}}-{val_score:.3f}-{loss:.1f}.safetensors")
    history = trainer.fit(*make_samples(), epochs=2, callbacks=[Scores(0.25, 0.125), ModelCheckpoint(path)])
    for epoch, score in ((1, "0.250"), (2, "0.125")):
        file = tmp_path / "runs" / f"{epoch:02d}" / f"{{a}}-{score}-{history.loss[epoch - 1]:.1f}.safetensors"
        assert implementation.Trainer.load(file).epochs == epoch


def test_the_folders_of_one_file_are_made_too(tmp_path):
    path = tmp_path / "runs" / "new" / "a"
    make_trainer(fastbp.reference).fit(*make_samples(), callbacks=[ModelCheckpoint(path)])
    assert fastbp.reference.Trainer.load(path).epochs == 1


@pytest.mark.parametrize("path", [
    "{0}", "{}", "{epoch", "epoch}", "{epoch.real}", "{epoch[0]}", "{epoch!r}", "{val_loss:03d}", "{epoch:{width}}",
    "{val loss}", "{epoch:.2q}",
])
def test_a_path_whose_fields_are_no_measures_is_refused_when_it_is_given(path):
    with pytest.raises(ValueError, match=r"^path must have fields such as \{epoch:03d\}"):
        ModelCheckpoint(path)


def test_a_field_that_is_not_measured_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"'val_los' in the path '.*' is not measured, there are loss, "):
        make_trainer(fastbp.reference).fit(*make_samples(), callbacks=[ModelCheckpoint(tmp_path / "{val_los}")])


@pytest.mark.parametrize("callback", [ModelCheckpoint, CSVLogger])
@pytest.mark.parametrize("place", ["file/a", "file/b/a", "file/{epoch}", "folder", "/proc/fastbp", "/proc/fastbp/a"])
def test_a_path_that_cannot_be_written_is_refused_before_training(implementation, tmp_path, callback, place):
    if place.startswith("/proc") and not os.path.isdir("/proc/self"):
        pytest.skip("no folder that refuses files even of root")
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    trainer = make_trainer(implementation)
    before = trainer.network.parameters.copy()
    with pytest.raises(OSError, match=r"file|folder|proc"):
        trainer.fit(*make_samples(), callbacks=[callback(tmp_path / place)])
    assert np.array_equal(trainer.network.parameters, before)
    assert trainer.steps == trainer.epochs == 0
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_folders_are_made_for_a_log_and_the_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make_trainer(fastbp.reference).fit(*make_samples(), callbacks=[CSVLogger(os.path.join("~", "logs", "a.csv"))])
    assert len((tmp_path / "logs" / "a.csv").read_text().splitlines()) == 2


# ------------------------------------------------------------------ the table
def test_a_restart_goes_on_with_the_table(implementation, tmp_path):
    def make_callbacks():
        return [CSVLogger(tmp_path / "log.csv"), ModelCheckpoint(tmp_path / "last")]

    trainer = make_trainer(implementation)
    trainer.fit(*make_samples(), epochs=3, callbacks=make_callbacks())
    later = [CSVLogger(tmp_path / "log.csv", append=True)]  # two epochs whose checkpoints were lost
    trainer.fit(*make_samples(), epochs=2, callbacks=later)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("6,0.25")  # a row that a kill cut off
    again = implementation.Trainer.load(tmp_path / "last")
    history = again.fit(*make_samples(), epochs=2, callbacks=make_callbacks())
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [float(row["loss"]) for row in rows[3:]] == history.loss


# ------------------------------------------------------------------ the history
def interrupted_at(number, function, *arguments):
    """Call a function that Ctrl-C reaches at its instruction of a number; whether it came so far."""
    left = [number]

    def trace(frame, event, _):
        if frame.f_code is not function.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # or Python 3.12 sees that of no other frame
    sys.settrace(trace)
    try:
        function(*arguments)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("epochs", [1, 3])
def test_ctrl_c_at_any_instruction_leaves_the_columns_of_the_history_even(epochs):
    measures = {"loss": [1.0] * epochs, "accuracy": [0.5] * epochs, "seconds": [0.1] * epochs}
    lengths = set()
    for number in range(1, 1000):
        history = History({name: values[:1] for name, values in measures.items()})
        interrupted = interrupted_at(number, History._extend, history, measures, epochs)
        found = {len(column) for column in history.values()}
        assert len(found) == 1
        lengths |= found
        if not interrupted:
            break
    assert number > 50
    assert lengths == {1, 1 + epochs}


def test_a_measure_that_comes_and_goes_leaves_the_history_even(tmp_path):
    history = History()
    for logs in ({"loss": 3.0}, {"loss": 2.0, "val_loss": 4.0}, {"val_loss": 5.0}):
        history.append(logs)
    assert np.array_equal(history["loss"], [3.0, 2.0, np.nan], equal_nan=True)
    assert np.array_equal(history["val_loss"], [np.nan, 4.0, 5.0], equal_nan=True)
    history.to_csv(tmp_path / "a.csv")
