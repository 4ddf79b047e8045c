"""The table of what must be survived names every case and tests that exist."""

import ast
import re

import pytest
from processes import ROOT, TESTS

TABLE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.*) \|$", TABLE, re.MULTILINE)


def functions_of(path):
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


def test_all_86_cases_are_in_the_table_once_and_in_order():
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 87))


@pytest.mark.parametrize(("number", "tests"), [(number, tests) for number, _, tests in ROWS], ids=lambda x: x[:3])
def test_the_tests_of_a_case_exist(number, tests):
    named = re.findall(r"`((?:training|tables|kernels|runtime|io|project|estimators)/\S+?\.py)(?:::(\w+))?`", tests)
    assert named
    for file, function in named:
        assert (TESTS / file).exists(), file
        assert not function or function in functions_of(TESTS / file), function
