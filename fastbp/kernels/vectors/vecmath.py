"""Elementary functions: `sigmoid`, `softplus` and `erf`, which NumPy lacks, and all of them on vectors inside kernels.

`sigmoid`, `softplus` and `erf` take numbers and arrays in Python (float32 stays float32), numbers and vectors in
compiled code. np.exp, np.expm1, np.log, np.log1p, np.tanh and np.sign take vectors in compiled code. Infinities, NaN,
the sign of zero and subnormal numbers come out as IEEE 754 has them, and the bits are the same at any vector width.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba.core import types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin

from fastbp.kernels.vectors.emit import NearestInteger, Value, at_least, at_most, fma, frexp, horner, pick, where
from fastbp.kernels.vectors.simd import define

_math_erf = np.frompyfunc(math.erf, 1, 1)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(−x)), through exp(−|x|), which cannot overflow. In compiled code within 1.7 ULP (2.0 without FMA).

    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    if hasattr(x, "record_call"):  # an expression of fastbp.symbolic, which records what is done to it
        return x.record_call("sigmoid")
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, z) / (1.0 + z)


def softplus(x: Any) -> Any:
    """ln(1 + exp(x)) = max(x, 0) + ln(1 + exp(−|x|)). In compiled code within 2.0 ULP.

    >>> softplus(np.array([-1e4, 1e4]))
    array([    0., 10000.])
    """
    if hasattr(x, "record_call"):
        return x.record_call("softplus")
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def erf(x: Any) -> Any:
    """2/√π ∫₀ˣ exp(−t²) dt. In compiled code within 1.1 ULP (1.3 without FMA).

    >>> erf(np.array([0.0, 1e4], dtype=np.float32))
    array([0., 1.], dtype=float32)
    """
    if hasattr(x, "record_call"):
        return x.record_call("erf")
    x = np.asarray(x)
    dtype = x.dtype if x.dtype.kind == "f" else np.float64
    return np.asarray(_math_erf(x), dtype=dtype)[()]


# ------------------------------------------------------------------ kernels
# Coefficients are minimax in the relative error of the whole function (Remez exchange at 50 digits), rounded to the
# dtype from the lowest power on, the others fitted anew after each. The ULP in the docstrings are the largest seen over
# every 61st float32 and 10^7 float64, with FMA and (in brackets, where it differs) without.
LOG2E = 1.4426950408889634
# ln 2 in two parts, whole numbers times the first exact; and its nearest number alone
LN2_SINGLE = (0.693145751953125, 1.4286068203094172e-06)
LN2_DOUBLE = (0.6931471803691238, 1.9082149292705877e-10)
LN2 = 0.6931471805599453

# exp(r) − 1 − r = r² Σ_k c_k r^k, |r| <= ln2/2
EXP_SINGLE = (0.4999999701976776, 0.16666539013385773, 0.041667744517326355, 0.008367138914763927,
              0.0013836949365213513)
EXP_DOUBLE = (0.5000000000000011, 0.16666666666667318, 0.04166666666654611, 0.008333333333023028, 0.0013888888936818414,
              0.00019841270349853284, 2.480150157017676e-05, 2.7556955105463847e-06, 2.7626964891877893e-07,
              2.5169555239258273e-08)
EXPM1_DOUBLE = (0.5, 0.16666666666666677, 0.041666666666666685, 0.008333333333321789, 0.0013888888888893608,
                0.000198412698853849, 2.480158727937163e-05, 2.7557245084922143e-06, 2.755732895693054e-07,
                2.510871836979127e-08, 2.0894176892978195e-09)
# ln(1 + f) = 2s + s Σ_k c_k s^(2k+2), s = f / (2 + f): for f in [√½ − 1, √2 − 1], then for f in [0, 1]
LOG_SINGLE = (0.6666677594184875, 0.3997756838798523, 0.2987147569656372)
LOG_DOUBLE = (0.6666666666666735, 0.3999999999940939, 0.2857142874365992, 0.22222198433506285, 0.18183572041764348,
              0.1531384175319843, 0.14798150498134346)
LOG1P_SINGLE = (0.6666641235351562, 0.4002175033092499, 0.2799820899963379, 0.28029459714889526)
LOG1P_DOUBLE = (0.6666666666666631, 0.40000000000156216, 0.28571428547956906, 0.22222223964369972, 0.18181744088464166,
                0.1538655683573445, 0.13301010132035057, 0.12105822079517532, 0.08341167782261141, 0.17016733304223502)
# erf(x) / x − 1 = Σ_k c_k x^(2k) and −ln(erfc(x)) / x = Σ_k c_k x^k, on the two sides of the edges in _erf
ERF_SINGLE = (0.12837916612625122, -0.37612590193748474, 0.11282864958047867, -0.026807287707924843,
              0.0050577037036418915, -0.0006348518072627485)
ERF_DOUBLE = (0.12837916709551256, -0.37612638903183343, 0.1128379167093695, -0.026866170641957184,
              0.005223977596675922, -0.0008548325478561903, 0.00012055280162796654, -1.4924456043135341e-05,
              1.6443989041760794e-06, -1.6182405890030074e-07, 1.3608293762014433e-08, -7.589201683121841e-10)
ERFC_SINGLE = (1.1285295486450195, 0.6356663703918457, 0.10533099621534348, -0.022934723645448685,
               0.0032290334347635508, -0.00021570574608631432)
ERFC_DOUBLE = (1.1283791108416692, 0.6366202528326292, 0.10277082641504744, -0.019124962904961393,
               -0.00021203970359413488, 0.001692612379400269, -0.000574663286621289, -9.712449253958762e-07,
               9.548439194845355e-05, -5.603753269535792e-05, 2.0351010925395278e-05, -5.38514628522351e-06,
               1.0781071426911363e-06, -1.6302021226745948e-07, 1.8130224324979234e-08, -1.4023691660118448e-09,
               6.744419643692856e-11, -1.5187483101877941e-12)


def _reduced(x: Value) -> tuple[NearestInteger, Value]:
    """(n, r) with x = n ln2 + r, |r| <= ln2/2."""
    high, low = pick(x, LN2_SINGLE, LN2_DOUBLE)
    n = NearestInteger(x, LOG2E)
    return n, fma(n.n, -low, fma(n.n, -high, x))


def _exp_of(x: Value) -> Value:
    """exp(x) for x that needs no bound above."""
    n, r = _reduced(at_least(x, pick(x, -104.0, -746.0)))
    return n.ldexp(horner(r, (1.0, 1.0, *pick(x, EXP_SINGLE, EXP_DOUBLE))))


def _exp(x: Value) -> Value:
    """exp(x) = 2^n exp(r), x = n ln2 + r. 0.9 ULP (1.2)."""
    return _exp_of(at_most(x, pick(x, 89.0, 710.0)))


def _expm1(x: Value) -> Value:
    """exp(x) − 1 = 2^n q + (2^n − 1), q = exp(r) − 1, x = n ln2 + r. 1.9 ULP (2.0)."""
    n, r = _reduced(at_least(at_most(x, pick(x, 89.0, 710.0)), pick(x, -18.0, -38.0)))
    q = fma(r * r, horner(r, pick(x, EXP_SINGLE, EXPM1_DOUBLE)), r)
    half = n.exp2(-1)  # 2^n itself is too large a number where exp(x) not yet is
    y = fma(q, half, half - 0.5)
    return where(n.n.equals(0.0), q, y + y).call("copysign", x)


def _tanh(x: Value) -> Value:
    """tanh(x) = h / (h + 1), h = (exp(2|x|) − 1) / 2 = 2^(n−1) q + (2^(n−1) − ½), q = exp(r) − 1, 2|x| = n ln2 + r.

    2.0 ULP (2.2).
    """
    y = at_most(abs(x), pick(x, 9.1, 19.1))
    y = y + y
    n = NearestInteger(y, LOG2E)
    # ln2 in one part: what it misses grows with n, but 1 − tanh(x) falls faster
    r = fma(n.n, -LN2, y)
    q = fma(r * r, horner(r, pick(x, EXP_SINGLE, EXPM1_DOUBLE)), r)
    half = n.exp2(-1)
    h = fma(q, half, half - 0.5)
    # h + 1 and the division round: alone they make 2.6 ULP of it
    if x.single:
        t = h / (h + 1.0)
        t = where(h < 0.5, fma(-t, h, h), t)  # h (1 − t), where an error of t counts little
    else:
        inverse = 1.0 / (h + 1.0)
        t = h * inverse
        t = fma(fma(-t, h, h - t), inverse, t)  # a Newton step
    return t.call("copysign", x)


def _sigmoid(x: Value) -> Value:
    """1 − t for x >= 0, e (1 − t) else, e = exp(−|x|), t = e / (1 + e). 1.7 ULP (2.0); t itself for x < 0 has 2.4."""
    e = _exp_of(-abs(x))
    factor = where(x < 0.0, e, 1.0)
    return fma(-factor, e / (e + 1.0), factor)


def _log_of(f: Value, coefficients: Sequence[float]) -> tuple[Value, Value, Value]:
    """(f, h, t) with ln(1 + f) = f − (h − t)."""
    s = f / (f + 2.0)
    z = s * s
    h = 0.5 * f * f
    return f, h, s * (h + z * horner(z, coefficients))


def _log_reduced(k: Value, f: Value) -> Value:
    """k ln2 + ln(1 + f)."""
    high, low = pick(k, LN2_SINGLE, LN2_DOUBLE)
    f, h, t = _log_of(f, pick(k, LOG_SINGLE, LOG_DOUBLE))
    return fma(k, high, f - (h - fma(k, low, t)))


def _log_limits(x: Value, edge: float, result: Value) -> Value:
    """`result`, ∞ at ∞, −∞ where x = edge, NaN below."""
    inside = where(x < math.inf, result, x)
    return where(x <= edge, where(x < edge, math.nan, x.number(-math.inf)), inside)


def _log(x: Value) -> Value:
    """ln(x) = k ln2 + ln(1 + f), x = 2^k (1 + f). 0.9 ULP."""
    tiny, up = pick(x, (2.0**-126, 24.0), (2.0**-1022, 54.0))
    subnormal = x < tiny
    k, m, _ = frexp(where(subnormal, x * 2.0**up, x))
    return _log_limits(x, 0.0, _log_reduced(where(subnormal, k - up, k), m - 1.0))


def _log1p(x: Value) -> Value:
    """ln(1 + x) = k ln2 + ln(1 + f), f = 2^−k x + (2^−k − 1): x itself where k = 0. 1.4 ULP."""
    k, _, four = frexp(x + 1.0)
    scale = four * 0.25
    f = fma(x, scale, scale - 1.0)
    return _log_limits(x, -1.0, _log_reduced(k, f).call("copysign", x))


def _softplus(x: Value) -> Value:
    """ln(1 + exp(x)) = max(x, 0) + ln(1 + e), e = exp(−|x|) in [0, 1]. 2.0 ULP."""
    f, h, t = _log_of(_exp_of(-abs(x)), pick(x, LOG1P_SINGLE, LOG1P_DOUBLE))
    return at_least(x, 0.0) + (f - (h - t))


def _erf(x: Value) -> Value:
    """x + x P(x²) where |x| < edge, else 1 − exp(−y), y = −ln erfc|x| = |x| Q(|x|). 1.1 ULP (1.3)."""
    edge, end = pick(x, (0.85, 3.95), (1.0, 5.95))
    t = at_most(abs(x), end)
    small = fma(t, horner(t * t, pick(x, ERF_SINGLE, ERF_DOUBLE)), t)
    n, r = _reduced(-t * horner(t, pick(x, ERFC_SINGLE, ERFC_DOUBLE)))
    p = horner(r, (1.0, 1.0, *pick(x, EXP_SINGLE, EXP_DOUBLE)))
    return where(t < edge, small, fma(-p, n.exp2(), 1.0)).call("copysign", x)


def _sign(x: Value) -> Value:
    """1, 0 or −1; NaN of NaN."""
    return where(x > 0.0, 1.0, where(x < 0.0, -1.0, x + 0.0))


def _lower(kernel: Any) -> Any:
    """Code generation for `define` from `kernel`."""
    return lambda context, builder, v, args: kernel(*(Value(builder, arg) for arg in args)).value


def _define_number(function: Any, kernel: Any) -> None:
    """Let Numba take `function`, which NumPy does not have, on single numbers too."""
    class Template(ConcreteTemplate):
        key = function
        cases = [signature(types.float64, types.float64), signature(types.float32, types.float32)]  # noqa: RUF012

    infer_global(function, types.Function(Template))
    for case in Template.cases:
        lower_builtin(function, *case.args)(lambda context, builder, sig, args: kernel(Value(builder, args[0])).value)


for _function, _kernel in ((np.exp, _exp), (np.expm1, _expm1), (np.log, _log), (np.log1p, _log1p), (np.tanh, _tanh),
                           (np.sign, _sign), (sigmoid, _sigmoid), (softplus, _softplus), (erf, _erf)):
    define(_function, 1, _lower(_kernel))
for _function, _kernel in ((sigmoid, _sigmoid), (softplus, _softplus), (erf, _erf)):
    _define_number(_function, _kernel)
