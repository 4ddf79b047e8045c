"""Norms: clipping by that of the gradient, which needs all of it, max-norm, which needs a whole neuron, penalties.

Training without clipping by norm and max-norm is compiled without them.
"""

from __future__ import annotations

import math

import numpy as np

from fastbp.kernels.blocking import NORM_PART, UPDATE_ROWS
from fastbp.kernels.formulas import call_update
from fastbp.kernels.gradient_layers import inputs_of, repack_transposed
from fastbp.kernels.runtime.jit import inner
from fastbp.kernels.tiles.packing import padded, panel_width
from fastbp.kernels.tiles.skinny import skinny_offset
from fastbp.kernels.vectors.memory import lanes_in, load, store, zero_in
from fastbp.kernels.vectors.simd import first_lane, lane_sum, splat


@inner
def norm(ws, layers):
    """‖∂C/∂(w, b)‖ of the stored gradient, summed in float64 in one order."""
    total = 0.0
    for l in range(len(layers)):
        layer, lanes = layers[l], lanes_in(ws.g)
        rows = padded(layer.n_out, lanes)
        # float32 holds the sum of a part, float64 that of all
        for start in range(layer.weights, layer.biases + rows, NORM_PART):
            part = splat(zero_in(ws.g))
            for o in range(start, min(start + NORM_PART, layer.biases + rows), lanes):
                part += load(ws.g, o) * load(ws.g, o)
            total += first_lane(lane_sum(part))
    return math.sqrt(total)


@inner
def sum_of_squares(w, n):
    """Σ w² of n numbers, whole vectors; four sums side by side, since one waits for each of its additions."""
    lanes, zero = lanes_in(w), splat(zero_in(w))
    t0, t1, t2, t3 = zero, zero, zero, zero
    fours = n // (4 * lanes) * (4 * lanes)
    for o in range(0, fours, 4 * lanes):
        t0 += load(w, o) * load(w, o)
        t1 += load(w, o + lanes) * load(w, o + lanes)
        t2 += load(w, o + 2 * lanes) * load(w, o + 2 * lanes)
        t3 += load(w, o + 3 * lanes) * load(w, o + 3 * lanes)
    for o in range(fours, n, lanes):
        t0 += load(w, o) * load(w, o)
    return first_lane(lane_sum((t0 + t1) + (t2 + t3)))


@inner
def sum_of_absolutes(w, n):
    """Σ |w| of n numbers, whole vectors."""
    t = splat(zero_in(w))
    for o in range(0, n, lanes_in(w)):
        t += np.abs(load(w, o))
    return first_lane(lane_sum(t))


@inner
def penalty(ws, layers, t):
    """λ₁ Σ |w_ij| + λ₂/2 Σ w_ij², summed in float64 in one order by thread 0; 0 where it is not measured."""
    total = 0.0
    if t > 0 or (ws.l1 == 0 and ws.l2 == 0):
        return total
    for l in range(len(layers)):
        layer = layers[l]
        for start in range(layer.weights, layer.biases, NORM_PART):
            w, n = ws.w + start, min(NORM_PART, layer.biases - start)
            if ws.l2 != 0:
                total += 0.5 * ws.l2 * sum_of_squares(w, n)
            if ws.l1 != 0:
                total += ws.l1 * sum_of_absolutes(w, n)
    return total


@inner
def scaled_update(ws, o, n, h, factor):
    """The optimizer's formula on n numbers with the stored gradient times `factor`."""
    for k in range(o, o + n, lanes_in(ws.g)):
        store(ws.g, k, load(ws.g, k) * factor)
    call_update(ws.update, ws.w + o, ws.g + o, ws.state + o, ws.state_stride, h, n)


@inner
def apply_layers(ws, layers, h, factor, t, threads):
    """Thread t's share of the update with the stored gradient times `factor`."""
    lanes = lanes_in(ws.w)
    for l in range(len(layers)):
        layer = layers[l]
        j0, j1 = inputs_of(layers, l, t, threads)
        if j0 < j1 == layer.n_in:
            scaled_update(ws, layer.biases, padded(layer.n_out, lanes), h, factor)
        if layer.skinny:
            if j0 < j1:
                scaled_update(ws, layer.weights, layer.n_out * padded(layer.n_in, lanes), h, factor)
            continue
        for p in range(0, layer.n_out, 2 * lanes):
            width = panel_width(layer.n_out - p, lanes)
            for part in range(j0, j1, UPDATE_ROWS):
                end = min(j1, part + UPDATE_ROWS)
                scaled_update(ws, layer.weights + p * layer.n_in + part * width, (end - part) * width, h, factor)
            if layer.w_t >= 0 and j0 < j1:
                repack_transposed(ws, layer, p, j0, j1)


@inner
def shortening(square, most):
    """What makes a length no longer than `most` of one whose square is given."""
    return np.where(square > most * most, most / np.sqrt(square), 1.0)


@inner
def limit_skinny(ws, layer, most, t, threads):
    """`limit_layers` for a skinny layer, where a neuron's weights are vectors of inputs j."""
    lanes, w = lanes_in(ws.w), ws.w + layer.weights
    for i in range(t, layer.n_out, threads):
        square = splat(zero_in(w))
        for j in range(0, layer.n_in, lanes):
            x = load(w, skinny_offset(layer.n_in, layer.n_out, i, j, lanes))
            square += x * x
        factor = shortening(lane_sum(square), most)
        for j in range(0, layer.n_in, lanes):
            o = skinny_offset(layer.n_in, layer.n_out, i, j, lanes)
            store(w, o, load(w, o) * factor)


@inner
def limit_layers(ws, layers, t, threads):
    """‖w_i‖ <= c for thread t's neurons: w_ij ← w_ij c / ‖w_i‖ where it is longer (Srivastava et al., 2014)."""
    lanes, most = lanes_in(ws.w), ws.max_norm
    for l in range(len(layers)):
        layer = layers[l]
        if layer.skinny:
            limit_skinny(ws, layer, most, t, threads)
            continue
        for p in range(2 * lanes * t, layer.n_out, 2 * lanes * threads):
            width = panel_width(layer.n_out - p, lanes)
            for i in range(0, width, lanes):
                w = ws.w + (layer.weights + p * layer.n_in + i)
                square = splat(zero_in(w))
                for o in range(0, layer.n_in * width, width):
                    square += load(w, o) * load(w, o)
                factor = shortening(square, most)
                for o in range(0, layer.n_in * width, width):
                    store(w, o, load(w, o) * factor)
            if layer.w_t >= 0:
                repack_transposed(ws, layer, p, 0, layer.n_in)
