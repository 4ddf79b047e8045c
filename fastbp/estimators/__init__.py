"""Estimators of scikit-learn: `MLPClassifier` and `MLPRegressor` of `sklearn.neural_network`, trained by fastbp."""

try:
    import sklearn  # noqa: F401 - whether it is there
except ImportError as error:
    raise ImportError('fastbp.estimators needs scikit-learn: pip install "fastbp[sklearn]"') from error

from fastbp.estimators.classifier import MLPClassifier
from fastbp.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
