"""Weak scaling on paper: the table of docs/scaling.md for 2 to 1,024 ranks of one core, from what two ranks measured.

    python asv_benchmarks/ranks_model.py [SAMPLES_A_RANK]

A step of p ranks takes the time of its samples, and (p − 1) α + 2 log2(p) α + 2 (p − 1)/p n β for the messages: one
Alltoallv, two Allgathers; n parameters, α of a message, β of a parameter.
"""

from __future__ import annotations

import math
import sys

# parameters; µs of a sample forward and back, and of an update (one core, float32, AVX2, Zen 3)
NETS = {"784-30-10": (23_860, 1.65, 3.0), "784-256-10": (203_530, 11.0, 22.0),
        "1024-2048-2048-1000": (8_344_552, 563.0, 2_030.0)}
# α in µs; µs of an Allreduce of each network between two ranks (RDMA: 10 GB/s, assumed)
LINKS = {
    "shared memory": (1.6, (15.4, 117.0, 13_024.0)),
    "100 Gbit/s RDMA": (2.0, tuple(4.0 + 4e-4 * n for n, _, _ in NETS.values())),
    "10 Gbit/s Ethernet": (20.0, (153.0, 1_843.0, 53_926.0)),
    "1 Gbit/s Ethernet": (20.0, (1_422.0, 12_249.0, 493_752.0)),
}
PYTHON = 30.0  # µs a step between the compiled parts
RANKS = (2, 8, 64, 256, 1024)


def messages(p, n, alpha, beta):
    """µs of the messages of a step."""
    return (p - 1 + 2 * math.log2(p)) * alpha + 2 * (p - 1) / p * n * beta


def main():
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    print("| link | network |", *[f"{p:,} |" for p in RANKS], "samples a rank for 90 % at 64 |")
    print("|---|---|" + "--:|" * (len(RANKS) + 1))
    for k, (net, (n, sample, update)) in enumerate(NETS.items()):
        alone = samples * sample + update + PYTHON
        for link, (alpha, two) in LINKS.items():
            beta = max(0.0, two[k] - 2 * alpha) / n
            shares = [alone / (alone + messages(p, n, alpha, beta)) for p in RANKS]
            need = max(0.0, 9 * messages(64, n, alpha, beta) - update - PYTHON) / sample
            print(f"| {link} | {net} |", *[f"{share:.0%} |" for share in shares], f"{need:,.0f} |")


if __name__ == "__main__":
    main()
