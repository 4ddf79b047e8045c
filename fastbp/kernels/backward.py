"""Backward: δ_j = Σ_i w_ij δ_i σ'(z_j).

Shapes: delta_in (n_samples, n_in) and delta_out (n_samples, n_out), rows `lead` apart; W as panels of columns j.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from fastbp.kernels.jit import entry, inner
from fastbp.kernels.panels import pack_back, padded, product
from fastbp.kernels.simd import at, keep, lanes_in, pointer


@inner
def backward_layer(memory, layer, below, s0, s1):
    """δ_j = Σ_i w_ij δ_i σ'(z_j) for samples [s0, s1), from `layer` to the one `below`, where σ'(z_j) lies."""
    back, depth = at(memory.back, layer.back), padded(layer.n_out, lanes_in(memory.d))
    if layer.narrow:
        back, depth = at(memory.w, layer.weights), layer.n_out
    product(
        at(memory.d, below.outputs),
        below.lead,
        at(memory.d, layer.outputs),
        memory.same,
        layer.lead,
        layer.n_out,
        back,
        depth,
        layer.n_in,
        memory.zeros,
        below.activation | memory.drop_below,
        s0,
        s1,
    )


@inner
def backward_samples(memory, layers, s0, s1):
    """The layers in turn, l = L..2, for samples [s0, s1): from δ^L to every δ^l."""
    for l in range(len(layers) - 1, 0, -1):
        backward_layer(memory, layers[l], layers[l - 1], s0, s1)


def backward_arrays(delta_in, delta_out, W, sigma_prime, threads):
    """δ_sj = Σ_i w_ij δ_si σ'(z_sj) on whole arrays.

    delta_in, sigma_prime (m, n_in); delta_out (m, n_out); W (n_out, n_in); all in C order.
    """
    m, n_in = delta_in.shape
    n_out = delta_out.shape[1]
    lanes = lanes_in(pointer(W))
    lead, depth = padded(n_in, lanes), padded(n_out, lanes)
    back, zeros = np.zeros(lead * depth, W.dtype), np.zeros(lead, W.dtype)
    rows, index = np.zeros((m, lead), W.dtype), np.arange(m)
    rows[:, :n_in] = sigma_prime
    pack_back(pointer(back), pointer(W), n_out, n_in, depth)
    share = (m + threads - 1) // threads
    for t in prange(threads):
        product(
            pointer(rows),
            lead,
            pointer(delta_out),
            pointer(index),
            n_out,
            n_out,
            pointer(back),
            depth,
            n_in,
            pointer(zeros),
            np.int64(1),
            min(m, np.int64(t) * share),
            min(m, np.int64(t) * share + share),
        )
    delta_in[:] = rows[:, :n_in]
    keep(back)
    keep(zeros)
    keep(rows)
    keep(index)


backward = entry(backward_arrays, "backward", parallel=True)
