"""Training: the minibatches of epochs in one compiled call, two loops a step that threads share, and no reduction.

1. over samples   each thread takes its samples forward through all layers and back again
2. over weights   each thread sums ∂C/∂w over the whole batch for its own weights and updates them

After each loop the threads wait at a barrier. No array of gradients is stored, and every sum runs in one order, so
the bits are the same at any thread count.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from fastbp.kernels.backward_layers import backward_samples
from fastbp.kernels.forward_layers import forward_samples
from fastbp.kernels.gradient_layers import SGD, gradient_layers
from fastbp.kernels.norms import apply_layers, limit_layers, norm, penalty
from fastbp.kernels.output import delta_output
from fastbp.kernels.runtime.barrier import all_running, reset, wait
from fastbp.kernels.runtime.jit import entry, inner
from fastbp.kernels.runtime.records import layers_at, not_null, workspace_at
from fastbp.kernels.tiles.packing import refresh, sync
from fastbp.kernels.vectors.memory import lanes_in, load, pointer, zero_in
from fastbp.kernels.vectors.simd import first_lane, lane_sum, splat

# Numbers that the workspace's `result` has of an epoch.
MEASURES = 5


# ------------------------------------------------------------------ loop 1: samples
@inner
def updates(ws):
    """Whether parameters follow the gradient, or else it is stored to be read."""
    return ws.epilogue == SGD or ws.update != 0


@inner
def sample_share(ws, layers, rows, m, step, hyper, t, threads):
    """Thread t's samples of the minibatch `rows`, forward through all layers and back; whether their loss is finite."""
    share, last = (m + threads - 1) // threads, layers[len(layers) - 1]
    begin, end, v = min(m, t * share), min(m, t * share + share), 1.0 / m
    if ws.epilogue == SGD:
        v = -hyper[0] / m
    elif not updates(ws):
        v = hyper[0] / m  # 1: the gradient of the mean, m: that of the sum
    for s in range(begin, end, ws.sample_block):
        s1 = min(end, s + ws.sample_block)
        forward_samples(ws, layers, np.int64(0), ws.x, rows, step, s, s1)
        delta_output(ws, last, rows, s, s1, v)
        backward_samples(ws, layers, s, s1)
    return math.isfinite(loss_of(ws, rows, begin, end))


@inner
def loss_of(ws, rows, s0, s1):
    """Σ_s v_s C_s in the order of the samples [s0, s1)."""
    loss = 0.0
    for s in range(s0, s1):
        loss += ws.cost[s] * ws.sample_weight[rows[s]] if not_null(ws.sample_weight) else ws.cost[s]
    return loss


@inner
def correct_of(ws, m):
    """How many of m samples have the label of their target."""
    correct = 0
    if ws.count_correct:
        for s in range(m):
            correct += ws.correct[s]
    return correct


