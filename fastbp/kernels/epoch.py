"""Training: minibatches of one epoch in one compiled call, two loops a step that threads share, and no reduction.

1. over samples   each thread takes its samples forward through all layers and back again
2. over weights   each thread sums ∂C/∂w over the whole batch for its own weights and updates them

After each loop the threads meet. No array of gradients is stored, and every sum runs in one order, so the bits are the
same at any thread count.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from fastbp.kernels.backward import backward_samples
from fastbp.kernels.formulas import call_loss, row_max
from fastbp.kernels.forward import forward_samples
from fastbp.kernels.gradient import DESCEND, gradient_layers
from fastbp.kernels.jit import entry, inner
from fastbp.kernels.meeting import gathered, meet, open_meeting
from fastbp.kernels.memory import all_layers, given, opened
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
    store,
)


# ------------------------------------------------------------------ loop 1: samples
@inner
def take_targets(memory, layer, rows, s0, s1, v):
    """y and weight of samples [s0, s1): rows of the targets, or ones at the labels' places; δ^L has the factor `v`."""
    n, zero = layer.n_out, load(memory.zeros, 0)
    for s in range(s0, s1):
        o, row = s * layer.lead, rows[s]
        for i in range(0, n, lanes_in(memory.y)):
            if not given(memory.labels):
                y = load_first(memory.targets, row * n + i, n - i)
            elif memory.binary:
                y = np.where(lane_number_is(zero, 0), zero + memory.labels[row], zero)
            else:
                y = np.where(lane_number_is(zero, memory.labels[row] - i), zero + 1, zero)
            # label smoothing: (1 − ε) y + ε/n
            store(memory.y, o + i, np.where(first_lanes(y, n - i), y * memory.sharp + memory.spread, zero))
        memory.weight[s] = v
        if given(memory.sample_weight):
            memory.weight[s] = v * memory.sample_weight[row]


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
def count_right(memory, layer, rows, s0, s1):
    """right[s] = 1 where the label of the outputs is the target's."""
    for s in range(s0, s1):
        o = s * layer.lead
        if memory.binary:
            limit = 0.0 if memory.at_zero else 0.5
            memory.right[s] = (memory.a[layer.outputs + o] > limit) == (memory.y[o] > 0.5)
        elif given(memory.labels):
            memory.right[s] = largest(memory.a, layer.outputs + o, layer.n_out) == memory.labels[rows[s]]
        else:
            memory.right[s] = largest(memory.a, layer.outputs + o, layer.n_out) == largest(memory.y, o, layer.n_out)


@inner
def delta_output(memory, layer, rows, s0, s1, v):
    """δ_i^L = ∂C/∂a_i σ'(z_i), and the costs, for samples [s0, s1)."""
    take_targets(memory, layer, rows, s0, s1, v)
    if memory.count_right:
        count_right(memory, layer, rows, s0, s1)
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
def sample_share(memory, layers, rows, m, step, hyper, t, threads):
    """Thread t's samples of the minibatch `rows`, forward through all layers and back again."""
    share, last = (m + threads - 1) // threads, layers[len(layers) - 1]
    end, v = min(m, t * share + share), 1.0 / m
    if memory.ending == DESCEND:
        v = -hyper[0] / m
    for s in range(min(m, t * share), end, memory.together):
        s1 = min(end, s + memory.together)
        forward_samples(memory, layers, memory.x, rows, step, s, s1)
        delta_output(memory, last, rows, s, s1, v)
        backward_samples(memory, layers, s, s1)


# ------------------------------------------------------------------ between the loops: only where a rule asks for it
@inner
def clip_factor(memory, layers):
    """What the stored gradient is multiplied by, so that its norm is `clip_norm` at most."""
    length = norm(memory, layers)
    return memory.clip_norm / length if length > memory.clip_norm else 1.0


@inner
def plain(memory, layers, h, t, threads, meetings):
    """No rule: nothing is left to be done after the gradient."""
    return meetings


@inner
def rules(memory, layers, h, t, threads, meetings):
    """Thread t's share of what clipping by norm and max-norm do; the number of the last meeting."""
    if memory.clip_norm > 0:
        factor = clip_factor(memory, layers)  # by each thread for itself, of the whole gradient
        meet(memory.places, t, threads, meetings + 1)
        apply_layers(memory, layers, h, factor, t, threads)
        meet(memory.places, t, threads, meetings + 2)
        meetings += 2
    if memory.max_norm > 0:
        limit_layers(memory, layers, t, threads)
        meet(memory.places, t, threads, meetings + 1)
        meetings += 1
    return meetings


@inner
def tally(memory, m, rows):
    """Σ_s v_s C_s in the order of the samples, and the count of right labels."""
    loss, right = 0.0, 0
    for s in range(m):
        loss += memory.cost[s] * memory.sample_weight[rows[s]] if given(memory.sample_weight) else memory.cost[s]
    if memory.count_right:
        for s in range(m):
            right += memory.right[s]
    return loss, right


# ------------------------------------------------------------------ steps
def steps(after):
    """The loop over minibatches; what comes `after` the gradient: rules, or nothing."""

    @inner
    def share(memory, layers, rows, n, batch, hyper, width, t, threads):
        """Thread t's share of all steps; the first one's is also to add up costs and right labels."""
        loss, right, meetings, step = 0.0, 0, 1, memory.step
        for k in range((n + batch - 1) // batch):
            m, part, h = min(batch, n - k * batch), at(rows, k * batch), at(hyper, k * width)
            sample_share(memory, layers, part, m, step + k, h, t, threads)
            meet(memory.places, t, threads, meetings + 1)
            gradient_layers(memory, layers, memory.x, part, m, h, t, threads)
            if t == 0:
                batch_loss, batch_right = tally(memory, m, part)
                loss, right = loss + batch_loss, right + batch_right
            meet(memory.places, t, threads, meetings + 2)
            meetings = after(memory, layers, h, t, threads, meetings + 2)
        return loss, right

    def train(records, shapes, rows, batch, hyper, threads):
        """Minibatches of `batch` consecutive entries of `rows`, one after the other; the last one may be smaller.

        Parameters
        ----------
        records : MEMORY (1,)
            Addresses of all buffers.
        shapes : LAYER (L,)
            The network's shape.
        rows : int64 (n,)
            Rows of the data, a minibatch after the other.
        batch : int
            Samples of one minibatch.
        hyper : (n_steps, H)
            The optimizer's numbers at each step, of the network's dtype.
        threads : int
            Shares of each loop.

        Returns
        -------
        float64 (2,)
            Σ_s v_s C_s, each before its own update, and how many samples got the right label.
        """
        sums = np.zeros(2)
        open_meeting(opened(records, hyper).places, threads)
        for t in prange(threads):
            memory, layers, thread = opened(records, hyper), all_layers(shapes), np.int64(t)
            index, numbers, width = pointer(rows), pointer(hyper), hyper.shape[1]
            together = gathered(memory.places, thread, threads)
            if together or thread == 0:
                shares = threads if together else 1
                loss, right = share(memory, layers, index, len(rows), batch, numbers, width, thread, shares)
                if thread == 0:
                    sums[0], sums[1] = loss, right
        return sums

    return train


# by (ruled, parallel)
TRAIN = {
    (ruled, parallel): entry(steps(rules if ruled else plain), f"train-{ruled:d}{parallel:d}", parallel)
    for ruled in (False, True)
    for parallel in (False, True)
}
