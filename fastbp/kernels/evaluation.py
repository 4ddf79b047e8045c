"""Forward through all layers without training, a block of samples at a time: outputs, or costs."""

from __future__ import annotations

import numpy as np
from numba import prange

from fastbp.kernels.epoch import delta_output
from fastbp.kernels.forward import forward_samples
from fastbp.kernels.jit import entry, inner
from fastbp.kernels.memory import opened
from fastbp.kernels.simd import at, pointer, pointer_from

# Samples that go forward together: for so many the weights are read once, whatever cache they are in.
SAMPLES = 256


@inner
def output_share(record, layers, rows, n, out, right, t, threads, floats, doubles):
    """Thread t's blocks of samples forward through all layers: a^L into `out`, or costs where it has no room."""
    memory, last = opened(record, floats, doubles, rows), layers[len(layers) - 1]
    x, s0 = pointer_from(record.x, floats), t * SAMPLES
    for block in range(t * SAMPLES, n, threads * SAMPLES):
        m = min(SAMPLES, n - block)
        forward_samples(memory, layers, x, at(rows, block - s0), 0, s0, s0 + m)
        if record.loss != 0:
            delta_output(memory, record, last, at(rows, block - s0), s0, s0 + m, 1.0)
            for s in range(s0, s0 + m):
                out[block - s0 + s] = memory.cost[s] * memory.weight[s]
                right[block - s0 + s] = memory.right[s]
        else:
            for s in range(s0, s0 + m):
                for i in range(last.n_out):
                    out[(block - s0 + s) * last.n_out + i] = memory.a[last.outputs + s * last.lead + i]


def outputs(records, layers, rows, out, right, floats, doubles, threads):
    """a^L of the rows of the data into `out` (n, n_L).

    Where the record names a loss, v_s C_s into `out` (n,), and 1 into `right` (n,) where the label is right.
    """
    for t in prange(threads):
        output_share(
            records[0],
            layers,
            pointer(rows),
            len(rows),
            pointer(out),
            pointer(right),
            np.int64(t),
            threads,
            pointer(floats),
            pointer(doubles),
        )


outputs_serial = entry(outputs, "outputs_serial")
outputs_parallel = entry(outputs, "outputs_parallel", parallel=True)
