"""The same parameters give the numbers of scikit-learn, in float64 to rounding."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn
from scipy.sparse import csc_matrix, csr_array
from sklearn import neural_network
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning

from fastbp import estimators

DIGITS, DIGIT = load_digits(return_X_y=True)
DIGITS = DIGITS[:300] / 16.0
DIGIT = DIGIT[:300]
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
PROGRESS = (PROGRESS - PROGRESS.mean()) / PROGRESS.std()
INDICATOR = np.eye(10, dtype=int)[DIGIT] | np.eye(10, dtype=int)[(DIGIT + 1) % 10]

# Name: (class, X, y, parameters).
TASKS = {
    "classes": ("MLPClassifier", DIGITS, DIGIT, {}),
    "words": ("MLPClassifier", DIGITS, np.array(["even", "odd"], dtype=object)[DIGIT % 2], {"activation": "tanh"}),
    "labels": ("MLPClassifier", DIGITS, INDICATOR, {"hidden_layer_sizes": (20, 9)}),
    "one target": ("MLPRegressor", DIABETES, PROGRESS, {"activation": "logistic"}),
    "two targets": ("MLPRegressor", DIABETES, np.column_stack([PROGRESS, PROGRESS**2]), {"activation": "identity"}),
    "counts": ("MLPRegressor", DIABETES, np.round(PROGRESS - PROGRESS.min()), {"loss": "poisson"}),
}
FITTED = ("loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_", "n_iter_", "n_layers_",
          "n_outputs_", "t_", "out_activation_", "n_features_in_")  # fmt: skip


# What scikit-learn has had since these versions.
VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
since_1_7 = pytest.mark.skipif(VERSION < (1, 7), reason="neither sample_weight nor loss before scikit-learn 1.7")
since_1_9 = pytest.mark.skipif(VERSION < (1, 9), reason="early stopping fails on labels that are words before 1.9")


def marked(name, *values):
    """A case of a task, left out where scikit-learn is too old for it."""
    return pytest.param(name, *values, marks=since_1_7 if name == "counts" else [])


def pair(name, **parameters):
    return [getattr(module, name)(**{"random_state": 3, "max_iter": 10, **parameters})
            for module in (neural_network, estimators)]  # fmt: skip


def fitted(models, *samples, **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return [model.fit(*samples, **arguments) for model in models]


def assert_equal(theirs, ours, rtol=1e-9, atol=1e-9):
    for expected, found in zip(theirs.coefs_ + theirs.intercepts_, ours.coefs_ + ours.intercepts_, strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)
    for name in FITTED:
        assert hasattr(ours, name) == hasattr(theirs, name), name
        if not hasattr(theirs, name):
            continue
        expected, found = getattr(theirs, name), getattr(ours, name)
        if expected is None or isinstance(expected, str):
            assert found == expected, name
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-7, err_msg=name)


def assert_same_predictions(theirs, ours, X):
    for method in ("predict", "predict_proba", "predict_log_proba"):
        assert hasattr(ours, method) == hasattr(theirs, method)
        if hasattr(theirs, method):
            expected, found = getattr(theirs, method)(X), getattr(ours, method)(X)
            assert found.dtype == expected.dtype
            assert found.shape == expected.shape
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
            else:
                assert np.array_equal(found, expected)


WEIGHTED = pytest.mark.parametrize("weighted", [False, pytest.param(True, marks=since_1_7)])


def weights_of(X, weighted):
    return {"sample_weight": np.linspace(0.5, 2.0, X.shape[0])} if weighted else {}


@WEIGHTED
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("task", [*map(marked, TASKS)])
def test_ten_epochs(task, solver, weighted):
    name, X, y, parameters = TASKS[task]
    compat = {"sklearn_compat": True} if solver == "lbfgs" else {}
    theirs, ours = pair(name, solver=solver, alpha=0.1, batch_size=64, **parameters)
    fitted([theirs, ours.set_params(**compat)], X, y, **weights_of(X, weighted))
    assert_equal(theirs, ours, atol=1e-6 if solver == "lbfgs" else 1e-9)
    assert_same_predictions(theirs, ours, X)


@pytest.mark.parametrize("parameters", [
    {"early_stopping": True},
    {"early_stopping": True, "validation_fraction": 0.3, "tol": 0.01, "max_iter": 60, "n_iter_no_change": 3},
    {"shuffle": False},
    {"learning_rate": "invscaling", "power_t": 0.3},
    {"learning_rate": "adaptive", "tol": 0.3, "n_iter_no_change": 1, "max_iter": 60},
    {"learning_rate": "adaptive", "tol": 0.3, "n_iter_no_change": 1, "nesterovs_momentum": False, "momentum": 0.7},
    {"momentum": 0.0}, {"momentum": 1.0, "learning_rate_init": 1e-4},
    {"tol": 0.1, "max_iter": 60},
    {"solver": "adam", "beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1, "learning_rate_init": 0.01},
    {"solver": "adam", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 2, "max_iter": 60},
    {"batch_size": 7}, {"hidden_layer_sizes": ()}, {"alpha": 5.0},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("task", ["classes", pytest.param("words", marks=since_1_9), "two targets"])
def test_parameters_of_minibatches(task, parameters):
    name, X, y, own = TASKS[task]
    theirs, ours = fitted(pair(name, **{"solver": "sgd", "batch_size": 50, **own, **parameters}), X, y)
    assert_equal(theirs, ours)


@pytest.mark.parametrize("parameters", [{"tol": 0.01, "max_iter": 300}, {"max_fun": 7}], ids=str)
@pytest.mark.parametrize("task", [*map(marked, ["words", "one target", "counts"])])
def test_limits_of_lbfgs(task, parameters):
    name, X, y, own = TASKS[task]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs, ours = fitted(pair(name, solver="lbfgs", **{**own, **parameters}), X, y)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)


def test_lbfgs_minimises_the_sum_over_outputs_unless_it_is_told_otherwise():
    name, X, y, own = TASKS["two targets"]
    theirs, ours = fitted(pair(name, solver="lbfgs", max_iter=500, alpha=1e-3, **own), X, y)
    assert ours.loss_ < theirs.loss_ * 1.0001
    assert ours.n_iter_ != theirs.n_iter_


def test_saturated_probabilities_as_in_scikit_learn_where_asked_for():
    X, y = np.array([[-1e3], [1e3], [5e2]]), np.array([0, 1, 0])
    theirs, ours = pair("MLPClassifier", solver="lbfgs", activation="identity", hidden_layer_sizes=2, max_iter=1)
    fitted([theirs, ours.set_params(sklearn_compat=True)], X, y)
    assert_equal(theirs, ours)
    assert fitted([ours.set_params(sklearn_compat=False)], X, y)[0].loss_ != pytest.approx(theirs.loss_, rel=1e-3)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_warm_start_and_partial_fit_go_on_where_they_were(solver, early_stopping):
    name, X, y, own = TASKS["classes"]
    models = pair(name, solver=solver, warm_start=True, early_stopping=early_stopping, **own)
    for _ in range(2):
        theirs, ours = fitted(models, X, y)
        assert_equal(theirs, ours)
    for model in models:
        if early_stopping:  # scikit-learn compares None with a number then
            model.set_params(early_stopping=False).best_loss_ = np.inf
        model.set_params(alpha=0.3, batch_size=33)
        for _ in range(3):
            model.partial_fit(X[:100], y[:100])
    assert_equal(*models)
    assert_same_predictions(*models, X)


@WEIGHTED
@pytest.mark.parametrize(("kind", "task", "early_stopping"), [
    (csr_array, "classes", False), (csc_matrix, "two targets", False),
    pytest.param(csr_array, "classes", True, marks=since_1_9),
    pytest.param(csc_matrix, "labels", True, marks=since_1_9),
])  # fmt: skip
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_sparse_samples(kind, solver, task, early_stopping, weighted, monkeypatch):
    """They are dense in blocks of 30 rows or so, those that are held out, too."""
    name, X, y, own = TASKS[task]
    monkeypatch.setattr("fastbp.estimators.dense._DENSE_NUMBERS", X.shape[1] * 30)
    theirs, ours = pair(name, solver=solver, batch_size=40, early_stopping=early_stopping, **own)
    ours.set_params(sklearn_compat=solver == "lbfgs")
    fitted([theirs, ours], kind(X), y, **weights_of(X, weighted))
    assert_equal(theirs, ours, atol=1e-6 if solver == "lbfgs" else 1e-9)
    assert_same_predictions(theirs, ours, kind(X))


def test_a_sparse_table_is_never_dense_as_a_whole(monkeypatch):
    rows = []
    dense = csr_array.toarray
    monkeypatch.setattr("fastbp.estimators.dense._DENSE_NUMBERS", 64 * 30)
    monkeypatch.setattr(csr_array, "toarray", lambda X: rows.append(X.shape[0]) or dense(X))
    for solver in ("adam", "lbfgs"):
        model = estimators.MLPClassifier(solver=solver, batch_size=10, early_stopping=True, max_iter=2, random_state=0)
        fitted([model], csr_array(DIGITS), DIGIT)[0].predict(csr_array(DIGITS))
    assert max(rows) == 30


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_functions_and_rates_set_between_two_trainings(solver):
    """A new activation counts at once, for predictions too; new rates count when an optimizer is made."""
    name, X, y, own = TASKS["classes"]
    models = pair(name, solver=solver, warm_start=True, max_iter=2, **own)
    fitted(models, X, y)
    for model in models:
        for _ in range(2):
            model.partial_fit(X[:100], y[:100])
        model.set_params(activation="tanh", learning_rate="invscaling", learning_rate_init=0.1, power_t=1.0)
    assert_same_predictions(*models, X)
    for model in models:
        for _ in range(2):
            model.partial_fit(X[:100], y[:100])
    assert_equal(*models)
    fitted([model.set_params(activation="logistic") for model in models], X, y)
    assert_equal(*models)


def test_a_loss_is_a_number_of_numpys():
    """As in scikit-learn: scripts call `loss_.round(3)`."""
    for solver in ("adam", "lbfgs"):
        models = fitted(pair("MLPRegressor", solver=solver), DIABETES, PROGRESS)
        assert all(type(model.loss_) is np.float64 for model in models)
        assert all(type(loss) is np.float64 for model in models for loss in getattr(model, "loss_curve_", []))


def test_training_by_minibatches_goes_on_after_lbfgs():
    X, y = DIGITS, DIGIT
    model, start = (estimators.MLPClassifier(solver=solver, random_state=0, max_iter=3) for solver in ("lbfgs", "adam"))
    fitted([model], X, y)
    start.partial_fit(X, y, classes=range(10))
    for coefs, given in zip((*start.coefs_, *start.intercepts_), (*model.coefs_, *model.intercepts_), strict=True):
        coefs[...] = given
    start._trainer = None  # with an optimizer that has seen nothing
    start.t_ = 0
    model.set_params(solver="adam", random_state=7).partial_fit(X, y)
    start.set_params(random_state=7).partial_fit(X, y)
    np.testing.assert_allclose(model.coefs_[0], start.coefs_[0], rtol=1e-12, atol=1e-12)
    assert len(model.loss_curve_) == 1


@since_1_9
def test_a_single_label_is_always_right():
    for seed in range(5):
        models = pair("MLPClassifier", early_stopping=True, random_state=seed, max_iter=1)
        theirs, ours = fitted(models, DIGITS[:60], np.zeros(60, int))
        assert ours.validation_scores_ == theirs.validation_scores_ == [1.0]


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_float32_is_kept(solver):
    name, X, y, own = TASKS["classes"]
    theirs, ours = fitted(pair(name, solver=solver, **own), X.astype(np.float32), y)
    assert {array.dtype for array in ours.coefs_ + ours.intercepts_} == {np.dtype(np.float32)}
    assert ours.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert ours.loss_curve_[-1] == pytest.approx(theirs.loss_curve_[-1], rel=1e-4) if solver != "lbfgs" else True
    for expected, found in zip(theirs.coefs_, ours.coefs_, strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_learning_rates_are_those_of_scikit_learn():
    X, y = [[3, 2], [1, 6], [5, 6], [-2, -4]], [1, 1, 1, 0]
    for parameters in ({"learning_rate": "invscaling", "power_t": 0.25, "warm_start": True, "max_iter": 3},
                       {"learning_rate": "adaptive", "tol": 0.5, "max_iter": 3000}):  # fmt: skip
        theirs, ours = pair("MLPClassifier", solver="sgd", hidden_layer_sizes=4, **parameters)
        for _ in range(2):
            fitted([theirs, ours], X, y)
            assert ours._trainer.optimizer.learning_rate == pytest.approx(theirs._optimizer.learning_rate, rel=1e-12)
            assert ours.n_iter_ == theirs.n_iter_


@since_1_7
def test_parameters_have_the_names_order_and_defaults_of_scikit_learn():
    for name in estimators.__all__:
        theirs, ours = pair(name)
        parameters = theirs.get_params()
        assert {key: ours.get_params()[key] for key in parameters} == parameters
        wanted = list(type(theirs).__init__.__code__.co_varnames)[1 : len(parameters) + 1]
        assert list(type(ours).__init__.__code__.co_varnames)[1 : len(parameters) + 1] == wanted


@pytest.mark.parametrize("name", estimators.__all__)
def test_messages_are_those_of_scikit_learn(name, capsys):
    X, y = DIGITS[:60], DIGIT[:60] % 2
    printed = []
    for model in pair(name, verbose=True, early_stopping=True, solver="sgd", learning_rate="adaptive", max_iter=40,
                      tol=0.05, n_iter_no_change=2):  # fmt: skip
        fitted([model], X, y)
        printed.append(capsys.readouterr().out)
    assert printed[1] == printed[0]


@pytest.mark.parametrize(("parameters", "samples"), [
    ({"alpha": -1.0}, (DIGITS, DIGIT)), ({"solver": "newton"}, (DIGITS, DIGIT)),
    ({"hidden_layer_sizes": (3, 0)}, (DIGITS, DIGIT)), ({}, (DIGITS, DIGIT[:-1])),
    ({}, (DIGITS * np.nan, DIGIT)), ({}, (DIGITS[0], DIGIT)),
], ids=["alpha", "solver", "sizes", "lengths", "nan", "one row"])  # fmt: skip
def test_errors_are_those_of_scikit_learn(parameters, samples):
    texts = []
    for model in pair("MLPClassifier", **parameters):
        with pytest.raises(ValueError) as raised:  # noqa: PT011 - the texts are compared
            model.fit(*samples)
        texts.append(str(raised.value))
    begin = texts[0].split("{")[0].split("must be")[0]
    assert texts[1].startswith(begin)


def test_predictions_of_strange_samples_fail_as_in_scikit_learn():
    models = fitted(pair("MLPClassifier"), DIGITS, DIGIT)
    broken = DIGITS.copy()
    broken[3, 4] = np.inf
    for X in (broken, DIGITS[:, :5], DIGITS[0], DIGITS[:0], [["a"] * 64]):
        texts = []
        for model in models:
            with pytest.raises(ValueError) as raised:  # noqa: PT011 - the texts are compared
                model.predict(X)
            texts.append(str(raised.value))
        assert texts[1] == texts[0]
