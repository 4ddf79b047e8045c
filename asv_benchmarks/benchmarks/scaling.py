"""How the time of an epoch grows with threads, batch, width and depth, from one network of three layers."""

from __future__ import annotations

import peers
from cases import SCALES, scaled

from .common import THREADS, Compiled, epoch_of, skip


class Batch(Compiled):
    params = tuple(SCALES["batch"])
    param_names = ("batch",)

    def time_epoch(self, batch):
        epoch_of(SCALES["batch"][batch], "float32", THREADS["all"])()


class Width(Compiled):
    params = tuple(SCALES["width"])
    param_names = ("width",)

    def time_epoch(self, width):
        epoch_of(SCALES["width"][width], "float32", THREADS["all"])()


class Depth(Compiled):
    params = tuple(SCALES["depth"])
    param_names = ("depth",)

    def time_epoch(self, depth):
        epoch_of(SCALES["depth"][depth], "float32", THREADS["all"])()


class Threads(Compiled):
    params = (1, 2, 4, 8, 16)
    param_names = ("threads",)

    def time_epoch(self, threads):
        if threads > len(peers.CORES):
            skip(f"{len(peers.CORES)} cores")
        epoch_of(scaled(batch=512, width=512), "float32", threads)()
