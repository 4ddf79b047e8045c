"""LLVM instructions written as Python expressions.

A `Value` stands for one number or one vector while code is generated: its operators append instructions to the function
under construction. A function of `fastbp.kernels.vectors.vecmath` is thus one plain Python function for both dtypes,
any number of lanes and single numbers, and costs no type inference where it is used.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from fastbp.kernels.runtime.host import HAS_FMA, HAS_SCALEF


class Value:
    """A floating number, a vector of them, or the outcome of comparing two; numbers beside it become constants."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value, self.type = builder, value, value.type
        self.lanes = value.type.count if isinstance(value.type, ir.VectorType) else 1
        self.single = getattr(value.type, "element", value.type) == ir.FloatType()

    def new(self, value: Any) -> Value:
        """Another value of the same function."""
        return Value(self.builder, value)

    def constant(self, x: Any, ty: Any = None) -> Any:
        """The LLVM value of `x`, a Value or a Python number, of type `ty` or of this value's."""
        if isinstance(x, Value):
            return x.value
        ty = ty or self.type
        return ir.Constant(ty, [x] * self.lanes if isinstance(ty, ir.VectorType) else x)

    def number(self, x: float) -> Value:
        """The Python number `x` in every lane of another value."""
        return self.new(self.constant(x))

    def __add__(self, other): return self.new(self.builder.fadd(self.value, self.constant(other)))
    def __sub__(self, other): return self.new(self.builder.fsub(self.value, self.constant(other)))
    def __mul__(self, other): return self.new(self.builder.fmul(self.value, self.constant(other)))
    def __truediv__(self, other): return self.new(self.builder.fdiv(self.value, self.constant(other)))
    def __rmul__(self, other): return self.new(self.builder.fmul(self.constant(other), self.value))
    def __rtruediv__(self, other): return self.new(self.builder.fdiv(self.constant(other), self.value))
    def __neg__(self): return self.new(self.builder.fneg(self.value))
    def __abs__(self): return self.call("fabs")
    def __lt__(self, other): return self.new(self.builder.fcmp_ordered("<", self.value, self.constant(other)))
    def __gt__(self, other): return self.new(self.builder.fcmp_ordered(">", self.value, self.constant(other)))
    def __le__(self, other): return self.new(self.builder.fcmp_ordered("<=", self.value, self.constant(other)))

    def equals(self, other: Any) -> Value:
        """Whether it is `other`, a lane."""
        return self.new(self.builder.fcmp_ordered("==", self.value, self.constant(other)))

    def call(self, name: str, *others: Any) -> Value:
        """llvm.<name> of this value and `others`, all of one type."""
        bits = 32 if self.single else 64
        suffix = f"v{self.lanes}f{bits}" if isinstance(self.type, ir.VectorType) else f"f{bits}"
        args = [self.value, *map(self.constant, others)]
        fnty = ir.FunctionType(self.type, [self.type] * len(args))
        function = cgutils.get_or_insert_function(self.builder.module, fnty, f"llvm.{name}.{suffix}")
        return self.new(self.builder.call(function, args))


def pick(x: Value, single: Any, double: Any) -> Any:
    """`single` where `x` is float32, `double` where it is float64."""
    return single if x.single else double


def fma(a: Value, b: Any, c: Any) -> Value:
    """a * b + c, rounded once where the CPU has the instruction."""
    return a.call("fma", b, c) if HAS_FMA else a * b + c


def horner(x: Value, coefficients: Sequence[float]) -> Any:
    """Σ_k c_k x^k, c_0 first."""
    *rest, total = coefficients
    for c in reversed(rest):
        total = fma(x, total, c)
    return total


def where(mask: Value, a: Any, b: Any) -> Value:
    """The lanes of `a` where `mask`, else of `b`; one of them is a Value."""
    like = a if isinstance(a, Value) else b
    return like.new(like.builder.select(mask.value, like.constant(a), like.constant(b)))


def at_most(x: Value, limit: float) -> Value:
    """min(x, limit); NaN stays NaN, as it does in the one instruction that x86 has for this."""
    bound = x.number(limit)
    return where(bound < x, bound, x)


