"""The register tile: `rows` x `width` vectors that stay in registers while a sum runs.

A tile is a tuple of rows*width vectors, a strip a tuple of `width` vectors that lie side by side in memory, and the
rows of a matrix are a tuple of pointers. Heights and widths are part of the types: Python unrolls every loop below.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastbp.kernels.simd import I32, add, broadcast, butterfly, fused, load_at, scalar_of, store_at, vector_of


def _shifted(builder, p, count):
    return builder.gep(p, [ir.Constant(ir.IntType(64), count)])


def _strip(context, builder, p, v, width):
    vt = context.get_value_type(v)
    return [
        load_at(builder, p, ir.Constant(ir.IntType(64), q * v.lanes), vt, v.dtype.bitwidth // 8) for q in range(width)
    ]


# ------------------------------------------------------------------ strips and rows
@intrinsic(prefer_literal=True)
def strip(tyctx, p, width):
    """The `width` (a literal) consecutive vectors from `p` on."""
    v, n = vector_of(p.dtype), width.literal_value
    return types.UniTuple(v, n)(p, width), lambda context, builder, sig, args: cgutils.pack_array(
        builder, _strip(context, builder, args[0], v, n)
    )


@intrinsic
def strip_like(tyctx, p, like):
    """As many consecutive vectors from `p` on as the tuple `like` has."""
    v, n = vector_of(p.dtype), len(like)
    return types.UniTuple(v, n)(p, like), lambda context, builder, sig, args: cgutils.pack_array(
        builder, _strip(context, builder, args[0], v, n)
    )


@intrinsic(prefer_literal=True)
def rows_of(tyctx, p, stride, last, count):
    """Pointers to the `count` (a literal) rows p, p + stride, ...; rows past number `last` are the last one again."""
    n = count.literal_value

    def codegen(context, builder, sig, args):
        out = []
        for r in range(n):
            k = ir.Constant(args[2].type, r)
            k = builder.select(builder.icmp_signed("<", k, args[2]), k, args[2]) if r else k
            out.append(builder.gep(args[0], [builder.mul(k, args[1])]))
        return cgutils.pack_array(builder, out)

    return types.UniTuple(p, n)(p, types.intp, types.intp, count), codegen


@intrinsic(prefer_literal=True)
def rows_at(tyctx, p, index, stride, last, count):
    """Pointers to the `count` rows p + index[0]*stride, p + index[1]*stride, ...; past `last` the last one again."""
    n = count.literal_value

    def codegen(context, builder, sig, args):
        out = []
        for r in range(n):
            k = ir.Constant(args[3].type, r)
            k = builder.select(builder.icmp_signed("<", k, args[3]), k, args[3]) if r else k
            row = builder.load(builder.gep(args[1], [k]))
            out.append(builder.gep(args[0], [builder.mul(row, args[2])]))
        return cgutils.pack_array(builder, out)

    return types.UniTuple(p, n)(p, index, types.intp, types.intp, count), codegen


# ------------------------------------------------------------------ tiles
@intrinsic
def tile_of(tyctx, row, rows):
    """The tile with one copy of strip `row` for each of the pointers `rows`."""
    n = len(rows)
    return types.UniTuple(row.dtype, len(row) * n)(row, rows), lambda context, builder, sig, args: cgutils.pack_array(
        builder, cgutils.unpack_tuple(builder, args[0]) * n
    )


@intrinsic
def load_tile(tyctx, rows, like):
    """The tile whose row r starts at rows[r]; `like` is a tile of the same type."""
    v, n = like.dtype, len(like) // len(rows)

    def codegen(context, builder, sig, args):
        return cgutils.pack_array(
            builder, [x for p in cgutils.unpack_tuple(builder, args[0]) for x in _strip(context, builder, p, v, n)]
        )

    return like(rows, like), codegen


@intrinsic
def store_tile(tyctx, rows, tile):
    """Row r of the tile to rows[r]; equal pointers must get equal rows."""
    v, n = tile.dtype, len(tile) // len(rows)

    def codegen(context, builder, sig, args):
        t = cgutils.unpack_tuple(builder, args[1])
        for r, p in enumerate(cgutils.unpack_tuple(builder, args[0])):
            for q in range(n):
                store_at(builder, p, ir.Constant(ir.IntType(64), q * v.lanes), t[r * n + q], v.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(rows, tile), codegen


@intrinsic
def tile_fma(tyctx, x, g, t):
    """x * g + t for a vector x and tiles g, t."""

    def codegen(context, builder, sig, args):
        gs, ts = (cgutils.unpack_tuple(builder, a) for a in args[1:])
        return cgutils.pack_array(builder, [fused(context, builder, t.dtype, args[0], p, q) for p, q in zip(gs, ts)])

    return t(x, g, t), codegen


@intrinsic
def tile_mul(tyctx, g, t):
    """g * t element by element for tiles g, t."""

    def codegen(context, builder, sig, args):
        gs, ts = (cgutils.unpack_tuple(builder, a) for a in args)
        return cgutils.pack_array(builder, [builder.fmul(p, q) for p, q in zip(gs, ts)])

    return t(g, t), codegen


@intrinsic
def zeros_like(tyctx, tile):
    """The tile or strip of zeros of the same type as `tile`."""
    return tile(tile), lambda context, builder, sig, args: ir.Constant(context.get_value_type(tile), None)


@intrinsic
def first_rows(tyctx, tile, rows, count):
    """The tile with row r and all after it zero for r >= count."""

    def codegen(context, builder, sig, args):
        t, n = cgutils.unpack_tuple(builder, args[0]), len(tile) // len(rows)
        zero = ir.Constant(context.get_value_type(tile.dtype), None)
        keep = [builder.icmp_signed("<", ir.Constant(args[2].type, r), args[2]) for r in range(len(rows))]
        return cgutils.pack_array(builder, [builder.select(keep[k // n], x, zero) for k, x in enumerate(t)])

    return tile(tile, rows, types.intp), codegen


@intrinsic
def rank1(tyctx, tile, rows, k, row):
    """tile[r] += rows[r][k] * row for every row r: one broadcast and one FMA a vector."""
    height, width, v = len(rows), len(row), row.dtype

    def codegen(context, builder, sig, args):
        t, p, _, b = args
        t, p, b = (cgutils.unpack_tuple(builder, a) for a in (t, p, b))
        out = []
        for r in range(height):
            a = broadcast(builder, builder.load(builder.gep(p[r], [args[2]])), v.lanes)
            out += [fused(context, builder, v, a, b[q], t[r * width + q]) for q in range(width)]
        return cgutils.pack_array(builder, out)

    return tile(tile, rows, types.intp, row), codegen


def _interleaved(builder, rows, lanes):
    """The vectors `rows` read column by column: log2(rows) rounds of mixing the first half with the second."""
    mix = [
        ir.Constant(ir.VectorType(I32, lanes), [k // 2 + (k % 2) * lanes + h * lanes // 2 for k in range(lanes)])
        for h in (0, 1)
    ]
    for _ in range(len(rows).bit_length() - 1):
        rows = [
            builder.shuffle_vector(rows[k], rows[k + len(rows) // 2], m) for k in range(len(rows) // 2) for m in mix
        ]
    return rows


@intrinsic
def transposed(tyctx, tile):
    """Column r of the square tile as row r."""
    return tile(tile), lambda context, builder, sig, args: cgutils.pack_array(
        builder, _interleaved(builder, cgutils.unpack_tuple(builder, args[0]), tile.dtype.lanes)
    )


@intrinsic
def dot_step(tyctx, tile, rows, k, x):
    """tile[r] += rows[r][k..] * x for every row r of one vector: the lanes of Σ_k rows[r][k] x[k]."""
    v = tile.dtype

    def codegen(context, builder, sig, args):
        ws = [
            load_at(builder, p, args[2], context.get_value_type(v), v.dtype.bitwidth // 8)
            for p in cgutils.unpack_tuple(builder, args[1])
        ]
        return cgutils.pack_array(
            builder,
            [fused(context, builder, v, w, args[3], t) for w, t in zip(ws, cgutils.unpack_tuple(builder, args[0]))],
        )

    return tile(tile, rows, types.intp, x), codegen


@intrinsic
def store_sums(tyctx, p, tile):
    """p[r] = the sum of the lanes of row r of a tile one vector wide."""
    v = tile.dtype

    def codegen(context, builder, sig, args):
        for r, row in enumerate(cgutils.unpack_tuple(builder, args[1])):
            total = butterfly(builder, row, v.lanes, add)
            builder.store(builder.extract_element(total, I32(0)), _shifted(builder, args[0], r))
        return context.get_dummy_value()

    return types.void(p, tile), codegen


@intrinsic(prefer_literal=True)
def stack(tyctx, p, count):
    """Room for `count` (a literal) numbers of the kind `p` points to, until the function returns."""

    def codegen(context, builder, sig, args):
        room = cgutils.alloca_once(builder, scalar_of(p.dtype), size=count.literal_value)
        room.align = 64
        return room

    return p(p, count), codegen


@intrinsic(prefer_literal=True)
def store_transposed(tyctx, p, stride, tile, height):
    """Row r, column c of the tile (`height` rows, a power of two) to p[c*stride + r]."""
    v, rows = tile.dtype, height.literal_value
    n = len(tile) // rows
    half = min(rows, v.lanes)

    def index(start):
        return ir.Constant(ir.VectorType(I32, half), list(range(start, start + half)))

    def codegen(context, builder, sig, args):
        t = cgutils.unpack_tuple(builder, args[2])
        undef = ir.Constant(context.get_value_type(v), ir.Undefined)
        for q in range(n):
            a = _interleaved(builder, [t[r * n + q] for r in range(rows)], v.lanes)
            for k in range(rows * v.lanes // half):  # piece k holds `half` consecutive rows of one column
                flat = k * half
                col, row = q * v.lanes + flat // rows, flat % rows
                x = a[flat // v.lanes]
                if half < v.lanes:
                    x = builder.shuffle_vector(x, undef, index(flat % v.lanes))
                to = builder.gep(args[0], [builder.mul(args[1], ir.Constant(args[1].type, col))])
                store_at(builder, to, ir.Constant(args[1].type, row), x, v.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(p, types.intp, tile, height), codegen
