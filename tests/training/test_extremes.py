"""Training at the ends of what is accepted: wild hyper-parameters, divergence, constant targets, a hundred seeds."""

import dataclasses
import warnings

import numpy as np
import pytest
from networks import make_network, relative_error

import fastbp
import fastbp.reference
from fastbp.optimizers import OPTIMIZERS, SGD

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
LARGEST = float(np.finfo(np.float32).max)


def data(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


# ------------------------------------------------------------------ hyper-parameters
# What the names of optimizers' numbers may be at most and at least, and in between.
RATES = [0.0, 5e-324, 1e-30, 1e-3, 1.0, 1e10, LARGEST]
SHARES = [0.0, 1e-12, 0.5, 0.999999, float(np.nextafter(1.0, 0.0))]
EXTREMES = {
    "learning_rate": RATES, "weight_decay": RATES, "eps": [5e-324, 1e-40, 1e-8, 1.0, LARGEST],
    "momentum": SHARES, "rho": SHARES, "beta1": SHARES, "beta2": SHARES,
}
RULES = {
    "l1": RATES, "l2": RATES, "dropout": SHARES, "max_norm": [5e-324, 1e-20, 1.0, LARGEST],
    "clip_value": [5e-324, 1e-20, 1.0, LARGEST], "clip_norm": [5e-324, 1e-20, 1.0, LARGEST], "label_smoothing": SHARES,
}


def draw(rng, row):
    """Numbers that an optimizer takes."""
    numbers = {
        field.name: float(rng.choice(EXTREMES[field.name])) if field.name in EXTREMES else bool(rng.integers(2))
        for field in dataclasses.fields(row)
        if field.init and (field.name in EXTREMES or field.name in ("amsgrad", "nesterov"))
    }
    if numbers.get("nesterov") and not numbers["momentum"]:
        numbers["nesterov"] = False
    return dataclasses.replace(row, **numbers)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_wild_numbers_train_or_end_with_a_word_and_never_leave_nan_in_silence(implementation, name):
    X, Y = data()
    outcomes = set()
    for seed in range(60):
        rng = np.random.default_rng([seed, len(name)])
        optimizer = draw(rng, OPTIMIZERS[name])
        rules = {rule: float(rng.choice(values)) for rule, values in RULES.items() if rng.random() < 0.3}
        net = implementation.Network([3, 5, 2], "relu", dtype=("float32", "float64")[seed % 2], rng=seed)
        trainer = implementation.Trainer(net, optimizer, int(rng.choice([1, 7, 60, 10**9])), rng=seed, **rules)
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                trainer.fit(X, Y, epochs=int(rng.integers(1, 4)))
            outcomes.add("warned" if warned else "trained")
            assert {warning.category for warning in warned} <= {RuntimeWarning}
            assert np.isfinite(net.parameters).all(), (seed, optimizer, rules)
            assert np.isfinite(trainer.history.loss).all(), (seed, optimizer, rules)
        except FloatingPointError:
            outcomes.add("diverged")
    assert "trained" in outcomes


# ------------------------------------------------------------------ divergence
@pytest.mark.parametrize("batch_size", [4, 60])
@pytest.mark.parametrize("epochs", [1, 2])
@DTYPES
def test_a_last_update_that_overflows_is_told_and_the_history_ends_before_it(implementation, dtype, epochs, batch_size):
    net = make_network(implementation, [3, 4, 1], "identity", "identity", "quadratic", dtype)
    X, Y = data()[0], np.ones((60, 1))
    steps = -(-60 // batch_size)
    # nothing changes until the last update, which is infinite
    rates = lambda step: 0.0 if step < epochs * steps - 1 else float(np.finfo(dtype).max)  # noqa: E731
    trainer = implementation.Trainer(net, SGD(rates), batch_size, rng=0)
    with pytest.raises(FloatingPointError, match=f"a parameter is not finite after epoch {epochs}/{epochs} at"):
        trainer.fit(X * 100, Y, epochs=epochs, validation_data=(X, Y))
    assert len(trainer.history.loss) == epochs - 1
    assert trainer.steps == epochs * steps
    quiet = implementation.Trainer(net.copy(), SGD(rates), batch_size, rng=0)
    quiet.network.parameters[:] = 0.1
    quiet.fit(X * 100, Y, epochs=epochs, callbacks=[fastbp.callbacks.TerminateOnNaN()])
    assert len(quiet.history.loss) == epochs - 1


# ------------------------------------------------------------------ constant targets
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("constant", [0.0, 0.75, -3.0])
def test_a_constant_target_is_learned(implementation, constant, optimizer):
    X, Y = data()[0], np.full((60, 1), constant)
    net = implementation.Network([3, 8, 1], "tanh", "identity", "quadratic", rng=0)
    rate = 0.05 if optimizer == "sgd" else 0.01
    trainer = implementation.Trainer(net, dataclasses.replace(OPTIMIZERS[optimizer], learning_rate=rate), 20, rng=0)
    history = trainer.fit(X, Y, epochs=300, validation_data=(X, Y), metrics=["r2", "mae"])
    assert np.abs(net.predict(X) - constant).max() < 0.2
    assert np.isfinite(history.loss).all()
    assert history.loss[-1] < 1e-2 * history.loss[0]
    assert set(history.val_r2) <= {0.0, 1.0}


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_labels_of_one_class_alone_are_learned(implementation, output):
    X, _ = data()
    net = implementation.Network([3, 4, 2 if output == "softmax" else 1], "tanh", output, rng=0)
    trainer = implementation.Trainer(net, "adam", 20, rng=0)
    history = trainer.fit(X, np.zeros(60, int), epochs=400, class_weight="balanced")
    assert history.accuracy[-1] == 1.0
    assert np.isfinite(net.parameters).all()
    assert not net.predict(X).any()


# ------------------------------------------------------------------ seeds
def trained(module, seed, dtype):
    net = module.Network([3, 8, 2], "tanh", dtype=dtype, rng=seed)
    trainer = module.Trainer(net, SGD(0.3, momentum=0.5), 10, rng=seed, dropout=0.1)
    history = trainer.fit(*data(), epochs=10)
    return net.parameters, history


def test_seeds_0_to_99_train_as_the_twin_each_its_own_way_and_again_the_same():
    digests = set()
    for seed in range(100):
        parameters, history = trained(fastbp, seed, np.float64)
        assert relative_error(parameters, trained(fastbp.reference, seed, np.float64)[0]) < 1e-9, seed
        assert history.loss[-1] < 0.5 * history.loss[0], seed
        assert history.accuracy[-1] > 0.8, seed
        assert np.array_equal(trained(fastbp, seed, np.float64)[0], parameters), seed
        digests.add(parameters.tobytes())
        single, _ = trained(fastbp, seed, np.float32)
        assert np.isfinite(single).all()
        digests.add(single.tobytes())
    assert len(digests) == 200
