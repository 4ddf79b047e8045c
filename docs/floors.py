"""The floors of the package, drawn from its imports: who stands on whom. `python docs/floors.py FILE` draws them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import drawings

PACKAGE = Path(__file__).parents[1] / "fastbp"

# From the top down. A module at the root that is neither of the face nor `reference` is a table.
FLOORS = (
    ("estimators", "compat"),
    ("face",),
    ("compiled", "reference"),
    ("base",),
    ("symbolic", "io", "distributed"),
    ("tables",),
    ("kernels",),
)
ROOMS = {room for floor in FLOORS for room in floor}
RULES = PACKAGE.parent / "tests" / "project" / "test_layout.py"


def sources() -> dict[str, ast.Module]:
    """Module -> its syntax; `kernels.loops` for fastbp/kernels/loops.py."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Module -> modules of the package that it imports by name, anywhere in it."""
    found: dict[str, set[str]] = {}
    for module, tree in trees.items():
        names = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        inner = {name.removeprefix("fastbp.") for name in names if name.startswith("fastbp.")}
        found[module] = {name for name in inner if name in trees} - {module}
    return found


def faces() -> set[str]:
    """The modules at the root that stand on everything, as the test of the layout names them."""
    for node in ast.parse(RULES.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FACE":
            return set(ast.literal_eval(node.value))
    raise LookupError(f"{RULES} names no FACE")


def rooms() -> tuple[dict[str, list[str]], dict[tuple[str, str], int]]:
    """Room -> its modules; (room, room below it) -> how many imports go from one to the other."""
    targets = imports(sources())
    face = faces()
    of = {
        module: "face" if module in face else first if (first := module.partition(".")[0]) in ROOMS else "tables"
        for module in targets
    }
    members: dict[str, list[str]] = {}
    for module, room in of.items():
        members.setdefault(room, []).append(module)
    counts: dict[tuple[str, str], int] = {}
    for module, names in targets.items():
        for name in names:
            if of[module] != of[name]:
                counts[of[module], of[name]] = counts.get((of[module], of[name]), 0) + 1
    return members, counts


def draw(path: Path) -> None:
    """A floor a row, the highest on top; in each row how many imports go to which room, red where one goes up."""
    members, counts = rooms()
    order = [room for floor in FLOORS for room in floor]
    level = {room: k for k, floor in enumerate(FLOORS) for room in floor}
    fig, axes = drawings.canvas(7.6, 0.5 * len(order) + 1.5)
    top, left, side = 0.5 * len(order) + 0.2, 2.75, 0.47
    axes.text(left, top + 1.1, "imports of", fontsize=9, color=drawings.GREY)
    for column, room in enumerate(order):
        axes.text(left + (column + 0.5) * side, top + 0.1, room, rotation=55, fontsize=9)
    for row, room in enumerate(order):
        y = top - (row + 1) * 0.5
        drawings.box(axes, 0.1, y, 2.5, 0.46, drawings.FLOORS[level[room] % 2], f"{room}: {len(members[room])} modules")
        for column, below in enumerate(order):
            count, allowed = counts.get((room, below), 0), level[below] > level[room]
            colour = "#c0392b" if count and not allowed else drawings.BLUE if count else drawings.LIGHT
            if count or allowed:
                text = str(count) if count else ""
                drawings.box(axes, left + column * side, y, side, 0.46, colour, text, color="white")
    drawings.save(fig, path)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
