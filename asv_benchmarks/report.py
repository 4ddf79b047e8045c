"""What the runs of peers.py say: tables for the terminal, the README and the site."""

from __future__ import annotations

import math
import textwrap
from itertools import groupby
from pathlib import Path

from cases import CALLS, CASES, EPOCHS, SAMPLES, Task
from chart import draw
from peer_worker import PEERS
from record import Record, Table, tables

BEGIN, END = "<!-- peers:begin -->", "<!-- peers:end -->"
BASE = "fastbp"
INSTRUCTIONS = {64: "AVX-512", 32: "AVX2"}  # that vectors of so many bytes take

HEADINGS = {"fit": "Training by `fit`", "step": "Training by `step`", "forward": "Inference by `forward`"}
# What one time of a call stands for.
MEANINGS = {
    "fit": f"""One step (forward, backward, update) of {EPOCHS} epochs of {SAMPLES:,} samples. fastbp and its NumPy twin
        make all of them in one call of `fit`, JAX in one jitted loop, scikit-learn by a `partial_fit` an epoch; what a
        call costs once is part of the time. The others take the minibatches in a Python loop.""",
    "step": "One step on one minibatch, each by a call of its own from a Python loop, as in reinforcement learning.",
    "forward": "The outputs of so many rows, by one call.",
}
METHOD = """Median times in µs, lower is better. Every library works in a process of its own on the same network and the
    same samples, and its weights or outputs are compared with float64 NumPy before it is timed. The share is the
    arithmetic of fastbp's call against what the cores can do in registers alone."""
# From the loop to the limit: the peer and the call of each line of the path, and its number of threads.
PATH_CASES = ("784-30-10", "784-128-10", "784-256-10")
PATH = {
    "textbook loops": ("loops", "fit", 1),
    "NumPy, its product by BLAS": ("numpy-plain", "step", 1),
    "tiles, a call for each minibatch (`step`)": (BASE, "step", 1),
    "tiles, a call for all of them (`fit`)": (BASE, "fit", 1),
    "the same on two threads": (BASE, "fit", 2),
}
NARROW = """Vectors narrower than the processor's are those of fastbp, of the textbook loops and of the limit; the other
    libraries use what they find."""


# ---- numbers
def share(row: Record, limit: float) -> float:
    """Part of the limit (GFLOP/s) that the row's work and time make."""
    return float(row["flop"] / row["microseconds"] / 1e3 / limit)


def lead_over_loops(record: Record) -> list[float]:
    """Time of the textbook loops over fastbp's, for each network that both were timed on by `fit`."""
    found = []
    for table in tables(record):
        timed = {(row["peer"], row["case"]): row["microseconds"] for row in table.rows if "failed" not in row}
        cases = [case for peer, case in timed if peer == "loops" and (BASE, case) in timed and table.call == "fit"]
        found += [timed["loops", case] / timed[BASE, case] for case in cases]
    return found


def label(row: Record) -> str:
    """The network of a row, with its minibatch or its number of rows."""
    case = CASES[row["case"]]
    if row["call"] == "forward":
        return f"{case.name} {case.hidden}, {row['rows']} row{'s' if row['rows'] > 1 else ''}"
    return str(case)


# ---- the terminal
def task_text(rows: list[Record], task: Task, limit: float) -> str:
    """The peers on one task: us a call, ratio to fastbp, share of the FMA limit, difference from float64 NumPy."""
    base = next((row["microseconds"] for row in rows if row["peer"] == BASE and "failed" not in row), math.nan)
    vectors = rows[0]["vectors"]
    title = f"{task.title}, {task.dtype}, vectors of {vectors} bytes, threads {task.threads}"
    lines = [
        f"\n{title}: {task.flop / 1e6:.2f} MFLOP a {'call' if task.call == 'forward' else 'step'}",
        f"  {'':14s} {'us':>10s} {'ratio':>7s} {'share':>7s} {'difference':>11s}",
    ]
    for row in rows:
        if "failed" in row:
            lines.append(f"  {row['peer']:14s} skipped: {row['failed']}")
            continue
        us = row["microseconds"]
        lines.append(
            f"  {row['peer']:14s} {us:10.1f} {us / base:7.2f} {share(row, limit):7.1%} {row['difference']:11.0e}"
        )
    return "\n".join(lines)


