"""Forward: z_i = Σ_j w_ij a_j + b_i, a_i = σ(z_i).

    1. layers l             one after the other
    2. panels of outputs i  `fastbp.kernels.tiles.gemm` sums over inputs j
    3. samples s            a block of them goes through all layers, so that a stays in L2

Shapes: a (n_samples, n_out) and x (n_samples, n_in), rows `ld` apart; W in panels of columns i; b (n_out).
"""

from __future__ import annotations

import numpy as np

from fastbp.kernels.dropout import drop
from fastbp.kernels.formulas import call_activation
from fastbp.kernels.runtime.jit import inner
from fastbp.kernels.tiles.gemm import gemm
from fastbp.kernels.tiles.skinny import gemm_skinny


@inner
def weighted_sums(ws, layer, x, index, ld_in, s0, s1):
    """z_i = Σ_j w_ij a_j + b_i for samples [s0, s1), where a_i will stand."""
    z, w, b = ws.a + layer.outputs, ws.w + layer.weights, ws.w + layer.biases
    if layer.skinny:
        gemm_skinny(z, layer.ld, x, ld_in, layer.n_in, w, layer.n_out, b, s0, s1)
    else:
        gemm(z, layer.ld, x, index, ld_in, layer.n_in, w, layer.n_in, layer.n_out, b, np.int64(0), s0, s1)


@inner
def activate(ws, layer, s0, s1):
    """a_i = σ(z_i) for samples [s0, s1); σ'(z_i) is left where δ_i will stand."""
    start = layer.outputs + s0 * layer.ld
    if layer.activation != 0:
        call_activation(layer.activation, ws.a + start, ws.delta + start, s1 - s0, layer.ld, layer.n_out)


@inner
def forward_layer(ws, layer, x, index, ld_in, s0, s1):
    """z_i = Σ_j w_ij a_j + b_i, a_i = σ(z_i) for samples [s0, s1); σ'(z_i) is left where δ_i will stand."""
    weighted_sums(ws, layer, x, index, ld_in, s0, s1)
    activate(ws, layer, s0, s1)


@inner
def forward_samples(ws, layers, done, x, index, step, s0, s1):
    """The layers after the first `done`, in turn, for samples [s0, s1); `index` names their rows of `x`."""
    for l in range(done, len(layers)):
        layer = layers[l]
        if l == 0:
            forward_layer(ws, layer, x, index, layer.ld_in, s0, s1)
        else:
            forward_layer(ws, layer, ws.a + layers[l - 1].outputs, ws.identity, layer.ld_in, s0, s1)
        if ws.drop_threshold != 0 and l < len(layers) - 1:
            drop(ws, layer, l + 1, step, s0, s1)
