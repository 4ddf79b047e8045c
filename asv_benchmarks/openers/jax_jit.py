"""JAX: jitted functions on weights (n_in, n_out), as its libraries keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from cases import LEARNING_RATE, Task
from jax import numpy as jnp

from . import Job

SIGMA = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu, "softmax": jax.nn.softmax}


def _parameters(task: Task) -> Any:
    jax.config.update("jax_enable_x64", task.dtype == "float64")
    return [(jnp.array(W.T), jnp.array(b)) for W, b in task.case.layers(task.case.parameters(task.dtype))]


def _logits_of(task: Task) -> Callable[[Any, Any], Any]:
    def logits(params: Any, x: Any) -> Any:
        for W, b in params[:-1]:
            x = SIGMA[task.case.hidden](x @ W + b)
        W, b = params[-1]
        return x @ W + b

    return logits


def _step_of(task: Task) -> Callable[[Any, Any, Any], Any]:
    logits, output = _logits_of(task), SIGMA[task.case.output]

    def step(params: Any, x: Any, y: Any) -> Any:
        # delta^L = a - y given to the backward pass, not derived: it spares JAX the loss itself
        z, pull_back = jax.vjp(lambda p: logits(p, x), params)
        (gradients,) = pull_back((output(z) - y) / task.case.batch)
        return jax.tree_util.tree_map(lambda p, g: p - LEARNING_RATE * g, params, gradients)

    return step


def _open_training(task: Task, whole_loop: bool) -> Job:
    params, step = _parameters(task), _step_of(task)
    n = task.case.minibatches
    X, _, Y = (jnp.stack([jnp.asarray(block) for block in blocks[:n]]) for blocks in task.blocks())
    if whole_loop:
        def loop(params: Any, X: Any, Y: Any) -> Any:
            return jax.lax.fori_loop(0, task.calls, lambda k, p: step(p, X[k % n], Y[k % n]), params)

        minibatches, compiled = [(X, Y)], jax.jit(loop, donate_argnums=0)
    else:
        minibatches, compiled = task.epochs * list(zip(X, Y, strict=True)), jax.jit(step, donate_argnums=0)

    def run() -> None:
        nonlocal params
        for x, y in minibatches:
            params = compiled(params, x, y)
        jax.block_until_ready(params)

    return Job(run, lambda: np.concatenate([np.ravel(p) for W, b in params for p in (np.asarray(W).T, b)]))


def open_jax_step(task: Task) -> Job:
    """One jitted call a minibatch, parameters donated."""
    return _open_training(task, whole_loop=False)


def open_jax_loop(task: Task) -> Job:
    """All minibatches in one jitted `lax.fori_loop`, parameters donated."""
    return _open_training(task, whole_loop=True)


def open_jax_forward(task: Task) -> Job:
    """One jitted call a block of rows, waited for: its outputs are there when it is over."""
    params, logits, output = _parameters(task), _logits_of(task), SIGMA[task.case.output]
    blocks = [jnp.asarray(block) for block in task.blocks()[0]]
    outputs = jax.jit(lambda params, x: output(logits(params, x)))

    def forward() -> list[Any]:
        return [jax.block_until_ready(outputs(params, x)) for x in blocks]

    return Job(forward, lambda: np.concatenate(forward()))
