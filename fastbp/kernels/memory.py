"""Records that a compiled call takes instead of dozens of arguments: the layers, and where all buffers lie."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastbp.kernels.jit import inner
from fastbp.kernels.simd import pointer_from

# One row a layer; `before` counts the weights of the layers before; `weights`, `biases`, `back`, `outputs` are offsets
# in numbers into the buffers w, w, back and a or d.
LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            "n_in",
            "n_out",
            "lead_in",
            "lead",
            "narrow",
            "before",
            "weights",
            "biases",
            "back",
            "outputs",
            "activation",
            "parameters",
        )
    ]
)

# One record: addresses of the buffers, then numbers.
MEMORY = np.dtype(
    [
        (name, np.int64)
        for name in (
            "w",
            "back",
            "s",
            "u",
            "g",
            "a",
            "d",
            "y",
            "weight",
            "cost",
            "right",
            "same",
            "zeros",
            "scratch",
            "room",
            "x",
            "targets",
            "labels",
            "sample_weight",
            "update",
            "loss",
            "ending",
            "count_right",
            "binary",
            "at_zero",
            "shaped",
            "seed",
            "drop_below",
            "step",
            "together",
        )
    ]
    + [
        (name, np.float64)
        for name in ("l1", "l2", "clip_value", "clip_norm", "max_norm", "drop_scale", "sharp", "spread")
    ]
)


class Memory(NamedTuple):
    """The buffers of a fit as pointers, and what is the same for all its steps."""

    w: Any
    back: Any
    s: Any
    u: Any
    g: Any
    a: Any
    d: Any
    y: Any
    weight: Any
    cost: Any
    right: Any
    same: Any
    zeros: Any
    scratch: Any
    room: Any
    update: Any
    loss: Any
    ending: Any
    shaped: Any
    l1: Any
    l2: Any
    clip_value: Any
    seed: Any
    drop_below: Any
    drop_scale: Any


@inner
def opened(record, floats, doubles, integers):
    """The record's addresses as pointers of the types of `floats`, `doubles`, `integers`."""
    return Memory(
        pointer_from(record.w, floats),
        pointer_from(record.back, floats),
        pointer_from(record.s, floats),
        pointer_from(record.u, floats),
        pointer_from(record.g, floats),
        pointer_from(record.a, floats),
        pointer_from(record.d, floats),
        pointer_from(record.y, floats),
        pointer_from(record.weight, floats),
        pointer_from(record.cost, doubles),
        pointer_from(record.right, integers),
        pointer_from(record.same, integers),
        pointer_from(record.zeros, floats),
        pointer_from(record.scratch, floats),
        record.room,
        record.update,
        record.loss,
        record.ending,
        record.shaped,
        record.l1,
        record.l2,
        record.clip_value,
        record.seed,
        record.drop_below,
        record.drop_scale,
    )
