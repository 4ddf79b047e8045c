"""Gradient: ∂C/∂w_ij = Σ_s δ_si a_sj, ∂C/∂b_i = Σ_s δ_si, and what becomes of it.

    1. passes over samples s   each adds its sums to those of the passes before
    2. blocks of inputs j      a_sj of a block copied close together, tile by tile (L1), where that pays
    3. panels of outputs i     δ_si of a pass, two vectors wide (L2)
    4. tiles of inputs j       w_ij or ∂C/∂w_ij (L1)
    5. samples s               one rank-1 update of a tile in registers

Shapes: δ (n_samples, n_out), a (n_samples, n_in). Three epilogues: SGD, w_ij ← w_ij − η ∂C/∂w_ij, nothing stored;
OPTIMIZER, any other formula on a part of a panel that lies in L1; STORE, for those who need the whole gradient.

For SGD, δ^L is multiplied by −η once. Backpropagation is linear in δ^L, so every δ carries the factor, and the tile's
sum only has to be added to w. That addition does not compete with the multiply-adds for a port.
"""

from __future__ import annotations

import numpy as np

from fastbp.kernels.blocking import (
    COPY_BYTES,
    COPY_COLUMNS,
    COPY_OUTPUTS,
    COPY_SAMPLES,
    COPY_UNIT,
    GRAD_MR,
    GRAD_MR_LOW,
    GRAD_UNIT,
    GRAD_VECTORS,
    SAMPLE_PASS,
    UPDATE_ROWS,
)
from fastbp.kernels.formulas import call_rules, call_update
from fastbp.kernels.runtime.host import VECTOR_BYTES
from fastbp.kernels.runtime.jit import inlined, inner
from fastbp.kernels.tiles.packing import padded, panel_width, prefetch_transposed, store_transposed
from fastbp.kernels.tiles.skinny import gradient_skinny
from fastbp.kernels.tiles.tile import (
    load_tile,
    prefetch,
    prefetch_rows,
    rank1,
    row_vectors_like,
    rows_of,
    square_rows,
    store_tile,
    tile_add,
    tile_of,
)
from fastbp.kernels.vectors.memory import lanes_in, load, load_first, store, zero_in
from fastbp.kernels.vectors.simd import no_unroll, splat

SGD, OPTIMIZER, STORE = 0, 1, 2
# What becomes of a tile's sums: stored; begun with what earlier passes stored; added to weights.
NEW, CONTINUED, ADDED = 0, 1, 2


# ------------------------------------------------------------------ 5. samples
@inlined
def tile_sums(columns, index, ldx, delta, ld, s0, s1, start, row, prefetch_offsets):
    """start + Σ_s δ_si a_sj for samples [s0, s1), the inputs j of `columns` and the outputs i of a `row` of vectors."""
    t = start
    for s in range(s0, s1):
        no_unroll()
        prefetch(delta + s * ld, prefetch_offsets)
        t = rank1(t, columns, index[s] * ldx, row_vectors_like(delta + s * ld, row))
    return t


@inlined
def gradient_tile(g, columns, index, ldx, delta, ld, s0, s1, row, kind, prefetch_offsets):
    """The sums of one tile, to the rows `g`; returns what was stored."""
    t = tile_of(row, columns)
    if kind == CONTINUED:
        t = load_tile(g, t)
    t = tile_sums(columns, index, ldx, delta, ld, s0, s1, t, row, prefetch_offsets)
    if kind == ADDED:
        t = tile_add(t, load_tile(g, t))
    store_tile(g, t)
    return t


