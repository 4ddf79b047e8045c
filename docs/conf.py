"""Sphinx's settings: MyST pages, numpydoc's docstrings, formulas and pictures that need no other host."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE.parent / "asv_benchmarks")]

import generate  # noqa: E402 - it lies beside this file
from docutils import nodes  # noqa: E402 - after the paths

import fastbp  # noqa: E402 - of this tree

project, author, version = "fastbp", "The fastbp developers", fastbp.__version__
release, copyright = version, "The fastbp developers"  # noqa: A001 - Sphinx's name

extensions = [
    "myst_parser", "numpydoc", "sphinx_copybutton", "sphinx_design", "sphinx.ext.autodoc", "sphinx.ext.mathjax",
]  # fmt: skip
exclude_patterns = ["generated/parts/*", "_build"]

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say the types, with the shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # autodoc lists them
toc_object_entries_show_parents = "hide"
nitpicky = True
nitpick_ignore_regex = [
    ("py:obj", r"(.*\.)?[A-Z_]+"),  # tables of the modules, which are no functions and have no entry
    ("py:obj", "bind|find_binding"),  # entries of `fastbp`, named in the modules where they are defined
]

html_theme = "furo"
html_title = f"fastbp {version}"
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options: dict[str, Any] = {"footer_icons": [], "navigation_with_keys": True}
pygments_style, pygments_dark_style = "friendly", "monokai"

# MathJax with its glyphs in one file, beside the pages: formulas are made in the reader's browser and fetch nothing.
spec = importlib.util.find_spec("sphinx-mathjax-offline")
assert spec is not None
assert spec.origin is not None
html_extra_path = [str(Path(spec.origin).parent / "static" / "mathjax" / "tex-svg.js")]
mathjax_path = "../tex-svg.js"


SHAPE = re.compile(r"(\d+(?:-\d+(?:x\d+)?){2,})")  # of a network: 784-30-10, 64-8x64-10


def as_text(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are text first: bars are no substitutions, and a name that ends in _ is no link."""
    example = False
    for k, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and line.strip() != "")
        if not example:
            text = re.sub(r"(?<=\w)_(?=[\s\"'.,;)]|$)", r"\_", line.replace("|", "\N{DIVIDES}"))
            lines[k] = re.sub(r"`*docs/(\w+)\.md`*", r":doc:`/\1`", text)


def keep_shapes_whole(app: Any, doctree: Any, docname: str) -> None:
    """A cell of a table breaks no line within the shape of a network."""
    for entry in doctree.findall(nodes.entry):
        for text in list(entry.findall(nodes.Text)):
            parts = SHAPE.split(text)
            if len(parts) > 1 and not isinstance(text.parent, nodes.literal):
                text.parent.replace(text, [
                    nodes.inline("", part, classes=["whole"]) if k % 2 else nodes.Text(part)
                    for k, part in enumerate(parts)
                ])  # fmt: skip


def setup(app: Any) -> None:
    """Write what is generated before Sphinx looks for pages."""
    app.connect("autodoc-process-docstring", as_text)
    app.connect("doctree-resolved", keep_shapes_whole)
    app.connect("builder-inited", lambda app: generate.write_all(Path(app.srcdir) / "generated"))
