"""Gradient: ∂C/∂w_ij = Σ_s δ_si a_sj, ∂C/∂b_i = Σ_s δ_si, and what becomes of it.

Three endings: DESCEND, w_ij ← w_ij − η ∂C/∂w_ij from registers, nothing stored; UPDATE, any other optimizer's formula
on a block that lies in L1; STORE, for those who need the whole gradient. δ (n_samples, n_out), a (n_samples, n_in).
For DESCEND δ comes times −η: backpropagation is linear in δ^L, so one multiplication at the output does for all layers,
and an addition is left, for which the CPU has other units than for the tiles' multiply-adds.
"""

from __future__ import annotations

import numpy as np

from fastbp.kernels.blocking import COPY_ABOVE, COPY_COLUMNS, GRAD_MR, GRAD_MR_HALF, SAMPLE_PASS, UPDATE_ROWS
from fastbp.kernels.formulas import call_rules, call_update
from fastbp.kernels.runtime.jit import inlined, inner
from fastbp.kernels.tiles.packing import padded, panel_width, prefetch_transposed, store_transposed
from fastbp.kernels.tiles.skinny import gradient_skinny
from fastbp.kernels.tiles.tile import load_tile, prefetch, prefetch_rows, rank1, rows_of, store_tile, tile_add, tile_of
from fastbp.kernels.vectors.memory import lanes_in, load, load_first, store, zero_in
from fastbp.kernels.vectors.simd import no_unroll, splat

SGD, OPTIMIZER, STORE = 0, 1, 2


@inlined
def gradient_tile(columns, index, ldx, delta, ld, s0, s1, start, prefetch_offsets):
    """start + Σ_s δ_si a_sj for samples [s0, s1), the inputs j of `columns` and one vector of i."""
    t = start
    for s in range(s0, s1):
        no_unroll()
        prefetch(delta + s * ld, prefetch_offsets)
        t = rank1(t, columns, index[s] * ldx, (load(delta, s * ld),))
    return t


# ------------------------------------------------------------------ w_ij ← w_ij − η ∂C/∂w_ij
@inlined
def sgd_tile(ws, layer, w, columns, index, ldx, s0, s1, i, j, count, last, prefetch_offsets):
    """w_ij ← w_ij − η Σ_s δ_si a_sj for samples [s0, s1), one vector of i and `count` inputs from j on; −η is in δ.

    `count` is int64 also where it is TALL: a literal would be compiled for apart.
    """
    delta, zero = ws.delta + (layer.outputs + i), splat(zero_in(ws.w))
    g = gradient_tile(columns, index, ldx, delta, layer.ld, s0, s1, tile_of((zero,), columns), prefetch_offsets)
    w_ij = tile_add(g, load_tile(w, g))
    store_tile(w, w_ij)
    if last:
        depth = padded(layer.n_out, lanes_in(ws.w))
        store_transposed(ws.w_t + layer.w_t, depth, layer.n_in, i, j, w_ij, count)


@inner
def sgd_far(ws, layer, x, index, ldx, s0, s1, i, j, w, width, last):
    """A whole tile whose weights are in no cache near: asked for now, they are there when the sum is."""
    columns, rows = rows_of(x, 1, GRAD_MR - 1, GRAD_MR), rows_of(w, width, GRAD_MR - 1, GRAD_MR)
    lanes = lanes_in(ws.w)
    prefetch_rows(rows)
    if last:
        prefetch_transposed(ws.w_t + layer.w_t, padded(layer.n_out, lanes), layer.n_in, i, j, rows)
    sgd_tile(ws, layer, rows, columns, index, ldx, s0, s1, i, j, np.int64(GRAD_MR), last, (lanes,))


