"""The table of docs/reliability.md: what must be survived, and the tests that hold it."""

import re
from pathlib import Path

_TABLE = Path(__file__).parents[1] / "docs" / "reliability.md"
_ROW = re.compile(r"^\| (\d+) \| .+? \| (.*) \|$", re.MULTILINE)
_TEST = re.compile(r"`((?:training|tables|kernels|runtime|io|project|estimators)/\S+?\.py(?:::\w+)?)`")

#: The tests of each case by its number, as pytest takes them in the folder of the project.
TESTS_OF = {
    int(number): [f"tests/{test}" for test in _TEST.findall(tests)]
    for number, tests in _ROW.findall(_TABLE.read_text(encoding="utf-8"))
}
