"""Jobs of several processes under the mpiexec of this environment."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from processes import ROOT, TESTS, TIMEOUT

# What all scripts begin with.
HEAD = """
import os, signal, sys
import numpy as np
from mpi4py import MPI
import fastbp
from networks import make_data, make_network, relative_error
comm = MPI.COMM_WORLD

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # at once: the launcher mixes what comes in parts

def trainer_of(comm=comm, **arguments):
    net = make_network(fastbp, [8, 12, 7, 3])
    return fastbp.Trainer(net, **{"optimizer": "adam", "batch_size": 10, "rng": 3, "comm": comm, **arguments})

def data(n=53):
    return make_data(make_network(fastbp, [8, 12, 7, 3]), n)
"""


def mpiexec():
    """The launcher beside this interpreter, or on the path; None without one or without mpi4py."""
    beside = Path(sys.executable).with_name("mpiexec")
    try:
        import mpi4py  # noqa: F401
    except ImportError:
        return None
    return str(beside) if beside.exists() else shutil.which("mpiexec")


needs_mpi = pytest.mark.skipif(mpiexec() is None, reason="needs mpi4py and mpiexec: pip install -e '.[test-mpi]'")


def _heed_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Job:
    """A script that runs on some ranks; its output goes to files, which can be read while it runs."""

    def __init__(self, code, size=2, *, arguments=(), head=HEAD, file=None):
        self._folder = tempfile.TemporaryDirectory()
        script = Path(self._folder.name) / "script.py"
        script.write_text(head + code, encoding="utf-8")
        self._out, self._err = (Path(self._folder.name) / name for name in ("out", "err"))
        path = os.pathsep.join([str(ROOT), str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [mpiexec(), "-n", str(size), sys.executable, str(file or script), *map(str, arguments)]
        environment = os.environ | {
            "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        }
        with self._out.open("w") as out, self._err.open("w") as err:
            # a shell's background jobs begin with Ctrl-C ignored
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                            start_new_session=True, preexec_fn=_heed_ctrl_c)  # noqa: PLW1509

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._folder.cleanup()

    @property
    def out(self):
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self):
        return self._err.read_text(encoding="utf-8")

    def ended(self):
        """Wait for the end; return the exit code."""
        try:
            return self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the job hangs\n{self.out}\n{self.err}") from None


def run(code, size=2, **keywords):
    """Return the lines that a job printed, sorted; it must not fail."""
    with Job(code, size, **keywords) as job:
        status = job.ended()
        assert status == 0, f"exit status {status}\n{job.out}\n{job.err}"
        return sorted(job.out.splitlines())


def fails(code, size=2, **keywords):
    """Return the exit status, the sorted lines and the errors of a job that must end by itself, and not well."""
    with Job(code, size, **keywords) as job:
        status = job.ended()
        assert status != 0, job.out
        return status, sorted(job.out.splitlines()), job.err
