"""Which network a caller's own NumPy code is: found by what it computes on one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.activations import ACTIVATIONS
from fastbp.base.parameters import layer_views
from fastbp.bound import BoundNetwork, bind
from fastbp.canonical import FloatArray
from fastbp.reference import Network as Twin

__all__ = ["Binding", "find_binding"]

# By the arithmetic's type: how far two gradients may be apart, as a share of the largest number of an array.
_TOLERANCE = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-4}
# The most frequent ones first: where two give the same numbers, the first is found.
_HIDDEN = ("sigmoid", "relu", "tanh", *(name for name in ACTIVATIONS if name not in ("sigmoid", "relu", "tanh")))
_ENDS = (
    ("softmax", "cross_entropy"), ("sigmoid", "cross_entropy"), ("sigmoid", "quadratic"), ("identity", "quadratic"),
    ("tanh", "quadratic"), ("relu", "quadratic"), ("softmax", "quadratic"), ("leaky_relu", "quadratic"),
    ("tanh", "cross_entropy"), ("identity", "absolute"), ("identity", "huber"), ("identity", "hinge"),
    ("tanh", "hinge"), ("softplus", "quadratic"), ("sigmoid", "absolute"),
)  # fmt: skip
# Beyond so many mixtures of hidden activations only equal ones are tried.
_MIXTURES = 200

Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Binding:
    """What `find_binding` found, or how far the nearest network is from the caller's numbers.

    Parameters
    ----------
    found : bool
        Whether a network gives the caller's numbers.
    activation : tuple of str
        Activations of the hidden layers.
    output, loss : str
        Activation of the output layer, and the loss.
    columns : bool
        Whether samples are columns.
    scale : float
        The caller's gradient as a multiple of that of the mean cost, without the penalty. Of a step it is the learning
        rate times that.
    l2 : float
        The λ of a penalty λ/2 Σ w_ij², whose gradient λ w is in the caller's. It is 0 where there is none.
    error : float
        Largest difference that is left, as a share of the largest number of its array.
    difference : str
        Where the first difference lies, and the two numbers; empty where there is none.
    m : int
        Samples of the batch.
    weights, biases : list of ndarray
        The caller's parameters by layer.

    See Also
    --------
    find_binding : Finds it, with an example.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> W, X, Y = rng.normal(size=(3, 2)), rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    >>> found = find_binding([W], X, Y, [X.T @ (X @ W - Y)])
    >>> print(found)
    output='identity', loss='quadratic', columns=False, no biases
    gradient = 5 times that of the mean cost: the sum over the 5 samples
    >>> found.bind().weights[0] is W
    True
    """

    found: bool
    activation: tuple[str, ...]
    output: str
    loss: str
    columns: bool
    scale: float
    l2: float
    error: float
    difference: str
    m: int
    weights: list[Any] = field(repr=False)
    biases: list[Any] | None = field(repr=False)

    def __bool__(self) -> bool:
        return self.found

    def bind(self) -> BoundNetwork:
        """Return a network of this kind on the caller's parameters.

        Returns
        -------
        BoundNetwork
            Network, as from `fastbp.bind`.

        Raises
        ------
        ValueError
            If none was found.
        """
        if not self.found:
            raise ValueError(f"no network gives these numbers: {self.difference}")
        return bind(self.weights, self.biases, self.activation, self.output, self.loss, columns=self.columns)

    def __str__(self) -> str:
        activations = f"activation={list(self.activation)!r}, " if self.activation else ""
        if len(set(self.activation)) == 1:
            activations = f"activation={self.activation[0]!r}, "
        biases = ", no biases" if self.biases is None else ""
        kind = f"{activations}output={self.output!r}, loss={self.loss!r}, columns={self.columns}{biases}"
        if not self.found:
            return f"no network gives these numbers; the nearest is {kind}\n{self.difference}"
        penalty = f"\npenalty: gradient + {self.l2:.6g} W, l2={self.l2 / self.scale:.6g} of a Trainer" * (self.l2 != 0)
        return f"{kind}\ngradient = {self.scale:.6g} times that of the mean cost{self._reading()}{penalty}"

    def _reading(self) -> str:
        n = self.weights[-1].shape[0 if self.columns else 1]
        for value, words in (
            (1.0, "the mean over the samples"),
            (float(self.m), f"the sum over the {self.m} samples"),
            (2.0, "the mean without the ½"),
            (2.0 / n, "the mean over samples and outputs, without the ½"),
            (2.0 * self.m, f"the sum over the {self.m} samples, without the ½"),
        ):
            if np.isclose(self.scale, value, rtol=1e-9 if self.error < 1e-10 else 1e-4):
                return f": {words}"
        return ""


def find_binding(
    parameters: Arrays | Mapping[str, NDArray[Any]],
    X: ArrayLike,
    Y: ArrayLike,
    gradients_or_step: Arrays | Mapping[str, NDArray[Any]] | Callable[[], object],
) -> Binding:
    """Find the network that the caller's own code is, by its gradient or its step on one batch.

    Each activation, output, loss and orientation is tried in NumPy. The factor of the gradient and the penalty of the
    weights are solved for.

    Parameters
    ----------
    parameters : sequence or mapping of ndarray
        Weights and biases in any order of layers 1..L, as W1, b1, W2, b2 or as W1, W2, b1, b2. Matrices without a bias
        after them have none.
    X, Y : array_like
        Inputs and targets of the batch as the code takes them, with samples as rows or columns. Y may be labels.
    gradients_or_step : sequence or mapping of ndarray, or callable
        The gradients that the code computes, like `parameters`, of the same names or those with a d before them. Or a
        function that makes one step of plain gradient descent, in place or in the list or mapping `parameters`.

    Returns
    -------
    Binding
        The network. It is false if there is none, and then tells where the nearest one differs.

    Raises
    ------
    TypeError
        If parameters or gradients are no arrays.
    ValueError
        If the shapes fit no network, if the gradients are not like the parameters, or if all are 0, as where a step
        changes nothing.

    See Also
    --------
    fastbp.bind : Makes the network.

    Notes
    -----
    A batch of ten or more samples with values of both signs tells activations apart. The equality asked for is 1e-10 of
    the largest number of an array in float64, and 1e-4 in float32.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> W1, b1, W2, b2 = rng.normal(size=(3, 4)), np.zeros(4), rng.normal(size=(4, 2)), np.zeros(2)
    >>> X, Y = rng.normal(size=(10, 3)), rng.normal(size=(10, 2))
    >>> def step():
    ...     a = np.tanh(X @ W1 + b1)
    ...     delta = 2 * (a @ W2 + b2 - Y) / Y.size
    ...     back = delta @ W2.T * (1 - a**2)
    ...     for p, g in zip((W1, b1, W2, b2), (X.T @ back, back.sum(0), a.T @ delta, delta.sum(0))):
    ...         p -= 0.1 * g
    >>> found = find_binding([W1, b1, W2, b2], X, Y, step)
    >>> found.activation, found.output, found.loss, round(found.scale, 6)
    (('tanh',), 'identity', 'quadratic', 0.1)
    """
    arrays = _listed(parameters, "parameters")
    before = [np.array(array, dtype=np.result_type(array, np.float32)) for array in arrays]
    if callable(gradients_or_step):
        gradients_or_step()
        arrays = _listed(parameters, "parameters")  # a step may put new arrays into a list or a dict
        gradients = [old - new for old, new in zip(before, arrays, strict=True)]
        if not any(g.any() for g in gradients):
            raise ValueError("the step changed none of the parameters; it must change these arrays, or put new ones in "
                             "the list or dict that was given")
    else:
        given = gradients_or_step
        gradients = _listed(_named_like(parameters, given), "gradients_or_step")
        if gradients and not any(g.any() for g in gradients):
            raise ValueError("gradients_or_step holds nothing but 0, which is a gradient of every network; take "
                             "another batch")
    shapes, expected = [g.shape for g in gradients], [p.shape for p in before]
    if shapes != expected:
        raise ValueError(f"gradients have the shapes {shapes}, expected those of the parameters, {expected}")
    dtype = np.dtype(np.float32 if all(p.dtype == np.float32 for p in before) else np.float64)
    tried: list[Binding] = []
    for layers, columns in _readings(before, np.shape(X), np.shape(Y)):
        problem = _Problem(layers, before, gradients, X, Y, columns, dtype)
        for hidden, output, loss in _kinds(len(layers)):
            candidate = problem.compare(arrays, hidden, output, loss)
            if candidate is not None:
                tried.append(candidate)
                if candidate.found and candidate.l2 == 0.0:
                    return candidate
    if not tried:
        raise ValueError(f"Y of shape {np.shape(Y)} is not taken by any loss for these parameters")
    return min(tried, key=lambda one: (not one.found, one.error if not one.found else 0.0))


def _listed(parameters: Any, argument: str) -> list[NDArray[Any]]:
    listed = list(parameters.values()) if isinstance(parameters, Mapping) else parameters
    if not isinstance(listed, Sequence) or not all(isinstance(array, np.ndarray) for array in listed):
        inside = f" of {type(listed[0]).__name__}" if isinstance(listed, (list, tuple)) and listed else ""
        or_step = ", or a function that makes a step" * (argument != "parameters")
        raise TypeError(f"{argument} is of type {type(parameters).__name__}{inside}, expected a list or dict of "
                        f"ndarrays{or_step}")
    for k, array in enumerate(listed):
        if array.dtype.kind not in "biuf":
            raise TypeError(f"array {k} of {argument} is {array.dtype}, expected real numbers")
    return list(listed)


def _named_like(parameters: Any, gradients: Any) -> Any:
    """Gradients in the order of the parameters, where both have names: W1 and W1, or W1 and dW1."""
    if isinstance(parameters, Mapping) and isinstance(gradients, Mapping):
        for form in ("{}", "d{}"):
            if all(form.format(name) in gradients for name in parameters):
                return [gradients[form.format(name)] for name in parameters]
    return gradients


def _readings(
    arrays: Arrays, X: tuple[int, ...], Y: tuple[int, ...]
) -> list[tuple[list[tuple[int, int | None]], bool]]:
    """The places of each layer's matrix and bias, and whether samples are columns, as far as the shapes allow it."""
    n = len(arrays)
    places: list[list[tuple[int, int | None]]] = [[(k, None) for k in range(n)]]
    if n % 2 == 0:
        half = n // 2
        places = [
            [(2 * l, 2 * l + 1) for l in range(half)],
            [(l, half + l) for l in range(half)],
            [(half + l, l) for l in range(half)],
            *places,
        ]
    found = [(layers, columns) for layers in places for columns in (False, True)
             if _fits(arrays, layers, X[::-1] if columns else X, Y[::-1] if columns else Y, columns=columns)]
    if not found:
        shapes = [array.shape for array in arrays]
        raise ValueError(f"parameters {shapes} do not take X of shape {X} to Y of shape {Y}, as rows or as columns")
    return found


