"""Weights as packed panels, and the product of samples with a panel that forward and backward share.

A panel is up to two vectors of consecutive columns, zero-padded to whole vectors (one where the last panel is that
narrow: half the work on ten outputs). Panel p of a matrix of `depth` rows starts at p*depth and holds one strip a row.
Each W (n_out, n_in) is kept twice:

    w       columns i, depth n_in            strips w[p.., j] one a j    (forward, gradient: vectors over i)
    back    columns j, depth padded(n_out)   strips w[i, q..] one an i   (backward: vectors over j)
"""

from __future__ import annotations

import functools

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastbp.kernels.jit import VECTOR_REGISTERS, inner
from fastbp.kernels.simd import at, keep_loop, lanes_in, lanes_of, load_first, store, store_at
from fastbp.kernels.tile import (
    fetch_ahead,
    first_rows,
    load_tile,
    rank1,
    rows_at,
    rows_of,
    square_rows,
    square_transposed,
    store_tile,
    strip,
    strip_like,
    tile_mul,
    tile_of,
    transposed,
)

# Tile heights: 10 x 2 accumulators, two strips and broadcasts fill 32 registers, 6 x 2 fill 16. Two vectors wide, 6 to
# 12 rows all run at 97 % of the FMA limit, 4 rows at 85 %, 14 spill (92 %); so a remainder never is left to a low tile.
TOP, BASE, HALF = (10, 8, 6) if VECTOR_REGISTERS == 32 else (6, 6, 4)


@inner
def panel_width(left, lanes):
    """Columns stored for the next panel of `left`: one vector where that holds them."""
    return lanes if left <= lanes else 2 * lanes


@inner
def padded(n, lanes):
    """Columns stored for n: whole vectors."""
    return (n + lanes - 1) // lanes * lanes