@inner
def finite_share(ws, t, threads):
    """Whether thread t's share of all parameters is finite: x − x is 0 of finite numbers alone."""
    lanes, zero = lanes_in(ws.w), splat(zero_in(ws.w))
    vectors = ws.state_stride // lanes
    begin, end = vectors * t // threads, vectors * (t + 1) // threads
    t0, t1 = zero, zero
    for o in range(begin * lanes, (begin + (end - begin) // 2 * 2) * lanes, 2 * lanes):
        t0 += load(ws.w, o) - load(ws.w, o)
        t1 += load(ws.w, o + lanes) - load(ws.w, o + lanes)
    if (end - begin) % 2:
        t0 += load(ws.w, (end - 1) * lanes) - load(ws.w, (end - 1) * lanes)
    return first_lane(lane_sum(t0 + t1)) == 0


# ------------------------------------------------------------------ after loop 2: only where a rule asks for it
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
def norm_rules(ws, layers, h, t, threads, phase):
    """Thread t's share of what clipping by norm and max-norm do; the phase of the barrier after it."""
    if ws.clip_norm > 0:
        factor = clip_factor(ws, layers)  # by each thread for itself, of the whole gradient
        wait(ws.arrivals, t, threads, phase + 1, np.int64(0))
        apply_layers(ws, layers, h, factor, t, threads)
        wait(ws.arrivals, t, threads, phase + 2, np.int64(0))
        phase += 2
    if ws.max_norm > 0:
        limit_layers(ws, layers, t, threads)
        wait(ws.arrivals, t, threads, phase + 1, np.int64(0))
        phase += 1
    return phase


# ------------------------------------------------------------------ steps
@inner
def begin(ws, layers, threads, enters):
    """Before the threads: pack the parameters that changed, where the call `enters`; no thread has arrived."""
    if enters:
        refresh(ws, layers)
    reset(ws.arrivals, threads)


@inner
def finish(ws, layers, leaves):
    """After the threads: the parameters as users see them, where the call `leaves`."""
    if leaves:
        sync(ws, layers)


def epoch_with(after):
    """The loop over minibatches; what comes `after` the gradient: rules, or nothing."""

    @inner
    def epoch(ws, layers, rows, n, batch, hyper, width, first, result, t, threads, phase):
        """Thread t's share of an epoch, whose update number `first` comes first; the phase after it, 0 if it stopped.

        Thread 0 also adds up what is measured, and counts the updates. No update follows a loss that is not finite: it
        is the last one.
        """
        loss, penalties, correct, samples, goes_on = 0.0, 0.0, 0, 0, True
        for k in range((n + batch - 1) // batch):
            m, part, h = min(batch, n - k * batch), rows + k * batch, hyper + k * width
            finite = sample_share(ws, layers, part, m, first + k, h, t, threads)
            penalties += m * penalty(ws, layers, t)
            diverged = wait(ws.arrivals, t, threads, phase + 1, np.int64(0 if finite else 1))
            if t == 0:
                loss += loss_of(ws, part, np.int64(0), m)
                correct, samples = correct + correct_of(ws, m), samples + m
            if diverged and updates(ws):
                goes_on = False
                break
            gradient_layers(ws, layers, ws.x, part, m, h, t, threads)
            wait(ws.arrivals, t, threads, phase + 2, np.int64(0))
            phase = after(ws, layers, h, t, threads, phase + 2)
            if t == 0:
                ws.steps[0] = first + k + 1
        if t == 0:
            result[0], result[1], result[2], result[3] = loss, correct, samples, penalties
        return phase if goes_on else np.int64(0)

    return epoch


def share_of(epoch):
    """The loop over epochs, each of them an `epoch`."""

    @inner
    def share(ws, layers, rows, n, epochs, batch, hyper, width, t, threads):
        """Thread t's share of all epochs, up to one with a loss, or after one with a parameter, that is not finite."""
        begin, steps, phase = ws.steps[0], (n + batch - 1) // batch, np.int64(1)
        for e in range(epochs):
            part, h, result = rows + e * n, hyper + e * steps * width, ws.result + e * MEASURES
            phase = epoch(ws, layers, part, n, batch, h, width, begin + e * steps, result, t, threads, phase)
            if phase == 0:
                break
            if epochs > 1:
                finite = finite_share(ws, t, threads)
                phase += 1
                if wait(ws.arrivals, t, threads, phase, np.int64(0 if finite else 1)):
                    break
                if t == 0:
                    result[4] = 1.0

    return share


def train_by(share):
    """The entry in which threads have a `share` of all steps."""

    def train(address, layer_address, n_layers, rows, epochs, batch, hyper, threads, enters, leaves):
        """Minibatches of `batch` consecutive entries of `rows`, one after the other; the last of an epoch is the rest.

        For each epoch the workspace's `result` gets MEASURES numbers: Σ_s v_s C_s, each before its own update, how many
        samples got the correct label, how many samples were trained on, less than all where a loss is not finite,
        where the record has penalties Σ_s of them, each before its update, too, and, of several epochs, 1 after one
        that left all parameters finite. `steps` counts the updates.

        Parameters
        ----------
        address : int
            Of the WORKSPACE record.
        layer_address, n_layers : int
            Of the LAYER records, and how many there are.
        rows : int64 (epochs n,)
            Rows of the data, a minibatch after the other.
        epochs : int
            Into how many equal parts `rows` are divided: no minibatch belongs to two of them.
        batch : int
            Samples of one minibatch.
        hyper : (n_steps, H)
            The optimizer's numbers at each step, of the network's dtype.
        threads : int
            Shares of each loop.
        enters, leaves : bool
            Whether the parameters are packed before, where they changed, and are written from the panels afterwards.
        """
        begin(workspace_at(address, hyper), layers_at(layer_address, n_layers), threads, enters)
        for t in prange(threads):
            ws, layers, thread = workspace_at(address, hyper), layers_at(layer_address, n_layers), np.int64(t)
            side_by_side = all_running(ws.arrivals, thread, threads)
            if side_by_side or thread == 0:
                shares = threads if side_by_side else 1
                n, width = len(rows) // epochs, hyper.shape[1]
                share(ws, layers, pointer(rows), n, epochs, batch, pointer(hyper), width, thread, shares)
        finish(workspace_at(address, hyper), layers_at(layer_address, n_layers), leaves)

    return train


# by (has norm rules, parallel)
TRAIN = {
    (ruled, parallel): entry(train_by(share_of(epoch_with(after))), f"train-{ruled:d}{parallel:d}", parallel)
    for ruled, after in ((False, no_rules), (True, norm_rules))
    for parallel in (False, True)
}
