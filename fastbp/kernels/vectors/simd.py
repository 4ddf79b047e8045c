"""CPU vectors as a Numba type.

``Vec(dtype, lanes)`` lowers to an LLVM vector and ``Mask(lanes)`` to a vector of bits. Arithmetic, comparisons and
NumPy's maximum, minimum, abs, sqrt and where work on them, so a formula written for one number serves a register
of them.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, lower_cast, models, register_model

from fastbp.kernels.runtime.host import VECTOR_BYTES

I32 = ir.IntType(32)


# ------------------------------------------------------------------ the types
class Vec(types.Type):
    """`lanes` numbers of one floating `dtype` in one register."""

    def __init__(self, dtype: types.Float, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"Vec({dtype}, {lanes})")

    def can_convert_from(self, typingctx: Any, other: types.Type) -> Conversion | None:
        """Numbers become vectors of equal lanes."""
        return Conversion.safe if isinstance(other, types.Number) else None


class Mask(types.Type):
    """The outcome of a comparison of vectors, one bit a lane."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Mask({lanes})")


@register_model(Vec)
class _VecModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Vec) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(scalar_of(fe_type.dtype), fe_type.lanes))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Mask) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(ir.IntType(1), fe_type.lanes))


def scalar_of(dtype: types.Float) -> ir.Type:
    """LLVM's type of one lane."""
    return ir.FloatType() if dtype == types.float32 else ir.DoubleType()


def lanes_of(dtype: Any) -> int:
    """Numbers of Numba or NumPy type `dtype` in one register."""
    return VECTOR_BYTES // (dtype.bitwidth // 8 if isinstance(dtype, types.Type) else np.dtype(dtype).itemsize)


def vector_of(dtype: types.Float) -> Vec:
    """The full register of `dtype`."""
    return Vec(dtype, lanes_of(dtype))


# ------------------------------------------------------------------ building blocks for code generation
def call_intrinsic(context: Any, builder: Any, name: str, v: Vec, args: Any) -> Any:
    """Call llvm.<name>.<vector type> on arguments of type `v`: llvmlite's declare_intrinsic takes no vectors."""
    vt = context.get_value_type(v)
    fnty = ir.FunctionType(vt, [vt] * len(args))
    return builder.call(
        cgutils.get_or_insert_function(builder.module, fnty, f"llvm.{name}.v{v.lanes}f{v.dtype.bitwidth}"), args
    )


