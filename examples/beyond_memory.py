"""Training on a file that is several times as large as the memory it is given.

A classifier learns from a mapped file of 320 MB whose samples are sorted by label, with 64 MB for samples: blocks of it
are read in random order, many of them mixed, while the kernels train on those that are there.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import fastbp

N_SAMPLES, N_FEATURES, N_CLASSES = 400_000, 200, 10
MEMORY = 64 * 2**20


def write_samples(path, rng):
    """A file of samples around the centre of their class, sorted by class."""
    X = np.lib.format.open_memmap(path, "w+", np.float32, (N_SAMPLES, N_FEATURES))
    centres = rng.normal(size=(N_CLASSES, N_FEATURES)).astype(np.float32)
    labels = np.sort(rng.integers(0, N_CLASSES, N_SAMPLES))
    for start in range(0, N_SAMPLES, 10_000):
        part = labels[start : start + 10_000]
        X[start : start + 10_000] = 0.25 * centres[part] + rng.normal(size=(len(part), N_FEATURES))
    X.flush()
    return labels


class PeakMemory(threading.Thread):
    """The largest resident memory of this process, looked at every 5 ms; 0 where the system does not tell it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.first, self.peak, self.ended = self.resident(), 0, threading.Event()

    @staticmethod
    def resident():
        """Bytes of this process that are in memory."""
        status = Path("/proc/self/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def run(self):
        """Look until it has ended."""
        while not self.ended.wait(0.005):
            self.peak = max(self.peak, self.resident() - self.first)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="where the file is made; a temporary folder by default")
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "samples.npy"
        labels = write_samples(path, rng)
        X = np.load(path, mmap_mode="r")
        print(f"file of {X.nbytes / 2**20:.0f} MB, memory for samples {MEMORY / 2**20:.0f} MB")

        net = fastbp.Network([N_FEATURES, 64, N_CLASSES], activation="relu", rng=1)
        trainer = fastbp.Trainer(net, fastbp.SGD(0.05), batch_size=128, rng=2)
        # compiles for several threads, too, and takes what training takes beside samples
        fastbp.warmup(net.dtype, complete=True)
        trainer.fit(X[:1000], labels[:1000])
        memory = PeakMemory()
        memory.start()
        start = time.perf_counter()
        history = trainer.fit(X, labels, epochs=arguments.epochs, memory=MEMORY)
        seconds = time.perf_counter() - start
        memory.ended.set()
        memory.join()

        print(f"loss {history.loss[0]:.4f} in the first epoch, {history.loss[-1]:.4f} in the last")
        print(f"accuracy {100 * history.accuracy[-1]:.1f}%")
        print(f"{arguments.epochs * N_SAMPLES / seconds:,.0f} samples a second")
        print(f"peak of memory beside that of before: {memory.peak / 2**20:.0f} MB")


if __name__ == "__main__":
    main()
