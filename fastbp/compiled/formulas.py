"""The addresses of a network's compiled formulas: activations, loss, optimizer."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np

from fastbp.activations import ACTIVATIONS, SOFTMAX, Activation
from fastbp.base.network import BaseNetwork
from fastbp.kernels import formulas as compiled
from fastbp.kernels.vectors.simd import lanes_of
from fastbp.losses import LOSSES, Loss
from fastbp.optimizers import STATES, Optimizer
from fastbp.symbolic.derive import check_derivative, formulas
from fastbp.symbolic.source import Formula


# ------------------------------------------------------------------ formulas
@cache
def _checked(row: Activation | Loss) -> tuple[Formula, Formula]:
    """The formulas of a row; a custom one's derivative is checked against finite differences once."""
    if row not in ACTIVATIONS.values() and row not in LOSSES.values():
        check_derivative(row)
    return formulas(row)


def _name(row: Activation | Loss, *sources: Formula) -> str:
    """A name that tells a row's formulas from all others, for files."""
    plain = "".join(c for c in row.name if c.isascii() and c.isalnum()) or "custom"
    return f"{plain}-{hashlib.sha256(''.join(f.source for f in sources).encode()).hexdigest()[:12]}"


def activation_address(row: Activation, dtype: np.dtype[Any], training: bool) -> int:
    """Address of a layer's activation; 0 where a = z."""
    if row == ACTIVATIONS["identity"]:
        return 0
    if row == SOFTMAX:
        return compiled.softmax_address(dtype)
    value, slope = _checked(row)
    return compiled.activation_address(
        _name(row, value, slope), value.function, slope.function if training else None, dtype
    )


def loss_address(network: BaseNetwork) -> int:
    """Address of the loss: on z where output and loss are a pair, else on a, with σ'(z) in d."""
    loss, output, dtype = network.loss_function, network.activations[-1], network.dtype
    pair = network.pair
    own = loss != LOSSES.get(loss.name)  # its pairs have no name that files could tell from others
    if pair is not None and output == SOFTMAX:
        if own:
            raise ValueError(f"loss {loss.name!r} has a pair of its own for softmax, which is not compiled")
        return compiled.softmax_cross_entropy_address(network.sizes[-1] <= lanes_of(dtype), dtype)
    if pair is not None:
        pair_name = None if own else f"{loss.name}-{output.name}"
        return compiled.loss_address(pair_name, pair.cost, pair.delta, False, dtype)
    cost, slope = _checked(loss)
    name = _name(loss, cost, slope)
    if output == SOFTMAX:
        return compiled.softmax_loss_address(name, cost.function, slope.function, dtype)
    return compiled.loss_address(name, cost.function, slope.function, output != ACTIVATIONS["identity"], dtype)


def update_address(optimizer: Optimizer, dtype: np.dtype[Any]) -> int:
    """Address of the optimizer's rule."""
    rule = optimizer.formula()
    name = rule.__name__ if rule in STATES else None  # others have no name that files could tell from others
    return compiled.update_address(name, rule, len(optimizer.hyper(0)), optimizer.states, dtype)
