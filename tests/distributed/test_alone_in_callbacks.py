"""What one rank alone does in a callback ends all ranks by an error that names it; what all do in it works."""

import numpy as np
import pytest
from communicators import on_ranks, results_of
from networks import make_data, make_network

import fastbp
from fastbp.callbacks import LambdaCallback

N = 13
EVENTS = ["on_train_begin", "on_epoch_end", "on_checkpoint", "on_train_end"]


def step(trainer, X, Y):
    trainer.step(X, Y)


def fit(trainer, X, Y):
    trainer.fit(X, Y)


def train_rows(trainer, X, Y):
    trainer.train_rows(X, Y, [0, 1, 2])


def fit_lbfgs(trainer, X, Y):
    fastbp.fit_lbfgs(trainer.network, X, Y, max_iter=2, comm=trainer.comm)


def step_of_another(trainer, X, Y):
    type(trainer)(trainer.network.copy(), comm=trainer.comm, rng=0).step(X, Y)


CALLS = {"Trainer.step": step, "Trainer.fit": fit, "Trainer.train_rows": train_rows, "fit_lbfgs": fit_lbfgs,
         "Trainer.step of another": step_of_another}


def train(implementation, comm, event, act, epochs=2, fed=None, **arguments):
    """A fit in whose callbacks of an event `act(trainer, X, Y)` is called once; the parameters."""
    net = make_network(implementation, [3, 4, 2])
    X, Y = make_data(net, N)
    trainer = implementation.Trainer(net, batch_size=5, rng=0, comm=comm)
    called = []

    def once(trainer, *_):
        if not called:
            called.append(event)
            act(trainer, X, Y)

    callbacks = [] if event is None else [LambdaCallback(**{event: once})]
    trainer.fit(*((X, Y) if fed is None else (fed(trainer, X, Y),)), epochs=epochs, callbacks=callbacks, **arguments)
    return net.parameters.copy()


def on_rank_1(act):
    """`act` on rank 1 alone."""
    return lambda trainer, X, Y: act(trainer, X, Y) if trainer.comm.rank == 1 else None


def assert_all_raise(results, message, error=RuntimeError):
    assert [type(result) for result in results] == [error] * len(results), results
    assert {str(result) for result in results} == {str(results[0])}
    assert message in str(results[0])


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("name", CALLS)
def test_a_rank_that_trains_alone_in_a_callback_is_named_on_all_ranks(implementation, name, event):
    act = on_rank_1(CALLS[name])
    for size in (2, 3):
        results = on_ranks(size, lambda comm: train(implementation, comm, event, act))
        assert_all_raise(results, f"rank 1 called {name.split()[0]} in a callback and rank 0 did not")


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("name", CALLS)
def test_all_ranks_may_train_in_a_callback(implementation, name, event):
    one = train(implementation, None, event, CALLS[name])
    results = results_of(2, lambda comm: train(implementation, comm, event, CALLS[name]))
    assert (results[0] == results[1]).all()
    assert np.abs(results[0] - one).max() < 1e-9


def test_a_callback_that_catches_the_error_does_not_go_on_alone(implementation):
    def quietly(trainer, X, Y):
        for _ in range(3):
            try:
                trainer.step(X, Y)
            except RuntimeError:
                continue

    results = on_ranks(2, lambda comm: train(implementation, comm, "on_epoch_end", on_rank_1(quietly)))
    assert_all_raise(results, "rank 1 called Trainer.step in a callback and rank 0 did not")


def test_a_rank_that_calls_something_else_is_named(implementation):
    def work(comm):
        net = make_network(implementation, [3, 4, 2])
        X, Y = make_data(net, N)
        trainer = implementation.Trainer(net, comm=comm, rng=0)
        trainer.step(X, Y)
        (step if comm.rank else fit)(trainer, X, Y)

    results = on_ranks(3, work)
    assert_all_raise(results, "rank 1 called Trainer.step and rank 0 called Trainer.fit")


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("epochs", [1, 2])
def test_parameters_that_one_rank_changes_are_found_out(implementation, event, epochs):
    def assign(trainer, X, Y):
        trainer.network.parameters[:] += 1.0

    results = on_ranks(3, lambda comm: train(implementation, comm, event, on_rank_1(assign), epochs))
    when = event if event.startswith("on_train") else "on_train_end" if epochs == 1 else "epoch 2/2"
    assert_all_raise(results, f"after {when} the parameters on rank 1 are not those of rank 0")


@pytest.mark.parametrize("value", [np.nan, 1e308])
def test_numbers_of_no_use_that_one_rank_writes_end_all(implementation, value):
    def spoil(trainer, X, Y):
        trainer.network.parameters[:] = value

    results = on_ranks(2, lambda comm: train(implementation, comm, "on_epoch_end", on_rank_1(spoil)))
    assert len({type(result) for result in results}) == 1
    assert isinstance(results[0], (RuntimeError, fastbp.DivergenceError))
    assert "rank 1" in str(results[0])


@pytest.mark.parametrize("stops", [True, False])
def test_a_divergence_is_taken_by_all_ranks_or_none(implementation, stops):
    def work(comm):
        net = make_network(implementation, [2, 2], output="identity", loss="quadratic")
        trainer = implementation.Trainer(net, optimizer=fastbp.SGD(1e200), comm=comm, rng=0)
        calm = LambdaCallback(on_divergence=lambda trainer, error: stops and comm.rank == 1)
        trainer.fit(np.ones((4, 2)), np.zeros((4, 2)), epochs=5, callbacks=[calm])
        return trainer.steps

    results = on_ranks(3, work)
    kind = int if stops else fastbp.DivergenceError
    assert [type(result) for result in results] == [kind] * 3


def test_a_rank_that_trains_within_a_metric_ends_the_job(implementation):
    def measured(comm):
        trainers = []

        def own(y_true, a):
            if comm.rank == 1:
                step(trainers[0], X, Y)
            return 0.0

        net = make_network(implementation, [3, 4, 2])
        X, Y = make_data(net, N)
        trainers.append(implementation.Trainer(net, comm=comm, rng=0))
        trainers[0].fit(X, Y, validation_data=(X, Y), metrics=[own])

    results = on_ranks(2, measured)
    assert all(isinstance(result, Exception) for result in results)
    assert any("Trainer.step was called in the middle of Trainer.fit" in str(result) for result in results)


def test_a_rank_that_trains_where_batches_are_made_ends_all(implementation):
    def fed(trainer, X, Y):
        def batches():
            for k in range(3):
                if k == 1 and trainer.comm.rank == 1:
                    trainer.step(X, Y)
                yield X, Y

        return batches

    results = on_ranks(2, lambda comm: train(implementation, comm, None, None, fed=fed))
    assert_all_raise(results, "on rank 1: Trainer.step was called in the middle of Trainer.fit")