@inner
def sgd_inputs(ws, layer, x, tile_stride, index, ldx, s0, s1, i, j0, j1, last, far):
    """w_ij ← w_ij − η Σ_s δ_si a_sj for samples [s0, s1), one vector of i and j in [j0, j1).

    The tile's inputs from j on lie at x[j * apart].
    """
    lanes = lanes_in(ws.w)
    p = i // (2 * lanes) * (2 * lanes)
    width = panel_width(layer.n_out - p, lanes)
    w, whole = ws.w + (layer.weights + p * layer.n_in + i - p), j0 + (j1 - j0) // GRAD_MR * GRAD_MR
    if far:
        for j in range(j0, whole, GRAD_MR):
            a, to = x + j * tile_stride, w + j * width
            sgd_far(ws, layer, a, index, ldx, s0, s1, i, j, to, width, last)
    else:
        for j in range(j0, whole, GRAD_MR):
            columns = rows_of(x + j * tile_stride, 1, GRAD_MR - 1, GRAD_MR)
            rows = rows_of(w + j * width, width, GRAD_MR - 1, GRAD_MR)
            sgd_tile(ws, layer, rows, columns, index, ldx, s0, s1, i, j, np.int64(GRAD_MR), last, ())
    a, to, left = x + whole * tile_stride, w + whole * width, j1 - 1 - whole
    if left >= GRAD_MR_HALF:
        columns, rows = rows_of(a, 1, left, GRAD_MR), rows_of(to, width, left, GRAD_MR)
        sgd_tile(ws, layer, rows, columns, index, ldx, s0, s1, i, whole, left + 1, last, ())
    elif left >= 0:
        columns, rows = rows_of(a, 1, left, GRAD_MR_HALF), rows_of(to, width, left, GRAD_MR_HALF)
        sgd_tile(ws, layer, rows, columns, index, ldx, s0, s1, i, whole, left + 1, last, ())


# ------------------------------------------------------------------ the gradient stored, or followed by a formula
@inlined
def store_sums_of(g, columns, index, ldx, delta, ld, s0, s1):
    """g[j, i] = Σ_s δ_si a_sj for samples [s0, s1), added to what is there where s0 > 0."""
    start = tile_of((splat(zero_in(delta)),), columns)
    if s0 > 0:
        start = load_tile(g, start)
    store_tile(g, gradient_tile(columns, index, ldx, delta, ld, s0, s1, start, ()))


@inner
def store_inputs(g, width, x, tile_stride, index, ldx, delta, ld, m, j0, j1):
    """g[j - j0, i] = Σ_s δ_si a_sj for one vector of i and j in [j0, j1), a row of g `width` long."""
    for s0 in range(0, m, SAMPLE_PASS):
        s1 = min(m, s0 + SAMPLE_PASS)
        for j in range(j0, j1, GRAD_MR):
            a, to, left = x + j * tile_stride, g + (j - j0) * width, j1 - 1 - j
            if left >= GRAD_MR_HALF:
                columns, rows = rows_of(a, 1, left, GRAD_MR), rows_of(to, width, left, GRAD_MR)
                store_sums_of(rows, columns, index, ldx, delta, ld, s0, s1)
            else:
                columns, rows = rows_of(a, 1, left, GRAD_MR_HALF), rows_of(to, width, left, GRAD_MR_HALF)
                store_sums_of(rows, columns, index, ldx, delta, ld, s0, s1)


@inner
def repack_transposed(ws, layer, p, j0, j1):
    """What backward reads of one panel of i and j in [j0, j1), from the panel."""
    lanes, zero = lanes_in(ws.w), splat(zero_in(ws.w))
    w_t, depth = ws.w_t + layer.w_t, padded(layer.n_out, lanes)
    width = panel_width(layer.n_out - p, lanes)
    for j in range(j0, j1, GRAD_MR):
        for i in range(0, width, lanes):
            w = ws.w + (layer.weights + p * layer.n_in + j * width + i)
            rows = rows_of(w, width, j1 - 1 - j, GRAD_MR)
            store_transposed(w_t, depth, layer.n_in, p + i, j, load_tile(rows, tile_of((zero,), rows)), j1 - j)


@inner
def apply_update(ws, g, o, n, h):
    """The rules of the gradient g of the n weights from w[o] on, and for OPTIMIZER the update."""
    if ws.weight_rules != 0:
        call_rules(ws.weight_rules, g, ws.w + o, ws.weight_numbers, n)
    if ws.epilogue == OPTIMIZER:
        call_update(ws.update, ws.w + o, g, ws.state + o, ws.state_stride, h, n)


