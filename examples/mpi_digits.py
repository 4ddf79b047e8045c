"""Handwritten digits on one process or on many: the same script, the same weights.

    python examples/mpi_digits.py
    mpiexec -n 4 python examples/mpi_digits.py

It needs `pip install "fastbp[mpi,sklearn]"` and an MPI library: that of a cluster, or `pip install mpich`. Without
mpi4py it runs alone. What knows of other processes is `comm`.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.datasets import load_digits

import fastbp

try:
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
except (ImportError, RuntimeError):  # no mpi4py, or no MPI library
    comm = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()

    digits, labels = load_digits(return_X_y=True)
    digits /= 16
    net = fastbp.Network([64, 96, 10], activation="relu", dtype=np.float64, rng=0)
    trainer = fastbp.Trainer(net, fastbp.Adam(1e-3), batch_size=128, rng=0, dropout=0.1, comm=comm)
    history = trainer.fit(
        digits[:1500], labels[:1500], arguments.epochs, validation_data=(digits[1500:], labels[1500:])
    )
    if comm is None or comm.rank == 0:
        processes = 1 if comm is None else comm.size
        print(f"processes {processes}, validation accuracy {history.val_accuracy[-1]:.4f}")
        print(f"loss {history.loss[-1]:.10f}, mean weight {np.abs(net.parameters).mean():.12f}")


if __name__ == "__main__":
    main()
