"""What the estimators share: parameters, validation of samples, and calls of the network and its trainer."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastbp.canonical import float_type
from fastbp.checks import shown
from fastbp.estimators.dense import Blocks, is_sparse
from fastbp.estimators.labelled import Labelled, check_weights
from fastbp.estimators.undo import undone_by_errors

if TYPE_CHECKING:
    from fastbp.history import History
    from fastbp.network import Network
    from fastbp.trainer import Trainer

# The names of fastbp's tables, which are not imported before they are needed: Numba comes with them.
ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus",
               "softsign", "hard_sigmoid", "mish", "exp")  # fmt: skip
OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adam", "adamw", "adamax", "lion")


def _at_least(low: float, kind: type = Real, closed: str = "left") -> Interval:
    return Interval(kind, low, None, closed=closed)


def store(mlp: BaseMLP, arguments: dict[str, Any]) -> None:
    """Store the arguments of a constructor as attributes, unchanged."""
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(mlp, name, value)


class BaseMLP(BaseEstimator):
    """Base class of `fastbp.estimators.MLPClassifier` and `fastbp.estimators.MLPRegressor`."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", _at_least(1, Integral)],
        "activation": [StrOptions({"logistic", *ACTIVATIONS}), HasMethods("function"), list, tuple],
        "solver": [StrOptions({"lbfgs", *OPTIMIZERS}), HasMethods(["formula", "hyper"])],
        "alpha": [_at_least(0)],
        "batch_size": [StrOptions({"auto"}), _at_least(1, Integral)],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), callable],
        "learning_rate_init": [_at_least(0, closed="neither")],
        "power_t": [_at_least(0)],
        "max_iter": [_at_least(1, Integral)],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [_at_least(0)],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [_at_least(0, closed="neither")],
        "n_iter_no_change": [_at_least(1, Integral), Options(Real, {np.inf})],
        "max_fun": [_at_least(1, Integral)],
        "l1": [_at_least(0)],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "scoring": [None, str, callable],
        "callbacks": [None, list, tuple],
        "progress": ["boolean", None],
        "n_jobs": [None, Integral],
        "dtype": [None, str, type, np.dtype],
        "sklearn_compat": ["boolean"],
    }

    # Parameters, which the constructors set, and what a fit leaves.
    hidden_layer_sizes: Any
    activation: Any
    solver: Any
    loss: Any
    alpha: float
    batch_size: int | str
    max_iter: int
    shuffle: bool
    random_state: Any
    warm_start: bool
    early_stopping: bool
    validation_fraction: float
    l1: float
    dropout: float
    scoring: Any
    callbacks: Sequence[Any] | None
    dtype: Any
    coefs_: list[Any]
    intercepts_: list[Any]
    loss_curve_: list[float]
    validation_loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    history_: History

    # The network of the last fit, the arrays of it that `coefs_` and `intercepts_` are, and its trainer.
    _network: Network | None = None
    _views: tuple[Any, ...] = ()
    # What it was made from: `activation` and `loss`, which may be set between two fits.
    _made_from: tuple[Any, Any] | None = None
    _trainer: Trainer | None = None
    _random_state: np.random.RandomState
    _best_parameters: Any
    _no_improvement_count: int

    # ------------------------------------------------------------------ what the two classes differ in
    # What else scikit-learn is told of y.
    _y_rules: ClassVar[dict[str, Any]] = {}

    def _learn_classes(self, y: Any, incremental: bool, classes: Any) -> None:
        """Take note of the labels of y, or of all that are given, or compare them with those of the last fit."""

    def _check_classes(self, y: Any) -> None:
        """Raise ValueError if y has other labels than those of the fit."""

    @abstractmethod
    def _targets_of(self, y: Any) -> Any:
        """Return y as the network takes it."""

    @abstractmethod
    def _output_of(self, train: Labelled) -> tuple[int, str]:
        """Return the number of outputs and the name of their activation."""

    @abstractmethod
    def _score_outputs(self, a: Any, targets: Any, weight: Any) -> float:
        """Return the score of outputs of the network."""

    @property
    def _terms_of_loss(self) -> int:
        """Over how many outputs the reported loss is a mean."""
        return 1

    # ------------------------------------------------------------------ fits
    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        """Return X and y as scikit-learn checks them, X in the dtype of the network to come."""
        kinds = (np.float64, np.float32) if self.dtype is None else float_type(self.dtype)
        rules = {"accept_sparse": ["csr", "csc"], "multi_output": True, "dtype": kinds, **self._y_rules}
        X, y = validate_data(self, X, y, reset=reset, **rules)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _held_out(self, validation_data: Any) -> Labelled:
        """Return validation data in checked form."""
        from fastbp.base.sources import parts_of

        X, y, weight = parts_of(validation_data, "validation_data")
        X, y = self._checked(X, y, reset=False)
        self._check_classes(y)
        return Labelled(X, self._targets_of(y), y, self._weights(weight, X))

    def _weights(self, weight: Any, X: Any) -> Any:
        """Return weights of samples as scikit-learn checks them; None stays None."""
        if weight is not None:
            weight = _check_sample_weight(weight, X)
            check_weights("sample_weight", weight)
        return weight

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, validation_data: Any, *, incremental: bool, classes: Any = None
    ) -> Self:
        with undone_by_errors(self):
            hidden = self._hidden_layers()
            begins = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
            X, y = self._checked(X, y, begins)
            self._learn_classes(y, incremental, classes)
            train = Labelled(X, self._targets_of(y), y, self._weights(sample_weight, X))
            self.n_outputs_, output = self._output_of(train)
            self._random_state = check_random_state(self.random_state)
            if begins:
                self._begin([train.X.shape[1], *hidden, self.n_outputs_], output, train.X.dtype)
            network = self._current_network(trains=True)
            if self.solver == "lbfgs":
                self._refuse_with_lbfgs(validation_data)
                from fastbp.estimators.lbfgs import fit_lbfgs

                fit_lbfgs(self, network, self._weighed(train))
            else:
                self._fit_minibatches(network, train, validation_data, incremental)
            if not np.isfinite(network.parameters).all():
                raise ValueError(
                    "Solver produced non-finite parameter weights. The input data may contain large values and need to "
                    "be preprocessed."
                )
        return self

    def _fit_minibatches(self, network: Network, train: Labelled, validation_data: Any, incremental: bool) -> None:
        from fastbp.estimators.fitting import fit_minibatches

        if self.early_stopping and incremental and validation_data is None:
            raise ValueError("partial_fit does not support early_stopping=True without validation_data")
        if not hasattr(self, "loss_curve_"):  # the fit before was by L-BFGS
            self._begin_curves()
        validation, weighed = None, self._weighed(train)
        if validation_data is not None:
            validation = self._held_out(validation_data)
        elif self.early_stopping:
            weighed, validation = self._split(train, weighed)
        if self.early_stopping and self.validation_scores_ is None:
            self._begin_scores()
        elif not self.early_stopping and self.best_loss_ is None:
            self.best_loss_ = np.inf
        fit_minibatches(self, network, weighed, validation, incremental)
        if self.early_stopping and (self.stopped_ or not incremental):
            network.parameters[:] = self._best_parameters

    def _hidden_layers(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if np.iterable(sizes) else [sizes]
        if not all(isinstance(size, Integral) for size in sizes):
            raise TypeError(f"hidden_layer_sizes must be integers, got {shown(sizes)}.")
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {shown(sizes)}.")
        return [int(size) for size in sizes]

    def _begin(self, sizes: list[int], output: str, dtype: Any) -> None:
        """Draw the first parameters, and set the attributes of a start."""
        from fastbp.estimators.fitting import new_network

        self.n_iter_ = self.t_ = 0
        self.n_layers_, self.out_activation_ = len(sizes), output
        self._trainer = None
        self._bind(new_network(self, sizes, dtype))
        if self.solver != "lbfgs":
            self._begin_curves()

    def _begin_curves(self) -> None:
        """Set the attributes of training by minibatches."""
        self.loss_curve_, self.validation_loss_curve_, self._no_improvement_count = [], [], 0
        self.best_loss_, self.validation_scores_, self.best_validation_score_ = np.inf, None, None
        if self.early_stopping:
            self._begin_scores()

    def _begin_scores(self) -> None:
        """Set the attributes of early stopping, in the place of those of the loss."""
        self.best_loss_, self.validation_scores_, self.best_validation_score_ = None, [], -np.inf
        self._best_parameters = self._current_network().parameters.copy()

    def _weighed(self, train: Labelled) -> Labelled:
        """Return samples to train on with all weights that the parameters ask for."""
        return train

    def _split(self, train: Labelled, weighed: Labelled) -> tuple[Labelled, Labelled]:
        """Return what remains to be trained on, and validation data as scikit-learn draws it."""
        from sklearn.model_selection import train_test_split

        stratify = None
        if is_classifier(self) and self.n_outputs_ == 1:
            stratify = train.targets[:, np.newaxis].astype(bool)
        rows, held_out = train_test_split(
            np.arange(train.X.shape[0]),
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=stratify,
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        validation = train.rows(held_out)
        if validation.weight is not None and not validation.weight.any():
            raise ValueError("sample_weight is 0 for all samples that early_stopping holds out; pass validation_data")
        return weighed.rows(rows), validation

    def _batch_size(self, n_samples: int) -> int:
        if self.batch_size == "auto":
            return min(200, n_samples)
        if self.batch_size > n_samples:  # type: ignore[operator]
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=2
            )
        return int(np.clip(self.batch_size, 1, n_samples))

    def _refuse_with_lbfgs(self, validation_data: Any) -> None:
        """Raise ValueError where L-BFGS cannot do what was asked for."""
        asked = {"validation_data": validation_data is not None, "callbacks": self.callbacks, "dropout": self.dropout,
                 "l1": self.l1}  # fmt: skip
        names = [name for name, value in asked.items() if value]
        if names:
            raise ValueError(f"solver='lbfgs' takes no {', '.join(names)}; choose another solver")

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    # ------------------------------------------------------------------ the network
    def _functions(self) -> tuple[Any, Any]:
        activation = self.activation
        return tuple(activation) if isinstance(activation, list) else activation, self.loss

    def _bind(self, network: Network) -> None:
        """Let `coefs_` and `intercepts_` be views of a network's parameters."""
        self._network, self._made_from = network, self._functions()
        self.coefs_, self.intercepts_ = [W.T for W in network.weights], list(network.biases)
        self._views = (*self.coefs_, *self.intercepts_)

    def _current_network(self, *, trains: bool = False) -> Network:
        """Return the network, with those arrays that somebody has put in the place of its own.

        Another `loss` counts where it trains; predictions do not depend on it.
        """
        given: list[Any] = [self.coefs_, self.intercepts_]  # whatever somebody has put there
        if not all(isinstance(arrays, Sequence) for arrays in given):
            kinds = " and ".join(type(arrays).__name__ for arrays in given)
            raise TypeError(f"coefs_ and intercepts_ are of type {kinds}, expected lists of arrays")
        arrays = (*self.coefs_, *self.intercepts_)
        if self._network is None:
            from fastbp.estimators.fitting import network_of

            sizes = [*(len(W) for W in self.coefs_), len(self.intercepts_[-1])]
            self._bind(network_of(self, sizes, np.asarray(self.coefs_[0]).dtype))
        if len(arrays) != len(self._views) or any(a is not view for a, view in zip(arrays, self._views, strict=True)):
            found, expected = ([np.shape(array) for array in group] for group in (arrays, self._views))
            if found != expected:
                raise ValueError(f"coefs_ and intercepts_ have the shapes {found}, expected {expected}")
            for array, view in zip(arrays, self._views, strict=True):
                view[...] = array
            self._bind(self._network)  # type: ignore[arg-type]
        made_from, functions = self._made_from, self._functions()
        if made_from != functions and (trains or made_from is None or made_from[0] != functions[0]):
            from fastbp.estimators.fitting import renew

            renew(self)
        network: Network = self._network  # type: ignore[assignment]
        if self.n_jobs is not None or network._limit is not None:
            from fastbp.estimators.fitting import threads_of

            network._limit = threads_of(self.n_jobs)
        return network

    def _outputs(self, X: Any) -> Any:
        """Return the outputs of the network for samples as a method got them."""
        if not hasattr(self, "coefs_"):
            check_is_fitted(self, "coefs_")
        network = self._current_network()
        if type(X) is np.ndarray and X.dtype.char in "fd" and "feature_names_in_" not in vars(self):
            try:
                return network.forward(X)
            except ValueError:
                pass  # scikit-learn finds the same fault and says it in its own words
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return np.concatenate([network.forward(part) for (part,) in Blocks(X)]) if is_sparse(X) else network.forward(X)

    def __getstate__(self) -> dict[str, Any]:
        if "coefs_" in vars(self):
            self._current_network()
        state = dict(super().__getstate__())
        # they are the parameters of the network
        return {name: value for name, value in state.items() if name not in ("coefs_", "intercepts_", "_views")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        if self._network is not None:
            if self._trainer is not None:
                self._network = self._trainer.network
            self._bind(self._network)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
