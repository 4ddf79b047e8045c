"""Times of a step of one process and of two ranks that share it, one thread each, and what of it is communication.

    python asv_benchmarks/ranks.py                        the table of docs/scaling.md
    python asv_benchmarks/ranks.py --mpiexec "mpirun -q" --net 784 30 10 --batches 16 64

Needs mpi4py and an MPI library, `pip install -e ".[test-mpi]"`, and a quiet machine with two cores. One process and two
ranks take turns, each in fresh processes bound to a core each. The table has the medians of all epochs, and in brackets
the least values, which are the sounder ones where others use the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
N = 8192  # samples: 25 MB of 784 float32, so that they come from memory as in use
_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")


# ------------------------------------------------------------------ one rank, or one process
def messages(comm, trainer, rounds=200):
    """Seconds of the three messages of a step, least and median, without waiting for work."""
    import numpy as np

    session, ranks, times = trainer._opened(), trainer._ranks, []
    summed = np.zeros_like(session._inner.summed)
    for _ in range(rounds):
        comm.Barrier()
        start = time.perf_counter()
        ranks.tally(("the size of a minibatch", 2), 1, 0.0, 1)
        ranks.sum(summed)
        times.append(time.perf_counter() - start)
    return statistics.median(times), min(times)


def measure(sizes, batches, optimizer, seconds, comm):
    """Seconds of a step, of each epoch, and of the messages, for each batch size."""
    import numpy as np

    import fastbp

    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(N, sizes[0])).astype(np.float32), rng.integers(0, sizes[-1], N)
    results = {}
    for batch in batches:
        net = fastbp.Network(sizes, activation="tanh", rng=0)
        optimizers = {"sgd": fastbp.SGD(1e-4), "adam": fastbp.Adam(1e-5)}
        trainer = fastbp.Trainer(net, optimizers[optimizer], batch, threads=1, rng=0, comm=comm)
        trainer.fit(X[: 2 * batch], Y[: 2 * batch])
        times = []
        history = trainer.fit(X, Y, epochs=2)
        epochs = max(3, int(seconds / history["seconds"][-1]))
        if comm is not None:
            epochs = comm.bcast(epochs)
        times = [each * batch / N for each in trainer.fit(X, Y, epochs=epochs)["seconds"]]
        results[batch] = {"steps": times, "messages": None if comm is None else messages(comm, trainer)}
    return results


def work(arguments):
    """Measure in this process, bound to one core, and print the result where it is rank 0."""
    rank = next((int(os.environ[name]) for name in _RANKS if name in os.environ), 0)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[rank % len(cores)]})  # before Numba counts them
    comm = None
    if arguments.work == "ranks":
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
    results = measure(arguments.net, arguments.batches, arguments.optimizer, arguments.seconds, comm)
    if rank == 0:
        print(json.dumps(results))


# ------------------------------------------------------------------ both, and the table
def started(arguments, kind):
    """What a fresh measurement printed."""
    command = [sys.executable, __file__, "--work", kind, "--optimizer", arguments.optimizer, "--seconds",
               str(arguments.seconds), "--net", *map(str, arguments.net), "--batches", *map(str, arguments.batches)]
    if kind == "ranks":
        command = [*shlex.split(arguments.mpiexec), "-n", "2", *command]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": path})
    return json.loads(done.stdout.splitlines()[-1])


def table(found):
    """Rows of Markdown: medians and least values, in µs, of epochs' steps and of the messages; speed-ups and shares."""
    lines = ["| batch | one process | two ranks | speed-up | messages | share |", "|--:|--:|--:|--:|--:|--:|"]
    for batch in found[0]["one"]:
        one, ranks = ([step for each in found for step in each[kind][batch]["steps"]] for kind in ("one", "ranks"))
        sent = [each["ranks"][batch]["messages"][k] for each in found for k in (0, 1)]
        cells = [(statistics.median(times) * 1e6, min(times) * 1e6) for times in (one, ranks, sent)]
        (a, a0), (b, b0), (c, c0) = cells
        times = [f"{median:,.0f} ({least:,.0f})" for median, least in cells]
        shares = [f"{a / b:.2f} ({a0 / b0:.2f})", f"{c / b:.0%} ({c0 / b0:.0%})"]
        lines.append(f"| {batch} | {times[0]} | {times[1]} | {shares[0]} | {times[2]} | {shares[1]} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mpiexec", default=str(Path(sys.executable).with_name("mpiexec")), help="launcher")
    parser.add_argument("--net", type=int, nargs="+", default=[784, 256, 10])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
    parser.add_argument("--seconds", type=float, default=1.0, help="of training for each number")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", choices=["one", "ranks"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments)
        return
    found = [{kind: started(arguments, kind) for kind in ("one", "ranks")} for _ in range(arguments.rounds)]
    print(table(found))


if __name__ == "__main__":
    main()
