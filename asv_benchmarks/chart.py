"""The bar chart of a record: each peer's time as a multiple of fastbp's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cases import CASES
from peer_worker import PEERS
from record import Record, Table, tables

BASE = "fastbp"


def ratios(table: Table) -> dict[str, dict[str, float]]:
    """peer -> group of bars -> time as a multiple of fastbp's, where fastbp was timed."""
    rows = [row for row in table.rows if "failed" not in row]
    base = {_group(row): row["microseconds"] for row in rows if row["peer"] == BASE}
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["peer"] != BASE and _group(row) in base:
            found.setdefault(row["peer"], {})[_group(row)] = row["microseconds"] / base[_group(row)]
    return found


def _group(row: Record) -> str:
    """A network, over its minibatch or its number of rows."""
    return f"{row['case']}\n({row['rows'] or CASES[row['case']].batch})"


def draw(record: Record, path: Path, call: str = "") -> None:
    """Bars, a group a network, a colour a peer, a panel for each thread count; of the first width and dtype of a call.

    The call is the record's first unless it is named.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        print("no chart: matplotlib is not installed")
        return
    from matplotlib.figure import Figure

    found = [table for table in tables(record) if call in ("", table.call)]
    first = found[0]
    shown = [t for t in found if (t.call, t.vectors, t.dtype) == (first.call, first.vectors, first.dtype)]
    if not all(ratios(table) for table in shown):
        print("no chart: it takes the times of fastbp and of one other at least")
        return
    # Text stays text, and the same numbers give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fastbp", "font.size": 9}):
        figure = Figure(figsize=(10, 3.4 * len(shown)), layout="constrained")
        panels = figure.subplots(len(shown), squeeze=False)[:, 0]
        for axes, table in zip(panels, shown, strict=True):
            _panel(axes, ratios(table))
            axes.set_title(f"{table.call}, {table.dtype}, {table.threads} thread{'s' if table.threads > 1 else ''}")
        bars, labels = panels[0].get_legend_handles_labels()
        place = {"loc": "outside upper center", "ncols": len(labels), "columnspacing": 1.2, "handlelength": 1.2}
        figure.legend(bars, labels, **place, frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)


def _panel(axes: Any, by_peer: dict[str, dict[str, float]]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    groups = list(dict.fromkeys(group for times in by_peer.values() for group in times))
    width = 0.8 / max(len(by_peer), 1)
    for index, (name, times) in enumerate(by_peer.items()):
        left = [groups.index(group) + (index - (len(by_peer) - 1) / 2) * width for group in times]
        heights = [ratio - 1 for ratio in times.values()]  # from fastbp's own time, up or down
        colour = f"C{(list(PEERS).index(name) - 1) % 10}"
        axes.bar(left, heights, width, bottom=1, label=PEERS[name].label, color=colour)
    axes.axhline(1, color="black", linewidth=1)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}×")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", linewidth=0.3)
    axes.set_axisbelow(True)
    axes.set_ylabel("time, fastbp = 1")
    _name_groups(axes, groups)


def _name_groups(axes: Any, groups: list[str]) -> None:
    """A network and its number under each group of bars, or its name once under all of its groups."""
    names, numbers = zip(*(group.split("\n") for group in groups), strict=True)
    if len(set(names)) == len(names):
        axes.set_xticks(range(len(groups)), groups)
        return
    axes.set_xticks(range(len(groups)), numbers)
    of = {name: [k for k, other in enumerate(names) if other == name] for name in dict.fromkeys(names)}
    below = axes.secondary_xaxis(-0.11)
    below.set_xticks([sum(places) / len(places) for places in of.values()], of)
    below.tick_params(length=0)
    below.spines["bottom"].set_visible(False)