# ---- Markdown
def title(table: Table) -> str:
    """Threads, dtype, vectors, and the limit that shares refer to."""
    threads = f"{table.threads} thread{'s' if table.threads > 1 else ''}"
    together = f", {table.cores:.2f} times one core's" if table.threads > 1 else ""
    return f"{threads}, {table.dtype}, vectors of {table.vectors} bytes (FMA limit {table.limit:.0f} GFLOP/s{together})"


def table_text(table: Table) -> str:
    """Times in us; fastbp's also as a share of the limit and as a multiple of the fastest other's speed."""
    names = [name for name in PEERS if any(row["peer"] == name for row in table.rows)]
    first = "shape, rows" if table.call == "forward" else "shape (batch) hidden"
    head = [first, *(PEERS[name].label for name in names), "share of limit", "fastest other / fastbp"]
    lines = [_line(head), _line(["---", *["--:"] * (len(head) - 1)])]
    for shown in dict.fromkeys(label(row) for row in table.rows):
        timed = {row["peer"]: row for row in table.rows if label(row) == shown and "failed" not in row}
        base = timed.get(BASE)
        others = [row["microseconds"] for name, row in timed.items() if name != BASE]
        lines.append(
            _line([
                shown,
                *(_number(timed[name]["microseconds"]) if name in timed else "–" for name in names),
                f"{share(base, table.limit):.0%}" if base else "–",
                f"{min(others) / base['microseconds']:.2f}×" if base and others else "–",
            ])
        )
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(microseconds: float) -> str:
    """Three figures, thousands set apart."""
    digits = 2 if microseconds < 10 else 1 if microseconds < 100 else 0
    return f"{microseconds:,.{digits}f}"


def tables_text(record: Record) -> str:
    """Markdown of all tables: one heading a call, and what is not asked for first folded away."""
    parts = []
    found = tables(record)
    for call, of_call in groupby(found, key=lambda table: table.call):
        parts.append(f"## {HEADINGS[call]}\n\n{_filled(MEANINGS[call])}")
        parts.append(f"![Time as a multiple of fastbp's](../pictures/peers-{call}.svg)")
        parts += [_folded(record, table) if is_lesser(table, found) else _open(record, table) for table in of_call]
    return "\n\n".join(parts)


def is_lesser(table: Table, found: list[Table]) -> bool:
    """Whether the table is folded: all but the first dtype at the widest vectors, and threads but by `fit`."""
    same_call = [other for other in found if other.call == table.call]
    first = same_call[0]
    if (table.vectors, table.dtype) != (first.vectors, first.dtype):
        return True
    return table.call != "fit" and table.threads != first.threads


def _open(record: Record, table: Table) -> str:
    return f"**{title(table)}**{_runs(record, table)}\n\n{table_text(table)}"


def _folded(record: Record, table: Table) -> str:
    summary = f"{title(table)}{_runs(record, table)}"
    return f"<details><summary>{summary}</summary>\n\n{table_text(table)}\n\n</details>"


def _runs(record: Record, table: Table) -> str:
    """Which of the runs below measured the table, where there are several."""
    return f", {_numbers(table.runs)}" if len(record["runs"]) > 1 else ""


def _numbers(runs: list[int]) -> str:
    return f"run{'s' if len(runs) > 1 else ''} {', '.join(map(str, runs))}"


def path_text(record: Record) -> str:
    """Time of a step, and share of one core's limit, on the way from the textbook loops to `fit` on two threads."""
    found = tables(record)
    found = [t for t in found if (t.vectors, t.dtype) == (max(table.vectors for table in found), "float32")]
    timed = {
        (row["peer"], table.call, table.threads, row["case"]): row
        for table in found
        for row in table.rows
        if "failed" not in row
    }
    alone = max(limit["alone"] for table in found for limit in table.limits)
    lines = [_line(["", *map(str, map(CASES.__getitem__, PATH_CASES))]), _line(["---", *["--:"] * len(PATH_CASES)])]
    for name, way in PATH.items():
        rows = [timed.get((*way, case)) for case in PATH_CASES]
        cells = [f"{_number(row['microseconds'])} µs, {share(row, alone):.0%}" if row else "–" for row in rows]
        if any(rows):
            lines.append(_line([name, *cells]))
    text = f"""Median time of a step in float32 with vectors of {found[0].vectors} bytes, and its part of what one core
        can do in registers alone ({alone:.0f} GFLOP/s), on {_machine(record)}."""
    return f"{_filled(text)}\n\n" + "\n".join(lines)


