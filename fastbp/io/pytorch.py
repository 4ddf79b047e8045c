"""Networks as modules of PyTorch, read without importing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastbp.io.stack import Builder, Stack, from_names, numbers, refused

# Class of torch.nn, and what its attributes must be for the activation of this name.
_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "identity": ("Identity", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("ReLU", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": 0.01}),
    "elu": ("ELU", {"alpha": 1.0}),
    "selu": ("SELU", {}),
    "gelu": ("GELU", {"approximate": "none"}),
    "silu": ("SiLU", {}),
    "softplus": ("Softplus", {"beta": 1}),
    "softsign": ("Softsign", {}),
    "hard_sigmoid": ("Hardsigmoid", {}),
    "mish": ("Mish", {}),
    "softmax": ("Softmax", {}),
}
_BY_CLASS = {kind: (name, attributes) for name, (kind, attributes) in _ACTIVATIONS.items()}
# Modules that change nothing where a network only computes.
_NOTHING = ("Dropout", "AlphaDropout", "Flatten")


def read(module: Any, activation: str | Sequence[str], output: str | None) -> Stack:
    """Return the layers of a module, or of a state dict with these activations.

    Raises
    ------
    ValueError
        If a layer cannot be carried over. The message names it.
    """
    if isinstance(module, Mapping):
        arrays = {name: _numpy(name, tensor) for name, tensor in module.items()}
        return from_names(arrays, activation, output or "identity")
    builder = Builder()
    for name, layer in _leaves(module, ""):
        _take(builder, name, layer)
    return builder.stack(output)


def _leaves(module: Any, name: str) -> Iterator[tuple[str, Any]]:
    if type(module).__name__ == "Sequential":
        for key, child in module.named_children():
            yield from _leaves(child, f"{name}.{key}".lstrip("."))
    else:
        yield name, module


def _take(builder: Builder, name: str, layer: Any) -> None:
    kind = type(layer).__name__
    title = f"layer {name!r} ({kind})"
    if kind == "Linear":
        b = None if layer.bias is None else _numpy(title, layer.bias)
        builder.affine(title, _numpy(title, layer.weight), b)
    elif kind in _BY_CLASS:
        activation, attributes = _BY_CLASS[kind]
        for attribute, value in attributes.items():
            if getattr(layer, attribute) != value:
                raise refused(title, f"its {attribute} is {getattr(layer, attribute)!r}, expected {value!r}")
        if kind == "Softmax" and layer.dim not in (1, -1):
            raise refused(title, f"its dim is {layer.dim}, expected 1")
        builder.activation(title, activation)
    elif kind == "Flatten" and builder.weights:
        raise refused(title, "expected before the first Linear")
    elif kind not in _NOTHING:
        raise refused(title, "expected Linear, an activation of fastbp, Dropout or Flatten, in a Sequential")


def _numpy(layer: str, tensor: Any) -> Any:
    try:
        found = tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else tensor
    except TypeError:  # bfloat16, for one, is no type of NumPy's
        raise refused(layer, f"its numbers are {tensor.dtype}, expected float32 or float64") from None
    return numbers(layer, found)


def write(stack: Stack, *, logits: bool) -> Any:
    """Return a torch.nn.Sequential of the layers; without the output's activation where `logits`."""
    import torch

    modules = []
    names = [*stack.activations[:-1], "identity" if logits else stack.activations[-1]]
    for l, (W, b, name) in enumerate(zip(stack.weights, stack.biases, names, strict=True), start=1):
        linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=getattr(torch, W.dtype.name))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W))
            linear.bias.copy_(torch.from_numpy(b))
        modules.append(linear)
        if name not in _ACTIVATIONS:
            raise refused(f"layer {l}", f"torch.nn has no module for {name!r}")
        if name != "identity":
            kind, attributes = _ACTIVATIONS[name]
            modules.append(getattr(torch.nn, kind)(**({"dim": 1} if name == "softmax" else attributes)))
    return torch.nn.Sequential(*modules)
