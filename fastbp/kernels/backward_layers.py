"""Backward: δ_j = Σ_i w_ij δ_i σ'(z_j).

    1. layers l             from the last one down
    2. panels of inputs j   `fastbp.kernels.tiles.gemm` sums over outputs i and multiplies by σ'(z_j), which lies there
    3. samples s            the block that has just gone forward

Shapes: δ (n_samples, n_in) and (n_samples, n_out), rows `ld` apart; W in panels of columns j.
"""

from __future__ import annotations

from fastbp.kernels.runtime.jit import inner
from fastbp.kernels.tiles.gemm import gemm
from fastbp.kernels.tiles.packing import padded
from fastbp.kernels.vectors.memory import lanes_in


@inner
def backward_layer(ws, layer, below, s0, s1):
    """δ_j = Σ_i w_ij δ_i σ'(z_j) for samples [s0, s1), from `layer` to the one `below`, where σ'(z_j) lies."""
    w_t, depth = ws.w_t + layer.w_t, padded(layer.n_out, lanes_in(ws.delta))
    if layer.skinny:
        w_t, depth = ws.w + layer.weights, layer.n_out
    to, delta, slopes = ws.delta + below.outputs, ws.delta + layer.outputs, below.activation | ws.drop_threshold
    gemm(to, below.ld, delta, ws.identity, layer.ld, layer.n_out, w_t, depth, layer.n_in, ws.zeros, slopes, s0, s1)


@inner
def backward_samples(ws, layers, s0, s1):
    """The layers in turn, l = L..2, for samples [s0, s1): from δ^L to every δ^l."""
    for l in range(len(layers) - 1, 0, -1):
        backward_layer(ws, layers[l], layers[l - 1], s0, s1)
