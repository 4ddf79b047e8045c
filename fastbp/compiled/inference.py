"""Outputs, costs and gradients of a network without training it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastbp.base.network import BaseNetwork
from fastbp.checks import FloatArray
from fastbp.compiled.formulas import loss_address
from fastbp.compiled.session import PLAIN, Session, Targets, data_fields, rule_fields
from fastbp.compiled.workspace import Plan, plan_of, record, work
from fastbp.kernels.inference import INFERENCE_BLOCK, outputs_parallel, outputs_serial
from fastbp.kernels.runtime.threads import available, numba_threads
from fastbp.kernels.small_batch import SMALL_BATCH, forward_small_batch
from fastbp.kernels.tiles.packing import pack_parameters


# ------------------------------------------------------------------ without training
def outputs(network: BaseNetwork, X: FloatArray) -> FloatArray:
    """a^L (n_samples, n_L)."""
    plan = plan_of(network.sizes, network.dtype, network.activations, network.pair is not None, False)
    out = np.empty((X.shape[0], network.sizes[-1]), network.dtype)
    if X.shape[0] <= SMALL_BATCH:
        # a read-only array would be another type to compile for
        forward_small_batch(network.parameters, *plan.place, X if X.flags.writeable else X.copy(), out)
        return out
    _blocks(network, plan, X, out, np.empty(0, np.int64), {})
    return out


def evaluate(network: BaseNetwork, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, int]:
    """C, summed in float64, and the number of right labels."""
    plan = plan_of(network.sizes, network.dtype, network.activations, network.pair is not None, True)
    out, correct = np.empty(X.shape[0], network.dtype), np.empty(X.shape[0], np.int64)
    numbers = {"loss": loss_address(network), **data_fields(network, X, Y, weight), **rule_fields(PLAIN, network)}
    _blocks(network, plan, X, out, correct, numbers)
    return float(out.mean(dtype=np.float64)), int(correct.sum())


def _blocks(
    network: BaseNetwork,
    plan: Plan,
    X: FloatArray,
    out: FloatArray,
    correct: NDArray[np.int64],
    numbers: dict[str, float],
) -> None:
    blocks = -(-X.shape[0] // INFERENCE_BLOCK)
    with numba_threads(min(blocks, available(None)) if work(network.sizes) * X.shape[0] > 1e8 else 1) as threads:
        size = min(X.shape[0], threads * INFERENCE_BLOCK)
        arrays, layers = plan.arrays(size, training="loss" in numbers), plan.layers_for(size)
        pack_parameters(arrays["w"], arrays["w_t"][:0], network.parameters, layers)
        ws = record(arrays, **{"x": X.ctypes.data, **numbers})
        run = outputs_parallel if threads > 1 else outputs_serial
        run(ws, layers, np.arange(X.shape[0]), out.reshape(-1), correct, threads)


def backprop(network: BaseNetwork, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, FloatArray]:
    """C and its gradient, laid out as the parameters: one minibatch of all samples, stored and not applied."""
    session = Session(network, X, Y, weight, batch_size=X.shape[0], optimizer=None, states=(), limit=None)
    loss_sum, _, n = session.run(np.arange(X.shape[0]), 0)
    return loss_sum / n, session.gradient()
