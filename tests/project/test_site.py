"""What the site is made of: a reference without gaps, pictures that say what the tree says, a gallery that runs."""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import ahead
import pytest
from processes import ROOT
from test_docstrings import PUBLIC
from test_layout import BELOW

sys.path.extend([str(ROOT / "docs"), str(ROOT / "asv_benchmarks")])
import drawings
import floors
import gallery
import generate
import history
import reference


def test_the_reference_has_every_public_name():
    listed = {id(inner) for inner in map(plainly, reference.listed())}
    missing = [path for path, (thing, owner) in PUBLIC.items() if owner is None and id(thing) not in listed]
    assert missing == [], "docs/reference.py names the pages"


def plainly(name):
    thing = reference.named(name)
    return inspect.unwrap(getattr(thing, "__func__", thing))


def test_every_page_of_the_reference_is_in_its_list():
    pages = reference.pages()
    named = set(pages["reference/index.rst"].split())
    assert [name for name in reference.PAGES if name not in named] == []


def test_every_page_is_reached_from_the_front():
    generated = {f"docs/generated/{name}" for name in ("gallery/index", "reference/index")}
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")) + generate.guides()
    lists = "\n".join(re.findall(r"(?s)```\{toctree\}(.*?)```", text))
    listed = set(lists.split())
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    assert pages - listed == set()
    assert {name.removeprefix("docs/") for name in generated} <= listed


def test_pages_of_the_tree_name_no_line_that_has_gone():
    for page in (ROOT / "docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for file, options in re.findall(r"```\{literalinclude\} (\S+)\n((?::.*\n)*)", text):
            source = (ROOT / "docs" / file).read_text(encoding="utf-8")
            wanted = re.search(r":pyobject: (\w+)", options)
            assert wanted is None or f"def {wanted[1]}(" in source, f"{page.name}: {file} has no {wanted[1]}"
            for start in re.findall(r':(?:start|end)-at: "?(.*?)"?\n', options):
                assert start in source, f"{page.name}: {file} has no {start}"


def test_the_floors_are_the_groups_of_the_layout_and_no_import_goes_up():
    members, counts = floors.rooms()
    level = {room: k for k, floor in enumerate(floors.FLOORS) for room in floor}
    assert set(level) == set(BELOW) == set(members)
    assert [pair for pair in counts if level[pair[0]] >= level[pair[1]]] == []


def test_drawings_are_the_same_each_time(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        drawings.draw_all(tmp_path / folder)
        floors.draw(tmp_path / folder / "floors.svg")
    drawn = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(drawn) == 6
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in drawn)


# ---- milestones
def test_milestones_are_small_and_have_a_history():
    found = history.milestones()
    assert len(found) >= 3
    assert all(set(milestone.values) == set(history.SHOWN) for milestone in found)
    assert sum(path.stat().st_size for path in history.FOLDER.rglob("*") if path.is_file()) < 2_000_000
    assert len(history.table().splitlines()) == 2 + len(found)
    names = set(json.loads((history.FOLDER / "benchmarks.json").read_text(encoding="utf-8"))) - {"version"}
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in history.FOLDER.glob("*/[!m]*.json")]
    assert all(set(results["results"]) == names for results in kept)  # else a graph of the dashboard is empty


# ---- the gallery
def test_the_gallery_shows_every_script():
    assert sorted(gallery.ORDER) == sorted(path.stem for path in gallery.SCRIPTS.glob("*.py"))
    assert len(gallery.ORDER) >= 8


def test_a_script_that_fails_ends_the_build_with_its_error(tmp_path):
    script = tmp_path / "wrong.py"
    script.write_text('"""Wrong."""\nraise SystemExit("this is wrong")\n')
    with pytest.raises(RuntimeError, match="this is wrong"):
        gallery.run(script, tmp_path)


RUN = """
import sys
from pathlib import Path
sys.path.append(sys.argv[1])
import gallery
print(gallery.run(gallery.SCRIPTS / f"{sys.argv[2]}.py", Path(sys.argv[3])))
"""


def made(name):
    """What a script of the gallery prints, and the names and first bytes of the files that it leaves."""
    with TemporaryDirectory() as folder:
        shown = ahead.run("-c", RUN, ROOT / "docs", name, folder)
        return shown.strip(), {path.name: path.read_bytes()[:4] for path in Path(folder).iterdir()}


@pytest.mark.slow
@pytest.mark.ahead(of=made)
@pytest.mark.parametrize("name", gallery.ORDER)
def test_a_script_of_the_gallery_makes_its_picture(name):
    pytest.importorskip("sklearn")
    pytest.importorskip("mlxtend")
    shown, files = ahead.result(made, name)
    assert shown
    assert files == {f"{name}.png": b"\x89PNG"}
