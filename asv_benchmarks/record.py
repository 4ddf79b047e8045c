"""What is kept of the runs of peers.py: runs, limits and rows in one JSON, and the tables they make.

    runs      machine, versions, date, command and rounds of each run that still has rows
    limits    FMA limit of a run for a vector width, dtype and number of threads, before and after; one core's beside it
    results   a row for each peer, task and vector width: time, difference, run; or why it failed
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cases import CALLS, DTYPES

Record = dict[str, Any]

SETTING = ("vectors", "dtype", "threads")
ROW = ("peer", "case", "call", "rows", *SETTING)


@dataclass(frozen=True)
class Table:
    """The rows of one call at one vector width, dtype and number of threads; `runs` counts from 1."""

    call: str
    vectors: int
    dtype: str
    threads: int
    rows: list[Record]
    limits: list[Record]
    runs: list[int]

    @property
    def limit(self) -> float:
        """The machine's FMA limit in GFLOP/s: the highest that was measured."""
        return max(gflops for limit in self.limits for gflops in (limit["before"], limit["after"]))

    @property
    def cores(self) -> float:
        """How many times one core's limit all cores of this table reached together."""
        return max(limit["before"] / limit["alone"] for limit in self.limits)


def empty(run: Record) -> Record:
    """A record of one run that has measured nothing yet."""
    return {"runs": [run], "limits": [], "results": []}


def tables(record: Record) -> list[Table]:
    """All tables of a record, in the order of CALLS, wide vectors before narrow ones, float32 before float64."""
    keys = {(row["call"], *(row[name] for name in SETTING)) for row in record["results"]}
    order = sorted(keys, key=lambda key: (CALLS.index(key[0]), -key[1], DTYPES.index(key[2]), key[3]))
    return [_table(record, *key) for key in order]


def _table(record: Record, call: str, *setting: Any) -> Table:
    def is_of(entry: Record) -> bool:
        return tuple(entry[name] for name in SETTING) == setting

    rows = [row for row in record["results"] if row["call"] == call and is_of(row)]
    runs = sorted({row["run"] for row in rows})
    limits = [limit for limit in record["limits"] if limit["run"] in runs and is_of(limit)]
    return Table(call, *setting, rows, limits, [run + 1 for run in runs])


def merge(old: Record, new: Record) -> Record:
    """`old` with what `new` has measured: a row measured again replaces the old one, and runs without rows go."""
    shift = len(old["runs"])
    runs = old["runs"] + new["runs"]
    limits = old["limits"] + [{**limit, "run": limit["run"] + shift} for limit in new["limits"]]
    rows = {tuple(row[name] for name in ROW): row for row in old["results"]}
    rows |= {tuple(row[name] for name in ROW): {**row, "run": row["run"] + shift} for row in new["results"]}
    kept = sorted({row["run"] for row in rows.values()})
    return {
        "runs": [runs[run] for run in kept],
        "limits": [{**limit, "run": kept.index(limit["run"])} for limit in limits if limit["run"] in kept],
        "results": [{**row, "run": kept.index(row["run"])} for row in rows.values()],
    }


def check_machine(record: Record, machine: Record) -> None:
    """ValueError unless all runs of the record were made on `machine`: times of two machines make no table."""
    others = [run["machine"] for run in record["runs"] if run["machine"] != machine]
    if others:
        raise ValueError(f"its runs were made on {others[0]}, this is {machine}: measure anew, without --merge")


def read(path: Path) -> Record:
    """The record in a file; ValueError if it is not one."""
    record: Record = json.loads(path.read_text(encoding="utf-8"))
    if not all(name in record for name in ("runs", "limits", "results")):
        raise ValueError(f"{path} does not hold runs, limits and results: measure anew, without --merge")
    return record


def write(record: Record, path: Path) -> None:
    """Keep the record in a file."""
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
