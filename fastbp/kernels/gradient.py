"""Gradient: ∂C/∂w_ij = Σ_s δ_si a_sj, ∂C/∂b_i = Σ_s δ_si, and what becomes of it.

Three endings: DESCEND, w_ij ← w_ij − η ∂C/∂w_ij from registers, nothing stored; UPDATE, any other optimizer's formula
on a block that lies in L1; STORE, for those who need the whole gradient. δ (n_samples, n_out), a (n_samples, n_in).
"""

from __future__ import annotations

import numpy as np
from numba import prange

from fastbp.kernels.formulas import call_update
from fastbp.kernels.jit import entry, inlined, inner
from fastbp.kernels.panels import TRANSPOSED, padded, panel_width, unpack
from fastbp.kernels.simd import at, fma, keep, keep_loop, lanes_in, load, pointer, splat, store, zero_in
from fastbp.kernels.tile import (
    first_rows,
    load_tile,
    rank1,
    rows_of,
    store_tile,
    store_transposed,
    strip,
    strip_like,
    tile_fma,
    tile_of,
)

DESCEND, UPDATE, STORE = 0, 1, 2
# Samples a pass and inputs j a block: their strips of δ (128 x 128 bytes) and columns of a (128 x 2 cache lines) share
# a 48 KiB L1 cache, while the block's weights (32 strips) stay there from pass to pass.
SAMPLES, BLOCK = 128, 32


@inlined
def gradient_tile(columns, index, lead_x, delta, lead, s0, s1, start, zero):
    """start + Σ_s δ_si a_sj for samples [s0, s1), the inputs j of `columns` and one strip of i."""
    t = start
    for s in range(s0, s1):
        keep_loop()
        t = rank1(t, columns, index[s] * lead_x, strip_like(at(delta, s * lead), zero))
    return t


@inner
def store_panel(g, x, index, lead_x, delta, lead, m, j0, j1, zero):
    """g[j - j0, i] = Σ_s δ_si a_sj for one panel of i and j in [j0, j1)."""
    width = len(zero) * lanes_in(g)
    for s in range(0, m, SAMPLES):
        for j in range(j0, j1, TRANSPOSED):
            columns = rows_of(at(x, j), 1, j1 - 1 - j, TRANSPOSED)
            rows = rows_of(at(g, (j - j0) * width), width, j1 - 1 - j, TRANSPOSED)
            start = tile_of(zero, columns)
            if s > 0:
                start = load_tile(rows, start)
            store_tile(rows, gradient_tile(columns, index, lead_x, delta, lead, s, min(m, s + SAMPLES), start, zero))


@inlined
def mirror(back, n_out, p, n_in, j, rows, tile, lanes):
    """The tile of W's panel `p` at input j also as backward reads it: vectors over j."""
    q = j // (2 * lanes) * (2 * lanes)
    width = panel_width(n_in - q, lanes)
    store_transposed(at(back, q * padded(n_out, lanes) + p * width + j - q), width, tile, TRANSPOSED)


@inlined
def descend_tile(memory, layer, x, index, lead_x, p, j, rows_left, s0, s1, last, down, zero):
    """w_ij ← w_ij − η Σ_s δ_si a_sj for samples [s0, s1), one strip of i and `rows_left` + 1 inputs from j on."""
    lanes = lanes_in(memory.w)
    width = len(zero) * lanes
    columns = rows_of(at(x, j), 1, rows_left, TRANSPOSED)
    rows = rows_of(at(memory.w, layer.weights + p * layer.n_in + j * width), width, rows_left, TRANSPOSED)
    start = tile_of(zero, columns)
    g = gradient_tile(columns, index, lead_x, at(memory.d, layer.outputs + p), layer.lead, s0, s1, start, zero)
    w = tile_fma(down, g, load_tile(rows, g))
    store_tile(rows, w)
    if last:
        if rows_left < TRANSPOSED - 1:
            w = first_rows(w, rows, rows_left + 1)
        mirror(at(memory.back, layer.back), layer.n_out, p, layer.n_in, j, rows, w, lanes)


