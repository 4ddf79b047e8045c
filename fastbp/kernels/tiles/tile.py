"""The register tile: `rows` x `width` vectors that stay in registers while a sum runs.

A tile is a tuple of rows*width vectors, a strip a tuple of `width` vectors that lie side by side in memory, and the
rows of a matrix are a tuple of pointers. Heights and widths are part of the types: Python unrolls every loop below.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastbp.kernels.vectors.memory import load_at, masked_load_at, store_at
from fastbp.kernels.vectors.simd import (
    I32,
    add,
    broadcast,
    butterfly,
    first_mask,
    fused,
    lanes_of,
    scalar_of,
    vector_of,
)


def fetch_ahead(builder, pointers, written):
    """llvm.prefetch for each of them into the nearest cache, alone if it will be `written`."""
    byte = ir.IntType(8).as_pointer()
    fnty = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
    fn = cgutils.get_or_insert_function(builder.module, fnty, "llvm.prefetch.p0")
    for p in pointers:
        builder.call(fn, [builder.bitcast(p, byte), I32(int(written)), I32(3), I32(1)])


def _shifted(builder, p, count):
    return builder.gep(p, [ir.Constant(ir.IntType(64), count)])


def _row_vectors(context, builder, p, v, width):
    vt = context.get_value_type(v)
    return [
        load_at(builder, p, ir.Constant(ir.IntType(64), q * v.lanes), vt, v.dtype.bitwidth // 8) for q in range(width)
    ]


# ------------------------------------------------------------------ strips and rows
@intrinsic(prefer_literal=True)
def row_vectors(tyctx, p, width):
    """The `width` (a literal) consecutive vectors from `p` on."""
    v, n = vector_of(p.dtype), width.literal_value
    return types.UniTuple(v, n)(p, width), lambda context, builder, sig, args: cgutils.pack_array(
        builder, _row_vectors(context, builder, args[0], v, n)
    )


@intrinsic
def row_vectors_like(tyctx, p, like):
    """As many consecutive vectors from `p` on as the tuple `like` has."""
    v, n = vector_of(p.dtype), len(like)
    return types.UniTuple(v, n)(p, like), lambda context, builder, sig, args: cgutils.pack_array(
        builder, _row_vectors(context, builder, args[0], v, n)
    )


def _rows(builder, count, last, address):
    """The tuple of address(0), address(1), ...; rows past number `last` are the last one again."""
    numbers = [ir.Constant(last.type, r) for r in range(count)]
    least = [builder.select(builder.icmp_signed("<", k, last), k, last) if r else k for r, k in enumerate(numbers)]
    return cgutils.pack_array(builder, [address(k) for k in least])


def _strided(builder, p, stride, last, count):
    return _rows(builder, count, last, lambda k: builder.gep(p, [builder.mul(k, stride)]))


@intrinsic(prefer_literal=True)
def rows_of(tyctx, p, stride, last, count):
    """Pointers to the `count` (a literal) rows p, p + stride, ...; rows past number `last` are the last one again."""
    n = count.literal_value
    return types.UniTuple(p, n)(p, types.intp, types.intp, count), lambda context, builder, sig, args: _strided(
        builder, *args[:3], n
    )


@intrinsic
def square_rows(tyctx, p, stride, last):
    """As `rows_of`, as many rows as a vector has lanes."""
    n = lanes_of(p.dtype)
    return types.UniTuple(p, n)(p, types.intp, types.intp), lambda context, builder, sig, args: _strided(
        builder, *args, n
    )


@intrinsic
def half_rows(tyctx, p, stride, last):
    """As `rows_of`, half as many rows as a vector has lanes."""
    n = lanes_of(p.dtype) // 2
    return types.UniTuple(p, n)(p, types.intp, types.intp), lambda context, builder, sig, args: _strided(
        builder, *args, n
    )


@intrinsic(prefer_literal=True)
def rows_at(tyctx, p, index, stride, last, count):
    """Pointers to the `count` rows p + index[0]*stride, p + index[1]*stride, ...; past `last` the last one again."""
    n = count.literal_value

    def codegen(context, builder, sig, args):
        p, index, stride, last, _ = args
        return _rows(
            builder, n, last, lambda k: builder.gep(p, [builder.mul(builder.load(builder.gep(index, [k])), stride)])
        )

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
def prefetch_rows(tyctx, rows):
    """Ask for the cache lines at the pointers `rows`, which will be written."""

    def codegen(context, builder, sig, args):
        fetch_ahead(builder, cgutils.unpack_tuple(builder, args[0]), True)
        return context.get_dummy_value()

    return types.void(rows), codegen


@intrinsic
def prefetch(tyctx, p, offsets):
    """Ask for the cache lines at p[offset] for each of the tuple `offsets`: nothing where it is empty."""

    def codegen(context, builder, sig, args):
        pointers = [builder.gep(args[0], [offset]) for offset in cgutils.unpack_tuple(builder, args[1])]
        if pointers:
            fetch_ahead(builder, pointers, False)
        return context.get_dummy_value()

    return types.void(p, offsets), codegen


@intrinsic
def load_tile(tyctx, rows, like):
    """The tile whose row r starts at rows[r]; `like` is a tile of the same type."""
    v, n = like.dtype, len(like) // len(rows)

    def codegen(context, builder, sig, args):
        pointers = cgutils.unpack_tuple(builder, args[0])
        return cgutils.pack_array(builder, [x for p in pointers for x in _row_vectors(context, builder, p, v, n)])

    return like(rows, like), codegen


def _store_rows(order, rows, tile):
    """Signature and code that stores the rows of `tile` in an order."""
    v, n = tile.dtype, len(tile) // len(rows)

    def codegen(context, builder, sig, args):
        pointers, t = (cgutils.unpack_tuple(builder, a) for a in args)
        for r in order(range(len(rows))):
            for q in range(n):
                offset = ir.Constant(ir.IntType(64), q * v.lanes)
                store_at(builder, pointers[r], offset, t[r * n + q], v.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(rows, tile), codegen


@intrinsic
def store_tile(tyctx, rows, tile):
    """Row r of the tile to rows[r]; equal pointers must get equal rows."""
    return _store_rows(iter, rows, tile)


@intrinsic
def store_tile_upwards(tyctx, rows, tile):
    """As `store_tile`, the last row first: of rows that are stored to one place the first one stays."""
    return _store_rows(reversed, rows, tile)


def _element_by_element(operation, tile):
    """Code generation for two tiles of one type, `operation` the name of LLVM's instruction."""

    def codegen(context, builder, sig, args):
        gs, ts = (cgutils.unpack_tuple(builder, a) for a in args)
        return cgutils.pack_array(builder, [getattr(builder, operation)(p, q) for p, q in zip(gs, ts)])

    return tile(tile, tile), codegen


