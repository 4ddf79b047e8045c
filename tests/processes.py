"""Fresh interpreters for what a process does once: import, compile, launch threads, fork."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
# The package, and the modules of the tests: those of test_threads import test_threads again.
_FOLDERS = ("distributed", "estimators", "io", "kernels", "project", "runtime", "tables", "training")
_MODULES = [ROOT, TESTS, *(TESTS / name for name in _FOLDERS)]
# Seconds that a process may take; an emulated one takes longer.
TIMEOUT = float(os.environ.get("FASTBP_TEST_TIMEOUT", "300"))
# Whether tests that count take their whole counts, minutes for each: `nox -s counts`.
WHOLE = bool(os.environ.get("FASTBP_TEST_WHOLE"))
_DEFAULTS = {
    # One BLAS thread: two that wait for each other on a busy machine take a hundred times as long.
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONIOENCODING": "utf-8",
}


def start_python(*command, cwd=None, environment=os.environ, **variables):
    """Start a fresh interpreter with the arguments `command` and these environment variables; None unsets one."""
    path = os.pathsep.join([*map(str, _MODULES), *filter(None, [environment.get("PYTHONPATH")])])
    environment = {**environment, "PYTHONPATH": path, **_DEFAULTS, **variables}
    return subprocess.Popen([sys.executable, *map(str, command)], cwd=cwd, text=True, encoding="utf-8",
                            env={name: str(value) for name, value in environment.items() if value is not None},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process, timeout=TIMEOUT):
    """Wait for the end of a process; return its exit code, standard output and standard error."""
    with process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return process.returncode, out, err


def output_of(process, timeout=TIMEOUT):
    """Wait for the end of a process that must not fail; return its standard output."""
    code, out, err = ended(process, timeout)
    assert code == 0, f"exit code {code}\n{err}"
    return out


def run_python(code, *arguments, cwd=None, **variables):
    """Return the standard output of a fresh interpreter that runs `code`, as for `start_python`."""
    return output_of(start_python("-c", code, *arguments, cwd=cwd, **variables))
