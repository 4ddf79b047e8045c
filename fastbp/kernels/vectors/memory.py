"""Pointers as in C, and what is loaded and stored through them.

`pointer` takes the address of an array, p + n lies n numbers further.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin

from fastbp.kernels.vectors.intrinsics import Code, vector_code
from fastbp.kernels.vectors.simd import Vec, broadcast, lanes_of, vector_of


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


# ------------------------------------------------------------------ vectors in memory
@vector_code(lambda p, offset: vector_of(p.dtype))
def load(code, p, offset):
    """The vector at p[offset]."""
    return code.load(p, offset)


@intrinsic
def load_four(tyctx, p, offset):
    """Four vectors from p[offset] on, as one: each operation on it is four instructions side by side."""
    v = Vec(p.dtype, 4 * lanes_of(p.dtype))
    return v(p, types.intp), lambda context, builder, sig, args: Code(context, builder, v).load(*args)


@vector_code(lambda p, offset, n: vector_of(p.dtype))
def load_first(code, p, offset, n):
    """The vector whose first `n` lanes are p[offset], ..., and whose others are 0; nothing else is read."""
    return code.load_first(p, offset, n)


@vector_code(lambda p, offset, x: types.void)
def store(code, p, offset, x):
    """Write vector `x`, or four of them, or a number in every lane, to p[offset]."""
    code.store(p, offset, x if isinstance(x.type, ir.VectorType) else broadcast(code.builder, x, code.lanes))


@vector_code(lambda p, count: types.UniTuple(vector_of(p.dtype), count.literal_value), literal=True)
def splats(code, p, count):
    """The numbers p[0], ..., p[count - 1] (`count` a literal), each as a vector of equal lanes."""
    return [code.repeated(p, code.index(k)) for k in range(count)]


def _vectors(p: Any, stride: Any, count: Any) -> Any:
    n = count.literal_value
    return types.UniTuple(vector_of(p.dtype), n) if n else types.Tuple(())


@vector_code(_vectors, literal=True)
def load_strided(code, p, stride, count):
    """The vectors at p[0], p[stride], ... as a tuple of `count` (a literal, 0 too)."""
    return [code.load(p, code.builder.mul(stride, code.index(k))) for k in range(count)]


@vector_code(lambda p, stride, values: types.void)
def store_strided(code, p, stride, values):
    """Write the tuple of vectors `values` to p[0], p[stride], ..."""
    for k, value in enumerate(values):
        code.store(p, code.builder.mul(stride, code.index(k)), value)


@intrinsic
def lanes_in(tyctx, p):
    """How many numbers of the kind `p` points to one register holds: a constant of the compiled code."""
    lanes = lanes_of(p.dtype)
    return types.intp(p), lambda context, builder, sig, args: context.get_constant(types.intp, lanes)


@intrinsic
def zero_in(tyctx, p):
    """The number 0 of the kind that `p` points to (0 * p[0] would be float64, and NaN where that is not finite)."""
    return p.dtype(p), lambda context, builder, sig, args: context.get_constant(p.dtype, 0.0)
