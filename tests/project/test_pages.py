"""The pages of the site: every block of Python runs, page by page, and prints what the page says it prints."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout

import pytest
from processes import ROOT

DOCS = ROOT / "docs"
# Pages whose blocks do not follow from each other, and the test that runs them.
BY_THEMSELVES = {"in_place_of_your_loop.md": "tests/compat/test_in_place_of_your_loop.py"}
# Modules of other processes: a block that imports one is compiled here, and the test that is named runs it in them.
ELSEWHERE = {
    "dask": "tests/estimators/test_engines.py",
    "mpi4py": "tests/distributed/test_mpiexec.py",
    "ray": "tests/estimators/test_engines.py",
}
INCLUDED = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
ALL = [*INCLUDED, *sorted(DOCS.glob("*.md"))]
PAGES = [path for path in ALL if path.name not in BY_THEMSELVES]
BLOCK = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """Language, text and line of each block of a page."""
    text = page.read_text(encoding="utf-8")
    return [(found[1], found[2], text[: found.start()].count("\n") + 2) for found in BLOCK.finditer(text)]


def elsewhere(code):
    """The modules of other processes that a block imports."""
    return set(ELSEWHERE) & set(re.findall(r"(?m)^\s*(?:from|import) (\w+)", code))


def run(page):
    """Run a page's Python in one namespace; each block that a block of text follows must print that text."""
    names = {"__name__": page.stem}
    found = blocks(page)
    for k, (language, code, line) in enumerate(found):
        if language == "python":
            shown, compiled = io.StringIO(), compile("\n" * (line - 1) + code, str(page), "exec")
            if elsewhere(code):
                continue
            with redirect_stdout(shown):
                exec(compiled, names)
            if k + 1 < len(found) and found[k + 1][0] == "text":
                assert shown.getvalue() == found[k + 1][1], f"{page.name}, line {line}"


WITH_CODE = [page for page in PAGES if any(language == "python" for language, _, _ in blocks(page))]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda path: path.name)
def test_the_python_of_a_page_runs_and_prints_what_it_says(page, tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    run(page)


def test_text_that_is_not_printed_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    with pytest.raises(AssertionError, match=r"page.md, line 2"):
        run(page)


def test_only_what_needs_other_processes_is_not_run(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nfrom mpi4py import MPI\n\n1 / 0\n```\n\n```python\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as raised:
        run(page)
    assert raised.traceback[-1].lineno == 7


@pytest.mark.parametrize("name", BY_THEMSELVES)
def test_what_runs_by_itself_has_its_test(name):
    assert name in (ROOT / BY_THEMSELVES[name]).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_runs_in_other_processes_has_its_test(page):
    for language, code, _ in blocks(page):
        for module in elsewhere(code) if language == "python" else ():
            assert f'"{page.name}"' in (ROOT / ELSEWHERE[module]).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ALL, ids=lambda path: path.name)
def test_no_block_is_written_so_that_it_is_not_found(page):
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"(?m)^[ \t>]*(?:`{3,}|~{3,}).*$", text) == re.findall(r"(?m)^```[^`\n]*$", text)
    assert len(re.findall(r"(?m)^```", text)) == 2 * len(blocks(page))
    assert "code-block}" not in text
    assert not re.search(r"(?m)^ {4,}(?:import|from|>>>) ", BLOCK.sub("", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_block_has_a_language_that_is_known(page):
    languages = {language for language, _, _ in blocks(page)}
    assert languages <= {"python", "text", "sh", "{include}", "{literalinclude}", "{toctree}"}


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda path: path.name)
def test_a_window_of_1280_pixels_shows_whole_lines_of_code(page):
    lines = [line for language, code, _ in blocks(page) if language in ("python", "sh") for line in code.splitlines()]
    assert [line for line in lines if len(line) > 91] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_name_sessions_and_files_that_there_are(page):
    sessions = set(re.findall(r"(?m)^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8")))
    text = page.read_text(encoding="utf-8")
    shell = "\n".join(code for language, code, _ in blocks(page) if language == "sh")
    asked = [name for names in re.findall(r"nox -s ((?:\w+ ?)+)", shell) for name in names.split()]
    asked += re.findall(r"nox -s (\w+)", text)
    assert set(asked) <= sessions
    files = re.findall(r"(?:python|pytest|bash) ((?:examples|docs|tests|asv_benchmarks)/[\w/.]+)", text)
    assert [file for file in files if not (ROOT / file).exists()] == []
