"""Formulas of the tables as compiled functions on rows of vectors, called by address.

The training kernel is compiled once, whatever the activations, loss and optimizer: it calls these through an address, a
few nanoseconds for hundreds of vectors. So a custom formula costs its own compile time alone and runs like a built-in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.np.numpy_support import from_dtype

from fastbp.kernels.blocking import COLUMN_VECTORS
from fastbp.kernels.runtime.jit import callback, inner
from fastbp.kernels.tiles.packing import padded
from fastbp.kernels.tiles.tile import load_tile, row_vectors, rows_of, stack, store_tile, tile_of, transposed
from fastbp.kernels.vectors.intrinsics import named_intrinsic
from fastbp.kernels.vectors.memory import (
    lanes_in,
    load,
    load_first,
    load_four,
    load_strided,
    splats,
    store,
    store_strided,
    zero_in,
)
from fastbp.kernels.vectors.simd import fence, first_lane, first_lanes, lane_max, lane_sum, lanes_of, splat


# ------------------------------------------------------------------ calling by address
def _caller(description: str, names: str) -> Any:
    """An intrinsic (address, *names) -> None that calls the compiled function at `address`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        fnty = ir.FunctionType(ir.VoidType(), [a.type for a in args[1:]])
        builder.call(builder.inttoptr(args[0], fnty.as_pointer()), args[1:])
        return context.get_dummy_value()

    def typed(kinds: Any) -> Any:
        return types.void(types.intp, *kinds[1:]), codegen

    return named_intrinsic("call", description, f"address, {names}", typed, literal=False)


call_activation = _caller("a = σ(z), slope = σ'(z), z in a", "a, slope, rows, ld, n")
call_loss = _caller("C_s and δ^L", "a, delta, y, weight, cost, rows, ld, n")
call_update = _caller("w and its state from g", "w, g, state, stride, h, n")
call_rules = _caller("g from g and w", "g, w, numbers, n")


