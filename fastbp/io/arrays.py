"""Networks as named arrays: `.npz` files without pickle, and safetensors files."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np

from fastbp.io import safetensors
from fastbp.io.stack import Array, Builder, Stack, from_names, refused, state_names
from fastbp.kernels.runtime import whole_files

Path = str | os.PathLike[str]


# ------------------------------------------------------------------ safetensors
def write_safetensors(path: Path, stack: Stack) -> None:
    """Write arrays by the names of PyTorch's Sequential, and beside them the activations and the loss."""
    metadata = {"activations": json.dumps(stack.activations), "loss": stack.loss or ""}
    safetensors.write(path, state_names(stack), metadata)


def read_safetensors(path: Path, activation: str | Sequence[str], output: str | None) -> Stack:
    """Return the layers of a file of arrays called "....weight" and "....bias".

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged, or an array cannot be carried over.
    """
    arrays, metadata = safetensors.read(path)
    # the order of the file is that of sizes; that of layers is in the names
    arrays = {name: arrays[name] for name in sorted(arrays, key=_natural)}
    if "activations" not in metadata:
        return from_names(arrays, activation, output or "identity")
    *hidden, last = json.loads(metadata["activations"])
    return from_names(arrays, hidden, last, metadata.get("loss") or None)


def _natural(name: str) -> list[tuple[int, str]]:
    """Numbers in a name by their size: layer 10 after layer 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]


# ------------------------------------------------------------------ npz
def write_npz(path: Path, stack: Stack) -> None:
    """Write W1, b1, W2, b2, ..., and the names of activations and loss as arrays of text."""
    arrays: dict[str, Array] = {}
    for l, (W, b) in enumerate(zip(stack.weights, stack.biases, strict=True), start=1):
        arrays |= {f"W{l}": W, f"b{l}": b}
    file = io.BytesIO()
    np.savez(file, **arrays, activations=np.array(stack.activations), loss=np.array(stack.loss or ""))  # type: ignore[arg-type]
    whole_files.write_whole(path, [file.getbuffer()])


def read_npz(opened: BinaryIO, activation: str | Sequence[str], output: str | None, columns: bool | None) -> Stack:
    """Return the layers of a file of arrays W1, b1, W2, b2, ...

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it holds pickled objects, or arrays that do not follow one another.
    """
    if opened.read(2) != b"PK":  # NumPy would take it for a pickle, and advise to load it all the same
        raise ValueError("it is not an .npz file")
    opened.seek(0)
    with np.load(opened, allow_pickle=False) as file:
        arrays = dict(file.items())
    names = arrays.pop("activations", None)
    loss = str(arrays.pop("loss", "")) or None
    if names is not None:
        *hidden, last = (str(name) for name in names)
        activation, output, columns = hidden, last, True
    return _stack(arrays, activation, output or "identity", columns, loss)


def _stack(
    arrays: Mapping[str, Any], activation: str | Sequence[str], output: str, columns: bool | None, loss: str | None
) -> Stack:
    n = sum(name.startswith("W") for name in arrays)
    strange = set(arrays) - {f"{kind}{l}" for kind in "Wb" for l in range(1, n + 1)}
    if strange or n == 0:
        found = repr(sorted(strange)[0]) if strange else "a file without W1"
        raise refused(found, "expected arrays W1, b1, W2, b2, ...")
    weights = [np.asarray(arrays[f"W{l}"]) for l in range(1, n + 1)]
    biases = [arrays.get(f"b{l}") for l in range(1, n + 1)]
    if columns is None:
        columns = _are_columns(weights, biases)
    builder = Builder()
    for l, (W, b) in enumerate(zip(weights, biases, strict=True), start=1):
        builder.affine(f"W{l}", W if columns else W.T, b)
    return builder.named(activation, output, loss)


def _are_columns(weights: list[Array], biases: list[Any]) -> bool:
    """Whether matrices are (n_out, n_in), by their shapes."""
    fits = []
    for columns in (True, False):
        shapes = [W.shape if columns else W.shape[::-1] for W in weights]
        chained = all(one[0] == other[-1] for one, other in pairwise(shapes))
        sized = all(b is None or np.size(b) == shape[0] for b, shape in zip(biases, shapes, strict=True))
        fits.append(chained and sized)
    if all(fits):
        raise ValueError("matrices of these shapes may be (n_out, n_in) or (n_in, n_out): give columns=True or False")
    return fits[0]
