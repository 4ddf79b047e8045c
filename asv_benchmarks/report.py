"""What a run of peers.py says: tables for the terminal and the README, and the bar chart."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

from cases import CASES, Case
from rivals import RIVALS

BEGIN, END = "<!-- peers:begin -->", "<!-- peers:end -->"
BASE = "fastbp"

Record = dict[str, Any]


# ---- text
def case_table(rows: list[Record], case: Case, limit: float) -> str:
    """The rivals on one case: us a step, ratio to fastbp, share of the FMA limit, difference from float64 NumPy."""
    base = next((row["microseconds"] for row in rows if row["rival"] == BASE and "failed" not in row), math.nan)
    lines = [
        f"\n{case}, {rows[0]['dtype']}, threads {rows[0]['threads']}: {case.flop / 1e6:.2f} MFLOP a step",
        f"  {'':14s} {'us':>10s} {'ratio':>7s} {'share':>7s} {'difference':>11s}",
    ]
    for row in rows:
        if "failed" in row:
            lines.append(f"  {row['rival']:14s} skipped: {row['failed']}")
            continue
        us = row["microseconds"]
        lines.append(
            f"  {row['rival']:14s} {us:10.1f} {us / base:7.2f} {share(row, limit):7.1%} {row['difference']:11.0e}"
        )
    return "\n".join(lines)


def share(row: Record, limit: float) -> float:
    """Part of the limit (GFLOP/s) that the row's work and time make."""
    return float(row["flop"] / row["microseconds"] / 1e3 / limit)


def tables(record: Record) -> str:
    """Markdown: a table for each dtype and thread count, a row a case, a column a rival."""
    parts = []
    for limit in record["limits"]:
        rows = [r for r in record["results"] if (r["dtype"], r["threads"]) == (limit["dtype"], limit["threads"])]
        top = max(limit["before"], limit["after"])
        parts.append(f"**{_threads(limit)}, {limit['dtype']}** (FMA limit {top:.0f} GFLOP/s)\n\n{_table(rows, top)}")
    return "\n\n".join(parts)


def _threads(limit: Record) -> str:
    return f"{limit['threads']} thread" + ("s" if limit["threads"] > 1 else "")


def _table(rows: list[Record], limit: float) -> str:
    """Times in us; fastbp's also as a share of the limit and as a multiple of the fastest other's speed."""
    names = [name for name in RIVALS if any(row["rival"] == name for row in rows)]
    head = ["shape (batch) hidden", *(RIVALS[name].label for name in names), "share of limit", "fastest other / fastbp"]
    lines = [_line(head), _line(["---", *["--:"] * (len(head) - 1)])]
    for shape in dict.fromkeys(row["case"] for row in rows):
        timed = {r["rival"]: r for r in rows if r["case"] == shape and "failed" not in r}
        base = timed.get(BASE)
        others = [row["microseconds"] for name, row in timed.items() if name != BASE]
        lines.append(
            _line([
                str(CASES[shape]),
                *(_number(timed[name]["microseconds"]) if name in timed else "–" for name in names),
                f"{share(base, limit):.0%}" if base else "–",
                f"{min(others) / base['microseconds']:.2f}×" if base and others else "–",
            ])
        )
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(microseconds: float) -> str:
    """Three figures, thousands set apart."""
    digits = 1 if microseconds < 100 else 0
    return f"{microseconds:,.{digits}f}"


def section(record: Record) -> str:
    """The README's section: method, tables, chart, and what it ran on."""
    machine = record["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    source = textwrap.fill(
        f"Measured {record['date']} on {machine['cpu']}, {machine['cores']} cores, {machine['system']}; {versions}; "
        f"medians of {record['rounds']} rounds.", width=120,
    )  # fmt: skip
    return f"""\
Median time of one training step (forward, backward, update) in µs, lower is better. Every library trains the same
network from the same weights on the same minibatches, in a process of its own, and its weights are compared with
float64 NumPy first. The share is the step's arithmetic against what the cores can do in registers alone.

{tables(record)}

![Time of a step as a multiple of fastbp's](docs/peers.svg)

{source}

```
{record["command"]}
```"""


def replace_section(text: str, new: str) -> str:
    """`text` with what stands between the two markers replaced by `new`.

    Examples
    --------
    >>> replace_section("a <!-- peers:begin -->old<!-- peers:end --> z", "new").split()
    ['a', '<!--', 'peers:begin', '-->', 'new', '<!--', 'peers:end', '-->', 'z']
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README must hold the markers {BEGIN} and {END}, in this order")
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def update_readme(record: Record, root: Path) -> None:
    """Write the section of `record` into README.md and its chart to docs/peers.svg."""
    readme = root / "README.md"
    text = replace_section(readme.read_text(encoding="utf-8"), section(record))
    (root / "docs").mkdir(exist_ok=True)
    chart(record, root / "docs" / "peers.svg")
    readme.write_text(text, encoding="utf-8")


# ---- chart
def ratios(record: Record, dtype: str, threads: int) -> dict[str, dict[str, float]]:
    """rival -> case -> time as a multiple of fastbp's, for the cases that fastbp was timed on."""
    rows = [
        r for r in record["results"] if (r["dtype"], r["threads"]) == (dtype, threads) and "failed" not in r
    ]
    base = {row["case"]: row["microseconds"] for row in rows if row["rival"] == BASE}
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["rival"] != BASE and row["case"] in base:
            found.setdefault(row["rival"], {})[row["case"]] = row["microseconds"] / base[row["case"]]
    return found


def chart(record: Record, path: Path) -> None:
    """Bars, a group a case, a colour a rival, a panel for each thread count (of the first dtype)."""
    try:
        import matplotlib as mpl
    except ImportError:
        print("no chart: matplotlib is not installed")
        return
    from matplotlib.figure import Figure

    limits = [limit for limit in record["limits"] if limit["dtype"] == record["limits"][0]["dtype"]]
    multiples = [ratios(record, limit["dtype"], limit["threads"]) for limit in limits]
    if not all(multiples):
        print("no chart: it takes the times of fastbp and of one other at least")
        return
    # Text stays text, and the same numbers give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fastbp", "font.size": 9}):
        figure = Figure(figsize=(10, 3.4 * len(limits)), layout="constrained")
        panels = figure.subplots(len(limits), squeeze=False)[:, 0]
        for axes, limit, by_rival in zip(panels, limits, multiples, strict=True):
            _panel(axes, by_rival)
            axes.set_title(f"{limit['dtype']}, {_threads(limit)}")
        bars, labels = panels[0].get_legend_handles_labels()
        figure.legend(bars, labels, loc="outside upper center", ncols=len(labels), frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)


def _panel(axes: Any, by_rival: dict[str, dict[str, float]]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    shapes = list(dict.fromkeys(shape for times in by_rival.values() for shape in times))
    width = 0.8 / max(len(by_rival), 1)
    for index, (name, times) in enumerate(by_rival.items()):
        left = [shapes.index(shape) + (index - (len(by_rival) - 1) / 2) * width for shape in times]
        heights = [ratio - 1 for ratio in times.values()]  # from fastbp's own time, up or down
        colour = f"C{list(RIVALS).index(name)}"
        axes.bar(left, heights, width, bottom=1, label=RIVALS[name].label, color=colour)
    axes.axhline(1, color="black", linewidth=1)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}×")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", linewidth=0.3)
    axes.set_axisbelow(True)
    axes.set_ylabel("time, fastbp = 1")
    axes.set_xticks(range(len(shapes)), [f"{shape}\n({CASES[shape].batch})" for shape in shapes])
