"""One step of the same network in each library: a table of openers, and the loop of a worker process.

An opener takes (case, dtype, threads) and hands back a `Job`: `run` trains the minibatches once, `parameters` reads the
weights (flat, as `Case.parameters`). Each is what a careful user of that library writes; where two ways are usual, the
faster one. A worker (`python rivals.py NAME`) reads requests as JSON lines and answers each with one JSON line:

    {"open": CASE, "dtype": "float32", "threads": 2, "save": FILE}   trains once, writes the weights to FILE
    {"seconds": 0.2}                                                 times calls for so long: {"microseconds": a step}
    {"close": true}                                                  frees the case
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from cases import CASES, LEARNING_RATE, MINIBATCHES, Case, Floats


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Job:
    """One case, ready to be timed."""

    run: Callable[[], object]
    parameters: Callable[[], Floats]
    close: Callable[[], None] = _nothing


Opener = Callable[[Case, str, int], Job]


@dataclass(frozen=True)
class Rival:
    """A row of the table: how it is called in print, the module it needs, and its opener."""

    label: str
    module: str
    open: Opener


# ---- fastbp and its NumPy twin: one class, two modules
def _open_trainer(module: Any, case: Case, dtype: str, threads: int | None) -> Job:
    from fastbp.optimizers import SGD

    net = module.Network(
        case.sizes, activation=case.hidden, output=case.output, loss=case.loss, dtype=np.dtype(dtype), rng=0
    )
    net.parameters[:] = case.parameters(dtype)
    trainer = module.Trainer(
        net, optimizer=SGD(learning_rate=LEARNING_RATE), batch_size=case.batch, shuffle=False, threads=threads
    )
    X, labels, Y = case.data(dtype)
    session = trainer._open(X, labels if case.output == "softmax" else Y, None)
    rows = np.arange(len(X))

    def parameters() -> Floats:
        session.sync()
        return np.array(net.parameters)

    return Job(lambda: session.run(rows, 0), parameters, session.close)


def open_fastbp(case: Case, dtype: str, threads: int) -> Job:
    """All minibatches in one compiled call."""
    import fastbp

    return _open_trainer(fastbp, case, dtype, threads)


def open_numpy(case: Case, dtype: str, threads: int) -> Job:
    """The twin; its threads are those of NumPy's BLAS."""
    import fastbp.reference

    return _open_trainer(fastbp.reference, case, dtype, None)


# ---- PyTorch
def _open_torch(case: Case, dtype: str, threads: int, compiled: bool) -> Job:
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    hidden = {"sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[case.hidden]
    modules: list[Any] = []
    for W, b in case.layers(case.parameters(dtype)):
        linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=getattr(torch, dtype))
        linear.weight.data = torch.from_numpy(W.copy())
        linear.bias.data = torch.from_numpy(b.copy())
        modules += [linear, hidden()]
    net = torch.nn.Sequential(*modules[:-1])
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)
    X, labels, Y = (torch.split(torch.from_numpy(array), case.batch) for array in case.data(dtype))

    def loss(x: Any, y: Any) -> Any:
        if case.output == "softmax":
            return functional.cross_entropy(net(x), y)
        return functional.binary_cross_entropy_with_logits(net(x), y, reduction="sum") / case.batch

    update = optimizer.step
    if compiled:
        torch._dynamo.reset()  # else its limit on recompilations ends compiling after eight cases
        loss, update = torch.compile(loss), torch.compile(optimizer.step)
    minibatches = list(zip(X, labels if case.output == "softmax" else Y, strict=True))

    def run() -> None:
        for x, y in minibatches:
            optimizer.zero_grad()
            loss(x, y).backward()
            update()

    return Job(run, lambda: np.concatenate([p.detach().numpy().ravel() for p in net.parameters()]))


def open_torch(case: Case, dtype: str, threads: int) -> Job:
    """Eager mode."""
    return _open_torch(case, dtype, threads, compiled=False)


def open_torch_compile(case: Case, dtype: str, threads: int) -> Job:
    """Network, loss and their gradient compiled together, and the optimizer's step."""
    return _open_torch(case, dtype, threads, compiled=True)


# ---- JAX: kernels (n_in, n_out), as its libraries keep them
def _jax_step(case: Case) -> Callable[[Any, Any, Any], Any]:
    import jax
    from jax import numpy as jnp

    sigma = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}[case.hidden]
    output = jax.nn.softmax if case.output == "softmax" else jax.nn.sigmoid

    def logits(params: Any, x: Any) -> Any:
        for W, b in params[:-1]:
            x = sigma(x @ W + b)
        W, b = params[-1]
        return x @ W + b

    def step(params: Any, x: Any, y: Any) -> Any:
        # delta^L = a - y given to the backward pass, not derived: it spares JAX the loss itself
        z, pull_back = jax.vjp(lambda p: logits(p, x), params)
        (gradients,) = pull_back((output(z) - y) / case.batch)
        return jax.tree_util.tree_map(lambda p, g: p - LEARNING_RATE * g, params, gradients)

    return step


