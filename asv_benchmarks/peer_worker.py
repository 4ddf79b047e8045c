"""The peers: fastbp and what it is compared with, and the loop of the process in which one of them works.

A worker (`python peer_worker.py NAME`) reads requests as JSON lines and answers each with one JSON line:

    {"open": TASK, "save": FILE, "warm_up": 1.0}   does the task once, writes its result to FILE, goes on for 1.0 s
    {"seconds": 0.2}                               times calls for so long: {"microseconds": of a step or forward call}
    {"close": true}                                frees the task: {"finite": whether its result is}
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from cases import CALLS, Task
from openers import Job


@dataclass(frozen=True)
class Peer:
    """A column of the tables: its label in print, the modules it needs, its opener, and the calls it can make.

    `opener` is "module.function" in the folder `openers`; it is imported where it is used.
    """

    label: str
    modules: tuple[str, ...]
    opener: str
    calls: tuple[str, ...] = CALLS

    def open(self, task: Task) -> Job:
        """The job of a task."""
        module, function = self.opener.split(".")
        job: Job = getattr(importlib.import_module(f"openers.{module}"), function)(task)
        return job


TRAINING = ("fit", "step")
PEERS: dict[str, Peer] = {
    "fastbp": Peer("fastbp", ("fastbp",), "own.open_fastbp"),
    "loops": Peer("textbook loops", ("fastbp",), "by_hand.open_loops"),
    "numpy": Peer("NumPy twin", ("fastbp",), "own.open_numpy", TRAINING),
    "numpy-plain": Peer("plain NumPy", ("numpy",), "by_hand.open_numpy_plain"),
    "torch": Peer("PyTorch", ("torch",), "pytorch.open_torch"),
    "torch-compile": Peer("torch.compile", ("torch",), "pytorch.open_torch_compile", TRAINING),
    "jax-step": Peer("JAX step", ("jax",), "jax_jit.open_jax_step", TRAINING),
    "jax-loop": Peer("JAX loop", ("jax",), "jax_jit.open_jax_loop", ("fit",)),
    "jax": Peer("JAX", ("jax",), "jax_jit.open_jax_forward", ("forward",)),
    "sklearn": Peer("scikit-learn", ("sklearn",), "sklearn_mlp.open_sklearn"),
    "onnxruntime": Peer("ONNX Runtime", ("onnxruntime", "onnx"), "onnx_runtime.open_onnx", ("forward",)),
}


def time_block(job: Job, seconds: float) -> float:
    """Median time of `job.run` in us, over calls for `seconds` (at least one)."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        job.run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


class Worker:
    """What a worker process keeps between requests: the peer and the open task."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.job: Job | None = None
        self.calls = 1

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "open" in request:
            task = Task.requested(request["open"])
            self.job, self.calls = self.peer.open(task), task.calls
            self.job.run()
            np.save(request["save"], self.job.result())
            time_block(self.job, request["warm_up"])
            return {}
        if self.job is None:
            raise RuntimeError("no task is open")
        if "seconds" in request:
            return {"microseconds": time_block(self.job, request["seconds"]) / self.calls}
        finite = bool(np.isfinite(self.job.result()).all())
        self.job = None
        return {"finite": finite}


def serve(name: str) -> None:
    """Answer requests from stdin until it ends; an exception becomes the answer {"error": ...}."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to stderr, not between the answers
    worker = Worker(PEERS[name])
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:  # noqa: BLE001  (whatever a peer raises is its answer, and the others go on)
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    serve(sys.argv[1])
