"""One training step of the same network in fastbp and in the libraries people use now.

    python asv_benchmarks/peers.py                           # all shapes, one thread and all cores, float32
    python asv_benchmarks/peers.py --threads 1 --shapes 784-128-10 --dtype float64 --rivals fastbp numpy
    python asv_benchmarks/peers.py --readme                  # the README's table and docs/peers.svg from the last run

Every rival is a process of its own, on the first `--threads` cores. Its weights after the first minibatches are held
against float64 NumPy before it is timed: what does other work is not shown. Rounds go over the rivals in turn, with a
pause before each block, because idle BLAS threads spin and take a core from whoever runs next. Times are medians. The
machine's FMA limit is measured before and after, on the same cores.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import importlib.util
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import report
from cases import CASES, DTYPES, PEERS, Case, Floats
from rivals import RIVALS

HERE = Path(__file__).parent
PAUSE = 0.1  # s before each block: OpenBLAS threads spin for 2^26 cycles after their last product
BLOCK = 0.2  # s of calls in a block
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))

Record = dict[str, Any]


# ---- processes
def environment(threads: int) -> dict[str, str]:
    """The variables of a process that is to use `threads` threads."""
    env = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    if threads == 1:  # JAX takes its thread count from the cores it may use; on one core it needs no pool at all
        env.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    return env


def pin(threads: int) -> None:
    """Keep this process, and those it starts, on the first `threads` cores (where the system can)."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, CORES[:threads])


class Peer:
    """A rival in a process of its own; `failed` says why it is out of the present case, if it is."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self.failed = ""
        self.blocks: list[float] = []
        self.difference = float("nan")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "rivals.py"), name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment(threads),
        )  # fmt: skip

    def ask(self, **request: Any) -> Record:
        """The worker's answer; what goes wrong is kept in `failed`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: Record = json.loads(line) if line else {"error": f"its process ended ({self._process.wait()})"}
        self.failed = self.failed or answer.get("error", "")
        return answer

    def open(self, case: Case, dtype: str, threads: int, trained: Floats) -> None:
        """Set up the case, train once, and hold the weights against `trained`."""
        self.failed, self.blocks = "", []
        with tempfile.TemporaryDirectory() as folder:
            save = str(Path(folder) / "parameters.npy")
            self.ask(open=case.name, dtype=dtype, threads=threads, save=save)
            if self.failed:
                return
            self.difference = case.difference(np.load(save), trained, dtype)
        if not case.within(self.difference, dtype):
            self.failed = f"its weights differ from float64 NumPy's by {self.difference:.0e} of the way: other work"

    def time(self) -> None:
        """One block."""
        answer = self.ask(seconds=BLOCK)
        if not self.failed:
            self.blocks.append(round(answer["microseconds"], 2))

    def close(self) -> None:
        """Free the case; a network that has diverged was not timed on honest numbers."""
        if not self.failed and not self.ask(close=True).get("finite", True):
            self.failed = "its weights are no longer finite"

    def end(self) -> None:
        """Let the process end: its requests have."""
        self._process.communicate()


# ---- measuring
def installed(names: list[str]) -> list[str]:
    """Those of `names` whose module is there; a line for each of the others."""
    present = []
    for name in names:
        if importlib.util.find_spec(RIVALS[name].module):
            present.append(name)
        else:
            print(f"skipped {name}: {RIVALS[name].module} is not installed")
    return present


