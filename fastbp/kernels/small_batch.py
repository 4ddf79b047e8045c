"""Forward for few samples: W is read once, as the user has it, and nothing is packed.

    1. layers l
    2. groups of neurons i   NEURONS rows of W (L1)
    3. samples s             up to three rows of a (L1)
    4. inputs j              a vector of each row; sums across the lanes at the end

784-30-10, one thread, Zen 5: 88 → 2.3 µs for 1 sample, 96 → 11 µs for 8; packing took most of it.
"""

from __future__ import annotations

import numpy as np

from fastbp.kernels.blocking import NEURONS, TILE_SUMS
from fastbp.kernels.formulas import call_activation
from fastbp.kernels.inference import rows_are_finite
from fastbp.kernels.runtime.jit import entry, inner
from fastbp.kernels.runtime.records import layers_at
from fastbp.kernels.tiles.tile import (
    dot_rest,
    dot_step,
    load_first_rows,
    load_rows,
    rows_of,
    stack,
    store_sums,
    tile_of,
)
from fastbp.kernels.vectors.memory import keep_alive, lanes_in, pointer, zero_in
from fastbp.kernels.vectors.simd import splat


@inner
def dot_tile(z, ldz, W, b, x, n_in, zeros, n):
    """z_si = Σ_j w_ij x_sj + b_i for the first n neurons with rows W and the samples with rows x."""
    lanes, sums = lanes_in(b), stack(b, TILE_SUMS)
    whole, width = n_in // lanes * lanes, len(x)
    t = tile_of(zeros, W)
    for j in range(0, whole, lanes):
        t = dot_step(t, W, j, load_rows(x, j))
    if whole < n_in:
        t = dot_rest(t, W, whole, load_first_rows(x, whole, n_in - whole), n_in - whole)
    store_sums(sums, t)
    for i in range(n):
        for s in range(width):
            z[s * ldz + i] = sums[i * width + s] + b[i]


@inner
def dot_layer(z, ldz, W, b, x, ldx, n_out, n_in, m):
    """z_si = Σ_j w_ij x_sj + b_i for m samples."""
    zero = splat(zero_in(W))
    for i in range(0, n_out, NEURONS):
        rows, n = rows_of(W + i * n_in, n_in, n_out - 1 - i, NEURONS), min(NEURONS, n_out - i)
        s = 0
        while s < m:
            to, a, left = z + (s * ldz + i), x + s * ldx, m - s
            if left == 3 or left > 4:
                dot_tile(to, ldz, rows, b + i, rows_of(a, ldx, left, 3), n_in, (zero, zero, zero), n)
                s += 3
            elif left >= 2:
                dot_tile(to, ldz, rows, b + i, rows_of(a, ldx, left, 2), n_in, (zero, zero), n)
                s += 2
            else:
                dot_tile(to, ldz, rows, b + i, rows_of(a, ldx, left, 1), n_in, (zero,), n)
                s += 1


def small_batch(parameters, address, count, X, out):
    """a^L of each row of X (m, n_0) into `out` (m, n_L), parameters W1, b1, W2, b2, ...; whether X is finite."""
    layers, m = layers_at(address, count), out.shape[0]
    widest = 0
    for l in range(count):
        widest = max(widest, layers[l].ld)
    a, z = np.empty(widest * m, out.dtype), np.empty(widest * m, out.dtype)
    x, ldx = pointer(X), layers[0].n_in
    for l in range(count):
        layer = layers[l]
        W, to, ld = pointer(parameters) + layer.parameters, pointer(z), layer.ld
        dot_layer(to, ld, W, W + layer.n_out * layer.n_in, x, ldx, layer.n_out, layer.n_in, m)
        if layer.activation != 0:
            call_activation(layer.activation, to, to, m, ld, layer.n_out)
        x, ldx = to, ld
        a, z = z, a
    for s in range(m):
        for i in range(out.shape[1]):
            out[s, i] = x[s * ldx + i]
    first = np.zeros(m, np.int64)
    for s in range(m):
        first[s] = s
    finite = rows_are_finite(pointer(X), pointer(first), layers[0].n_in, layers[0].n_in, m)
    keep_alive(first)
    keep_alive(a)
    keep_alive(z)
    return finite


forward_small_batch = entry(small_batch, "small_batch")
