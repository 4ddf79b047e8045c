"""Training: minibatches of one epoch in one compiled call, two parallel loops a step and no reduction.

1. over samples   each thread takes its samples forward through all layers and back again
2. over weights   each thread sums ∂C/∂w over the whole batch for its own weights and updates them

No array of gradients is stored, and every sum runs in one order, so the bits are the same at any thread count.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import prange

from fastbp.kernels.backward import backward_samples
from fastbp.kernels.formulas import call_loss, row_max
from fastbp.kernels.forward import forward_samples
from fastbp.kernels.gradient import gradient_layers
from fastbp.kernels.jit import entry, inner
from fastbp.kernels.panels import pack, pack_back, unpack
from fastbp.kernels.rules import apply_layers, limit_layers, norm
from fastbp.kernels.simd import (
    at,
    first_lanes,
    first_true,
    lane_number_is,
    lanes_in,
    load,
    load_first,
    pointer,
    pointer_from,
    store,
)

# One row a layer; `weights`, `biases`, `back`, `outputs` are offsets in numbers into the buffers w, w, back and a or d.
LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            "n_in",
            "n_out",
            "lead_in",
            "lead",
            "weights",
            "biases",
            "back",
            "outputs",
            "activation",
            "parameters",
        )
    ]
)

# One record: addresses of the buffers, then numbers.
MEMORY = np.dtype(
    [
        (name, np.int64)
        for name in (
            "w",
            "back",
            "s",
            "u",
            "g",
            "a",
            "d",
            "y",
            "weight",
            "cost",
            "right",
            "same",
            "zeros",
            "scratch",
            "x",
            "targets",
            "labels",
            "sample_weight",
            "update",
            "loss",
            "ending",
            "count_right",
            "binary",
            "at_zero",
            "shaped",
            "seed",
            "drop_below",
            "step",
        )
    ]
    + [
        (name, np.float64)
        for name in ("l1", "l2", "clip_value", "clip_norm", "max_norm", "drop_scale", "sharp", "spread")
    ]
)

# Samples that go forward and back together: their a and δ should stay in the L2 cache.
SAMPLES = 64


class Memory(NamedTuple):
    """The buffers of a fit as pointers, and what is the same for all its steps."""

    w: Any
    back: Any
    s: Any
    u: Any
    g: Any
    a: Any
    d: Any
    y: Any
    weight: Any
    cost: Any
    right: Any
    same: Any
    zeros: Any
    scratch: Any
    update: Any
    loss: Any
    ending: Any
    shaped: Any
    l1: Any
    l2: Any
    clip_value: Any
    seed: Any
    drop_below: Any
    drop_scale: Any


@inner
def opened(record, floats, doubles, integers):
    """The record's addresses as pointers of the types of `floats`, `doubles`, `integers`."""
    return Memory(
        pointer_from(record.w, floats),
        pointer_from(record.back, floats),
        pointer_from(record.s, floats),
        pointer_from(record.u, floats),
        pointer_from(record.g, floats),
        pointer_from(record.a, floats),
        pointer_from(record.d, floats),
        pointer_from(record.y, floats),
        pointer_from(record.weight, floats),
        pointer_from(record.cost, doubles),
        pointer_from(record.right, integers),
        pointer_from(record.same, integers),
        pointer_from(record.zeros, floats),
        pointer_from(record.scratch, floats),
        record.update,
        record.loss,
        record.ending,
        record.shaped,
        record.l1,
        record.l2,
        record.clip_value,
        record.seed,
        record.drop_below,
        record.drop_scale,
    )


# ------------------------------------------------------------------ loop 1: samples
@inner
def take_targets(memory, record, layer, rows, s0, s1, v):
    """y and weight of samples [s0, s1): rows of the targets, or ones at the labels' places; `v` is 1/m."""
    targets, labels = pointer_from(record.targets, memory.y), pointer_from(record.labels, memory.same)
    weights, n, zero = pointer_from(record.sample_weight, memory.y), layer.n_out, load(memory.zeros, 0)
    for s in range(s0, s1):
        o, row = s * layer.lead, rows[s]
        for i in range(0, n, lanes_in(memory.y)):
            if record.labels == 0:
                y = load_first(targets, row * n + i, n - i)
            elif record.binary:
                y = np.where(lane_number_is(zero, 0), zero + labels[row], zero)
            else:
                y = np.where(lane_number_is(zero, labels[row] - i), zero + 1, zero)
            # label smoothing: (1 − ε) y + ε/n
            store(memory.y, o + i, np.where(first_lanes(y, n - i), y * record.sharp + record.spread, zero))
        memory.weight[s] = v
        if record.sample_weight != 0:
            memory.weight[s] = v * weights[row]


