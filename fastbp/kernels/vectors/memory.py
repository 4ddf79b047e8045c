"""Pointers as in C, and what is loaded and stored through them.

`pointer` takes the address of an array, p + n lies n numbers further.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin

from fastbp.kernels.vectors.simd import I32, Vec, broadcast, first_mask, lanes_of, vector_of


def load_at(builder: Any, p: Any, offset: Any, ty: ir.Type, align: int) -> Any:
    """Load one `ty` from p + offset, `offset` in numbers."""
    value = builder.load(builder.bitcast(builder.gep(p, [offset]), ty.as_pointer()))
    value.align = align
    return value


def store_at(builder: Any, p: Any, offset: Any, value: Any, align: int) -> None:
    """Store `value` to p + offset, `offset` in numbers."""
    builder.store(value, builder.bitcast(builder.gep(p, [offset]), value.type.as_pointer())).align = align


def masked_load_at(context: Any, builder: Any, p: Any, offset: Any, v: Vec, n: Any) -> Any:
    """Load the first `n` lanes of a `v` from p + offset, `offset` in numbers; the others are 0."""
    vt, mask = context.get_value_type(v), first_mask(builder, v.lanes, n)
    address = builder.bitcast(builder.gep(p, [offset]), vt.as_pointer())
    fnty = ir.FunctionType(vt, [address.type, I32, mask.type, vt])
    name = f"llvm.masked.load.v{v.lanes}f{v.dtype.bitwidth}.p0"
    fn = cgutils.get_or_insert_function(builder.module, fnty, name)
    return builder.call(fn, [address, I32(v.dtype.bitwidth // 8), mask, ir.Constant(vt, None)])


@intrinsic
def pointer(tyctx, arr):
    """The address of the first element of array `arr`; the caller keeps the array alive."""

    def codegen(context, builder, sig, args):
        return context.make_array(arr)(context, builder, args[0]).data

    return types.CPointer(arr.dtype)(arr), codegen


@intrinsic
def keep_alive(tyctx, arr):
    """Keep an array that a kernel made until here: Numba frees it after its last use, which may be its `pointer`."""
    return types.void(arr), lambda context, builder, sig, args: context.get_dummy_value()


@intrinsic
def pointer_at(tyctx, address, like):
    """The integer `address` as a pointer to numbers of the kind of the array `like`."""

    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

    return types.CPointer(like.dtype)(types.intp, like), codegen


@intrinsic
def words_at(tyctx, p):
    """The pointer `p` to numbers as one to 4-byte words."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(sig.return_type))

    return types.CPointer(types.int32)(p), codegen


@infer_global(operator.add)
class _PointerPlus(AbstractTemplate):
    def generic(self, args, kws):
        moved = len(args) == 2 and isinstance(args[0], types.CPointer) and isinstance(args[1], types.Integer)
        return signature(args[0], args[0], types.intp) if moved else None


@lower_builtin(operator.add, types.CPointer, types.Integer)
def _pointer_plus(context, builder, sig, args):
    return builder.gep(args[0], [args[1]])


@intrinsic
def load(tyctx, p, offset):
    """The vector at p[offset]."""
    v = vector_of(p.dtype)

    def codegen(context, builder, sig, args):
        return load_at(builder, args[0], args[1], context.get_value_type(v), v.dtype.bitwidth // 8)

    return v(p, types.intp), codegen


@intrinsic
def store(tyctx, p, offset, x):
    """Write vector `x` (or a number, broadcast) to p[offset]."""
    v = vector_of(p.dtype)

    def codegen(context, builder, sig, args):
        store_at(builder, args[0], args[1], args[2], v.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(p, types.intp, v), codegen


@intrinsic(prefer_literal=True)
def splats(tyctx, p, count):
    """The numbers p[0], ..., p[count - 1] (`count` a literal), each as a vector of equal lanes."""
    v, n = vector_of(p.dtype), count.literal_value

    def codegen(context, builder, sig, args):
        numbers = [builder.load(builder.gep(args[0], [ir.Constant(I32, k)])) for k in range(n)]
        return cgutils.pack_array(builder, [broadcast(builder, x, v.lanes) for x in numbers])

    return types.UniTuple(v, n)(p, count), codegen


@intrinsic(prefer_literal=True)
def load_strided(tyctx, p, stride, count):
    """The vectors at p[0], p[stride], ... as a tuple of `count` (a literal, 0 too)."""
    v, n = vector_of(p.dtype), count.literal_value
    result = types.UniTuple(v, n) if n else types.Tuple(())

    def codegen(context, builder, sig, args):
        vt = context.get_value_type(v)
        offsets = [builder.mul(args[1], ir.Constant(args[1].type, k)) for k in range(n)]
        values = [load_at(builder, args[0], offset, vt, v.dtype.bitwidth // 8) for offset in offsets]
        return context.make_tuple(builder, result, values)

    return result(p, types.intp, count), codegen


@intrinsic
def store_strided(tyctx, p, stride, values):
    """Write the tuple of vectors `values` to p[0], p[stride], ..."""

    def codegen(context, builder, sig, args):
        for k, value in enumerate(cgutils.unpack_tuple(builder, args[2], len(values))):
            offset = builder.mul(args[1], ir.Constant(args[1].type, k))
            store_at(builder, args[0], offset, value, p.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(p, types.intp, values), codegen


@intrinsic
def lanes_in(tyctx, p):
    """How many numbers of the kind `p` points to one register holds: a constant of the compiled code."""
    lanes = lanes_of(p.dtype)
    return types.intp(p), lambda context, builder, sig, args: context.get_constant(types.intp, lanes)


@intrinsic
def zero_in(tyctx, p):
    """The number 0 of the kind that `p` points to (0 * p[0] would be float64, and NaN where that is not finite)."""
    return p.dtype(p), lambda context, builder, sig, args: context.get_constant(p.dtype, 0.0)


@intrinsic
def load_first(tyctx, p, offset, n):
    """The vector whose first `n` lanes are p[offset], ..., and whose others are 0; nothing else is read."""
    v = vector_of(p.dtype)
    return v(p, types.int64, types.int64), lambda context, builder, sig, args: masked_load_at(
        context, builder, args[0], args[1], v, args[2]
    )
