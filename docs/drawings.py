"""Pictures of how the kernels work, drawn by Matplotlib: vectors, register tile, panels, one compiled call, barrier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

BLUE, ORANGE, GREEN, GREY, LIGHT = "#1f5fa8", "#d9822b", "#3a8f4d", "#777777", "#e3e9f2"
FLOORS = ("#cfdcec", "#f3dfc6")
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "fastbp", "font.size": 10, "font.family": "sans-serif"}


def figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """A figure of so many inches, and its axes."""
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(rows, columns, squeeze=rows * columns == 1)


def save(fig: Figure, path: Path) -> None:
    """Write an SVG whose text stays text; the same figure gives the same file."""
    with mpl.rc_context(STYLE):
        fig.savefig(path, metadata={"Date": None})


def canvas(width: float, height: float) -> tuple[Figure, Any]:
    """A figure with axes without a frame, a unit an inch."""
    with mpl.rc_context(STYLE):
        fig = Figure(figsize=(width, height))
    axes = fig.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    return fig, axes


def box(
    axes: Any, x: float, y: float, width: float, height: float, colour: str = LIGHT, text: str = "", **style: Any
) -> None:
    """A rectangle with its lower left corner at (x, y), and a text in it."""
    axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor="white", linewidth=1.2))
    if text:
        axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", **{"fontsize": 9, **style})


def _cells(axes: Any, x: float, y: float, columns: int, rows: int, side: float, colour: str = LIGHT) -> None:
    for row in range(rows):
        for column in range(columns):
            box(axes, x + column * side, y - (row + 1) * side, side, side, colour)


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], colour: str = GREY) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=colour, linewidth=1.3))


def vectors(path: Path) -> None:
    """One multiply-add on numbers, and one on vectors of eight."""
    fig, axes = canvas(7.6, 2.3)
    axes.text(0.2, 2.0, "one number an instruction", fontsize=10)
    for k, (text, colour) in enumerate((("w", LIGHT), ("×", "white"), ("a", LIGHT), ("+", "white"), ("z", ORANGE))):
        box(axes, 0.2 + 0.35 * k, 1.45, 0.35, 0.35, colour, text)
    axes.text(0.2, 1.0, "a vector of eight an instruction: eight neurons i with one input j", fontsize=10)
    for k in range(8):
        box(axes, 0.2 + 0.35 * k, 0.4, 0.35, 0.35, LIGHT, f"w{k}")
    axes.text(3.17, 0.57, "×", ha="center", va="center")
    box(axes, 3.33, 0.4, 0.35, 0.35, BLUE, "a", color="white")
    axes.text(3.84, 0.57, "+", ha="center", va="center")
    for k in range(8):
        box(axes, 4.0 + 0.35 * k, 0.4, 0.35, 0.35, ORANGE, f"z{k}")
    axes.text(3.5, 0.2, "one a, broadcast", ha="center", color=BLUE, fontsize=9)
    save(fig, path)


def register_tile(path: Path) -> None:
    """The tile of sums in registers, and what one step of k brings."""
    fig, axes = canvas(7.6, 3.5)
    side, left, top = 0.23, 1.75, 2.75
    _cells(axes, left, top, 8, 6, side, ORANGE)
    _cells(axes, left + 8 * side + 0.1, top, 8, 6, side, ORANGE)
    axes.text(left + 8 * side, top - 6 * side - 0.25, "6 samples × 2 vectors of sums z, all in registers", ha="center")
    _cells(axes, left, 3.25, 8, 1, side, LIGHT)
    _cells(axes, left + 8 * side + 0.1, 3.25, 8, 1, side, LIGHT)
    axes.text(left + 17 * side + 0.05, 3.13, "w[k]: two vectors,\nloaded", va="center", fontsize=9)
    for row in range(6):
        box(axes, 1.1, top - (row + 1) * side, side, side, BLUE)
        _arrow(axes, (1.37, top - (row + 0.5) * side), (1.72, top - (row + 0.5) * side), BLUE)
    axes.text(1.0, top - 3 * side, "x[s, k]\none number\na sample", ha="right", va="center", fontsize=9, color=BLUE)
    text = "A step of k: 2 loads, 6 broadcasts, 12 multiply-adds; nothing is written until the last k."
    axes.text(0.3, 0.35, text, fontsize=10)
    save(fig, path)


def panels(path: Path) -> None:
    """The weights as they are given, and as panels of two vectors, padded by zeros."""
    fig, axes = canvas(7.6, 3.2)
    side = 0.15
    axes.text(0.3, 2.9, "W as you gave it: a row a neuron i", fontsize=10)
    for i in range(10):
        _cells(axes, 0.3, 2.7 - i * side, 14, 1, side, BLUE if i < 8 else ORANGE)
    axes.text(0.3, 0.9, "inputs j →", fontsize=9, color=GREY)
    _arrow(axes, (2.6, 1.95), (3.2, 1.95))
    axes.text(2.9, 2.1, "once a fit", ha="center", fontsize=9)
    axes.text(3.4, 2.9, "panels: a row an input j, neurons side by side", fontsize=10)
    for j in range(14):
        _cells(axes, 3.4, 2.7 - j * side, 8, 1, side, BLUE)
        _cells(axes, 4.9, 2.7 - j * side, 2, 1, side, ORANGE)
        _cells(axes, 4.9 + 2 * side, 2.7 - j * side, 6, 1, side, LIGHT)
    axes.text(6.2, 2.2, "zeros up to\na whole vector", fontsize=9, va="center")
    axes.text(3.4, 0.35, "The tile reads a panel from end to end.", fontsize=10)
    save(fig, path)


def compiled_call(path: Path) -> None:
    """A step from Python: calls between the products; and an epoch that is one call."""
    fig, axes = canvas(7.6, 2.5)
    axes.text(0.3, 2.2, "a loop in Python: every operation is a call of its own", fontsize=10)
    x = 0.3
    for _ in range(10):
        box(axes, x, 1.6, 0.34, 0.4, LIGHT)
        box(axes, x + 0.34, 1.6, 0.34, 0.4, BLUE)
        x += 0.69
    text = "fit: forward, backward and update of all minibatches of an epoch in one compiled call"
    axes.text(0.3, 1.0, text, fontsize=10)
    box(axes, 0.3, 0.4, 0.34, 0.4, LIGHT)
    for k in range(10):
        box(axes, 0.64 + 0.345 * k, 0.4, 0.345, 0.4, BLUE)
    box(axes, 4.6, 0.5, 0.2, 0.2, LIGHT)
    axes.text(4.88, 0.6, "Python", va="center", fontsize=9)
    box(axes, 5.6, 0.5, 0.2, 0.2, BLUE)
    axes.text(5.88, 0.6, "arithmetic", va="center", fontsize=9)
    save(fig, path)


def barrier(path: Path) -> None:
    """A step on two threads: samples are shared, then weights, and the threads meet in between."""
    fig, axes = canvas(7.6, 2.6)
    shares = (
        ("forward and back\nof its samples", BLUE, (2.5, 2.3)),
        ("gradient and update\nof its weights", GREEN, (2.4, 2.55)),
    )
    for thread in range(2):
        y = 1.55 - 0.85 * thread
        axes.text(0.15, y + 0.3, f"thread {thread + 1}", va="center", fontsize=9)
        for part, (text, colour, widths) in enumerate(shares):
            box(axes, 1.0 + 3.0 * part, y, widths[thread], 0.6, colour, text, color="white", fontsize=8.5)
    for x in (3.75, 6.75):
        axes.plot([x, x], [0.55, 2.3], color=ORANGE, linewidth=2)
    axes.text(3.75, 2.38, "meet", ha="center", color=ORANGE)
    axes.text(6.75, 2.38, "meet", ha="center", color=ORANGE)
    text = "No sum is shared between threads: every sum has one order, and the bits are always the same."
    axes.text(0.15, 0.15, text, fontsize=9.5)
    save(fig, path)


def draw_all(folder: Path) -> None:
    """All pictures of this file, under their names."""
    for draw in (vectors, register_tile, panels, compiled_call, barrier):
        draw(folder / f"{draw.__name__}.svg")
