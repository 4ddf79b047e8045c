"""How the time of an epoch grows with batch, width and depth from one network of three layers, and with threads."""

from __future__ import annotations

from cases import SCALES, WORK, Case, Task
from limit import CORES

from .common import THREADS, Compiled, run_of, skip


def run_epoch(case: Case, threads: int) -> None:
    run_of("fastbp", Task(case, "fit", "float32", threads))()


class Batch(Compiled):
    params = tuple(SCALES["batch"])
    param_names = ("batch",)

    def time_epoch(self, batch):
        run_epoch(SCALES["batch"][batch], THREADS["all"])


class Width(Compiled):
    params = tuple(SCALES["width"])
    param_names = ("width",)

    def time_epoch(self, width):
        run_epoch(SCALES["width"][width], THREADS["all"])


class Depth(Compiled):
    params = tuple(SCALES["depth"])
    param_names = ("depth",)

    def time_epoch(self, depth):
        run_epoch(SCALES["depth"][depth], THREADS["all"])


class Threads(Compiled):
    params = ([1, 2, 4, 8, 16, 32, 64], list(WORK))
    param_names = ("threads", "work")

    def time_epoch(self, threads, work):
        if threads > len(CORES):
            skip(f"{len(CORES)} cores")
        run_epoch(WORK[work], threads)
