"""Each kernel alone on the widest layer of a network, and whole epochs: time, GFLOP/s, share of the FMA limit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
from cases import DTYPES, MINIBATCHES, Case, Task
from limit import fma_limit

from .common import SHAPES, THREADS, Compiled, compile_all, median_seconds, run_of, trainable


class Work(NamedTuple):
    """A call to be timed and the floating-point operations it makes."""

    run: Callable[[], object]
    flop: int


def _layer(case: Case, dtype: str) -> tuple[int, int, dict[str, Any]]:
    """n_in and n_out of the layer with most weights, and arrays of its shapes."""
    n_in, n_out = max(pairwise(case.sizes), key=lambda sizes: sizes[0] * sizes[1])
    rng = np.random.default_rng(0)
    shapes = {"W": (n_out, n_in), "b": (n_out,), "x": (case.batch, n_in), "delta": (case.batch, n_out)}
    return n_in, n_out, {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def forward(case: Case, dtype: str, threads: int) -> Work:
    from fastbp.kernels.arrays import forward as kernel

    n_in, n_out, given = _layer(case, dtype)
    z = np.empty((case.batch, n_out), dtype)
    return Work(lambda: kernel(z, given["W"], given["b"], given["x"]), 2 * case.batch * n_in * n_out)


def backward(case: Case, dtype: str, threads: int) -> Work:
    from fastbp.kernels.arrays import backward as kernel

    n_in, n_out, given = _layer(case, dtype)
    delta_in = np.empty((case.batch, n_in), dtype)
    return Work(
        lambda: kernel(delta_in, given["delta"], given["W"], given["x"]), 2 * case.batch * n_in * n_out
    )


def gradient(case: Case, dtype: str, threads: int) -> Work:
    from fastbp.kernels.arrays import gradient as kernel

    n_in, n_out, given = _layer(case, dtype)
    dW, db = np.empty((n_out, n_in), dtype), np.empty(n_out, dtype)
    return Work(lambda: kernel(dW, db, given["delta"], given["x"]), 2 * case.batch * n_in * n_out)


def epoch(case: Case, dtype: str, threads: int) -> Work:
    return Work(run_of("fastbp", Task(case, "fit", dtype, threads)), MINIBATCHES * case.flop)


KERNELS = {"forward": forward, "backward": backward, "gradient": gradient, "epoch": epoch}


@cache
def work(kernel: str, shape: str, dtype: str, threads: str) -> Work:
    trainable()
    return KERNELS[kernel](SHAPES[shape], dtype, THREADS[threads])


class Kernels(Compiled):
    params = (list(KERNELS), list(SHAPES), list(DTYPES), list(THREADS))
    param_names = ("kernel", "shape", "dtype", "threads")

    def setup_cache(self) -> None:
        with suppress(NotImplementedError):
            compile_all()
            for kernel, dtype in product(KERNELS, DTYPES):
                work(kernel, next(iter(SHAPES)), dtype, "all").run()

    def time_kernel(self, kernel, shape, dtype, threads):
        work(kernel, shape, dtype, threads).run()

    def track_gflops(self, kernel, shape, dtype, threads):
        run, flop = work(kernel, shape, dtype, threads)
        return round(flop / median_seconds(run) / 1e9, 1)

    def track_share_of_limit(self, kernel, shape, dtype, threads):
        limit = fma_limit(dtype, THREADS[threads])  # before the first parallel loop: idle threads spin for a while
        return round(100 * self.track_gflops(kernel, shape, dtype, threads) / limit, 1)

    track_gflops.unit = "GFLOP/s"
    track_share_of_limit.unit = "%"
