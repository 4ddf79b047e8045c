"""Several ranks, threads of this process, arrive at the weights of one process: for every optimizer, rule and loss."""

import numpy as np
import pytest
from communicators import ThreadComm, on_ranks, results_of
from networks import ALL_PAIRS, make_data, make_labels, make_network, relative_error

import fastbp
from fastbp.distributed.ranks import Ranks
from fastbp.optimizers import OPTIMIZERS, SGD

SIZES = [2, 3, 7]
# minibatches of 10 samples and a last one of 3: uneven shares, and empty ones on 7 ranks
N, BATCH = 23, 10
OUTPUTS = ("identity", "sigmoid", "softmax")
RULES = {
    "none": {},
    "l1": {"l1": 0.1},
    "l2": {"l2": 0.3},
    "clip_value": {"clip_value": 0.02},
    "clip_norm": {"clip_norm": 0.05},
    "max_norm": {"max_norm": 0.8},
    "dropout": {"dropout": 0.4},
    "label_smoothing": {"label_smoothing": 0.2},
    "all": {"l1": 0.1, "l2": 0.3, "clip_value": 0.02, "clip_norm": 0.05, "max_norm": 0.8, "dropout": 0.4,
            "label_smoothing": 0.2},
}


def trained(implementation, comm=None, *, net=None, n=N, epochs=2, fed=None, **arguments):
    """Parameters and history after a fit of data that are the same wherever it runs; `fed` replaces the arrays."""
    net = make_network(implementation, [5, 9, 6, 3]) if net is None else net
    X, Y = make_data(net, n)
    trainer = implementation.Trainer(net, **{"batch_size": BATCH, "rng": 3, "comm": comm, **arguments})
    history = trainer.fit(*((X, Y) if fed is None else (fed(X, Y, comm),)), epochs=epochs, validation_data=(X, Y))
    return net.parameters.copy(), dict(history)


def assert_same(implementation, one, results, tolerance=1e-12):
    """All ranks have the same bits, and the numbers of one process but for round-off."""
    for parameters, history in results:
        assert (parameters == results[0][0]).all()
        assert {name: list(values) for name, values in history.items()} == {
            name: list(values) for name, values in results[0][1].items()
        }
    assert relative_error(results[0][0], one[0]) < tolerance
    for name in one[1]:
        if name != "seconds":
            assert relative_error(results[0][1][name], one[1][name]) < tolerance, name


# ------------------------------------------------------------------ every row of the tables
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(implementation, name):
    one = trained(implementation, optimizer=name)
    for size in SIZES:
        assert_same(implementation, one, results_of(size, lambda comm: trained(implementation, comm, optimizer=name)))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_every_rule(implementation, name, optimizer):
    arguments = {"optimizer": optimizer, **RULES[name]}
    one = trained(implementation, **arguments)
    for size in SIZES:
        assert_same(implementation, one, results_of(size, lambda comm: trained(implementation, comm, **arguments)))


@pytest.mark.parametrize(("output", "loss"), [pair for pair in ALL_PAIRS if pair[0] in OUTPUTS])
def test_every_loss(implementation, output, loss):
    def work(comm=None):
        net = make_network(implementation, [4, 6, 3], output=output, loss=loss)
        return trained(implementation, comm, net=net, optimizer=SGD(0.01))

    one = work()
    for size in SIZES:
        assert_same(implementation, one, results_of(size, work))


def test_float32_and_wide_layers():
    def work(comm=None):
        net = make_network(fastbp, [70, 130, 40, 3], dtype=np.float32)
        return trained(fastbp, comm, net=net, n=100, optimizer="adam", l2=0.01, clip_norm=0.5, max_norm=1.0)

    one = work()
    for size in SIZES:
        assert_same(fastbp, one, results_of(size, work), tolerance=1e-4)


@pytest.mark.usefixtures("parallel")
def test_any_number_of_threads_gives_the_same_bits():
    arguments = {**RULES["all"], "optimizer": "adam"}

    def work(comm):
        net = make_network(fastbp, [20, 40, 30, 3])
        return trained(fastbp, comm, net=net, n=200, threads=threads, **arguments)[0]

    threads = 1
    first = results_of(2, work)
    threads = 2
    assert (results_of(2, work)[0] == first[0]).all()


# ------------------------------------------------------------------ data
def of_labels(y, a):
    """A metric that pairs each sample's label with its outputs."""
    return float(np.mean(a[np.arange(len(y)), y]))


def test_weights_of_samples_and_classes(implementation):
    def work(comm=None):
        net = make_network(implementation, [5, 9, 3])
        X, Y = make_data(net, N)[0], make_labels(N, 3)
        weight = np.linspace(0.0, 2.0, N)
        trainer = implementation.Trainer(net, batch_size=BATCH, rng=3, comm=comm)
        history = trainer.fit(X, Y, epochs=2, sample_weight=weight, class_weight="balanced",
                              validation_data=(X, Y, weight), metrics=["top_2", of_labels])
        return net.parameters.copy(), dict(history)

    one = work()
    for size in SIZES:
        assert_same(implementation, one, results_of(size, work))


@pytest.mark.parametrize("rules", ["none", "dropout"])
def test_batches_of_each_rank_are_parts_of_one(implementation, rules):
    cuts = [0, 1, 1, 6, 8, 9, 9, 10]  # where the parts of 7 ranks begin: uneven, and two of them empty

    def fed(X, Y, comm):
        whole = [(X[k : k + BATCH], Y[k : k + BATCH]) for k in range(0, N, BATCH)]
        if comm is None:
            return whole
        begin, end = cuts[comm.rank], BATCH if comm.rank == comm.size - 1 else cuts[comm.rank + 1]
        return [(x[begin:end], y[begin:end]) for x, y in whole]

    one = trained(implementation, fed=fed, **RULES[rules])
    for size in SIZES:
        results = results_of(size, lambda comm: trained(implementation, comm, fed=fed, **RULES[rules]))
        assert_same(implementation, one, results)


