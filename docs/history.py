"""Times of milestone commits, as Airspeed Velocity has kept them: a chart and a table for the site."""

from __future__ import annotations

import datetime as dt
import json
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[1] / "asv_benchmarks" / "milestones"

# benchmark -> the combination of its parameters, the title and the factor that makes of seconds what the title says
SHOWN = {
    "startup.Warm.time_first_step": ((), "first step, kernels from the cache (s)", 1.0),
    "training.Fit.time_one_epoch": (("'digits'",), "an epoch of 4,000 digits, 784-128-10 (ms)", 1e3),
    "dispatch.Minibatch.time_step": (("'8-64-64-4'", "'float32'"), "a call of step, 8-64-64-4 (µs)", 1e6),
    "dispatch.OneRow.time_predict": (("'784-30-10'", "'float32'"), "predict of one row, 784-30-10 (µs)", 1e6),
}


class Milestone(NamedTuple):
    """A commit that was measured: its hash, its date, and benchmark -> value in the unit shown."""

    commit: str
    date: dt.datetime
    values: dict[str, float]


def milestones() -> list[Milestone]:
    """All commits with results, the oldest first."""
    files = [path for path in FOLDER.glob("*/*.json") if path.name != "machine.json"]
    return sorted(map(_milestone, files), key=lambda found: found.date)


def _milestone(path: Path) -> Milestone:
    kept = json.loads(path.read_text(encoding="utf-8"))
    columns = kept["result_columns"]
    values = {}
    for name, (parameters, _, factor) in SHOWN.items():
        if name in kept["results"]:
            entry = dict(zip(columns, kept["results"][name], strict=False))
            value = _value(entry, parameters)
            if value is not None:
                values[name] = factor * value
    date = dt.datetime.fromtimestamp(kept["date"] / 1000, tz=dt.UTC)
    return Milestone(kept["commit_hash"], date, values)


def _value(entry: dict[str, Any], parameters: tuple[str, ...]) -> float | None:
    combinations = list(product(*(entry.get("params") or [])))
    results = entry["result"]
    return None if results is None else results[combinations.index(parameters)]


def machine() -> dict[str, str]:
    """What asv wrote of the machine."""
    found: dict[str, str] = json.loads(next(FOLDER.glob("*/machine.json")).read_text(encoding="utf-8"))
    return found


def table() -> str:
    """The milestones in Markdown, one a line."""
    lines = ["| commit | " + " | ".join(title for _, title, _ in SHOWN.values()) + " |"]
    lines.append("|---|" + "--:|" * len(SHOWN))
    for commit, date, values in milestones():
        cells = [f"{values[name]:,.3g}" if name in values else "–" for name in SHOWN]
        lines.append(f"| `{commit[:7]}`, {date:%Y-%m-%d} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(path: Path) -> None:
    """A panel for each benchmark, milestones from left to right."""
    from drawings import figure, save

    found = milestones()
    fig, panels = figure(8, 4.8, rows=2, columns=2)
    for axes, (name, (_, title, _)) in zip(panels.flat, SHOWN.items(), strict=True):
        values = [milestone.values.get(name, float("nan")) for milestone in found]
        axes.plot(range(len(found)), values, marker="o", color="#1f5fa8")
        axes.set_title(title, fontsize=9)
        axes.set_ylim(bottom=0)
        axes.set_xticks(range(len(found)), [milestone.commit[:7] for milestone in found], rotation=60, fontsize=7)
        axes.grid(alpha=0.3)
    save(fig, path)
