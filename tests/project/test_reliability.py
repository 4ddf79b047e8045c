"""The table of what must be survived names every case and tests that exist; a fault is planted for each case."""

import ast

import pytest
from planted import MUTANTS
from processes import ROOT
from reliability import TESTS_OF

# No Python without a global lock has Numba here; nothing fails by benchmarks.
NOT_PLANTED = {52, 86}


def functions_of(path):
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


def test_all_86_cases_are_in_the_table_once_and_in_order():
    assert [*TESTS_OF] == list(range(1, 87))


@pytest.mark.parametrize("case", TESTS_OF)
def test_the_tests_of_a_case_exist(case):
    assert TESTS_OF[case]
    for test in TESTS_OF[case]:
        file, _, function = test.partition("::")
        assert (ROOT / file).exists(), file
        assert not function or function in functions_of(ROOT / file), function


def test_a_fault_is_planted_for_each_case():
    assert {mutant.case for mutant in MUTANTS} - {0} == {*TESTS_OF} - NOT_PLANTED
