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

from fastbp.kernels.runtime.jit import entry, inner
from fastbp.kernels.runtime.records import layers_of
from fastbp.kernels.tiles.tile import (
    fetch_ahead,
    first_rows,
    load_tile,
    row_vectors,
    square_rows,
    square_transposed,
    store_tile,
    tile_of,
    transposed,
)
from fastbp.kernels.vectors.simd import lanes_in, lanes_of, load_first, no_unroll, pointer, store, store_at


@inner
def panel_width(left, lanes):
    """Columns stored for the next panel of `left`: one vector where that holds them."""
    return lanes if left <= lanes else 2 * lanes


@inner
def padded(n, lanes):
    """Columns stored for n: whole vectors."""
    return (n + lanes - 1) // lanes * lanes


# ------------------------------------------------------------------ from columns i to columns j
def _transposed_rows(builder, w_t, depth, n_in, i, j, lanes):
    """Where the strips back[i + k, j..] begin, k < lanes, for one vector of columns from j on."""
    number = functools.partial(ir.Constant, j.type)
    q = builder.and_(j, number(-2 * lanes))
    one_vector = builder.icmp_signed("<=", builder.sub(n_in, q), number(lanes))
    width = builder.select(one_vector, number(lanes), number(2 * lanes))
    start = builder.add(builder.mul(q, depth), builder.sub(j, q))
    rows = [builder.mul(builder.add(i, number(k)), width) for k in range(lanes)]
    return [builder.gep(w_t, [builder.add(start, row)]) for row in rows]


@intrinsic
def store_transposed(tyctx, w_t, depth, n_in, i, j, tile, count):
    """Rows [j, j + count) of w, one vector of columns i, as strips back[i, q..] of `depth` rows.

    The tile has a row a j; those from `count` on become zeros.
    """
    v, lanes = tile.dtype, tile.dtype.lanes

    def codegen(context, builder, sig, args):
        w_t, depth, n_in, i, j, tile, count = args
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
                places = _transposed_rows(builder, w_t, depth, n_in, i, builder.add(j, first), lanes)
                for p, column in zip(places, columns):
                    store_at(builder, p, nothing, column, v.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(w_t, types.intp, types.intp, types.intp, types.intp, tile, types.intp), codegen


@intrinsic
def prefetch_transposed(tyctx, w_t, depth, n_in, i, j, rows):
    """Ask for the cache lines that `store_transposed` will write for a tile with so many `rows`."""
    lanes, height = lanes_of(w_t.dtype), len(rows)

    def codegen(context, builder, sig, args):
        w_t, depth, n_in, i, j, _ = args
        for r in range(0, height, lanes):
            first = builder.add(j, ir.Constant(j.type, r))
            fetch_ahead(builder, _transposed_rows(builder, w_t, depth, n_in, i, first, lanes), True)
        return context.get_dummy_value()

    return types.void(w_t, types.intp, types.intp, types.intp, types.intp, rows), codegen


# ------------------------------------------------------------------ between panels and the user's arrays
@inner
def pack(w, W, n_out, n_in):
    """Panels of columns i of W (n_out, n_in), into `w`, which is zero where nothing is stored."""
    lanes = lanes_in(w)
    whole = n_in // lanes * lanes
    for p in range(0, n_out, 2 * lanes):
        width, end = panel_width(n_out - p, lanes), min(p + 2 * lanes, n_out)
        for i in range(p, end, lanes):
            to = w + (p * n_in + i - p)
            for j in range(0, whole, lanes):
                rows = square_rows(W + (i * n_in + j), n_in, n_out - 1 - i)
                tile = first_rows(load_tile(rows, tile_of(row_vectors(W, 1), rows)), rows, n_out - i)
                store_tile(square_rows(to + j * width, width, lanes - 1), transposed(tile))
        for i in range(p, end):
            for j in range(whole, n_in):
                no_unroll()
                w[p * n_in + j * width + i - p] = W[i * n_in + j]


@inner
def pack_transposed(w_t, W, n_out, n_in, depth):
    """Panels of columns j of W (n_out, n_in), `depth` rows deep, into `w_t`, zeros where there is no column."""
    lanes = lanes_in(W)
    for q in range(0, n_in, 2 * lanes):
        width = panel_width(n_in - q, lanes)
        for i in range(n_out):
            for j in range(q, q + width, lanes):
                store(w_t, q * depth + i * width + j - q, load_first(W, i * n_in + j, n_in - j))


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
                rows = square_rows(w + (p * n_in + j * width + i - p), width, lanes - 1)
                tile = transposed(load_tile(rows, tile_of(row_vectors(w, 1), rows)))
                store_tile(square_rows(W + (i * n_in + j), n_in, lanes - 1), tile)
        for j in range(n_in):
            for i in range(whole if j < deep else p, end):
                no_unroll()
                W[i * n_in + j] = w[p * n_in + j * width + i - p]


@inner
def unpack_transposed(W, w_t, n_out, n_in, depth):
    """The array W (n_out, n_in) from its panels of columns j."""
    lanes = lanes_in(W)
    for q in range(0, n_in, 2 * lanes):
        width = panel_width(n_in - q, lanes)
        for i in range(n_out):
            for j in range(min(width, n_in - q)):
                no_unroll()
                W[i * n_in + q + j] = w_t[q * depth + i * width + j]




def to_panels(panels, w_t, flat, shapes):
    """Panels, and those that backward reads where `w_t` has room, from the flat parameters."""
    layers, w = layers_of(shapes), pointer(panels)
    for l in range(len(layers)):
        layer = layers[l]
        W = pointer(flat) + layer.parameters
        if layer.skinny:
            pack_transposed(w + layer.weights, W, layer.n_out, layer.n_in, layer.n_out)
        else:
            pack(w + layer.weights, W, layer.n_out, layer.n_in)
        if layer.w_t >= 0 and len(w_t) > 0:
            depth = padded(layer.n_out, lanes_in(W))
            pack_transposed(pointer(w_t) + layer.w_t, W, layer.n_out, layer.n_in, depth)
        for i in range(layer.n_out):
            no_unroll()
            w[layer.biases + i] = W[layer.n_out * layer.n_in + i]


def from_panels(flat, panels, shapes):
    """The flat parameters from panels."""
    layers, w = layers_of(shapes), pointer(panels)
    for l in range(len(layers)):
        layer = layers[l]
        W = pointer(flat) + layer.parameters
        if layer.skinny:
            unpack_transposed(W, w + layer.weights, layer.n_out, layer.n_in, layer.n_out)
        else:
            unpack(W, w + layer.weights, layer.n_out, layer.n_in)
        for i in range(layer.n_out):
            no_unroll()
            W[layer.n_out * layer.n_in + i] = w[layer.biases + i]


pack_parameters = entry(to_panels, "pack_parameters")
unpack_parameters = entry(from_panels, "unpack_parameters")
