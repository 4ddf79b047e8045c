"""The benchmarks of Airspeed Velocity keep what asv asks of them, and each kernel of theirs can be called."""

import importlib
import inspect
import json
import re
import sys

import pytest
from processes import ROOT

sys.path.append(str(ROOT / "asv_benchmarks"))
from benchmarks import kernels, scaling
from benchmarks.common import Compiled
from cases import CASES, SCALES, WATCHED

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


@pytest.mark.parametrize("kernel", kernels.KERNELS)
def test_a_kernel_of_the_benchmarks_runs_and_counts_its_operations(kernel):
    run, flop = kernels.work(kernel, "784-30-10", "float32", "one")
    run()
    assert flop == (16 * CASES["784-30-10"].flop if kernel == "epoch" else 2 * 10 * 784 * 30)


def test_wheels_are_installed_against_the_pins():
    lines = (FOLDER / "asv.conf.json").read_text(encoding="utf-8").splitlines()
    conf = json.loads("\n".join(line for line in lines if not line.strip().startswith("//")))
    assert all(len(versions) == 1 for versions in conf["matrix"]["req"].values())
    assert all("--no-deps" in command for name in ("build_command", "install_command") for command in conf[name])
    assert conf["launch_method"] == "spawn"
