"""Forward through all layers without training, a block of samples at a time: outputs, or costs."""

from __future__ import annotations

import numpy as np
from numba import prange

from fastbp.kernels.forward_layers import activate, forward_samples, weighted_sums
from fastbp.kernels.output import delta_output
from fastbp.kernels.runtime.jit import entry, inner
from fastbp.kernels.runtime.records import layers_at, workspace_at
from fastbp.kernels.tiles.packing import refresh
from fastbp.kernels.vectors.memory import lanes_in, load, load_first, pointer, zero_in
from fastbp.kernels.vectors.simd import first_lane, lane_sum, splat


@inner
def rows_are_finite(x, index, ldx, n, m):
    """Whether the n numbers of m rows of x are finite: x − x is 0, or else not a number."""
    lanes, zero = lanes_in(x), splat(zero_in(x))
    t0, t1, t2, t3 = zero, zero, zero, zero
    whole, fours = n // lanes * lanes, n // (4 * lanes) * (4 * lanes)
    for s in range(m):
        a = x + index[s] * ldx
        for j in range(0, fours, 4 * lanes):
            t0 += load(a, j) - load(a, j)
            t1 += load(a, j + lanes) - load(a, j + lanes)
            t2 += load(a, j + 2 * lanes) - load(a, j + 2 * lanes)
            t3 += load(a, j + 3 * lanes) - load(a, j + 3 * lanes)
        for j in range(fours, whole, lanes):
            t0 += load(a, j) - load(a, j)
        if whole < n:
            rest = load_first(a, whole, n - whole)
            t1 += rest - rest
    return first_lane(lane_sum((t0 + t1) + (t2 + t3))) == 0


@inner
def forward_checked(ws, layers, index, s0, s1):
    """The layers for samples [s0, s1), whose rows of the data `index` names; whether these inputs are finite.

    An input that is not makes each z_i of its sample infinite or not a number: where z_0 is neither, no input is looked
    at (512 samples of 784-30-10: 4 % of the time, Zen 3).
    """
    first, t = layers[0], zero_in(ws.a)
    weighted_sums(ws, first, ws.x, index, first.ld_in, s0, s1)
    for s in range(s0, s1):
        z = ws.a[first.outputs + s * first.ld]
        t += z - z
    finite = t == 0 or rows_are_finite(ws.x, index + s0, first.ld_in, first.n_in, s1 - s0)
    activate(ws, first, s0, s1)
    forward_samples(ws, layers, np.int64(1), ws.x, index, np.int64(0), s0, s1)
    return finite


@inner
def output_share(ws, layers, rows, n, out, correct, size, t, threads):
    """Thread t's blocks of `size` samples through all layers; whether X is finite.

    `out` gets a^L. Where the record names a loss it gets costs, and `correct` which labels are the targets'.
    """
    last, s0, finite = layers[len(layers) - 1], t * size, True
    for block in range(t * size, n, threads * size):
        m = min(size, n - block)
        finite &= forward_checked(ws, layers, rows + (block - s0), s0, s0 + m)
        if ws.loss != 0:
            delta_output(ws, last, rows + (block - s0), s0, s0 + m, 1.0)
            for s in range(s0, s0 + m):
                out[block - s0 + s] = ws.cost[s] * ws.weight[s]
                correct[block - s0 + s] = ws.correct[s]
        else:
            for s in range(s0, s0 + m):
                for i in range(last.n_out):
                    out[(block - s0 + s) * last.n_out + i] = ws.a[last.outputs + s * last.ld + i]
    return finite


def outputs(address, layer_address, n_layers, rows, out, correct, size, threads, changed):
    """a^L of the rows of the data into `out` (n * n_L,), by blocks of `size` samples; whether all inputs are finite.

    Where the record names a loss, v_s C_s into `out` (n,), and 1 into `correct` (n,) where the label is correct.
    Where parameters may have `changed`, those that did are packed first.
    """
    if changed:
        refresh(workspace_at(address, out), layers_at(layer_address, n_layers))
    finite = np.ones(threads, np.bool_)
    for t in prange(threads):
        ws, layers, thread = workspace_at(address, out), layers_at(layer_address, n_layers), np.int64(t)
        finite[thread] = output_share(
            ws, layers, pointer(rows), len(rows), pointer(out), pointer(correct), size, thread, threads
        )
    return finite.all()


outputs_serial = entry(outputs, "outputs_serial")
outputs_parallel = entry(outputs, "outputs_parallel", parallel=True)
