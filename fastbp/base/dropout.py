"""Which neurons dropout takes out, in NumPy: random numbers that are a function of what they are for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0x9E3779B9  # 2³² / golden ratio: neighbours end up far apart
_MASK = 0xFFFFFFFF

Words = NDArray[np.uint32]


def hash32(x: Words) -> Words:
    """Mix the bits of 32-bit words, modulo 2³² (lowbias32 [1]_).

    Parameters
    ----------
    x : ndarray of uint32
        Words to mix.

    Returns
    -------
    ndarray of uint32
        Mixed words. Different words stay different.

    References
    ----------
    .. [1] C. Wellons, "Prospecting for hash functions", 2018. https://nullprogram.com/blog/2018/07/31/

    Examples
    --------
    >>> hash32(np.array([0, 1, 2], dtype=np.uint32))
    array([         0, 1753845952, 3507691905], dtype=uint32)
    """
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def dropout_mask(
    seed: int, step: int, layer: int, shape: tuple[int, int], probability: float, first: int = 0
) -> NDArray[np.bool_]:
    """Return which neurons of a hidden layer are active in one update.

    Parameters
    ----------
    seed : int
        Seed in 0..2³² − 1.
    step : int
        Number of updates made before.
    layer : int
        Number l of the hidden layer, 1..L-1.
    shape : tuple of int
        Samples of the minibatch, neurons of the layer.
    probability : float
        Probability in [0, 1) that a neuron is dropped.
    first : int
        Samples of the minibatch before these, of which they are a share.

    Returns
    -------
    ndarray of bool (n_samples, n_l)
        Whether a neuron is active for a sample.

    Examples
    --------
    >>> dropout_mask(seed=1, step=0, layer=1, shape=(2, 4), probability=0.5)
    array([[False, False,  True,  True],
           [False, False,  True,  True]])
    """
    samples, neurons = (np.arange(n, dtype=np.uint32) for n in shape)
    layer_key = hash32(hash32(_word(seed ^ step)) + _word(layer))
    key = hash32(layer_key + samples + np.uint32(first))
    u = hash32(key[:, np.newaxis] + neurons * np.uint32(_GOLDEN))
    return u >= np.uint32(int(probability * 2.0**32))


def _word(number: int) -> Words:
    return np.array([number & _MASK], dtype=np.uint32)
