"""The output layer in training: targets, δ^L and costs, and which labels are correct."""

from __future__ import annotations

import numpy as np

from fastbp.kernels.blocking import SKINNY
from fastbp.kernels.formulas import call_loss, row_max
from fastbp.kernels.runtime.jit import inner
from fastbp.kernels.runtime.records import not_null
from fastbp.kernels.vectors.memory import lanes_in, load, load_first, store
from fastbp.kernels.vectors.simd import first_lanes, first_true, lane_number_is


# ------------------------------------------------------------------ loop 1: samples
@inner
def take_targets(ws, layer, rows, s0, s1, v):
    """y and weight of samples [s0, s1): rows of the targets, or ones at the labels' places; δ^L has the factor `v`."""
    n, zero = layer.n_out, load(ws.zeros, 0)
    for s in range(s0, s1):
        o, row = s * layer.ld, rows[s]
        for i in range(0, n, lanes_in(ws.y)):
            if not not_null(ws.labels):
                y = load_first(ws.targets, row * n + i, n - i)
            elif ws.binary:
                y = np.where(lane_number_is(zero, 0), zero + ws.labels[row], zero)
            else:
                y = np.where(lane_number_is(zero, ws.labels[row] - i), zero + 1, zero)
            # label smoothing: (1 − ε) y + ε/n
            store(ws.y, o + i, np.where(first_lanes(y, n - i), y * ws.smooth_scale + ws.smooth_shift, zero))
        ws.weight[s] = v
        if not_null(ws.sample_weight):
            ws.weight[s] = v * ws.sample_weight[row]


@inner
def argmax(x, o, n):
    """The index of the largest of the n numbers from x[o] on, the first one of equals."""
    if n <= SKINNY:  # one by one: 2.8 ns a sample of two outputs, across the lanes 5.7
        first = 0
        for i in range(1, n):
            first = i if x[o + i] > x[o + first] else first
        return np.int64(first)
    top = row_max(x, o, n)
    for i in range(0, n, lanes_in(x)):
        k = i + first_true(load(x, o + i) == top)
        if k < min(n, i + lanes_in(x)):
            return k
    return np.int64(0)


@inner
def count_correct(ws, layer, rows, s0, s1):
    """correct[s] = 1 where the label of the outputs, or each of them that decides for itself, is the target's."""
    limit, half = 0.0 if ws.at_zero else 0.5, 0.5 * ws.smooth_scale + ws.smooth_shift
    for s in range(s0, s1):
        o = s * layer.ld
        if ws.separate:
            correct = 1
            for i in range(layer.n_out):
                correct &= (ws.a[layer.outputs + o + i] > limit) == (ws.y[o + i] > half)
            ws.correct[s] = correct
        elif not_null(ws.labels):
            ws.correct[s] = argmax(ws.a, layer.outputs + o, layer.n_out) == ws.labels[rows[s]]
        else:
            ws.correct[s] = argmax(ws.a, layer.outputs + o, layer.n_out) == argmax(ws.y, o, layer.n_out)


@inner
def delta_output(ws, layer, rows, s0, s1, v):
    """δ_i^L = ∂C/∂a_i σ'(z_i), and the costs, for samples [s0, s1)."""
    take_targets(ws, layer, rows, s0, s1, v)
    if ws.count_correct:
        count_correct(ws, layer, rows, s0, s1)
    o = s0 * layer.ld
    a, delta = ws.a + (layer.outputs + o), ws.delta + (layer.outputs + o)
    call_loss(ws.loss, a, delta, ws.y + o, ws.weight + s0, ws.cost + s0, s1 - s0, layer.ld, layer.n_out)
