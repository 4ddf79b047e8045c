"""Each kernel alone on the widest layer of a network, and whole epochs: in tiles, and as the textbook loops."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
from cases import DTYPES, Case, Task
from limit import fma_limit

from .common import SHAPES, THREADS, Compiled, compile_all, median_seconds, run_of, skip, trainable

WAYS = {"tiles": "fastbp.kernels.arrays", "loops": "fastbp.kernels.loops"}
PEER = {"tiles": "fastbp", "loops": "loops"}


class Work(NamedTuple):
    """A call to be timed and the floating-point operations it makes."""

    run: Callable[[], object]
    flop: int


def functions_of(way: str) -> Any:
    """The module with forward, backward and gradient on whole arrays."""
    try:
        return importlib.import_module(WAYS[way])
    except ImportError:
        return skip(f"no {WAYS[way]} yet")


def _layer(case: Case, dtype: str) -> tuple[int, int, dict[str, Any]]:
    """n_in and n_out of the layer with most weights, and arrays of its shapes."""
    n_in, n_out = max(pairwise(case.sizes), key=lambda sizes: sizes[0] * sizes[1])
    rng = np.random.default_rng(0)
    shapes = {"W": (n_out, n_in), "b": (n_out,), "x": (case.batch, n_in), "delta": (case.batch, n_out)}
    return n_in, n_out, {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def forward(way: str, case: Case, dtype: str, threads: int) -> Work:
    n_in, n_out, given = _layer(case, dtype)
    kernel, z = functions_of(way).forward, np.empty((case.batch, n_out), dtype)
    return Work(lambda: kernel(z, given["W"], given["b"], given["x"]), 2 * case.batch * n_in * n_out)


def backward(way: str, case: Case, dtype: str, threads: int) -> Work:
    n_in, n_out, given = _layer(case, dtype)
    kernel, delta_in = functions_of(way).backward, np.empty((case.batch, n_in), dtype)
    return Work(lambda: kernel(delta_in, given["delta"], given["W"], given["x"]), 2 * case.batch * n_in * n_out)


def gradient(way: str, case: Case, dtype: str, threads: int) -> Work:
    n_in, n_out, given = _layer(case, dtype)
    kernel, dW, db = functions_of(way).gradient, np.empty((n_out, n_in), dtype), np.empty(n_out, dtype)
    return Work(lambda: kernel(dW, db, given["delta"], given["x"]), 2 * case.batch * n_in * n_out)


def epoch(way: str, case: Case, dtype: str, threads: int) -> Work:
    functions_of(way)
    task = Task(case, "fit", dtype, threads)
    return Work(run_of(PEER[way], task), task.calls * case.flop)


KERNELS = {"forward": forward, "backward": backward, "gradient": gradient, "epoch": epoch}


@cache
def work(way: str, kernel: str, shape: str, dtype: str, threads: str) -> Work:
    import numba

    trainable()
    numba.set_num_threads(THREADS[threads])  # of functions on whole arrays; a trainer has a limit of its own
    return KERNELS[kernel](way, SHAPES[shape], dtype, THREADS[threads])


class OnArrays(Compiled):
    """Benchmarks of functions on whole arrays."""

    def setup_cache(self) -> None:
        with suppress(NotImplementedError):
            compile_all()
            for way, kernel, dtype in product(WAYS, KERNELS, DTYPES):
                work(way, kernel, next(iter(SHAPES)), dtype, "all").run()


class Kernels(OnArrays):
    params = (list(WAYS), list(KERNELS), list(SHAPES), list(DTYPES), list(THREADS))
    param_names = ("way", "kernel", "shape", "dtype", "threads")

    def time_kernel(self, way, kernel, shape, dtype, threads):
        work(way, kernel, shape, dtype, threads).run()


class Tiles(OnArrays):
    params = (list(KERNELS), list(SHAPES), list(DTYPES), list(THREADS))
    param_names = ("kernel", "shape", "dtype", "threads")

    def track_share_of_limit(self, kernel, shape, dtype, threads):
        limit = fma_limit(dtype, THREADS[threads])  # before the first parallel loop: idle threads spin for a while
        run, flop = work("tiles", kernel, shape, dtype, threads)
        return round(100 * flop / median_seconds(run) / 1e9 / limit, 1)

    def track_speedup_over_loops(self, kernel, shape, dtype, threads):
        loops, tiles = (median_seconds(work(way, kernel, shape, dtype, threads).run) for way in ("loops", "tiles"))
        return round(loops / tiles, 2)

    track_share_of_limit.unit = "%"
    track_speedup_over_loops.unit = "times"
