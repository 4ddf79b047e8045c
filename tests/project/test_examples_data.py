"""The examples of regression and of going on after a kill run and show what they promise."""

import os
import re
import subprocess
import sys

import pytest
from processes import ROOT


def run(name, cwd):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, ROOT / "examples" / name]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300,
                          encoding="utf-8")


def test_regression_predicts_better_than_the_mean_and_draws(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    done = run("regression.py", tmp_path)
    assert done.returncode == 0, done.stderr
    r2, error, spread = map(float, re.search(r"R² ([\d.]+), mean error ([\d.]+) .*: ([\d.]+)\)", done.stdout).groups())
    assert r2 > 0.3
    assert error < 0.8 * spread
    assert (tmp_path / "regression.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_killed_training_ends_with_the_bits_of_one_that_was_not(tmp_path):
    done = run("resume.py", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ended by signal 9" in done.stdout
    assert "equal to the last bit: True" in done.stdout
