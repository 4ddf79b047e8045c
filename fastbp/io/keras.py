"""Networks as lists of weights of Keras, or as models by their `layers`, read without importing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.io.stack import Array, Builder, Stack, name_of, refused

_NOTHING = ("InputLayer", "Dropout", "Flatten", "AlphaDropout", "GaussianDropout", "GaussianNoise")
# Layers that are an activation, and their attributes that name its slope.
_SLOPES = {"LeakyReLU": ("leaky_relu", ("negative_slope", "alpha"), 0.01), "ELU": ("elu", ("alpha",), 1.0)}


def read(model: Any, activation: str | Sequence[str], output: str | None) -> Stack:
    """Return the layers of a model, or of a list kernel, bias, kernel, bias, ... with these activations.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If a layer cannot be carried over. The message names it.
    """
    builder = Builder()
    if not hasattr(model, "layers"):
        if not isinstance(model, Sequence):
            found = type(model).__name__
            raise TypeError(f"model is of type {found}, expected a model with layers, or a list of arrays")
        arrays = [np.asarray(array) for array in model]
        for k, kernel in enumerate(arrays):
            if kernel.ndim == 2:
                bias = arrays[k + 1] if k + 1 < len(arrays) and arrays[k + 1].ndim == 1 else None
                builder.affine(f"array {k}", kernel.T, bias)
            elif kernel.ndim != 1 or k == 0 or arrays[k - 1].ndim != 2:
                raise refused(f"array {k}", f"its shape is {kernel.shape}, expected kernels (n_in, n_out) and biases")
        return builder.named(activation, output or "identity")
    for layer in model.layers:
        _take(builder, layer)
    return builder.stack(output)


def _take(builder: Builder, layer: Any) -> None:
    kind = type(layer).__name__
    title = f"layer {getattr(layer, 'name', '?')!r} ({kind})"
    if kind == "Dense":
        arrays = layer.get_weights()
        builder.affine(title, np.transpose(arrays[0]), arrays[1] if len(arrays) > 1 else None)
        _activation(builder, title, layer.activation)
    elif kind == "Activation":
        _activation(builder, title, layer.activation)
    elif kind in ("ReLU", "Softmax"):
        for attribute in ("max_value", "negative_slope", "threshold"):
            if kind == "ReLU" and getattr(layer, attribute, None):
                raise refused(title, f"its {attribute} is {getattr(layer, attribute)!r}")
        builder.activation(title, kind.lower())
    elif kind in _SLOPES:
        name, attributes, expected = _SLOPES[kind]
        slope = next(getattr(layer, attribute) for attribute in attributes if hasattr(layer, attribute))
        if not np.isclose(float(np.asarray(slope)), expected):
            raise refused(title, f"its slope is {float(np.asarray(slope)):g}, expected {expected:g}")
        builder.activation(title, name)
    elif kind == "Flatten" and builder.weights:
        raise refused(title, "expected before the first Dense")
    elif kind not in _NOTHING:
        raise refused(title, "expected Dense, an activation of fastbp, Dropout or Flatten")


def _activation(builder: Builder, title: str, function: Any) -> None:
    """By its values: names differ from release to release, and so do slopes."""
    if function is None:
        return
    called = getattr(function, "__name__", "")
    preferred = {"linear": "identity", "swish": "silu"}.get(called, called)
    name = name_of(function, [preferred])
    if name is None:
        raise refused(title, f"fastbp has no activation with the values of {called or function!r}")
    builder.activation(title, name)


def write(stack: Stack) -> list[Array]:
    """Return the list that `model.set_weights` takes."""
    pairs = zip(stack.weights, stack.biases, strict=True)
    return [array for W, b in pairs for array in (np.ascontiguousarray(W.T), b)]
