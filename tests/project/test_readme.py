"""The page of what there is: it is complete, and each of its examples runs. The README is short."""

import re
from dataclasses import fields

import numpy as np
import pytest
from processes import ROOT

import fastbp
from fastbp import activations, callbacks, initializers, losses, optimizers, schedules
from fastbp.regularization import Regularization

TEXT = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
FEATURES = re.search(r"<!-- features:begin -->\n(.*?)<!-- features:end -->", TEXT, re.DOTALL)[1]


def table(title):
    """Rows of the table whose first column has that title, as lists of cells."""
    lines = next(part for part in FEATURES.split("\n\n") if part.startswith(f"| {title} |")).strip().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def examples(title):
    return [pytest.param(row[-1].strip("` "), id=row[0][:40]) for row in table(title)]


def names(row):
    return re.findall(r"`(\w+)`", row[1])


@pytest.fixture
def given(tmp_path, monkeypatch):
    """What the examples call by name."""
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(100, 4)), rng.integers(0, 3, 100)
    net = fastbp.Network([4, 8, 3], rng=0)
    trainer = fastbp.Trainer(net, rng=0)
    history = trainer.fit(X, Y)
    yield {"fastbp": fastbp, "X": X, "Y": Y, "net": net, "trainer": trainer, "history": history, "weight": np.ones(100)}
    from matplotlib import pyplot as plt

    plt.close("all")


def arguments(code, scope):
    return eval(f"dict({code})", scope)


def test_the_readme_has_two_commands_one_example_one_chart_and_no_long_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text) < 10_000
    assert (text.count("```sh"), text.count("```python"), text.count("![")) == (2, 1, 1)
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_tables_of_networks_name_all_there_is():
    rows = [row for row in table("of a network") if names(row)]
    assert names(rows[0]) == list(activations.ACTIVATIONS)
    assert names(rows[1]) == ["softmax"]
    assert names(rows[2]) == list(losses.LOSSES)
    assert names(rows[3]) == ["auto", *initializers.INITIALIZERS]


def test_every_optimizer_schedule_rule_and_callback_has_an_example():
    whole = [type(optimizer).__name__ for optimizer in optimizers.OPTIMIZERS.values()]
    whole += [f"schedules.{schedule.__name__}" for schedule in schedules.SCHEDULES.values()]
    whole += [f"callbacks.{name}" for name in callbacks.CALLBACKS]
    missing = [name for name in whole if f"fastbp.{name}(" not in FEATURES]
    rules = [field.name for field in fields(Regularization) if field.name != "dropout_seed"] + ["class_weight"]
    assert missing + [rule for rule in rules if f"{rule}=" not in FEATURES] == []


@pytest.mark.parametrize("code", examples("of a network"))
def test_a_network_of_the_table_trains(given, code):
    net = fastbp.Network([4, 8, 3], rng=0, **arguments(code, given))
    targets = np.eye(3)[given["Y"]]
    assert np.isfinite(fastbp.Trainer(net, fastbp.SGD(1e-3)).fit(given["X"], targets).loss).all()


@pytest.mark.parametrize("code", examples("of a trainer"))
def test_a_trainer_of_the_table_trains(given, code):
    if code.startswith("fastbp."):
        pytest.importorskip("scipy")
        history = eval(code, given)
    else:
        history = fastbp.Trainer(given["net"], rng=0, **arguments(code, given)).fit(given["X"], given["Y"], 2)
    assert np.isfinite(history.loss).all()


@pytest.mark.parametrize("code", examples("of a fit"))
def test_a_fit_of_the_table_runs(given, code):
    if re.match(r"\w+=", code):
        history = given["trainer"].fit(given["X"], given["Y"], 3, **arguments(code, given))
        assert np.isfinite(history.loss).all()
    else:
        exec(code, given)
