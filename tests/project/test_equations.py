"""The README tells what the tree is now."""
import runpy

from processes import ROOT


def test_the_table_of_equations_names_the_lines_that_there_are():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    equations = runpy.run_path(str(ROOT / "docs" / "equations.py"))
    assert equations["readme"](readme) == readme, "run python docs/equations.py"
