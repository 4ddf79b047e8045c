"""The regressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metaestimators import available_if

from fastbp.estimators.base import BaseMLP, store
from fastbp.estimators.labelled import Labelled


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multi-layer perceptron regressor with the interface of ``sklearn.neural_network.MLPRegressor``.

    Parameters
    ----------
    loss : str or Loss
        'squared_error', ½ (a − y)²; 'poisson', half the deviance of counts y >= 0 with the outputs a = exp(z);
        'absolute_error', |a − y|; 'huber', the square within 1 of y and linear beyond; or a `fastbp.Loss`.
    hidden_layer_sizes : array_like of int (n_layers - 2,), or int
        Numbers of neurons of the hidden layers.
    activation : str, Activation, or list of them
        Activation of the hidden layers, or one for each: 'identity', 'logistic', 'tanh', 'relu', any name of
        `fastbp.activations` or a `fastbp.Activation`.
    solver : str or Optimizer
        'lbfgs', 'sgd', 'adam', another name of `fastbp.optimizers`, or an optimizer, which has its own learning rate.
    alpha : float
        Penalty alpha/2 Σ w_ij², which is divided by the weight of a minibatch.
    batch_size : int or 'auto'
        Samples of a minibatch. 'auto' is min(200, n_samples).
    learning_rate : {'constant', 'invscaling', 'adaptive'} or callable
        Learning rate of 'sgd': constant, ``learning_rate_init / (t_ + 1) ** power_t`` after each epoch, or a fifth
        after each plateau. A schedule of `fastbp.schedules` is for every solver but 'lbfgs', with its own first rate.
    learning_rate_init : float
        First learning rate.
    power_t : float
        Exponent of 'invscaling'.
    max_iter : int
        Largest number of epochs, of iterations of 'lbfgs'.
    shuffle : bool
        Whether each epoch takes the samples in a new order.
    random_state : int, RandomState or None
        What draws the first parameters, the order of the samples and the validation set.
    tol : float
        An improvement of the loss or the score must be larger than this to count.
    verbose : bool or int
        Whether to print the loss of each epoch.
    warm_start : bool
        Whether `fit` begins with the parameters of the last fit.
    momentum : float
        Momentum of 'sgd', in [0, 1].
    nesterovs_momentum : bool
        Whether 'sgd' takes Nesterov's form.
    early_stopping : bool
        Whether the score on validation data ends training, with the best parameters.
    validation_fraction : float
        Share of the samples that are held out for `early_stopping`.
    beta_1, beta_2 : float
        Shares of the old means of 'adam', in [0, 1).
    epsilon : float
        Number that 'adam' adds to the root of the mean square.
    n_iter_no_change : int or inf
        Epochs without an improvement after which training continues. It ends after the next such epoch.
    max_fun : int
        Largest number of evaluations of 'lbfgs'.
    l1 : float
        Penalty l1 Σ |w_ij|, divided as `alpha` is.
    dropout : float
        Probability that a hidden neuron is dropped for one sample of one update.
    scoring : str, callable or None
        Score for `early_stopping`: 'loss', or what scikit-learn's scorers are. None is R².
    callbacks : list or None
        Callbacks of a fit, such as those of `fastbp.callbacks`. A `ModelCheckpoint` writes a `fastbp.Trainer`.
    progress : bool or None
        Whether to show a progress bar. None shows it on a terminal.
    n_jobs : int or None
        Upper limit of the threads of training and prediction. By default the faster number is found by timing.
    dtype : dtype or None
        Type of parameters and arithmetic. By default it is that of X if that is float32, else float64.
    sklearn_compat : bool
        Whether 'lbfgs' minimises the value that scikit-learn computes; see the notes.

    Attributes
    ----------
    coefs_ : list of ndarray
        Weights (n_in, n_out) of each layer. They may be written to, or replaced.
    intercepts_ : list of ndarray
        Biases (n_out,) of each layer.
    loss_ : float
        Loss of the last epoch with the penalties: of each sample before the update of its minibatch.
    best_loss_ : float or None
        Lowest loss. It is None with `early_stopping`.
    loss_curve_ : list of float
        Loss of each epoch.
    validation_loss_curve_ : list of float
        Loss of the validation data after each epoch, without penalties.
    validation_scores_ : list of float or None
        Score of the validation data after each epoch with `early_stopping`.
    best_validation_score_ : float or None
        Highest score.
    n_iter_ : int
        Epochs of the last fit, or iterations.
    stopped_ : bool
        Whether the last fit ended because the loss or the score no longer improved.
    t_ : int
        Samples that have been trained on.
    n_layers_ : int
        Number of layers, the inputs among them.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Name of the activation of the outputs.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, if X had some.
    history_ : History
        What the trainer measured in the last fit.

    See Also
    --------
    MLPClassifier : The same for classes.
    fastbp.Network, fastbp.Trainer : What does the work.

    Notes
    -----
    Parameters drawn, order of the samples, minibatches, validation set, penalties, optimizers and rules of stopping are
    scikit-learn's, so the same `random_state` gives the same numbers up to rounding.

    What differs: the result of 'lbfgs' has the dtype of X, where scikit-learn has float64. Predictions have the dtype
    of the parameters.

    The losses of several outputs are summed in the gradient. `loss_` is their mean, but for 'poisson'. With 'lbfgs'
    scikit-learn minimises that mean by the gradient of the sum, so its line search fails early. Here 'lbfgs' minimises
    the sum, and scikit-learn's value if `sklearn_compat` is True.

    Examples
    --------
    >>> from fastbp.estimators import MLPRegressor
    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> mlp = MLPRegressor(random_state=1, max_iter=2000, tol=0.1).fit(X, y)
    >>> round(mlp.score(X, y), 1)
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson", "absolute_error", "huber"}), HasMethods("cost")],
    }

    _y_rules: ClassVar[dict[str, Any]] = {"y_numeric": True}

    def __init__(  # noqa: PLR0913 - hyper-parameters, each named where it is given
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        l1: float = 0.0,
        dropout: float = 0.0,
        scoring: Any = None,
        callbacks: Sequence[Any] | None = None,
        progress: bool | None = False,
        n_jobs: int | None = None,
        dtype: Any = None,
        sklearn_compat: bool = False,
    ) -> None:
        store(self, locals())

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array_like or sparse matrix (n_samples, n_features)
            Inputs.
        y : array_like (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array_like (n_samples,), optional
            Weights of the samples, 0 or more.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Samples to measure after each epoch, and for `early_stopping` in the place of a share of X.

        Returns
        -------
        MLPRegressor
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            If a parameter or an argument is not as described, or training ended with parameters that are not finite.
            The estimator is as it was then.

        Examples
        --------
        >>> from fastbp.estimators import MLPRegressor
        >>> mlp = MLPRegressor(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [3.0, 5.0])
        >>> mlp.n_outputs_
        1
        """
        return self._fit(X, y, sample_weight, validation_data, incremental=False)

    @available_if(lambda mlp: mlp._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Self:
        """Train for one epoch of the given samples.

        Parameters
        ----------
        X : array_like or sparse matrix (n_samples, n_features)
            Inputs.
        y : array_like (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array_like (n_samples,), optional
            Weights of the samples, 0 or more.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Samples to measure, which `early_stopping` needs here. `stopped_` is True after the last useful call, and
            the parameters are the best ones then.

        Returns
        -------
        MLPRegressor
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            As in `fit`.

        Examples
        --------
        >>> from fastbp.estimators import MLPRegressor
        >>> mlp = MLPRegressor(random_state=0)
        >>> for x, y in (([[0.0]], [3.0]), ([[1.0]], [5.0])):
        ...     mlp = mlp.partial_fit(x, y)
        >>> mlp.t_
        2
        """
        return self._fit(X, y, sample_weight, validation_data, incremental=True)

    def predict(self, X: Any) -> Any:
        """Predict targets.

        Parameters
        ----------
        X : array_like or sparse matrix (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray (n_samples,) or (n_samples, n_outputs)
            Predicted targets.

        Examples
        --------
        >>> from fastbp.estimators import MLPRegressor
        >>> mlp = MLPRegressor(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [3.0, 5.0])
        >>> mlp.predict([[0.0], [1.0]]).round(1)
        array([3., 5.])
        """
        a = self._outputs(X)
        return a.ravel() if a.shape[1] == 1 else a

    # ------------------------------------------------------------------ targets
    def _targets_of(self, y: Any) -> Any:
        if self.loss == "poisson" and y.dtype.kind in "iuf" and y.min() < 0:
            raise ValueError(f"loss='poisson' is for counts, y has the value {y.min()}")
        return y.reshape(len(y), -1)

    def _output_of(self, train: Labelled) -> tuple[int, str]:
        return train.targets.shape[1], "exp" if self.loss == "poisson" else "identity"

    @property
    def _terms_of_loss(self) -> int:
        return 1 if self.loss == "poisson" else int(self.n_outputs_)

    def _score_outputs(self, a: Any, targets: Any, weight: Any) -> float:
        return float(r2_score(targets, a, sample_weight=weight)) if np.isfinite(a).all() else np.nan
