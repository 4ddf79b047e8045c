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
from fastbp.kernels.forward import forward_samples
from fastbp.kernels.gradient import SGD, gradient_layers
from fastbp.kernels.norms import apply_layers, limit_layers, norm
from fastbp.kernels.output import delta_output
from fastbp.kernels.runtime.barrier import all_running, reset, wait
from fastbp.kernels.runtime.jit import entry, inner
from fastbp.kernels.runtime.records import layers_of, not_null, workspace
from fastbp.kernels.vectors.simd import pointer


@inner
def sample_share(ws, layers, rows, m, step, hyper, t, threads):
    """Thread t's samples of the minibatch `rows`, forward through all layers and back again."""
    share, last = (m + threads - 1) // threads, layers[len(layers) - 1]
    end, v = min(m, t * share + share), 1.0 / m
    if ws.epilogue == SGD:
        v = -hyper[0] / m
    for s in range(min(m, t * share), end, ws.together):
        s1 = min(end, s + ws.together)
        forward_samples(ws, layers, ws.x, rows, step, s, s1)
        delta_output(ws, last, rows, s, s1, v)
        backward_samples(ws, layers, s, s1)


# ------------------------------------------------------------------ between the loops: only where a rule asks for it
@inner
def clip_factor(ws, layers):
    """What the stored gradient is multiplied by, so that its norm is `clip_norm` at most."""
    length = norm(ws, layers)
    return ws.clip_norm / length if length > ws.clip_norm else 1.0


@inner
def no_rules(ws, layers, h, t, threads, phase):
    """No rule: nothing is left to be done after the gradient."""
    return phase


@inner
def rules(ws, layers, h, t, threads, phase):
    """Thread t's share of what clipping by norm and max-norm do; the number of the last meeting."""
    if ws.clip_norm > 0:
        factor = clip_factor(ws, layers)  # by each thread for itself, of the whole gradient
        wait(ws.arrivals, t, threads, phase + 1)
        apply_layers(ws, layers, h, factor, t, threads)
        wait(ws.arrivals, t, threads, phase + 2)
        phase += 2
    if ws.max_norm > 0:
        limit_layers(ws, layers, t, threads)
        wait(ws.arrivals, t, threads, phase + 1)
        phase += 1
    return phase


@inner
def tally(ws, m, rows):
    """Σ_s v_s C_s in the order of the samples, and the count of right labels."""
    loss, correct = 0.0, 0
    for s in range(m):
        loss += ws.cost[s] * ws.sample_weight[rows[s]] if not_null(ws.sample_weight) else ws.cost[s]
    if ws.count_correct:
        for s in range(m):
            correct += ws.correct[s]
    return loss, correct


# ------------------------------------------------------------------ steps
def steps(after):
    """The loop over minibatches; what comes `after` the gradient: rules, or nothing."""

    @inner
    def share(ws, layers, rows, n, batch, hyper, width, t, threads):
        """Thread t's share of all steps; the first one's is also to add up costs and right labels."""
        loss, correct, phase, step = 0.0, 0, 1, ws.step
        for k in range((n + batch - 1) // batch):
            m, part, h = min(batch, n - k * batch), rows + k * batch, hyper + k * width
            sample_share(ws, layers, part, m, step + k, h, t, threads)
            wait(ws.arrivals, t, threads, phase + 1)
            gradient_layers(ws, layers, ws.x, part, m, h, t, threads)
            if t == 0:
                batch_loss, batch_right = tally(ws, m, part)
                loss, correct = loss + batch_loss, correct + batch_right
            wait(ws.arrivals, t, threads, phase + 2)
            phase = after(ws, layers, h, t, threads, phase + 2)
        return loss, correct

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
        reset(workspace(records, hyper).arrivals, threads)
        for t in prange(threads):
            ws, layers, thread = workspace(records, hyper), layers_of(shapes), np.int64(t)
            index, numbers, width = pointer(rows), pointer(hyper), hyper.shape[1]
            together = all_running(ws.arrivals, thread, threads)
            if together or thread == 0:
                shares = threads if together else 1
                loss, correct = share(ws, layers, index, len(rows), batch, numbers, width, thread, shares)
                if thread == 0:
                    sums[0], sums[1] = loss, correct
        return sums

    return train


# by (ruled, parallel)
TRAIN = {
    (ruled, parallel): entry(steps(rules if ruled else no_rules), f"train-{ruled:d}{parallel:d}", parallel)
    for ruled in (False, True)
    for parallel in (False, True)
}
