"""What a network is: its layers, its parameters, its file. `fastbp.base.network` computes with it."""

from __future__ import annotations

import math
import os
from abc import ABC
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from fastbp import canonical
from fastbp.activations import ACTIVATIONS, SOFTMAX, Activation, get_activation
from fastbp.base.output_and_loss import check_pair
from fastbp.base.parameters import ParameterArrays, Views, layer_views
from fastbp.base.turns import Turns
from fastbp.canonical import FloatArray
from fastbp.checks import check_truth
from fastbp.exceptions import FormatError
from fastbp.initializers import initialize
from fastbp.io import checkpoint, safetensors
from fastbp.io.reader import Reader, opened, same_names
from fastbp.io.safetensors import Contents
from fastbp.losses import ANY, LOSSES, LogitsForm, Loss, get_loss
from fastbp.paths import check_ending
from fastbp.symbolic.derive import check_derivative

_T = TypeVar("_T")
# What shapes a network cannot change: buffers have been made for it.
_FIXED = frozenset({"sizes", "dtype", "activations", "loss_function"})
# Views are made anew from the parameters, and compiled things at the next call: no part of copies and pickles.
_TRANSIENT = frozenset({"_arrays", "_turns", "_bound", "_session"})


class NetworkState(ABC):
    """Layers and parameters of a network; see `fastbp.base.network.BaseNetwork`."""

    sizes: tuple[int, ...]
    dtype: np.dtype[Any]
    activations: tuple[Activation, ...]
    loss_function: Loss
    _multilabel = False
    _limit: int | None = None  # threads at most, where other processes have a part of the cores
    _trains_biases = True

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
        check_pair(self.activations[-1], self.loss_function, self.sizes[-1], self.threshold)
        generator = canonical.generator(rng)
        flat = initialize(init, self.sizes, self.activations, generator, self.dtype)
        self._arrays, self._turns = ParameterArrays(flat, self.sizes), Turns()

    def __setattr__(self, name: str, value: Any) -> None:
        derived = isinstance(getattr(type(self), name, None), cached_property)
        if derived or (name in _FIXED and name in vars(self)):
            raise AttributeError(f"{name} of a network cannot be changed; make a new {type(self).__name__}")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in _FIXED:
            raise AttributeError(f"{name} of a network cannot be deleted")
        super().__delattr__(name)

    def _rows(self, X: Any, Y: Any) -> tuple[Any, Any]:
        """Return samples as rows, whatever they are for the user; see `fastbp.bound`."""
        return X, Y

    def _settle(self) -> None:  # noqa: B027 - nothing to be done for arrays of one's own
        """Make arrays that others hold current; see `fastbp.bound`."""

    def _check_idle(self) -> None:  # noqa: B027 - NumPy's loops have nothing that another training could take away
        """Raise RuntimeError in the middle of a call of this thread, from which code of the user's trains again."""

    def _catch_up(self) -> None:  # noqa: B027 - nothing is ahead of the array where it is trained itself
        """Have the updates that were made be in the array."""

    def _read(self) -> FloatArray:
        """Return the array of all parameters, which the caller does not change."""
        self._arrays.is_read = True
        self._catch_up()
        return self._arrays.flat

    def _copied(self) -> FloatArray:
        """Return a copy of all parameters as they are at one moment, whichever thread trains them."""
        with self._turns.one_moment():
            return self._read().copy()

    def _look(self, found: _T) -> _T:
        """Return what a user gets of the parameters, current; from now on it may be written to."""
        self._arrays.look = object()  # `found` is held already: see `Panels.changed`
        self._read()
        return found

    @property
    def _parameters(self) -> FloatArray:
        """The array of all parameters itself."""
        return self._look(self._arrays.flat)

    @property
    def parameters(self) -> FloatArray:
        """All parameters in one flat array, W1 row by row, b1, W2, b2, ...; write into it to change them.

        While another thread trains they are those of an earlier update, and may change as they are read: `copy` and
        `save` have all of them after the same minibatch.
        """
        return self._look(self._arrays.shown)

    @property
    def weights(self) -> Views:
        """Weight matrices W of layers 1..L, `W[i, j]` of shape (n_l, n_{l-1}): views into `parameters`."""
        return self._look(self._arrays.weights)

    @property
    def biases(self) -> Views:
        """Bias vectors b of layers 1..L, of shape (n_l,): views into `parameters`."""
        return self._look(self._arrays.biases)

    @property
    def multilabel(self) -> bool:
        """Whether each output says by itself whether its label holds, so that a sample may have several, or none.

        It becomes True with the first rows of targets that do not name one class each, such as [1, 0, 1], where the
        loss takes labels and the output is not softmax. `predict` then gives rows of 0 and 1, and a sample is correct
        if all of its labels are. Assign True or False to decide it beforehand.
        """
        return self._multilabel

    @multilabel.setter
    def multilabel(self, value: bool) -> None:
        if check_truth("multilabel", value) and not self._may_be_multilabel:
            raise ValueError("multilabel needs a loss that takes labels, more than one output, and not softmax")
        self._multilabel = bool(value)

    @cached_property
    def _may_be_multilabel(self) -> bool:
        return self.loss_function.labels and self.sizes[-1] > 1 and self.activations[-1] != SOFTMAX

    @property
    def decides_separately(self) -> bool:
        """Whether each output is compared with `threshold` by itself: a lone one, or those of several labels."""
        return self.is_binary or self._multilabel

    @cached_property
    def takes_shares(self) -> bool:
        """Whether the targets of a sample must sum to 1."""
        loss = self.loss_function
        return loss.labels and loss.targets != ANY and self.activations[-1] == SOFTMAX

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
        half, labels = np.full(2, 0.5), np.array([0.0, 1.0])
        with np.errstate(all="ignore"):  # a loss that takes no labels may not be defined on them
            costs = np.broadcast_to(self.loss_function.cost(half, labels), 2)
        return 0.5 if np.isclose(costs[0], costs[1]) else 0.0

    @cached_property
    def is_binary(self) -> bool:
        """Whether a lone output stands for the labels 0 and 1."""
        return self.loss_function.labels and self.sizes[-1] == 1

    def copy(self, dtype: DTypeLike | None = None) -> Self:
        """Return a copy of the network, which shares no array with it.

        Parameters
        ----------
        dtype : float32 or float64, optional
            Type of the copy's parameters and arithmetic. The default is that of the network.

        Returns
        -------
        Network
            New network with the same parameters, rounded to `dtype`.

        Raises
        ------
        ValueError
            If `dtype` is neither float32 nor float64.

        Examples
        --------
        >>> from fastbp.reference import Network
        >>> net = Network([2, 1], output="sigmoid", rng=0)
        >>> net.copy(np.float64).parameters.dtype
        dtype('float64')
        """
        twin = type(self).__new__(type(self))
        dtype = self.dtype if dtype is None else canonical.float_type(dtype)
        state = self.__getstate__()
        twin.__setstate__({**state, "dtype": dtype, "_parameters": state["_parameters"].astype(dtype, copy=False)})
        return twin

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file in safetensors layout.

        The file is written as a whole or not at all. The parameters keep all their bits. While another thread trains
        the network, they are those after a minibatch.

        Parameters
        ----------
        path : str or path-like
            File to write. A file of this name is replaced. A leading ~ stands for the home folder.

        Raises
        ------
        OSError
            If the file cannot be written, or is a folder, a device or a pipe. A file of this name is then as before.
        TypeError
            If `path` is neither text nor path-like.
        ValueError
            If it ends as the names of files of another kind, such as ".onnx".

        See Also
        --------
        fastbp.load : Read the file.
        fastbp.files.to_onnx : Write a file for other programs; it is a name of `fastbp.io`, too.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from fastbp.reference import Network
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "net.safetensors"
        ...     Network([2, 3, 2], rng=0).save(path)
        ...     path.exists()
        True
        """
        description = checkpoint.describe_network(self)
        safetensors.write(check_ending(path), self._named(self._copied()), checkpoint.metadata_of(description))

    @classmethod
    def load(cls, path: str | os.PathLike[str], custom: Mapping[str, Any] | None = None) -> Self:
        """Return the network that `save`, or the `save` of a trainer, wrote.

        Parameters
        ----------
        path : str or path-like
            File to read. It is checked, and no code is loaded from it.
        custom : mapping of str to Activation or Loss, optional
            Activations and losses that are not fastbp's own, by name.

        Returns
        -------
        Network
            Network with the parameters of the saved one, to the last bit.

        Raises
        ------
        OSError
            If the file cannot be read, or is a folder, a device or a pipe.
        FormatError
            If the file is damaged or was written by a newer fastbp or another library, or if `custom` lacks a name. It
            is a ValueError.
        TypeError
            If `path` or an entry of `custom` is of the wrong type.

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
        with opened(path, custom) as (reader, contents):
            return cls._from_file(reader, contents)

    @classmethod
    def _from_file(cls, reader: Reader, contents: Contents) -> Self:
        sizes, dtype = reader.sizes(), reader.dtype()
        # Before anything is read, or made of a size that nothing in the file bears out.
        shapes = [shape for name, shape in contents.shapes.items() if name.startswith("layers.")]
        if sum(map(math.prod, shapes)) != reader.n_parameters():
            raise FormatError(f"its arrays do not have the parameters of a network of {len(sizes)} layers, as it says")
        arrays = {name: array for name, array in contents.arrays.items() if name.startswith("layers.")}
        *hidden, output = reader.activations()
        net = cls(sizes, hidden, output, reader.loss(), dtype, init="zeros")
        own = net._named(net._parameters)
        same_names(arrays, {name: (view.shape, view.dtype) for name, view in own.items()})
        for name, view in own.items():
            view[...] = arrays[name]
        net.multilabel = "multilabel" in reader and reader.get("multilabel", bool)
        return net

    def _named(self, flat: FloatArray) -> dict[str, FloatArray]:
        """Views into an array laid out as the parameters, by the names that files give them."""
        weights, biases = layer_views(flat, self.sizes)
        layers = enumerate(zip(weights, biases, strict=True), start=1)
        named = ({f"layers.{l}.weight": W, f"layers.{l}.bias": b} for l, (W, b) in layers)
        return {name: view for layer in named for name, view in layer.items()}

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name not in _TRANSIENT}
        return {**state, "_parameters": self._copied()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # joblib hands large arrays to its workers as files that cannot be written
        flat = np.array(state["_parameters"])
        for name in _TRANSIENT:
            vars(self).pop(name, None)
        vars(self).update((name, value) for name, value in state.items() if name != "_parameters")
        self._arrays, self._turns = ParameterArrays(flat, self.sizes), Turns()

    def __repr__(self) -> str:
        names = [activation.name for activation in self.activations]
        hidden = names[0] if len(set(names[:-1])) == 1 else names[:-1]
        shown = f"activation={hidden!r}, " if len(names) > 1 else ""
        return (
            f"{type(self).__name__}({list(self.sizes)}, {shown}output={names[-1]!r}, "
            f"loss={self.loss_function.name!r}, dtype={self.dtype.name!r})"
        )


def _hidden_activations(spec: Any, n_hidden: int) -> list[Activation]:
    if isinstance(spec, (str, Activation)) or not isinstance(spec, Sequence):
        return [get_activation(spec, "activation")] * n_hidden
    if len(spec) != n_hidden:
        raise ValueError(f"activation has {len(spec)} entries, expected one for each of the {n_hidden} hidden layers")
    return [get_activation(one, f"activation[{l}]") for l, one in enumerate(spec)]
