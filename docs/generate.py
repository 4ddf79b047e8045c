"""What the site makes of the tree at each build: the reference's pages, tables, charts, drawings, the gallery."""

from __future__ import annotations

from pathlib import Path

import drawings
import equations
import floors
import gallery
import history
import record
import reference
import report

ROOT = Path(__file__).parents[1]

# The pages that the front page lists, and the guides in their order; a page that is neither is a guide, too.
FRONT = {
    "index", "start", "features", "derivation", "how_fast", "guides", "benchmarks", "contributing", "security",
    "changelog",
}  # fmt: skip
GUIDES = (
    "sklearn_swap", "in_place_of_your_loop", "own_formulas", "reinforcement_learning", "checkpoints", "beyond_memory",
    "scaling", "many_trainings", "own_kernels", "reproducibility", "when_it_goes_wrong", "reliability",
)  # fmt: skip


def guides() -> str:
    """The list of guides, as a directive."""
    there = {path.stem for path in (ROOT / "docs").glob("*.md")} - FRONT
    listed = [name for name in GUIDES if name in there]
    return "\n".join(["```{toctree}", ":maxdepth: 1", "", *listed, *sorted(there - set(listed)), "```", ""])


def write_all(folder: Path) -> None:
    """Write all files that are not there as they should be; a file that stays the same keeps its time."""
    measured = record.read(ROOT / "asv_benchmarks" / "peers.json")
    parts = {
        "parts/equations.md": equations.table(),
        "parts/path.md": report.path_text(measured),
        "parts/peers.md": report.section(measured),
        "parts/milestones.md": history.table(),
        "parts/guides.md": guides(),
    }
    for name, text in {**parts, **reference.pages()}.items():
        write(folder / name, text)
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    drawings.draw_all(pictures)
    floors.draw(pictures / "floors.svg")
    history.draw(pictures / "milestones.svg")
    report.draw_all(measured, pictures)
    gallery.build(folder / "gallery")


def write(path: Path, text: str) -> None:
    """Write a text unless the file holds it."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
