"""Plant faults, one at a time, and see that the tests catch each: `nox -s mutants`, or

    python tests/mutants.py                        # all of them, an hour or more: faults in kernels compile anew
    python tests/mutants.py --jobs 2 --only files  # the group of that name, or mutants with the word in file or name

The list is `tests/planted.py`. Each mutant is planted in a copy of the project, and its tests run with -x there. A test
that fails or a process that crashes has caught it. Tests that do not end have caught nothing: whoever waits for them
learns of no fault. The exit status is the number of mutants that were not caught.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from planted import GROUPS, MUTANTS, Mutant

from fastbp.kernels.runtime.cache import CODE

ROOT = Path(__file__).parents[1]
CAUGHT, SURVIVED, ENDLESS, NOT_RUN = "caught", "SURVIVED", "ENDLESS", "NOT RUN"
# Seconds that the tests of a mutant may take; those of the slowest compile all kernels for minutes.
TIMEOUT = 1200.0


def chosen(words: list[str]) -> Iterator[Mutant]:
    """The mutants of these groups, or with one of these words in file or name; all where there are none."""
    parts = [word for word in words if word not in GROUPS]
    for group, mutants in GROUPS.items():
        yield from (one for one in mutants if not words or group in words
                    or any(part in f"{one.file} {one.name}" for part in parts))


def run(mutant: Mutant, timeout: float = TIMEOUT) -> tuple[str, str]:
    """What became of a mutant, and the first line that pytest wrote of a failure."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "project")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "docs", "html", "results"))
        (copy / "docs").symlink_to(ROOT / "docs")
        place = copy / "fastbp" / mutant.file
        text = place.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            return NOT_RUN, f"the text is there {text.count(mutant.old)} times"
        place.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        # what hangs is to end before the time for all tests does
        environment = os.environ | {"PYTHONPATH": str(copy), "FASTBP_TEST_AHEAD": str(timeout / 2)}
        if mutant.file.startswith(CODE):
            environment["FASTBP_CACHE_DIR"] = str(Path(scratch, "kernels"))  # used once
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
        code, written = ended(command, copy, environment, timeout)
    lines = [line for line in written.splitlines() if line.startswith(("FAILED", "ERROR"))] or [""]
    if code is None:
        return ENDLESS, f"not done after {timeout:.0f} s"
    if code == 0:
        return SURVIVED, ""
    # 1: tests failed; below 0: the process crashed; else pytest itself could not do its work
    return (CAUGHT if code == 1 or code < 0 else NOT_RUN), lines[0][:200]


def ended(command: list[str], folder: Path, environment: dict[str, str], timeout: float) -> tuple[int | None, str]:
    """The exit code of a command, None where it did not end in time, and its standard output."""
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, encoding="utf-8", start_new_session=True) as process:
        try:
            written = process.communicate(timeout=timeout)[0]
        except BaseException as error:
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)  # with the processes that its tests have started
            process.kill()
            if isinstance(error, subprocess.TimeoutExpired):
                return None, ""
            raise
    return process.returncode, written


def main() -> int:
    """Run the chosen mutants and print a line for each, and a summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help=f"{', '.join(GROUPS)}, or words")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at the same time")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds that the tests of a mutant may take")
    options = parser.parse_args()
    mutants = list(chosen(options.only))
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(lambda mutant: run(mutant, options.timeout), mutants)
        for mutant, (result, line) in zip(mutants, found, strict=True):
            results.append(result)
            case = f"case {mutant.case}, " if mutant.case else ""
            sys.stdout.write(f"{result:8} {case}{mutant.file}: {mutant.name}  {line}\n")
            sys.stdout.flush()
    counts = ", ".join(f"{results.count(kind)} {kind.lower()}" for kind in (CAUGHT, SURVIVED, ENDLESS, NOT_RUN))
    sys.stdout.write(f"{len(mutants)} of {len(MUTANTS)} mutants: {counts}\n")
    return len(results) - results.count(CAUGHT)


if __name__ == "__main__":
    sys.exit(main())
