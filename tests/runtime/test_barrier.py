"""The barrier: threads see what the others wrote before it, and none waits for one that does not come."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastbp import Network, Trainer
from fastbp.kernels.runtime.barrier import all_running, arrivals_size, reset, wait
from fastbp.kernels.runtime.jit import entry
from fastbp.kernels.vectors.memory import pointer


def reset_all(arrivals, threads):
    reset(pointer(arrivals), threads)


def relay(arrivals, t, threads, table):
    """Each thread adds up what all wrote before the last barrier, and writes the sum for the next.

    The last thread comes to the last barrier with a flag, which all must see, and none before.
    """
    if not all_running(pointer(arrivals), t, threads):
        return False
    for row in range(1, len(table)):
        total = 0
        for k in range(threads):
            total += table[row - 1, k]
        table[row, t] = total % 1_000_003 + t
        flag = wait(pointer(arrivals), t, threads, row + 1, 1 if row == len(table) - 1 and t == threads - 1 else 0)
        if flag != (row == len(table) - 1):
            return False
    return True


open_places, run_relay = entry(reset_all, "test-reset"), entry(relay, "test-relay")


def places_for(threads):
    arrivals = np.full(arrivals_size(threads), -1)
    open_places(arrivals, threads)
    return arrivals


def all_at_once(threads, table):
    """The relay in as many Python threads; who of them was there when all were."""
    arrivals = places_for(threads)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda t: run_relay(arrivals, t, threads, table), range(threads)))


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 5, 8])
def test_each_thread_reads_what_all_wrote_before_the_barrier(threads):
    expected = np.zeros((2000 if threads < 3 else 30, threads), np.int64)
    for row in range(1, len(expected)):
        expected[row] = expected[row - 1].sum() % 1_000_003 + np.arange(threads)
    run_relay(places_for(1), 0, 1, np.zeros((2, 1), np.int64))  # compiled before the threads begin
    gatherings = 0
    for _ in range(20 if threads < 3 else 5):
        table = np.zeros(expected.shape, np.int64)
        came = all_at_once(threads, table)
        assert len(set(came)) == 1, came
        if came[0]:
            np.testing.assert_array_equal(table, expected)
            gatherings += 1
    assert gatherings > 0 or threads > (os.cpu_count() or 1)


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (2, 0, 1)])
def test_who_comes_when_another_has_given_up_goes_too(order):
    arrivals, table = places_for(len(order)), np.zeros((5, len(order)), np.int64)
    assert [run_relay(arrivals, t, len(order), table) for t in order] == [False] * len(order)
    assert not table.any()


def test_iterations_that_run_one_after_the_other_train_as_one_thread_does():
    X = np.random.default_rng(0).normal(size=(70, 9))
    labels = np.arange(70) % 3

    def weights(threads):
        trainer = Trainer(Network([9, 20, 3], rng=0), batch_size=16, threads=2, rng=0)
        data = trainer.network.canonical(X, labels)
        with trainer._opened() as session:
            session._reserve(16)
            session._take(data, 16)
            session._train(np.arange(70), 16, np.full((5, 1), 0.1, np.float32), threads, parallel=False, leaves=True)
            result = session._workspace.arrays["result"].copy()
        return trainer.network.parameters.copy(), result, trainer.steps

    expected, found = weights(1), weights(2)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[2] == expected[2] == 5
