"""Command line: ``python -m fastbp info`` shows the configuration, ``python -m fastbp warmup`` compiles in advance."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from time import perf_counter

import fastbp


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command of ``python -m fastbp``.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command and options. The default is those of the process.

    Raises
    ------
    SystemExit
        If the command or an option is unknown.

    Examples
    --------
    >>> main(["info"])
    fastbp ...
    """
    parser = argparse.ArgumentParser("python -m fastbp", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="show vector width, threads, cache of compiled kernels and versions")
    warm = commands.add_parser("warmup", help="compile in advance the kernels of training and evaluation")
    warm.add_argument("--dtype", choices=("float32", "float64"), help="dtype of the networks to come (default: both)")
    warm.add_argument("--complete", action="store_true", help="also every activation, loss, optimizer and norm limit")
    options = parser.parse_args(arguments)
    if options.command == "warmup":
        start = perf_counter()
        fastbp.warmup(options.dtype, complete=options.complete)
        print(f"ready after {perf_counter() - start:.1f} s, kept in {fastbp.config.cache_directory}")
    else:
        fastbp.show_config()


def _run() -> None:
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has what it wants: `python -m fastbp info | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    _run()
