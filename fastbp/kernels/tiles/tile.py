"""The register tile: `rows` x `width` vectors that stay in registers while a sum runs.

A tile is a tuple of rows*width vectors, row after row. A row of vectors is a tuple of `width` vectors that lie side by
side in memory. The rows of a matrix are a tuple of pointers. Heights and widths are part of the types: Python unrolls
every loop below.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from fastbp.kernels.vectors.intrinsics import vector_code
from fastbp.kernels.vectors.simd import I32, add, butterfly, first_mask, lanes_of, scalar_of, vector_of


# ------------------------------------------------------------------ rows of vectors, rows of pointers
@vector_code(lambda p, width: types.UniTuple(vector_of(p.dtype), width.literal_value), literal=True)
def row_vectors(code, p, width):
    """The `width` (a literal) consecutive vectors from `p` on."""
    return code.vectors(p, width)


@vector_code(lambda p, like: types.UniTuple(vector_of(p.dtype), len(like)))
def row_vectors_like(code, p, like):
    """As many consecutive vectors from `p` on as the tuple `like` has."""
    return code.vectors(p, len(like))


def _numbers(code: Any, count: int, last: Any) -> list[Any]:
    """0, 1, ..., count - 1, but `last` for those past it."""
    builder, numbers = code.builder, [code.index(r) for r in range(count)]
    return [builder.select(builder.icmp_signed("<", k, last), k, last) if r else k for r, k in enumerate(numbers)]


def _strided(code: Any, p: Any, stride: Any, last: Any, count: int) -> list[Any]:
    return [code.at(p, code.builder.mul(k, stride)) for k in _numbers(code, count, last)]


@vector_code(lambda p, stride, last, count: types.UniTuple(p, count.literal_value), literal=True)
def rows_of(code, p, stride, last, count):
    """Pointers to the `count` (a literal) rows p, p + stride, ...; rows past number `last` are the last one again."""
    return _strided(code, p, stride, last, count)


@vector_code(lambda p, stride, last: types.UniTuple(p, lanes_of(p.dtype)))
def square_rows(code, p, stride, last):
    """As `rows_of`, as many rows as a vector has lanes."""
    return _strided(code, p, stride, last, code.lanes)


@vector_code(lambda p, stride, last: types.UniTuple(p, lanes_of(p.dtype) // 2))
def half_rows(code, p, stride, last):
    """As `rows_of`, half as many rows as a vector has lanes."""
    return _strided(code, p, stride, last, code.lanes // 2)


@vector_code(lambda p, index, stride, last, count: types.UniTuple(p, count.literal_value), literal=True)
def rows_at(code, p, index, stride, last, count):
    """Pointers to the `count` rows p + index[0]*stride, p + index[1]*stride, ...; past `last` the last one again."""
    places = [code.builder.load(code.at(index, k)) for k in _numbers(code, count, last)]
    return [code.at(p, code.builder.mul(place, stride)) for place in places]


# ------------------------------------------------------------------ prefetching
def fetch_ahead(code: Any, pointers: list[Any], written: bool) -> None:
    """llvm.prefetch for each of them into the nearest cache, alone if it will be `written`."""
    byte = ir.IntType(8).as_pointer()
    fnty = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
    fn = cgutils.get_or_insert_function(code.builder.module, fnty, "llvm.prefetch.p0")
    for p in pointers:
        code.builder.call(fn, [code.builder.bitcast(p, byte), I32(int(written)), I32(3), I32(1)])


@vector_code(lambda rows: types.void)
def prefetch_rows(code, rows):
    """Ask for the cache lines at the pointers `rows`, which will be written."""
    fetch_ahead(code, rows, written=True)


@vector_code(lambda p, offsets: types.void)
def prefetch(code, p, offsets):
    """Ask for the cache lines at p[offset] for each of the tuple `offsets`: nothing where it is empty."""
    if offsets:
        fetch_ahead(code, [code.at(p, offset) for offset in offsets], written=False)


# ------------------------------------------------------------------ tiles
@vector_code(lambda row, rows: types.UniTuple(row.dtype, len(row) * len(rows)))
def tile_of(code, row, rows):
    """The tile with one copy of `row` for each of the pointers `rows`."""
    return row * len(rows)


@vector_code(lambda rows, like: like)
def load_tile(code, rows, like):
    """The tile whose row r starts at rows[r]; `like` is a tile of the same type."""
    return [x for p in rows for x in code.vectors(p, len(like) // len(rows))]


def _store(code: Any, rows: Any, tile: Any, order: Any) -> None:
    width = len(tile) // len(rows)
    for r in order(range(len(rows))):
        for q in range(width):
            code.store(rows[r], code.index(q * code.lanes), tile[r * width + q])


@vector_code(lambda rows, tile: types.void)
def store_tile(code, rows, tile):
    """Row r of the tile to rows[r]; equal pointers must get equal rows."""
    _store(code, rows, tile, iter)


@vector_code(lambda rows, tile: types.void)
def store_tile_upwards(code, rows, tile):
    """As `store_tile`, the last row first: of rows that are stored to one place the first one stays."""
    _store(code, rows, tile, reversed)


@vector_code(lambda g, t: t)
def tile_add(code, g, t):
    """g + t element by element for tiles g, t."""
    return [code.builder.fadd(p, q) for p, q in zip(g, t)]


@vector_code(lambda g, t: t)
def tile_mul(code, g, t):
    """g * t element by element for tiles g, t."""
    return [code.builder.fmul(p, q) for p, q in zip(g, t)]


@vector_code(lambda tile, rows, count: tile)
def first_rows(code, tile, rows, count):
    """The tile with row r and all after it zero for r >= count."""
    width = len(tile) // len(rows)
    inside = [code.builder.icmp_signed("<", code.index(r), count) for r in range(len(rows))]
    return [code.builder.select(inside[k // width], x, code.zero) for k, x in enumerate(tile)]


@vector_code(lambda tile, count: tile)
def first_columns(code, tile, count):
    """The tile, one vector wide, with lane k and all after it zero for k >= count."""
    inside = first_mask(code.builder, code.lanes, count)
    return [code.builder.select(inside, x, code.zero) for x in tile]


def _multiply_add(code: Any, tile: Any, column: Any, row: Any) -> list[Any]:
    """tile[r, q] + column[r] * row[q]."""
    return [code.fma(a, x, t) for (a, x), t in zip(product(column, row), tile)]


@vector_code(lambda tile, rows, k, row: tile)
def rank1(code, tile, rows, k, row):
    """tile[r] += rows[r][k] * row for every row r: one broadcast and one FMA a vector."""
    return _multiply_add(code, tile, [code.repeated(p, k) for p in rows], row)


# ------------------------------------------------------------------ transposition
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

    Each shuffle is one instruction without an index register: 118 → 66 cycles (16 x 16 numbers, Zen 4).
    """
    inside = min(v.lanes, 128 // v.dtype.bitwidth)
    blocks = [_sorted_apart(builder, rows[r : r + inside], v.lanes, inside, 1) for r in range(0, v.lanes, inside)]
    columns = [_sorted_apart(builder, part, v.lanes, v.lanes, inside) for part in zip(*blocks)]
    return [x for part in zip(*columns) for x in part]


@vector_code(lambda tile: tile)
def transposed(code, tile):
    """Column r of the square tile as row r."""
    return square_transposed(code.builder, tile, code.v)


# ------------------------------------------------------------------ sums of products along vectors
@vector_code(lambda rows, k: types.UniTuple(vector_of(rows.dtype.dtype), len(rows)))
def load_rows(code, rows, k):
    """The vector rows[r][k..] of each row."""
    return [code.load(p, k) for p in rows]


@vector_code(lambda rows, k, n: types.UniTuple(vector_of(rows.dtype.dtype), len(rows)))
def load_first_rows(code, rows, k, n):
    """The first `n` lanes of the vector rows[r][k..] of each row, the others 0."""
    return [code.load_first(p, k, n) for p in rows]


@vector_code(lambda tile, rows, k, row: tile)
def dot_step(code, tile, rows, k, row):
    """tile[r, q] += rows[r][k..] * row[q] lane by lane: on the way to Σ_k rows[r][k] row[q][k]."""
    return _multiply_add(code, tile, [code.load(p, k) for p in rows], row)


@vector_code(lambda tile, rows, k, row, n: tile)
def dot_rest(code, tile, rows, k, row, n):
    """As `dot_step` with the first `n` lanes: nothing else is read of the rows."""
    return _multiply_add(code, tile, [code.load_first(p, k, n) for p in rows], row)


@vector_code(lambda tile: tile.dtype)
def lane_sums(code, tile):
    """The sums of the lanes of as many vectors as there are lanes, in one vector."""
    inside, rows = min(code.lanes, 128 // code.v.dtype.bitwidth), tile
    for window, chunk in ((inside, 1), (code.lanes, inside)):
        for _ in range((window // chunk).bit_length() - 1):
            masks = _even_and_odd(code.lanes, window, chunk)
            rows = [
                code.builder.fadd(*(code.builder.shuffle_vector(x, y, mask) for mask in masks))
                for x, y in zip(rows[::2], rows[1::2])
            ]
    return rows[0]


@vector_code(lambda p, tile: types.void)
def store_sums(code, p, tile):
    """p[r] = the sum of the lanes of row r of a tile one vector wide."""
    for r, row in enumerate(tile):
        total = butterfly(code.builder, row, code.lanes, add)
        code.builder.store(code.builder.extract_element(total, I32(0)), code.at(p, code.index(r)))


@vector_code(lambda p, count: p, literal=True)
def stack(code, p, count):
    """A buffer on the stack for `count` (a literal) numbers of the kind `p` points to."""
    buffer = cgutils.alloca_once(code.builder, scalar_of(code.v.dtype), size=count)
    buffer.align = 64
    return buffer