@intrinsic
def tile_add(tyctx, g, t):
    """g + t element by element for tiles g, t."""
    return _element_by_element("fadd", t)


@intrinsic
def tile_mul(tyctx, g, t):
    """g * t element by element for tiles g, t."""
    return _element_by_element("fmul", t)


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
def first_columns(tyctx, tile, count):
    """The tile, one vector wide, with lane k and all after it zero for k >= count."""
    v = tile.dtype

    def codegen(context, builder, sig, args):
        keep = first_mask(builder, v.lanes, args[1])
        zero = ir.Constant(context.get_value_type(v), None)
        return cgutils.pack_array(
            builder, [builder.select(keep, x, zero) for x in cgutils.unpack_tuple(builder, args[0])]
        )

    return tile(tile, types.intp), codegen


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


def _even_and_odd(lanes, window, chunk):
    """Shuffles of two vectors to their even chunks and to their odd ones within each `window` lanes."""
    even = [[w + k + c for k in range(0, window, 2 * chunk) for c in range(chunk)] for w in range(0, lanes, window)]
    return [
        ir.Constant(ir.VectorType(I32, lanes), [at + k + h for part in even for at in (0, lanes) for k in part])
        for h in (0, chunk)
    ]


def _sorted_apart(builder, rows, lanes, window, chunk):
    """`rows` read column by column within each `window` lanes, a `chunk` being what is moved: window/chunk rows.

    In each of log2(rows) rounds the even chunks of every pair of vectors go to one vector, the odd ones to another.
    """
    for _ in range(len(rows).bit_length() - 1):
        pairs = list(zip(rows[::2], rows[1::2]))
        rows = [builder.shuffle_vector(x, y, mask) for mask in _even_and_odd(lanes, window, chunk) for x, y in pairs]
    return rows


