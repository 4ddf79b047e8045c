"""Vectors do what NumPy does with arrays of as many lanes, NaN and signed zeros included, at every width."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from fastbp.kernels.runtime.host import HAS_FMA
from fastbp.kernels.tiles.tile import rank1
from fastbp.kernels.vectors import simd
from fastbp.kernels.vectors.memory import lanes_in, load, pointer, splats, store, zero_in
from fastbp.kernels.vectors.simd import lanes_of

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -1.5, 2.5, -0.3, 1e30, 1e-40, 7.0)


def compiled(function):
    return numba.njit(error_model="numpy")(function)


def same_bits(got, expected):
    """Equal, signs of zeros too; one NaN is as good as another."""
    np.testing.assert_array_equal(got, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(expected[numbers]))


def pairs(dtype):
    """Every special number beside every other, in whole vectors."""
    a, b = (grid.ravel().astype(dtype) for grid in np.meshgrid(SPECIAL, SPECIAL))
    return a, b


def of_two(x, y):
    """What NumPy's names and the operators mean for two vectors, two arrays or two numbers."""
    return (x + y, x - y, x * y, x / y, np.where(x < y, x, y), np.where(x <= y, x, y),
            np.where(x > y, x, y), np.where(x >= y, x, y), np.where(x == y, x, y), np.where(x != y, x, y))


def of_one(x):
    """The same for one, and for one beside Python's numbers."""
    return (-x, abs(x), np.abs(x), np.sqrt(x), 1 - x, x * 2.5 + 1, 1 / x,
            np.where(x > 1, 1.0, x * 0.5), np.maximum(x, 0.25), np.minimum(0.25, x))


def extrema(x, y):
    """By themselves: NumPy leaves open which of two zeros comes out."""
    return np.maximum(x, y), np.minimum(x, y)


@dtypes
def test_operations_are_as_numpys(dtype):
    two, one, both = compiled(of_two), compiled(of_one), compiled(extrema)

    @compiled
    def on_vectors(out, a, b, lanes):
        for i in range(0, a.size, lanes):
            x, y = load(pointer(a), i), load(pointer(b), i)
            results = two(x, y) + one(x) + both(x, y)
            for k in range(len(results)):
                store(pointer(out), k * a.size + i, results[k])

    a, b = pairs(dtype)
    assert a.size % lanes_of(a.dtype) == 0
    with np.errstate(all="ignore"):
        expected = np.array(of_two(a, b) + of_one(a) + extrema(a, b))
    got = np.empty_like(expected)
    on_vectors(got, a, b, lanes_of(a.dtype))
    assert expected.dtype == dtype
    for k in range(len(expected) - 2):
        same_bits(got[k], expected[k])
    np.testing.assert_array_equal(got[-2:], expected[-2:])


@dtypes
def test_a_rank_1_update_is_rounded_once(dtype):
    @compiled
    def run(out, a, b, c):
        store(pointer(out), 0, rank1((load(pointer(c), 0),), (pointer(a),), 0, (load(pointer(b), 0),))[0])

    a, b, c = np.random.default_rng(0).normal(size=(3, lanes_of(np.dtype(dtype)))).astype(dtype)
    out = np.empty_like(a)
    run(out, a, b, c)
    np.testing.assert_allclose(out, a[0].astype(np.longdouble) * b + c, rtol=0, atol=4 * np.finfo(dtype).eps)
    run(out, np.full_like(a, 1 + np.finfo(dtype).eps), np.full_like(a, 1 - np.finfo(dtype).eps), np.full_like(a, -1))
    np.testing.assert_array_equal(out, -np.finfo(dtype).eps ** 2 if HAS_FMA else 0)


@dtypes
def test_loads_and_stores_need_no_alignment_and_touch_their_own_lanes(dtype):
    @compiled
    def copy(out, x, to, start):
        store(pointer(out) + to, 0, load(pointer(x), start))

    lanes = lanes_of(np.dtype(dtype))
    x, out = np.arange(3 * lanes, dtype=dtype), np.full(3 * lanes, -1, dtype)
    copy(out, x, lanes - 1, 3)
    np.testing.assert_array_equal(out[lanes - 1:2 * lanes - 1], x[3:lanes + 3])
    assert (out[:lanes - 1] == -1).all()
    assert (out[2 * lanes - 1:] == -1).all()


@dtypes
def test_numbers_fill_all_lanes(dtype):
    @compiled
    def fill(out, x, number, lanes):
        store(pointer(out), 0, number)
        store(pointer(out), lanes, simd.splat(number))
        first, second = splats(pointer(x), 2)
        store(pointer(out), 2 * lanes, first - second)
        store(pointer(out), 3 * lanes, zero_in(pointer(x)))
        return lanes_in(pointer(x))

    lanes = lanes_of(np.dtype(dtype))
    assert lanes == simd.VECTOR_BYTES // np.dtype(dtype).itemsize
    out = np.empty(4 * lanes, dtype)
    assert fill(out, np.array([5, 7], dtype), dtype(0.1), lanes) == lanes
    np.testing.assert_array_equal(out, np.repeat(np.array([0.1, 0.1, -2, 0], dtype), lanes))


@dtypes
def test_first_lanes_choose_the_first_lanes(dtype):
    @compiled
    def choose(out, x, n):
        v = load(pointer(x), 0)
        store(pointer(out), 0, np.where(simd.first_lanes(v, n), v, -1.0))

    lanes = lanes_of(np.dtype(dtype))
    x = np.arange(1, lanes + 1, dtype=dtype)
    for n in (0, 1, lanes - 1, lanes, lanes + 3):
        out = np.empty_like(x)
        choose(out, x, n)
        np.testing.assert_array_equal(out, np.where(np.arange(lanes) < n, x, -1))


@dtypes
def test_lanes_add_up_and_yield_their_largest(dtype):
    @compiled
    def reduce(x):
        v = load(pointer(x), 0)
        return simd.first_lane(simd.lane_sum(v)), simd.first_lane(simd.lane_max(v))

    x = np.random.default_rng(0).normal(size=lanes_of(np.dtype(dtype))).astype(dtype)
    total, largest = reduce(x)
    np.testing.assert_allclose(total, x.sum(dtype=np.float64), rtol=1e-6 if dtype is np.float32 else 1e-15)
    assert largest == x.max()
    assert reduce(-np.abs(x))[1] == -np.abs(x).min()
    assert np.signbit(reduce(np.full_like(x, -0.0))[0])
