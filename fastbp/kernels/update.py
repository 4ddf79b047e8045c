"""The update of a step that is cut in two: the gradient, already stored, is the sum over all processes by then.

    1. over weights   rules of the gradient: each thread its share, where there are any
    2. over weights   the norm of all, where it is clipped; the optimizer's formula; the largest norm of a neuron

The first half of such a step is `fastbp.kernels.epoch` with the gradient stored.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from fastbp.kernels.epoch import begin, finish, norm_rules
from fastbp.kernels.formulas import call_rules
from fastbp.kernels.norms import apply_layers, penalty
from fastbp.kernels.runtime.barrier import all_running, wait
from fastbp.kernels.runtime.jit import entry, inner
from fastbp.kernels.runtime.records import layers_at, workspace_at
from fastbp.kernels.tiles.packing import padded
from fastbp.kernels.vectors.memory import lanes_in, load, pointer, store


@inner
def rule_range(ws, rules, numbers, begin, end, factor):
    """g ← rules(factor g, w) for the numbers [begin, end) of the panels, whole vectors."""
    for o in range(begin, end, lanes_in(ws.g)):
        store(ws.g, o, load(ws.g, o) * factor)
    if rules != 0:
        call_rules(rules, ws.g + begin, ws.w + begin, numbers, end - begin)


@inner
def rule_layers(ws, layers, factor, t, threads):
    """Thread t's share of g ← rules(factor g, w); the last thread has all biases."""
    lanes = lanes_in(ws.g)
    for l in range(len(layers)):
        layer = layers[l]
        vectors = (layer.biases - layer.weights) // lanes
        first, end = vectors * t // threads * lanes, vectors * (t + 1) // threads * lanes
        rule_range(ws, ws.weight_rules, ws.weight_numbers, layer.weights + first, layer.weights + end, factor)
        if t == threads - 1:
            rows = padded(layer.n_out, lanes)
            rule_range(ws, ws.bias_rules, ws.bias_numbers, layer.biases, layer.biases + rows, factor)


@inner
def update_share(ws, layers, h, factor, t, threads):
    """Thread t's share of an update with the stored gradient times `factor`; thread 0 measures and counts."""
    phase, penalties = 1, penalty(ws, layers, t)
    wait(ws.arrivals, t, threads, phase + 1, np.int64(0))
    phase += 1
    if ws.weight_rules != 0 or ws.bias_rules != 0 or ws.clip_norm > 0:
        rule_layers(ws, layers, factor, t, threads)
        wait(ws.arrivals, t, threads, phase + 1, np.int64(0))
        phase, factor = phase + 1, 1.0
    if ws.clip_norm == 0:
        apply_layers(ws, layers, h, factor, t, threads)
        wait(ws.arrivals, t, threads, phase + 1, np.int64(0))
        phase += 1
    norm_rules(ws, layers, h, t, threads, phase)
    if t == 0:
        ws.result[3] = penalties
        ws.steps[0] = ws.steps[0] + 1


def update(address, layer_address, n_layers, hyper, factor, threads, enters, leaves):
    """Let the parameters follow the stored gradient times `factor`; `steps` counts it, `result[3]` has the penalties.

    Parameters
    ----------
    address : int
        Of the WORKSPACE record.
    layer_address, n_layers : int
        Of the LAYER records, and how many there are.
    hyper : (1, H)
        The optimizer's numbers, of the network's dtype.
    factor : float
        1 / m, where the gradient is that of the sum over m samples.
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
            update_share(ws, layers, pointer(hyper), factor, thread, threads if side_by_side else 1)
    finish(workspace_at(address, hyper), layers_at(layer_address, n_layers), leaves)


# by whether it is parallel
UPDATE = {parallel: entry(update, f"update-{parallel:d}", parallel) for parallel in (False, True)}
