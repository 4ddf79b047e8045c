"""The classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from fastbp.estimators.base import BaseMLP, store
from fastbp.estimators.labelled import Labelled, check_classes, check_form, weighed_by_class


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multi-layer perceptron classifier with the interface of ``sklearn.neural_network.MLPClassifier``.

    It minimises the cross-entropy of softmax, or of a logistic function for two classes and for several labels.

    Parameters
    ----------
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
    class_weight : dict, 'balanced', list of dict or None
        Weights of the classes, which multiply those of the samples. 'balanced' gives all classes the same sum. A list
        has the weights of each label where a sample has several.
    l1 : float
        Penalty l1 Σ |w_ij|, divided as `alpha` is.
    dropout : float
        Probability that a hidden neuron is dropped for one sample of one update.
    scoring : str, callable or None
        Score for `early_stopping`: 'loss', or what scikit-learn's scorers are. None is the accuracy.
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
    classes_ : ndarray (n_classes,)
        Labels of the classes.
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
    MLPRegressor : The same for real targets.
    fastbp.Network, fastbp.Trainer : What does the work.

    Notes
    -----
    Parameters drawn, order of the samples, minibatches, validation set, penalties, optimizers and rules of stopping are
    scikit-learn's, so the same `random_state` gives the same numbers up to rounding.

    What differs: the result of 'lbfgs' has the dtype of X, where scikit-learn has float64. Predictions have the dtype
    of the parameters. `loss_` is exact where scikit-learn takes a probability of 1e-16 for a smaller one, and so is
    what 'lbfgs' minimises, unless `sklearn_compat` is True.

    Examples
    --------
    >>> from fastbp.estimators import MLPClassifier
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(n_samples=100, random_state=1)
    >>> MLPClassifier(random_state=1, max_iter=300).fit(X, y).score(X, y)
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }
    loss = "log_loss"
    class_weight: Any

    def __init__(  # noqa: PLR0913 - hyper-parameters, each named where it is given
        self,
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
        class_weight: Any = None,
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
        y : array_like (n_samples,) or (n_samples, n_labels)
            Labels of any type, or an indicator matrix of several labels.
        sample_weight : array_like (n_samples,), optional
            Weights of the samples, 0 or more.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Samples to measure after each epoch, and for `early_stopping` in the place of a share of X.

        Returns
        -------
        MLPClassifier
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            If a parameter or an argument is not as described, or training ended with parameters that are not finite.
            The estimator is as it was then.

        Examples
        --------
        >>> from fastbp.estimators import MLPClassifier
        >>> mlp = MLPClassifier(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
        >>> mlp.classes_
        array(['no', 'yes'], dtype='<U3')
        """
        return self._fit(X, y, sample_weight, validation_data, incremental=False)

    @available_if(lambda mlp: mlp._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None, *, validation_data: Any = None
    ) -> Self:
        """Train for one epoch of the given samples.

        Parameters
        ----------
        X : array_like or sparse matrix (n_samples, n_features)
            Inputs.
        y : array_like (n_samples,) or (n_samples, n_labels)
            Labels.
        sample_weight : array_like (n_samples,), optional
            Weights of the samples, 0 or more.
        classes : array_like (n_classes,), optional
            All labels, for the first call.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Samples to measure, which `early_stopping` needs here. `stopped_` is True after the last useful call, and
            the parameters are the best ones then.

        Returns
        -------
        MLPClassifier
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            As in `fit`.

        Examples
        --------
        >>> from fastbp.estimators import MLPClassifier
        >>> mlp = MLPClassifier(random_state=0)
        >>> for x, y in (([[0.0]], ["no"]), ([[1.0]], ["yes"])):
        ...     mlp = mlp.partial_fit(x, y, classes=["no", "yes"])
        >>> mlp.t_
        2
        """
        return self._fit(X, y, sample_weight, validation_data, incremental=True, classes=classes)

    def predict(self, X: Any) -> Any:
        """Predict labels.

        Parameters
        ----------
        X : array_like or sparse matrix (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray (n_samples,) or (n_samples, n_labels)
            Labels.

        Examples
        --------
        >>> from fastbp.estimators import MLPClassifier
        >>> mlp = MLPClassifier(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
        >>> mlp.predict([[0.1], [0.9]])
        array(['no', 'yes'], dtype='<U3')
        """
        a = self._outputs(X)
        if self.out_activation_ == "softmax":
            return self.classes_.take(a.argmax(axis=1))
        if self.n_outputs_ == 1 and len(self.classes_) == 2:
            return self.classes_.take(a[:, 0] > 0.5)
        return self._label_binarizer.inverse_transform(a.ravel() if self.n_outputs_ == 1 else a)

    def predict_proba(self, X: Any) -> Any:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array_like or sparse matrix (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray (n_samples, n_classes)
            Probabilities in the order of `classes_`.

        Examples
        --------
        >>> from fastbp.estimators import MLPClassifier
        >>> mlp = MLPClassifier(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
        >>> mlp.predict_proba([[0.1], [0.9]]).argmax(axis=1)
        array([0, 1])
        """
        a = self._outputs(X)
        return np.hstack([1 - a, a]) if self.n_outputs_ == 1 else a

    def predict_log_proba(self, X: Any) -> Any:
        """Predict the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array_like or sparse matrix (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray (n_samples, n_classes)
            Logarithms in the order of `classes_`.

        Examples
        --------
        >>> from fastbp.estimators import MLPClassifier
        >>> mlp = MLPClassifier(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
        >>> mlp.predict_log_proba([[0.1], [0.9]]).argmax(axis=1)
        array([0, 1])
        """
        probabilities = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)

    # ------------------------------------------------------------------ labels
    def _learn_classes(self, y: Any, incremental: bool, classes: Any) -> None:
        if incremental and _check_partial_fit_first_call(self, classes):
            labels = y if type_of_target(y).startswith("multilabel") else classes
            self._label_binarizer = LabelBinarizer().fit(labels)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            check_classes(unique_labels(y), self.classes_, all_of_them=self.warm_start)

    def _check_classes(self, y: Any) -> None:
        check_classes(unique_labels(y), self.classes_)

    def _targets_of(self, y: Any) -> Any:
        """Return the places of labels in `classes_`, or an indicator matrix as floats."""
        multilabel = self._label_binarizer.y_type_.startswith("multilabel")
        check_form(y, len(self.classes_) if multilabel else None)
        if multilabel:
            return self._label_binarizer.transform(y).astype(np.float32)
        return np.searchsorted(self.classes_, y)

    def _weighed(self, train: Labelled) -> Labelled:
        return train if self.class_weight is None else weighed_by_class(train, self.class_weight, self.classes_)

    def _output_of(self, train: Labelled) -> tuple[int, str]:
        if self._label_binarizer.y_type_ == "multiclass":
            return len(self.classes_), "softmax"
        return 1 if train.targets.ndim == 1 else train.targets.shape[1], "logistic"

    def _score_outputs(self, a: Any, targets: Any, weight: Any) -> float:
        if self.out_activation_ == "softmax":
            correct = a.argmax(axis=1) == targets
        else:  # of one label there is nothing else to predict
            correct = ((a > 0.5) == targets.reshape(a.shape)).all(axis=1) | (len(self.classes_) == 1)
        return float(np.average(correct, weights=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