@inner
def descend_panel(memory, layer, x, index, lead_x, m, p, j0, j1, eta, zero):
    """w_ij ← w_ij − η Σ_s δ_si a_sj for one panel of i and j in [j0, j1)."""
    down = splat(-eta)
    # one pass needs no blocks: nothing stays from it to the next
    size = BLOCK if m > SAMPLES else j1 - j0
    for block in range(j0, j1, size):
        end = min(j1, block + size)
        whole = block + (end - block) // TRANSPOSED * TRANSPOSED
        for s in range(0, m, SAMPLES):
            s1 = min(m, s + SAMPLES)
            last = layer.back >= 0 and s1 == m
            for j in range(block, whole, TRANSPOSED):
                descend_tile(memory, layer, x, index, lead_x, p, j, TRANSPOSED - 1, s, s1, last, down, zero)
            if whole < end:
                descend_tile(memory, layer, x, index, lead_x, p, whole, end - 1 - whole, s, s1, last, down, zero)


@inner
def shape_gradient(memory, g, w, n, l1, l2):
    """g ← g + λ₂ w + λ₁ sign(w), then between −c and c, on n numbers."""
    for o in range(0, n, lanes_in(g)):
        x = load(g, o) + l2 * load(w, o) + l1 * np.sign(load(w, o))
        store(g, o, np.minimum(np.maximum(x, -memory.clip_value), memory.clip_value))


@inner
def mirror_panel(memory, layer, p, j0, j1, zero):
    """What backward reads of one panel of i and j in [j0, j1), from the panel."""
    lanes = lanes_in(memory.w)
    w, width = at(memory.w, layer.weights + p * layer.n_in), len(zero) * lanes
    for j in range(j0, j1, TRANSPOSED):
        rows = rows_of(at(w, j * width), width, j1 - 1 - j, TRANSPOSED)
        tile = first_rows(load_tile(rows, tile_of(zero, rows)), rows, j1 - j)
        mirror(at(memory.back, layer.back), layer.n_out, p, layer.n_in, j, rows, tile, lanes)


@inner
def store_or_update_panel(memory, layer, x, index, lead_x, m, p, j0, j1, h, scratch, zero):
    """One panel of i and j in [j0, j1), a block of inputs at a time: the gradient stored or followed."""
    panel, width = layer.weights + p * layer.n_in, len(zero) * lanes_in(memory.w)
    for block in range(j0, j1, BLOCK):
        end = min(j1, block + BLOCK)
        o, n, g = panel + block * width, (end - block) * width, scratch
        if memory.ending == STORE:
            g = at(memory.g, o)
        store_panel(g, x, index, lead_x, at(memory.d, layer.outputs + p), layer.lead, m, block, end, zero)
        if memory.shaped:
            shape_gradient(memory, g, at(memory.w, o), n, memory.l1, memory.l2)
        if memory.ending == UPDATE:
            call_update(memory.update, at(memory.w, o), g, at(memory.s, o), at(memory.u, o), h, n)
            if layer.back >= 0:
                mirror_panel(memory, layer, p, block, end, zero)


@inner
def gradient_panel(memory, layer, x, index, lead_x, m, p, j0, j1, h, scratch, zero):
    """One panel of a layer's weights, by the ending that is asked for."""
    if memory.ending == DESCEND:
        descend_panel(memory, layer, x, index, lead_x, m, p, j0, j1, h[0], zero)
    else:
        store_or_update_panel(memory, layer, x, index, lead_x, m, p, j0, j1, h, scratch, zero)


