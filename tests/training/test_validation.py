"""Validation data, whole or in batches."""

import numpy as np
import pytest
from networks import make_data, make_network, make_samples, make_trainer

import fastbp


class Loader:
    """Batches of arrays, anew each time."""

    def __init__(self, *arrays, size=4):
        self.arrays, self.size, self.rounds = arrays, size, 0

    def __iter__(self):
        self.rounds += 1
        for start in range(0, len(self.arrays[0]), self.size):
            yield tuple(array[start : start + self.size] for array in self.arrays)


def same(found, expected):
    assert found.keys() == expected.keys()
    for name in found.keys() - {"seconds"}:
        assert found[name] == pytest.approx(expected[name], rel=1e-12), name


def largest_miss(y_true, a):
    assert y_true.shape == a.shape == (11, 2)
    return np.abs(y_true - a).max()


BATCHES = {
    "an object": Loader,
    "a list": lambda *arrays: list(Loader(*arrays)),
    "a list of two": lambda *arrays: list(Loader(*arrays, size=6)),
    "a tuple of three lists": lambda *arrays: tuple([part.tolist() for part in batch] for batch in Loader(*arrays)),
    "a list of one": lambda *arrays: list(Loader(*arrays, size=11)),
}


@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize("weighted", [False, True])
def test_batches_are_measured_as_the_whole(implementation, kind, weighted):
    net = make_network(implementation, [3, 4, 2], output="identity", loss="quadratic")
    X, Y = make_data(net, 11)
    data = (X, Y, np.linspace(0.5, 2.0, 11)) if weighted else (X, Y)
    histories = []
    for validation in (data, BATCHES[kind](*data)):
        trainer = implementation.Trainer(net.copy(), fastbp.SGD(0.05), rng=0)
        arguments = {"validation_data": validation, "metrics": ["mae", "r2", largest_miss]}
        histories.append(trainer.fit(X, Y, 3, **arguments).history)
    same(histories[1], histories[0])


@pytest.mark.parametrize("rows", [False, True], ids=["labels", "rows"])
def test_accuracy_and_top_k_of_batches_count_all_samples(implementation, rows):
    net = make_network(implementation, [3, 4, 5])
    X, Y = np.random.default_rng(1).normal(size=(40, 3)), np.random.default_rng(1).integers(0, 5, 40)
    targets = np.eye(5)[Y] if rows else Y
    trainer = implementation.Trainer(net, fastbp.SGD(0.0))
    found = [trainer.fit(X, Y, validation_data=data, metrics=["top_1", "top_3"]).history
             for data in ((X, targets), Loader(X, targets, size=7))]
    same(found[1], found[0])
    assert found[0]["val_accuracy"] == [np.mean(net.predict(X) == Y)]


def test_an_object_is_gone_through_once_an_epoch(implementation):
    X, Y = make_samples()
    validation = Loader(X, Y)
    history = make_trainer(implementation).fit(X, Y, epochs=3, validation_data=validation)
    assert validation.rounds == len(history.val_loss) == 3


def test_a_generator_serves_one_epoch(implementation):
    X, Y = make_samples()
    trainer = make_trainer(implementation)
    before = trainer.network.parameters.copy()
    with pytest.raises(ValueError, match="validation_data is of type generator, which can be gone through once, and"):
        trainer.fit(X, Y, epochs=2, validation_data=(batch for batch in Loader(X, Y)))
    assert np.array_equal(trainer.network.parameters, before)
    same(trainer.fit(X, Y, validation_data=iter(Loader(X, Y))).history,
         make_trainer(implementation).fit(X, Y, validation_data=(X, Y)).history)


@pytest.mark.parametrize("form", [lambda data: data, list, lambda data: [part.tolist() for part in data]])
@pytest.mark.parametrize("n", [2, 3])
def test_one_pair_of_few_samples_is_not_taken_for_batches(implementation, form, n):
    net = make_network(implementation, [n, 4, 2])
    data = make_data(net, n)
    found = implementation.Trainer(net, fastbp.SGD(0.0)).fit(*data, validation_data=form(data))
    assert found.val_loss == [net.loss(*data)]


def test_callbacks_and_schedules_follow_batches_of_validation(implementation):
    X, Y = make_samples()
    plateau = fastbp.schedules.ReduceOnPlateau(1e-9, patience=0)
    stopping = fastbp.callbacks.EarlyStopping(patience=2)
    trainer = make_trainer(implementation, optimizer=fastbp.SGD(plateau))
    history = trainer.fit(X, Y, 9, validation_data=Loader(X, Y), callbacks=[stopping])
    assert plateau.best == history.val_loss[0]
    assert stopping.best_epoch > 0


@pytest.mark.parametrize(
    ("validation", "error", "message"),
    [
        ([], TypeError, r"must be \(X, Y\) or \(X, Y, sample_weight\), or an iterable of them, got list of 0"),
        (np.ones((4, 3)), TypeError, "or an iterable of them, got ndarray"),
        ("path", TypeError, "or an iterable of them, got str"),
        (3, TypeError, "or an iterable of them, got int"),
        ((np.ones((4, 3)),), TypeError, "or an iterable of them, got tuple of 1"),
        ({"X": 1}, TypeError, "or an iterable of them, got dict"),
        (Loader(np.ones((0, 3)), np.ones(0, int)), ValueError, "validation_data gave no batches"),
        (Loader(np.ones((4, 3))), TypeError, "batch 1 of validation_data is of type tuple of 1, expected"),
        (Loader(np.ones((8, 3)), np.full(8, 2)), ValueError, r"Y\[0\] of batch 1 of validation_data is 2, expected"),
        (Loader(np.ones((8, 2)), np.ones(8)), ValueError, r"X of batch 1 of validation_data has shape \(4, 2\), exp"),
    ],
)
def test_what_is_wrong_with_validation_data_is_said(implementation, validation, error, message):
    with pytest.raises(error, match=message):
        make_trainer(implementation).fit(*make_samples(), validation_data=validation)


def test_metrics_want_one_kind_of_targets_in_all_batches(implementation):
    X, Y = make_samples()
    mixed = [(X[:4], Y[:4]), (X[4:], np.eye(2)[Y[4:]])]
    with pytest.raises(ValueError, match="labels in some batches and rows of targets in others"):
        make_trainer(implementation).fit(X, Y, validation_data=mixed, metrics=["top_1"])
    with pytest.raises(ValueError, match=r"'r2' needs targets \(n_samples, n_outputs\), validation_data has labels"):
        make_trainer(implementation).fit(X, Y, validation_data=[(X, Y)], metrics=["r2"])
