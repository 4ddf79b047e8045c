"""The site's table of equations finds every loop, kernel and test it names."""
import runpy

from processes import ROOT


def test_the_table_of_equations_names_lines_that_there_are():
    equations = runpy.run_path(str(ROOT / "docs" / "equations.py"))
    lines = equations["table"]().splitlines()
    assert len(lines) == 2 + len(equations["ROWS"])
    assert all(line.count(", line ") >= 1 for line in lines[2:])