def test_validation_in_batches_of_each_rank(implementation):
    def work(comm=None):
        net = make_network(implementation, [5, 9, 3], output="sigmoid")
        X, Y = make_data(net, N)
        own = slice(None) if comm is None else slice(comm.rank, None, comm.size)
        batches = [(X[k : k + 1], Y[k : k + 1]) for k in range(N)][own]
        trainer = implementation.Trainer(net, batch_size=BATCH, rng=3, comm=comm)
        return trainer.fit(X, Y, validation_data=batches, metrics=["r2"])

    one = work()
    for size in SIZES:
        for history in results_of(size, work):
            assert relative_error(history.val_loss, one.val_loss) < 1e-12
            assert relative_error(history["val_r2"], one["val_r2"]) < 1e-12


def test_several_labels_of_one_rank_count_on_all(implementation):
    def work(comm=None):
        net = make_network(implementation, [3, 5, 3], output="sigmoid")
        X = make_data(net, 6)[0]
        Y = np.eye(3)[[0, 1, 2, 0, 1, 2]]
        Y[5] = 1.0  # in the last part only
        parts = [(X, Y)] if comm is None else [(X[:3], Y[:3]), (X[3:], Y[3:])][comm.rank :: comm.size]
        implementation.Trainer(net, comm=comm).fit(parts)
        return net.multilabel

    assert work() is True
    assert results_of(2, work) == [True, True]


@pytest.mark.parametrize("way", ["step", "train_rows"])
def test_steps_and_rows(implementation, way):
    def work(comm=None):
        net = make_network(implementation, [5, 9, 3])
        X, Y = make_data(net, N)
        trainer = implementation.Trainer(net, "adam", batch_size=BATCH, rng=3, dropout=0.3, comm=comm)
        if way == "step":
            losses = [trainer.step(X[k:], Y[k:]) for k in range(4)]
        else:
            losses = [trainer.train_rows(X, Y, [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9])]
        return net.parameters.copy(), {"loss": losses}

    one = work()
    for size in SIZES:
        assert_same(implementation, one, results_of(size, work))


def test_bound_arrays_are_trained_together():
    def work(comm=None):
        rng = np.random.default_rng(0)
        W, b = [rng.normal(size=(3, 4)), rng.normal(size=(4, 2))], [np.zeros(4), np.zeros(2)]
        net = fastbp.bind(W, b)
        X, Y = rng.normal(size=(N, 3)), make_labels(N, 2)
        fastbp.Trainer(net, batch_size=BATCH, rng=0, comm=comm).fit(X, Y)
        return np.concatenate([part.ravel() for part in (*W, *b)])

    one = work()
    for size in SIZES:
        for found in results_of(size, work):
            assert relative_error(found, one) < 1e-12


def test_lbfgs(implementation):
    def work(comm=None, n=N):
        net = make_network(implementation, [5, 6, 3])
        X, Y = make_data(net, n)
        history = fastbp.fit_lbfgs(net, X, Y, sample_weight=np.linspace(0.5, 1.5, n), l2=0.01, max_iter=8, comm=comm)
        return net.parameters.copy(), {"loss": list(history.loss)}

    for n in (N, 5):  # of five samples two ranks of seven have none
        one = work(n=n)
        for size in SIZES:
            results = results_of(size, lambda comm, n=n: work(comm, n))
            assert_same(implementation, one, results, tolerance=1e-9)  # a line search multiplies round-off


# ------------------------------------------------------------------ sums, one process
@pytest.mark.parametrize("size", SIZES)
def test_sums_run_in_the_order_of_ranks(size):
    numbers = np.random.default_rng(0).normal(size=(size, 16 * size)) * 10.0 ** np.arange(size)[::-1, np.newaxis]

    def work(comm):
        own = numbers[comm.rank].copy()
        Ranks(comm).sum(own)
        return own

    expected = numbers[0].copy()
    for row in numbers[1:]:
        expected = expected + row
    for found in results_of(size, work):
        assert (found == expected).all()


def test_a_communicator_of_one_process_changes_no_bit(implementation):
    alone = trained(implementation, optimizer="adam", **RULES["all"])
    [one] = results_of(1, lambda comm: trained(implementation, comm, optimizer="adam", **RULES["all"]))
    assert (one[0] == alone[0]).all()


def test_twice_the_same_bits(implementation):
    first, again = (results_of(3, lambda comm: trained(implementation, comm, **RULES["all"])) for _ in range(2))
    assert (first[0][0] == again[0][0]).all()


def test_what_is_no_communicator_is_refused(implementation):
    net = make_network(implementation, [2, 2])
    for wrong in (3, ThreadComm, object()):
        with pytest.raises(TypeError, match="comm must be a communicator of mpi4py"):
            implementation.Trainer(net, comm=wrong)
        with pytest.raises(TypeError, match="comm must be a communicator of mpi4py"):
            fastbp.fit_lbfgs(net, [[0.0, 1.0]], [0], comm=wrong)


def test_a_communicator_may_come_later_and_go(implementation):
    def work(comm=None):
        net = make_network(implementation, [5, 9, 3])
        X, Y = make_data(net, N)
        trainer = implementation.Trainer(net, "adam", batch_size=BATCH, rng=3)
        for each in (None, comm, None):
            trainer.comm = each
            trainer.fit(X, Y)
        return net.parameters.copy(), {}

    one = work()
    for size in SIZES:
        assert_same(implementation, one, results_of(size, work))
    assert not [each for each in on_ranks(2, work) if isinstance(each, BaseException)]
