"""The benchmarks of Airspeed Velocity keep what asv asks of them, and each kernel of theirs can be called."""

import ast
import importlib
import inspect
import json
import re
import sys

import numba
import pytest
from processes import ROOT

sys.path.append(str(ROOT / "asv_benchmarks"))
from benchmarks import dispatch, kernels, scaling
from benchmarks.common import Compiled
from cases import CASES, SCALES, WATCHED, WORK

FOLDER = ROOT / "asv_benchmarks"
MODULES = [path.stem for path in sorted((FOLDER / "benchmarks").glob("[a-z]*.py"))]
BENCHMARK = re.compile("(time|timeraw|track|peakmem)_")


def classes():
    """The classes that hold benchmarks."""
    for name in MODULES:
        module = importlib.import_module(f"benchmarks.{name}")
        for _, found in inspect.getmembers(module, inspect.isclass):
            if found.__module__ == module.__name__ and any(BENCHMARK.match(attribute) for attribute in dir(found)):
                yield found


each_class = pytest.mark.parametrize("found", list(classes()), ids=lambda found: f"{found.__module__}.{found.__name__}")


@each_class
def test_a_benchmark_has_time_to_compile(found):
    assert found.timeout >= 300


@each_class
def test_what_takes_microseconds_has_no_setup(found):
    assert not (issubclass(found, Compiled) and hasattr(found, "setup"))


@each_class
def test_every_parameter_has_a_name(found):
    params = getattr(found, "params", ())
    lists = params if params and isinstance(params[0], (list, tuple)) else [params] if params else []
    assert len(lists) == len(getattr(found, "param_names", ()))
    for values in lists:
        assert len(set(values)) == len(values)


def test_the_shapes_are_those_of_the_tables():
    assert all(CASES[case.name] is case for case in WATCHED)
    assert set(scaling.Batch.params) == set(SCALES["batch"])
    assert scaling.Threads.params[1] == list(WORK)
    assert len(WORK) == 4


@pytest.fixture
def threads_kept():
    before = numba.get_num_threads()
    yield
    numba.set_num_threads(before)


@pytest.mark.parametrize("way", kernels.WAYS)
@pytest.mark.parametrize("kernel", kernels.KERNELS)
def test_a_kernel_of_the_benchmarks_runs_on_the_threads_asked_for_and_counts_its_operations(kernel, way, threads_kept):
    run, flop = kernels.work(way, kernel, "784-30-10", "float32", "one")
    run()
    assert numba.get_num_threads() == 1
    assert flop == (4 * 103 * CASES["784-30-10"].flop if kernel == "epoch" else 2 * 10 * 784 * 30)


def test_a_function_that_a_commit_does_not_have_yet_is_skipped(monkeypatch):
    monkeypatch.setitem(kernels.WAYS, "loops", "fastbp.kernels.not_yet")
    with pytest.raises(NotImplementedError, match=r"no fastbp\.kernels\.not_yet yet"):
        kernels.functions_of("loops")


DISPATCH = [
    (found, name)
    for found in (dispatch.OneRow, dispatch.Minibatch, dispatch.Epoch, dispatch.Forward)
    for name in dir(found)
    if name.startswith("time_")
]


@pytest.mark.parametrize(("found", "name"), DISPATCH, ids=[f"{found.__name__}.{name}" for found, name in DISPATCH])
def test_a_call_of_the_dispatch_benchmarks_runs(found, name):
    getattr(found(), name)(*(values[0] for values in found.params))


PARTS = ("estimators", "reference", "kernels", "kernels.arrays", "kernels.loops")
ALLOWED = {"fastbp", *(f"fastbp.{part}" for part in PARTS)}
# the messages of a step between processes, alone, are no call of a user's
MESSAGES = {"ranks.py": ("session", "trainer")}
FILES = sorted(path for folder in (".", "benchmarks", "openers") for path in (FOLDER / folder).glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_the_package_is_called_as_users_call_it(path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    named = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    modules = {name for name in imported | named if re.fullmatch(r"fastbp(\.\w+)+", name)}
    assert modules <= ALLOWED
    private = [node for node in nodes if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr)]
    assert {ast.unparse(node.value) for node in private} <= {"self", *MESSAGES.get(path.name, ())}


def test_wheels_are_installed_against_the_pins():
    lines = (FOLDER / "asv.conf.json").read_text(encoding="utf-8").splitlines()
    conf = json.loads("\n".join(line for line in lines if not line.strip().startswith("//")))
    assert all(len(versions) == 1 for versions in conf["matrix"]["req"].values())
    assert all("--no-deps" in command for name in ("build_command", "install_command") for command in conf[name])
    assert conf["launch_method"] == "spawn"
