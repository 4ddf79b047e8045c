"""The table of schedules: numbers by hand, ends and joints, and what is out of range."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

from fastbp.optimizers import OPTIMIZERS, SGD
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

# schedule and its rate at some steps, worked out by hand
WORKED = [
    (Constant(0.3), {0: 0.3, 10**6: 0.3}),
    (StepDecay(0.8, every=3, factor=0.5), {0: 0.8, 2: 0.8, 3: 0.4, 5: 0.4, 6: 0.2}),
    (ExponentialDecay(0.8, every=2, factor=0.25), {0: 0.8, 1: 0.4, 2: 0.2, 4: 0.05}),
    (CosineDecay(1.0, period=6, final=0.2), {0: 1.0, 2: 0.8, 3: 0.6, 4: 0.4, 6: 0.2, 100: 0.2}),
    (CosineDecay(1.0, period=2, restarts=True), {0: 1.0, 1: 0.5, 2: 1.0, 3: 0.5, 4: 1.0}),
    (CosineDecay(1.0, period=2, restarts=True, growth=2), {0: 1.0, 1: 0.5, 2: 1.0, 4: 0.5, 6: 1.0, 10: 0.5, 14: 1.0}),
    (OneCycle(1.0, total=11, warm=0.4, start=10.0, final=100.0),
     {0: 0.1, 2: 0.55, 4: 1.0, 7: 0.5005, 10: 1e-3, 99: 1e-3}),
    (InverseScaling(0.8, every=4), {0: 0.8, 12: 0.4, 60: 0.2}),
    (InverseScaling(1.0, power=2.0), {0: 1.0, 1: 0.25, 3: 0.0625}),
    (WarmUp(1.0, steps=4), {0: 0.25, 1: 0.5, 2: 0.75, 3: 1.0, 4: 1.0}),
    (WarmUp(StepDecay(1.0, every=2), steps=2), {0: 0.5, 1: 1.0, 2: 1.0, 3: 1.0, 4: 0.1}),
    (ReduceOnPlateau(0.5), {0: 0.5, 1000: 0.5}),
]
schedules = pytest.mark.parametrize("schedule", [schedule for schedule, _ in WORKED], ids=repr)


@pytest.mark.parametrize(("schedule", "rates"), WORKED, ids=lambda x: repr(x) if not isinstance(x, dict) else "")
def test_worked_numbers(schedule, rates):
    for step, rate in rates.items():
        assert schedule(step) == pytest.approx(rate, rel=1e-12), step


def test_every_schedule_has_worked_numbers():
    assert {type(schedule) for schedule, _ in WORKED} == set(SCHEDULES.values())


@schedules
def test_rates_are_floats_that_an_optimizer_takes(schedule):
    for step in (0, 1, 17, 10**7):
        assert isinstance(schedule(step), float)
        assert SGD(schedule).hyper(step) == (schedule(step),)


@schedules
def test_schedules_pickle_and_copy(schedule):
    for twin in (pickle.loads(pickle.dumps(schedule)), copy.deepcopy(schedule)):
        assert twin == schedule
        assert twin(5) == schedule(5)


@pytest.mark.parametrize("schedule", [StepDecay, ExponentialDecay])
def test_a_rate_of_0_stays_0_where_its_factor_grows_beyond_floats(schedule):
    assert schedule(0.0, every=1, factor=10.0)(400) == 0.0
    assert schedule(1.0, every=1, factor=10.0)(400) == math.inf


def test_one_cycle_rises_then_falls():
    rates = np.array([OneCycle(0.1, total=100)(step) for step in range(100)])
    top = rates.argmax()
    assert 28 <= top <= 31
    assert (np.diff(rates[:top]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()


def test_plateau_reduces_after_more_than_patience_epochs_without_a_fall():
    schedule = ReduceOnPlateau(1.0, factor=0.5, patience=2, lowest=0.2)
    rates = []
    for loss in [3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.5, math.nan, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2]:
        schedule.on_epoch(loss)
        rates.append(schedule(step=0))
    assert rates == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2]


def test_plateau_does_not_take_a_fall_below_min_delta_for_one():
    schedule = ReduceOnPlateau(1.0, factor=0.5, patience=0, min_delta=0.1)
    for loss in (1.0, 0.95, 0.89):
        schedule.on_epoch(loss)
    assert schedule(0) == 0.5
    assert schedule.best == 0.89


def test_plateau_goes_on_after_pickling():
    schedule = ReduceOnPlateau(1.0, patience=1)
    schedule.on_epoch(1.0)
    schedule.on_epoch(1.0)
    twin = pickle.loads(pickle.dumps(schedule))
    schedule.on_epoch(1.0)
    twin.on_epoch(1.0)
    assert twin == schedule
    assert twin(0) == 0.1


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: Constant(-1.0), ValueError, r"value must be a number in \[0, inf\), got -1.0"),
    (lambda: StepDecay("a", every=1), TypeError, "initial must be a number"),
    (lambda: StepDecay(1.0, every=0), ValueError, "every must be an integer >= 1, got 0"),
    (lambda: StepDecay(1.0, every=2.0), TypeError, "every must be an integer >= 1, got 2.0"),
    (lambda: ExponentialDecay(1.0, every=1, factor=-1.0), ValueError, "factor must be"),
    (lambda: CosineDecay(1.0, period=0), ValueError, "period must be"),
    (lambda: CosineDecay(1.0, period=1, growth=0), ValueError, "growth must be"),
    (lambda: CosineDecay(1.0, period=1, final=math.nan), ValueError, "final must be .* got nan"),
    (lambda: OneCycle(1.0, total=1), ValueError, "total must be an integer >= 2, got 1"),
    (lambda: OneCycle(1.0, total=9, warm=1.0), ValueError, r"warm must be a number in \(0, 1\), got 1.0"),
    (lambda: OneCycle(1.0, total=9, start=0.0), ValueError, r"start must be a number in \(0, inf\), got 0.0"),
    (lambda: InverseScaling(1.0, power=-1.0), ValueError, "power must be"),
    (lambda: WarmUp(-1.0, steps=1), ValueError, "schedule must be"),
    (lambda: WarmUp(1.0, steps=0), ValueError, "steps must be"),
    (lambda: ReduceOnPlateau(1.0, factor=1.0), ValueError, r"factor must be a number in \[0, 1\), got 1.0"),
    (lambda: ReduceOnPlateau(1.0, patience=-1), ValueError, "patience must be an integer >= 0, got -1"),
])
def test_arguments_out_of_range_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


# what is no number of updates, and the error that says so
NO_STEPS = [(-1, ValueError), (10**400, ValueError), (2**53 + 1, ValueError), (np.int64(-1), ValueError),
            (0.0, TypeError), (2.5, TypeError), (True, TypeError), (None, TypeError), ("1", TypeError),
            (np.arange(3), TypeError)]
no_steps = pytest.mark.parametrize(("step", "error"), NO_STEPS, ids=lambda x: repr(x)[:12])


@no_steps
@schedules
def test_a_schedule_called_with_no_number_of_updates_says_so(schedule, step, error):
    with pytest.raises(error, match=r"^step must be an integer") as caught:
        schedule(step)
    assert len(str(caught.value)) < 300


@no_steps
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_so_does_an_optimizer(name, step, error):
    for method in (OPTIMIZERS[name].rate, OPTIMIZERS[name].hyper):
        with pytest.raises(error, match=r"^step must be an integer"):
            method(step)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_steps_of_numpy_are_numbers_of_updates(optimizer):
    for step in (np.int8(127), np.uint8(255), np.int64(3)):  # whose sum with 1 would begin anew
        assert optimizer.hyper(step) == optimizer.hyper(int(step))


@pytest.mark.parametrize(("loss", "error"), [(None, TypeError), ("1", TypeError), (True, TypeError),
                                             (np.ones(2), TypeError), (10**400, ValueError)],
                         ids=lambda x: repr(x)[:12])
def test_a_plateau_takes_numbers_only(loss, error):
    schedule = ReduceOnPlateau(1.0, patience=0)
    with pytest.raises(error, match=r"^loss must be a number"):
        schedule.on_epoch(loss)
    assert schedule == ReduceOnPlateau(1.0, patience=0)


def test_defaults_are_those_of_torch():
    assert OneCycle(1.0, total=9) == OneCycle(1.0, total=9, warm=0.3, start=25.0, final=1e4)
    assert ReduceOnPlateau(1.0) == ReduceOnPlateau(1.0, factor=0.1, patience=10, min_delta=1e-4, lowest=0.0)
    assert StepDecay(1.0, every=2).factor == 0.1
