"""The tables of docs/scaling.md are what the scripts print."""

import importlib.util

import pytest
from processes import ROOT, run_python


def script(name):
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "asv_benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_on_paper_is_that_of_the_script(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["ranks_model.py"])
    script("ranks_model").main()
    assert capsys.readouterr().out in (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8") + "\n"


def test_more_ranks_and_slower_links_leave_less_for_the_work():
    messages = script("ranks_model").messages
    times = [messages(p, 1000, 2.0, 0.01) for p in (2, 8, 64, 1024)]
    assert times == sorted(times)
    assert messages(2, 1000, 2.0, 0.01) == pytest.approx(3 * 2.0 + 10.0)


def test_the_measured_table_has_medians_and_least_values():
    found = [{"one": {"64": {"steps": [8e-6, 4e-6, 6e-6]}},
              "ranks": {"64": {"steps": [4e-6, 2e-6, 3e-6], "messages": [1e-6, 1e-6]}}}]
    assert script("ranks").table(found).splitlines()[-1] == "| 64 | 6 (4) | 3 (2) | 2.00 (2.00) | 1 (1) | 33% (50%) |"


def test_the_example_runs_without_mpi():
    pytest.importorskip("sklearn")
    code = "import sys; sys.modules['mpi4py'] = None; sys.argv = ['x', '--epochs', '1']; exec(open(sys.path[0]).read())"
    code = code.replace("sys.path[0]", repr(str(ROOT / "examples" / "mpi_digits.py")))
    shown = run_python(code)
    assert "processes 1, validation accuracy" in shown
