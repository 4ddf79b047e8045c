"""Forward for a few samples: W as the user has it, read once a sample, nothing packed.

By way of panels 1 or 8 samples of 784-30-10 took 88 and 96 µs, most of it for the panels; here 2.3 and 11 (one run,
AMD Zen 5, one thread).
"""

from __future__ import annotations

import numpy as np

from fastbp.kernels.blocking import NEURONS
from fastbp.kernels.formulas import call_activation
from fastbp.kernels.runtime.jit import entry, inner
from fastbp.kernels.runtime.records import layers_at
from fastbp.kernels.tiles.tile import dot_step, rows_of, store_sums, tile_of
from fastbp.kernels.vectors.memory import keep_alive, lanes_in, load, pointer, zero_in
from fastbp.kernels.vectors.simd import splat


@inner
def dot_layer(z, W, b, x, n_out, n_in):
    """z_i = Σ_j w_ij x_j + b_i with vectors over j, a group of neurons i at a time; z has room for a whole group."""
    lanes = lanes_in(W)
    whole = n_in // lanes * lanes
    for i in range(0, n_out, NEURONS):
        rows = rows_of(W + i * n_in, n_in, n_out - 1 - i, NEURONS)
        zero = splat(zero_in(W))
        t = tile_of((zero,), rows)
        for j in range(0, whole, lanes):
            t = dot_step(t, rows, j, (load(x, j),))
        store_sums(z + i, t)
        for k in range(i, min(i + NEURONS, n_out)):
            for j in range(whole, n_in):
                z[k] += W[k * n_in + j] * x[j]
            z[k] += b[k]


def small_batch(parameters, address, count, X, out):
    """a^L of each row of X (m, n_0) into `out` (m, n_L); parameters W1, b1, W2, b2, ...

    The address of the LAYER records and not their array: Numba takes 0.5 µs to know its type.
    """
    layers = layers_at(address, count)
    widest = 0
    for l in range(len(layers)):
        widest = max(widest, layers[l].ld)
    now, then = np.empty(widest + 16, out.dtype), np.empty(widest + 16, out.dtype)
    for s in range(out.shape[0]):
        x = pointer(X) + s * layers[0].n_in
        for l in range(len(layers)):
            layer = layers[l]
            W = pointer(parameters) + layer.parameters
            z = pointer(now)
            dot_layer(z, W, W + layer.n_out * layer.n_in, x, layer.n_out, layer.n_in)
            if layer.activation != 0:
                call_activation(layer.activation, z, z, 1, layer.ld, layer.n_out)
            x = z
            now, then = then, now
        for i in range(out.shape[1]):
            out[s, i] = x[i]
    keep_alive(now)
    keep_alive(then)


forward_small_batch = entry(small_batch, "small_batch")