@inner
def column_sum(delta, lead, m):
    """Σ_s δ_si of one vector of i, in four partial sums: one alone waits for each addition."""
    zero = splat(zero_in(delta))
    g0, g1, g2, g3 = zero, zero, zero, zero
    for s in range(0, m // 4 * 4, 4):
        g0 = g0 + load(delta, s * lead)
        g1 = g1 + load(delta, (s + 1) * lead)
        g2 = g2 + load(delta, (s + 2) * lead)
        g3 = g3 + load(delta, (s + 3) * lead)
    for s in range(m // 4 * 4, m):
        g0 = g0 + load(delta, s * lead)
    return (g0 + g1) + (g2 + g3)


@inner
def gradient_biases(memory, layer, m, h, scratch):
    """∂C/∂b_i = Σ_s δ_si, by the same ending."""
    lanes = lanes_in(memory.d)
    for i in range(0, padded(layer.n_out, lanes), lanes):
        o = layer.biases + i
        g = column_sum(at(memory.d, layer.outputs + i), layer.lead, m)
        if memory.shaped:
            g = np.minimum(np.maximum(g, -memory.clip_value), memory.clip_value)
        if memory.ending == DESCEND:
            store(memory.w, o, fma(splat(-h[0]), g, load(memory.w, o)))
        elif memory.ending == UPDATE:
            store(scratch, 0, g)
            call_update(memory.update, at(memory.w, o), scratch, at(memory.s, o), at(memory.u, o), h, lanes)
        else:
            store(memory.g, o, g)


@inner
def inputs_of(layer, t, threads):
    """Thread t's inputs [j0, j1) of a layer: whole tiles."""
    share = ((layer.n_in + threads - 1) // threads + TRANSPOSED - 1) // TRANSPOSED * TRANSPOSED
    return min(layer.n_in, t * share), min(layer.n_in, t * share + share)


@inner
def gradient_layer(memory, layer, x, index, lead_x, m, h, t, threads):
    """Thread t's share of ∂C/∂w_ij = Σ_s δ_si a_sj, all i and a range of j; the last one has the biases too."""
    lanes = lanes_in(memory.w)
    j0, j1 = inputs_of(layer, t, threads)
    scratch = at(memory.scratch, t * BLOCK * 2 * lanes)
    if j0 < j1:
        for p in range(0, layer.n_out, 2 * lanes):
            if panel_width(layer.n_out - p, lanes) > lanes:
                gradient_panel(memory, layer, x, index, lead_x, m, p, j0, j1, h, scratch, strip(memory.zeros, 2))
            else:
                gradient_panel(memory, layer, x, index, lead_x, m, p, j0, j1, h, scratch, strip(memory.zeros, 1))
    if t == threads - 1:
        gradient_biases(memory, layer, m, h, scratch)


@inner
def gradient_layers(memory, layers, x, index, m, h, t, threads):
    """Thread t's share of all layers."""
    for l in range(len(layers)):
        layer = layers[l]
        if l == 0:
            gradient_layer(memory, layer, x, index, layer.lead_in, m, h, t, threads)
        else:
            gradient_layer(
                memory, layer, at(memory.a, layers[l - 1].outputs), memory.same, layer.lead_in, m, h, t, threads
            )


def gradient_arrays(dW, db, delta, x, threads):
    """dW_ij = Σ_s δ_si x_sj, db_i = Σ_s δ_si on whole arrays.

    dW (n_out, n_in); db (n_out,); delta (m, n_out); x (m, n_in); all in C order.
    """
    m, n_in = x.shape
    n_out = delta.shape[1]
    lanes = lanes_in(pointer(x))
    lead = padded(n_out, lanes)
    rows, g, index = np.zeros((m, lead), x.dtype), np.zeros(lead * n_in, x.dtype), np.arange(m)
    rows[:, :n_out] = delta
    zeros, panels = np.zeros(2 * lanes, x.dtype), (n_out + 2 * lanes - 1) // (2 * lanes)
    for t in prange(threads):
        for k in range(np.int64(t), panels, threads):
            p = k * 2 * lanes
            to, d = at(pointer(g), p * n_in), at(pointer(rows), p)
            if panel_width(n_out - p, lanes) > lanes:
                store_panel(to, pointer(x), pointer(index), n_in, d, lead, m, 0, n_in, strip(pointer(zeros), 2))
            else:
                store_panel(to, pointer(x), pointer(index), n_in, d, lead, m, 0, n_in, strip(pointer(zeros), 1))
    unpack(pointer(dW), pointer(g), n_out, n_in)
    for i in range(n_out):
        db[i] = 0
        for s in range(m):
            db[i] += delta[s, i]
    keep(rows)
    keep(g)
    keep(index)
    keep(zeros)


gradient = entry(gradient_arrays, "gradient", parallel=True)