# ------------------------------------------------------------------ making them
def _floats(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    scalar = from_dtype(dtype)
    return scalar, types.CPointer(scalar)


def _is_finite_at_0(function: Callable[..., Any], derivative: Callable[..., Any] | None) -> bool:
    """Whether an activation and its derivative are finite at z = 0."""
    z = np.zeros(1)
    with np.errstate(all="ignore"):
        a = function(z)
        return bool(np.isfinite(a).all() and (derivative is None or np.isfinite(derivative(z, a)).all()))


@functools.cache
def activation_address(
    name: str, function: Callable[..., Any], derivative: Callable[..., Any] | None, dtype: np.dtype[Any]
) -> int:
    """Address of a = σ(z), and slope = σ'(z) where `derivative` is given, on rows of `n` numbers, `ld` apart.

    `name` is part of the cache file's name: it must tell this formula from all others.
    """
    scalar, floats = _floats(dtype)
    sigma, trains = inner(function), derivative is not None
    sigma_prime = inner(derivative) if derivative is not None else None
    ends = not _is_finite_at_0(function, derivative)

    def apply(a, slope, rows, ld, n):
        for s in range(rows):
            # four vectors side by side hide each other's latency: tanh 21 → 15 cycles a vector, without slope 22 → 13.4
            # (Zen 3)
            lanes = lanes_in(a)
            fours = s * ld + (n + lanes - 1) // (4 * lanes) * (4 * lanes)
            for o in range(s * ld, fours, 4 * lanes):
                z = load_four(a, o)
                value = sigma(z)
                store(a, o, fence(value))
                if trains:
                    store(slope, o, sigma_prime(z, value))
            for o in range(fours, s * ld + n, lanes):
                z = load(a, o)
                value = sigma(z)
                store(a, o, fence(value))
                if trains:
                    store(slope, o, sigma_prime(z, value))
            if ends and n % lanes > 0:
                # z is 0 in what fills up the last vector, and norms read it
                o = s * ld + n // lanes * lanes
                store(a, o, np.where(first_lanes(load(a, o), n % lanes), load(a, o), 0.0))
                if trains:
                    store(slope, o, np.where(first_lanes(load(slope, o), n % lanes), load(slope, o), 0.0))

    kind = "training" if trains else "forward"
    signature = types.void(floats, floats, types.intp, types.intp, types.intp)
    return _made(apply, signature, f"activation-{name}-{kind}-{scalar}")


@inner
def row_max(a, o, n):
    """The largest of the `n` numbers from a[o] on, in every lane."""
    top = splat(a[o])
    for i in range(0, n, lanes_in(a)):
        top = np.maximum(top, np.where(first_lanes(top, n - i), load(a, o + i), top))
    return lane_max(top)


def softmax_rows(a, slope, rows, ld, n):
    """a_i = exp(z_i) / Σ_k exp(z_k), row by row."""
    for o in range(0, rows * ld, ld):
        top, total = row_max(a, o, n), splat(zero_in(a))
        for i in range(0, n, lanes_in(a)):
            e = np.where(first_lanes(top, n - i), np.exp(load(a, o + i) - top), 0.0)
            store(a, o + i, e)
            total += e
        scale = 1.0 / lane_sum(total)
        for i in range(0, n, lanes_in(a)):
            store(a, o + i, load(a, o + i) * scale)


def softmax_columns(lanes: int) -> Callable[..., Any]:
    """The same for few outputs, `lanes` samples side by side."""
    size = COLUMN_VECTORS * lanes * lanes

    def columns(a, slope, rows, ld, n):
        z = stack(a, size)
        for s in range(0, rows, lanes):
            o, last = s * ld, rows - 1 - s
            for q in range(0, n, lanes):
                _turn(rows_of(a + (o + q), ld, last, lanes), rows_of(z + q * lanes, lanes, lanes - 1, lanes))
            scale = 1.0 / shifted_exponentials(z, z, n)[1]
            for i in range(0, n * lanes, lanes):
                store(z, i, load(z, i) * scale)
            for q in range(0, n, lanes):
                _turn(rows_of(z + q * lanes, lanes, lanes - 1, lanes), rows_of(a + (o + q), ld, last, lanes))

    return columns


@inner
def _turn(rows, columns):
    """The square tile at `rows` transposed to `columns`."""
    store_tile(columns, transposed(load_tile(rows, tile_of(row_vectors(rows[0], 1), rows))))


@inner
def shifted_exponentials(z, e, n):
    """e_k = exp(z_k − max_k z_k) of `n` vectors, and 0 for those up to whole squares; the maximum and Σ_k e_k."""
    lanes = lanes_in(z)
    top, total = load(z, 0), splat(zero_in(z))
    for i in range(lanes, n * lanes, lanes):
        top = np.maximum(top, load(z, i))
    for i in range(0, n * lanes, lanes):
        x = np.exp(load(z, i) - top)
        store(e, i, x)
        total += x
    for i in range(n * lanes, padded(n, lanes) * lanes, lanes):
        store(e, i, splat(zero_in(z)))
    return top, total


@functools.cache
def softmax_address(few: bool, dtype: np.dtype[Any]) -> int:
    """Address of softmax on rows of many outputs, or of COLUMN_VECTORS vectors of them at most."""
    scalar, floats = _floats(dtype)
    rule = softmax_columns(lanes_of(dtype)) if few else softmax_rows
    signature = types.void(floats, floats, types.intp, types.intp, types.intp)
    return _made(rule, signature, f"softmax-{'columns' if few else 'rows'}-{scalar}")


@functools.cache
def loss_address(
    name: str | None, cost: Callable[..., Any], derivative: Callable[..., Any], scaled: bool, dtype: np.dtype[Any]
) -> int:
    """Address of C_s = Σ_i c(a_i, y_i) and δ_i = ∂c/∂a_i v_s on rows; times σ'(z_i), which lies there, where `scaled`.

    With c and its derivative in z itself (sigmoid with cross-entropy) it is not scaled.
    """
    scalar, floats = _floats(dtype)
    c, dc = inner(cost), inner(derivative)

    def apply(a, delta, y, weight, costs, rows, ld, n):
        for s in range(rows):
            total, v = splat(zero_in(a)), splat(weight[s])
            for i in range(0, n, lanes_in(a)):
                o = s * ld + i
                x, t = load(a, o), load(y, o)
                inside = first_lanes(x, n - i)
                total += np.where(inside, c(x, t), 0.0)
                g = dc(x, t) * v
                if scaled:
                    g = g * load(delta, o)
                store(delta, o, np.where(inside, g, 0.0))
            costs[s] = first_lane(lane_sum(total))

    kind = "sigma" if scaled else "direct"
    return _made(apply, _loss_signature(floats), name and f"loss-{name}-{kind}-{scalar}")


@functools.cache
def softmax_loss_address(
    name: str, cost: Callable[..., Any], derivative: Callable[..., Any], dtype: np.dtype[Any]
) -> int:
    """Address of C_s and δ_i = a_i (g_i − Σ_k g_k a_k) with g = ∂c/∂a: softmax's full Jacobian."""
    scalar, floats = _floats(dtype)
    c, dc = inner(cost), inner(derivative)

    def apply(a, delta, y, weight, costs, rows, ld, n):
        for s in range(rows):
            total, mean, v = splat(zero_in(a)), splat(zero_in(a)), splat(weight[s])
            for i in range(0, n, lanes_in(a)):
                o = s * ld + i
                x, t = load(a, o), load(y, o)
                inside = first_lanes(x, n - i)
                g = np.where(inside, dc(x, t), 0.0)
                total += np.where(inside, c(x, t), 0.0)
                mean += np.where(inside, g * x, 0.0)
                store(delta, o, g)
            mean = lane_sum(mean)
            for i in range(0, n, lanes_in(a)):
                o = s * ld + i
                store(delta, o, np.where(first_lanes(v, n - i), load(a, o) * (load(delta, o) - mean) * v, 0.0))
            costs[s] = first_lane(lane_sum(total))

    return _made(apply, _loss_signature(floats), f"loss-{name}-softmax-{scalar}")


def softmax_cross_entropy_rows(a, delta, y, weight, costs, rows, ld, n):
    """C_s = Σ_i y_i (ln Σ_k exp(z_k) − z_i), δ_i = (a_i Σ_k y_k − y_i) v_s, from z and never from the rounded a.

    All z less their maximum: that is exact where they are near each other, and exp never overflows.
    """
    lanes = lanes_in(a)
    for s in range(rows):
        o, v = s * ld, splat(weight[s])
        top, total, mass, cost = row_max(a, o, n), splat(zero_in(a)), splat(zero_in(a)), splat(zero_in(a))
        for i in range(0, n, lanes):
            e = np.where(first_lanes(v, n - i), np.exp(load(a, o + i) - top), 0.0)
            store(delta, o + i, e)
            total, mass = total + e, mass + load(y, o + i)
        total = lane_sum(total)
        log_total, scale = np.log(total), lane_sum(mass) / total
        for i in range(0, n, lanes):
            t = load(y, o + i)
            # where t is 0, so are the lanes past the last output
            cost += t * (log_total - np.where(first_lanes(v, n - i), load(a, o + i) - top, 0.0))
            store(delta, o + i, (load(delta, o + i) * scale - t) * v)
        costs[s] = first_lane(lane_sum(cost))


def softmax_cross_entropy_columns(lanes: int) -> Callable[..., Any]:
    """The same for few outputs, `lanes` samples side by side: no sum has to cross a vector.

    Row by row, three sums across lanes wait for each other: 32 → 7 ns a sample (4 outputs, Zen 4).
    """
    size = COLUMN_VECTORS * lanes * lanes

    def columns(a, delta, y, weight, costs, rows, ld, n):
        z, t, e = stack(a, size), stack(a, size), stack(a, size)
        for s in range(0, rows, lanes):
            o, last = s * ld, rows - 1 - s
            for q in range(0, n, lanes):
                _turn(rows_of(a + (o + q), ld, last, lanes), rows_of(z + q * lanes, lanes, lanes - 1, lanes))
                _turn(rows_of(y + (o + q), ld, last, lanes), rows_of(t + q * lanes, lanes, lanes - 1, lanes))
            top, total = shifted_exponentials(z, e, n)
            mass, cost = splat(zero_in(a)), splat(zero_in(a))
            for i in range(0, n * lanes, lanes):
                mass += load(t, i)
            log_total, scale = np.log(total), mass / total
            # rows past the last sample are the last one again, weight and all, and are stored over it
            v = np.where(first_lanes(top, last + 1), load_first(weight, s, last + 1), splat(weight[rows - 1]))
            for i in range(0, n * lanes, lanes):
                cost += load(t, i) * (log_total - (load(z, i) - top))
                store(e, i, (load(e, i) * scale - load(t, i)) * v)
            for q in range(0, n, lanes):
                _turn(rows_of(e + q * lanes, lanes, lanes - 1, lanes), rows_of(delta + (o + q), ld, last, lanes))
            store(z, 0, cost)
            for k in range(min(lanes, last + 1)):
                costs[s + k] = z[k]

    return columns


@functools.cache
def softmax_cross_entropy_address(few: bool, dtype: np.dtype[Any]) -> int:
    """Address of softmax with cross-entropy on rows of many outputs, or of COLUMN_VECTORS vectors of them at most."""
    scalar, floats = _floats(dtype)
    rule = softmax_cross_entropy_columns(lanes_of(dtype)) if few else softmax_cross_entropy_rows
    return _made(rule, _loss_signature(floats), f"softmax_cross_entropy-{'columns' if few else 'rows'}-{scalar}")


@functools.cache
def update_address(
    name: str | None, rule: Callable[..., Any], n_hyper: int, n_states: int, dtype: np.dtype[Any]
) -> int:
    """Address of an optimizer's rule (w, state) = rule(w, g, state, h) on `n` numbers; h is `n_hyper` numbers.

    State k of the number w[o] lies at state[k * stride + o].
    """
    scalar, floats = _floats(dtype)
    formula = inner(rule)

    def apply(w, g, state, stride, h, n):
        hyper = splats(h, n_hyper)
        for o in range(0, n, lanes_in(w)):
            new_w, new_state = formula(load(w, o), load(g, o), load_strided(state + o, stride, n_states), hyper)
            store(w, o, new_w)
            store_strided(state + o, stride, new_state)

    signature = types.void(floats, floats, floats, types.intp, floats, types.intp)
    return _made(apply, signature, name and f"update-{name}-{scalar}")


@functools.cache
def rules_address(names: tuple[str, ...], rules: tuple[Callable[..., Any], ...], dtype: np.dtype[Any]) -> int:
    """Address of g ← rule(g, w, c) for each of the rules in turn on `n` numbers; c = numbers[k]."""
    scalar, floats = _floats(dtype)
    count, all_rules = len(rules), _composed(rules)

    def apply(g, w, numbers, n):
        c = splats(numbers, count)
        for o in range(0, n, lanes_in(g)):
            store(g, o, all_rules(load(g, o), load(w, o), c))

    return _made(apply, types.void(floats, floats, floats, types.intp), f"rules-{'-'.join(names)}-{scalar}")


def _composed(rules: tuple[Callable[..., Any], ...]) -> Any:
    """The rules one after the other, as one function of g, w and all numbers."""
    last, k = inner(rules[-1]), len(rules) - 1
    if k == 0:
        return inner(lambda g, w, c: last(g, w, c[0]))
    before = _composed(rules[:-1])
    return inner(lambda g, w, c: last(before(g, w, c), w, c[k]))


def _loss_signature(floats: Any) -> Any:
    return types.void(floats, floats, floats, floats, types.CPointer(types.float64), types.intp, types.intp, types.intp)


_KEPT: list[Any] = []  # compiled code lives as long as its owner


def _made(function: Callable[..., Any], signature: Any, name: str | None) -> int:
    _KEPT.append(callback(function, signature, name))
    return int(_KEPT[-1].address)
