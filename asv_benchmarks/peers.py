"""The same network in fastbp and in the libraries people use now: training, or outputs alone.

    python asv_benchmarks/peers.py                       # `fit` on all shapes, one thread and all cores, float32
    python asv_benchmarks/peers.py --call step --threads 1 --shapes 784-128-10 --dtype float64 --peers fastbp numpy
    python asv_benchmarks/peers.py --call forward --rows 1 64 --merge    # added to what the last run found
    python asv_benchmarks/peers.py --vectors 32 --merge                  # as a processor without AVX-512 would do it
    python asv_benchmarks/peers.py --readme              # the README's table and docs/peers.svg from what was found

Every peer is a process of its own, on the first `--threads` cores. Its weights after the first minibatches, or its
outputs, are compared with float64 NumPy before it is timed: what does other work is not shown. Rounds go over the peers
in turn, with a pause before each block, because idle BLAS threads spin and take a core from whoever runs next. Times
are medians. The machine's FMA limit is measured before and after, on the same cores.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import importlib.util
import itertools
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

import chart
import llvmlite.binding as llvm
import numpy as np
import record
import report
from cases import CALLS, CASES, COMPARED, DTYPES, ROWS, Floats, Task
from limit import CORES, host_vector_bytes
from peer_worker import PEERS
from record import Record

HERE = Path(__file__).parent
WARM_UP = 1.0  # s of calls between the check of the result and the first time that counts: compilers and pools settle
PAUSE = 0.1  # s before each block: OpenBLAS threads spin for 2^26 cycles after their last product
BLOCK = 0.2  # s of calls in a block
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


# ---- processes
def environment(threads: int, vectors: int) -> dict[str, str]:
    """The variables of a process that is to use `threads` threads, and vectors of `vectors` bytes if Numba compiles."""
    env = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)), "FASTBP_VECTOR_BYTES": str(vectors)}
    if vectors < host_vector_bytes():
        # A processor that never had wider ones: LLVM then schedules for it, and has its 16 registers. Names imply their
        # features to LLVM, but not to all who ask Numba for them.
        cpu = "znver3" if llvm.get_host_cpu_name().startswith("znver") else "haswell"
        env |= {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "+avx2,+fma"}
    if threads == 1:  # JAX takes its thread count from the cores it may use; on one core it needs no pool at all
        env.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    return env


def pin(threads: int) -> None:
    """Keep this process, and those it starts, on the first `threads` cores (where the system can)."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, CORES[:threads])


class PeerProcess:
    """A peer in a process of its own; `failed` says why it is out of the present task, if it is."""

    def __init__(self, name: str, threads: int, vectors: int) -> None:
        self.name, self.vectors = name, vectors
        self.failed = ""
        self.blocks: list[float] = []
        self.difference = float("nan")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "peer_worker.py"), name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment(threads, vectors),
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

    def open(self, task: Task, expected: Floats) -> None:
        """Set the task up, do it once, and compare its result with `expected`."""
        self.failed, self.blocks = "", []
        with tempfile.TemporaryDirectory() as folder:
            save = str(Path(folder) / "result.npy")
            self.ask(open=task.request(), save=save, warm_up=WARM_UP)
            if self.failed:
                return
            self.difference = task.difference(np.load(save), expected)
        if not task.within(self.difference):
            self.failed = f"its result differs from float64 NumPy's by a share of {self.difference:.0e}: other work"

    def time(self) -> None:
        """One block."""
        answer = self.ask(seconds=BLOCK)
        if not self.failed:
            self.blocks.append(round(answer["microseconds"], 2))

    def close(self) -> None:
        """Free the task; a network that has diverged was not timed on honest numbers."""
        if not self.failed and not self.ask(close=True).get("finite", True):
            self.failed = "its result is no longer finite"

    def row(self, task: Task) -> Record:
        """What there is to say about it."""
        row: Record = {"peer": self.name, **task.request(), "vectors": self.vectors, "flop": task.flop}
        if self.failed:
            return {**row, "failed": self.failed}
        median = round(statistics.median(self.blocks), 2)
        return {**row, "microseconds": median, "blocks": self.blocks, "difference": self.difference}

    def end(self) -> None:
        """Let the process end: its requests have."""
        self._process.communicate()


# ---- measuring
def installed(names: list[str]) -> list[str]:
    """Those of `names` whose modules are there; a line for each of the others."""
    present = []
    for name in names:
        missing = [module for module in PEERS[name].modules if importlib.util.find_spec(module) is None]
        if missing:
            print(f"skipped {name}: {' and '.join(missing)} not installed")
        else:
            present.append(name)
    return present


