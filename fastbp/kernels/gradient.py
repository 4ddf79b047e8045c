"""Gradient: ∂C/∂w_ij = Σ_s δ_si a_sj, ∂C/∂b_i = Σ_s δ_si, and what becomes of it.

Three endings: DESCEND, w_ij ← w_ij − η ∂C/∂w_ij from registers, nothing stored; UPDATE, any other optimizer's formula
on a block that lies in L1; STORE, for those who need the whole gradient. δ (n_samples, n_out), a (n_samples, n_in).
For DESCEND δ comes times −η: backpropagation is linear in δ^L, so one multiplication at the output does for all layers,
and an addition is left, for which the CPU has other units than for the tiles' multiply-adds.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from fastbp.kernels.formulas import call_update
from fastbp.kernels.jit import VECTOR_REGISTERS, entry, inlined, inner
from fastbp.kernels.narrow import gradient_narrow
from fastbp.kernels.panels import mirror, padded, panel_width, prefetch_mirror, unpack
from fastbp.kernels.simd import at, keep, keep_loop, lanes_in, load, load_first, pointer, splat, store, zero_in
from fastbp.kernels.tile import load_tile, prefetch, prefetch_rows, rank1, rows_of, store_tile, tile_add, tile_of

DESCEND, UPDATE, STORE = 0, 1, 2
# Inputs j of a tile, which is one vector of outputs i wide: 16 sums, a vector of δ and an a fill 18 of 32 registers. Up
# to half of it is left for a remainder. Two vectors by half the height run as fast but are no square to transpose.
TALL = 16 if VECTOR_REGISTERS == 32 else 8
LOW = TALL // 2
# Samples of a pass, after which the sums go to memory
SAMPLES = 512
# Inputs j of which an optimizer's formula gets a panel at a time: w, g, s and u of 4 KiB each, in L1
PART = 32
# Inputs j that are copied together (128 KiB) where those of a minibatch are more numbers than FAR. All vectors of i
# pass over the copy, and what comes next is asked for ahead: 47.0 ms became 39.4 on 512 samples of 2048-2048.
BLOCK, FAR = 64, 1 << 17


@inlined
def gradient_tile(columns, index, lead_x, delta, lead, s0, s1, start, ahead):
    """start + Σ_s δ_si a_sj for samples [s0, s1), the inputs j of `columns` and one vector of i."""
    t = start
    for s in range(s0, s1):
        keep_loop()
        prefetch(at(delta, s * lead), ahead)
        t = rank1(t, columns, index[s] * lead_x, (load(delta, s * lead),))
    return t


# ------------------------------------------------------------------ w_ij ← w_ij − η ∂C/∂w_ij
@inlined
def descend_tile(memory, layer, w, columns, index, lead_x, s0, s1, i, j, count, last, ahead):
    """w_ij ← w_ij − η Σ_s δ_si a_sj for samples [s0, s1), one vector of i and `count` inputs from j on; −η is in δ.

    `count` is int64 also where it is TALL: a literal would be compiled for apart.
    """
    delta, zero = at(memory.d, layer.outputs + i), splat(zero_in(memory.w))
    g = gradient_tile(columns, index, lead_x, delta, layer.lead, s0, s1, tile_of((zero,), columns), ahead)
    w_ij = tile_add(g, load_tile(w, g))
    store_tile(w, w_ij)
    if last:
        depth = padded(layer.n_out, lanes_in(memory.w))
        mirror(at(memory.back, layer.back), depth, layer.n_in, i, j, w_ij, count)


@inner
def descend_far(memory, layer, x, index, lead_x, s0, s1, i, j, w, width, last):
    """A whole tile whose weights are in no cache near: asked for now, they are there when the sum is."""
    columns, rows = rows_of(x, 1, TALL - 1, TALL), rows_of(w, width, TALL - 1, TALL)
    lanes = lanes_in(memory.w)
    prefetch_rows(rows)
    if last:
        prefetch_mirror(at(memory.back, layer.back), padded(layer.n_out, lanes), layer.n_in, i, j, rows)
    descend_tile(memory, layer, rows, columns, index, lead_x, s0, s1, i, j, np.int64(TALL), last, (lanes,))


@inner
def descend_inputs(memory, layer, x, apart, index, lead_x, s0, s1, i, j0, j1, last, far):
    """w_ij ← w_ij − η Σ_s δ_si a_sj for samples [s0, s1), one vector of i and j in [j0, j1).

    The tile's inputs from j on lie at x[j * apart].
    """
    lanes = lanes_in(memory.w)
    p = i // (2 * lanes) * (2 * lanes)
    width = panel_width(layer.n_out - p, lanes)
    w, whole = at(memory.w, layer.weights + p * layer.n_in + i - p), j0 + (j1 - j0) // TALL * TALL
    if far:
        for j in range(j0, whole, TALL):
            a, to = at(x, j * apart), at(w, j * width)
            descend_far(memory, layer, a, index, lead_x, s0, s1, i, j, to, width, last)
    else:
        for j in range(j0, whole, TALL):
            columns = rows_of(at(x, j * apart), 1, TALL - 1, TALL)
            rows = rows_of(at(w, j * width), width, TALL - 1, TALL)
            descend_tile(memory, layer, rows, columns, index, lead_x, s0, s1, i, j, np.int64(TALL), last, ())
    a, to, left = at(x, whole * apart), at(w, whole * width), j1 - 1 - whole
    if left >= LOW:
        columns, rows = rows_of(a, 1, left, TALL), rows_of(to, width, left, TALL)
        descend_tile(memory, layer, rows, columns, index, lead_x, s0, s1, i, whole, left + 1, last, ())
    elif left >= 0:
        columns, rows = rows_of(a, 1, left, LOW), rows_of(to, width, left, LOW)
        descend_tile(memory, layer, rows, columns, index, lead_x, s0, s1, i, whole, left + 1, last, ())


# ------------------------------------------------------------------ the gradient stored, or followed by a formula
@inlined
def store_sums_of(g, columns, index, lead_x, delta, lead, s0, s1):
    """g[j, i] = Σ_s δ_si a_sj for samples [s0, s1), added to what is there where s0 > 0."""
    start = tile_of((splat(zero_in(delta)),), columns)
    if s0 > 0:
        start = load_tile(g, start)
    store_tile(g, gradient_tile(columns, index, lead_x, delta, lead, s0, s1, start, ()))


@inner
def store_inputs(g, width, x, apart, index, lead_x, delta, lead, m, j0, j1):
    """g[j - j0, i] = Σ_s δ_si a_sj for one vector of i and j in [j0, j1), a row of g `width` long."""
    for s0 in range(0, m, SAMPLES):
        s1 = min(m, s0 + SAMPLES)
        for j in range(j0, j1, TALL):
            a, to, left = at(x, j * apart), at(g, (j - j0) * width), j1 - 1 - j
            if left >= LOW:
                columns, rows = rows_of(a, 1, left, TALL), rows_of(to, width, left, TALL)
                store_sums_of(rows, columns, index, lead_x, delta, lead, s0, s1)
            else:
                columns, rows = rows_of(a, 1, left, LOW), rows_of(to, width, left, LOW)
                store_sums_of(rows, columns, index, lead_x, delta, lead, s0, s1)


@inner
def shape_gradient(memory, g, w, n, l1, l2):
    """g ← g + λ₂ w + λ₁ sign(w), then between −c and c, on n numbers."""
    for o in range(0, n, lanes_in(g)):
        x = load(g, o) + l2 * load(w, o) + l1 * np.sign(load(w, o))
        store(g, o, np.minimum(np.maximum(x, -memory.clip_value), memory.clip_value))


@inner
def mirror_panel(memory, layer, p, j0, j1):
    """What backward reads of one panel of i and j in [j0, j1), from the panel."""
    lanes, zero = lanes_in(memory.w), splat(zero_in(memory.w))
    back, depth = at(memory.back, layer.back), padded(layer.n_out, lanes)
    width = panel_width(layer.n_out - p, lanes)
    for j in range(j0, j1, TALL):
        for i in range(0, width, lanes):
            w = at(memory.w, layer.weights + p * layer.n_in + j * width + i)
            rows = rows_of(w, width, j1 - 1 - j, TALL)
            mirror(back, depth, layer.n_in, p + i, j, load_tile(rows, tile_of((zero,), rows)), j1 - j)


@inner
def follow(memory, g, o, n, h):
    """The gradient g of the n weights from w[o] on, with penalties and clipping, followed by the formula for UPDATE."""
    if memory.shaped:
        shape_gradient(memory, g, at(memory.w, o), n, memory.l1, memory.l2)
    if memory.ending == UPDATE:
        call_update(memory.update, at(memory.w, o), g, at(memory.s, o), at(memory.u, o), h, n)


@inner
def store_or_update(memory, layer, x, apart, index, lead_x, m, j0, j1, h, scratch):
    """The gradient of all i and j in [j0, j1), a part of a panel at a time: stored, or followed by the formula."""
    lanes = lanes_in(memory.w)
    for p in range(0, layer.n_out, 2 * lanes):
        width = panel_width(layer.n_out - p, lanes)
        for part in range(j0, j1, PART):
            end = min(j1, part + PART)
            o, n, g = layer.weights + p * layer.n_in + part * width, (end - part) * width, scratch
            if memory.ending == STORE:
                g = at(memory.g, o)
            for i in range(0, width, lanes):
                delta = at(memory.d, layer.outputs + p + i)
                store_inputs(at(g, i), width, x, apart, index, lead_x, delta, layer.lead, m, part, end)
            follow(memory, g, o, n, h)
            if memory.ending == UPDATE and layer.back >= 0:
                mirror_panel(memory, layer, p, part, end)


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
            store(memory.w, o, load(memory.w, o) + g)
        elif memory.ending == UPDATE:
            store(scratch, 0, g)
            call_update(memory.update, at(memory.w, o), scratch, at(memory.s, o), at(memory.u, o), h, lanes)
        else:
            store(memory.g, o, g)


@inner
def inputs_before(layers, l, t, threads):
    """Where in a layer's inputs thread t's share of all weights begins: at a tile."""
    layer, end = layers[l], layers[len(layers) - 1]
    total = end.before + end.n_in * end.n_out
    weights = min(max(0, total * t // threads - layer.before), layer.n_in * layer.n_out)
    j = (weights // layer.n_out + TALL // 2) // TALL * TALL
    return layer.n_in if t == threads else min(layer.n_in, j)


@inner
def inputs_of(layers, l, t, threads):
    """Thread t's inputs [j0, j1) of a layer, a share of all weights of the network: few layers are then parted.

    What is parted is read by every thread: with each layer in halves, the arrays that cross from core to core took 15
    µs of the 88 of a step of 64-8x64-10 (AMD Zen 4, two threads).
    """
    j0, j1 = inputs_before(layers, l, t, threads), inputs_before(layers, l, t + 1, threads)
    if layers[l].narrow and j0 < j1:
        # it is not parted: whoever has its beginning has it all
        return (0, layers[l].n_in) if j0 == 0 else (0, 0)
    return j0, j1


@inner
def store_or_update_narrow(memory, layer, a, lead_a, m, h, scratch):
    """The gradient of a narrow layer, a panel of columns j at a time, by any of the endings."""
    lanes, n_in, n_out = lanes_in(memory.w), layer.n_in, layer.n_out
    for q in range(0, n_in, 2 * lanes):
        width = panel_width(n_in - q, lanes)
        o, n, g = layer.weights + q * n_out, n_out * width, scratch
        if memory.ending == STORE:
            g = at(memory.g, o)
        elif memory.ending == DESCEND:
            g = at(memory.w, o)
        delta, end = at(memory.d, layer.outputs), min(n_in, q + width)
        gradient_narrow(g, width, memory.ending == DESCEND, delta, layer.lead, n_out, a, lead_a, m, n_in, q, end)
        follow(memory, g, o, n, h)


# ------------------------------------------------------------------ layers
@inner
def scratch_size(m, n_in, lanes):
    """Numbers that a thread's scratch buffer needs for a layer: g of one part of a panel, and the copy."""
    return PART * 2 * lanes + (SAMPLES * BLOCK if m * n_in > FAR else 0)


