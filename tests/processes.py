"""Fresh interpreters for what a process does once: import, compile, launch threads, fork."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
# Seconds that a process may take; an emulated one takes longer.
TIMEOUT = float(os.environ.get("FASTBP_TEST_TIMEOUT", "240"))


def start_python(code, *, arguments=("-c",), **variables):
    """A fresh interpreter that can import what lies beside the tests; a variable that is None is unset."""
    path = os.pathsep.join(part for part in (str(TESTS), str(TESTS / "kernels"), os.environ.get("PYTHONPATH")) if part)
    environment = {name: str(value) for name, value in ({"PYTHONPATH": path} | variables).items() if value is not None}
    inherited = {name: value for name, value in os.environ.items() if name not in variables}
    return subprocess.Popen([sys.executable, *arguments, code], env=inherited | environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def output_of(process, timeout=TIMEOUT):
    """Its standard output; AssertionError with its standard error where it fails."""
    with process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 0, f"exit code {process.returncode}\n{err}"
    return out


def run_python(code, **variables):
    """Standard output of a fresh interpreter, as for `start_python`."""
    return output_of(start_python(code, **variables))