@inner
def store_or_update(ws, layer, x, tile_stride, index, ldx, m, j0, j1, h, scratch):
    """The gradient of all i and j in [j0, j1), a part of a panel at a time: stored, or followed by the formula."""
    lanes = lanes_in(ws.w)
    for p in range(0, layer.n_out, 2 * lanes):
        width = panel_width(layer.n_out - p, lanes)
        for part in range(j0, j1, UPDATE_ROWS):
            end = min(j1, part + UPDATE_ROWS)
            o, n, g = layer.weights + p * layer.n_in + part * width, (end - part) * width, scratch
            if ws.epilogue == STORE:
                g = ws.g + o
            for i in range(0, width, lanes):
                delta = ws.delta + (layer.outputs + p + i)
                store_inputs(g + i, width, x, tile_stride, index, ldx, delta, layer.ld, m, part, end)
            apply_update(ws, g, o, n, h)
            if ws.epilogue == OPTIMIZER and layer.w_t >= 0:
                repack_transposed(ws, layer, p, part, end)


@inner
def column_sum(delta, ld, m):
    """Σ_s δ_si of one vector of i, in four partial sums: one alone waits for each addition."""
    zero = splat(zero_in(delta))
    g0, g1, g2, g3 = zero, zero, zero, zero
    for s in range(0, m // 4 * 4, 4):
        g0 = g0 + load(delta, s * ld)
        g1 = g1 + load(delta, (s + 1) * ld)
        g2 = g2 + load(delta, (s + 2) * ld)
        g3 = g3 + load(delta, (s + 3) * ld)
    for s in range(m // 4 * 4, m):
        g0 = g0 + load(delta, s * ld)
    return (g0 + g1) + (g2 + g3)


@inner
def gradient_biases(ws, layer, m, h, scratch):
    """∂C/∂b_i = Σ_s δ_si, by the same epilogue."""
    lanes = lanes_in(ws.delta)
    for i in range(0, padded(layer.n_out, lanes), lanes):
        o = layer.biases + i
        g = column_sum(ws.delta + (layer.outputs + i), layer.ld, m)
        if ws.epilogue == SGD:
            store(ws.w, o, load(ws.w, o) + g)
            continue
        to = ws.g + o if ws.epilogue == STORE else scratch
        store(to, 0, g)
        if ws.bias_rules != 0:
            call_rules(ws.bias_rules, to, ws.w + o, ws.bias_numbers, lanes)
        if ws.epilogue == OPTIMIZER:
            call_update(ws.update, ws.w + o, to, ws.state + o, ws.state_stride, h, lanes)


@inner
def inputs_before(layers, l, t, threads):
    """Where in a layer's inputs thread t's share of all weights begins: at a tile."""
    layer, end = layers[l], layers[len(layers) - 1]
    total = end.before + end.n_in * end.n_out
    weights = min(max(0, total * t // threads - layer.before), layer.n_in * layer.n_out)
    j = (weights // layer.n_out + GRAD_MR // 2) // GRAD_MR * GRAD_MR
    return layer.n_in if t == threads else min(layer.n_in, j)


@inner
def inputs_of(layers, l, t, threads):
    """Thread t's inputs [j0, j1) of a layer, a share of all weights of the network: few layers are then parted.

    What is parted is read by every thread: with each layer in halves, the arrays that cross from core to core took 15
    µs of the 88 of a step of 64-8x64-10 (AMD Zen 4, two threads).
    """
    j0, j1 = inputs_before(layers, l, t, threads), inputs_before(layers, l, t + 1, threads)
    if layers[l].skinny and j0 < j1:
        # it is not parted: whoever has its beginning has it all
        return (0, layers[l].n_in) if j0 == 0 else (0, 0)
    return j0, j1


@inner
def store_or_update_skinny(ws, layer, a, lda, m, h, scratch):
    """The gradient of a narrow layer, a panel of columns j at a time, by any of the endings."""
    lanes, n_in, n_out = lanes_in(ws.w), layer.n_in, layer.n_out
    for q in range(0, n_in, 2 * lanes):
        width = panel_width(n_in - q, lanes)
        o, n, g = layer.weights + q * n_out, n_out * width, scratch
        if ws.epilogue == STORE:
            g = ws.g + o
        elif ws.epilogue == SGD:
            g = ws.w + o
        delta, end = ws.delta + layer.outputs, min(n_in, q + width)
        gradient_skinny(g, width, ws.epilogue == SGD, delta, layer.ld, n_out, a, lda, m, n_in, q, end)
        apply_update(ws, g, o, n, h)


# ------------------------------------------------------------------ layers
@inner
def scratch_size(m, n_in, lanes):
    """Numbers that a thread's scratch buffer needs for a layer: g of one part of a panel, and the copy."""
    return UPDATE_ROWS * 2 * lanes + (SAMPLE_PASS * COPY_COLUMNS if m * n_in > COPY_ABOVE else 0)


@inner
def copy_inputs(to, x, index, ldx, s0, s1, j0, j1):
    """to[tile of j, s - s0, j] = a_sj."""
    for s in range(s0, s1):
        for j in range(j0, j1, lanes_in(x)):
            tile, k = (j - j0) // GRAD_MR, (j - j0) % GRAD_MR
            store(to, (tile * SAMPLE_PASS + s - s0) * GRAD_MR + k, load_first(x, index[s] * ldx + j, j1 - j))


@inner
def gradient_block(ws, layer, x, tile_stride, index, ldx, s0, s1, m, h, j0, j1, scratch, far):
    """∂C/∂w_ij for all i and j in [j0, j1), samples [s0, s1) where they descend, else all, by the ending."""
    if ws.epilogue == SGD:
        last = layer.w_t >= 0 and s1 == m
        for i in range(0, layer.n_out, lanes_in(ws.w)):
            sgd_inputs(ws, layer, x, tile_stride, index, ldx, s0, s1, i, j0, j1, last, far)
    else:
        store_or_update(ws, layer, x, tile_stride, index, ldx, m, j0, j1, h, scratch)


@inner
def gradient_layer(ws, layer, x, index, ldx, m, h, j0, j1, scratch):
    """∂C/∂w_ij = Σ_s δ_si a_sj for all i and j in [j0, j1).

    1. passes over samples   what descends, does so pass by pass
    2. blocks of inputs j    of far inputs, copied close together
    3. outputs i             vectors or panels
    4. inputs j              tiles
    """
    passes = SAMPLE_PASS if ws.epilogue == SGD else m
    far = m * layer.n_in > COPY_ABOVE and passes <= SAMPLE_PASS
    copy = scratch + UPDATE_ROWS * 2 * lanes_in(ws.w)
    # whole steps and strides are variables: a literal would be another type, and all below compiled once more for it
    step, tile_stride = (COPY_COLUMNS, SAMPLE_PASS) if far else (max(1, j1 - j0), 1)
    for s0 in range(0, m, passes):
        s1 = min(m, s0 + passes)
        for block in range(j0, j1, step):
            end, a, rows, ld = min(j1, block + step), x, index, ldx
            if far:
                copy_inputs(copy, x, index, ldx, s0, s1, block, end)
                a, rows, ld = copy + (-s0 * GRAD_MR - block * SAMPLE_PASS), ws.identity, GRAD_MR
            gradient_block(ws, layer, a, tile_stride, rows, ld, s0, s1, m, h, block, end, scratch, far)


@inner
def gradient_layers(ws, layers, x, index, m, h, t, threads):
    """Thread t's share of all layers; who has a layer's last inputs has its biases."""
    scratch = ws.scratch + t * ws.scratch_per_thread
    for l in range(len(layers)):
        layer = layers[l]
        j0, j1 = inputs_of(layers, l, t, threads)
        if j0 < j1:
            below = layers[max(0, l - 1)]
            if layer.skinny:
                store_or_update_skinny(ws, layer, ws.a + below.outputs, layer.ld_in, m, h, scratch)
            elif l == 0:
                gradient_layer(ws, layer, x, index, layer.ld_in, m, h, j0, j1, scratch)
            else:
                a = ws.a + below.outputs
                gradient_layer(ws, layer, a, ws.identity, layer.ld_in, m, h, j0, j1, scratch)
            if j1 == layer.n_in:
                gradient_biases(ws, layer, m, h, scratch)