@inner
def height(m):
    """Rows of the next tile when m are left, two vectors wide."""
    if m <= TOP:
        return max(4, (m + 1) // 2 * 2)
    return HALF if m <= 2 * HALF else BASE


# ------------------------------------------------------------------ z[s, p..] = start + sum_k x[index[s], k] w[k, p..]
@inner
def product_tile(z, x, K, w, start, scaled):
    """One tile of the product: rows z, rows x; times what lies in z already where `scaled`."""
    t = tile_of(start, x)
    width = len(start) * lanes_in(w)
    for k in range(K):
        keep_loop()
        t = rank1(t, x, k, strip_like(at(w, k * width), start))
    if scaled != 0:
        t = tile_mul(t, load_tile(z, t))
    store_tile(z, t)


@inner
def product_panel(z, lead_z, x, index, lead_x, K, w, start, scaled, s0, s1):
    """One panel of the product, two vectors wide, for samples [s0, s1)."""
    s = s0
    while s < s1:
        m = s1 - s
        h = height(m)
        zs, xs = at(z, s * lead_z), at(index, s)
        if h == BASE:
            product_tile(rows_of(zs, lead_z, m - 1, BASE), rows_at(x, xs, lead_x, m - 1, BASE), K, w, start, scaled)
        elif h == TOP:
            product_tile(rows_of(zs, lead_z, m - 1, TOP), rows_at(x, xs, lead_x, m - 1, TOP), K, w, start, scaled)
        elif h == HALF:
            product_tile(rows_of(zs, lead_z, m - 1, HALF), rows_at(x, xs, lead_x, m - 1, HALF), K, w, start, scaled)
        else:
            product_tile(rows_of(zs, lead_z, m - 1, 4), rows_at(x, xs, lead_x, m - 1, 4), K, w, start, scaled)
        s += h


@inner
def product_vector(z, lead_z, x, index, lead_x, K, w, start, scaled, s0, s1):
    """One panel of the product, one vector wide, for samples [s0, s1).

    Of fewer rows than `BASE` a tile takes no less time: an addition waits for the one before.
    """
    s = s0
    while s < s1:
        m = s1 - s
        zs, xs = at(z, s * lead_z), at(index, s)
        if BASE < m <= TOP:
            product_tile(rows_of(zs, lead_z, m - 1, TOP), rows_at(x, xs, lead_x, m - 1, TOP), K, w, start, scaled)
            s += TOP
        else:
            product_tile(rows_of(zs, lead_z, m - 1, BASE), rows_at(x, xs, lead_x, m - 1, BASE), K, w, start, scaled)
            s += BASE


@inner
def product(z, lead_z, x, index, lead_x, K, w, depth, N, start, scaled, s0, s1):
    """z[s, n] = start_n + sum_k x[index[s], k] w[k, n] for samples [s0, s1); times z[s, n] where `scaled`.

    `scaled` is a number: a literal and a bool would each have a specialisation of their own.
    """
    lanes = lanes_in(w)
    for p in range(0, N, 2 * lanes):
        if panel_width(N - p, lanes) > lanes:
            product_panel(
                at(z, p), lead_z, x, index, lead_x, K, at(w, p * depth), strip(at(start, p), 2), scaled, s0, s1
            )
        else:
            product_vector(
                at(z, p), lead_z, x, index, lead_x, K, at(w, p * depth), strip(at(start, p), 1), scaled, s0, s1
            )


# ------------------------------------------------------------------ from columns i to columns j
def _mirrored(builder, back, depth, n_in, i, j, lanes):
    """Where the strips back[i + k, j..] begin, k < lanes, for one vector of columns from j on."""
    number = functools.partial(ir.Constant, j.type)
    q = builder.and_(j, number(-2 * lanes))
    narrow = builder.icmp_signed("<=", builder.sub(n_in, q), number(lanes))
    width = builder.select(narrow, number(lanes), number(2 * lanes))
    start = builder.add(builder.mul(q, depth), builder.sub(j, q))
    rows = [builder.mul(builder.add(i, number(k)), width) for k in range(lanes)]
    return [builder.gep(back, [builder.add(start, row)]) for row in rows]


@intrinsic
def mirror(tyctx, back, depth, n_in, i, j, tile, count):
    """Rows [j, j + count) of w, one vector of columns i, as strips back[i, q..] of `depth` rows.

    The tile has a row a j; those from `count` on become zeros.
    """
    v, lanes = tile.dtype, tile.dtype.lanes

    def codegen(context, builder, sig, args):
        back, depth, n_in, i, j, tile, count = args
        zero, nothing = ir.Constant(context.get_value_type(v), None), ir.Constant(j.type, 0)
        rows = [
            builder.select(builder.icmp_signed("<", ir.Constant(j.type, r), count), row, zero)
            for r, row in enumerate(cgutils.unpack_tuple(builder, tile))
        ]
        rows += [zero] * (-len(rows) % lanes)
        for r in range(0, len(rows), lanes):
            first = ir.Constant(j.type, r)
            with builder.if_then(builder.icmp_signed("<", first, count)):
                columns = square_transposed(builder, rows[r : r + lanes], v)
                for p, column in zip(_mirrored(builder, back, depth, n_in, i, builder.add(j, first), lanes), columns):
                    store_at(builder, p, nothing, column, v.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(back, types.intp, types.intp, types.intp, types.intp, tile, types.intp), codegen


@intrinsic
def prefetch_mirror(tyctx, back, depth, n_in, i, j, rows):
    """Ask for the cache lines that `mirror` will write for a tile with so many `rows`."""
    lanes, height = lanes_of(back.dtype), len(rows)

    def codegen(context, builder, sig, args):
        back, depth, n_in, i, j, _ = args
        for r in range(0, height, lanes):
            first = builder.add(j, ir.Constant(j.type, r))
            fetch_ahead(builder, _mirrored(builder, back, depth, n_in, i, first, lanes), True)
        return context.get_dummy_value()

    return types.void(back, types.intp, types.intp, types.intp, types.intp, rows), codegen


# ------------------------------------------------------------------ between panels and the user's arrays
@inner
def pack(w, W, n_out, n_in):
    """Panels of columns i of W (n_out, n_in), into `w`, which is zero where nothing is stored."""
    lanes = lanes_in(w)
    whole = n_in // lanes * lanes
    for p in range(0, n_out, 2 * lanes):
        width, end = panel_width(n_out - p, lanes), min(p + 2 * lanes, n_out)
        for i in range(p, end, lanes):
            to = at(w, p * n_in + i - p)
            for j in range(0, whole, lanes):
                rows = square_rows(at(W, i * n_in + j), n_in, n_out - 1 - i)
                tile = first_rows(load_tile(rows, tile_of(strip(W, 1), rows)), rows, n_out - i)
                store_tile(square_rows(at(to, j * width), width, lanes - 1), transposed(tile))
        for i in range(p, end):
            for j in range(whole, n_in):
                keep_loop()
                w[p * n_in + j * width + i - p] = W[i * n_in + j]


@inner
def pack_back(back, W, n_out, n_in, depth):
    """Panels of columns j of W (n_out, n_in), `depth` rows deep, into `back`, zeros where there is no column."""
    lanes = lanes_in(W)
    for q in range(0, n_in, 2 * lanes):
        width = panel_width(n_in - q, lanes)
        for i in range(n_out):
            for j in range(q, q + width, lanes):
                store(back, q * depth + i * width + j - q, load_first(W, i * n_in + j, n_in - j))


@inner
def unpack(W, w, n_out, n_in):
    """The array W (n_out, n_in) from its panels of columns i."""
    lanes = lanes_in(w)
    deep = n_in // lanes * lanes
    for p in range(0, n_out, 2 * lanes):
        width, end = panel_width(n_out - p, lanes), min(p + 2 * lanes, n_out)
        whole = end // lanes * lanes
        for i in range(p, whole, lanes):
            for j in range(0, deep, lanes):
                rows = square_rows(at(w, p * n_in + j * width + i - p), width, lanes - 1)
                tile = transposed(load_tile(rows, tile_of(strip(w, 1), rows)))
                store_tile(square_rows(at(W, i * n_in + j), n_in, lanes - 1), tile)
        for j in range(n_in):
            for i in range(whole if j < deep else p, end):
                keep_loop()
                W[i * n_in + j] = w[p * n_in + j * width + i - p]


@inner
def unpack_back(W, back, n_out, n_in, depth):
    """The array W (n_out, n_in) from its panels of columns j."""
    lanes = lanes_in(W)
    for q in range(0, n_in, 2 * lanes):
        width = panel_width(n_in - q, lanes)
        for i in range(n_out):
            for j in range(min(width, n_in - q)):
                keep_loop()
                W[i * n_in + q + j] = back[q * depth + i * width + j]