def _fits(arrays: Arrays, layers: Any, X: tuple[int, ...], Y: tuple[int, ...], *, columns: bool) -> bool:
    """Whether matrices and biases take rows X to rows Y."""
    n_in = X[-1]
    for w, b in layers:
        if arrays[w].ndim != 2:
            return False
        n_out, takes = arrays[w].shape if columns else arrays[w].shape[::-1]
        if takes != n_in or (b is not None and arrays[b].shape not in ((n_out,), (1, n_out), (n_out, 1))):
            return False
        n_in = n_out
    return len(X) == 2 and (len(Y) == 1 or Y[-1] in (n_in, 1)) and Y[0] == X[0]


def _kinds(n_layers: int) -> Iterator[tuple[tuple[str, ...], str, str]]:
    equal = [(name,) * (n_layers - 1) for name in _HIDDEN] if n_layers > 1 else [()]
    mixed = []
    if n_layers > 2 and len(_HIDDEN) ** (n_layers - 1) <= _MIXTURES:
        mixed = [names for names in product(_HIDDEN, repeat=n_layers - 1) if len(set(names)) > 1]
    for hidden in [*equal, *mixed]:
        for output, loss in _ENDS:
            yield hidden, output, loss


class _Problem:
    """The caller's numbers in the form of the equations, for one orientation."""

    def __init__(
        self, layers: list[tuple[int, int | None]], before: Arrays, gradients: Arrays, X: Any, Y: Any, columns: bool,
        dtype: np.dtype[Any],
    ) -> None:
        self.layers, self.columns, self.dtype = layers, columns, dtype
        X, Y = np.asarray(X), np.asarray(Y)
        self.X, self.Y = (X.T, Y.T) if columns else (X, Y)
        turn: Callable[[Any], Any] = (lambda W: W) if columns else np.transpose
        self.weights = [turn(before[w]) for w, _ in layers]
        self.biases = [None if b is None else before[b].ravel() for _, b in layers]
        self.sizes = [self.weights[0].shape[1], *(W.shape[0] for W in self.weights)]
        if self.Y.ndim == 2 and self.Y.shape[1] == 1 and self.sizes[-1] > 1:
            self.Y = self.Y[:, 0]
        self.dW = [turn(gradients[w]) for w, _ in layers]
        self.db = [None if b is None else gradients[b].ravel() for _, b in layers]

    def compare(self, arrays: Arrays, hidden: tuple[str, ...], output: str, loss: str) -> Binding | None:
        """How near a network comes to the caller's gradient, at the best factor and penalty."""
        try:
            twin = Twin(self.sizes, list(hidden), output, loss, np.float64, init="zeros")
            for W, b, own, own_b in zip(self.weights, self.biases, twin.weights, twin.biases, strict=True):
                own[...] = W
                if b is not None:
                    own_b[...] = b
            flat = twin.backprop(self.X, self.Y).flat
        except (TypeError, ValueError):
            return None  # a pair, or targets, that fastbp refuses
        dW, db = layer_views(flat, self.sizes)
        scale, l2 = self._solve(dW, db)
        error, difference = self._worst([scale * g + l2 * W for g, W in zip(dW, self.weights, strict=True)],
                                        [scale * g for g in db])
        found = error <= _TOLERANCE[self.dtype] and scale > 0
        biases = None if self.biases[0] is None else [arrays[b] for _, b in self.layers if b is not None]
        return Binding(found, hidden, output, loss, self.columns, scale, l2, error, "" if found else difference,
                       self.X.shape[0], [arrays[w] for w, _ in self.layers], biases)

    def _solve(self, dW: Sequence[FloatArray], db: Sequence[FloatArray]) -> tuple[float, float]:
        """The factor s and the λ of s g + λ w that come nearest to the caller's gradient; λ is 0 where it may be."""
        pairs = [*zip(dW, self.dW, strict=True), *((g, own) for g, own in zip(db, self.db, strict=True)
                                                   if own is not None)]
        g = np.concatenate([one.ravel() for one, _ in pairs])
        own = np.concatenate([np.ravel(other) for _, other in pairs]).astype(np.float64)
        no_penalty = np.zeros(len(g) - sum(W.size for W in self.weights), np.float64)  # of the biases
        w = np.concatenate([*(W.ravel() for W in self.weights), no_penalty])
        square = float(g @ g)
        if not (np.isfinite(square) and np.isfinite(own).all()) or square == 0.0:
            return 0.0, 0.0
        alone = float(g @ own) / square
        if np.abs(own - alone * g).max() <= _TOLERANCE[self.dtype] * np.abs(own).max():
            return alone, 0.0
        s, l2 = np.linalg.lstsq(np.stack([g, w], axis=1), own, rcond=None)[0]
        return float(s), float(l2)

    def _worst(self, dW: Sequence[FloatArray], db: Sequence[FloatArray]) -> tuple[float, str]:
        """The largest relative difference, and in words the first array that has one."""
        largest, first = 0.0, ""
        for l in range(len(dW)):
            for name, found, own in (("weights", dW[l], self.dW[l]), ("biases", db[l], self.db[l])):
                if own is None:
                    continue
                gap = np.abs(found - own)
                error = float(gap.max()) / max(float(np.abs(own).max()), 1e-300)
                error = error if np.isfinite(error) else np.inf
                if not first and error > _TOLERANCE[self.dtype]:
                    where = np.unravel_index(int(np.argmax(np.where(np.isfinite(gap), gap, np.inf))), gap.shape)
                    place = where if self.columns or name == "biases" else where[::-1]
                    first = (f"first difference in the {name} of layer {l + 1} at {tuple(map(int, place))}: "
                             f"{float(own[where]):.9g} by the code, {float(found[where]):.9g} by the network")
                largest = max(largest, error)
        return largest, first
