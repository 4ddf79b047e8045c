"""Which neurons are silent: a function of seed, update, layer, sample and neuron, in whatever order they are asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0x9E3779B9  # 2³² / golden ratio: neighbours end up far apart
_MASK = 0xFFFFFFFF

Words = NDArray[np.uint32]


def hash32(x: Words) -> Words:
    """Mix the bits of 32-bit words (the finalizer lowbias32 of Wellons, 2018); arithmetic is modulo 2³².

    Examples
    --------
    >>> hash32(np.array([0, 1, 2], dtype=np.uint32))
    array([         0, 1753845952, 3507691905], dtype=uint32)
    """
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def kept(seed: int, step: int, layer: int, shape: tuple[int, int], probability: float) -> NDArray[np.bool_]:
    """Return which neurons of a hidden layer speak in one update, (n_samples, n_l).

    Parameters
    ----------
    seed : int
        0..2³² − 1.
    step : int
        Updates made before.
    layer : int
        l of the hidden layer, 1..L-1.
    shape : tuple of int
        Samples of the minibatch, neurons of the layer.
    probability : float
        That of silence, in [0, 1).

    Examples
    --------
    >>> kept(seed=1, step=0, layer=1, shape=(2, 4), probability=0.5)
    array([[False, False,  True,  True],
           [False, False,  True,  True]])
    """
    samples, neurons = (np.arange(n, dtype=np.uint32) for n in shape)
    layer_key = hash32(hash32(_word(seed ^ step)) + _word(layer))
    key = hash32(layer_key + samples)
    u = hash32(key[:, np.newaxis] + neurons * np.uint32(_GOLDEN))
    return u >= np.uint32(int(probability * 2.0**32))


def _word(number: int) -> Words:
    return np.array([number & _MASK], dtype=np.uint32)