def at_least(x: Value, limit: float) -> Value:
    """max(x, limit); NaN stays NaN."""
    bound = x.number(limit)
    return where(bound > x, bound, x)


# ------------------------------------------------------------------ exponents
def _layout(x: Value) -> tuple[Any, int, int]:
    """Type of the bits of `x`, width of the fraction, bits of 1.0."""
    width, fraction, one = pick(x, (32, 23, 0x3F800000), (64, 52, 0x3FF0000000000000))
    ty = ir.IntType(width)
    return (ir.VectorType(ty, x.lanes) if isinstance(x.type, ir.VectorType) else ty), fraction, one


class NearestInteger:
    """A whole number n = rint(x), |n| < 2^22, as a Value `n` and as the last bits of `shifted` = 1.5 2^fraction + n."""

    def __init__(self, x: Value, factor: float) -> None:
        magic = pick(x, 1.5 * 2.0**23, 1.5 * 2.0**52)
        self.shifted = fma(x, factor, magic)
        self.n = self.shifted - magic

    def exp2(self, more: int = 0) -> Value:
        """2^(n + more) where that is a normal number."""
        t = self.shifted
        ty, fraction, one = _layout(t)
        k = t.builder.shl(t.builder.bitcast(t.value, ty), t.constant(fraction, ty))
        return t.new(t.builder.bitcast(t.builder.add(k, t.constant(one + (more << fraction), ty)), t.type))

    def ldexp(self, p: Value) -> Value:
        """p 2^n for p of about 1 and any n: overflows to infinity, rounds once to a subnormal number or 0."""
        if HAS_SCALEF and p.lanes == pick(p, 16, 8):
            return _scalef(p, self.n)
        # 2^n = 2^⌊n/2⌋ 2^(n−⌊n/2⌋), each a normal number; what the shifts push out is the exponent of `shifted`
        build = p.builder
        ty, fraction, one = _layout(p)
        fraction, one = p.constant(fraction, ty), p.constant(one, ty)
        bits = build.bitcast(self.shifted.value, ty)
        half = build.shl(build.lshr(bits, p.constant(1, ty)), fraction)
        rest = build.sub(build.shl(bits, fraction), half)
        for k in (half, rest):
            p = p * p.new(build.bitcast(build.add(k, one), p.type))
        return p


def _scalef(p: Value, n: Value) -> Value:
    """p 2^n by AVX-512's own instruction."""
    mask, rounding = ir.IntType(p.lanes if p.lanes > 8 else 8), ir.IntType(32)
    fnty = ir.FunctionType(p.type, [p.type, p.type, p.type, mask, rounding])
    name = f"llvm.x86.avx512.mask.scalef.{pick(p, 'ps', 'pd')}.512"
    function = cgutils.get_or_insert_function(p.builder.module, fnty, name)
    return p.new(p.builder.call(function, [p.value, n.value, p.value, mask(-1), rounding(4)]))


def frexp(x: Value) -> tuple[Value, Value, Value]:
    """(k, m, 2^(2−k)) with x = 2^k m and m in [√½, √2), for positive normal x."""
    build = x.builder
    ty, fraction, one = _layout(x)
    root, bias, whole = pick(x, (0x3F3504F3, 256, 2.0**23), (0x3FE6A09E667F3BCD, 1024, 2.0**52))  # root: bits of √½

    def constant(bits: int) -> Any:
        return x.constant(bits, ty)

    def floating(bits: Any) -> Value:
        return x.new(build.bitcast(bits, x.type))

    low = (1 << fraction) - 1
    biased = build.add(build.bitcast(x.value, ty), constant((bias << fraction) - root))  # (k + bias) 2^fraction + ...
    k = build.or_(build.lshr(biased, constant(fraction)), build.bitcast(x.constant(whole), ty))
    m = build.add(build.and_(biased, constant(low)), constant(root))
    four = build.sub(constant(one + ((bias + 2) << fraction)), build.and_(biased, constant(~low)))
    return floating(k) - (whole + bias), floating(m), floating(four)