# ------------------------------------------------------------------ 4. tiles of inputs
@inner
def gradient_columns(g, width, x, tile_stride, index, ldx, delta, ld, s0, s1, j0, j1, row, kind):
    """g[j - j0, i] from the sums Σ_s δ_si a_sj for j in [j0, j1) and the outputs i of a `row` of vectors.

    Rows of g are `width` apart; the tile's inputs from j on lie at x[j * tile_stride].
    """
    for j in range(j0, j1, GRAD_MR):
        a, to, left = x + j * tile_stride, g + (j - j0) * width, j1 - 1 - j
        if left >= GRAD_MR - 1:
            # constant offsets: a pointer for each row would not leave registers enough
            columns, rows = rows_of(a, 1, GRAD_MR - 1, GRAD_MR), rows_of(to, width, GRAD_MR - 1, GRAD_MR)
            prefetch_rows(rows)
            gradient_tile(rows, columns, index, ldx, delta, ld, s0, s1, row, kind, ())
        elif left >= GRAD_MR_LOW:
            columns, rows = rows_of(a, 1, left, GRAD_MR), rows_of(to, width, left, GRAD_MR)
            gradient_tile(rows, columns, index, ldx, delta, ld, s0, s1, row, kind, ())
        else:
            columns, rows = rows_of(a, 1, left, GRAD_MR_LOW), rows_of(to, width, left, GRAD_MR_LOW)
            gradient_tile(rows, columns, index, ldx, delta, ld, s0, s1, row, kind, ())


@inner
def sgd_square(ws, layer, g, columns, index, ldx, delta, ld, s0, s1, row, i, j, count, transposes):
    """A tile that is added to weights and transposed while it is in registers; `count` of its inputs are there."""
    t = gradient_tile(g, columns, index, ldx, delta, ld, s0, s1, row, ADDED, ())
    if transposes:
        store_transposed(ws.w_t + layer.w_t, padded(layer.n_out, lanes_in(ws.w)), layer.n_in, i, j, t, count)


@inner
def sgd_far(ws, layer, g, columns, index, ldx, delta, ld, s0, s1, row, i, j, count, transposes):
    """As `sgd_square`, for weights that are in no near cache: asked for now, they are there when the sum is."""
    lanes = lanes_in(ws.w)
    depth = padded(layer.n_out, lanes)
    prefetch_rows(g)
    if transposes:
        prefetch_transposed(ws.w_t + layer.w_t, depth, layer.n_in, i, j, g)
    t = gradient_tile(g, columns, index, ldx, delta, ld, s0, s1, row, ADDED, (lanes,))
    if transposes:
        store_transposed(ws.w_t + layer.w_t, depth, layer.n_in, i, j, t, count)


@inner
def sgd_columns(ws, layer, w, width, x, tile_stride, index, ldx, delta, ld, s0, s1, i, j0, j1, transposes, far):
    """w_ij ← w_ij − η Σ_s δ_si a_sj for one vector of i and j in [j0, j1), in squares."""
    row = (splat(zero_in(ws.w)),)
    for j in range(j0, j1, GRAD_MR):
        a, to, left = x + j * tile_stride, w + (j - j0) * width, j1 - 1 - j
        if left >= GRAD_MR_LOW:
            columns, rows = rows_of(a, 1, left, GRAD_MR), rows_of(to, width, left, GRAD_MR)
            if far and left >= GRAD_MR:
                sgd_far(ws, layer, rows, columns, index, ldx, delta, ld, s0, s1, row, i, j, left + 1, transposes)
            else:
                sgd_square(ws, layer, rows, columns, index, ldx, delta, ld, s0, s1, row, i, j, left + 1, transposes)
        else:
            columns, rows = rows_of(a, 1, left, GRAD_MR_LOW), rows_of(to, width, left, GRAD_MR_LOW)
            sgd_square(ws, layer, rows, columns, index, ldx, delta, ld, s0, s1, row, i, j, left + 1, transposes)


# ------------------------------------------------------------------ 3. panels of outputs
@inner
def apply_update(ws, g, o, n, h):
    """The rules of the gradient g of the n weights from w[o] on, and for OPTIMIZER the update."""
    if ws.weight_rules != 0:
        call_rules(ws.weight_rules, g, ws.w + o, ws.weight_numbers, n)
    if ws.epilogue == OPTIMIZER:
        call_update(ws.update, ws.w + o, g, ws.state + o, ws.state_stride, h, n)


