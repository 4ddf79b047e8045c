"""A network's parameters and public methods; the arithmetic is left to its subclasses.

Symbols: layers l = 1..L, sizes n_0..n_L; z_i = Σ_j w_ij a_j + b_i; a_i = σ(z_i); C the cost, a mean over the m samples;
δ_i = ∂C/∂z_i; ∂C/∂w_ij = Σ_s δ_si a_sj; ∂C/∂b_i = Σ_s δ_si.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastbp import canonical
from fastbp.activations import ACTIVATIONS, SOFTMAX, Activation, get_activation
from fastbp.canonical import FloatArray
from fastbp.initializers import initialize
from fastbp.io import checkpoint, safetensors
from fastbp.losses import LOSSES, LogitsForm, Loss, get_loss
from fastbp.symbolic.derive import check_derivative

Views = tuple[FloatArray, ...]
Targets = FloatArray | NDArray[np.int64]
Canonical = tuple[FloatArray, Targets, FloatArray | None]
# What shapes a network cannot change: buffers have been made for it.
_FIXED = frozenset({"sizes", "dtype", "activations", "loss_function"})
# Views are made anew from the parameters, and compiled things at the next call: no part of copies and pickles.
_TRANSIENT = frozenset({"_weights", "_biases", "_bound", "_session"})


@dataclass(frozen=True)
class Gradients:
    """∂C/∂w_ij and ∂C/∂b_i, layer by layer in the shapes of the parameters.

    Parameters
    ----------
    weights, biases : list of ndarray
        (n_l, n_{l-1}) and (n_l,) for l = 1..L: views into `flat`.
    flat : ndarray
        All of them in the order of the network's `parameters`.
    """

    weights: list[FloatArray]
    biases: list[FloatArray]
    flat: FloatArray = field(repr=False)


class BaseNetwork(ABC):
    """A fully connected network; see its subclasses for the arithmetic.

    Parameters
    ----------
    sizes : sequence of int
        n_0, ..., n_L: inputs, hidden layers, outputs.
    activation : str, Activation or sequence of them
        Of all hidden layers, or one for each.
    output : str or Activation
        Activation of the output layer.
    loss : str or Loss
        Cost of one sample, summed over the outputs.
    dtype : float32 or float64
        Of parameters and arithmetic.
    init : str
        How the parameters are drawn: a name of `fastbp.initializers`, "auto" for what suits each layer's activation.
    rng : anything numpy.random.default_rng takes
        Seed or generator of the weights.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; the message names it and what was expected.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> net = Network([2, 3, 1], activation="tanh", output="sigmoid", rng=0)
    >>> net.weights[0].shape, net.biases[1].shape
    ((3, 2), (1,))
    >>> net.forward([[0.0, 1.0], [1.0, 1.0]]).shape
    (2, 1)
    """

    sizes: tuple[int, ...]
    dtype: np.dtype[Any]
    activations: tuple[Activation, ...]
    loss_function: Loss
    # Whether `_forward` itself finds inputs that are not finite.
    _probes_inputs = False

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Activation | Sequence[str | Activation] = "relu",
        output: str | Activation = "softmax",
        loss: str | Loss = "cross_entropy",
        dtype: DTypeLike = np.float32,
        init: str = "auto",
        rng: Any = None,
    ) -> None:
        self.sizes = canonical.layer_sizes(sizes)
        self.dtype = canonical.float_type(dtype)
        hidden = _hidden_activations(activation, len(self.sizes) - 2)
        self.activations = (*hidden, get_activation(output, "output", output=True))
        self.loss_function = get_loss(loss)
        rows: set[Activation | Loss] = {*self.activations, self.loss_function}
        for custom in rows - {*ACTIVATIONS.values(), *LOSSES.values(), SOFTMAX}:
            check_derivative(custom)
        generator = canonical.generator(rng)
        self._parameters: FloatArray = initialize(init, self.sizes, self.activations, generator, self.dtype)
        self._bind()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and name in vars(self):
            raise AttributeError(f"{name} of a network cannot be changed; make a new {type(self).__name__}")
        super().__setattr__(name, value)

    def _bind(self) -> None:
        self._weights, self._biases = layer_views(self._parameters, self.sizes)

    @property
    def parameters(self) -> FloatArray:
        """All parameters in one flat array, W1 row by row, b1, W2, b2, ...: write in place to change them."""
        return self._parameters

    @property
    def weights(self) -> Views:
        """The matrices W of layers 1..L, `W[i, j]` of shape (n_l, n_{l-1}): views into `parameters`."""
        return self._weights

    @property
    def biases(self) -> Views:
        """The vectors b of layers 1..L, of shape (n_l,): views into `parameters`."""
        return self._biases

    @cached_property
    def logits_form(self) -> LogitsForm | None:
        """Cost and δ^L straight from z^L, where the loss has such a form for the output activation."""
        return self.loss_function.logits.get(self.activations[-1].name)

    @cached_property
    def n_classes(self) -> int:
        """How many classes integer labels may name; 0 if the loss takes no labels."""
        if not self.loss_function.labels:
            return 0
        return 2 if self.is_binary else self.sizes[-1]

    @cached_property
    def classifies(self) -> bool:
        """Whether `predict` returns labels: the loss takes labels, or the output is softmax."""
        return self.n_classes > 0 or self.activations[-1] == SOFTMAX

    @cached_property
    def threshold(self) -> float:
        """Beyond this a lone output means label 1: where the labels 0 and 1 cost the same, ½ or 0."""
        cost = self.loss_function.cost
        return 0.5 if np.isclose(cost(0.5, 0.0), cost(0.5, 1.0)) else 0.0

    def forward(self, X: ArrayLike) -> FloatArray:
        """Compute a^L for each sample.

        Parameters
        ----------
        X : array_like (n_samples, n_0)
            One sample a row.

        Returns
        -------
        ndarray (n_samples, n_L)
            A new array.
        """
        return self._forward(canonical.samples(X, self.sizes[0], self.dtype, probed=self._probes_inputs))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict labels (n_samples,) where the network classifies, else outputs as `forward` does.

        The label is the output with the largest a; of a lone output it is 1 where a is beyond `threshold`.
        """
        a = self.forward(X)
        return self.decide(a) if self.classifies else a

    def loss(self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute C = 1/m Σ_s v_s C_s, the mean cost of the samples.

        Parameters
        ----------
        X : array_like (n_samples, n_0)
            One sample a row.
        Y : array_like (n_samples, n_L) or integers (n_samples,)
            Targets, or labels 0..n_L-1 where the loss takes them.
        sample_weight : array_like (n_samples,), optional
            v_s >= 0; 1 if absent.
        """
        return self._evaluate(*self.canonical(X, Y, sample_weight))[0]

    def backprop(self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None) -> Gradients:
        """Compute ∂C/∂w_ij and ∂C/∂b_i of the mean cost C; parameters stay as they are.

        Parameters are those of `loss`.
        """
        _, flat = self._backprop(*self.canonical(X, Y, sample_weight))
        weights, biases = layer_views(flat, self.sizes)
        return Gradients(list(weights), list(biases), flat)

    def canonical(
        self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None, *, names: Sequence[str] = ("X", "Y")
    ) -> Canonical:
        """Return X, Y and weights in the form that the arithmetic takes; errors call X and Y by `names`."""
        X = canonical.samples(X, self.sizes[0], self.dtype, names[0])
        shape = (X.shape[0], self.sizes[-1])
        Y = canonical.targets(Y, shape, self.n_classes, self.dtype, names[1])
        if sample_weight is not None:
            sample_weight = canonical.sample_weights(sample_weight, X.shape[0], self.dtype)
        return X, Y, sample_weight

    def decide(self, a: FloatArray) -> NDArray[np.int64]:
        """Return the label that each row of outputs stands for."""
        return (a[:, 0] > self.threshold).astype(np.int64) if self.is_binary else a.argmax(axis=1)

    def count_correct(self, a: FloatArray, Y: Targets) -> int:
        """Count the rows of outputs whose label is that of the row of Y."""
        return int(np.count_nonzero(self.decide(a) == self.labels_of(Y)))

    def labels_of(self, Y: Targets) -> NDArray[np.int64]:
        """Return the label that each row of canonical targets stands for."""
        if Y.ndim == 1:
            return Y  # type: ignore[return-value]
        labels: NDArray[np.int64] = (Y[:, 0] > 0.5).astype(np.int64) if self.is_binary else Y.argmax(axis=1)
        return labels

    def copy(self, dtype: DTypeLike | None = None) -> Self:
        """Return a network of its own parameters, in another dtype if one is given.

        Examples
        --------
        >>> from fastbp.reference import Network
        >>> net = Network([2, 1], output="sigmoid", rng=0)
        >>> net.copy(np.float64).parameters.dtype
        dtype('float64')
        """
        twin = type(self).__new__(type(self))
        dtype = self.dtype if dtype is None else canonical.float_type(dtype)
        twin.__setstate__({**self.__getstate__(), "dtype": dtype, "_parameters": self._parameters.astype(dtype)})
        return twin

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file in safetensors layout, as a whole or not at all; numbers stay as they are.

        Parameters
        ----------
        path : path-like
            What is there is replaced.
        """
        description = checkpoint.describe_network(self)
        safetensors.write(path, self._named(self._parameters), checkpoint.metadata_of(description))

    @classmethod
    def load(cls, path: str | os.PathLike[str], custom: Mapping[str, Any] | None = None) -> Self:
        """Return the network that `save`, or that of a trainer, wrote.

        Parameters
        ----------
        path : path-like
            The file; it is checked, and no code is loaded from it.
        custom : mapping of str to Activation or Loss
            Those that are not fastbp's own, by name.

        Raises
        ------
        ValueError
            If the file is damaged, of a newer fastbp or of another library, or `custom` lacks one.

        Examples
        --------
        >>> import tempfile
        >>> from fastbp.reference import Network
        >>> net = Network([2, 3, 2], rng=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     net.save(folder + "/net.safetensors")
        ...     again = Network.load(folder + "/net.safetensors")
        >>> np.array_equal(net.parameters, again.parameters)
        True
        """
        arrays, metadata = safetensors.read(path)
        try:
            return cls._from_file(checkpoint.Reader(metadata, custom or {}), arrays)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)!r}: {error}") from None

    @classmethod
    def _from_file(cls, reader: checkpoint.Reader, arrays: Mapping[str, NDArray[Any]]) -> Self:
        sizes, dtype = reader.sizes(), canonical.float_type(reader.get("dtype", str))
        arrays = {name: array for name, array in arrays.items() if name.startswith("layers.")}
        # Before anything is made of a size that nothing in the file bears out.
        if sum(array.size for array in arrays.values()) != reader.n_parameters():
            raise ValueError(f"its arrays do not have the parameters of a network of sizes {list(sizes)}")
        *hidden, output = reader.activations()
        net = cls(sizes, hidden, output, reader.loss(), dtype, init="zeros")
        own = net._named(net._parameters)
        checkpoint.same_names(arrays, {name: (view.shape, view.dtype) for name, view in own.items()})
        for name, view in own.items():
            view[...] = arrays[name]
        return net

    def _named(self, flat: FloatArray) -> dict[str, FloatArray]:
        """Views into an array laid out as the parameters, by the names that files give them."""
        weights, biases = layer_views(flat, self.sizes)
        layers = enumerate(zip(weights, biases, strict=True), start=1)
        named = ({f"layers.{l}.weight": W, f"layers.{l}.bias": b} for l, (W, b) in layers)
        return {name: view for layer in named for name, view in layer.items()}

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name not in _TRANSIENT}
        return {**state, "_parameters": self._parameters.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._bind()

    def __repr__(self) -> str:
        names = [activation.name for activation in self.activations]
        hidden = names[0] if len(set(names[:-1])) == 1 else names[:-1]
        shown = f"activation={hidden!r}, " if len(names) > 1 else ""
        return (
            f"{type(self).__name__}({list(self.sizes)}, {shown}output={names[-1]!r}, "
            f"loss={self.loss_function.name!r}, dtype={self.dtype.name!r})"
        )

    @cached_property
    def is_binary(self) -> bool:
        """Whether a lone output stands for the labels 0 and 1."""
        return self.loss_function.labels and self.sizes[-1] == 1 and self.activations[-1] != SOFTMAX

    @abstractmethod
    def _forward(self, X: FloatArray) -> FloatArray:
        """Return a^L (m, n_L), a new array."""

    @abstractmethod
    def _evaluate(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, int]:
        """Return C, summed in float64, and the number of correct labels (0 where the network does not classify)."""

    @abstractmethod
    def _backprop(
        self, X: FloatArray, Y: Targets, weight: FloatArray | None
    ) -> tuple[float, FloatArray]:
        """Return C and its gradient in the order of `parameters`."""


def layer_views(flat: FloatArray, sizes: Sequence[int]) -> tuple[Views, Views]:
    """Views W (n_l, n_{l-1}) and b (n_l,) of each layer into a flat array W1, b1, W2, b2, ...

    Examples
    --------
    >>> weights, biases = layer_views(np.arange(9.0), [2, 1, 3])
    >>> weights[0], biases[1]
    (array([[0., 1.]]), array([6., 7., 8.]))
    """
    weights, biases, start = [], [], 0
    for n_in, n_out in pairwise(sizes):
        middle = start + n_out * n_in
        weights.append(flat[start:middle].reshape(n_out, n_in))
        start = middle + n_out
        biases.append(flat[middle:start])
    return tuple(weights), tuple(biases)


def _hidden_activations(spec: Any, n_hidden: int) -> list[Activation]:
    if isinstance(spec, (str, Activation)) or not isinstance(spec, Sequence):
        return [get_activation(spec, "activation")] * n_hidden
    if len(spec) != n_hidden:
        raise ValueError(f"activation has {len(spec)} entries, expected one for each of the {n_hidden} hidden layers")
    return [get_activation(one, f"activation[{l}]") for l, one in enumerate(spec)]
