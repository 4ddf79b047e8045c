"""scikit-learn's checks of estimators hold, and none of them is expected to fail."""

import warnings

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from fastbp.estimators import MLPClassifier, MLPRegressor

# Checks of what these estimators do not have, or of what is switched on by an environment variable.
SKIPPED = {"check_array_api_input", "check_classifiers_multilabel_output_format_decision_function"}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        MLPClassifier(max_iter=100),
        MLPRegressor(max_iter=100),
        MLPClassifier(activation=["gelu"], class_weight="balanced", max_iter=100),
        MLPRegressor(solver="lbfgs"),
    ]
)
def test_check_holds(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [MLPClassifier(), MLPRegressor()], ids=repr)
def test_check_estimator_passes_by_its_defaults(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_skip=None)
    assert {result["check_name"] for result in results if result["status"] != "passed"} <= SKIPPED
    assert not any(result["expected_to_fail"] for result in results)
