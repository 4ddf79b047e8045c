"""Time a fit of a mapped file, a quarter of it in memory, beside one of the array: the table of docs/beyond_memory.md.

    python asv_benchmarks/beyond_memory.py --rounds 4

The file's pages are in the system's cache. The two take turns; the first epoch of each fit does not count.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import fastbp

SIZES, BATCH_SIZE, N_SAMPLES = [784, 256, 10], 128, 40_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", help="where the file is made; a temporary folder by default")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    array, labels = rng.random((N_SAMPLES, SIZES[0]), np.float32), rng.integers(0, SIZES[-1], N_SAMPLES)
    print("| threads | array, µs a sample | blocks, µs a sample | median / median | least / least |")
    print("|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "X.npy"
        np.save(path, array)
        ways = {"array": (array, None), "blocks": (np.load(path, mmap_mode="r"), array.nbytes // 4)}
        for threads in arguments.threads:
            found = {}
            for way in ways:
                net = fastbp.Network(SIZES, "relu", rng=0)
                found[way] = fastbp.Trainer(net, fastbp.SGD(0.01), BATCH_SIZE, threads=threads, rng=0), []
            for _ in range(arguments.rounds):
                for way, (X, memory) in ways.items():
                    trainer, times = found[way]
                    times += trainer.fit(X, labels, 3, memory=memory).seconds[1:]
            a, b = (np.array(times) * 1e6 / N_SAMPLES for _, times in found.values())
            ratios = f"{np.median(b) / np.median(a):.2f} | {b.min() / a.min():.2f}"
            print(f"| {threads} | {np.median(a):.1f} | {np.median(b):.1f} | {ratios} |")


if __name__ == "__main__":
    main()