def broadcast(builder: Any, x: Any, lanes: int) -> Any:
    """A vector of `lanes` equal numbers."""
    vt = ir.VectorType(x.type, lanes)
    undef = ir.Constant(vt, ir.Undefined)
    v = builder.insert_element(undef, x, ir.Constant(I32, 0))
    return builder.shuffle_vector(v, undef, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def first_mask(builder: Any, lanes: int, n: Any) -> Any:
    """Bits of `lanes` lanes, the first `n` of them 1."""
    numbers = ir.Constant(ir.VectorType(n.type, lanes), list(range(lanes)))
    return builder.icmp_signed("<", numbers, broadcast(builder, n, lanes))


@intrinsic
def splat(tyctx, x):
    """The vector of lanes all equal to the number `x`."""
    v = vector_of(x)
    return v(x), lambda context, builder, sig, args: broadcast(builder, args[0], v.lanes)


@intrinsic
def first_lanes(tyctx, x, n):
    """Mask of the first `n` lanes of a vector like `x`."""
    return Mask(x.lanes)(x, types.int64), lambda context, builder, sig, args: first_mask(builder, x.lanes, args[1])


@intrinsic
def lane_number_is(tyctx, x, k):
    """Mask of lane number `k` of a vector like `x`; none where there is no such lane."""
    lanes = x.lanes

    def codegen(context, builder, sig, args):
        it = ir.VectorType(I32, lanes)
        wanted = broadcast(builder, builder.trunc(args[1], I32), lanes)
        return builder.icmp_signed("==", ir.Constant(it, list(range(lanes))), wanted)

    return Mask(lanes)(x, types.int64), codegen


@intrinsic
def first_true(tyctx, mask):
    """The number of the mask's first true lane, the number of lanes if none is."""

    def codegen(context, builder, sig, args):
        bits = builder.zext(builder.bitcast(args[0], ir.IntType(mask.lanes)), ir.IntType(64))
        return builder.cttz(builder.or_(bits, ir.Constant(bits.type, 1 << mask.lanes)), ir.Constant(ir.IntType(1), 1))

    return types.int64(mask), codegen


def butterfly(builder: Any, v: Any, lanes: int, combine: Any) -> Any:
    """What `combine` leaves of all lanes, in every lane: log2(lanes) exchanges, nothing through a scalar register."""
    step = lanes // 2
    while step:
        across = ir.Constant(ir.VectorType(I32, lanes), [k ^ step for k in range(lanes)])
        v = combine(builder, v, builder.shuffle_vector(v, v, across))
        step //= 2
    return v


def add(builder: Any, a: Any, b: Any) -> Any:
    """a + b."""
    return builder.fadd(a, b)


def larger(builder: Any, a: Any, b: Any) -> Any:
    """The larger of a and b; a where b is not a number."""
    return builder.select(builder.fcmp_ordered("<", a, b), b, a)


@intrinsic
def lane_sum(tyctx, x):
    """The sum of the lanes, in every lane."""
    return x(x), lambda context, builder, sig, args: butterfly(builder, args[0], x.lanes, add)


@intrinsic
def lane_max(tyctx, x):
    """The largest of the lanes, in every lane."""
    return x(x), lambda context, builder, sig, args: butterfly(builder, args[0], x.lanes, larger)


@intrinsic
def first_lane(tyctx, x):
    """The number in lane 0."""
    return x.dtype(x), lambda context, builder, sig, args: builder.extract_element(args[0], I32(0))


# ------------------------------------------------------------------ operators and NumPy names
def _operand(args: Any) -> Vec | None:
    """The vector type of an operation on vectors and numbers, None if it is not one."""
    vecs = [a for a in args if isinstance(a, Vec)]
    if vecs and all(a == vecs[0] or isinstance(a, types.Number) for a in args):
        return vecs[0]
    return None


def define(function: Any, arity: int, codegen: Any, result: Any = lambda v: v) -> None:
    """Let Numba take `function` on vectors (numbers are broadcast) by `codegen(context, builder, v, args)`."""

    class Template(AbstractTemplate):
        key = function

        def generic(self, args, kws):
            v = _operand(args)
            return signature(result(v), *[v] * arity) if v is not None and len(args) == arity and not kws else None

    infer_global(function, types.Function(Template))
    lower_builtin(function, *[Vec] * arity)(
        lambda context, builder, sig, args: codegen(context, builder, sig.args[0], args)
    )


def _mask_of(v: Vec) -> Mask:
    return Mask(v.lanes)


def _instruction(name: str) -> Any:
    return lambda context, builder, v, args: getattr(builder, name)(*args)


def _named(name: str) -> Any:
    return lambda context, builder, v, args: call_intrinsic(context, builder, name, v, args)


def _extremum(less: str) -> Any:
    """One select, which is one instruction; then b's NaN is put back (a's survives by itself)."""

    def codegen(context, builder, v, args):
        a, b = args
        r = builder.select(builder.fcmp_ordered(less, a, b), b, a)
        return builder.select(builder.fcmp_unordered("uno", b, b), b, r)

    return codegen


for _name in ("add", "sub", "mul", "truediv"):
    for _function in (getattr(operator, _name), getattr(operator, f"i{_name}")):
        define(_function, 2, _instruction(f"f{_name.removeprefix('true')}"))
for _function, _name in ((np.abs, "fabs"), (abs, "fabs"), (np.sqrt, "sqrt")):
    define(_function, 1, _named(_name))
define(operator.neg, 1, _instruction("fneg"))
define(np.maximum, 2, _extremum("<"))
define(np.minimum, 2, _extremum(">"))
for _function, _sign in ((operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">="),
                         (operator.eq, "==")):  # fmt: skip
    define(_function, 2, lambda context, builder, v, args, sign=_sign: builder.fcmp_ordered(sign, *args), _mask_of)
define(operator.ne, 2, lambda context, builder, v, args: builder.fcmp_unordered("!=", *args), _mask_of)


@lower_cast(types.Number, Vec)
def _number_to_vector(context, builder, fromty, toty, val):
    return broadcast(builder, context.cast(builder, val, fromty, toty.dtype), toty.lanes)


@infer_global(np.where)
class _Where(AbstractTemplate):
    def generic(self, args, kws):
        if len(args) == 3 and isinstance(args[0], Mask) and not kws:
            v = _operand(args[1:])
            return signature(v, args[0], v, v) if v is not None else None
        return None


@lower_builtin(np.where, Mask, Vec, Vec)
def _where(context, builder, sig, args):
    return builder.select(*args)


@intrinsic
def fence(tyctx, x):
    """x, about which LLVM knows nothing more.

    A select between a number and what lies where it is stored becomes a masked store: relu 14 → 4 cycles a vector, tanh
    26 → 21 (Zen 3).
    """
    return x(x), lambda context, builder, sig, args: call_intrinsic(context, builder, "arithmetic.fence", x, args)


@intrinsic
def no_unroll(tyctx):
    """Keep LLVM from unrolling the loop around it: an unrolled register tile spills (82-96 instead of 115 GFLOP/s)."""

    def codegen(context, builder, sig, args):
        builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", (), True).attributes.add("convergent")
        return context.get_dummy_value()

    return types.void(), codegen
