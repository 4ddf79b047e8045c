"""Forward: z_i = Σ_j w_ij a_j + b_i, a_i = σ(z_i).

Shapes: a (n_samples, n_out) and x (n_samples, n_in), rows `lead` apart; W as panels of columns i; b (n_out).
"""

from __future__ import annotations

import numpy as np
from numba import prange

from fastbp.kernels.dropout import drop
from fastbp.kernels.formulas import call_activation
from fastbp.kernels.jit import entry, inner
from fastbp.kernels.narrow import product_narrow
from fastbp.kernels.panels import pack, padded, product
from fastbp.kernels.simd import at, keep, lanes_in, pointer


@inner
def forward_layer(memory, layer, x, index, lead_in, s0, s1):
    """z_i = Σ_j w_ij a_j + b_i, a_i = σ(z_i) for samples [s0, s1); σ'(z_i) is left where δ_i will stand."""
    a, d, lead = at(memory.a, layer.outputs), at(memory.d, layer.outputs), layer.lead
    w, b = at(memory.w, layer.weights), at(memory.w, layer.biases)
    if layer.narrow:
        product_narrow(a, lead, x, lead_in, layer.n_in, w, layer.n_out, b, s0, s1)
    else:
        product(a, lead, x, index, lead_in, layer.n_in, w, layer.n_in, layer.n_out, b, np.int64(0), s0, s1)
    if layer.activation != 0:
        call_activation(layer.activation, at(a, s0 * lead), at(d, s0 * lead), s1 - s0, lead, layer.n_out)


@inner
def forward_samples(memory, layers, x, index, step, s0, s1):
    """The layers in turn, l = 1..L, for samples [s0, s1) of the minibatch whose rows of `x` `index` names."""
    for l in range(len(layers)):
        layer = layers[l]
        if l == 0:
            forward_layer(memory, layer, x, index, layer.lead_in, s0, s1)
        else:
            forward_layer(memory, layer, at(memory.a, layers[l - 1].outputs), memory.same, layer.lead_in, s0, s1)
        if memory.drop_below != 0 and l < len(layers) - 1:
            drop(memory, layer, l + 1, step, s0, s1)


def forward_arrays(z, W, b, x, threads):
    """z_si = Σ_j w_ij x_sj + b_i on whole arrays: z (m, n_out), W (n_out, n_in), b (n_out,), x (m, n_in), C order."""
    m, n_out = z.shape
    n_in = x.shape[1]
    lanes = lanes_in(pointer(W))
    lead = padded(n_out, lanes)
    w, start = np.zeros(lead * n_in, W.dtype), np.zeros(lead, W.dtype)
    rows, index = np.empty((m, lead), W.dtype), np.arange(m)
    start[:n_out] = b
    pack(pointer(w), pointer(W), n_out, n_in)
    share = (m + threads - 1) // threads
    for t in prange(threads):
        product(
            pointer(rows),
            lead,
            pointer(x),
            pointer(index),
            n_in,
            n_in,
            pointer(w),
            n_in,
            n_out,
            pointer(start),
            np.int64(0),
            min(m, np.int64(t) * share),
            min(m, np.int64(t) * share + share),
        )
    z[:] = rows[:, :n_out]
    keep(w)
    keep(start)
    keep(rows)
    keep(index)


forward = entry(forward_arrays, "forward", parallel=True)
