"""What goes wrong on one rank ends all of them, in the same step and by the same error; ranks are threads."""

import copy
import os
import signal
import threading
from functools import partial

import numpy as np
import pytest
from communicators import AbortedError, Board, on_ranks, results_of
from networks import make_data, make_network

import fastbp
from fastbp.callbacks import CSVLogger, EarlyStopping, LambdaCallback, ModelCheckpoint, TerminateOnNaN
from fastbp.distributed.interrupts import Interrupts
from fastbp.distributed.places import cores_of
from fastbp.optimizers import SGD, Adam
from fastbp.schedules import ExponentialDecay, ReduceOnPlateau

N = 23


def make_trainer(implementation, comm, sizes=(5, 6, 3), **arguments):
    net = make_network(implementation, list(sizes))
    return implementation.Trainer(net, **{"batch_size": 10, "rng": 3, "comm": comm, **arguments})


def fitted(implementation, comm, change=None, **arguments):
    """A fit of which rank 1 has other data where `change(X, Y)` says so; the trainer."""
    trainer = make_trainer(implementation, comm)
    X, Y = make_data(trainer.network, N)
    if change is not None and comm.rank == 1:
        X, Y = change(X.copy(), Y.copy())
    trainer.fit(X, Y, **arguments)
    return trainer


def assert_all_raise(results, error, *words):
    """All ranks raise the same error, whose message has these words."""
    for result in results:
        assert type(result) is error, result
        assert str(result) == str(results[0])
        for word in words:
            assert word in str(result)


# ------------------------------------------------------------------ what differs between ranks
def second(value, other):
    """A function of a rank: `other` on rank 1, else `value`."""
    return lambda comm: other if comm.rank == 1 else value


