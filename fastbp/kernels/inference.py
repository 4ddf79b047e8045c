"""Forward through all layers without training, a block of samples at a time: outputs, or costs."""

from __future__ import annotations

import numpy as np
from numba import prange

from fastbp.kernels.blocking import INFERENCE_BLOCK
from fastbp.kernels.forward import forward_samples
from fastbp.kernels.output import delta_output
from fastbp.kernels.runtime.jit import entry, inner
from fastbp.kernels.runtime.records import layers_at, workspace_at
from fastbp.kernels.vectors.memory import pointer


@inner
def output_share(ws, layers, rows, n, out, correct, t, threads):
    """Thread t's blocks of samples forward through all layers: a^L into `out`; where the record names a loss, costs."""
    last, s0 = layers[len(layers) - 1], t * INFERENCE_BLOCK
    for block in range(t * INFERENCE_BLOCK, n, threads * INFERENCE_BLOCK):
        m = min(INFERENCE_BLOCK, n - block)
        forward_samples(ws, layers, ws.x, rows + (block - s0), 0, s0, s0 + m)
        if ws.loss != 0:
            delta_output(ws, last, rows + (block - s0), s0, s0 + m, 1.0)
            for s in range(s0, s0 + m):
                out[block - s0 + s] = ws.cost[s] * ws.weight[s]
                correct[block - s0 + s] = ws.correct[s]
        else:
            for s in range(s0, s0 + m):
                for i in range(last.n_out):
                    out[(block - s0 + s) * last.n_out + i] = ws.a[last.outputs + s * last.ld + i]


def outputs(address, layer_address, n_layers, rows, out, correct, threads):
    """a^L of the rows of the data into `out` (n * n_L,).

    Where the record names a loss, v_s C_s into `out` (n,), and 1 into `correct` (n,) where the label is correct.
    """
    for t in prange(threads):
        ws, layers = workspace_at(address, out), layers_at(layer_address, n_layers)
        output_share(ws, layers, pointer(rows), len(rows), pointer(out), pointer(correct), np.int64(t), threads)


outputs_serial = entry(outputs, "outputs_serial")
outputs_parallel = entry(outputs, "outputs_parallel", parallel=True)
