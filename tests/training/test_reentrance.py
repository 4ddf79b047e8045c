"""Code of the user's in the middle of a call of its own thread: signal handlers, `__del__`, schedules."""

import os
import sys
import threading

import numpy as np
import pytest
from networks import make_data, make_labels

import fastbp

SIZES = [6, 9, 3]
WITHIN = tuple(os.path.join("fastbp", name) for name in ("compiled", "network.py"))


def interrupted(work, user, at):
    """Return work(), with user() when the line `at` is reached first, and all lines on the kernels' side."""
    lines, busy = {}, []

    def line(frame, event, _):
        place = frame.f_code.co_filename, frame.f_lineno
        if event == "line" and not busy and place not in lines:
            lines[place] = None
            if place == at:
                busy.append(True)
                user()
                busy.clear()
        return line

    def enter(frame, *_):
        return line if not busy and any(part in frame.f_code.co_filename for part in WITHIN) else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        return work(), list(lines)
    finally:
        sys.settrace(before)


def make():
    net = fastbp.Network(SIZES, "tanh", rng=0)
    X, _ = make_data(net, 300)
    return fastbp.Trainer(net, "adam", 16, rng=0), X, make_labels(300, 3)


def fitted(trainer, X, Y):
    loss = trainer.fit(X[:60], Y[:60], epochs=2).loss
    return [*loss, *trainer.network.parameters]


def stepped(trainer, X, Y):
    losses = [trainer.step(X[:20], Y[:20]) for _ in range(3)]
    return [*losses, *trainer.network.parameters]


WORK = {
    "forward": lambda trainer, X, Y: trainer.network.forward(X),
    "one row": lambda trainer, X, Y: trainer.network.forward(X[:1]),
    "loss": lambda trainer, X, Y: trainer.network.loss(X, Y),
    "backprop": lambda trainer, X, Y: trainer.network.backprop(X, Y).flat,
    "fit": fitted,
    "step": stepped,
}
HELD = []
USES = {
    "forward": lambda trainer, X, Y: trainer.network.forward(X[:20]),
    "loss": lambda trainer, X, Y: trainer.network.loss(X[:20], Y[:20]),
    "backprop": lambda trainer, X, Y: trainer.network.backprop(X[:20], Y[:20]),
    "a view that is kept": lambda trainer, X, Y: HELD.append(trainer.network.parameters),
    "all of it": lambda trainer, X, Y: trainer.__getstate__(),
}


@pytest.mark.slow
@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_what_uses_the_network_in_the_middle_of_a_call_takes_nothing_from_it(work, use):
    data = make()
    expected, lines = interrupted(lambda: work(*data), lambda: None, None)
    for at in lines:
        data = make()
        found, _ = interrupted(lambda data=data: work(*data), lambda data=data: use(*data), at)
        assert np.array_equal(found, expected), at
        assert not data[0].network._compiled().is_mine()
        if use is USES["a view that is kept"]:
            assert np.array_equal(HELD.pop(), data[0].network.parameters), at


def test_a_schedule_that_predicts_and_saves_finds_the_updates_so_far(tmp_path):
    saved = {}

    def rate(step):
        trainer = fit.get("trainer")
        if trainer is not None and trainer.steps not in saved:
            trainer.save(tmp_path / "now")
            saved[trainer.steps] = fastbp.Trainer.load(tmp_path / "now", custom={"learning_rate": rate})
            assert np.array_equal(trainer.network.loss(X, Y), saved[trainer.steps].network.loss(X, Y))
        return 0.01 / (1 + step)

    fit = {}
    trainer, X, Y = make()
    trainer.optimizer, trainer.shuffle = fastbp.Adam(rate), False
    fit["trainer"] = trainer
    trainer.fit(X, Y, epochs=2)
    fit.clear()
    assert len(saved) > 3
    twin, *_ = make()
    twin.optimizer = fastbp.Adam(rate)
    batches = [slice(k, k + 16) for k in range(0, 300, 16)] * 2
    for batch in batches:
        if twin.steps in saved:
            found = saved.pop(twin.steps)
            assert np.array_equal(found.network.parameters, twin.network.parameters)
            assert np.array_equal(found.optimizer_state, twin.optimizer_state)
        twin.step(X[batch], Y[batch])
    assert not saved


def test_training_in_the_middle_of_an_update_is_refused():
    errors = []

    def rate(step):
        if step == 5:
            with pytest.raises(RuntimeError, match="may predict, but not train it") as caught:
                trainer.step(X, Y)
            errors.append(caught.value)
        return 0.01

    trainer, X, Y = make()
    trainer.optimizer = fastbp.Adam(rate)
    trainer.fit(X, Y)
    assert errors
    assert trainer.steps == 19
    assert not trainer.network._compiled().is_mine()


def test_a_thread_that_gives_up_waiting_leaves_the_session_to_the_other():
    trainer, X, Y = make()
    trainer.step(X, Y)
    session = trainer._session
    with session:
        other = threading.Thread(target=session.leave)  # as after Ctrl-C while it waited to enter
        other.start()
        other.join()
        assert session._bound.is_mine()
        assert session._bound.session is session
    assert not session._bound.is_mine()


def test_a_network_computes_as_before_after_a_hundred_others():
    net = fastbp.Network([4, 6, 3], rng=0)
    X = np.ones((2, 4), np.float32)
    before = net.forward(X)
    for k in range(100):
        fastbp.Network([4, 7 + k, 3], rng=0).forward(X)
    taken = [np.full(3 * k, -1, np.int64) for k in range(5, 200)]  # where the records of the first may have been
    assert np.array_equal(net.forward(X), before)
    assert taken
