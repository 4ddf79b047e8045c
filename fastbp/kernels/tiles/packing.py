"""Weights in packed panels.

A panel holds up to two vectors of adjacent columns, row after row. The last panel is one vector wide if its columns fit
(half the work for ten outputs); missing columns are zero. The panel that begins at column p of a matrix of `depth` rows
starts at p * depth. Each W (n_out, n_in) is kept twice:

    w      columns i, depth n_in            a row for each j   (forward, gradient: vectors over i)
    w_t    columns j, depth padded(n_out)   a row for each i   (backward: vectors over j)
"""

from __future__ import annotations

import numpy as np
from numba.core import types

from fastbp.kernels.runtime.host import VECTOR_BYTES
from fastbp.kernels.runtime.jit import entry, inner
from fastbp.kernels.runtime.records import layers_at, not_null
from fastbp.kernels.tiles.tile import (
    fetch_ahead,
    first_rows,
    load_tile,
    row_vectors,
    square_rows,
    square_transposed,
    store_tile,
    store_tile_upwards,
    tile_of,
    transposed,
)
from fastbp.kernels.vectors.intrinsics import vector_code
from fastbp.kernels.vectors.memory import lanes_in, load_first, pointer, store, words_at
from fastbp.kernels.vectors.simd import no_unroll


@inner
def panel_width(left, lanes):
    """Columns stored for the next panel of `left`: one vector where that holds them."""
    return lanes if left <= lanes else 2 * lanes


@inner
def padded(n, lanes):
    """Columns stored for n: whole vectors."""
    return (n + lanes - 1) // lanes * lanes


# ------------------------------------------------------------------ from columns i to columns j
def _transposed_rows(code, w_t, depth, n_in, i, j):
    """Where the row vectors w_t[i + k, j..] begin, k < lanes, for one vector of columns from j on."""
    builder, lanes = code.builder, code.lanes
    q = builder.and_(j, code.index(-2 * lanes))
    one_vector = builder.icmp_signed("<=", builder.sub(n_in, q), code.index(lanes))
    width = builder.select(one_vector, code.index(lanes), code.index(2 * lanes))
    start = builder.add(builder.mul(q, depth), builder.sub(j, q))
    rows = [builder.mul(builder.add(i, code.index(k)), width) for k in range(lanes)]
    return [code.at(w_t, builder.add(start, row)) for row in rows]


@vector_code(lambda w_t, depth, n_in, i, j, tile, count: types.void)
def store_transposed(code, w_t, depth, n_in, i, j, tile, count):
    """Rows [j, j + count) of w, one vector of columns i, as row vectors w_t[i, q..] of `depth` rows.

    The tile has a row a j; those from `count` on become zeros.
    """
    builder, lanes = code.builder, code.lanes
    inside = [builder.icmp_signed("<", code.index(r), count) for r in range(len(tile))]
    rows = [builder.select(one, row, code.zero) for one, row in zip(inside, tile)]
    rows += [code.zero] * (-len(rows) % lanes)
    for r in range(0, len(rows), lanes):
        with builder.if_then(builder.icmp_signed("<", code.index(r), count)):
            columns = square_transposed(builder, rows[r : r + lanes], code.v)
            places = _transposed_rows(code, w_t, depth, n_in, i, builder.add(j, code.index(r)))
            for p, column in zip(places, columns):
                code.store(p, code.index(0), column)


@vector_code(lambda w_t, depth, n_in, i, j, rows: types.void)
def prefetch_transposed(code, w_t, depth, n_in, i, j, rows):
    """Ask for the cache lines that `store_transposed` will write for a tile with so many `rows`."""
    for r in range(0, len(rows), code.lanes):
        first = code.builder.add(j, code.index(r))
        fetch_ahead(code, _transposed_rows(code, w_t, depth, n_in, i, first), written=True)


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
        for i in range(p, end, lanes):
            for j in range(0, deep, lanes):
                rows = square_rows(w + (p * n_in + j * width + i - p), width, lanes - 1)
                tile = transposed(load_tile(rows, tile_of(row_vectors(w, 1), rows)))
                # rows past the last one are stored first, and then overwritten by the last one
                store_tile_upwards(square_rows(W + (i * n_in + j), n_in, n_out - 1 - i), tile)
        for j in range(deep, n_in):
            for i in range(p, end):
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


@inner
def pack_layer(w, w_t, W, layer, both):
    """Panels and biases of one layer from its parameters W, b; `both` where backward's panels are kept, too."""
    if layer.skinny:
        pack_transposed(w + layer.weights, W, layer.n_out, layer.n_in, layer.n_out)
    else:
        pack(w + layer.weights, W, layer.n_out, layer.n_in)
    if layer.w_t >= 0 and both:
        pack_transposed(w_t + layer.w_t, W, layer.n_out, layer.n_in, padded(layer.n_out, lanes_in(W)))
    copy(w + layer.biases, W + layer.n_out * layer.n_in, layer.n_out)


@inner
def unpack_layer(W, w, layer):
    """The parameters W, b of one layer from its panels."""
    if layer.skinny:
        unpack_transposed(W, w + layer.weights, layer.n_out, layer.n_in, layer.n_out)
    else:
        unpack(W, w + layer.weights, layer.n_out, layer.n_in)
    copy(W + layer.n_out * layer.n_in, w + layer.biases, layer.n_out)


@inner
def copy(to, p, n):
    """to[0..n) = p[0..n)."""
    for k in range(n):
        to[k] = p[k]


@inner
def differ(p, q, n):
    """Whether two arrays of n 4-byte words differ in a bit."""
    bits = np.int32(0)
    for k in range(n):
        bits |= p[k] ^ q[k]
    return bits != 0


# ------------------------------------------------------------------ all layers
def panels_from(w, w_t, flat, layer_address, n_layers):
    """Panels, and those that backward reads where `w_t` has room, from the flat parameters."""
    layers = layers_at(layer_address, n_layers)
    for l in range(n_layers):
        pack_layer(pointer(w), pointer(w_t), pointer(flat) + layers[l].parameters, layers[l], len(w_t) > 0)


def flat_from(flat, w, layer_address, n_layers):
    """The flat parameters from panels."""
    layers = layers_at(layer_address, n_layers)
    for l in range(n_layers):
        unpack_layer(pointer(flat) + layers[l].parameters, pointer(w), layers[l])


@inner
def refresh(ws, layers):
    """Pack the layers whose parameters differ in a bit from those in the panels."""
    words = VECTOR_BYTES // 4 // lanes_in(ws.flat)
    for l in range(len(layers)):
        layer = layers[l]
        n, o = layer.n_out * (layer.n_in + 1), layer.parameters
        if differ(words_at(ws.flat + o), words_at(ws.seen + o), n * words):
            copy(ws.seen + o, ws.flat + o, n)
            pack_layer(ws.w, ws.w_t, ws.flat + o, layer, not_null(ws.w_t))


@inner
def sync(ws, layers):
    """Write the parameters from the panels."""
    for l in range(len(layers)):
        layer = layers[l]
        n, o = layer.n_out * (layer.n_in + 1), layer.parameters
        unpack_layer(ws.flat + o, ws.w, layer)
        copy(ws.seen + o, ws.flat + o, n)


pack_parameters = entry(panels_from, "pack_parameters")
unpack_parameters = entry(flat_from, "unpack_parameters")