@inner
def copy_inputs(to, x, index, lead_x, s0, s1, j0, j1):
    """to[tile of j, s - s0, j] = a_sj."""
    for s in range(s0, s1):
        for j in range(j0, j1, lanes_in(x)):
            tile, k = (j - j0) // TALL, (j - j0) % TALL
            store(to, (tile * SAMPLES + s - s0) * TALL + k, load_first(x, index[s] * lead_x + j, j1 - j))


@inner
def gradient_block(memory, layer, x, apart, index, lead_x, s0, s1, m, h, j0, j1, scratch, far):
    """∂C/∂w_ij for all i and j in [j0, j1), samples [s0, s1) where they descend, else all, by the ending."""
    if memory.ending == DESCEND:
        last = layer.back >= 0 and s1 == m
        for i in range(0, layer.n_out, lanes_in(memory.w)):
            descend_inputs(memory, layer, x, apart, index, lead_x, s0, s1, i, j0, j1, last, far)
    else:
        store_or_update(memory, layer, x, apart, index, lead_x, m, j0, j1, h, scratch)


@inner
def gradient_layer(memory, layer, x, index, lead_x, m, h, j0, j1, scratch):
    """∂C/∂w_ij = Σ_s δ_si a_sj for all i and j in [j0, j1).

    1. passes over samples   what descends, does so pass by pass
    2. blocks of inputs j    of far inputs, copied close together
    3. outputs i             vectors or panels
    4. inputs j              tiles
    """
    passes = SAMPLES if memory.ending == DESCEND else m
    far = m * layer.n_in > FAR and passes <= SAMPLES
    copy = at(scratch, PART * 2 * lanes_in(memory.w))
    # whole steps and strides are variables: a literal would be another type, and all below compiled once more for it
    step, apart = (BLOCK, SAMPLES) if far else (max(1, j1 - j0), 1)
    for s0 in range(0, m, passes):
        s1 = min(m, s0 + passes)
        for block in range(j0, j1, step):
            end, a, rows, lead = min(j1, block + step), x, index, lead_x
            if far:
                copy_inputs(copy, x, index, lead_x, s0, s1, block, end)
                a, rows, lead = at(copy, -s0 * TALL - block * SAMPLES), memory.same, TALL
            gradient_block(memory, layer, a, apart, rows, lead, s0, s1, m, h, block, end, scratch, far)