def square_transposed(builder, rows, v):
    """The columns of `lanes` vectors: numbers are moved within 128 bits, then 128 bits as a whole.

    So each shuffle is one instruction without an index register. By general permutations 16 x 16 numbers took 118
    cycles of a tile's time in place of 66 (AMD Zen 4).
    """
    inside = min(v.lanes, 128 // v.dtype.bitwidth)
    blocks = [_sorted_apart(builder, rows[r : r + inside], v.lanes, inside, 1) for r in range(0, v.lanes, inside)]
    columns = [_sorted_apart(builder, part, v.lanes, v.lanes, inside) for part in zip(*blocks)]
    return [x for part in zip(*columns) for x in part]


@intrinsic
def transposed(tyctx, tile):
    """Column r of the square tile as row r."""
    return tile(tile), lambda context, builder, sig, args: cgutils.pack_array(
        builder, square_transposed(builder, cgutils.unpack_tuple(builder, args[0]), tile.dtype)
    )


def _dot(context, builder, tile, rows, vectors, load_row):
    """The tile with load_row(rows[r]) times each of `vectors` added to row r."""
    pairs = [(load_row(p), x) for p in cgutils.unpack_tuple(builder, rows) for x in vectors]
    sums = cgutils.unpack_tuple(builder, tile[1])
    return cgutils.pack_array(
        builder, [fused(context, builder, tile[0].dtype, a, x, t) for (a, x), t in zip(pairs, sums)]
    )


@intrinsic
def dot_step(tyctx, tile, rows, k, row):
    """tile[r, q] += rows[r][k..] * row[q] lane by lane: on the way to Σ_k rows[r][k] row[q][k]."""
    v = tile.dtype

    def codegen(context, builder, sig, args):
        def load_row(p):
            return load_at(builder, p, args[2], context.get_value_type(v), v.dtype.bitwidth // 8)

        return _dot(context, builder, (tile, args[0]), args[1], cgutils.unpack_tuple(builder, args[3]), load_row)

    return tile(tile, rows, types.intp, row), codegen


@intrinsic
def dot_rest(tyctx, tile, rows, k, row, n):
    """The same with the first `n` lanes: nothing else is read of the rows."""
    v = tile.dtype

    def codegen(context, builder, sig, args):
        def load_row(p):
            return masked_load_at(context, builder, p, args[2], v, args[4])

        return _dot(context, builder, (tile, args[0]), args[1], cgutils.unpack_tuple(builder, args[3]), load_row)

    return tile(tile, rows, types.intp, row, types.intp), codegen


@intrinsic
def lane_sums(tyctx, tile):
    """The sums of the lanes of as many vectors as there are lanes, in one vector."""
    v = tile.dtype

    def codegen(context, builder, sig, args):
        inside = min(v.lanes, 128 // v.dtype.bitwidth)
        rows = cgutils.unpack_tuple(builder, args[0])
        for window, chunk in ((inside, 1), (v.lanes, inside)):
            for _ in range((window // chunk).bit_length() - 1):
                masks = _even_and_odd(v.lanes, window, chunk)
                rows = [
                    builder.fadd(*(builder.shuffle_vector(x, y, mask) for mask in masks))
                    for x, y in zip(rows[::2], rows[1::2])
                ]
        return rows[0]

    return v(tile), codegen


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
        buffer = cgutils.alloca_once(builder, scalar_of(p.dtype), size=count.literal_value)
        buffer.align = 64
        return buffer

    return p(p, count), codegen
