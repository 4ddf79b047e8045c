"""The tools of scikit-learn take the estimators: copies, processes, searches, pipelines, ensembles, routing, tables."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier, VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, SequentialFeatureSelector
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastbp
from fastbp.callbacks import EarlyStopping
from fastbp.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = (IRIS - IRIS.mean(axis=0)) / IRIS.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"], dtype=object)[SPECIES]
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
PROGRESS = (PROGRESS - PROGRESS.mean()) / PROGRESS.std()
ROUTED = sklearn.config_context(enable_metadata_routing=True)


def classifier(**parameters):
    return MLPClassifier(**{"hidden_layer_sizes": 8, "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0,
                            **parameters})  # fmt: skip


def regressor(**parameters):
    return MLPRegressor(**{"hidden_layer_sizes": 8, "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0,
                           **parameters})  # fmt: skip


def same(first, second):
    pairs = zip(first.coefs_ + first.intercepts_, second.coefs_ + second.intercepts_, strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


# ------------------------------------------------------------------ copies
def test_clone_has_the_parameters_and_nothing_else():
    mlp = classifier(activation=["gelu"], solver=fastbp.Adam(0.1), callbacks=[EarlyStopping("loss")]).fit(IRIS, NAMES)
    twin = clone(mlp)
    assert not hasattr(twin, "coefs_")
    assert twin.get_params()["solver"] == fastbp.Adam(0.1)
    assert same(twin.fit(IRIS, NAMES), mlp)


@pytest.mark.parametrize("copied", [lambda mlp: pickle.loads(pickle.dumps(mlp)), copy.deepcopy, copy.copy],
                         ids=["pickle", "deepcopy", "copy"])  # fmt: skip
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_copy_predicts_and_goes_on_training_to_the_same_bits(copied, solver):
    mlp = classifier(solver=solver, warm_start=True).fit(IRIS, NAMES)
    twin = copied(mlp)
    assert same(twin, mlp)
    assert np.array_equal(twin.predict_proba(IRIS), mlp.predict_proba(IRIS))
    if copied is copy.copy:
        return
    assert not np.shares_memory(twin.coefs_[0], mlp.coefs_[0])
    for model in (mlp, twin):
        model.fit(IRIS, NAMES) if solver == "lbfgs" else model.partial_fit(IRIS[::2], NAMES[::2])
    assert same(twin, mlp)


def test_a_copy_after_another_solver_has_the_last_parameters():
    mlp = classifier().fit(IRIS, NAMES).set_params(solver="lbfgs").fit(IRIS, NAMES)
    assert same(pickle.loads(pickle.dumps(mlp)), mlp)
    mlp.set_params(solver="adam").partial_fit(IRIS, NAMES)
    assert same(pickle.loads(pickle.dumps(mlp)), mlp)


def test_a_pickle_has_the_parameters_once():
    mlp = MLPRegressor(hidden_layer_sizes=1000, solver="lbfgs", max_iter=1).fit(DIABETES, PROGRESS)
    n_bytes = sum(array.nbytes for array in mlp.coefs_ + mlp.intercepts_)
    assert len(pickle.dumps(mlp)) < 1.2 * n_bytes + 5000


def test_a_model_mapped_from_a_file_predicts_and_trains(tmp_path):
    mlp = MLPRegressor(hidden_layer_sizes=500, max_iter=2, random_state=0).fit(DIABETES, PROGRESS)
    joblib.dump(mlp, tmp_path / "model.joblib")
    twin = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert np.array_equal(twin.predict(DIABETES), mlp.predict(DIABETES))
    assert same(twin.partial_fit(DIABETES, PROGRESS), mlp.partial_fit(DIABETES, PROGRESS))


def test_coefs_may_be_written_to_and_replaced():
    mlp = classifier().fit(IRIS, SPECIES)
    before = mlp.predict_proba(IRIS)
    mlp.coefs_[1] *= 2.0
    mlp.intercepts_[1] *= 2.0
    twice = mlp.predict_proba(IRIS)
    assert np.allclose(twice, before**2 / (before**2).sum(axis=1, keepdims=True))
    mlp.coefs_[1], mlp.intercepts_ = mlp.coefs_[1] / 2.0, [b.copy() for b in mlp.intercepts_]
    mlp.intercepts_[1] = mlp.intercepts_[1] / 2.0
    assert np.allclose(mlp.predict_proba(IRIS), before)
    assert np.allclose(pickle.loads(pickle.dumps(mlp)).predict_proba(IRIS), before)
    earlier = mlp.coefs_
    mlp.fit(IRIS, SPECIES)
    assert not np.shares_memory(mlp.coefs_[0], earlier[0])


def test_the_representation_in_notebooks_names_what_was_set():
    html = classifier(dropout=0.1)._repr_html_()
    assert "MLPClassifier" in html
    assert "dropout" in html
    assert repr(MLPRegressor(l1=0.5)) == "MLPRegressor(l1=0.5)"


# ------------------------------------------------------------------ processes
def fit_and_count(seed):
    """Fit in a worker: its parameters, and how many threads it may use."""
    mlp = classifier(random_state=seed).fit(IRIS, SPECIES)
    return np.concatenate([W.ravel() for W in mlp.coefs_]), fastbp.config.threads


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_workers_find_the_numbers_of_one_process(backend):
    alone = [fit_and_count(seed) for seed in range(4)]
    with joblib.parallel_backend(backend, n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(fit_and_count)(seed) for seed in range(4))
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(alone, found, strict=True))
    if backend == "loky":
        assert {threads for _, threads in found} == {max(1, joblib.cpu_count() // 2)}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search_in_two_workers_has_the_scores_of_one(backend):
    grid = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(5,), (8, 4)]}
    alone = GridSearchCV(classifier(max_iter=10), grid, cv=3).fit(IRIS, NAMES)
    with joblib.parallel_backend(backend):
        together = GridSearchCV(classifier(max_iter=10), grid, cv=3, n_jobs=2).fit(IRIS, NAMES)
    for name in alone.cv_results_:
        if name.startswith("split"):
            assert np.array_equal(together.cv_results_[name], alone.cv_results_[name])
    assert together.best_params_ == alone.best_params_
    assert same(together.best_estimator_, alone.best_estimator_)


# ------------------------------------------------------------------ searches, curves, inspection
def test_halving_search():
    search = HalvingGridSearchCV(classifier(), {"alpha": [1e-4, 1e3]}, resource="max_iter", max_resources=40,
                                 min_resources=10, cv=2, random_state=0).fit(IRIS, NAMES)  # fmt: skip
    assert search.best_params_["alpha"] == 1e-4


def test_cross_validation():
    assert cross_val_score(classifier(), IRIS, NAMES, cv=3).mean() > 0.9
    assert (cross_val_predict(classifier(), IRIS, NAMES, cv=3) == NAMES).mean() > 0.9
    assert cross_val_predict(classifier(), IRIS, NAMES, cv=3, method="predict_proba").shape == (150, 3)
    sizes, _, scores = learning_curve(classifier(), IRIS, NAMES, train_sizes=[30, 60], cv=3, shuffle=True,
                                      random_state=0)  # fmt: skip
    assert scores.shape == (len(sizes), 3)
    learning_curve(classifier(), IRIS, NAMES, train_sizes=[30, 60], cv=3, shuffle=True, random_state=0,
                   exploit_incremental_learning=True)  # fmt: skip


def test_inspection():
    mlp = classifier().fit(IRIS, NAMES)
    importance = permutation_importance(mlp, IRIS, NAMES, n_repeats=3, random_state=0).importances_mean
    assert importance[2:].min() > importance[:2].max()
    assert partial_dependence(regressor().fit(DIABETES, PROGRESS), DIABETES, [2])["average"].shape[0] == 1
    assert SequentialFeatureSelector(classifier(max_iter=5), n_features_to_select=2, cv=2).fit(IRIS, NAMES)
    assert RFE(classifier(), n_features_to_select=2,
               importance_getter=lambda mlp: np.abs(mlp.coefs_[0]).sum(axis=1)).fit(IRIS, NAMES)  # fmt: skip


# ------------------------------------------------------------------ around one estimator
@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method):
    calibrated = CalibratedClassifierCV(classifier(), method=method, cv=3).fit(IRIS, NAMES)
    assert calibrated.score(IRIS, NAMES) > 0.9
    assert np.allclose(calibrated.predict_proba(IRIS).sum(axis=1), 1.0)


def test_ensembles():
    bagging = BaggingClassifier(classifier(), n_estimators=3, random_state=0).fit(IRIS, NAMES)
    voting = VotingClassifier([("a", classifier()), ("b", classifier(random_state=1))], voting="soft").fit(IRIS, NAMES)
    stacking = StackingClassifier([("a", classifier())], classifier(), cv=2).fit(IRIS, NAMES)
    assert min(model.score(IRIS, NAMES) for model in (bagging, voting, stacking)) > 0.9
    both = VotingRegressor([("a", regressor()), ("b", regressor(random_state=1))]).fit(DIABETES, PROGRESS)
    parts = [model.predict(DIABETES) for model in both.estimators_]
    assert np.allclose(both.predict(DIABETES), np.mean(parts, axis=0))


def test_several_outputs():
    Y = np.column_stack([PROGRESS, PROGRESS**2])
    several = MultiOutputRegressor(regressor()).fit(DIABETES, Y)
    assert np.array_equal(several.predict(DIABETES)[:, 1], regressor().fit(DIABETES, Y[:, 1]).predict(DIABETES))
    assert RegressorChain(regressor(), order=[0, 1]).fit(DIABETES, Y).predict(DIABETES).shape == (442, 2)
    two = MultiOutputClassifier(classifier()).fit(IRIS, np.column_stack([SPECIES, SPECIES > 0]))
    assert two.predict(IRIS).shape == (150, 2)
    assert OneVsRestClassifier(classifier()).fit(IRIS, NAMES).score(IRIS, NAMES) > 0.9


def test_transformed_targets():
    y = np.exp(PROGRESS)
    model = TransformedTargetRegressor(regressor(), func=np.log, inverse_func=np.exp).fit(DIABETES, y)
    assert np.allclose(model.predict(DIABETES), np.exp(regressor().fit(DIABETES, np.log(y)).predict(DIABETES)))


# ------------------------------------------------------------------ metadata
def test_weights_and_validation_data_are_routed():
    weight = np.linspace(0.5, 2.0, 150)
    with ROUTED:
        mlp = classifier().set_fit_request(sample_weight=True, validation_data=True)
        mlp.set_score_request(sample_weight=True)
        pipe = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), mlp)
        pipe.fit(IRIS, NAMES, sample_weight=weight, validation_data=(IRIS, NAMES))
        scores = cross_validate(mlp, IRIS, NAMES, params={"sample_weight": weight}, cv=3)
    assert len(pipe[-1].validation_loss_curve_) == 60
    assert len(scores["test_score"]) == 3


# ------------------------------------------------------------------ tables
def tables():
    pandas, polars, pyarrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    names = ["sepal length", "sepal width", "petal length", "petal width"]
    frame = pandas.DataFrame(IRIS, columns=names)
    return {
        "pandas": (frame, pandas.Series(NAMES)),
        "polars": (polars.from_pandas(frame), polars.Series(NAMES.tolist())),
        "pyarrow": (pyarrow.Table.from_pandas(frame), NAMES),
    }


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_tables_have_their_names_checked(kind):
    X, y = tables()[kind]
    mlp, plain = classifier().fit(X, y), classifier().fit(IRIS, NAMES)
    assert same(mlp, plain)
    assert np.array_equal(mlp.predict(X), plain.predict(IRIS))
    if kind != "pyarrow" or hasattr(mlp, "feature_names_in_"):
        assert list(mlp.feature_names_in_) == ["sepal length", "sepal width", "petal length", "petal width"]
        with pytest.warns(UserWarning, match="X does not have valid feature names"):
            mlp.predict(IRIS)
    mlp.partial_fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(early_stopping=True, max_iter=2000, tol=0.1).fit(X, y)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_pipelines_of_tables(container):
    X, y = tables()[container]
    scaled = [("scaled", StandardScaler(), ["sepal length", "petal length"])]
    columns = ColumnTransformer(scaled, remainder="passthrough", verbose_feature_names_out=False)
    pipe = make_pipeline(columns, classifier()).set_output(transform=container).fit(X, y)
    assert list(pipe[-1].feature_names_in_)[:2] == ["sepal length", "petal length"]
    assert pipe.score(X, y) > 0.9


def test_a_pipeline_of_sparse_columns():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"colour": ["red", "green", "blue"] * 50})
    pipe = make_pipeline(OneHotEncoder(), classifier()).fit(X, ["a", "b", "c"] * 50)
    assert pipe.score(X, ["a", "b", "c"] * 50) == 1.0


@pytest.mark.parametrize("y", [
    SPECIES.astype(np.int8), SPECIES + 0.0, SPECIES > 1, SPECIES.tolist(), NAMES, NAMES.astype(str), NAMES.tolist(),
    SPECIES - 7,
], ids=lambda y: f"{np.asarray(y).dtype} {type(y).__name__}")  # fmt: skip
def test_labels_of_any_type_come_back(y):
    mlp = classifier().fit(IRIS, y)
    assert np.array_equal(mlp.classes_, np.unique(y))
    assert mlp.predict(IRIS).dtype == mlp.classes_.dtype
    assert mlp.score(IRIS, y) > 0.9
