"""What fails leaves an estimator as it was, and says what was wrong in its own words."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.exceptions import ConvergenceWarning, NotFittedError

from fastbp.callbacks import LambdaCallback
from fastbp.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).normal(size=(20, 3))
Y, LABELS = X.sum(axis=1), np.where(X[:, 0] > 0, "yes", "no")
WIDE = np.random.default_rng(1).normal(size=(20, 5))


def fitted(kind=MLPClassifier, **parameters):
    mlp = kind(hidden_layer_sizes=4, max_iter=3, random_state=0, **parameters)
    return mlp.fit(X, LABELS if kind is MLPClassifier else Y)


def public(mlp):
    return pickle.dumps({name: value for name, value in vars(mlp).items() if name.endswith("_") and name != "history_"})


def interrupt(*_):
    raise KeyError("a callback's own")


BROKEN = {"a callback": LambdaCallback(on_epoch_end=interrupt)}
FAILING = {
    "weights": lambda mlp, method: getattr(mlp, method)(WIDE, np.arange(20) % 4, np.full(20, np.nan)),
    "labels": lambda mlp, method: getattr(mlp, method)(X, np.array(["a", 1], object)[np.arange(20) % 2]),
    "form": lambda mlp, method: getattr(mlp, method)(X, np.ones((20, 2, 2))),
    "validation data": lambda mlp, method: getattr(mlp, method)(X, LABELS, validation_data=(WIDE, LABELS)),
    "a callback": lambda mlp, method: getattr(mlp, method)(X, LABELS),
}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("fault", FAILING)
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_classifier_predicts_as_before_a_call_that_failed(fault, method, warm_start):
    mlp = fitted(warm_start=warm_start)
    before, chances = public(mlp), mlp.predict_proba(X)
    mlp.set_params(callbacks=[BROKEN[fault]] if fault in BROKEN else None)
    with pytest.raises((ValueError, TypeError, KeyError)):
        FAILING[fault](mlp, method)
    assert public(mlp) == before
    np.testing.assert_array_equal(mlp.predict_proba(X), chances)
    mlp.set_params(callbacks=None)
    assert getattr(mlp, method)(X, LABELS).score(X, LABELS) > 0


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_regressor_predicts_as_before_training_that_diverged(method):
    mlp = fitted(MLPRegressor, solver="sgd", warm_start=method == "fit")
    before, outputs = public(mlp), mlp.predict(X)
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        getattr(mlp, method)(X * 1e200, Y)
    assert public(mlp) == before
    np.testing.assert_array_equal(mlp.predict(X), outputs)
    assert np.isfinite(mlp.partial_fit(X, Y).loss_)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_first_call_that_failed_leaves_nothing(method):
    mlp = MLPClassifier()
    arguments = {"classes": ["no", "yes"]} if method == "partial_fit" else {}
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        getattr(mlp, method)(X, LABELS, sample_weight=np.full(20, np.nan), **arguments)
    assert [name for name in vars(mlp) if name.endswith("_")] == []
    with pytest.raises(NotFittedError):
        mlp.predict(X)


def test_labels_keep_the_form_of_the_first_fit():
    both = np.column_stack([LABELS == "yes", X[:, 1] > 0]).astype(int)
    mlp = fitted()
    mlp.classes_ = np.array([0, 1])
    with pytest.raises(ValueError, match=r"y has shape \(20, 2\), expected one label a sample"):
        mlp.partial_fit(X, both)
    with pytest.raises(ValueError, match=r"y has shape \(20,\), expected an indicator matrix \(n_samples, 2\)"):
        MLPClassifier(max_iter=2).fit(X, both).partial_fit(X, both[:, 0])


@pytest.mark.parametrize("sizes", [["3"], [(3,)], np.array(3), [3, None]], ids=str)
def test_sizes_that_are_no_integers_are_shown(sizes):
    with pytest.raises(TypeError, match="hidden_layer_sizes must be integers, got "):
        MLPRegressor(hidden_layer_sizes=sizes).fit(X, Y)


def test_true_is_one_wherever_scikit_learn_takes_it():
    ones = {"alpha": 1, "max_iter": 1, "learning_rate_init": 1, "epsilon": 1, "batch_size": 1, "l1": 1}
    found, expected = (
        MLPRegressor(hidden_layer_sizes=3, random_state=0, **{name: kind(1) for name in ones}).fit(X, Y)
        for kind in (bool, int)
    )
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


@pytest.mark.parametrize("broken", [None, [], [np.ones((2, 2)), np.ones((4, 1))], [[[1.0]], [[1.0]]]], ids=str)
def test_arrays_that_do_not_fit_are_named(broken):
    mlp = fitted()
    mlp.coefs_ = broken
    for use in (lambda: mlp.predict(X), lambda: mlp.partial_fit(X, LABELS), lambda: pickle.dumps(mlp)):
        with pytest.raises((TypeError, ValueError), match=r"coefs_ and intercepts_ (are of type|have the shapes)"):
            use()
    mlp.fit(X, LABELS).predict(X)


def test_tiny_weights_of_validation_data_count_as_any_others():
    found, expected = (
        MLPRegressor(hidden_layer_sizes=3, max_iter=3, random_state=0).fit(X, Y, validation_data=(X, Y, np.full(20, w)))
        for w in (1e-310, 1.0)
    )
    np.testing.assert_allclose(found.validation_loss_curve_, expected.validation_loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(("argument", "weights", "words"), [
    ("sample_weight", None, r"sample_weight gives sample 0 the weight -1, expected"),
    ("class_weight", {"no": -1, "yes": 1}, r"class_weight gives sample 0 the weight -1, expected a finite number of 0"),
    ("class_weight", {"no": np.nan, "yes": 1}, r"class_weight gives sample 0 the weight nan"),
    ("class_weight", {"no": 0, "yes": 0}, r"class_weight gives all samples the weight 0"),
    ("class_weight", [1, 2], r"class_weight is a list, which is for several labels a sample"),
], ids=str)  # fmt: skip
def test_weights_that_are_none_are_refused(argument, weights, words, solver):
    labels = np.where(np.arange(20) < 10, "no", "yes")
    weights = np.where(labels == "no", -1.0, 1.0) if argument == "sample_weight" else weights
    mlp = MLPClassifier(solver=solver, class_weight=weights if argument == "class_weight" else None)
    with pytest.raises(ValueError, match=words):
        mlp.fit(X, labels, weights if argument == "sample_weight" else None)


def test_weights_of_0_for_all_that_is_held_out_are_refused():
    words = []
    for held_out in range(20):
        mlp = MLPRegressor(early_stopping=True, validation_fraction=0.1, max_iter=1, random_state=0)
        weight = np.zeros(20)
        weight[held_out] = 1.0
        with pytest.raises(ValueError, match="sample_weight is 0 for all samples") as raised:
            mlp.fit(X, Y, weight)
        words.append(str(raised.value))
    assert sum("that early_stopping holds out; pass validation_data" in text for text in words) == 18


@pytest.mark.parametrize("score", [np.nan, "a", None, np.ones(2), 1j], ids=str)
def test_a_score_that_is_no_number_ends_the_fit(score):
    mlp = MLPRegressor(scoring=lambda *_: score, early_stopping=True, max_iter=2)
    with pytest.raises(ValueError, match=r"scoring gives .* after an epoch, expected a number"):
        mlp.fit(X, Y)


def test_early_stopping_says_that_training_diverged():
    mlp = MLPRegressor(early_stopping=True, max_iter=2, learning_rate_init=1e200, random_state=0)
    with pytest.warns(ConvergenceWarning, match="the best parameters so far are kept: the loss is"):
        mlp.fit(X, Y)


@pytest.mark.parametrize("n_jobs", ["x", 0, 1.5], ids=str)
def test_predictions_name_n_jobs(n_jobs):
    mlp = fitted().set_params(n_jobs=n_jobs)
    with pytest.raises(ValueError, match=f"n_jobs must be None, a number of threads or .*, got {n_jobs!r}"):
        mlp.predict(X)


def test_predictions_and_pickles_do_not_depend_on_the_loss_to_come():
    mlp = fitted(MLPRegressor)
    expected = mlp.predict(X)
    mlp.set_params(loss="poisson")
    np.testing.assert_array_equal(mlp.predict(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mlp)).predict(X), expected)
    assert (mlp.fit(X, np.abs(Y)).predict(X) > 0).all()


def test_validation_labels_of_another_type_are_named():
    labels = np.where(X[:, 0] > 0, 1, 0)
    strange = np.array(["a", "b"], object)[labels]
    with pytest.raises(ValueError, match=r"`y` has classes not in `self\.classes_`"):
        MLPClassifier().fit(X, labels, validation_data=(X, strange))


def test_activations_in_a_list_of_lists_are_named():
    with pytest.raises(TypeError, match=r"activation\[0\] must be a name or .*, got \['relu'\] \(list\)"):
        MLPRegressor(activation=[["relu"]]).fit(X, Y)
