"""Networks as ONNX files [1]_, without the package `onnx`.

Written are Gemm and activations of the default domain. Read are chains of Gemm, or MatMul and Add, and activations.

References
----------
.. [1] https://onnx.ai/onnx/intro/concepts.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastbp.io.protobuf import decode, encode, packed, text
from fastbp.io.stack import Array, Builder, Stack, refused

__all__ = ["OPSET", "read", "write"]

# Operators are those of opset 20 or before; the runtimes of 2024 take this one.
OPSET, _IR_VERSION = 22, 10
_TYPES = {np.dtype(np.float32): 1, np.dtype(np.float64): 11}
_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875
# Operator of each activation, and its attributes where they are none of the defaults.
_OPERATORS: dict[str, tuple[str, dict[str, float]]] = {
    "sigmoid": ("Sigmoid", {}), "tanh": ("Tanh", {}), "relu": ("Relu", {}), "selu": ("Selu", {}), "gelu": ("Gelu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}), "elu": ("Elu", {"alpha": 1.0}), "softplus": ("Softplus", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}), "softsign": ("Softsign", {}), "mish": ("Mish", {}),
    "exp": ("Exp", {}), "softmax": ("Softmax", {}),
}  # fmt: skip
_BY_OPERATOR = {operator: name for name, (operator, _) in _OPERATORS.items()}
# What an attribute is where the file has none.
_DEFAULTS = {
    "LeakyRelu": {"alpha": 0.01}, "Elu": {"alpha": 1.0}, "Selu": {"alpha": _SELU_ALPHA, "gamma": _SELU_GAMMA},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
}  # fmt: skip
_EXPECTED = {"Selu": {"alpha": _SELU_ALPHA, "gamma": _SELU_GAMMA}}
_NOTHING = ("Identity", "Dropout", "Cast")


# ------------------------------------------------------------------ writing
def write(stack: Stack, *, logits: bool) -> bytes:
    """Return the bytes of a file that computes the outputs "output" of the inputs "input", samples as rows."""
    dtype = stack.weights[0].dtype
    nodes, tensors, last = list[bytes](), list[bytes](), "input"
    names = [*stack.activations[:-1], "identity" if logits else stack.activations[-1]]
    for l, (W, b, name) in enumerate(zip(stack.weights, stack.biases, names, strict=True), start=1):
        tensors += [_tensor(f"W{l}", W), _tensor(f"b{l}", b)]
        nodes.append(_node("Gemm", [last, f"W{l}", f"b{l}"], f"z{l}", [_integer("transB", 1)]))
        last = f"z{l}"
        if name == "silu":
            nodes.append(_node("Sigmoid", [last], f"s{l}"))
            nodes.append(_node("Mul", [last, f"s{l}"], f"a{l}"))
            last = f"a{l}"
        elif name != "identity":
            if name not in _OPERATORS:
                raise refused(f"layer {l}", f"ONNX has no operator for {name!r}")
            operator, numbers = _OPERATORS[name]
            attributes = [_number(key, value) for key, value in numbers.items()]
            nodes.append(_node(operator, [last], f"a{l}", attributes))
            last = f"a{l}"
    nodes.append(_node("Identity", [last], "output"))
    ends = [_value("input", dtype, stack.weights[0].shape[1]), _value("output", dtype, stack.weights[-1].shape[0])]
    graph = encode([*((1, node) for node in nodes), (2, "network"), *((5, tensor) for tensor in tensors),
                    (11, ends[0]), (12, ends[1])])
    return encode([(1, _IR_VERSION), (2, "fastbp"), (7, graph), (8, encode([(1, ""), (2, OPSET)]))])


def _tensor(name: str, array: Array) -> bytes:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return encode([*((1, size) for size in array.shape), (2, _TYPES[array.dtype]), (8, name), (9, little.tobytes())])


def _node(operator: str, inputs: list[str], output: str, attributes: list[bytes] | None = None) -> bytes:
    names = [*((1, name) for name in inputs), (2, output), (3, f"{operator}_{output}"), (4, operator)]
    return encode([*names, *((5, attribute) for attribute in attributes or [])])


def _integer(name: str, value: int) -> bytes:
    return encode([(1, name), (3, value), (20, 2)])


def _number(name: str, value: float) -> bytes:
    return encode([(1, name), (2, float(value)), (20, 1)])


def _value(name: str, dtype: np.dtype[Any], n: int) -> bytes:
    shape = encode([(1, encode([(2, "samples")])), (1, encode([(1, n)]))])
    tensor = encode([(1, _TYPES[dtype]), (2, shape)])
    return encode([(1, name), (2, encode([(1, tensor)]))])


# ------------------------------------------------------------------ reading
class _Node:
    def __init__(self, message: memoryview) -> None:
        fields = decode(message)
        self.inputs = [bytes(name).decode() for name in fields.get(1, [])]
        self.outputs = [bytes(name).decode() for name in fields.get(2, [])]
        self.operator, self.name = text(fields, 4), text(fields, 3)
        self.attributes = dict(_attribute(one) for one in fields.get(5, []))

    @property
    def title(self) -> str:
        return f"node {self.name or (self.outputs or ['?'])[0]!r} ({self.operator})"


def _attribute(message: memoryview) -> tuple[str, Any]:
    fields = decode(message)
    values: list[tuple[int, Callable[[Any], Any]]] = [
        (2, float), (3, int), (4, lambda s: bytes(s).decode()), (5, _array),
    ]  # fmt: skip
    found = [convert(fields[number][-1]) for number, convert in values if number in fields]
    return text(fields, 1), found[0] if found else None


def _array(message: memoryview) -> Array:
    fields = decode(message)
    shape, kind = packed(fields.get(1, [])), packed(fields.get(2, [0]))[-1]
    known: dict[int, tuple[str, int]] = {1: ("<f4", 4), 11: ("<f8", 10), 7: ("<i8", 7), 6: ("<i4", 5)}
    if 13 in fields:
        raise ValueError(f"its tensor {text(fields, 8)!r} lies in another file")
    if kind not in known:
        raise ValueError(f"its tensor {text(fields, 8)!r} has the type {kind}, expected float32 or float64")
    dtype, place = known[kind]
    if 9 in fields:
        flat = np.frombuffer(fields[9][-1], dtype)
    elif kind in (6, 7):
        flat = np.array(packed(fields.get(place, [])), dtype)
    else:
        parts = [np.frombuffer(v, dtype) if isinstance(v, memoryview) else np.array([v], dtype)
                 for v in fields.get(place, [])]
        flat = np.concatenate([*parts, np.empty(0, dtype)])
    if flat.size != math.prod(shape):
        raise ValueError(f"its tensor {text(fields, 8)!r} has {flat.size} numbers for the shape {shape}")
    return flat.reshape(shape).astype(flat.dtype.newbyteorder("="))


def read(content: bytes) -> Stack:
    """Return the layers of the bytes of a file.

    Raises
    ------
    ValueError
        If it is no ONNX file, or a node cannot be carried over. The message names it.
    """
    model = decode(content)
    if 7 not in model or not isinstance(model[7][-1], memoryview):
        raise ValueError("it is no ONNX file")
    graph = decode(model[7][-1])
    tensors = {text(decode(one), 8): _array(one) for one in graph.get(5, [])}
    nodes = [_Node(one) for one in graph.get(1, [])]
    inputs = [text(decode(one), 1) for one in graph.get(11, [])]
    flowing = [name for name in inputs if name not in tensors]
    if len(flowing) != 1 or len(graph.get(12, [])) != 1:
        raise ValueError(f"it has {len(flowing)} inputs and {len(graph.get(12, []))} outputs, expected one of each")
    builder = Builder()
    for node in _chain(nodes, tensors, flowing[0]):
        _take(builder, node, tensors)
    return builder.stack()


def _chain(nodes: list[_Node], tensors: dict[str, Array], start: str) -> Iterator[_Node]:
    """Nodes one after the other, each of which takes what the one before gave."""
    last, z = start, ""
    for node in nodes:
        if node.operator == "Constant":
            value = node.attributes.get("value")
            if value is None:
                raise refused(node.title, "its value is no tensor")
            tensors[node.outputs[0]] = value
            continue
        varying = [name for name in node.inputs if name and name not in tensors]
        if node.operator == "Mul" and set(varying) == {last, z}:
            yield node  # z sigmoid(z)
        elif varying != [last]:
            raise refused(node.title, f"it takes {varying}, expected {[last]}: one layer after the other")
        else:
            yield node
        z, last = last, node.outputs[0]


def _take(builder: Builder, node: _Node, tensors: dict[str, Array]) -> None:
    operator, constants = node.operator, [tensors[name] for name in node.inputs if name in tensors]
    if operator in ("Gemm", "MatMul"):
        _product(builder, node, constants, turned=node.inputs[0] in tensors)
    elif operator == "Add":
        b = constants[0] if constants else np.empty(0)
        if not builder.weights or b.size != len(builder.biases[-1]) or builder.activations[-1] != "identity":
            raise refused(node.title, "expected biases after a matrix")
        builder.biases[-1] = (builder.biases[-1] + b.reshape(-1)).astype(builder.biases[-1].dtype)
    elif operator == "Mul" and not constants:
        if not builder.weights or builder.activations[-1] != "sigmoid":
            raise refused(node.title, "expected the product of z and sigmoid(z)")
        builder.activations[-1] = "silu"
    elif operator in _BY_OPERATOR:
        _activation(builder, node)
    elif operator not in _NOTHING and not _flattens_inputs(builder, node):
        raise refused(node.title, "expected Gemm, MatMul, Add or an activation of fastbp")


def _flattens_inputs(builder: Builder, node: _Node) -> bool:
    return node.operator == "Flatten" and not builder.weights and node.attributes.get("axis", 1) == 1


def _product(builder: Builder, node: _Node, constants: list[Array], *, turned: bool) -> None:
    a = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} | node.attributes
    if a["alpha"] != 1.0 or a["beta"] != 1.0 or a["transA"] or turned or not constants:
        raise refused(node.title, f"it is more than x W + b with samples as rows: {node.attributes}")
    W = constants[0]
    builder.affine(node.title, W if a["transB"] else W.T, constants[1] if len(constants) > 1 else None)


def _activation(builder: Builder, node: _Node) -> None:
    operator, name = node.operator, _BY_OPERATOR[node.operator]
    expected = _EXPECTED.get(operator, _OPERATORS[name][1])
    found = _DEFAULTS.get(operator, {}) | {key: v for key, v in node.attributes.items() if key in expected}
    for key, value in expected.items():
        if not np.isclose(found[key], value, rtol=1e-6):
            raise refused(node.title, f"its {key} is {found[key]:g}, expected {value:g}")
    if operator == "Gelu" and node.attributes.get("approximate", "none") != "none":
        raise refused(node.title, "it is the approximation by tanh")
    if operator == "Softmax" and node.attributes.get("axis", -1) not in (1, -1):
        raise refused(node.title, f"its axis is {node.attributes['axis']}, expected -1")
    builder.activation(node.title, name)
