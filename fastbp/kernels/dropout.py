"""Dropout with random numbers that are a function of what they are for: the same bits at any thread count."""
from __future__ import annotations

import numpy as np

from fastbp.kernels.runtime.jit import inner

GOLDEN = np.uint32(0x9E3779B9)


@inner
def hash32(x):
    """Bits that look random, from a number that counts (Wellons, lowbias32)."""
    x = np.uint32(x)
    x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D))
    x = np.uint32((x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


@inner
def drop(ws, layer, l, step, s0, s1):
    """a_i and σ'(z_i) times 0, or 1/(1 − p), for samples [s0, s1) of hidden layer `l` (from 1) at update `step`.

    The mask is a function of seed, step, layer, sample and neuron: the same at any thread count and any order. Sample 0
    is number `first` of the minibatch, of which this process may have a share.
    """
    key_l = hash32(hash32(np.uint32(ws.seed) ^ np.uint32(step)) + np.uint32(l))
    least, scale = np.uint32(ws.drop_threshold), ws.drop_scale
    for s in range(s0, s1):
        key, o = hash32(key_l + np.uint32(ws.first + s)), layer.outputs + s * layer.ld
        if layer.activation == 0:
            for i in range(layer.n_out):
                ws.delta[o + i] = 1
        for i in range(layer.n_out):
            factor = scale if hash32(key + np.uint32(np.uint32(i) * GOLDEN)) >= least else 0.0
            ws.a[o + i] = ws.a[o + i] * factor
            ws.delta[o + i] = ws.delta[o + i] * factor
