"""Training: minibatches of one epoch in one compiled call, two parallel loops a step and no reduction.

1. over samples   each thread takes its samples forward through all layers and back again
2. over weights   each thread sums ∂C/∂w over the whole batch for its own weights and updates them

No array of gradients is stored, and every sum runs in one order, so the bits are the same at any thread count.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from fastbp.kernels.backward import backward_samples
from fastbp.kernels.formulas import call_loss, row_max
from fastbp.kernels.forward import forward_samples
from fastbp.kernels.gradient import DESCEND, gradient_layers
from fastbp.kernels.jit import entry, inner
from fastbp.kernels.memory import opened
from fastbp.kernels.narrow import NARROW
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


# ------------------------------------------------------------------ loop 1: samples
@inner
def take_targets(memory, record, layer, rows, s0, s1, v):
    """y and weight of samples [s0, s1): rows of the targets, or ones at the labels' places; δ^L has the factor `v`."""
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
    if n <= NARROW:  # one by one: 2.8 ns a sample of two outputs, across the lanes 5.7
        first = 0
        for i in range(1, n):
            first = i if x[o + i] > x[o + first] else first
        return np.int64(first)
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
def sample_share(record, layers, rows, m, step, hyper, t, threads, floats, doubles):
    """Thread t's samples of the minibatch `rows`, forward through all layers and back again."""
    memory = opened(record, floats, doubles, rows)
    x, share = pointer_from(record.x, floats), (m + threads - 1) // threads
    end, v = min(m, t * share + share), 1.0 / m
    if record.ending == DESCEND:
        v = -hyper[0] / m
    for s in range(min(m, t * share), end, record.together):
        s1 = min(end, s + record.together)
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
                    records[0],
                    layers,
                    pointer(part),
                    m,
                    step,
                    pointer(h),
                    np.int64(t),
                    threads,
                    pointer(floats),
                    pointer(doubles),
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
    memory, weights = opened(record, floats, doubles, rows), pointer_from(record.sample_weight, floats)
    loss, right = 0.0, 0
    for s in range(m):
        loss += memory.cost[s] * weights[rows[s]] if record.sample_weight != 0 else memory.cost[s]
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
