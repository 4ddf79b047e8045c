"""The list of faults to plant fits the sources and names tests that exist; `tests/mutants.py` plants them."""

import re

import pytest
from planted import GROUPS, MUTANTS
from processes import ROOT

PACKAGE = ROOT / "fastbp"


def test_there_are_faults_enough_in_every_group():
    assert len(MUTANTS) >= 40
    assert all(len(group) >= 5 for group in GROUPS.values())
    assert len({(mutant.file, mutant.name) for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}: {mutant.name}")
def test_a_fault_can_be_planted_and_its_tests_exist(mutant):
    assert (PACKAGE / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
    compile((PACKAGE / mutant.file).read_text(encoding="utf-8").replace(mutant.old, mutant.new), mutant.file, "exec")
    files = [argument.partition("::")[0] for argument in mutant.tests if argument.startswith("tests/")]
    assert files
    text = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    words = mutant.tests[mutant.tests.index("-k") + 1] if "-k" in mutant.tests else ""
    for word in re.findall(r"[a-z_]+", words):
        assert word in ("and", "or", "not", "reference") or word in text, word
