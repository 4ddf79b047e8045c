"""What a release says of itself: dependencies, the one version, Pythons, and the recipe for conda."""

from __future__ import annotations

import re
import tomllib

from processes import ROOT

import fastbp


def project_table() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_core_dependencies_are_numba_and_numpy_only():
    assert sorted(re.split(r"[<>=!~ ;\[]", entry)[0] for entry in project_table()["dependencies"]) == ["numba", "numpy"]


def test_no_dependency_has_an_upper_cap():
    project = project_table()
    groups = [project["dependencies"], [project["requires-python"]], *project["optional-dependencies"].values()]
    entries = [entry for group in groups for entry in group]
    assert not [entry for entry in entries if re.search(r"<|==|~=", entry)]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_stands_in_the_package_and_the_others_repeat_it():
    settings = tomllib.loads(read("pyproject.toml"))
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["hatch"]["version"]["path"] == "fastbp/__init__.py"
    assert f"\nversion: {fastbp.__version__}\n" in read("CITATION.cff")
    assert f'\n  version: "{fastbp.__version__}"\n' in read("conda/recipe.yaml")
    assert re.search(r"(?m)^## \[(.*?)\]", read("CHANGELOG.md"))[1] == fastbp.__version__


def test_the_page_start_says_whether_there_is_a_release():
    released = re.search(r"(?m)^## \[.*?\] - \d{4}-", read("CHANGELOG.md")) is not None
    assert released == ("is not on PyPI yet" not in read("docs/start.md"))


def test_the_recipe_for_conda_asks_for_what_the_package_asks_for():
    project, recipe = project_table(), read("conda/recipe.yaml")
    lowest = project["requires-python"].removeprefix(">=")
    assert f'python_min: "{lowest}"' in recipe
    run = re.search(r"(?s)  run:\n(.*?)\n\n", recipe)[1]
    asked = [line.strip(" -").replace(" ", "") for line in run.splitlines()]
    assert asked == ["python>=${{python_min}}", *project["dependencies"]]
    build = tomllib.loads(read("pyproject.toml"))["build-system"]["requires"]
    assert all(f"- {entry.replace('>=', ' >=')}\n" in recipe for entry in build)


def pythons() -> list[str]:
    return [entry[-4:] for entry in project_table()["classifiers"] if re.search(r":: 3\.\d+$", entry)]


def test_every_python_that_is_claimed_is_tested():
    if (ROOT / ".github").exists():  # an sdist has no workflows
        matrix = re.search(r"python: \[(.*?)\]", read(".github/workflows/tests.yml"))[1]
        assert re.findall(r"[\d.]+", matrix) == pythons()
