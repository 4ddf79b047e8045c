"""The table of optimizers against PyTorch, on plain numbers, and by hand."""

from __future__ import annotations

import importlib.util
import json
import pickle

import numpy as np
import pytest
from processes import ROOT

from fastbp import optimizers
from fastbp.optimizers import OPTIMIZERS, SGD, Adagrad, Adam, Adamax, AdamW, Lion, RMSProp, get_optimizer
from fastbp.schedules import StepDecay
from fastbp.update_rules import UPDATE_RULES

DATA = ROOT / "tests" / "data"
SPEC = importlib.util.spec_from_file_location("make_optimizers_torch", DATA / "make_optimizers_torch.py")
torch_runs = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(torch_runs)
FIXED = json.loads((DATA / "optimizers_torch.json").read_text())

# (w, *state) after one step from w = 2, g = 0.5 and the state (0.25, 1, 1) as far as there is one, at step 0, learning
# rate 0.1, worked out by hand
WORKED = [
    (SGD(0.1), (1.95,)),
    (SGD(0.1, weight_decay=0.5), (1.85,)),
    (SGD(0.1, momentum=0.8), (1.93, 0.7)),
    (SGD(0.1, momentum=0.8, nesterov=True), (2 - 0.1 * (0.5 + 0.8 * 0.7), 0.7)),
    (RMSProp(0.1, rho=0.5, eps=0.0), (1.9, 0.25)),
    (RMSProp(0.1, rho=0.5, eps=0.0, momentum=0.5), (2 - 0.1 * 1.5, 0.25, 1.5)),
    (Adagrad(0.1, eps=0.0), (2 - 0.05 * 2**0.5, 0.5)),
    (Adam(0.1, beta1=0.5, beta2=0.5, eps=0.0), (2 - 0.1 * 0.75 / 1.25**0.5, 0.375, 0.625)),
    (Adam(0.1, beta1=0.5, beta2=0.5, eps=0.0, amsgrad=True), (2 - 0.1 * 0.75 / 2**0.5, 0.375, 0.625, 1.0)),
    (Adam(0.1, beta1=0.5, beta2=0.75, eps=0.5, eps_first=True), (2 - 0.1 * 0.375 / (0.8125**0.5 + 0.5), 0.375, 0.8125)),
    (AdamW(0.1, beta1=0.5, beta2=0.5, eps=0.0, weight_decay=0.5), (1.9 - 0.1 * 0.75 / 1.25**0.5, 0.375, 0.625)),
    (Adamax(0.1, beta1=0.5, beta2=0.25, eps=0.0), (2 - 0.1 * 0.75 / 0.5, 0.375, 0.5)),
    (Lion(0.1, beta1=0.5, beta2=0.2, weight_decay=0.5), (1.8, 0.45)),
]
KEPT = {"sgd": 0, "momentum": 1, "nesterov": 1, "rmsprop": 1, "adagrad": 1, "adam": 2, "adamw": 2, "adamax": 2,
        "lion": 1}


def run(optimizer, steps, dtype=np.float64):
    w, found = torch_runs.START.astype(dtype), []
    state = tuple(np.zeros_like(w) for _ in range(optimizer.states))
    for step in range(max(steps)):
        g = torch_runs.gradient(w, step).astype(dtype)
        w, state = optimizer.update(w, g, state, optimizer.hyper(step))
        if step + 1 in steps:
            found.append(w)
    return np.array(found)


def of_case(case, scheduled):
    name, arguments = torch_runs.CASES[case][:2]
    optimizer = getattr(optimizers, name)(**arguments)
    if scheduled:
        base = optimizer.learning_rate
        optimizer = getattr(optimizers, name)(
            **arguments | {"learning_rate": lambda step: torch_runs.rate(base, step)})
    return optimizer


