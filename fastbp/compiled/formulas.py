"""The addresses of a network's and a trainer's compiled formulas: activations, loss, gradient rules, optimizer."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np

from fastbp.activations import ACTIVATIONS, SOFTMAX, Activation
from fastbp.base.network import BaseNetwork
from fastbp.checks import shown
from fastbp.kernels import formulas as kernels
from fastbp.kernels.blocking import COLUMN_VECTORS
from fastbp.kernels.vectors.simd import lanes_of
from fastbp.losses import LOSSES, Loss
from fastbp.optimizers import Optimizer
from fastbp.regularization import GRADIENT_RULES
from fastbp.symbolic.derive import check_derivative, formulas
from fastbp.symbolic.source import Formula
from fastbp.update_rules import UPDATE_RULES


@cache
def _checked(spec: Activation | Loss) -> tuple[Formula, Formula]:
    """The formulas of an activation or a loss; a custom one's derivative is checked against finite differences once."""
    if spec not in ACTIVATIONS.values() and spec not in LOSSES.values():
        check_derivative(spec)
    return formulas(spec)


def _name(spec: Activation | Loss, *sources: Formula) -> str:
    """A cache name unique to these formulas: the spec's name and a hash of their source."""
    plain = "".join(c for c in spec.name if c.isascii() and c.isalnum()) or "custom"
    return f"{plain}-{hashlib.sha256(''.join(f.source for f in sources).encode()).hexdigest()[:12]}"


def _few(n_out: int, dtype: np.dtype[Any]) -> bool:
    """Whether softmax goes column by column."""
    return n_out <= COLUMN_VECTORS * lanes_of(dtype)


def activation_address(spec: Activation, n_out: int, dtype: np.dtype[Any], training: bool) -> int:
    """Address of a layer's activation; 0 where a = z."""
    if spec == ACTIVATIONS["identity"]:
        return 0
    if spec == SOFTMAX:
        return kernels.softmax_address(_few(n_out, dtype), dtype)
    value, slope = _checked(spec)
    return kernels.activation_address(
        _name(spec, value, slope), value.function, slope.function if training else None, dtype
    )


def loss_address(network: BaseNetwork) -> int:
    """Address of the loss: of logits z^L where there is such a form, else of a, with σ'(z) in delta."""
    loss, output, dtype = network.loss_function, network.activations[-1], network.dtype
    form = network.logits_form
    custom = loss != LOSSES.get(loss.name)
    if form is not None and output == SOFTMAX:
        if custom:
            whose = f"loss {shown(loss.name)}"
            raise ValueError(f"{whose} has a logits form of its own for softmax, which is not compiled")
        return kernels.softmax_cross_entropy_address(_few(network.sizes[-1], dtype), dtype)
    if form is not None:
        # custom forms are not cached on disk: nothing names them uniquely
        name = None if custom else f"{loss.name}-{output.name}"
        return kernels.loss_address(name, form.cost, form.delta, False, dtype)
    cost, slope = _checked(loss)
    name = _name(loss, cost, slope)
    if output == SOFTMAX:
        return kernels.softmax_loss_address(name, cost.function, slope.function, dtype)
    return kernels.loss_address(name, cost.function, slope.function, output != ACTIVATIONS["identity"], dtype)


def rules_address(names: tuple[str, ...], dtype: np.dtype[Any]) -> int:
    """Address of rows of `GRADIENT_RULES`, one after the other; 0 if there is none."""
    return kernels.rules_address(names, tuple(GRADIENT_RULES[name].formula for name in names), dtype) if names else 0


def update_address(optimizer: Optimizer, dtype: np.dtype[Any]) -> int:
    """Address of the optimizer's rule; custom ones are not cached on disk: nothing names them uniquely."""
    rule, n_hyper = optimizer.formula(), len(optimizer.hyper(0))
    name = f"{rule.__name__}-{n_hyper}" if rule in UPDATE_RULES else None  # an optimizer of the user's may have more
    return kernels.update_address(name, rule, n_hyper, optimizer.states, dtype)
