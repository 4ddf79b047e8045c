"""``python -m fastbp info`` shows what the machine gave, ``python -m fastbp warmup`` compiles ahead."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from time import perf_counter

import fastbp


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; see ``python -m fastbp --help``."""
    parser = argparse.ArgumentParser("python -m fastbp", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="show vectors, threads, the cache of compiled kernels, versions")
    warm = commands.add_parser("warmup", help="compile ahead what training and evaluation need")
    warm.add_argument("--dtype", choices=("float32", "float64"), help="of the networks to come; both if absent")
    warm.add_argument("--complete", action="store_true", help="also every activation, loss, optimizer and rule")
    options = parser.parse_args(arguments)
    if options.command == "warmup":
        start = perf_counter()
        fastbp.warmup(options.dtype, complete=options.complete)
        print(f"ready after {perf_counter() - start:.1f} s, kept in {fastbp.config.cache_directory}")
    else:
        fastbp.show_config()


if __name__ == "__main__":
    main()
