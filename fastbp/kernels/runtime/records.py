"""Records that a compiled call takes instead of dozens of arguments: the layers, and where all buffers lie.

They are passed by address: Numba takes 0.5 µs to know the type of an array of records.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
from numba.extending import infer_getattr, intrinsic, lower_builtin, lower_getattr_generic, models, register_model
from numba.np.numpy_support import from_dtype

_BYTE, _SIZE = ir.IntType(8), ir.IntType(64)

# One record a layer. Offsets are in numbers: `weights` and `biases` into w, `w_t` into w_t (-1 where nothing goes
# back), `outputs` into a and delta, `parameters` into the user's flat array; `before` counts the weights of the layers
# before; `activation` is the address of compiled code, 0 where a = z.
LAYER = np.dtype([(name, np.int64) for name in (
    "n_in", "n_out", "ld_in", "ld", "skinny", "before", "weights", "biases", "w_t", "outputs", "activation",
    "parameters",
)])  # fmt: skip

# One record a workspace: addresses in bytes of what the kernels read and write, then numbers.
FLOATS = (
    "w",  # weights in panels of columns i, and biases
    "w_t",  # weights in panels of columns j; 0 where nothing goes back
    "flat",  # the parameters as users see them
    "seen",  # a copy of those that are in the panels
    "state",  # of the optimizer: state k of w[o] at state[k * state_stride + o]
    "g",  # the gradient, laid out as w, where it is stored
    "a",
    "delta",
    "y",  # targets of the minibatch
    "weight",  # what δ^L of a sample is multiplied by
    "zeros",
    "scratch",
    "x",
    "targets",
    "sample_weight",
    "weight_numbers",  # of the gradient rules, for weights and for biases
    "bias_numbers",
)
DOUBLES = ("cost", "result")
INTEGERS = ("correct", "identity", "labels", "arrivals", "steps")
WORKSPACE = np.dtype(
    [
        (name, np.int64)
        for name in (
            *FLOATS,
            *DOUBLES,
            *INTEGERS,
            "state_stride",
            "scratch_per_thread",
            "update",  # addresses of compiled formulas; 0 where there is none
            "loss",
            "weight_rules",
            "bias_rules",
            "epilogue",
            "count_correct",
            "binary",
            "separate",  # whether each output decides for itself
            "at_zero",
            "seed",
            "drop_threshold",  # in 2⁻³²
            "first",  # number of sample 0 in its minibatch, of which these may be a share
            "sample_block",
        )
    ]
    + [(name, np.float64) for name in ("clip_norm", "max_norm", "drop_scale", "smooth_scale", "smooth_shift")]
    + [(name, np.float64) for name in ("l1", "l2")]  # of the penalties that are measured; 0 where none is
)


# ------------------------------------------------------------------ records in compiled code
class RecordPointer(types.Type):
    """The address of a record of 8-byte fields, which are attributes: numbers, and of a WORKSPACE record pointers.

    A field is loaded where it is used. As a tuple, the record gave every function 25 arguments and cost 0.7 of the
    5.8 s to the first step.
    """

    def __init__(self, record: np.dtype[Any], dtype: types.Float | None = None) -> None:
        self.members = {name: (from_dtype(record[name]), 8 * k) for k, name in enumerate(record.names or ())}
        if dtype is not None:
            for names, kind in ((FLOATS, dtype), (DOUBLES, types.float64), (INTEGERS, types.int64)):
                self.members.update({name: (types.CPointer(kind), self.members[name][1]) for name in names})
        super().__init__(name=f"RecordPointer({len(self.members)}, {dtype})")


@register_model(RecordPointer)
class _RecordPointerModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: RecordPointer) -> None:
        super().__init__(dmm, fe_type, _BYTE.as_pointer())


@infer_getattr
class _FieldTypes(AttributeTemplate):
    key = RecordPointer

    def generic_resolve(self, fields: RecordPointer, name: str) -> types.Type | None:
        return fields.members[name][0] if name in fields.members else None


@lower_getattr_generic(RecordPointer)
def _read_field(context: Any, builder: Any, fields: RecordPointer, address: Any, name: str) -> Any:
    """What lies in the record; no compiled call changes it, so LLVM may read it ahead of any loop."""
    kind, offset = fields.members[name]
    place = builder.bitcast(builder.gep(address, [_SIZE(offset)]), context.get_value_type(kind).as_pointer())
    value = builder.load(place)
    value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


class Layers(types.Type):
    """The address of the first LAYER record, and how many there are."""

    def __init__(self) -> None:
        super().__init__(name="Layers")


@register_model(Layers)
class _LayersModel(models.StructModel):
    def __init__(self, dmm: Any, fe_type: Layers) -> None:
        super().__init__(dmm, fe_type, [("first", types.voidptr), ("count", types.intp)])


@infer_global(len)
class _LengthType(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(types.intp, *args) if isinstance(args[0], Layers) else None


@infer_global(operator.getitem)
class _ItemType(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(RecordPointer(LAYER), args[0], types.intp) if isinstance(args[0], Layers) else None


@lower_builtin(len, Layers)
def _count(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.extract_value(args[0], 1)


@lower_builtin(operator.getitem, Layers, types.Integer)
def _layer(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.gep(builder.extract_value(args[0], 0), [builder.mul(args[1], _SIZE(LAYER.itemsize))])


@intrinsic
def workspace_at(tyctx, address, floats):
    """The WORKSPACE record at the integer `address`, its pointers to numbers of the kind of the array `floats`."""

    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[0], _BYTE.as_pointer())

    return RecordPointer(WORKSPACE, floats.dtype)(types.intp, floats), codegen


@intrinsic
def layers_at(tyctx, address, count):
    """The `count` LAYER records at the integer `address`."""

    def codegen(context, builder, sig, args):
        return cgutils.pack_struct(builder, [builder.inttoptr(args[0], _BYTE.as_pointer()), args[1]])

    return Layers()(types.intp, types.intp), codegen


@intrinsic
def not_null(tyctx, p):
    """Whether there is anything at pointer `p`: its address is not 0."""
    return types.boolean(p), lambda context, builder, sig, args: cgutils.is_not_null(builder, args[0])
