"""What the benchmarks share: networks compiled ahead and opened once a process.

asv calls a `setup` before every timed call and then times each call alone, which is too coarse for microseconds. So
what takes microseconds stands in classes that have no `setup`: `setup_cache` compiles into the commit's cache directory
in a process of its own, and the first call of a benchmark's process opens what the later ones time. asv repeats calls
for `warmup_time` before it decides how many make one sample, so the opening must be over by then.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, NoReturn

import peers
from cases import DTYPES, WATCHED, Case, Task, scaled
from limit import CORES, host_vector_bytes
from peer_worker import PEERS

THREADS = {"one": 1, "all": len(CORES)}  # names, so that machines of any size share their graphs
SHAPES = {case.name: case for case in WATCHED}


def skip(reason: str) -> NoReturn:
    """End this benchmark: asv shows a gap."""
    from asv_runner.benchmarks.mark import SkipNotImplemented

    raise SkipNotImplemented(reason)


def trainable() -> Any:
    """The package, if this commit of it has a compiled trainer."""
    import fastbp

    return fastbp if hasattr(fastbp, "Trainer") else skip("no compiled trainer yet")


@cache
def run_of(peer: str, task: Task) -> Callable[[], object]:
    """The job of a peer in this process: all minibatches of the task, in their order."""
    trainable()
    return PEERS[peer].open(task).run


def compile_all() -> None:
    """Put every kernel that the benchmarks call on disk."""
    fastbp = trainable()
    for dtype in DTYPES:
        plenty = scaled(batch=1024, width=256)  # work enough for the parallel kernels
        for case in (*WATCHED, plenty):
            for call, rows in (("fit", 0), ("step", 0), ("forward", 1), ("forward", 9)):
                run_of("fastbp", Task(case, call, dtype, THREADS["all"], rows))()
        net = fastbp.Network(plenty.sizes, dtype=dtype, rng=0)
        X, labels, _ = plenty.data(dtype)
        for n_samples in (1, len(X)):
            net.predict(X[:n_samples])
            net.loss(X[:n_samples], labels[:n_samples])
        for optimizer in (fastbp.SGD(learning_rate=0.01), fastbp.SGD(learning_rate=0.01, momentum=0.9)):
            fastbp.Trainer(net, optimizer=optimizer, batch_size=32, rng=0).fit(X, labels)
        net.backprop(X[:32], labels[:32])


class Compiled:
    """Benchmarks of microseconds: no `setup`, everything compiled ahead."""

    timeout = 600
    warmup_time = 1.5

    def setup_cache(self) -> None:
        with suppress(NotImplementedError):  # asv would call it a failure; the benchmarks themselves are skipped
            compile_all()


def median_seconds(run: Callable[[], object], seconds: float = 0.5) -> float:
    """Median time of a call, over `seconds`, after as long again for caches, threads and clock to settle."""
    times: list[float] = []
    start = time.perf_counter()
    while (now := time.perf_counter()) < start + 2 * seconds or not times:
        run()
        if now > start + seconds:
            times.append(time.perf_counter() - now)
    return statistics.median(times)


def speedup(other: str, case: Case, dtype: str, threads: int) -> float:
    """Time of `other` over fastbp's for the same fit, each in its own process, their weights compared before."""
    trainable()
    with peers.started(["fastbp", other], threads, host_vector_bytes()) as processes:
        rows = peers.measure_task(processes, Task(case, "fit", dtype, threads), rounds=5)
    for row in rows:
        if "failed" in row:
            raise RuntimeError(f"{row['peer']}: {row['failed']}")
    ours, theirs = (row["microseconds"] for row in rows)
    return round(theirs / ours, 2)
