"""The product of samples with packed panels, which forward and backward share.

    1. panels of columns        a panel of w (L2), or of all of it (L1)
    2. samples s, a tile high   rows of x (L1), z in registers
    3. depth k                  one rank-1 update of the tile

Forward: depth j, columns i. Backward: depth i, columns j. Assumptions: rows of x hold `depth` numbers, rows of z whole
vectors; panels have at least `depth` rows and begin at w[p * panel_rows] for column p; `start` has whole panels.
"""

from __future__ import annotations

from fastbp.kernels.blocking import MR, MR_MAX, MR_MIN
from fastbp.kernels.runtime.jit import inner
from fastbp.kernels.tiles.packing import panel_width
from fastbp.kernels.tiles.tile import (
    load_tile,
    rank1,
    row_vectors,
    row_vectors_like,
    rows_at,
    rows_of,
    store_tile,
    tile_mul,
    tile_of,
)
from fastbp.kernels.vectors.memory import lanes_in
from fastbp.kernels.vectors.simd import no_unroll


@inner
def height(m):
    """Rows of the next tile when m are left, two vectors wide."""
    if m <= MR_MAX:
        return max(4, (m + 1) // 2 * 2)
    return MR_MIN if m <= 2 * MR_MIN else MR


# ------------------------------------------------------------------ z[s, p..] = start + sum_k x[index[s], k] w[k, p..]
@inner
def gemm_tile(z, x, depth, w, start, times_z):
    """One tile of the product: rows z, rows x; times what lies in z already where `times_z`."""
    t = tile_of(start, x)
    width = len(start) * lanes_in(w)
    for k in range(depth):
        no_unroll()
        t = rank1(t, x, k, row_vectors_like(w + k * width, start))
    if times_z != 0:
        t = tile_mul(t, load_tile(z, t))
    store_tile(z, t)


@inner
def gemm_panel(z, ldz, x, index, ldx, depth, w, start, times_z, s0, s1):
    """One panel of the product, two vectors wide, for samples [s0, s1)."""
    s = s0
    while s < s1:
        m = s1 - s
        h = height(m)
        zs, xs = z + s * ldz, index + s
        if h == MR:
            gemm_tile(rows_of(zs, ldz, m - 1, MR), rows_at(x, xs, ldx, m - 1, MR), depth, w, start, times_z)
        elif h == MR_MAX:
            gemm_tile(rows_of(zs, ldz, m - 1, MR_MAX), rows_at(x, xs, ldx, m - 1, MR_MAX), depth, w, start, times_z)
        elif h == MR_MIN:
            gemm_tile(rows_of(zs, ldz, m - 1, MR_MIN), rows_at(x, xs, ldx, m - 1, MR_MIN), depth, w, start, times_z)
        else:
            gemm_tile(rows_of(zs, ldz, m - 1, 4), rows_at(x, xs, ldx, m - 1, 4), depth, w, start, times_z)
        s += h


@inner
def gemm_vector(z, ldz, x, index, ldx, depth, w, start, times_z, s0, s1):
    """One panel of the product, one vector wide, for samples [s0, s1).

    Of fewer rows than `MR` a tile takes no less time: an addition waits for the one before.
    """
    s = s0
    while s < s1:
        m = s1 - s
        zs, xs = z + s * ldz, index + s
        if MR < m <= MR_MAX:
            gemm_tile(rows_of(zs, ldz, m - 1, MR_MAX), rows_at(x, xs, ldx, m - 1, MR_MAX), depth, w, start, times_z)
            s += MR_MAX
        else:
            gemm_tile(rows_of(zs, ldz, m - 1, MR), rows_at(x, xs, ldx, m - 1, MR), depth, w, start, times_z)
            s += MR


@inner
def gemm(z, ldz, x, index, ldx, depth, w, panel_rows, n_out, start, times_z, s0, s1):
    """z[s, n] = start_n + sum_k x[index[s], k] w[k, n] for samples [s0, s1); times z[s, n] where `times_z`.

    `times_z` is a number: a literal and a bool would each have a specialisation of their own.
    """
    lanes = lanes_in(w)
    for p in range(0, n_out, 2 * lanes):
        if panel_width(n_out - p, lanes) > lanes:
            row = row_vectors(start + p, 2)
            gemm_panel(z + p, ldz, x, index, ldx, depth, w + p * panel_rows, row, times_z, s0, s1)
        else:
            one = row_vectors(start + p, 1)
            gemm_vector(z + p, ldz, x, index, ldx, depth, w + p * panel_rows, one, times_z, s0, s1)
