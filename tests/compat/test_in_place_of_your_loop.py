"""The page "in place of your loop": each loop and the lines in its place give the same parameters."""

import io
import re
from contextlib import redirect_stdout

import numpy as np
import pytest
from processes import ROOT

import fastbp

PAGE = (ROOT / "docs" / "in_place_of_your_loop.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^<!-- (\w+) -->\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
LOOPS = [[code for _, code in BLOCKS[k : k + 3]] for k, (kind, _) in enumerate(BLOCKS) if kind == "setup"]
TITLES = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)


def run(*codes):
    names = {"np": np, "fastbp": fastbp}
    for code in codes:
        exec(compile(code, "in_place_of_your_loop.md", "exec"), names)
    arrays = [names[name] for name in ("W1", "b1", "W2", "b2") if name in names]
    return arrays or [*names["W"], *names["b"]]


@pytest.mark.parametrize(("setup", "loop", "instead"), LOOPS, ids=TITLES)
def test_the_lines_in_its_place_train_as_the_loop(setup, loop, instead):
    first, expected, found = run(setup), run(setup, loop), run(setup, instead)
    assert len(found) >= 2
    for before, one, other in zip(first, found, expected, strict=True):
        assert np.abs(other - before).max() > 1e-4
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_there_are_five_loops():
    assert len(LOOPS) == len(TITLES) == 5


def test_the_three_lines_at_the_top_train_the_arrays_of_the_first_loop():
    head, setup = (next(code for kind, code in BLOCKS if kind == wanted) for wanted in ("head", "setup"))
    given = "learning_rate, order = 0.1, rng.permutation(200)\n"
    for before, after in zip(run(setup), run(setup, given, head), strict=True):
        assert np.abs(after - before).max() > 1e-4


def test_every_block_of_the_page_is_of_a_kind_that_runs():
    assert len(BLOCKS) == PAGE.count("```python")
    assert {kind for kind, _ in BLOCKS} == {"head", "finder", "setup", "loop", "instead"}


def test_the_finder_prints_what_the_page_says():
    code = next(code for kind, code in BLOCKS if kind == "finder")
    shown = io.StringIO()
    with redirect_stdout(shown):
        exec(compile(code, "in_place_of_your_loop.md", "exec"), {})
    expected = re.search(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]
    assert shown.getvalue() == expected


def test_every_import_of_the_page_works():
    imports = re.findall(r"`(from fastbp\.compat[^`]*?)`", PAGE)
    assert len(imports) == 9
    for line in imports:
        exec(line, {})