def versions() -> dict[str, str]:
    """Version of each distribution that takes part and is installed, Python's first."""
    found = {"Python": platform.python_version()}
    modules = {rival.module for rival in RIVALS.values()} | {"numba", "llvmlite", "jaxlib"}
    for name in sorted("scikit-learn" if module == "sklearn" else module for module in modules):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def limit(dtype: str, threads: int) -> float:
    """GFLOP/s of `threads` cores, measured in a process that does nothing else."""
    command = [sys.executable, str(HERE / "limit.py"), dtype, str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@contextmanager
def started(names: list[str], threads: int) -> Iterator[list[Peer]]:
    """The rivals' processes, ended on leaving."""
    with ExitStack() as stack:
        peers = []
        for name in names:
            peers.append(Peer(name, threads))
            stack.callback(peers[-1].end)
        yield peers


def measure_case(peers: list[Peer], case: Case, dtype: str, threads: int, rounds: int) -> list[Record]:
    """One row a rival: its blocks, their median, its difference from float64 NumPy, or why it is out."""
    trained = case.trained(dtype)
    for peer in peers:
        peer.open(case, dtype, threads, trained)
    for _ in range(rounds):
        for peer in peers:
            if not peer.failed:
                time.sleep(PAUSE)
                peer.time()
    for peer in peers:
        peer.close()
    return [_row(peer, case, dtype, threads) for peer in peers]


def _row(peer: Peer, case: Case, dtype: str, threads: int) -> Record:
    row: Record = {"rival": peer.name, "case": case.name, "dtype": dtype, "threads": threads, "flop": case.flop}
    if peer.failed:
        return {**row, "failed": peer.failed}
    median = statistics.median(peer.blocks)
    return {**row, "microseconds": median, "blocks": peer.blocks, "difference": peer.difference}


def measure(args: argparse.Namespace) -> Record:
    """The whole run, printed case by case as it comes."""
    names = installed(args.rivals)
    record: Record = {**about(), "rounds": args.rounds, "limits": [], "results": []}
    for threads in args.threads:
        pin(threads)
        for dtype in args.dtype:
            before = limit(dtype, threads)
            with started(names, threads) as peers:
                for shape in args.shapes:
                    rows = measure_case(peers, CASES[shape], dtype, threads, args.rounds)
                    print(report.case_table(rows, CASES[shape], before), flush=True)
                    record["results"] += rows
            after = limit(dtype, threads)
            print(f"\nFMA limit, {dtype}, threads {threads}: {before:.1f} GFLOP/s before, {after:.1f} after")
            record["limits"].append({"dtype": dtype, "threads": threads, "before": before, "after": after})
    return record


def about() -> Record:
    """Machine, versions, date and command of this run."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": shlex.join(["python", "asv_benchmarks/peers.py", *sys.argv[1:]]),
        "machine": {"cpu": cpu_name(), "cores": len(CORES), "system": f"{platform.system()} {platform.machine()}"},
        "versions": versions(),
    }


def cpu_name() -> str:
    """The processor as the system calls it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor())


# ---- the command
def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--threads", type=int, nargs="+", default=sorted({1, len(CORES)}), help="thread counts, one after the other")
    add("--shapes", nargs="+", choices=CASES, default=list(PEERS), metavar="SHAPE", help=", ".join(CASES))
    add("--dtype", nargs="+", choices=DTYPES, default=["float32"])
    add("--rounds", type=int, default=7, help="timed blocks of each rival (default 7)")
    add("--rivals", nargs="+", choices=RIVALS, default=list(RIVALS), metavar="RIVAL", help=", ".join(RIVALS))
    add("--output", type=Path, default=HERE / "peers.json", help="the JSON; the chart goes beside it as PNG")
    add("--readme", action="store_true", help="measure nothing: put the JSON into README.md and docs/peers.svg")
    args = parser.parse_args(argv)
    if not all(1 <= threads <= len(CORES) for threads in args.threads):
        parser.error(f"argument --threads: {args.threads} must lie between 1 and the {len(CORES)} cores there are")
    if args.rounds < 1:
        parser.error(f"argument --rounds: {args.rounds} must be at least 1")
    return args


def main() -> None:
    args = arguments()
    if args.readme:
        report.update_readme(json.loads(args.output.read_text()), HERE.parent)
        return
    record = measure(args)
    args.output.write_text(json.dumps(record, indent=1) + "\n")
    print("\n" + report.tables(record))
    report.chart(record, args.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
