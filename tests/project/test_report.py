"""What peers.py keeps of its runs, and the tables and the chart made of it."""

import re
import sys
from itertools import pairwise

import numpy as np
import pytest
from processes import ROOT

sys.path.insert(0, str(ROOT / "asv_benchmarks"))
import chart
import record
import report
from cases import CALLS, CASES, Task
from peer_worker import PEERS

MACHINE = {"cpu": "a processor", "cores": 2, "system": "Linux x86_64", "vector_bytes": 64}
RUN = {"date": "2000-01-02", "command": "python asv_benchmarks/peers.py", "rounds": 3, "versions": {"numpy": "2.4"},
       "machine": MACHINE}  # fmt: skip


def row(peer, microseconds, **more):
    return {"peer": peer, "case": "784-128-10", "call": "fit", "rows": 0, "dtype": "float32", "threads": 1,
            "vectors": 64, "flop": 10**7, "microseconds": microseconds, "difference": 1e-6, "run": 0, **more}


def record_of(*rows, **run):
    names = ("vectors", "dtype", "threads")
    settings = sorted({tuple(row[name] for name in names) for row in rows})
    measured = {"run": 0, "alone": 60.0, "before": 100.0, "after": 90.0}
    limits = [{**measured, **dict(zip(names, setting, strict=True))} for setting in settings]
    return {"runs": [RUN | run], "limits": limits, "results": list(rows)}


ROWS = row("fastbp", 125.0), row("loops", 400.0), row("numpy", 250.0), row("torch", 1500.0)
RECORD = record_of(*ROWS)


# ---- what is kept
def test_each_call_width_dtype_and_number_of_threads_makes_a_table_in_this_order():
    settings = [
        ("fit", 64, "float32", 1), ("fit", 64, "float32", 2), ("fit", 64, "float64", 1), ("fit", 32, "float32", 1),
        ("step", 64, "float32", 1), ("forward", 64, "float32", 1),
    ]  # fmt: skip
    names = ("call", "vectors", "dtype", "threads")
    rows = [row("fastbp", 1.0, **dict(zip(names, setting, strict=True))) for setting in settings]
    found = record.tables(record_of(*reversed(rows)))
    assert [(table.call, table.vectors, table.dtype, table.threads) for table in found] == settings
    assert all(table.rows == [rows[k]] for k, table in enumerate(found))


def test_a_row_measured_again_replaces_the_old_one():
    new = record_of(row("numpy", 300.0), row("sklearn", 900.0), row("numpy", 5.0, call="forward", rows=8))
    merged = record.merge(RECORD, new)
    times = {(row["peer"], row["call"]): (row["microseconds"], row["run"]) for row in merged["results"]}
    assert times == {
        ("fastbp", "fit"): (125.0, 0), ("loops", "fit"): (400.0, 0), ("numpy", "fit"): (300.0, 1),
        ("torch", "fit"): (1500.0, 0), ("sklearn", "fit"): (900.0, 1), ("numpy", "forward"): (5.0, 1),
    }  # fmt: skip
    assert [table.runs for table in record.tables(merged)] == [[1, 2], [2]]
    assert [limit["run"] for limit in merged["limits"]] == [0, 1]


def test_a_table_has_the_limit_of_the_runs_that_measured_it():
    new = record_of(row("numpy", 5.0, call="step"))
    new["limits"][0]["after"] = 500.0
    assert [table.limit for table in record.tables(record.merge(RECORD, new))] == [100.0, 500.0]


def test_a_run_goes_with_its_last_row():
    again = record_of(*ROWS, date="2000-01-03")
    assert record.merge(RECORD, again) == again
    assert record.merge(record.merge(RECORD, record_of(row("jax-loop", 1.0))), again)["limits"] == [
        {**limit, "run": run} for run in (0, 1) for limit in RECORD["limits"]
    ]


def test_runs_of_two_machines_are_not_put_together():
    record.check_machine(RECORD, dict(MACHINE))
    with pytest.raises(ValueError, match="measure anew, without --merge"):
        record.check_machine(RECORD, {**MACHINE, "cpu": "another"})


def test_a_file_keeps_a_record_and_another_one_is_refused(tmp_path):
    record.write(RECORD, tmp_path / "peers.json")
    assert record.read(tmp_path / "peers.json") == RECORD
    (tmp_path / "peers.json").write_text('{"results": []}')
    with pytest.raises(ValueError, match=r"peers\.json does not hold runs, limits and results"):
        record.read(tmp_path / "peers.json")


# ---- the terminal
def test_a_task_is_printed_with_time_ratio_share_and_what_failed():
    rows = [*ROWS, {**row("jax-loop", 1.0), "failed": "KeyError: 'x'"}]
    text = report.task_text(rows, Task(CASES["784-128-10"]), 100.0)
    assert "fit of 784-128-10 (32) relu, float32, vectors of 64 bytes, threads 1" in text
    assert re.search(r"^  fastbp +125\.0 +1\.00 +80\.0% +1e-06$", text, re.MULTILINE)
    assert re.search(r"^  numpy +250\.0 +2\.00 +40\.0% ", text, re.MULTILINE)
    assert "jax-loop       skipped: KeyError: 'x'" in text
    forward = Task(CASES["784-128-10"], "forward", rows=8)
    assert "forward of 8 x 784-128-10" in report.task_text(rows, forward, 100.0)


