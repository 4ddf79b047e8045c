"""Random arrays, and arrays in the middle of larger ones that show what is written beside them."""

import numpy as np

GUARD = 256


def numbers(dtype, *shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def guarded(dtype, *shape):
    """An array to be filled, and the larger one that it is the middle of: 7 everywhere."""
    n = int(np.prod(shape))
    around = np.full(n + 2 * GUARD, 7, dtype)
    return around[GUARD:-GUARD].reshape(shape), around


def assert_untouched(around):
    assert (around[:GUARD] == 7).all()
    assert (around[-GUARD:] == 7).all()
