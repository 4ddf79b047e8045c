"""Layers of few outputs: vectors over inputs j, because over outputs i they would be nearly empty.

Their W is kept once, in panels of columns j, n_out deep. Backward reads it as it is.
64 samples of 64-4: forward 1.13 → 0.64 µs, gradient 1.28 → 0.33 µs. 256 of 64-2: 4.5 → 1.4 µs, 4.8 → 1.25 µs (Zen 4).
"""

from __future__ import annotations

from fastbp.kernels.blocking import SKINNY, TILE_SUMS
from fastbp.kernels.runtime.jit import inner
from fastbp.kernels.tiles.packing import panel_width
from fastbp.kernels.tiles.tile import (
    dot_rest,
    dot_step,
    first_columns,
    half_rows,
    lane_sums,
    load_tile,
    rank1,
    rows_of,
    stack,
    store_tile,
    tile_add,
    tile_of,
)
from fastbp.kernels.vectors.memory import lanes_in, load, store, zero_in
from fastbp.kernels.vectors.simd import no_unroll, splat


@inner
def is_skinny(l, n_in, n_out, lanes):
    """Whether layer `l` (from 0) takes vectors over j; the first one does not, because its rows lie anywhere."""
    return l > 0 and n_out <= SKINNY and n_in >= lanes


@inner
def skinny_offset(n_in, n_out, i, j, lanes):
    """Where w[i, j..] begins, j a multiple of `lanes`."""
    q = j // (2 * lanes) * (2 * lanes)
    return q * n_out + i * panel_width(n_in - q, lanes) + j - q


@inner
def gemm_skinny(z, ldz, x, ldx, n_in, w, n_out, b, s0, s1):
    """z_si = Σ_j w_ij a_sj + b_i for samples [s0, s1): tiles of samples by two outputs, summed across the lanes."""
    lanes, sums = lanes_in(w), stack(z, TILE_SUMS)
    whole = n_in // lanes * lanes
    for s in range(s0, s1, lanes // 2):
        rows = half_rows(x + s * ldx, ldx, s1 - 1 - s)
        for i in range(0, n_out, 2):
            other = min(i + 1, n_out - 1)
            zero = splat(zero_in(w))
            t = tile_of((zero, zero), rows)
            for j in range(0, whole, lanes):
                no_unroll()
                o, p = skinny_offset(n_in, n_out, i, j, lanes), skinny_offset(n_in, n_out, other, j, lanes)
                pair = load(w, o), load(w, p)
                t = dot_step(t, rows, j, pair)
            if whole < n_in:
                o = skinny_offset(n_in, n_out, i, whole, lanes)
                pair = load(w, o), load(w, skinny_offset(n_in, n_out, other, whole, lanes))
                t = dot_rest(t, rows, whole, pair, n_in - whole)
            store(sums, 0, lane_sums(t))
            for k in range(min(lanes // 2, s1 - s)):
                z[(s + k) * ldz + i] = sums[2 * k] + b[i]
                z[(s + k) * ldz + other] = sums[2 * k + other - i] + b[other]


@inner
def gradient_skinny(g, width, added, delta, ld, n_out, a, lda, m, n_in, j0, j1):
    """g[i, j - j0] = Σ_s δ_si a_sj for all outputs i and j in [j0, j1), to what is there where it is `added`.

    Rows of g are `width` long and have zeros where no j is.
    """
    columns = rows_of(delta, 1, n_out - 1, SKINNY)
    for j in range(j0, j1, lanes_in(a)):
        t = tile_of((splat(zero_in(a)),), columns)
        for s in range(m):
            no_unroll()
            t = rank1(t, columns, s * ld, (load(a, s * lda + j),))
        t = first_columns(t, n_in - j)
        rows = rows_of(g + (j - j0), width, n_out - 1, SKINNY)
        if added:
            t = tile_add(t, load_tile(rows, t))
        store_tile(rows, t)
