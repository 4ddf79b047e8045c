"""The examples of regression and of going on after a kill run and show what they promise."""

import os
import re

import pytest
from processes import ROOT, output_of, start_python

pytestmark = pytest.mark.slow


def test_regression_predicts_better_than_the_mean_and_draws(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    shown = output_of(start_python(ROOT / "examples" / "regression.py", cwd=tmp_path))
    r2, error, spread = map(float, re.search(r"R² ([\d.]+), mean error ([\d.]+) .*: ([\d.]+)\)", shown).groups())
    assert r2 > 0.3
    assert error < 0.8 * spread
    assert (tmp_path / "regression.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_killed_training_ends_with_the_bits_of_one_that_was_not(tmp_path):
    shown = output_of(start_python(ROOT / "examples" / "resume.py", cwd=tmp_path))
    assert "ended by signal 9" in shown
    assert "equal to the last bit: True" in shown