@pytest.mark.parametrize("kind", ["fixed", "scheduled"])
@pytest.mark.parametrize("case", torch_runs.CASES)
def test_equals_the_numbers_kept_from_torch_for_100_steps(case, kind):
    found = run(of_case(case, kind == "scheduled"), FIXED["steps"])
    np.testing.assert_allclose(found, FIXED["runs"][case][kind], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", torch_runs.CASES)
def test_equals_torch_for_100_steps(case):
    pytest.importorskip("torch")
    found = run(of_case(case, False), torch_runs.STEPS)
    np.testing.assert_allclose(found, torch_runs.run_torch(case, False), rtol=1e-10, atol=1e-10)


def test_lion_equals_its_paper_for_100_steps():
    """Algorithm 2 of Chen et al., 2023, line by line."""
    rate, beta1, beta2, decay = 0.01, 0.9, 0.99, 0.3
    theta, m = torch_runs.START.copy(), np.zeros(5)
    for step in range(100):
        g = torch_runs.gradient(theta, step)
        c = beta1 * m + (1 - beta1) * g
        theta = theta - rate * (np.sign(c) + decay * theta)
        m = beta2 * m + (1 - beta2) * g
    found = run(Lion(rate, beta1=beta1, beta2=beta2, weight_decay=decay), [100])
    np.testing.assert_allclose(found[0], theta, rtol=1e-10)


@pytest.mark.parametrize(("optimizer", "after"), WORKED, ids=lambda x: repr(x) if not isinstance(x, tuple) else "")
def test_worked_numbers(optimizer, after):
    w, state = optimizer.update(2.0, 0.5, (0.25, 1.0, 1.0)[: optimizer.states], optimizer.hyper(0))
    np.testing.assert_allclose((w, *state), after, rtol=1e-14)


def test_every_rule_has_a_worked_number():
    assert {optimizer.formula() for optimizer, _ in WORKED} == set(UPDATE_RULES)


@pytest.mark.parametrize("optimizer", [spec for spec, _ in WORKED], ids=repr)
def test_a_rule_returns_as_many_numbers_as_it_keeps(optimizer):
    _, state = optimizer.update(1.0, 1.0, (0.0,) * optimizer.states, optimizer.hyper(0))
    assert len(state) == optimizer.states


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_states_and_plain(name):
    assert OPTIMIZERS[name].states == KEPT[name]
    assert OPTIMIZERS[name].is_plain_sgd == (name == "sgd")
    assert not SGD(weight_decay=0.1).is_plain_sgd
    assert SGD(weight_decay=0.1).states == 0
    assert RMSProp(momentum=0.5).states == 2
    assert Adam(amsgrad=True).states == 3


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_stays_float32_and_near_float64(name):
    found = run(OPTIMIZERS[name], [10], np.float32)
    assert found.dtype == np.float32
    if name != "lion":  # a sign may turn by rounding
        np.testing.assert_allclose(found, run(OPTIMIZERS[name], [10]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_of_all_sizes_give_finite_numbers(name):
    optimizer = OPTIMIZERS[name]
    g = np.array([0.0, 5e-324, 1e-200, 1e100])
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        w, state = optimizer.update(np.ones(4), g, (np.zeros(4),) * optimizer.states, optimizer.hyper(0))
    assert np.isfinite([w, *state]).all()
    assert w[0] == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_hyper_is_a_tuple_of_floats_of_one_length(name):
    optimizer = OPTIMIZERS[name]
    lengths = {len(optimizer.hyper(step)) for step in (0, 1, 999, 10**9)}
    assert len(lengths) == 1
    assert all(type(number) is float and np.isfinite(number) for number in optimizer.hyper(10**9))


def test_numbers_of_any_kind_become_floats():
    optimizer = Adam(np.float32(0.5), beta1=0, weight_decay=np.int64(1))
    assert [type(number) for number in optimizer.hyper(0)] == [float] * 6
    assert optimizer == Adam(0.5, beta1=0.0, weight_decay=1.0)


def test_learning_rate_may_be_a_schedule():
    optimizer = SGD(StepDecay(1.0, every=2))
    assert [optimizer.hyper(step) for step in range(3)] == [(1.0,), (1.0,), (0.1,)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rows_pickle(name):
    assert pickle.loads(pickle.dumps(OPTIMIZERS[name])) == OPTIMIZERS[name]


def test_get_optimizer_takes_names_and_optimizers():
    assert get_optimizer("nesterov") == SGD(momentum=0.9, nesterov=True)
    assert get_optimizer(optimizer := Adam(0.1)) is optimizer


@pytest.mark.parametrize(("spec", "error", "words"), [
    ("adan", ValueError, ["optimizer", "'adan'", "'adam'", "'sgd'"]),
    (0.1, TypeError, ["optimizer", "0.1", "float", "fastbp.Optimizer"]),
])
def test_get_optimizer_names_what_is_wrong(spec, error, words):
    with pytest.raises(error) as caught:
        get_optimizer(spec)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(("kind", "arguments", "error", "message"), [
    (SGD, {"learning_rate": -0.1}, ValueError, r"learning_rate must be a number in \[0, inf\), got -0.1"),
    (SGD, {"learning_rate": np.nan}, ValueError, "learning_rate must be .* got nan"),
    (SGD, {"learning_rate": np.inf}, ValueError, "learning_rate must be .* got inf"),
    (SGD, {"learning_rate": "0.1"}, TypeError, r"learning_rate must be .* got '0.1' \(str\)"),
    (SGD, {"learning_rate": True}, TypeError, "learning_rate must be .* got True"),
    (SGD, {"learning_rate": 1j}, TypeError, "learning_rate must be .* got 1j"),
    (SGD, {"learning_rate": np.ones(2)}, TypeError, "learning_rate must be .* got array.* [(]ndarray"),
    (SGD, {"momentum": 1.0}, ValueError, r"momentum must be a number in \[0, 1\), got 1.0"),
    (SGD, {"nesterov": True}, ValueError, r"momentum must be a number in \(0, 1\) where nesterov is True, got 0.0"),
    (SGD, {"momentum": 0.9, "nesterov": 1}, TypeError, "nesterov must be True or False, got 1"),
    (RMSProp, {"rho": 1.5}, ValueError, r"rho must be a number in \[0, 1\), got 1.5"),
    (Adagrad, {"eps": -1e-8}, ValueError, r"eps must be a number in \[0, inf\), got -1e-08"),
    (Adam, {"beta1": 1}, ValueError, r"beta1 must be a number in \[0, 1\), got 1"),
    (AdamW, {"beta2": -0.1}, ValueError, "beta2 must be .* got -0.1"),
    (Adamax, {"weight_decay": None}, TypeError, "weight_decay must be .* got None"),
    (Lion, {"beta2": np.nan}, ValueError, "beta2 must be .* got nan"),
])
def test_hyper_parameters_out_of_range_are_named(kind, arguments, error, message):
    with pytest.raises(error, match=message):
        kind(**arguments)


@pytest.mark.parametrize("rate", [-1.0, np.nan, "x", None])
def test_a_schedule_that_leaves_the_range_is_named_with_its_step(rate):
    with pytest.raises((ValueError, TypeError), match=r"learning_rate\(7\) must be a number"):
        SGD(lambda step: rate).hyper(7)


def test_defaults_of_lion_are_those_of_its_paper():
    assert Lion() == Lion(1e-4, beta1=0.9, beta2=0.99, weight_decay=0.0)