def versions(names: list[str]) -> dict[str, str]:
    """Version of each distribution that the peers of these names are made of, Python's first."""
    found = {"Python": platform.python_version()}
    modules = {module for name in names for module in PEERS[name].modules} | {"numpy", "numba", "llvmlite"}
    modules |= {"jaxlib"} if "jax" in modules else set()
    for name in sorted("scikit-learn" if module == "sklearn" else module for module in modules):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def limits(dtype: str, threads: int, vectors: int) -> list[float]:
    """GFLOP/s of one core and of `threads` together, measured in a process that does nothing else."""
    command = [sys.executable, str(HERE / "limit.py"), dtype, str(threads), str(vectors)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [float(line.split()[0]) for line in lines]


@contextmanager
def started(names: list[str], threads: int, vectors: int) -> Iterator[list[PeerProcess]]:
    """The peers' processes, ended on leaving."""
    with ExitStack() as stack:
        processes = []
        for name in names:
            processes.append(PeerProcess(name, threads, vectors))
            stack.callback(processes[-1].end)
        yield processes


def measure_task(processes: list[PeerProcess], task: Task, rounds: int) -> list[Record]:
    """One row a peer: its blocks, their median, its difference from float64 NumPy, or why it is out."""
    expected = task.expected()
    for process in processes:
        process.open(task, expected)
    for _ in range(rounds):
        for process in processes:
            if not process.failed:
                time.sleep(PAUSE)
                process.time()
    for process in processes:
        process.close()
    return [process.row(task) for process in processes]


def measure(args: argparse.Namespace) -> Record:
    """The whole run, printed task by task as it comes."""
    names = installed(args.peers)
    found = record.empty({**about(names), "rounds": args.rounds})
    for threads in args.threads:
        pin(threads)
        for vectors, dtype in itertools.product(args.vectors, args.dtype):
            alone, *together = limits(dtype, threads, vectors)
            before = together[0] if together else alone
            with started(names, threads, vectors) as processes:
                for shape, rows in itertools.product(args.shapes, args.rows):
                    task = Task(CASES[shape], args.call, dtype, threads, rows)
                    new = measure_task(processes, task, args.rounds)
                    print(report.task_text(new, task, before), flush=True)
                    found["results"] += [{**row, "run": 0} for row in new]
            after = limits(dtype, threads, vectors)[-1]
            limit = {"run": 0, "vectors": vectors, "dtype": dtype, "threads": threads}
            found["limits"].append({**limit, "alone": alone, "before": before, "after": after})
            print(f"\nFMA limit, {dtype}, vectors of {vectors} bytes: {before:.1f} GFLOP/s before, {after:.1f} after")
            if threads > 1:
                print(f"{threads} cores together: {before / alone:.2f} times the {alone:.1f} GFLOP/s of one")
    return found


def about(names: list[str]) -> Record:
    """Machine, versions, date and command of this run."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": shlex.join(["python", "asv_benchmarks/peers.py", *sys.argv[1:]]),
        "machine": machine(),
        "versions": versions(names),
    }


def machine() -> Record:
    """Processor, cores, system and the bytes of the widest vectors."""
    system = f"{platform.system()} {platform.machine()}"
    return {"cpu": cpu_name(), "cores": len(CORES), "system": system, "vector_bytes": host_vector_bytes()}


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
    add("--call", choices=CALLS, default="fit", help="what is timed: a step in a fit, a call of step, or of forward")
    add("--threads", type=int, nargs="+", default=sorted({1, len(CORES)}), help="thread counts, one after the other")
    add("--shapes", nargs="+", choices=CASES, default=list(COMPARED), metavar="SHAPE", help=", ".join(CASES))
    add("--rows", type=int, nargs="+", help=f"of a forward call (default {' '.join(map(str, ROWS))})")
    add("--dtype", nargs="+", choices=DTYPES, default=["float32"])
    add("--vectors", type=int, nargs="+", choices=report.INSTRUCTIONS, default=[host_vector_bytes()],
        help="bytes of the vectors that fastbp compiles for (default: the widest there are)")  # fmt: skip
    add("--rounds", type=int, default=7, help="timed blocks of each peer (default 7)")
    add("--peers", nargs="+", choices=PEERS, metavar="PEER", help=f"of {', '.join(PEERS)} (default: all for the call)")
    add("--output", type=Path, default=HERE / "peers.json", help="the JSON; the chart goes beside it as PNG")
    add("--merge", action="store_true", help="keep the JSON's results but for those that are measured again")
    add("--readme", action="store_true", help="measure nothing: put the JSON into README.md and docs/peers.svg")
    args = parser.parse_args(argv)
    wrong = mistake(args)
    if wrong:
        parser.error(f"argument {wrong}")
    args.rows = args.rows or (list(ROWS) if args.call == "forward" else [0])
    args.peers = args.peers or [name for name, peer in PEERS.items() if args.call in peer.calls]
    return args


def mistake(args: argparse.Namespace) -> str:
    """What is wrong with an argument, if anything is."""
    if not all(1 <= threads <= len(CORES) for threads in args.threads):
        return f"--threads: {args.threads} must lie between 1 and the {len(CORES)} cores there are"
    if args.rounds < 1:
        return f"--rounds: {args.rounds} must be at least 1"
    if args.rows and args.call != "forward":
        return f"--rows: {args.call} takes the minibatches of its shape; rows are for --call forward"
    if args.rows and min(args.rows) < 1:
        return f"--rows: {args.rows} must be at least 1"
    wide = [vectors for vectors in args.vectors if vectors > host_vector_bytes()]
    if wide:
        return f"--vectors: {wide[0]} bytes take {report.INSTRUCTIONS[wide[0]]}, which this processor does not have"
    unable = [name for name in args.peers or [] if args.call not in PEERS[name].calls]
    return f"--peers: {' and '.join(unable)} cannot be timed by --call {args.call}" if unable else ""


def main() -> None:
    args = arguments()
    try:
        if args.readme:
            report.update_readme(record.read(args.output), HERE.parent)
            return
        old = record.read(args.output) if args.merge and args.output.exists() else None
        if old is not None:
            record.check_machine(old, machine())
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    new = measure(args)
    record.write(new if old is None else record.merge(old, new), args.output)
    print("\n" + report.tables_text(new))
    chart.draw(new, args.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