DIFFERENCES = {
    "sizes": ({"sizes": second((5, 6, 3), (5, 7, 3))}, ["sizes", "(5, 6, 3)", "(5, 7, 3)"]),
    "batch_size": ({"batch_size": second(10, 12)}, ["batch_size", "10 on rank 0", "12 on rank 1"]),
    "shuffle": ({"shuffle": second(True, False)}, ["shuffle"]),
    "l2": ({"l2": second(0.0, 0.1)}, ["l2", "0.1 on rank 1"]),
    "dropout": ({"dropout": second(0.5, 0.25)}, ["dropout", "0.25 on rank 1"]),
    "clip_norm": ({"clip_norm": second(None, 1.0)}, ["clip_norm", "None on rank 0"]),
    "optimizer": ({"optimizer": second(SGD(0.1), Adam(0.1))}, ["optimizer", "SGD on rank 0", "Adam on rank 1"]),
    "momentum": ({"optimizer": second(SGD(0.1), SGD(0.1, momentum=0.5))}, ["momentum", "0.5 on rank 1"]),
    "rate": ({"optimizer": second(SGD(0.1), SGD(0.2))}, ["learning_rate", "0.2 on rank 1"]),
    "schedule": (
        {"optimizer": second(SGD(ExponentialDecay(0.1, every=9)), SGD(ReduceOnPlateau(0.1)))},
        ["learning_rate", "ExponentialDecay on rank 0"],
    ),
    "function": ({"optimizer": second(SGD(lambda step: 0.1), SGD(lambda step: 0.3))}, ["rate", "0.3 on rank 1"]),
    "generator": (
        {"rng": second(np.random.default_rng(0), np.random.Generator(np.random.MT19937(0)))}, ["MT19937 on rank 1"]
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_setting_that_differs_is_an_error_that_names_rank_and_value(implementation, name):
    settings, words = DIFFERENCES[name]

    def work(comm):
        trainer = make_trainer(implementation, comm, **{key: of(comm) for key, of in settings.items()})
        trainer.fit(*make_data(trainer.network, N))

    for size in (2, 3):
        assert_all_raise(on_ranks(size, work), ValueError, *words)


@pytest.mark.parametrize("arguments", [{"dtype": np.float32}, {"activation": "relu"}, {"loss": "quadratic"}], ids=str)
def test_a_network_that_differs_is_an_error(implementation, arguments):
    def work(comm):
        net = make_network(implementation, [5, 6, 3], **(arguments if comm.rank == 1 else {}))
        implementation.Trainer(net, comm=comm, rng=0).fit(*make_data(net, N))

    assert_all_raise(on_ranks(2, work), ValueError, next(iter(arguments)), "on rank 1")


def test_other_epochs_or_data_are_an_error(implementation):
    for name, change, arguments in (
        ("number of samples", lambda X, Y: (X[1:], Y[1:]), {}),
        ("checksum", lambda X, Y: (X + 1.0, Y), {}),
        ("checksum", lambda X, Y: (X, Y[::-1]), {}),
    ):
        results = on_ranks(2, lambda comm, change=change, a=arguments: fitted(implementation, comm, change, **a))
        assert_all_raise(results, ValueError, name, "on rank 1")
    results = on_ranks(2, lambda comm: fitted(implementation, comm, epochs=1 + comm.rank))
    assert_all_raise(results, ValueError, "epochs", "1 on rank 0 and 2 on rank 1")


def test_memory_is_refused_where_several_processes_train(implementation):
    results = on_ranks(2, lambda comm: fitted(implementation, comm, memory=2**20))
    assert_all_raise(results, ValueError, "memory is for a trainer of one process, and comm has 2")


def test_a_machine_that_differs_is_an_error():
    def work(comm):
        trainer = make_trainer(fastbp, comm)
        if comm.rank == 1:
            facts = {**trainer._machine(), "FASTBP_VECTOR_BYTES (width of vectors)": 1}
            vars(trainer)["_machine"] = lambda: facts
        trainer.fit(*make_data(trainer.network, N))

    assert_all_raise(on_ranks(2, work), ValueError, "FASTBP_VECTOR_BYTES", "1 on rank 1")


def test_lbfgs_compares_too(implementation):
    def work(comm):
        net = make_network(implementation, [5, 6, 3])
        fastbp.fit_lbfgs(net, *make_data(net, N), max_iter=3 + comm.rank, comm=comm)

    assert_all_raise(on_ranks(2, work), ValueError, "max_iter", "4 on rank 1")


def test_steps_of_other_sizes_are_an_error(implementation):
    def work(comm):
        trainer = make_trainer(implementation, comm)
        X, Y = make_data(trainer.network, N)
        trainer.step(X, Y)
        trainer.step(X[comm.rank :], Y[comm.rank :])

    assert_all_raise(on_ranks(2, work), ValueError, "size of a minibatch", "23.0 on rank 0 and 22.0 on rank 1")


def test_rank_0_gives_its_state_to_all(implementation):
    def work(comm):
        trainer = make_trainer(implementation, comm, optimizer="adam", rng=comm.rank, dropout=0.5)
        trainer.network.parameters[:] += comm.rank
        X, Y = make_data(trainer.network, N)
        if comm.rank == 0:
            trainer.comm = None
            trainer.fit(X, Y)
            trainer.comm = comm
        trainer.fit(X, Y)
        return trainer.network.parameters.copy(), trainer.steps, trainer.epochs

    def alone():
        trainer = make_trainer(implementation, None, optimizer="adam", rng=0, dropout=0.5)
        trainer.fit(*make_data(trainer.network, N), epochs=2)
        return trainer.network.parameters

    results = results_of(3, work)
    for parameters, steps, epochs in results:
        assert (steps, epochs) == (6, 2)
        assert (parameters == results[0][0]).all()
    assert np.abs(results[0][0] - alone()).max() < 1e-12


# ------------------------------------------------------------------ data
def test_bad_data_of_one_rank_are_an_error_of_all(implementation):
    def spoil(X, Y):
        X[7, 2] = np.nan
        return X, Y

    for size in (2, 3):
        results = on_ranks(size, lambda comm: fitted(implementation, comm, spoil))
        assert_all_raise(results, ValueError, "on rank 1: X[7, 2] is nan")


@pytest.mark.parametrize("kind", ["bad", "shorter", "broken", "Ctrl-C"])
def test_an_iterable_that_fails_on_one_rank_ends_all_in_the_same_step(implementation, kind):
    def work(comm):
        trainer = make_trainer(implementation, comm)
        net, other = trainer.network, comm.rank == 1

        def batches():
            X, Y = make_data(net, 4)
            for number in range(2 if kind == "shorter" and other else 5):
                if number == 2 and other and kind == "broken":
                    raise OSError(5, "the disk is gone")
                if number == 2 and other and kind == "Ctrl-C":
                    raise KeyboardInterrupt
                yield (np.where(number == 2 and other and kind == "bad", np.nan, X), Y)

        try:
            trainer.fit(batches())
        except BaseException as error:  # noqa: BLE001 - compared
            return error, trainer.steps, net.parameters.copy()

    error, words = {
        "bad": (ValueError, ["on rank 1: X", "of batch 3"]),
        "shorter": (ValueError, ["X on rank 1 ended after 2 batches"]),
        "broken": (OSError, ["the disk is gone"]),
        "Ctrl-C": (KeyboardInterrupt, []),
    }[kind]
    for size in (2, 3):
        results = results_of(size, work)
        assert_all_raise([each[0] for each in results], error, *words)
        assert {steps for _, steps, _ in results} == {2}
        assert all((parameters == results[0][2]).all() for _, _, parameters in results)


def test_validation_that_fails_on_one_rank_is_an_error_of_all(implementation):
    def work(comm):
        trainer = make_trainer(implementation, comm)
        X, Y = make_data(trainer.network, N)
        bad = X.copy()
        bad[0] = np.inf
        trainer.fit(X, Y, validation_data=[(X, Y), (bad if comm.rank == 1 else X, Y)])

    assert_all_raise(on_ranks(2, work), ValueError, "on rank 1: X", "of batch 2 of validation_data")


def test_a_step_with_bad_data_is_an_error_of_all(implementation):
    def work(comm):
        trainer = make_trainer(implementation, comm)
        X, Y = make_data(trainer.network, N)
        trainer.step(X, Y)
        trainer.step(X if comm.rank else X[:, :2], Y)

    assert_all_raise(on_ranks(2, work), ValueError, "on rank 0: X has shape (23, 2)")


# ------------------------------------------------------------------ losses that are not finite
def test_nan_on_one_rank_diverges_on_all_and_names_it(implementation):
    def work(comm):
        net = make_network(implementation, [2, 2], output="identity", loss="quadratic", dtype=np.float32)
        # samples 5 to 9 are those of rank 1: their loss alone overflows
        X = np.where(np.arange(10)[:, None] == 9, 1e38, np.ones((10, 2))).astype(np.float32)
        trainer = implementation.Trainer(net, batch_size=10, shuffle=False, comm=comm)
        before = net.parameters.copy()
        with pytest.raises(fastbp.DivergenceError) as caught:
            trainer.fit(X, np.zeros((10, 2), np.float32), epochs=2)
        assert (net.parameters == before).all()
        assert trainer.steps == 0
        quiet = TerminateOnNaN()
        trainer.fit(X, np.zeros((10, 2), np.float32), callbacks=[quiet])
        assert quiet.error is not None
        return str(caught.value)

    results = results_of(2, work)
    assert "epoch 1/2 on rank 1 at learning_rate" in results[0]
    assert results[0] == results[1]


# ------------------------------------------------------------------ ends
def test_another_exception_ends_the_whole_job(implementation, capsys):
    def fail(trainer, epoch, logs):
        if trainer.comm.rank == 1:
            raise ZeroDivisionError("in a callback")

    board = Board(3)
    results = on_ranks(
        3, lambda comm: fitted(implementation, comm, epochs=3, callbacks=[LambdaCallback(on_epoch_end=fail)]), board
    )
    assert board.aborted_by[0] == (1, 1)
    assert isinstance(results[1], ZeroDivisionError)
    assert all(isinstance(results[k], AbortedError) for k in (0, 2))
    error = capsys.readouterr().err
    assert "rank 1 of 3 ends the job" in error
    assert "ZeroDivisionError: in a callback" in error


def test_an_error_of_all_ranks_ends_no_job(implementation):
    board = Board(2)
    on_ranks(2, lambda comm: fitted(implementation, comm, lambda X, Y: (X[1:], Y)), board)
    assert board.aborted_by == []


def test_one_rank_that_stops_stops_all(implementation):
    def work(comm):
        stop = LambdaCallback(on_epoch_end=lambda trainer, epoch, logs: comm.rank == 1 and epoch == 2)
        return fitted(implementation, comm, epochs=5, callbacks=[stop]).epochs

    assert results_of(3, work) == [2, 2, 2]


def test_a_callback_that_follows_the_rank_is_found_out(implementation):
    def drift(trainer):
        trainer.network.parameters[0] += trainer.comm.rank

    results = on_ranks(3, lambda comm: fitted(implementation, comm, callbacks=[LambdaCallback(on_train_begin=drift)]))
    assert_all_raise(results, RuntimeError, "after on_train_begin the parameters on rank 1, 2 are not those of rank 0")


def test_ctrl_c_is_answered_by_all_ranks_after_the_same_step(implementation):
    def work(comm):
        trainer = make_trainer(implementation, comm)

        def press(trainer, epoch, logs):
            trainer._ranks._interrupts.asked = comm.rank == 1 and epoch == 2

        with pytest.raises(KeyboardInterrupt):
            trainer.fit(*make_data(trainer.network, N), epochs=5, callbacks=[LambdaCallback(on_epoch_end=press)])
        assert not trainer._ranks._interrupts.asked
        trainer.fit(*make_data(trainer.network, N))
        return trainer.steps

    assert results_of(3, work) == [9, 9, 9]


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_sets_a_flag_and_comes_at_once_the_second_time(monkeypatch, request):
    assert threading.current_thread() is threading.main_thread()
    # what a shell starts in the background ignores Ctrl-C
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    before = signal.default_int_handler
    signal.signal(signal.SIGINT, before)
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # handed on by a launcher, too
        assert interrupts.asked
        monkeypatch.setattr("fastbp.distributed.interrupts._AGAIN", 0.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    mine = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, mine)


# ------------------------------------------------------------------ files
def test_only_rank_0_writes(implementation, tmp_path):
    def work(comm):
        folder = tmp_path / str(comm.rank)
        callbacks = [ModelCheckpoint(folder / "run"), CSVLogger(folder / "table"), EarlyStopping("loss", patience=9)]
        trainer = fitted(implementation, comm, epochs=2, callbacks=callbacks)
        trainer.save(tmp_path / f"last{comm.rank}")

    results_of(3, work)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "last0"]
    assert len((tmp_path / "0" / "table").read_text().splitlines()) == 3


def test_a_checkpoint_goes_on_on_any_number_of_ranks(implementation, tmp_path):
    path = tmp_path / "run"
    arguments = {"optimizer": "adam", "dropout": 0.3, "l2": 0.01}

    def work(comm=None, resumes=False, epochs=2):
        if resumes:
            trainer = implementation.Trainer.load(path, comm=comm)
        else:
            trainer = make_trainer(implementation, comm, **arguments)
        trainer.fit(*make_data(trainer.network, N), epochs=epochs)
        if not resumes:
            trainer.save(path)
        return trainer.network.parameters.copy()

    one = work(epochs=4)
    for first, then in ((2, 3), (3, 1), (1, 7)):
        results_of(first, work)
        for found in results_of(then, lambda comm: work(comm, resumes=True)):
            assert np.abs(found - one).max() < 1e-12


def test_copies_have_no_communicator(implementation):
    def work(comm):
        trainer = make_trainer(implementation, comm)
        return trainer.comm is comm, copy.deepcopy(trainer).comm

    assert results_of(2, work) == [(True, None)] * 2


# ------------------------------------------------------------------ cores
def test_cores_are_shared_by_the_ranks_that_may_run_on_them():
    everywhere = [("a", (0, 1, 2, 3))] * 3
    assert [cores_of(everywhere, rank) for rank in range(3)] == [1, 1, 1]
    assert [cores_of([*everywhere[:2], ("b", (0, 1, 2, 3))], rank) for rank in range(3)] == [2, 2, 4]
    assert [cores_of([("a", (0,)), ("a", (1, 2))], rank) for rank in range(2)] == [1, 2]
    assert cores_of([("a", (0,))] * 5, 4) == 1


def test_a_rank_takes_its_part_of_the_cores(monkeypatch):
    monkeypatch.setattr("fastbp.distributed.ranks.own_place", lambda: ("host", (0, 1, 2, 3)))

    def work(comm):
        trainer = fitted(fastbp, comm)
        return trainer._ranks.cores, trainer.network._limit

    assert results_of(2, work) == [(2, 2), (2, 2)]