def runs_text(record: Record) -> str:
    """The machine, the versions and the command of each run."""
    commands = []
    for number, run in enumerate(record["runs"], start=1):
        name = f"run {number}, " if len(record["runs"]) > 1 else ""
        rounds = f"medians of {run['rounds']} round{'s' if run['rounds'] > 1 else ''}"
        commands.append(f"# {name}{run['date']}, {rounds}\n{_folded_command(run['command'])}")
    text = _filled(f"Measured on {_machine(record)}; {versions_text(record)}.")
    return "\n".join([text, "", "```sh", *commands, "```"])


def _folded_command(command: str) -> str:
    """A command on lines that a page shows whole."""
    return " \\\n    ".join(textwrap.wrap(command, width=85, break_long_words=False, break_on_hyphens=False))


def _machine(record: Record) -> str:
    return "{cpu}, {cores} cores, {system}".format(**record["runs"][0]["machine"])


def versions_text(record: Record) -> str:
    """Each library and its version, with the runs where they differ."""
    found: dict[str, dict[str, list[int]]] = {}
    for number, run in enumerate(record["runs"], start=1):
        for name, version in run["versions"].items():
            found.setdefault(name, {}).setdefault(version, []).append(number)
    return ", ".join(
        f"{name} " + " and ".join(f"{v} ({_numbers(runs)})" if len(versions) > 1 else v for v, runs in versions.items())
        for name, versions in found.items()
    )


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), width=120, break_on_hyphens=False)


def section(record: Record) -> str:
    """The site's section: method, tables, a chart of each call, and what they ran on."""
    text = METHOD
    leads = lead_over_loops(record)
    if leads:
        low, high = (f"{lead:.0f}" if lead >= 10 else f"{lead:.1f}" for lead in (min(leads), max(leads)))
        text += f" The tiles run {low} to {high} times as fast as the textbook loops (by `fit`)."
    widest = {number: run["machine"]["vector_bytes"] for number, run in enumerate(record["runs"], start=1)}
    if any(table.vectors < widest[run] for table in tables(record) for run in table.runs):
        text += f" {NARROW}"
    return f"{_filled(text)}\n\n{tables_text(record)}\n\n## What they ran on\n\n{runs_text(record)}"


def summary(record: Record) -> str:
    """The README's section: `fit` on one thread in float32, a table for each width of vectors, and the chart."""
    found = [t for t in tables(record) if (t.call, t.dtype, t.threads) == ("fit", "float32", 1)]
    parts = [_filled(f"{METHOD} {MEANINGS['fit']}")]
    parts += [f"**{title(table)}**\n\n{table_text(table)}" for table in found]
    missing = [name for vectors, name in INSTRUCTIONS.items() if vectors not in {table.vectors for table in found}]
    if missing:
        parts.append(f"No times have been recorded with {' and '.join(missing)} yet.")
    parts.append("![Time as a multiple of fastbp's](docs/peers.svg)")
    parts.append(_filled(f"Measured on {_machine(record)}; {versions_text(record)}."))
    return "\n\n".join(parts)


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


def draw_all(record: Record, folder: Path) -> None:
    """A chart of each call that was timed, peers-fit.svg and so on."""
    for call in CALLS:
        if any(table.call == call for table in tables(record)):
            draw(record, folder / f"peers-{call}.svg", call)


def update_readme(record: Record, root: Path) -> None:
    """Write the section of `record` into README.md and its chart to docs/peers.svg."""
    readme = root / "README.md"
    text = replace_section(readme.read_text(encoding="utf-8"), summary(record))
    (root / "docs").mkdir(exist_ok=True)
    draw(record, root / "docs" / "peers.svg")
    readme.write_text(text, encoding="utf-8")
