"""Data that comes in batches or lies in a file: the same updates, at fixed memory."""

import sys
import threading

import numpy as np
import pytest
from networks import make_data, make_network, make_samples, make_trainer, relative_error
from processes import run_python

from fastbp.base.sources import Source, array_chunks


class Loader:
    """Batches of arrays, anew each time, as a data loader gives them."""

    def __init__(self, X, Y, size, weight=None):
        self.arrays = (X, Y) if weight is None else (X, Y, weight)
        self.size = size

    def __iter__(self):
        for start in range(0, len(self.arrays[0]), self.size):
            yield tuple(array[start : start + self.size] for array in self.arrays)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_batches_make_the_updates_of_arrays_in_order(implementation, optimizer, weighted):
    X, Y = make_samples()
    weight = np.linspace(0.5, 2.0, 11) if weighted else None
    rules = {"l2": 0.01, "dropout": 0.2, "label_smoothing": 0.1, "max_norm": 1.0}
    whole, parts = (make_trainer(implementation, optimizer=optimizer, shuffle=False, **rules) for _ in range(2))
    expected = whole.fit(X, Y, 3, sample_weight=weight, validation_data=(X, Y), class_weight=[1, 2])
    history = parts.fit(Loader(X, Y, 4, weight), epochs=3, validation_data=(X, Y), class_weight=[1, 2])
    assert relative_error(parts.network.parameters, whole.network.parameters) < 1e-12
    assert history.loss == pytest.approx(expected.loss, rel=1e-12)
    assert history.accuracy == expected.accuracy
    assert history.val_accuracy == expected.val_accuracy
    assert parts.steps == whole.steps == 9
    assert parts.epochs == 3


def test_batches_may_have_any_sizes_and_come_as_lists(implementation):
    X, Y = make_samples()
    trainer, twin = make_trainer(implementation, batch_size=3), make_trainer(implementation)
    batches = [(X[:1].tolist(), Y[:1].tolist()), [X[1:8], Y[1:8]], (X[8:], Y[8:])]
    trainer.fit(batches, epochs=2)
    for _ in range(2):
        for x, y in batches:
            twin.step(x, y)
    assert np.array_equal(trainer.network.parameters, twin.network.parameters)


def test_a_generator_serves_one_epoch(implementation):
    X, Y = make_samples()
    trainer, twin = make_trainer(implementation), make_trainer(implementation)
    before = trainer.network.parameters.copy()
    with pytest.raises(ValueError, match="of type generator, which can be gone through once, and epochs is 2"):
        trainer.fit((batch for batch in Loader(X, Y, 4)), epochs=2)
    assert np.array_equal(trainer.network.parameters, before)
    trainer.fit(batch for batch in Loader(X, Y, 4))
    twin.fit(Loader(X, Y, 4))
    assert np.array_equal(trainer.network.parameters, twin.network.parameters)


def test_the_network_is_current_while_an_iterable_makes_a_batch(implementation):
    X, Y = make_samples()
    trainer, twin = (make_trainer(implementation, optimizer="adam") for _ in range(2))
    seen = []

    def batches():
        net = trainer.network
        for first in (0, 4, 8):
            seen.append((net.parameters.copy(), net.forward(X[:2]), net.forward(X), trainer.optimizer_state[0]))
            net.parameters[0] += 0.5
            yield X[first : first + 4], Y[first : first + 4]

    trainer.fit(batches())
    for first, (parameters, few, many, state) in zip((0, 4, 8), seen, strict=True):
        assert np.array_equal(parameters, twin.network.parameters)
        assert np.array_equal(few, twin.network.forward(X[:2]))
        assert np.array_equal(many, twin.network.forward(X))
        assert np.array_equal(state, twin.optimizer_state[0])
        twin.network.parameters[0] += 0.5
        twin.step(X[first : first + 4], Y[first : first + 4])
    assert np.array_equal(trainer.network.parameters, twin.network.parameters)


def test_an_iterable_may_train_the_network_and_takes_it_from_no_other_thread(implementation):
    X, Y = make_samples()
    trainer, twin = (make_trainer(implementation) for _ in range(2))

    def batches():
        trainer.step(X, Y)
        yield X[:4], Y[:4]
        trainer.fit(X, Y)
        yield X[4:], Y[4:]

    trainer.fit(batches())
    twin.step(X, Y), twin.step(X[:4], Y[:4])
    twin.fit(X, Y), twin.step(X[4:], Y[4:])
    assert np.array_equal(trainer.network.parameters, twin.network.parameters)
    other = threading.Thread(target=lambda: trainer.step(X, Y), daemon=True)
    other.start()
    other.join(60)
    assert not other.is_alive()
    assert trainer.steps == twin.steps + 1


