"""Layers as all formats have them in common: matrices, biases and the names of activations.

A module of a format turns its own objects or files into a `Stack`, and back. What cannot be carried over is an error
that names the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.activations import ACTIVATIONS, SOFTMAX
from fastbp.checks import shortened, shown

__all__ = ["Builder", "Stack", "activations_of", "from_names", "name_of", "refused", "stack_of", "state_names"]

_KNOWN = {**ACTIVATIONS, "softmax": SOFTMAX}
# Where functions are compared: on both sides of 0, and far out.
_GRID = np.array([-30.0, -4.0, -3.0, -2.5, -1.0, -0.3, 0.0, 0.2, 1.0, 2.6, 4.0, 30.0], np.float32)

Array = NDArray[Any]


@dataclass(frozen=True)
class Stack:
    """Layers 1..L of a network.

    Parameters
    ----------
    weights : list of ndarray (n_l, n_{l-1})
        Matrices.
    biases : list of ndarray (n_l,)
        Biases.
    activations : tuple of str
        Names of activations of layers 1..L.
    loss : str, optional
        Name of the loss, where it is known.
    """

    weights: list[Array]
    biases: list[Array]
    activations: tuple[str, ...]
    loss: str | None = None


@dataclass
class Builder:
    """A stack that grows layer by layer, as a format's layers come.

    Parameters
    ----------
    weights, biases : list of ndarray
        Arrays so far.
    activations : list of str
        Names, "identity" where none has come yet.
    """

    weights: list[Array] = field(default_factory=list)
    biases: list[Array] = field(default_factory=list)
    activations: list[str] = field(default_factory=list)

    def affine(self, layer: str, W: Any, b: Any) -> None:
        """Add W (n_out, n_in) and b; None for a bias is zeros."""
        W = numbers(layer, W)
        b = np.zeros(W.shape[0], W.dtype) if b is None else numbers(layer, b).reshape(-1)
        before = self.weights[-1].shape[0] if self.weights else None
        if W.ndim != 2 or b.shape != (W.shape[0],) or before not in (None, W.shape[1]):
            raise refused(layer, f"weights {W.shape} and biases {b.shape} do not follow {before} neurons")
        self.weights.append(W)
        self.biases.append(b)
        self.activations.append("identity")

    def activation(self, layer: str, name: str | None) -> None:
        """Add the activation of the last matrix."""
        if name not in _KNOWN:
            raise refused(layer, f"fastbp has no activation like {name}")
        if not self.weights:
            raise refused(layer, "an activation before the first matrix")
        if name == "identity":
            return
        if self.activations[-1] != "identity":
            raise refused(layer, f"an activation after {self.activations[-1]!r}")
        self.activations[-1] = str(name)

    def named(self, activation: str | Sequence[str], output: str, loss: str | None = None) -> Stack:
        """Return what came, with these names for the activations of hidden layers and of the output."""
        if self.weights:
            self.activations = activations_of(activation, output, len(self.weights))
        return self.stack(loss=loss)

    def stack(self, output: str | None = None, loss: str | None = None) -> Stack:
        """Return what came, with another output activation where one is given."""
        if not self.weights:
            raise ValueError("there is no layer with weights")
        if output is not None:
            if self.activations[-1] not in ("identity", output):
                raise ValueError(f"output is {output!r}, and the last layer has {self.activations[-1]!r} already")
            self.activations[-1] = output
        if "softmax" in self.activations[:-1]:
            raise refused(f"layer {self.activations.index('softmax') + 1}", "softmax is for the output only")
        return Stack(self.weights, self.biases, tuple(self.activations), loss)


def refused(layer: str, why: str) -> ValueError:
    """Return the error for a layer that cannot be carried over."""
    return ValueError(f"{shortened(layer)} cannot be carried over: {shortened(why, 200)}")


def numbers(layer: str, array: Any) -> Array:
    """Return numbers as a new array of float32 or float64."""
    found = np.asarray(array)
    if found.dtype not in (np.float32, np.float64):
        raise refused(layer, f"its numbers are {found.dtype}, expected float32 or float64")
    return np.array(found, found.dtype.newbyteorder("="), order="C")


def stack_of(network: Any) -> Stack:
    """Return the layers of a network; refuse activations that have no name elsewhere."""
    if not hasattr(network, "activations"):
        raise TypeError(f"network is of type {type(network).__name__}, expected a Network")
    for l, activation in enumerate(network.activations, start=1):
        if _KNOWN.get(activation.name) != activation:
            raise refused(f"layer {l}", f"the activation {shown(activation.name)} is not one of fastbp's own")
    twin = network.copy()
    names = tuple(activation.name for activation in network.activations)
    return Stack([W.copy() for W in twin.weights], [b.copy() for b in twin.biases], names, network.loss_function.name)


def activations_of(activation: str | Sequence[str], output: str, n_layers: int) -> list[str]:
    """Return names for all layers, from one for the hidden layers or one for each, and that of the output."""
    if not hasattr(activation, "__iter__"):
        found = type(activation).__name__
        raise TypeError(f"activation is of type {found}, expected the name of an activation or a list of names")
    hidden = [activation] * (n_layers - 1) if isinstance(activation, str) else list(activation)
    if len(hidden) != n_layers - 1:
        raise ValueError(f"activation has {len(hidden)} entries, expected one for each of the {n_layers - 1} "
                         "hidden layers")
    return [*hidden, output]


def from_names(
    arrays: Mapping[str, Any], activation: str | Sequence[str], output: str, loss: str | None = None
) -> Stack:
    """Return the layers of arrays that are called "....weight" and "....bias", in their order."""
    builder = Builder()
    keys: list[Any] = list(arrays)  # whatever the caller's mapping has
    unnamed = [key for key in keys if not isinstance(key, str)]
    if unnamed:
        raise TypeError(f"a state dict has the key {unnamed[0]!r}, expected names that end in weight or bias")
    weights = {name.removesuffix("weight"): array for name, array in arrays.items() if name.endswith("weight")}
    strange = [name for name in arrays if not name.endswith(("weight", "bias"))]
    if strange:
        raise refused(repr(strange[0]), "expected names that end in weight or bias")
    for stem, W in weights.items():
        builder.affine(repr(f"{stem}weight"), W, arrays.get(f"{stem}bias"))
    return builder.named(activation, output, loss)


def state_names(stack: Stack) -> dict[str, Array]:
    """Return arrays by the names that PyTorch's Sequential of `to_torch` gives them."""
    found, place = dict[str, Array](), 0
    for W, b, name in zip(stack.weights, stack.biases, stack.activations, strict=True):
        found |= {f"{place}.weight": W, f"{place}.bias": b}
        place += 1 if name == "identity" else 2
    return found


def same_function(function: Callable[[Any], Any], name: str) -> bool:
    """Whether a callable of another library gives the numbers of an activation; never where it cannot be called."""
    try:
        grid = _GRID[np.newaxis] if name == "softmax" else _GRID
        values = np.asarray(function(grid), np.float64)
    except Exception:  # noqa: BLE001 - whatever another library raises
        return False
    expected = np.asarray(_KNOWN[name].function(grid.astype(np.float64)))
    return values.shape == expected.shape and bool(np.allclose(values, expected, rtol=1e-5, atol=1e-6))


def name_of(function: Callable[[Any], Any], preferred: Iterable[str] = ()) -> str | None:
    """Return the activation that a callable computes, or None."""
    for name in (*(one for one in preferred if one in _KNOWN), *_KNOWN):
        if same_function(function, name):
            return name
    return None