@inner
def repack_transposed(ws, layer, p, j0, j1):
    """What backward reads of one panel of i and j in [j0, j1), from the panel."""
    lanes, zero = lanes_in(ws.w), splat(zero_in(ws.w))
    w_t, depth = ws.w_t + layer.w_t, padded(layer.n_out, lanes)
    width = panel_width(layer.n_out - p, lanes)
    for j in range(j0, j1, lanes):
        for i in range(0, width, lanes):
            w = ws.w + (layer.weights + p * layer.n_in + j * width + i)
            rows = square_rows(w, width, j1 - 1 - j)
            store_transposed(w_t, depth, layer.n_in, p + i, j, load_tile(rows, tile_of((zero,), rows)), j1 - j)


@inner
def gradient_panel(g, width, x, tile_stride, index, ldx, delta, ld, s0, s1, j0, j1, kind):
    """g[j - j0, i] for j in [j0, j1) and all i of a panel `width` wide."""
    lanes, zero = lanes_in(g), splat(zero_in(g))
    if GRAD_VECTORS == 2 and width > lanes:
        gradient_columns(g, width, x, tile_stride, index, ldx, delta, ld, s0, s1, j0, j1, (zero, zero), kind)
    else:
        for v in range(0, width, lanes):
            gradient_columns(g + v, width, x, tile_stride, index, ldx, delta + v, ld, s0, s1, j0, j1, (zero,), kind)


@inner
def sgd_panel(ws, layer, p, width, x, tile_stride, index, ldx, delta, ld, s0, s1, j0, j1, last, far):
    """w_ij ← w_ij − η Σ_s δ_si a_sj for j in [j0, j1) and all i of panel p, and w_t after the last pass."""
    w, transposes = ws.w + (layer.weights + p * layer.n_in + j0 * width), last and layer.w_t >= 0
    if GRAD_VECTORS == 2:
        gradient_panel(w, width, x, tile_stride, index, ldx, delta, ld, s0, s1, j0, j1, np.int64(ADDED))
        if transposes:
            repack_transposed(ws, layer, p, j0, j1)
    else:
        for v in range(0, width, lanes_in(ws.w)):
            to, d, i = w + v, delta + v, p + v
            sgd_columns(ws, layer, to, width, x, tile_stride, index, ldx, d, ld, s0, s1, i, j0, j1, transposes, far)


@inner
def update_panel(ws, layer, p, width, x, tile_stride, index, ldx, delta, ld, s0, s1, j0, j1, last, whole, h, scratch):
    """The gradient of all i of panel p and j in [j0, j1), part by part; after the last pass rules and formula.

    It is kept in `scratch` where one pass gives all of it, else, or where it is wanted `whole`, in the buffer g.
    """
    for part in range(j0, j1, UPDATE_ROWS):
        end = min(j1, part + UPDATE_ROWS)
        o = layer.weights + p * layer.n_in + part * width
        g = ws.g + o if whole else scratch
        kind = np.int64(NEW if s0 == 0 else CONTINUED)
        gradient_panel(g, width, x, tile_stride, index, ldx, delta, ld, s0, s1, part, end, kind)
        if last:
            apply_update(ws, g, o, (end - part) * width, h)
            if ws.epilogue == OPTIMIZER and layer.w_t >= 0:
                repack_transposed(ws, layer, p, part, end)


