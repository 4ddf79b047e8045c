"""Weights of classes in the forms in which users have them; sample weights likewise."""

import re

import numpy as np
import pytest
from networks import make_network

from fastbp.base.classes import balanced, class_weights

X = np.random.default_rng(0).normal(size=(8, 3))
Y = np.array([0, 1, 1, 1, 2, 2, 1, 1])


def series(values, index=None):
    return pytest.importorskip("pandas").Series(values, index=index)


FORMS = {
    "mapping": lambda: {0: 1.0, 1: 3.0, 2: 5.0},
    "mapping of some": lambda: {1: 3.0, 2: 5.0},
    "mapping of numpy's labels": lambda: {np.int32(2): 5, np.int64(1): 3},
    "series in order": lambda: series([1.0, 3.0, 5.0]),
    "series in another order": lambda: series([5.0, 3.0, 1.0], index=[2, 1, 0]),
    "series of some": lambda: series([5.0, 3.0], index=[2, 1]),
    "series of float labels": lambda: series([5.0, 3.0], index=[2.0, 1.0]),
    "list": lambda: [1, 3, 5],
    "tuple": lambda: (1.0, 3.0, 5.0),
    "array": lambda: np.array([1.0, 3.0, 5.0], np.float32),
    "values of a mapping": {0: 1.0, 1: 3.0, 2: 5.0}.values,
    "generator": lambda: (w for w in (1.0, 3.0, 5.0)),
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_taken_by_label_where_there_are_labels_else_by_position(implementation, form):
    net = implementation.Network([3, 3], rng=0)
    assert np.array_equal(class_weights(FORMS[form](), net), [1.0, 3.0, 5.0])
    given, expected = (implementation.Trainer(net.copy(), rng=0) for _ in range(2))
    given.fit(X, Y, 2, class_weight=FORMS[form]())
    expected.fit(X, Y, 2, sample_weight=np.array([1.0, 3.0, 5.0])[Y])
    assert np.array_equal(given.network.parameters, expected.network.parameters)


def test_balanced_weights_are_those_of_scikit_learn(implementation):
    compute = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    net = make_network(implementation, [3, 3])
    for labels in (Y, Y[:4], np.zeros(5, int)):
        expected = np.ones(3)
        present = np.unique(labels)
        expected[present] = compute("balanced", classes=present, y=labels)
        assert np.allclose(balanced(labels, net), expected, rtol=1e-15)


@pytest.mark.parametrize("form", ["labels", "rows", "one output"])
def test_a_balanced_fit_weighs_each_class_the_same(implementation, form):
    labels = np.minimum(Y, 1) if form == "one output" else Y
    net = make_network(implementation, [3, 1 if form == "one output" else 3], output="sigmoid")
    targets = np.eye(3)[labels] if form == "rows" else labels
    given, expected = (implementation.Trainer(net.copy(), rng=0) for _ in range(2))
    weight = np.linspace(1.0, 2.0, 8)
    given.fit(X, targets, 2, class_weight="balanced", sample_weight=weight)
    expected.fit(X, targets, 2, sample_weight=weight * balanced(labels, net)[labels])
    assert np.array_equal(given.network.parameters, expected.network.parameters)


def test_balanced_needs_all_labels_at_once(implementation):
    trainer = implementation.Trainer(make_network(implementation, [3, 3]))
    with pytest.raises(ValueError, match="'balanced' needs all labels at once; pass a number for each label"):
        trainer.fit([(X, Y)], class_weight="balanced")


EXPECTED = "class_weight must be 'balanced' or have a number >= 0 for each of the labels 0..2, got "
REFUSED = {
    "another word": lambda: "auto",
    "a number": lambda: 2.0,
    "a set": lambda: {1.0, 3.0, 5.0},
    "too few": lambda: [1.0, 3.0],
    "pairs": lambda: [(0, 1.0), (1, 3.0), (2, 5.0)],
    "label 3": lambda: {0: 1.0, 3: 1.0},
    "name of a label": lambda: {"0": 1.0},
    "half a label": lambda: {0.5: 1.0},
    "series by name": lambda: series([1.0, 3.0, 5.0], index=list("abc")),
    "series of label 3": lambda: series([1.0, 3.0, 5.0], index=[1, 2, 3]),
    "series of labels twice": lambda: series([1.0, 3.0, 5.0], index=[0, 1, 1]),
    "a frame": lambda: series([1.0, 3.0, 5.0]).to_frame(),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_forms_are_refused(implementation, case):
    trainer = implementation.Trainer(make_network(implementation, [3, 3]))
    with pytest.raises((TypeError, ValueError), match=re.escape(EXPECTED)):
        trainer.fit(X, Y, class_weight=REFUSED[case]())
    assert trainer.steps == 0


def test_sample_weights_of_a_series_are_taken_by_position(implementation):
    net = make_network(implementation, [3, 3])
    weight = np.linspace(1.0, 2.0, 8)
    given = series(weight, index=range(8, 0, -1))
    assert net.loss(X, Y, given) == net.loss(X, Y, weight)
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=re.escape("has shape (8, 1), expected (8,); a column becomes flat by")):
        net.loss(X, Y, pandas.DataFrame(weight))