# ---- Markdown
def test_the_table_gives_time_share_and_lead():
    text = report.tables_text(RECORD)
    assert "**1 thread, float32, vectors of 64 bytes (FMA limit 100 GFLOP/s)**" in text
    assert "| fastbp | textbook loops | NumPy twin | PyTorch | share of limit | fastest other / fastbp |" in text
    assert "| 784-128-10 (32) relu | 125 | 400 | 250 | 1,500 | 80% | 2.00× |" in text


def test_what_failed_is_a_dash():
    fastbp, torch = row("fastbp", 1.0), row("torch", 2.0)
    assert "| 1.00 | – | 10000% | – |" in report.tables_text(record_of(fastbp, {**torch, "failed": "no compiler"}))
    assert "| – | 2.00 | – | – |" in report.tables_text(record_of({**fastbp, "failed": "no compiler"}, torch))


def test_the_path_from_the_loops_to_both_cores_has_a_line_for_each_step_of_it():
    fastbp = [row("fastbp", 200.0, call="step"), row("fastbp", 125.0), row("fastbp", 100.0, threads=2)]
    others = [row("loops", 4000.0), row("numpy-plain", 500.0, call="step"), row("fastbp", 9.0, vectors=32)]
    text = report.path_text(record_of(*fastbp, *others))
    assert "vectors of 64 bytes" in text
    assert "one core can do in registers alone (60 GFLOP/s)" in " ".join(text.split())
    cells = ["4,000 µs, 4%", "500 µs, 33%", "200 µs, 83%", "125 µs, 133%", "100 µs, 167%"]
    assert re.findall(r"^\| \w.* \| – \| (.*) \| – \|$", text, re.MULTILINE) == cells
    assert len(re.findall("^\\| [tN]", report.path_text(record_of(*fastbp[:1])), re.MULTILINE)) == 1


def test_a_table_of_several_threads_says_how_many_cores_they_are_worth():
    text = report.tables_text(record_of(row("fastbp", 1.0, threads=2)))
    assert "(FMA limit 100 GFLOP/s, 1.67 times one core's)" in text


def test_a_forward_table_has_a_line_for_each_number_of_rows():
    rows = [row("fastbp", float(n), call="forward", rows=n) for n in (1, 8)]
    text = report.tables_text(record_of(*rows))
    assert "| 784-128-10 relu, 1 row | 1.00 |" in text
    assert "| 784-128-10 relu, 8 rows | 8.00 |" in text


def test_tables_are_grouped_by_call_and_lesser_ones_are_folded():
    settings = [
        (vectors, dtype, threads) for vectors in (64, 32) for dtype in ("float32", "float64") for threads in (1, 2)
    ]
    rows = [
        row("fastbp", 1.0, call=call, rows=8 if call == "forward" else 0, vectors=vectors, dtype=dtype, threads=threads)
        for call in CALLS
        for vectors, dtype, threads in settings
    ]
    text = report.tables_text(record_of(*rows))
    assert re.findall("^## (.*)$", text, re.MULTILINE) == list(report.HEADINGS.values())
    shown = [found.split(" (")[0] for found in re.findall(r"^\*\*(.*)\*\*$", text, re.MULTILINE)]
    one, two = "1 thread, float32, vectors of 64 bytes", "2 threads, float32, vectors of 64 bytes"
    assert shown == [one, two, one, one]  # fit, fit, step, forward
    assert text.count("<details>") == text.count("</details>") == 3 * 8 - 4
    assert "<details><summary>1 thread, float64, vectors of 32 bytes (FMA limit" in text


def test_the_section_says_what_it_ran_on():
    text = report.section(RECORD)
    assert "Measured on a processor, 2 cores, Linux x86_64; numpy 2.4.\n" in text
    assert "```sh\n# 2000-01-02, medians of 3 rounds\npython asv_benchmarks/peers.py\n```" in text
    assert "run 1" not in text


def test_the_section_has_the_command_of_every_run_and_the_runs_of_every_table():
    step = record_of(row("fastbp", 9.0, call="step"), command="python x --call step", versions={"numpy": "2.5"})
    text = report.section(record.merge(RECORD, step))
    assert "# run 1, 2000-01-02, medians of 3 rounds\npython asv_benchmarks/peers.py\n# run 2, 2000" in text
    assert "rounds\npython x --call step\n```" in text
    assert "numpy 2.4 (run 1) and 2.5 (run 2).\n" in text
    assert re.findall(r"\*\*, (run \d)$", text, re.MULTILINE) == ["run 1", "run 2"]


