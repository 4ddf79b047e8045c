"""Textbook loops and tiled kernels on whole arrays: against NumPy in float64, and bit by bit against each other."""

import numba
import numpy as np
import pytest
from guarded import assert_untouched, guarded, numbers

import fastbp.kernels as public
from fastbp.kernels import arrays, loops

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
# (samples, n_in, n_out): ones, primes, one less and one more than a vector, several passes over samples
SHAPES = [
    (1, 1, 1),
    (1, 7, 1),
    (3, 1, 13),
    (2, 13, 1),
    (5, 8, 64),
    (11, 17, 31),
    (7, 33, 16),
    (9, 15, 65),
    (19, 64, 33),
    (129, 29, 47),
    (300, 19, 23),
]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
kernels = pytest.mark.parametrize("kernel", [loops, arrays], ids=["loops", "arrays"])


def assert_sum(found, expected, magnitude, terms):
    """`found` is the sum of products `expected`, up to one rounding of each of its terms."""
    bound = (terms + 2) * np.finfo(found.dtype).eps * magnitude
    assert (np.abs(found - expected) <= bound).all()


# ------------------------------------------------------------------ the equations on whole arrays
@DTYPES
@shapes
@kernels
def test_forward_is_the_sum_over_inputs(shape, dtype, kernel):
    m, n_in, n_out = shape
    x, W, b = numbers(dtype, m, n_in), numbers(dtype, n_out, n_in), numbers(dtype, n_out)
    z, around = guarded(dtype, m, n_out)
    kernel.forward(z, W, b, x)
    exact = [part.astype(np.float64) for part in (x, W, b)]
    expected = np.einsum("sj,ij->si", *exact[:2]) + exact[2]
    magnitude = np.einsum("sj,ij->si", *map(np.abs, exact[:2])) + np.abs(exact[2])
    assert_sum(z, expected, magnitude, n_in + 1)
    assert_untouched(around)


@DTYPES
@shapes
@kernels
def test_backward_is_the_sum_over_outputs_times_the_slope(shape, dtype, kernel):
    m, n_in, n_out = shape
    delta, W, slope = numbers(dtype, m, n_out), numbers(dtype, n_out, n_in), numbers(dtype, m, n_in)
    below, around = guarded(dtype, m, n_in)
    kernel.backward(below, delta, W, slope)
    exact = [part.astype(np.float64) for part in (delta, W, slope)]
    expected = np.einsum("si,ij->sj", *exact[:2]) * exact[2]
    assert_sum(below, expected, np.einsum("si,ij->sj", *map(np.abs, exact[:2])) * np.abs(exact[2]), n_out + 1)
    assert_untouched(around)


@DTYPES
@shapes
@kernels
def test_gradient_is_the_sum_over_samples(shape, dtype, kernel):
    m, n_in, n_out = shape
    delta, x = numbers(dtype, m, n_out), numbers(dtype, m, n_in)
    dW, around = guarded(dtype, n_out, n_in)
    db, around_b = guarded(dtype, n_out)
    kernel.gradient(dW, db, delta, x)
    exact = [part.astype(np.float64) for part in (delta, x)]
    assert_sum(dW, np.einsum("si,sj->ij", *exact), np.einsum("si,sj->ij", *map(np.abs, exact)), m)
    assert_sum(db, exact[0].sum(axis=0), np.abs(exact[0]).sum(axis=0), m)
    assert_untouched(around)
    assert_untouched(around_b)


# ------------------------------------------------------------------ the same bits
# beside those above: more samples than one pass, rows of several cache lines, layers beyond one panel
BITWISE = [*SHAPES, (600, 70, 40), (1100, 19, 21), (13, 200, 130), (37, 5, 9)]


def results(kernel, shape, dtype):
    """z, δ, ∂C/∂w and ∂C/∂b of a layer."""
    m, n_in, n_out = shape
    x, W, b = numbers(dtype, m, n_in), numbers(dtype, n_out, n_in), numbers(dtype, n_out)
    delta, sigma_prime = numbers(dtype, m, n_out, seed=1), numbers(dtype, m, n_in, seed=2)
    z, below, dW, db = np.empty_like(delta), np.empty_like(x), np.empty_like(W), np.empty_like(b)
    kernel.forward(z, W, b, x)
    kernel.backward(below, delta, W, sigma_prime)
    kernel.gradient(dW, db, delta, x)
    return z, below, dW, db


def different(threads):
    """Where tiles and loops differ, in one bit or more."""
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        return [
            (shape, np.dtype(dtype).name, name)
            for shape in BITWISE
            for dtype in (np.float32, np.float64)
            for name, loop, tile in zip(
                ("z", "delta", "dW", "db"), results(loops, shape, dtype), results(arrays, shape, dtype), strict=True
            )
            if loop.tobytes() != tile.tobytes()
        ]
    finally:
        numba.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2])
def test_tiles_give_the_bits_of_the_loops(threads):
    if threads > numba.config.NUMBA_NUM_THREADS:
        pytest.skip("this machine has one core")
    assert different(threads) == []


# ------------------------------------------------------------------ in loops of the user's
@numba.njit
def compiled_by_the_user(z, W, b, x, below, delta, sigma_prime, dW, db):
    public.forward(z, W, b, x)
    public.backward(below, delta, W, sigma_prime)
    public.gradient(dW, db, delta, x)


@DTYPES
def test_functions_of_the_user_call_the_kernels(dtype):
    m, n_in, n_out = 11, 17, 31
    x, W, b = numbers(dtype, m, n_in), numbers(dtype, n_out, n_in), numbers(dtype, n_out)
    delta, sigma_prime = numbers(dtype, m, n_out, seed=1), numbers(dtype, m, n_in, seed=2)
    z, below, dW, db = np.empty_like(delta), np.empty_like(x), np.empty_like(W), np.empty_like(b)
    compiled_by_the_user(z, W, b, x, below, delta, sigma_prime, dW, db)
    for found, expected in zip((z, below, dW, db), results(arrays, (m, n_in, n_out), dtype), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert (public.forward, public.gradient) == (arrays.forward, arrays.gradient)
