"""A fit of six epochs is one of three, a file, and three more in a new trainer, to the bit: pairs of what has state."""

from itertools import product

import numpy as np
import pytest
from networks import make_samples, make_trainer

from fastbp import schedules
from fastbp.callbacks import CSVLogger, EarlyStopping, LambdaCallback, ModelCheckpoint
from fastbp.optimizers import SGD, Adagrad, Adam, Lion, RMSProp

X, Y = make_samples(13)
OPTIMIZERS = {
    "momentum": lambda rate: SGD(rate, momentum=0.9), "nesterov": lambda rate: SGD(rate, momentum=0.5, nesterov=True),
    "rmsprop": lambda rate: RMSProp(rate, momentum=0.5), "adagrad": Adagrad,
    "amsgrad": lambda rate: Adam(rate, amsgrad=True), "lion": Lion,
}  # fmt: skip
SCHEDULES = {
    "constant": lambda: 0.01, "cosine": lambda: schedules.CosineDecay(0.02, 5, restarts=True, growth=2),
    "cycle": lambda: schedules.OneCycle(0.02, 24),
    "plateau": lambda: schedules.WarmUp(schedules.ReduceOnPlateau(0.02, patience=0, min_delta=0.5), 3),
    "decay": lambda: schedules.ExponentialDecay(0.02, 7),
}  # fmt: skip
RULES = {"none": {}, "dropout": {"dropout": 0.3}, "norms": {"clip_norm": 0.5, "max_norm": 0.8},
         "penalties": {"l1": 0.01, "l2": 0.02, "label_smoothing": 0.1}}
CALLBACKS = {
    "none": lambda folder: [],
    "early": lambda folder: [EarlyStopping("val_loss", patience=99, restore_best=False)],
    "best": lambda folder: [ModelCheckpoint(folder / "best", "val_loss", best_only=True)],
    "table": lambda folder: [CSVLogger(folder / "table", append=True)],
}
ENDS = ["save", "Ctrl-C"]


def pairs(*tables):
    """Rows in which each pair of entries of two tables comes once at least: few of all combinations."""
    ahead = list(product(*tables))
    open_pairs = {(i, row[i], j, row[j]) for row in ahead for i in range(len(row)) for j in range(i)}

    def of(row):
        return {(i, row[i], j, row[j]) for i in range(len(row)) for j in range(i)} & open_pairs

    rows = []
    while open_pairs:
        rows.append(max(ahead, key=lambda row: len(of(row))))
        open_pairs -= of(rows[-1])
    return rows


ROWS = pairs(OPTIMIZERS, SCHEDULES, RULES, CALLBACKS, ENDS)


def interrupt(trainer, epoch, logs):
    if trainer.epochs == 3:
        raise KeyboardInterrupt


def test_pairs_are_few():
    assert len(ROWS) <= 40


@pytest.mark.parametrize("row", ROWS, ids="-".join)
def test_three_epochs_a_file_and_three_are_six(implementation, tmp_path, row):
    optimizer, schedule, rules, callbacks, end = row
    data = {"X": X, "Y": Y, "validation_data": (X, Y)}

    def make():
        rule = OPTIMIZERS[optimizer](SCHEDULES[schedule]())
        return make_trainer(implementation, dtype=np.float32, optimizer=rule, **RULES[rules])

    def told(name):
        (tmp_path / name).mkdir(exist_ok=True)
        return CALLBACKS[callbacks](tmp_path / name)

    whole, first = make(), make()
    of_whole = told("whole")
    expected = whole.fit(**data, epochs=6, callbacks=of_whole)
    if end == "save":
        first.fit(**data, epochs=3, callbacks=told("parts"))
    else:
        with pytest.raises(KeyboardInterrupt):
            first.fit(**data, epochs=6, callbacks=[*told("parts"), LambdaCallback(on_epoch_end=interrupt)])
    first.save(tmp_path / "run")

    again = implementation.Trainer.load(tmp_path / "run")
    history, of_parts = again.history, told("parts")
    history += again.fit(**data, epochs=6 - again.epochs, callbacks=of_parts)
    assert again.network.parameters.tobytes() == whole.network.parameters.tobytes()
    assert [state.tobytes() for state in again.optimizer_state] == [state.tobytes() for state in whole.optimizer_state]
    assert (again.steps, again.epochs, again.optimizer) == (whole.steps, whole.epochs, whole.optimizer)
    assert again.rng.bit_generator.state == whole.rng.bit_generator.state
    assert {**history.history, "seconds": []} == {**expected.history, "seconds": []}
    if callbacks in ("early", "best"):
        assert of_parts[0].state_dict().keys() == of_whole[0].state_dict().keys()
    if callbacks == "best":
        best = [implementation.Network.load(tmp_path / name / "best").parameters for name in ("whole", "parts")]
        assert np.array_equal(*best)
    if callbacks == "table":
        tables = [np.genfromtxt(tmp_path / name / "table", delimiter=",", names=True) for name in ("whole", "parts")]
        assert np.array_equal(tables[0]["val_loss"], tables[1]["val_loss"])