def test_a_function_that_returns_an_iterator_is_called_for_each_epoch(implementation):
    X, Y = make_samples()
    calls = []

    def batches():
        calls.append(None)
        yield from Loader(X, Y, 4)

    trainer, twin = make_trainer(implementation), make_trainer(implementation)
    history = trainer.fit(batches, epochs=3, validation_data=batches)
    expected = twin.fit(Loader(X, Y, 4), epochs=3, validation_data=Loader(X, Y, 4))
    assert np.array_equal(trainer.network.parameters, twin.network.parameters)
    assert history.val_loss == expected.val_loss
    assert len(calls) == 6


@pytest.mark.parametrize(("result", "name"), [(None, "NoneType"), (np.zeros((4, 3)), "ndarray"), ("text", "str")])
def test_a_function_that_returns_no_batches_is_named(implementation, result, name):
    with pytest.raises(TypeError, match=rf"X\(\) returned {name}, expected an iterator over batches \(X, Y\)"):
        make_trainer(implementation).fit(lambda: result)
    with pytest.raises(TypeError, match=rf"validation_data\(\) returned {name}, expected"):
        make_trainer(implementation).fit(*make_samples(), validation_data=lambda: result)


def test_an_iterable_that_is_used_up_is_an_error(implementation):
    class UsedUp:
        def __init__(self, batches):
            self.batches = iter(batches)

        def __iter__(self):
            return self.batches

    trainer = make_trainer(implementation)
    with pytest.raises(ValueError, match="X gave no batches; an iterable must begin anew"):
        trainer.fit(UsedUp([make_samples()]), epochs=2)
    assert trainer.epochs == 1


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros((4, 3)), TypeError, "X is of type ndarray and Y is missing"),
        (3.5, TypeError, "X is of type float and Y is missing"),
        ("path", TypeError, "X is of type str and Y is missing"),
        ([], ValueError, "X gave no batches"),
        ([np.zeros((4, 3))], TypeError, r"batch 1 is of type ndarray, expected \(X, Y\) or \(X, Y, sample_weight\)"),
        ([(np.zeros((4, 3)),)], TypeError, "batch 1 is of type tuple of 1, expected"),
        ([(np.zeros((4, 2)), np.zeros(4, int))], ValueError, r"X of batch 1 has shape \(4, 2\), expected"),
        ([(np.zeros((4, 3)), np.full(4, 2))], ValueError, r"Y\[0\] of batch 1 is 2, expected labels 0..1"),
    ],
)
def test_what_is_wrong_with_a_batch_is_said(implementation, X, error, message):
    trainer = make_trainer(implementation)
    before = trainer.network.parameters.copy()
    with pytest.raises(error, match=message):
        trainer.fit(X)
    assert np.array_equal(trainer.network.parameters, before)


def test_sample_weights_come_with_the_batches(implementation):
    X, Y = make_samples()
    with pytest.raises(ValueError, match="sample_weight is for arrays; batches bring their own"):
        make_trainer(implementation).fit([(X, Y)], sample_weight=np.ones(11))


def test_a_batch_whose_loss_is_not_finite_ends_training_before_its_update(implementation):
    net = make_network(implementation, [3, 1], "identity", "identity", "quadratic", np.float32)
    X, Y = make_data(net, 8)
    trainer = implementation.Trainer(net, rng=0)
    twin = implementation.Trainer(net.copy(), rng=0)
    with pytest.raises(FloatingPointError, match=r"in epoch 1/1 at learning_rate 0\.1"):
        trainer.fit([(X, Y), (np.full_like(X, 1e30), Y)])
    twin.fit([(X, Y)])
    assert np.array_equal(net.parameters, twin.network.parameters)


@pytest.mark.parametrize("shown", ["tqdm", "line"])
def test_progress_of_batches_counts_samples(implementation, monkeypatch, capsys, shown):
    if shown == "line":
        monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr("fastbp.base.progress._INTERVAL", 0.0)
    make_trainer(implementation).fit(Loader(*make_samples(), 4), epochs=2, progress=True)
    err = capsys.readouterr().err
    assert "22" in err
    assert "epoch 2/2, loss 0." in err


