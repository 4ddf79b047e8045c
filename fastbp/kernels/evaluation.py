"""Forward through all layers without training, a block of samples at a time: outputs, or costs."""

from __future__ import annotations

import numpy as np
from numba import prange

from fastbp.kernels.epoch import delta_output
from fastbp.kernels.forward import forward_samples
from fastbp.kernels.jit import entry, inner
from fastbp.kernels.memory import all_layers, opened
from fastbp.kernels.simd import at, pointer

# Samples that go forward together: for so many the weights are read once, whatever cache they are in.
SAMPLES = 256


@inner
def output_share(memory, layers, rows, n, out, right, t, threads):
    """Thread t's blocks of samples forward through all layers: a^L into `out`, or costs where it has no room."""
    last, s0 = layers[len(layers) - 1], t * SAMPLES
    for block in range(t * SAMPLES, n, threads * SAMPLES):
        m = min(SAMPLES, n - block)
        forward_samples(memory, layers, memory.x, at(rows, block - s0), 0, s0, s0 + m)
        if memory.loss != 0:
            delta_output(memory, last, at(rows, block - s0), s0, s0 + m, 1.0)
            for s in range(s0, s0 + m):
                out[block - s0 + s] = memory.cost[s] * memory.weight[s]
                right[block - s0 + s] = memory.right[s]
        else:
            for s in range(s0, s0 + m):
                for i in range(last.n_out):
                    out[(block - s0 + s) * last.n_out + i] = memory.a[last.outputs + s * last.lead + i]


def outputs(records, shapes, rows, out, right, threads):
    """a^L of the rows of the data into `out` (n, n_L).

    Where the record names a loss, v_s C_s into `out` (n,), and 1 into `right` (n,) where the label is right.
    """
    for t in prange(threads):
        output_share(
            opened(records, out),
            all_layers(shapes),
            pointer(rows),
            len(rows),
            pointer(out),
            pointer(right),
            np.int64(t),
            threads,
        )


outputs_serial = entry(outputs, "outputs_serial")
outputs_parallel = entry(outputs, "outputs_parallel", parallel=True)