@inner
def gradient_layers(memory, layers, x, index, m, h, t, threads):
    """Thread t's share of all layers; who has a layer's last inputs has its biases."""
    scratch = at(memory.scratch, t * memory.room)
    for l in range(len(layers)):
        layer = layers[l]
        j0, j1 = inputs_of(layers, l, t, threads)
        if j0 < j1:
            below = layers[max(0, l - 1)]
            if layer.narrow:
                store_or_update_narrow(memory, layer, at(memory.a, below.outputs), layer.lead_in, m, h, scratch)
            elif l == 0:
                gradient_layer(memory, layer, x, index, layer.lead_in, m, h, j0, j1, scratch)
            else:
                a = at(memory.a, below.outputs)
                gradient_layer(memory, layer, a, memory.same, layer.lead_in, m, h, j0, j1, scratch)
            if j1 == layer.n_in:
                gradient_biases(memory, layer, m, h, scratch)


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
    vectors = (n_out + lanes - 1) // lanes
    for t in prange(threads):
        for k in range(np.int64(t), vectors, threads):
            p = k // 2 * 2 * lanes
            width = panel_width(n_out - p, lanes)
            to, d = at(pointer(g), p * n_in + k * lanes - p), at(pointer(rows), k * lanes)
            store_inputs(to, width, pointer(x), 1, pointer(index), n_in, d, lead, m, 0, n_in)
    unpack(pointer(dW), pointer(g), n_out, n_in)
    for i in range(n_out):
        db[i] = 0
        for s in range(m):
            db[i] += delta[s, i]
    keep(rows)
    keep(g)
    keep(index)


gradient = entry(gradient_arrays, "gradient", parallel=True)
