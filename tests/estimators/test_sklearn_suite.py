"""scikit-learn's own tests of its multilayer perceptrons, from the installed package, with our classes exchanged."""

import importlib.util

import pytest

pytest.importorskip("sklearn")

from sklearn import neural_network
from sklearn.neural_network import _multilayer_perceptron as theirs

from fastbp import estimators

# Tests that reach for what is private in scikit-learn; other tests hold what they are about.
PRIVATE = {
    "test_gradient": "calls _loss_grad_lbfgs; the gradient is held by tests/training/test_gradcheck.py",
    "test_learning_rate_warmstart": "reads _optimizer.learning_rate; test_equal_to_sklearn.py compares the rates",
    "test_adaptive_learning_rate": "reads _optimizer.learning_rate; test_equal_to_sklearn.py compares the rates",
}


def suite():
    """scikit-learn's test module, made anew: the classes that it imports from `sklearn.neural_network` are ours."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    module = importlib.util.module_from_spec(spec)
    try:
        for name in estimators.__all__:
            setattr(neural_network, name, getattr(estimators, name))
        spec.loader.exec_module(module)
    finally:
        for name in estimators.__all__:
            setattr(neural_network, name, getattr(theirs, name))
    return module


SUITE = suite()
assert SUITE.MLPClassifier is estimators.MLPClassifier

# scikit-learn expects warnings to be warnings.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def global_random_seed():
    return 42


for _name, _test in vars(SUITE).items():
    if _name.startswith("test_"):
        _skip = pytest.mark.skip(reason=PRIVATE[_name]) if _name in PRIVATE else lambda test: test
        globals()[_name] = _skip(_test)


def test_every_listed_test_is_one_of_theirs():
    assert set(PRIVATE) <= set(vars(SUITE))
