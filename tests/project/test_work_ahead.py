"""What the session begins with: once, as the session found the environment, and its tests come last."""

import os
import sys
import threading
import time

import ahead
import pytest
from processes import ROOT, run_python

MODULE = """
import os
from pathlib import Path
import ahead, pytest
CODE = "import os; print(os.getpid(), os.getppid(), os.getcwd(), os.environ.get('KEPT'))"

def made(name):
    pid, parent, folder, kept = ahead.run("-c", CODE).split()
    with Path(__file__).with_name("made").open("a") as file:
        file.write(f"{name} {kept} {folder}\\n")
    return name * 2

def never(name):
    raise AssertionError(name)

@pytest.mark.ahead(of=made)
@pytest.mark.parametrize("name", ["a", "b"])
def test_waits(name):
    assert ahead.result(made, name) == name * 2

def test_is_quick(monkeypatch, tmp_path):
    assert os.environ["ORDER"] == ""
    monkeypatch.setenv("KEPT", "no")
    monkeypatch.chdir(tmp_path)

@pytest.mark.ahead(of=made)
@pytest.mark.parametrize("name", ["a"])
def test_waits_for_the_same(name):
    assert ahead.result(made, name) == "aa"

@pytest.mark.skipif(True, reason="of another system")
@pytest.mark.ahead(of=never)
@pytest.mark.parametrize("name", ["c"])
def test_is_skipped(name):
    pass
"""


def session(folder, *options):
    """The lines that pytest prints of each test of the module, and what its work was."""
    (folder / "test_module.py").write_text(MODULE)
    code = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:], plugins=[__import__('conftest')]))"
    shown = run_python(code, "-v", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", "--rootdir", folder,
                       *options, folder, cwd=folder, ORDER="", KEPT="yes")
    names = [line.split("::")[1].split()[0] for line in shown.splitlines() if line.startswith("test_module.py::")]
    work = (folder / "made").read_text().splitlines() if (folder / "made").exists() else []
    return names, sorted(work)


def test_tests_that_wait_come_last_and_their_work_is_done_once(tmp_path):
    names, work = session(tmp_path)
    assert names == ["test_is_quick", "test_waits[a]", "test_waits[b]", "test_waits_for_the_same[a]",
                     "test_is_skipped[c]"]
    assert work == [f"a yes {ROOT}", f"b yes {ROOT}"]


def test_work_of_tests_that_do_not_run_is_not_begun(tmp_path):
    names, work = session(tmp_path, "-k", "quick or b")
    assert names == ["test_is_quick", "test_waits[b]"]
    assert work == [f"b yes {ROOT}"]


def failing():
    raise LookupError("of the work")


@pytest.mark.ahead(of=failing)
def test_an_error_of_the_work_is_one_of_the_test():
    for _ in range(2):
        with pytest.raises(LookupError, match="of the work"):
            ahead.result(failing)


def priority():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), ahead.run("-c", "import os; print(os.nice(0))")


@pytest.mark.ahead(of=priority)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process has one priority")
def test_such_work_gives_way_to_the_tests():
    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread, process = ahead.result(priority)
    assert thread == int(process) == max(before, 10)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def endless():
    return ahead.run("-c", "import time; time.sleep(600)")


def test_an_end_of_the_session_ends_the_work():
    code = """
import ahead, test_work_ahead, time
ahead.begin(test_work_ahead.endless)
while not ahead._processes:
    time.sleep(0.01)
ahead.give_up()
print("over")
"""
    start = time.monotonic()
    assert run_python(code) == "over\n"
    assert time.monotonic() - start < 60
