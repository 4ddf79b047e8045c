"""What the estimators have beyond scikit-learn's: each parameter by its own does what its name says."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss, make_scorer, mean_absolute_error, roc_auc_score
from sklearn.utils.class_weight import compute_sample_weight

import fastbp
from fastbp.activations import ACTIVATIONS
from fastbp.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint
from fastbp.compiled import inference
from fastbp.estimators import MLPClassifier, MLPRegressor, base
from fastbp.optimizers import OPTIMIZERS
from fastbp.schedules import StepDecay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = (IRIS - IRIS.mean(axis=0)) / IRIS.std(axis=0)
EVEN, ODD = slice(0, None, 2), slice(1, None, 2)
TWO = SPECIES < 2
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
PROGRESS = (PROGRESS - PROGRESS.mean()) / PROGRESS.std()


def classifier(**parameters):
    return MLPClassifier(**{"hidden_layer_sizes": 8, "max_iter": 10, "random_state": 0, **parameters})


def regressor(**parameters):
    return MLPRegressor(**{"hidden_layer_sizes": 8, "max_iter": 10, "random_state": 0, **parameters})


def flat(mlp):
    return np.concatenate([np.ravel(array) for array in mlp.coefs_ + mlp.intercepts_])


def first_loss(mlp, X, y, **arguments):
    """The loss before any update, and the parameters that it belongs to."""
    mlp.set_params(max_iter=1, batch_size=len(X), solver="sgd", learning_rate_init=1e-12).fit(X, y, **arguments)
    return mlp.loss_


def test_names_of_the_tables_are_listed_without_importing_them():
    assert tuple(ACTIVATIONS) == base.ACTIVATIONS
    assert tuple(OPTIMIZERS) == base.OPTIMIZERS


# ------------------------------------------------------------------ weights, penalties, dropout
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 2: 0.5}], ids=str)
def test_class_weight_multiplies_the_weights_of_samples(class_weight, solver):
    y, weight = np.where(SPECIES == 1, 0, SPECIES), np.linspace(0.5, 2.0, len(SPECIES))
    found = classifier(class_weight=class_weight, solver=solver).fit(IRIS, y)
    expected = classifier(solver=solver).fit(IRIS, y, sample_weight=compute_sample_weight(class_weight, y))
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-9)
    if class_weight != "balanced":
        weight = np.linspace(0.5, 2.0, len(y))
        found.fit(IRIS, y, sample_weight=weight)
        expected.fit(IRIS, y, sample_weight=weight * compute_sample_weight(class_weight, y))
        np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-9)


def test_class_weight_leaves_validation_alone():
    mlp = classifier(class_weight={0: 100.0}, early_stopping=True, max_iter=3).fit(IRIS, SPECIES)
    assert (np.array(mlp.validation_scores_) * 15 % 1 < 1e-9).all()


def test_penalties_are_in_the_loss_divided_by_the_weight_of_the_minibatch():
    mlp = classifier(alpha=0.7, l1=0.3)
    loss = first_loss(mlp, IRIS, SPECIES)
    w = np.concatenate([W.ravel() for W in mlp.coefs_])
    penalty = (0.3 * np.abs(w).sum() + 0.35 * (w @ w)) / 150
    assert loss == pytest.approx(log_loss(SPECIES, mlp.predict_proba(IRIS)) + penalty, rel=1e-9)


def test_l1_pushes_weights_towards_zero():
    small = [np.abs(classifier(l1=l1, max_iter=200).fit(IRIS, SPECIES).coefs_[0]).sum() for l1 in (0.0, 1.0, 10.0)]
    assert small[0] > small[1] > small[2]


def test_dropout_drops_in_training_alone_and_follows_the_random_state():
    fits = [classifier(dropout=dropout, random_state=seed).fit(IRIS, SPECIES)
            for dropout, seed in ((0.0, 0), (0.4, 0), (0.4, 0), (0.4, 1))]  # fmt: skip
    plain, dropped, again, other = map(flat, fits)
    assert np.array_equal(dropped, again)
    assert not np.allclose(dropped, plain)
    assert not np.allclose(dropped, other)
    assert np.array_equal(fits[1].predict_proba(IRIS), fits[1].predict_proba(IRIS))


# ------------------------------------------------------------------ activations, losses
@pytest.mark.parametrize("activation", ["leaky_relu", "gelu", "silu", "exp", ACTIVATIONS["mish"]], ids=str)
def test_any_activation(activation):
    mlp = classifier(activation=activation, solver="lbfgs", max_iter=100).fit(IRIS, SPECIES)
    function = getattr(activation, "function", None) or ACTIVATIONS[activation].function
    a = function(IRIS @ mlp.coefs_[0] + mlp.intercepts_[0]) @ mlp.coefs_[1] + mlp.intercepts_[1]
    assert np.array_equal(mlp.predict(IRIS), a.argmax(axis=1))
    assert mlp.score(IRIS, SPECIES) > 0.9


def test_an_activation_of_your_own_for_each_layer():
    square = fastbp.Activation("square", lambda z: z * z)
    mlp = regressor(hidden_layer_sizes=(5, 4), activation=["logistic", square]).fit(IRIS, SPECIES)
    a = 1 / (1 + np.exp(-(IRIS @ mlp.coefs_[0] + mlp.intercepts_[0])))
    a = (a @ mlp.coefs_[1] + mlp.intercepts_[1]) ** 2 @ mlp.coefs_[2] + mlp.intercepts_[2]
    np.testing.assert_allclose(mlp.predict(IRIS), a.ravel(), rtol=1e-9)
    with pytest.raises(ValueError, match="activation has 2 entries, expected one for each of 1 layers"):
        regressor(activation=["tanh", "tanh"]).fit(IRIS, SPECIES)


def huber(d):
    return np.where(np.abs(d) <= 1, d * d / 2, np.abs(d) - 0.5)


FOURTH = fastbp.Loss("fourth", lambda a, y: (a - y) ** 4)


@pytest.mark.parametrize(("loss", "cost"), [
    ("squared_error", lambda d: d * d / 2), ("absolute_error", np.abs), ("huber", huber), (FOURTH, lambda d: d**4),
], ids=str)  # fmt: skip
def test_any_loss_is_reported_as_a_mean_over_samples_and_outputs(loss, cost):
    Y = 2 * np.column_stack([PROGRESS, PROGRESS**2])
    mlp = regressor(loss=loss, alpha=0.0)
    found = first_loss(mlp, DIABETES, Y)
    assert found == pytest.approx(cost(mlp.predict(DIABETES) - Y).mean(), rel=1e-9)


def test_absolute_error_finds_the_median():
    X, y = np.zeros((5, 1)), np.array([0.0, 0.0, 1.0, 10.0, 100.0])
    mlp = regressor(loss="absolute_error", max_iter=3000, tol=0.0, n_iter_no_change=3000, learning_rate_init=0.01)
    assert mlp.fit(X, y).predict(X[:1]) == pytest.approx(1.0, abs=0.1)


def test_poisson_takes_counts_alone():
    with pytest.raises(ValueError, match=r"loss='poisson' is for counts, y has the value -1\.0"):
        regressor(loss="poisson").fit(IRIS, SPECIES - 1.0)
    with pytest.raises(TypeError, match="y holds strings, expected real numbers"):
        regressor(loss="poisson").fit(IRIS, SPECIES.astype(str))


def test_sizes_of_layers_are_integers():
    with pytest.raises(TypeError, match=r"hidden_layer_sizes must be integers, got \[2\.5\]"):
        classifier(hidden_layer_sizes=(2.5,)).fit(IRIS, SPECIES)


# ------------------------------------------------------------------ optimizers, schedules
@pytest.mark.parametrize("solver", [name for name in OPTIMIZERS if name not in ("sgd", "adam")])
def test_every_optimizer_by_its_name_takes_the_rate_of_the_estimator(solver):
    mlp = classifier(solver=solver, learning_rate_init=0.02, max_iter=60).fit(IRIS, SPECIES)
    assert mlp._trainer.optimizer.learning_rate == 0.02
    assert mlp.loss_curve_[-1] < mlp.loss_curve_[0]


def test_an_optimizer_object_has_its_own_rate():
    rule = fastbp.Adam(0.05, amsgrad=True)
    mlp = classifier(solver=rule).fit(IRIS, SPECIES)
    assert mlp._trainer.optimizer is rule


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", fastbp.RMSProp()], ids=str)
def test_a_schedule_in_the_place_of_a_learning_rate(solver):
    schedule = StepDecay(0.05, every=3)
    mlp = classifier(solver=solver, learning_rate=schedule, max_iter=2).fit(IRIS, SPECIES)
    constant = classifier(solver=solver, learning_rate=lambda step: 0.05, max_iter=2).fit(IRIS, SPECIES)
    assert mlp._trainer.optimizer.learning_rate is schedule
    assert np.array_equal(flat(mlp), flat(constant))


@pytest.mark.parametrize("parameters", [{"l1": 0.1}, {"dropout": 0.1}, {"callbacks": [EarlyStopping()]}], ids=repr)
def test_lbfgs_refuses_what_it_cannot_do(parameters):
    with pytest.raises(ValueError, match=f"solver='lbfgs' takes no {next(iter(parameters))}; choose another solver"):
        classifier(solver="lbfgs", **parameters).fit(IRIS, SPECIES)


# ------------------------------------------------------------------ validation and early stopping
@pytest.mark.parametrize("weighted", [False, True])
def test_validation_data_give_a_curve_of_their_loss(weighted):
    weight = np.linspace(0.5, 2.0, 75) if weighted else None
    held_out = (IRIS[ODD], SPECIES[ODD], weight) if weighted else (IRIS[ODD], SPECIES[ODD])
    mlp = classifier().fit(IRIS[EVEN], SPECIES[EVEN], validation_data=held_out)
    loss = log_loss(SPECIES[ODD], mlp.predict_proba(IRIS[ODD]), sample_weight=weight)
    assert len(mlp.validation_loss_curve_) == mlp.n_iter_ == 10
    assert mlp.validation_loss_curve_[-1] == pytest.approx(loss, rel=1e-9)
    assert mlp.validation_scores_ is None
    assert np.array_equal(flat(mlp), flat(classifier().fit(IRIS[EVEN], SPECIES[EVEN])))


def test_validation_curve_of_counts_and_of_several_outputs():
    Y = np.column_stack([PROGRESS, PROGRESS**2])
    mlp = regressor().fit(DIABETES[EVEN], Y[EVEN], validation_data=(DIABETES[ODD], Y[ODD]))
    assert mlp.validation_loss_curve_[-1] == pytest.approx(((mlp.predict(DIABETES[ODD]) - Y[ODD]) ** 2).mean() / 2)
    counts = np.round(Y[:, 1])
    mlp = regressor(loss="poisson").fit(DIABETES[EVEN], counts[EVEN], validation_data=(DIABETES[ODD], counts[ODD]))
    a, y = mlp.predict(DIABETES[ODD]), counts[ODD]
    deviance = np.where(y > 0, y * np.log(np.where(y > 0, y, 1) / a), 0) - y + a
    assert mlp.validation_loss_curve_[-1] == pytest.approx(deviance.mean())


@pytest.mark.parametrize(("scoring", "score"), [
    (None, lambda y, p: accuracy_score(y, p > 0.5)),
    ("roc_auc", roc_auc_score),
    ("neg_log_loss", lambda y, p: -log_loss(y, p)),
    ("loss", lambda y, p: -log_loss(y, p)),
    (make_scorer(accuracy_score), lambda y, p: accuracy_score(y, p > 0.5)),
    (lambda mlp, X, y: -mlp.predict_proba(X)[:, 1].max(), lambda y, p: -p.max()),
], ids=["default", "roc_auc", "neg_log_loss", "loss", "scorer", "function"])  # fmt: skip
def test_early_stopping_on_any_score_brings_the_best_parameters_back(scoring, score):
    X, y = IRIS[SPECIES > 0], SPECIES[SPECIES > 0] - 1
    mlp = classifier(scoring=scoring, early_stopping=True, max_iter=200, learning_rate_init=0.1, n_iter_no_change=4)
    mlp.fit(X[EVEN], y[EVEN], validation_data=(X[ODD], y[ODD]))
    assert mlp.best_validation_score_ == max(mlp.validation_scores_)
    assert score(y[ODD], mlp.predict_proba(X[ODD])[:, 1]) == pytest.approx(mlp.best_validation_score_, rel=1e-9)
    assert mlp.stopped_
    assert len(mlp.validation_scores_) == len(mlp.validation_loss_curve_) == mlp.n_iter_ < 200


def test_partial_fit_stops_early_with_the_best_parameters():
    mlp = regressor(early_stopping=True, learning_rate_init=0.1, n_iter_no_change=3)
    held_out, calls = (DIABETES[ODD], PROGRESS[ODD]), 0
    while not calls or not mlp.stopped_:
        mlp.partial_fit(DIABETES[EVEN], PROGRESS[EVEN], validation_data=held_out)
        calls += 1
    assert len(mlp.validation_scores_) == calls < 500
    assert mlp.score(*held_out) == pytest.approx(max(mlp.validation_scores_), rel=1e-9)
    assert mlp.score(*held_out) > mlp.validation_scores_[-1]
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True without validation_data"):
        mlp.partial_fit(DIABETES, PROGRESS)


def test_validation_data_are_checked():
    with pytest.raises(ValueError, match="classes not in"):
        classifier().fit(IRIS[TWO], SPECIES[TWO], validation_data=(IRIS, SPECIES))
    with pytest.raises(TypeError, match="validation_data is of type ndarray, expected"):
        classifier().fit(IRIS, SPECIES, validation_data=IRIS)
    with pytest.raises(ValueError, match="X has 2 features, but MLPClassifier is expecting 4"):
        classifier().fit(IRIS, SPECIES, validation_data=(IRIS[:, :2], SPECIES))


# ------------------------------------------------------------------ callbacks, progress, threads, dtype
def test_callbacks_see_the_trainer_and_may_end_training(tmp_path):
    seen, path = [], tmp_path / "run.safetensors"
    callbacks = [LambdaCallback(on_epoch_end=lambda trainer, epoch, logs: seen.append(logs["val_loss"]) or epoch == 4),
                 ModelCheckpoint(path)]  # fmt: skip
    mlp = classifier(callbacks=callbacks, alpha=0.0).fit(IRIS, SPECIES, validation_data=(IRIS, SPECIES))
    assert seen == mlp.validation_loss_curve_
    assert mlp.n_iter_ == 4
    trainer = fastbp.Trainer.load(path)
    assert np.array_equal(trainer.network.predict(IRIS), mlp.predict(IRIS))
    assert trainer.optimizer == mlp._trainer.optimizer
    assert mlp.history_.val_loss == seen


def test_early_stopping_of_fastbp_is_a_callback_like_any_other():
    stopping = EarlyStopping("val_loss", patience=2, min_delta=0.5)
    mlp = classifier(callbacks=[stopping]).fit(IRIS, SPECIES, validation_data=(IRIS, SPECIES))
    assert mlp.n_iter_ == stopping.stopped_epoch < 10


def test_progress_is_shown_where_it_is_asked_for(capsys):
    classifier(progress=True).fit(IRIS, SPECIES)
    assert "samples" in capsys.readouterr().err
    classifier().fit(IRIS, SPECIES)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("n_jobs", "threads"), [(None, None), (1, 1), (3, 3), (-1, None)])
def test_n_jobs_limits_threads_and_leaves_the_numbers_alone(n_jobs, threads):
    mlp = classifier(n_jobs=n_jobs).fit(IRIS, SPECIES)
    assert mlp._trainer.threads == threads
    assert np.array_equal(flat(mlp), flat(classifier().fit(IRIS, SPECIES)))


@pytest.mark.parametrize("fitted", [{"n_jobs": 1}, {"solver": "lbfgs", "n_jobs": 1}], ids=str)
def test_n_jobs_limits_the_threads_of_predictions_and_follows_set_params(fitted, monkeypatch):
    limits = []
    monkeypatch.setattr(inference, "available", lambda limit: limits.append(limit) or 1)
    monkeypatch.setattr(inference, "_PARALLEL_FLOP", 0)
    mlp = classifier(max_iter=2, **fitted).fit(IRIS, SPECIES)
    limits.clear()
    for n_jobs in (1, None, 2, -1):
        mlp.set_params(n_jobs=n_jobs).predict(IRIS)
    assert limits == [1, None, 2, None]


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype(np.float64)], ids=str)
def test_dtype_of_parameters_whatever_x_is(dtype):
    for X in (IRIS, IRIS.astype(np.float32)):
        mlp = classifier(dtype=dtype).fit(X, SPECIES)
        assert {array.dtype for array in mlp.coefs_ + mlp.intercepts_} == {np.dtype(dtype)}
        assert mlp.predict_proba(X).dtype == dtype
    with pytest.raises(ValueError, match="dtype is 'int8', expected float32 or float64"):
        classifier(dtype="int8").fit(IRIS, SPECIES)


def test_no_warning_where_a_callback_ended_training():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        classifier(callbacks=[LambdaCallback(on_epoch_end=lambda *_: True)]).fit(IRIS, SPECIES)


def test_regression_scores_with_weights():
    mlp = regressor(early_stopping=True, scoring="neg_mean_absolute_error")
    weight = np.linspace(0.5, 2.0, 221)
    mlp.fit(DIABETES[EVEN], PROGRESS[EVEN], validation_data=(DIABETES[ODD], PROGRESS[ODD], weight))
    error = mean_absolute_error(PROGRESS[ODD], mlp.predict(DIABETES[ODD]), sample_weight=weight)
    assert mlp.best_validation_score_ == pytest.approx(-error)