@inner
def largest(x, o, n):
    """The index of the largest of the n numbers from x[o] on, the first one of equals."""
    top = row_max(x, o, n)
    for i in range(0, n, lanes_in(x)):
        k = i + first_true(load(x, o + i) == top)
        if k < min(n, i + lanes_in(x)):
            return k
    return np.int64(0)


@inner
def count_right(memory, record, layer, rows, s0, s1):
    """right[s] = 1 where the label of the outputs is the target's."""
    labels = pointer_from(record.labels, memory.same)
    for s in range(s0, s1):
        o = s * layer.lead
        if record.binary:
            limit = 0.0 if record.at_zero else 0.5
            memory.right[s] = (memory.a[layer.outputs + o] > limit) == (memory.y[o] > 0.5)
        elif record.labels != 0:
            memory.right[s] = largest(memory.a, layer.outputs + o, layer.n_out) == labels[rows[s]]
        else:
            memory.right[s] = largest(memory.a, layer.outputs + o, layer.n_out) == largest(memory.y, o, layer.n_out)


@inner
def delta_output(memory, record, layer, rows, s0, s1, v):
    """δ_i^L = ∂C/∂a_i σ'(z_i), and the costs, for samples [s0, s1)."""
    take_targets(memory, record, layer, rows, s0, s1, v)
    if record.count_right:
        count_right(memory, record, layer, rows, s0, s1)
    o = s0 * layer.lead
    call_loss(
        memory.loss,
        at(memory.a, layer.outputs + o),
        at(memory.d, layer.outputs + o),
        at(memory.y, o),
        at(memory.weight, s0),
        at(memory.cost, s0),
        s1 - s0,
        layer.lead,
        layer.n_out,
    )


@inner
def sample_share(record, layers, rows, m, step, t, threads, floats, doubles):
    """Thread t's samples of the minibatch `rows`, forward through all layers and back again."""
    memory = opened(record, floats, doubles, rows)
    x, share = pointer_from(record.x, floats), (m + threads - 1) // threads
    end, v = min(m, t * share + share), 1.0 / m
    for s in range(min(m, t * share), end, SAMPLES):
        s1 = min(end, s + SAMPLES)
        forward_samples(memory, layers, x, rows, step, s, s1)
        delta_output(memory, record, layers[len(layers) - 1], rows, s, s1, v)
        backward_samples(memory, layers, s, s1)


# ------------------------------------------------------------------ loop 2: weights
@inner
def weight_share(record, layers, rows, m, hyper, t, threads, floats, doubles):
    """Thread t's share of the weights, ∂C/∂w summed over the whole minibatch and the update."""
    memory = opened(record, floats, doubles, rows)
    gradient_layers(memory, layers, pointer_from(record.x, floats), rows, m, hyper, t, threads)


# ------------------------------------------------------------------ loops 3 and 4: only where a rule asks for them
@inner
def clip_factor(record, layers, rows, floats, doubles):
    """What the stored gradient is multiplied by, so that its norm is `clip_norm` at most."""
    length = norm(opened(record, floats, doubles, rows), layers)
    return record.clip_norm / length if length > record.clip_norm else 1.0


@inner
def apply_share(record, layers, rows, hyper, factor, t, threads, floats, doubles):
    """Thread t's share of the update with the stored gradient times `factor`."""
    apply_layers(opened(record, floats, doubles, rows), layers, hyper, factor, t, threads)


@inner
def limit_share(record, layers, rows, t, threads, floats, doubles):
    """Thread t's share of the neurons, their weights no longer than `max_norm`."""
    limit_layers(opened(record, floats, doubles, rows), layers, record.max_norm, t, threads)