# ------------------------------------------------------------------ copies
@inner
def copies(m, n_in, n_out, lanes):
    """Whether a_sj and δ_si of a layer are copied close together for its gradient."""
    numbers = m * (n_in + n_out) if GRAD_VECTORS == 2 else m * n_in
    return numbers * (VECTOR_BYTES // lanes) > COPY_BYTES and m >= COPY_SAMPLES and n_out >= COPY_OUTPUTS


@inner
def scratch_size(m, n_in, n_out, lanes):
    """Numbers that a thread's scratch buffer needs for a layer: g of one part of a panel, and the copies."""
    samples = min(m, SAMPLE_PASS)
    copied = COPY_COLUMNS * samples + (GRAD_VECTORS - 1) * samples * (n_out + lanes)
    return UPDATE_ROWS * 2 * lanes + (copied if m * (n_in + n_out) * (VECTOR_BYTES // lanes) > COPY_BYTES else 0)


@inner
def copy_inputs(to, tile_stride, x, index, ldx, s0, s1, j0, j1):
    """to[(j - j0) * tile_stride + (s - s0) * COPY_UNIT] = a_sj for the first input j of each unit, and so on."""
    lanes = lanes_in(x)
    for s in range(s0, s1):
        a, o = x + index[s] * ldx, (s - s0) * COPY_UNIT
        for j in range(j0, j0 + (j1 - j0) // COPY_UNIT * COPY_UNIT, COPY_UNIT):
            for k in range(0, COPY_UNIT, lanes):
                store(to, (j - j0) * tile_stride + o + k, load(a, j + k))
        j = j0 + (j1 - j0) // COPY_UNIT * COPY_UNIT
        for k in range(0, j1 - j, lanes):
            store(to, (j - j0) * tile_stride + o + k, load_first(a, j + k, j1 - j - k))


@inner
def copy_panels(to, samples, delta, layer, s0, s1):
    """to[p * samples + (s - s0) * width + i] = δ_s,p+i for every panel p of outputs."""
    lanes = lanes_in(delta)
    for p in range(0, layer.n_out, 2 * lanes):
        width = panel_width(layer.n_out - p, lanes)
        for s in range(s0, s1):
            for i in range(0, width, lanes):
                store(to, p * samples + (s - s0) * width + i, load(delta, s * layer.ld + p + i))


# ------------------------------------------------------------------ 1. passes, 2. blocks of inputs
@inner
def gradient_block(ws, layer, x, tile_stride, index, ldx, delta, panel_stride, s0, s1, m, h, j0, j1, scratch, far):
    """∂C/∂w_ij of samples [s0, s1) for all i and j in [j0, j1); panel p of δ begins at delta[p * panel_stride]."""
    lanes = lanes_in(ws.w)
    for p in range(0, layer.n_out, 2 * lanes):
        width = panel_width(layer.n_out - p, lanes)
        d, ld, last = delta + p * panel_stride, layer.ld if panel_stride == 1 else width, s1 == m
        d = d + (-s0 * ld if panel_stride > 1 else 0)
        if ws.epilogue == SGD:
            sgd_panel(ws, layer, p, width, x, tile_stride, index, ldx, d, ld, s0, s1, j0, j1, last, far)
        else:
            whole = ws.epilogue == STORE or m > SAMPLE_PASS
            update_panel(
                ws, layer, p, width, x, tile_stride, index, ldx, d, ld, s0, s1, j0, j1, last, whole, h, scratch
            )


@inner
def gradient_layer(ws, layer, x, index, m, h, j0, j1, scratch):
    """∂C/∂w_ij = Σ_s δ_si a_sj for all i and j in [j0, j1)."""
    lanes, samples = lanes_in(ws.w), min(m, SAMPLE_PASS)
    copied = copies(m, layer.n_in, layer.n_out, lanes)
    near_x = scratch + UPDATE_ROWS * 2 * lanes
    near_delta = near_x + COPY_COLUMNS * samples
    # whole steps and strides are variables: a literal would be another type, and all below compiled once more for it
    step, tile_stride, panel_stride = (COPY_COLUMNS, samples, 1) if copied else (max(1, j1 - j0), 1, 1)
    if COPY_UNIT == COPY_COLUMNS:
        tile_stride = min(1, step)
    for s0 in range(0, m, samples):
        s1, delta = min(m, s0 + samples), ws.delta + layer.outputs
        if copied and GRAD_VECTORS == 2:
            copy_panels(near_delta, samples, delta, layer, s0, s1)
            delta, panel_stride = near_delta, samples
        for block in range(j0, j1, step):
            end, a, rows, ldx = min(j1, block + step), x, index, layer.ld_in
            if copied:
                copy_inputs(near_x, tile_stride, x, index, ldx, s0, s1, block, end)
                a, rows, ldx = near_x + (-s0 * COPY_UNIT - block * tile_stride), ws.identity, COPY_UNIT
            gradient_block(
                ws, layer, a, tile_stride, rows, ldx, delta, panel_stride, s0, s1, m, h, block, end, scratch, copied
            )


# ------------------------------------------------------------------ biases, skinny layers
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
def store_or_update_skinny(ws, layer, a, m, h, scratch):
    """The gradient of a skinny layer, a panel of columns j at a time, by any of the epilogues."""
    lanes, n_in, n_out = lanes_in(ws.w), layer.n_in, layer.n_out
    for q in range(0, n_in, 2 * lanes):
        width = panel_width(n_in - q, lanes)
        o, n, g = layer.weights + q * n_out, n_out * width, scratch
        if ws.epilogue == STORE:
            g = ws.g + o
        elif ws.epilogue == SGD:
            g = ws.w + o
        delta, end = ws.delta + layer.outputs, min(n_in, q + width)
        gradient_skinny(g, width, ws.epilogue == SGD, delta, layer.ld, n_out, a, layer.ld_in, m, n_in, q, end)
        apply_update(ws, g, o, n, h)


# ------------------------------------------------------------------ shares of the weights
@inner
def inputs_before(layers, l, t, threads):
    """Where in a layer's inputs thread t's share of all weights begins: at a whole unit."""
    layer, end = layers[l], layers[len(layers) - 1]
    total = end.before + end.n_in * end.n_out
    weights = min(max(0, total * t // threads - layer.before), layer.n_in * layer.n_out)
    j = (weights // layer.n_out + GRAD_UNIT // 2) // GRAD_UNIT * GRAD_UNIT
    return layer.n_in if t == threads else min(layer.n_in, j)


@inner
def inputs_of(layers, l, t, threads):
    """Inputs [j0, j1) of this layer that thread t owns.

    The weights of the whole network are divided evenly, so few layers are split: a split layer is read by all threads.
    With each layer in halves, the arrays that cross cores took 15 of 88 µs of a step (64-8x64-10, 2 threads, Zen 4).
    A skinny layer is never split: the owner of its first input owns it all.
    """
    j0, j1 = inputs_before(layers, l, t, threads), inputs_before(layers, l, t + 1, threads)
    if layers[l].skinny and j0 < j1:
        return (0, layers[l].n_in) if j0 == 0 else (0, 0)
    return j0, j1


@inner
def gradient_layers(ws, layers, x, index, m, h, t, threads):
    """Thread t's share of all layers; the owner of a layer's last inputs owns its biases."""
    scratch = ws.scratch + t * ws.scratch_per_thread
    for l in range(len(layers)):
        layer = layers[l]
        j0, j1 = inputs_of(layers, l, t, threads)
        if j0 < j1:
            below = layers[max(0, l - 1)]
            if layer.skinny:
                store_or_update_skinny(ws, layer, ws.a + below.outputs, m, h, scratch)
            elif l == 0:
                gradient_layer(ws, layer, x, index, m, h, j0, j1, scratch)
            else:
                gradient_layer(ws, layer, ws.a + below.outputs, ws.identity, m, h, j0, j1, scratch)
            if j1 == layer.n_in:
                gradient_biases(ws, layer, m, h, scratch)