def test_a_long_command_is_broken_into_lines_that_a_shell_joins():
    options = " ".join(f"--option-{k} value-{k}" for k in range(12))
    text = report.section(record_of(*ROWS, command=f"python x {options}"))
    (shown,) = re.findall(r"(?s)rounds\n(python x .*?)\n```", text)
    assert max(map(len, shown.splitlines())) <= 91
    joined = shown.replace("\\\n", "")
    assert "\n" not in joined
    assert joined.split() == ["python", "x", *options.split()]


def test_the_section_says_how_much_faster_the_tiles_are_than_the_loops():
    more = row("fastbp", 100.0, threads=2), row("loops", 1234.0, threads=2)
    step = row("fastbp", 1.0, call="step"), row("loops", 1.0, call="step")
    text = " ".join(report.section(record_of(*ROWS, *more, *step)).split())
    assert "The tiles run 3.2 to 12 times as fast as the textbook loops" in text
    assert "The tiles" not in report.section(record_of(row("fastbp", 1.0)))


def test_the_section_says_whose_vectors_are_narrow():
    assert "narrower" not in report.section(RECORD)
    text = " ".join(report.section(record_of(row("fastbp", 1.0, vectors=32))).split())
    assert "Vectors narrower than the processor's are those of fastbp" in text


@pytest.mark.parametrize("text", ["no marker", "<!-- peers:begin -->", "<!-- peers:end --><!-- peers:begin -->"])
def test_a_readme_without_both_markers_is_refused(text):
    with pytest.raises(ValueError, match="peers:begin"):
        report.replace_section(text, "new")


def test_the_readme_is_rewritten_between_the_markers_and_nowhere_else(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("# before\n<!-- peers:begin -->\nold\n<!-- peers:end -->\nafter µ\n", encoding="utf-8")
    for _ in range(2):
        report.update_readme(RECORD, tmp_path)
        text = readme.read_text(encoding="utf-8")
        assert text.startswith("# before\n<!-- peers:begin -->\nMedian")
        assert text.endswith("<!-- peers:end -->\nafter µ\n")
        assert "old" not in text
        charts = (tmp_path / "docs" / "peers.svg").read_bytes()
    chart.draw(RECORD, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == charts


def test_the_summary_has_a_table_for_each_width_and_says_which_width_is_missing():
    wide = record_of(*ROWS, row("fastbp", 1.0, threads=2), row("fastbp", 1.0, dtype="float64"))
    text = report.summary(wide)
    assert re.findall(r"^\*\*(.*) \(FMA", text, re.MULTILINE) == ["1 thread, float32, vectors of 64 bytes"]
    assert "| 784-128-10 (32) relu | 125 | 400 | 250 | 1,500 | 80% | 2.00× |" in text
    assert "No times have been recorded with AVX2 yet." in text
    both = report.summary(record.merge(wide, record_of(row("fastbp", 9.0, vectors=32))))
    assert both.count("| shape (batch) hidden |") == 2
    assert "No times" not in both


def test_each_call_has_a_chart(tmp_path):
    steps = record_of(row("fastbp", 9.0, call="step"), row("numpy", 12.0, call="step"))
    report.draw_all(record.merge(RECORD, steps), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["peers-fit.svg", "peers-step.svg"]
    for call in ("fit", "step"):
        assert f"{call}, float32, 1 thread" in (tmp_path / f"peers-{call}.svg").read_text(encoding="utf-8")


# ---- the chart
def test_without_fastbps_time_there_is_no_chart(tmp_path, capsys):
    chart.draw(record_of(row("numpy", 250.0)), tmp_path / "chart.png")
    assert "no chart" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", [(0,), (1, 8, 64, 512)])
def test_names_under_bars_do_not_overlap(rows):
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = ("784-30-10", "784-128-10", "64-8x64-10", "1024-2048-2048-1000")
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    chart._panel(axes, {"numpy": {f"{name}\n({k})": 2.0 for name in names for k in rows}})
    canvas.draw()
    boxes = [[label.get_window_extent() for label in shown.get_xticklabels()] for shown in (axes, *axes.child_axes)]
    assert sum(map(len, boxes)) == len(names) * len(rows) + len(names) * (len(rows) > 1)
    for line in boxes:
        assert all(left.x1 < right.x0 for left, right in pairwise(line))
    for upper, lower in pairwise(boxes):
        assert max(box.y1 for box in lower) < min(box.y0 for box in upper)


def test_ratios_are_times_over_fastbps():
    (table,) = record.tables(RECORD)
    found = chart.ratios(table)
    assert found == {name: {"784-128-10\n(32)": ratio} for name, ratio in (("loops", 3.2), ("numpy", 2), ("torch", 12))}


def test_peers_of_one_call_have_colours_of_their_own():
    for call in CALLS:
        numbers = [k - 1 for k, peer in enumerate(PEERS.values()) if call in peer.calls and k > 0]
        assert len(np.unique(np.array(numbers) % 10)) == len(numbers)