# ------------------------------------------------------------------ steps
def steps(ruled):
    """The loop over minibatches; with the loops of clipping by norm and of max-norm where `ruled`."""

    def train(records, layers, rows, batch, hyper, floats, doubles, threads):
        """Minibatches of `batch` consecutive entries of `rows`, one after the other; the last one may be smaller.

        Parameters
        ----------
        records : MEMORY (1,)
            Addresses of all buffers.
        layers : LAYER (L,)
            The network's shape.
        rows : int64 (n,)
            Rows of the data, a minibatch after the other.
        batch : int
            Samples of one minibatch.
        hyper : (n_steps, H)
            The optimizer's numbers at each step.
        floats, doubles : arrays of the network's dtype and of float64
            They give the types of the pointers.
        threads : int
            Shares of each loop.

        Returns
        -------
        (float, int)
            Σ_s v_s C_s, each before its own update, and how many samples got the right label.
        """
        loss, right = 0.0, 0
        for k in range((len(rows) + batch - 1) // batch):
            m, step = min(batch, len(rows) - k * batch), records[0].step + k
            part, h = rows[k * batch : k * batch + m], hyper[k]
            for t in prange(threads):
                sample_share(
                    records[0], layers, pointer(part), m, step, np.int64(t), threads, pointer(floats), pointer(doubles)
                )
            for t in prange(threads):
                weight_share(
                    records[0],
                    layers,
                    pointer(part),
                    m,
                    pointer(h),
                    np.int64(t),
                    threads,
                    pointer(floats),
                    pointer(doubles),
                )
            if ruled:
                if records[0].clip_norm > 0:
                    factor = clip_factor(records[0], layers, pointer(part), pointer(floats), pointer(doubles))
                    for t in prange(threads):
                        apply_share(
                            records[0],
                            layers,
                            pointer(part),
                            pointer(h),
                            factor,
                            np.int64(t),
                            threads,
                            pointer(floats),
                            pointer(doubles),
                        )
                if records[0].max_norm > 0:
                    for t in prange(threads):
                        limit_share(
                            records[0], layers, pointer(part), np.int64(t), threads, pointer(floats), pointer(doubles)
                        )
            batch_loss, batch_right = tally(records[0], m, pointer(part), pointer(floats), pointer(doubles))
            loss, right = loss + batch_loss, right + batch_right
        return loss, right

    return train


@inner
def tally(record, m, rows, floats, doubles):
    """Σ_s v_s C_s in the order of the samples, and the count of right labels."""
    memory = opened(record, floats, doubles, rows)
    loss, right = 0.0, 0
    for s in range(m):
        loss += memory.cost[s] * memory.weight[s] * m
    if record.count_right:
        for s in range(m):
            right += memory.right[s]
    return loss, right


# by (ruled, parallel)
TRAIN = {
    (ruled, parallel): entry(steps(ruled), f"train-{ruled:d}{parallel:d}", parallel)
    for ruled in (False, True)
    for parallel in (False, True)
}


# ------------------------------------------------------------------ without training
@inner
def output_share(record, layers, rows, n, out, t, threads, floats, doubles):
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
        else:
            for s in range(s0, s0 + m):
                for i in range(last.n_out):
                    out[(block - s0 + s) * last.n_out + i] = memory.a[last.outputs + s * last.lead + i]


def outputs(records, layers, rows, out, floats, doubles, threads):
    """a^L of the rows of the data into `out` (n, n_L), or v_s C_s into `out` (n,) where the record names a loss."""
    for t in prange(threads):
        output_share(
            records[0],
            layers,
            pointer(rows),
            len(rows),
            pointer(out),
            np.int64(t),
            threads,
            pointer(floats),
            pointer(doubles),
        )


outputs_serial = entry(outputs, "outputs_serial")
outputs_parallel = entry(outputs, "outputs_parallel", parallel=True)


# ------------------------------------------------------------------ between flat parameters and panels
def to_panels(w, back, flat, layers):
    """Panels, and those that backward reads where `back` has room, from the flat parameters."""
    for l in range(len(layers)):
        layer = layers[l]
        W = at(pointer(flat), layer.parameters)
        pack(at(pointer(w), layer.weights), W, layer.n_out, layer.n_in)
        if layer.back >= 0 and len(back) > 0:
            pack_back(at(pointer(back), layer.back), W, layer.n_out, layer.n_in)
        for i in range(layer.n_out):
            w[layer.biases + i] = W[layer.n_out * layer.n_in + i]


def from_panels(flat, w, layers):
    """The flat parameters from panels."""
    for l in range(len(layers)):
        layer = layers[l]
        W = at(pointer(flat), layer.parameters)
        unpack(W, at(pointer(w), layer.weights), layer.n_out, layer.n_in)
        for i in range(layer.n_out):
            W[layer.n_out * layer.n_in + i] = w[layer.biases + i]


pack_parameters = entry(to_panels, "pack_parameters")
unpack_parameters = entry(from_panels, "unpack_parameters")
