"""The NumPy twin on the same work, and how many times as fast the compiled code is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import rivals
from cases import DTYPES, Case
from threadpoolctl import threadpool_limits

from .common import SHAPES, THREADS, Compiled, speedup


@cache
def twin_epoch(case: Case, dtype: str, threads: int) -> Callable[[], object]:
    """One epoch of the twin, NumPy's BLAS on so many threads."""
    threadpool_limits(threads)
    return rivals.open_numpy(case, dtype, threads).run


class Epoch:
    timeout = 600
    warmup_time = 1.5  # as in `common.Compiled`
    params = (list(SHAPES), list(DTYPES), list(THREADS))
    param_names = ("shape", "dtype", "threads")

    def time_epoch(self, shape, dtype, threads):
        twin_epoch(SHAPES[shape], dtype, THREADS[threads])()


class Speedup(Compiled):
    params = (list(SHAPES), list(DTYPES), list(THREADS))
    param_names = ("shape", "dtype", "threads")

    def track_speedup(self, shape, dtype, threads):
        return speedup("numpy", SHAPES[shape], dtype, THREADS[threads])

    track_speedup.unit = "times"
