"""Networks on arrays that somebody else holds: weights and biases of NumPy code, trained where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastbp import canonical
from fastbp.activations import Activation
from fastbp.base.attached import Attached
from fastbp.base.held_arrays import chained, check_apart, check_biases, check_weights, vector
from fastbp.base.network import Canonical, Gradients
from fastbp.base.parameters import Views, layer_views
from fastbp.base.session import Session
from fastbp.canonical import FloatArray
from fastbp.checks import check_truth
from fastbp.losses import Loss
from fastbp.network import Network
from fastbp.regularization import Regularization

__all__ = ["BoundNetwork", "bind"]


class BoundNetwork(Network):
    """Network whose parameters are arrays of the caller, as `bind` makes it.

    Parameters
    ----------
    weights, biases : list of ndarray
        Arrays of layers 1..L, as `bind` takes them.
    activation, output, loss : str or object
        Functions, as `fastbp.Network` takes them.
    columns : bool
        Whether samples are columns.
    dtype : float32 or float64, optional
        Type of the arithmetic. The default is that of the arrays.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or shape. The message names it and what was expected.

    See Also
    --------
    bind : Makes such a network, with an example.

    Notes
    -----
    `weights` and `biases` are the caller's own arrays. `parameters` is a copy of all numbers in one flat array. What is
    written into it reaches the arrays at the next call of a method, and at the end of a fit.

    `copy` and pickles give a network of its own, which takes samples as rows.

    Examples
    --------
    >>> W, b = np.zeros((2, 1)), np.zeros(1)
    >>> net = BoundNetwork([W], [b], output="identity", loss="quadratic")
    >>> net.weights[0] is W
    True
    """

    def __init__(
        self,
        weights: Sequence[FloatArray],
        biases: Sequence[FloatArray | None] | None,
        activation: str | Activation | Sequence[str | Activation] = "relu",
        output: str | Activation = "softmax",
        loss: str | Loss = "cross_entropy",
        *,
        columns: bool = False,
        dtype: DTypeLike | None = None,
    ) -> None:
        held = check_biases(biases, check_weights(weights))
        self.columns, self._trains_biases = check_truth("columns", columns), held is not None
        self._held_weights: Views = tuple(weights)
        self._held_biases: tuple[Any, ...] = (None,) * len(weights) if held is None else held
        arrays = [*self._held_weights, *(held or ())]
        check_apart(arrays)
        # layers as the equations have them: W (n_l, n_{l-1}), views whose shape nobody else sets
        matrices = [W[:] if columns else W.T for W in self._held_weights]
        sizes = chained(matrices, self.columns)
        found = np.result_type(*arrays) if dtype is None else dtype
        super().__init__(sizes, activation, output, loss, found, init="zeros")
        # of what users get: the network always takes them for changed, and they are always current
        views = self._arrays.weights, self._arrays.biases
        self._pairs = list(zip(views[0], matrices, strict=True))
        for l, (view, b) in enumerate(zip(views[1], held or (), strict=False)):
            self._pairs.append((view, vector(b, len(view), l)))
        # a copy of the flat array since somebody else has it: rounded to its type they need not be what is held
        self._seen: FloatArray | None = None
        self._bits = np.dtype(f"i{self.dtype.itemsize}")
        self._gather()

    # ------------------------------------------------------------------ the caller's arrays and the flat one
    def _gather(self) -> None:
        flat = self._parameters
        for view, held in self._pairs:
            view[...] = held
        if self._seen is not None:
            self._seen[...] = flat

    def _scatter(self) -> None:
        flat = self._parameters
        if not self._trains_biases:
            for b in layer_views(flat, self.sizes)[1]:
                b[...] = 0.0
        for view, held in self._pairs:
            held[...] = view
        if self._seen is not None:
            self._seen[...] = flat

    def _settle(self) -> None:
        if self._seen is not None and (self._parameters.view(self._bits) != self._seen.view(self._bits)).any():
            self._scatter()
        else:
            self._gather()

    @property
    def parameters(self) -> FloatArray:
        """All numbers in one flat array, W1 row by row as (n_l, n_{l-1}), b1, W2, b2, ...: a copy of the arrays."""
        self._settle()
        if self._seen is None:
            self._seen = self._parameters.copy()
        return self._arrays.shown

    @property
    def weights(self) -> Views:
        """Weight arrays of layers 1..L, as they were bound."""
        self._settle()
        return self._held_weights

    @property
    def biases(self) -> tuple[Any, ...]:
        """Bias arrays of layers 1..L, as they were bound; None where there are none."""
        self._settle()
        return self._held_biases

    def _attach(self, session: Session) -> Session:
        return Attached(session, self)

    def _rules(self, rules: Regularization) -> Regularization:
        return rules if self._trains_biases else _FixedBiases(**vars(rules))

    # ------------------------------------------------------------------ samples as rows or columns
    def canonical(  # noqa: D102
        self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None, **how: Any
    ) -> Canonical:
        return super().canonical(*self._rows(X, Y), sample_weight, **how)

    def _rows(self, X: Any, Y: Any) -> tuple[Any, Any]:
        return (self._turned("X", X, 0), self._turned("Y", Y, -1)) if self.columns else (X, Y)

    def _turned(self, name: str, samples: Any, layer: int) -> Any:
        """Samples that are columns as rows, unless they are rows already."""
        shape, n = np.shape(samples), self.sizes[layer]
        if len(shape) == 2 and shape[0] != n == shape[1]:
            form = f"({n}, n_samples), as columns=True has it"
            raise ValueError(f"{name} has shape {shape}, expected {form}; `numpy.transpose({name})` turns rows")
        return np.transpose(samples)

    def forward(self, X: ArrayLike) -> FloatArray:
        """Compute the outputs a^L of each sample.

        Parameters
        ----------
        X : array_like (n_samples, n_0), or (n_0, n_samples) where samples are columns
            Inputs.

        Returns
        -------
        ndarray (n_samples, n_L), or (n_L, n_samples)
            Outputs in a new array of the network's dtype.

        Raises
        ------
        TypeError
            If `X` is no array of real numbers.
        ValueError
            If `X` has another shape or a value that is not finite. The message names the place.

        Examples
        --------
        >>> net = bind([np.ones((3, 2))], [np.zeros((3, 1))], output="identity", loss="quadratic", columns=True)
        >>> net.forward([[1.0], [2.0]]).shape
        (3, 1)
        """
        if not self.columns:
            return super().forward(X)
        return super().forward(self._turned("X", X, 0)).T

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict labels if the network classifies, else the outputs a^L.

        Parameters
        ----------
        X : array_like (n_samples, n_0), or (n_0, n_samples) where samples are columns
            Inputs.

        Returns
        -------
        ndarray of int (n_samples,) or of float as from `forward`
            Labels, or outputs.

        Raises
        ------
        TypeError
            If `X` is no array of real numbers.
        ValueError
            If `X` has another shape or a value that is not finite. The message names the place.

        Examples
        --------
        >>> net = bind([np.eye(2)], [np.zeros((2, 1))], columns=True)
        >>> net.predict([[1.0], [2.0]])
        array([1])
        """
        a = self.forward(X)
        return self.decide(a.T if self.columns else a) if self.classifies else a

    def backprop(self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None) -> Gradients:
        """Compute the gradient of the mean cost C, in the shapes of the bound arrays.

        Parameters
        ----------
        X, Y : array_like
            Inputs, and targets or labels, with samples as rows or columns, as they were bound.
        sample_weight : array_like (n_samples,), optional
            Weights v_s >= 0. The default is 1.

        Returns
        -------
        Gradients
            Derivatives in new arrays. `flat` is in the order of `parameters`, which has biases of 0 for those that are
            not there.

        Raises
        ------
        TypeError
            If an argument is no array of real numbers.
        ValueError
            If an argument has another shape, or a value that is not finite or out of range.

        Examples
        --------
        >>> net = bind([np.zeros((3, 2))], [np.zeros((1, 2))])
        >>> gradients = net.backprop([[1.0, 2.0, 3.0]], [1])
        >>> gradients.weights[0].shape, gradients.biases[0].shape
        ((3, 2), (1, 2))
        """
        _, flat = self._backprop(*self.canonical(X, Y, sample_weight))
        weights, biases = layer_views(flat, self.sizes)
        shaped = [W if self.columns else W.T for W in weights]
        held = zip(biases, self._held_biases, strict=True)
        return Gradients(shaped, [db.reshape(b.shape) for db, b in held if b is not None], flat)

    # ------------------------------------------------------------------ arithmetic
    def _forward(self, X: FloatArray) -> FloatArray:
        self._settle()
        return super()._forward(X)

    def _evaluate(self, X: FloatArray, Y: Any, weight: FloatArray | None) -> tuple[float, int]:
        self._settle()
        return super()._evaluate(X, Y, weight)

    def _backprop(self, X: FloatArray, Y: Any, weight: FloatArray | None) -> tuple[float, FloatArray]:
        self._settle()
        return super()._backprop(X, Y, weight)

    # ------------------------------------------------------------------ a network of its own
    def copy(self, dtype: DTypeLike | None = None) -> Network:  # type: ignore[override]
        """Return a network with the same numbers that shares no array with anything and takes samples as rows.

        Parameters
        ----------
        dtype : float32 or float64, optional
            Type of the copy's parameters and arithmetic. The default is that of the network.

        Returns
        -------
        Network
            New network.

        Raises
        ------
        ValueError
            If `dtype` is neither float32 nor float64.

        Examples
        --------
        >>> type(bind([np.zeros((3, 2))], [np.zeros(2)]).copy()).__name__
        'Network'
        """
        *hidden, output = self.activations
        dtype = self.dtype if dtype is None else canonical.float_type(dtype)
        twin = Network(self.sizes, hidden, output, self.loss_function, dtype, init="zeros")
        twin.parameters[...] = self.parameters
        return twin

    def save(self, path: Any) -> None:  # noqa: D102
        self.copy().save(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return _same, (self.copy(),)


def bind(
    weights: Sequence[FloatArray],
    biases: Sequence[FloatArray | None] | None = None,
    activation: str | Activation | Sequence[str | Activation] = "relu",
    output: str | Activation = "softmax",
    loss: str | Loss = "cross_entropy",
    *,
    columns: bool = False,
    dtype: DTypeLike | None = None,
) -> BoundNetwork:
    """Return a network whose parameters are the caller's arrays.

    Training changes the arrays in place. What the caller writes into them counts at the next call.

    Parameters
    ----------
    weights : sequence of ndarray
        Matrices W of layers 1..L, float32 or float64, of any strides. They are (n_{l-1}, n_l) where samples are rows,
        z = a W + b, and (n_l, n_{l-1}) where they are columns, z = W a + b.
    biases : sequence of ndarray, optional
        Biases (n_l,), (1, n_l) or (n_l, 1) of each layer. None means that no layer has any.
    activation : str, Activation or sequence of them
        Activation of all hidden layers, or one for each (see `fastbp.activations`).
    output : str or Activation
        Activation of the output layer.
    loss : str or Loss
        Cost of one sample, summed over the outputs (see `fastbp.losses`).
    columns : bool
        Whether samples are columns, in X, in Y and in what `forward` returns.
    dtype : float32 or float64, optional
        Type of the arithmetic. The default is that to which NumPy promotes the arrays.

    Returns
    -------
    BoundNetwork
        Network that `fastbp.Trainer` and other functions take.

    Raises
    ------
    TypeError
        If an array is no ndarray of float32 or float64.
    ValueError
        If an array is read-only, if shapes do not fit, or if some layers have biases and some have none.

    See Also
    --------
    fastbp.find_binding : Find the arguments by what the caller's code computes.

    Notes
    -----
    A trainer follows the mean gradient of a minibatch. Code that sums over the m samples is followed by a learning
    rate m times as large.

    Examples
    --------
    >>> from fastbp import SGD, Trainer, bind
    >>> W, b = np.zeros((2, 1)), np.zeros(1)
    >>> net = bind([W], [b], output="identity", loss="quadratic")
    >>> loss = Trainer(net, SGD(0.5)).step([[1.0, 2.0]], [[1.0]])
    >>> W.ravel(), b
    (array([0.5, 1. ]), array([0.5]))
    """
    return BoundNetwork(weights, biases, activation, output, loss, columns=columns, dtype=dtype)


def _same(network: Network) -> Network:
    return network


class _FixedBiases(Regularization):
    """Rules by which biases stay as they are."""

    def gradient_rules(self, *, biases: bool) -> dict[str, float]:
        # between -0 and 0
        return {"clip_value": 0.0} if biases else super().gradient_rules(biases=biases)
