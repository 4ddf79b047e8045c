"""The NumPy twin on the same work, and how many times as fast the compiled code is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from cases import DTYPES, Task
from threadpoolctl import threadpool_limits

from .common import SHAPES, THREADS, Compiled, run_of, speedup


@cache
def twin_epoch(shape: str, dtype: str, threads: str) -> Callable[[], object]:
    """One epoch of the twin, NumPy's BLAS on so many threads."""
    threadpool_limits(THREADS[threads])
    return run_of("numpy", Task(SHAPES[shape], "fit", dtype, THREADS[threads]))


class Epoch:
    timeout = 600
    warmup_time = 1.5  # as in `common.Compiled`
    params = (list(SHAPES), list(DTYPES), list(THREADS))
    param_names = ("shape", "dtype", "threads")

    def time_epoch(self, shape, dtype, threads):
        twin_epoch(shape, dtype, threads)()


class Speedup(Compiled):
    params = (list(SHAPES), list(DTYPES), list(THREADS))
    param_names = ("shape", "dtype", "threads")

    def track_speedup(self, shape, dtype, threads):
        return speedup("numpy", SHAPES[shape], dtype, THREADS[threads])

    track_speedup.unit = "times"