def test_a_memmap_trains_as_an_array(implementation, tmp_path):
    X, Y = make_samples()
    results = []
    mapped = np.memmap(tmp_path / "X", np.float64, "w+", shape=X.shape)
    mapped[:] = X
    mapped.flush()
    for data in (X, np.memmap(tmp_path / "X", np.float64, "r", shape=X.shape)):
        trainer = make_trainer(implementation)
        trainer.fit(data, Y, epochs=2)
        results.append(trainer.network.parameters)
    assert np.array_equal(results[0], results[1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["memmap", "batches"])
@pytest.mark.parametrize("module", ["fastbp", "fastbp.reference"])
def test_memory_does_not_grow_with_the_data(tmp_path, kind, module):
    code = """
import importlib, re, sys
from pathlib import Path
import numpy as np
implementation = importlib.import_module(sys.argv[1])
n, width = 200_000, 100
np.memmap("X", np.float32, "w+", shape=(n, width)).flush()
X, Y = np.memmap("X", np.float32, "r", shape=(n, width)), np.zeros(n, np.int64)
class Loader:
    def __iter__(self):
        for start in range(0, n, 1000):
            yield X[start:start + 1000], Y[start:start + 1000]
def own_memory():
    return int(re.search(r"RssAnon:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
net = implementation.Network([width, 4, 2], rng=0)
trainer = implementation.Trainer(net, batch_size=1000, rng=0)
trainer.fit(X[:1000], Y[:1000])
before = own_memory()
trainer.fit(*([X, Y] if sys.argv[2] == "memmap" else [Loader()]))
print(own_memory() - before)
"""
    assert float(run_python(code, module, kind, cwd=tmp_path)) < 20.0  # MiB; the data have 76


class Backwards(Source):
    """The samples from the last to the first, their penalties divided by the size of the minibatch."""

    def __init__(self, net, X, Y):
        self.data, self.n_samples = net.canonical(X, Y), len(X)

    def chunks(self, session, batch_size):
        order = np.arange(self.n_samples)[::-1].copy()
        whole = self.n_samples // batch_size * batch_size
        scales = 1 / batch_size, 1 / (self.n_samples - whole)
        yield from array_chunks(session, self.data, order[:whole], batch_size, last=False, penalty_scale=scales[0])
        yield from array_chunks(session, self.data, order[whole:], batch_size, penalty_scale=scales[1])


@pytest.mark.parametrize("shape", [(3, 5, 2), (3, 40, 2), (3, 19, 33, 2)], ids=str)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_source_has_an_order_and_penalties_of_its_own(implementation, optimizer, shape):
    X, Y = make_samples()
    trainer = make_trainer(implementation, shape, optimizer=optimizer, l1=0.2, l2=0.3)
    twin = make_trainer(implementation, shape, optimizer=optimizer)
    history = trainer.fit(Backwards(trainer.network, X, Y), epochs=2)
    net, loss, penalty = twin.network, [], []
    for _ in range(2):
        losses, penalties = 0.0, 0.0
        for rows in (slice(10, 6, -1), slice(6, 2, -1), slice(2, None, -1)):
            m = len(X[rows])
            w = np.concatenate([W.ravel() for W in net.weights])
            penalties += 0.2 * np.abs(w).sum() + 0.15 * (w @ w)
            one = make_trainer(implementation, shape, optimizer=optimizer, l1=0.2 / m, l2=0.3 / m)
            one.network.parameters[:] = net.parameters
            one.optimizer_state, one.steps = twin.optimizer_state, twin.steps
            losses += m * one.step(X[rows], Y[rows])
            twin.optimizer_state, twin.steps = one.optimizer_state, one.steps
            net.parameters[:] = one.network.parameters
        loss, penalty = [*loss, losses / 11], [*penalty, penalties / 11]
    assert relative_error(trainer.network.parameters, net.parameters) < 1e-12
    assert history.loss == pytest.approx(loss, rel=1e-12)
    assert history["penalty"] == pytest.approx(penalty, rel=1e-12)


def test_penalties_are_as_ever_after_a_source_has_scaled_them(implementation):
    X, Y = make_samples()
    trainer, twin = (make_trainer(implementation, l1=0.2, l2=0.3, shuffle=False) for _ in range(2))
    trainer.fit(Backwards(trainer.network, X, Y))
    twin.network.parameters[:] = trainer.network.parameters
    history, expected = trainer.fit(X, Y, 2), twin.fit(X, Y, 2)
    assert np.array_equal(trainer.network.parameters, twin.network.parameters)
    assert history.loss == expected.loss
    assert "penalty" not in history
