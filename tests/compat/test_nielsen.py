"""Nielsen's two modules: the numbers, streams, lines and files of the book, in NumPy and on the kernels."""

import json
import random
import re

import numpy as np
import pytest
from nielsen_by_hand import Plain, digits, s
from processes import run_python

from fastbp.compat import _nielsen, network, network2

TRAINING, LABELLED = digits(230)
SIZES = [20, 12, 10]


def seed():
    np.random.seed(7)
    random.seed(7)


def same(net, plain, tolerance=1e-10):
    for found, expected in zip([*net.weights, *net.biases], [*plain.w, *plain.b], strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("test_data", [None, LABELLED])
def test_chapter_1_gives_the_weights_and_lines_of_the_book(engine, runs, test_data, capsys):
    seed()
    plain = Plain(SIZES)
    plain.train(TRAINING, 3, 10, 3.0)
    seed()
    net = network.Network(SIZES)
    first = net.weights[0]
    before = first.copy()
    net.SGD(TRAINING, 3, 10, 3.0, test_data=test_data)
    same(net, plain)
    assert (first == before).all()
    assert bool(runs) == (engine == "kernels")
    lines = capsys.readouterr().out.splitlines()
    if test_data is None:
        assert lines == [f"Epoch {j} complete" for j in range(3)]
    else:
        assert [line.split(" : ")[0] for line in lines] == ["Epoch 0", "Epoch 1", "Epoch 2"]
        correct = sum(int(np.argmax(plain.outputs(x)) == y) for x, y in LABELLED)
        assert lines[-1] == f"Epoch 2 : {correct} / 230"
        assert net.evaluate(LABELLED) == correct


@pytest.mark.parametrize("size", [10, 7, 1, 1000])
@pytest.mark.parametrize("entropy", [True, False])
def test_chapter_3_gives_the_weights_of_the_book(engine, entropy, size):
    seed()
    plain = Plain(SIZES, entropy, scaled=True)
    plain.train(TRAINING, 5, size, 0.5, 2.0)
    seed()
    net = network2.Network(SIZES, cost=network2.CrossEntropyCost if entropy else network2.QuadraticCost)
    assert net.SGD(zip(*zip(*TRAINING, strict=True), strict=True), 5, size, 0.5, lmbda=2.0) == ([], [], [], [])
    same(net, plain)


def test_chapter_3_monitors_what_the_book_monitors(engine, capsys):
    seed()
    plain = Plain(SIZES, True, scaled=True)
    seed()
    net = network2.Network(SIZES)
    lists = net.SGD(TRAINING, 2, 10, 0.5, 1.5, LABELLED, True, True, True, True)
    random.seed(7)
    expected = ([], [], [], [])
    lines = []
    with np.errstate(all="ignore"):
        order = list(TRAINING)
        for j in range(2):
            random.shuffle(order)
            state = random.getstate()
            plain_epoch(plain, order, 10, 0.5, 1.5)
            random.setstate(state)
            lines.append(f"Epoch {j} training complete")
            a = [plain.outputs(x) for x, _ in TRAINING]
            pairs = [(o, y) for o, (_, y) in zip(a, TRAINING, strict=True)]
            cost = np.mean([np.sum(-y * np.log(o) - (1 - y) * np.log(1 - o)) for o, y in pairs])
            cost += 0.5 * 1.5 / 230 * sum((w**2).sum() for w in plain.w)
            correct = sum(int(np.argmax(o) == y) for o, (_, y) in zip(a, LABELLED, strict=True))
            for values, value in zip(expected, (cost, correct, cost, correct), strict=True):
                values.append(value)
            lines += [f"Cost on training data: {cost}", f"Accuracy on training data: {correct} / 230",
                      f"Cost on evaluation data: {cost}", f"Accuracy on evaluation data: {correct} / 230"]
    for found, values in zip(lists, expected, strict=True):
        np.testing.assert_allclose(found, values, rtol=1e-10)
    shown = capsys.readouterr().out.splitlines()
    number = re.compile(r"\d+\.\d+")
    assert [number.sub("", line) for line in shown] == [number.sub("", line) for line in lines]


def plain_epoch(plain, order, size, eta, lmbda):
    """One epoch in a given order."""
    shuffle, random.shuffle = random.shuffle, lambda data: None
    try:
        plain.train(order, 1, size, eta, lmbda)
    finally:
        random.shuffle = shuffle


def test_early_stopping_ends_after_epochs_without_a_better_accuracy(engine):
    seed()
    net = network2.Network(SIZES)
    lists = net.SGD(TRAINING, 50, 10, 0.0, evaluation_data=LABELLED, monitor_evaluation_accuracy=True,
                    early_stopping_n=3)
    assert len(lists[1]) == 4


class Own:
    """A cost of the user's with the cross-entropy's δ."""

    @staticmethod
    def fn(a, y):
        return float(np.abs(a - y).sum())

    @staticmethod
    def delta(z, a, y):
        return a - y


class Odd(Own):
    """A cost whose δ is no one else's."""

    @staticmethod
    def delta(z, a, y):
        return (a - y) ** 3


@pytest.mark.parametrize(("cost", "fast"), [(Own, True), (Own(), True), (Odd, False)])
def test_a_cost_of_the_users_is_taken_over_if_its_delta_is_known(cost, fast, monkeypatch, kernels, runs):
    seed()
    net = network2.Network(SIZES, cost=cost)
    costs = net.SGD(TRAINING, 2, 10, 0.3, monitor_training_cost=True)[2]
    assert bool(runs) == fast
    expected = np.mean([cost.fn(net.feedforward(x), y) for x, y in TRAINING])
    assert costs[-1] == pytest.approx(expected, rel=1e-10)


def test_replaced_and_overridden_methods_are_called(monkeypatch, kernels, runs):
    calls = []

    class Loud(network2.Network):
        def backprop(self, x, y):
            calls.append("subclass")
            return super().backprop(x, y)

    Loud(SIZES).SGD(TRAINING, 1, 10, 0.3)
    assert len(calls) == 230
    net = network.Network(SIZES)
    zeros = [np.zeros(b.shape) for b in net.biases], [np.zeros(w.shape) for w in net.weights]
    net.backprop = lambda x, y: calls.append("instance") or zeros
    before = net.weights[0].copy()
    net.SGD(TRAINING, 1, 10, 0.3)
    assert len(calls) == 460
    assert (net.weights[0] == before).all()
    original = network.Network.update_mini_batch
    with monkeypatch.context() as patch:
        patch.setattr(network.Network, "update_mini_batch", lambda *a: calls.append("class") or original(*a))
        network.Network(SIZES).SGD(TRAINING, 1, 10, 0.3)
    assert len(calls) == 483
    assert not runs

    class Counted(network.Network):
        def evaluate(self, test_data):
            calls.append("evaluate")
            return 77

    Counted(SIZES).SGD(TRAINING, 1, 10, 0.3, LABELLED)
    assert calls[-1] == "evaluate"
    assert runs


@pytest.mark.parametrize("module", [network, network2])
@pytest.mark.parametrize("names", [("sigmoid",), ("sigmoid", "sigmoid_prime")])
def test_functions_replaced_in_the_module_are_called(module, names, monkeypatch, kernels, runs):
    """As where the book's file is edited: its methods, its costs and its slope call what has the name now."""
    own = {"sigmoid": lambda z: 1 / (1 + np.exp(-2 * z)), "sigmoid_prime": lambda z: 0.5 + 0 * z}
    for name in names:
        monkeypatch.setattr(module, name, own[name])
    net = module.Network([3, 2]) if module is network else module.Network([3, 2], cost=network2.QuadraticCost)
    x, y = np.ones((3, 1)), np.zeros((2, 1))
    a = own["sigmoid"](net.weights[0] @ x + net.biases[0])
    np.testing.assert_array_equal(net.feedforward(x), a)
    slope = own["sigmoid_prime"](a) if "sigmoid_prime" in names else a * (1 - a)
    np.testing.assert_allclose(net.backprop(x, y)[0][-1], a * slope)
    module.Network(SIZES).SGD(TRAINING, 1, 10, 0.3)
    assert not runs


def test_monitors_are_called_as_the_book_calls_them(engine):
    calls = []

    class Own(network2.Network):
        def accuracy(self, data, *, convert=False):
            return calls.append(("accuracy", convert)) or 1

        def total_cost(self, data, lmbda, *, convert=False):
            return calls.append(("cost", lmbda, convert)) or 0.5

    Own(SIZES).SGD(TRAINING, 1, 10, 0.3, 0.5, LABELLED, True, True, True, True)
    assert calls == [("cost", 0.5, False), ("accuracy", True), ("cost", 0.5, True), ("accuracy", False)]


@pytest.mark.parametrize(("arguments", "text"), [
    ({"monitor_evaluation_accuracy": True}, "evaluation_data has no samples"),
    ({"monitor_evaluation_cost": True, "evaluation_data": []}, "evaluation_data has no samples"),
    ({"early_stopping_n": 3}, "early_stopping_n needs monitor_evaluation_accuracy=True"),
])
def test_what_cannot_be_monitored_is_said_before_training(arguments, text):
    net = network2.Network(SIZES)
    before = net.weights[0]
    with pytest.raises(ValueError, match=text):
        net.SGD(TRAINING, 1, 10, 0.3, **arguments)
    assert net.weights[0] is before


def test_sizes_of_minibatches_are_those_of_range():
    net = network.Network(SIZES)
    before = net.weights[0]
    net.SGD(TRAINING, 1, -5, 0.3)
    assert net.weights[0] is before
    for size, error in ((0, ValueError), (2.5, TypeError)):
        with pytest.raises(error):
            net.SGD(TRAINING, 1, size, 0.3)


def test_weights_set_between_epochs_count(monkeypatch, kernels, runs):

    held = []

    class Halving(network2.Network):
        def accuracy(self, data, convert=False):
            held.append((self.weights[0], self.weights[0].copy()))
            self.weights = [w / 2 for w in self.weights]
            return 0

    seed()
    plain = Plain(SIZES, True, scaled=True)
    order = list(TRAINING)
    for _ in range(2):
        random.shuffle(order)
        state = random.getstate()
        plain_epoch(plain, order, 10, 0.3, 0.0)
        random.setstate(state)
        plain.w = [w / 2 for w in plain.w]
    seed()
    net = Halving(SIZES)
    net.SGD(TRAINING, 2, 10, 0.3, monitor_training_accuracy=True)
    assert len(runs) == 2
    same(net, plain)
    # arrays from before are as they were
    assert all((one == copy).all() for one, copy in held)


def test_the_callers_list_is_shuffled_only_if_asked_for(engine):
    data = list(TRAINING)
    net = network.Network(SIZES)
    net.SGD(data, 1, 10, 0.1)
    assert all(one is other for one, other in zip(data, TRAINING, strict=True))
    random.seed(3)
    expected = list(TRAINING)
    random.shuffle(expected)
    random.shuffle(expected)
    random.seed(3)
    net.shuffles_callers_list = True
    net.SGD(data, 2, 10, 0.1)
    assert all(one is other for one, other in zip(data, expected, strict=True))


def test_a_loss_that_is_not_finite_goes_on_as_in_numpy(kernels):
    """Infinite inputs give NaN in NumPy, and never an error."""
    data = list(TRAINING)
    data[100] = (np.full((20, 1), np.inf), data[100][1])
    seed()
    net = network2.Network(SIZES)
    with np.errstate(all="ignore"):
        net.SGD(data, 1, 10, 0.3)
    assert np.isnan(net.weights[0]).any()


@pytest.mark.parametrize("module", [network, network2])
def test_a_network_whose_neurons_are_at_their_ends_keeps_its_cost(module, kernels):
    found = []
    for fast in (True, False):
        np.random.seed(1)
        random.seed(1)
        net = module.Network([3, 4, 1], **({"cost": network2.QuadraticCost} if module is network2 else {}))
        net.weights = [1e200 * w for w in net.weights]
        if not fast:
            net.backprop = net.backprop
        data = [(np.random.randn(3, 1), np.zeros((1, 1)) if k else np.ones((1, 1))) for k in range(12)]
        with np.errstate(over="ignore"):
            net.SGD(data, 4, 3, 3.0)
        found.append(net.biases[-1].item())
    assert found[0] == found[1]


@pytest.mark.parametrize("dtype", [np.longdouble, np.float32, np.int64])
def test_parameters_are_of_the_type_that_numpy_gives_them(dtype, kernels):
    net = network.Network([2, 3, 1])
    net.SGD([(np.ones((2, 1), dtype), np.ones((1, 1), dtype))] * 4, 3, 2, 0.5)
    assert net.weights[0].dtype == np.result_type(dtype, np.float64)


@pytest.mark.parametrize("data", [[], [(x.ravel(), y) for x, y in TRAINING[:20]]])
def test_odd_data_take_the_numpy_way(engine, data, capsys):
    if data:
        with pytest.raises(ValueError, match=r".*"):
            network.Network(SIZES).SGD(data, 1, 10, 0.3)
        return
    network.Network(SIZES).SGD(data, 2, 10, 0.3, test_data=zip())
    assert capsys.readouterr().out == "Epoch 0 complete\nEpoch 1 complete\n"


def test_files_are_those_of_the_book(tmp_path):
    net = network2.Network([3, 2], cost=network2.QuadraticCost)
    net.save(tmp_path / "net.json")
    content = json.loads((tmp_path / "net.json").read_text())
    assert content == {"sizes": [3, 2], "weights": [net.weights[0].tolist()], "biases": [net.biases[0].tolist()],
                       "cost": "QuadraticCost"}
    again = network2.load(tmp_path / "net.json")
    assert again.cost is network2.QuadraticCost
    assert (again.weights[0] == net.weights[0]).all()
    content["cost"] = "NoSuchCost"
    (tmp_path / "net.json").write_text(json.dumps(content))
    with pytest.raises(AttributeError, match="NoSuchCost"):
        network2.load(tmp_path / "net.json")


def test_pieces_are_the_books_bit_by_bit():
    seed()
    net = network2.Network(SIZES)
    seed()
    plain = Plain(SIZES, True, scaled=True)
    x, y = TRAINING[0]
    for found, expected in zip(net.backprop(x, y), plain.gradient(x, y), strict=True):
        assert all((a == b).all() for a, b in zip(found, expected, strict=True))
    assert (net.feedforward(x) == plain.outputs(x)).all()
    assert network2.sigmoid_prime(0.3) == s(0.3) * (1 - s(0.3))
    assert network2.vectorized_result(4).shape == (10, 1)
    net.large_weight_initializer()
    assert net.weights[0].std() > 0.7


def test_a_short_script_imports_no_numba():
    code = """
import sys, random
import numpy as np
from fastbp.compat import network
net = network.Network([4, 3, 2])
net.SGD([(np.ones((4, 1)), np.ones((2, 1)))] * 50, 5, 10, 3.0)
print("numba" in sys.modules)
"""
    assert run_python(code).split()[-1] == "False"


def test_costs_tried_are_those_of_the_table():
    assert set(_nielsen.COSTS) == {"cross_entropy", "quadratic"}