def _open_jax(case: Case, dtype: str, whole_loop: bool) -> Job:
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", dtype == "float64")
    step = _jax_step(case)
    X, Y = (jnp.asarray(case.data(dtype)[k].reshape(MINIBATCHES, case.batch, -1)) for k in (0, 2))
    params = [(jnp.array(W.T), jnp.array(b)) for W, b in case.layers(case.parameters(dtype))]
    if whole_loop:
        def loop(params: Any, X: Any, Y: Any) -> Any:
            return jax.lax.fori_loop(0, MINIBATCHES, lambda k, p: step(p, X[k], Y[k]), params)

        minibatches, compiled = [(X, Y)], jax.jit(loop, donate_argnums=0)
    else:
        minibatches, compiled = list(zip(X, Y, strict=True)), jax.jit(step, donate_argnums=0)

    def run() -> None:
        nonlocal params
        for x, y in minibatches:
            params = compiled(params, x, y)
        jax.block_until_ready(params)

    return Job(run, lambda: np.concatenate([np.ravel(p) for W, b in params for p in (np.asarray(W).T, b)]))


def open_jax_step(case: Case, dtype: str, threads: int) -> Job:
    """One jitted call a minibatch, parameters donated."""
    return _open_jax(case, dtype, whole_loop=False)


def open_jax_loop(case: Case, dtype: str, threads: int) -> Job:
    """All minibatches in one jitted `lax.fori_loop`, parameters donated."""
    return _open_jax(case, dtype, whole_loop=True)


# ---- scikit-learn
def open_sklearn(case: Case, dtype: str, threads: int) -> Job:
    """`MLPClassifier.partial_fit` over all minibatches; weights and output activation are set by hand."""
    from sklearn.neural_network import MLPClassifier

    X, _, Y = case.data(dtype)
    mlp = MLPClassifier(
        hidden_layer_sizes=case.sizes[1:-1], activation={"sigmoid": "logistic"}.get(case.hidden, case.hidden),
        solver="sgd", alpha=0.0, batch_size=case.batch, learning_rate="constant", learning_rate_init=LEARNING_RATE,
        momentum=0.0, nesterovs_momentum=False, shuffle=False, random_state=0,
    )  # fmt: skip
    # One-hot rows keep all n_L outputs where labels of two classes would not; they bring logistic ones: softmax is set.
    targets = Y.astype(np.int64)
    mlp.partial_fit(X[: case.batch], targets[: case.batch], classes=np.arange(case.sizes[-1]))
    mlp.out_activation_ = {"softmax": "softmax", "sigmoid": "logistic"}[case.output]
    for coef, intercept, (W, b) in zip(
        mlp.coefs_, mlp.intercepts_, case.layers(case.parameters(dtype)), strict=True
    ):
        coef[:], intercept[:] = W.T, b

    def parameters() -> Floats:
        return np.concatenate([p.ravel() for W, b in zip(mlp.coefs_, mlp.intercepts_, strict=True) for p in (W.T, b)])

    return Job(lambda: mlp.partial_fit(X, targets), parameters)


RIVALS: dict[str, Rival] = {
    "fastbp": Rival("fastbp", "fastbp", open_fastbp),
    "numpy": Rival("NumPy", "numpy", open_numpy),
    "torch": Rival("PyTorch", "torch", open_torch),
    "torch-compile": Rival("torch.compile", "torch", open_torch_compile),
    "jax-step": Rival("JAX step", "jax", open_jax_step),
    "jax-loop": Rival("JAX loop", "jax", open_jax_loop),
    "sklearn": Rival("scikit-learn", "sklearn", open_sklearn),
}


# ---- the worker process
def time_block(job: Job, seconds: float) -> float:
    """Median time of a step in us, over calls of `job.run` for `seconds` (at least one)."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        job.run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) / MINIBATCHES * 1e6


# s of calls between the check of the weights and the first time that counts: compilers, pools and choices settle
WARM_UP = 1.0


class Worker:
    """What a worker process keeps between requests: the rival and the open case."""

    def __init__(self, rival: Rival) -> None:
        self.rival = rival
        self.job: Job | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "open" in request:
            self.job = self.rival.open(CASES[request["open"]], request["dtype"], request["threads"])
            self.job.run()
            np.save(request["save"], self.job.parameters())
            time_block(self.job, WARM_UP)
            return {}
        if self.job is None:
            raise RuntimeError("no case is open")
        if "seconds" in request:
            return {"microseconds": time_block(self.job, request["seconds"])}
        finite = bool(np.isfinite(self.job.parameters()).all())
        self.job.close()
        self.job = None
        return {"finite": finite}


def serve(name: str) -> None:
    """Answer requests from stdin until it ends; an exception becomes the answer {"error": ...}."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to stderr, not between the answers
    worker = Worker(RIVALS[name])
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:  # noqa: BLE001  (whatever a rival raises is its answer, and the others go on)
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    serve(sys.argv[1])
