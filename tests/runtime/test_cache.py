"""Compiled kernels on disk: whatever happens to the files, training goes on and gives the right numbers."""

import importlib
import os
import pickle
import pkgutil
import shutil
import stat
import zipfile
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import event
from processes import output_of, run_python, start_python

import fastbp
from fastbp.activations import ACTIVATIONS
from fastbp.kernels.runtime import cache, jit
from fastbp.losses import LOSSES
from fastbp.regularization import GRADIENT_RULES
from fastbp.update_rules import UPDATE_RULES

PACKAGE = Path(fastbp.__file__).parent


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty cache directory for this test alone."""
    monkeypatch.setenv("FASTBP_CACHE_DIR", str(tmp_path / "kernels"))
    forget()
    yield tmp_path / "kernels"
    monkeypatch.undo()
    forget()


def forget():
    cache.places.cache_clear()
    cache._writable.cache_clear()
    cache._warn.cache_clear()


def double(x):
    return x + x


def make_double():
    """A small kernel as a new process would have it: nothing compiled, and its cache on disk."""
    return jit.entry(double, "double")


class Compilations:
    """How many functions are compiled inside the block."""

    def __enter__(self):
        self._listener = event.RecordingListener()
        event.register("numba:compile", self._listener)
        return self

    def __exit__(self, *_):
        event.unregister("numba:compile", self._listener)
        self.count = sum(recorded.is_start for _, recorded in self._listener.buffer)


def doubled(value=1.5):
    """What a new process computes, and how many functions it compiles for that."""
    with Compilations() as compilations:
        result = make_double()(value)
    assert result == 2 * value
    return compilations.count


def kernels(place):
    return sorted(place.rglob("*.kernel"))


# ------------------------------------------------------------------ what is kept
def test_the_second_process_compiles_nothing(place):
    assert doubled() == 1
    assert [file.name[:7] for file in kernels(place)] == ["double-"]
    assert doubled() == 0


def test_dtypes_have_files_of_their_own(place):
    assert doubled(np.float32(1.5)) == doubled(np.float64(1.5)) == 1
    assert len(kernels(place)) == 2
    for dtype in (np.float32, np.float64):
        result = make_double()(dtype(0.1))
        assert result == 2 * dtype(0.1)
    assert doubled(np.float32(1.5)) == doubled(np.float64(1.5)) == 0


def test_every_kernel_has_a_name_of_its_own():
    names, seen = [], set()
    for module in pkgutil.walk_packages([str(PACKAGE / "kernels")], "fastbp.kernels."):
        values = list(vars(importlib.import_module(module.name)).values())
        for value in [*values, *(one for table in values if isinstance(table, dict) for one in table.values())]:
            if isinstance(getattr(value, "_cache", None), cache.KernelCache) and id(value) not in seen:
                seen.add(id(value))
                names.append(value._cache._name)
    assert len(names) >= 10
    assert len(set(names)) == len(names)


def test_the_directory_is_private_and_names_the_build(place):
    doubled()
    assert cache.directory() == place / cache.build_key()
    if hasattr(os, "getuid"):
        assert stat.S_IMODE(cache.directory().stat().st_mode) == 0o700


def test_a_relative_directory_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTBP_CACHE_DIR", "near")
    forget()
    assert cache.directory() == tmp_path / "near" / cache.build_key()
    monkeypatch.undo()
    forget()


# ------------------------------------------------------------------ damage
def cut(whole):
    for length in {*range(70), *range(0, len(whole), max(1, len(whole) // 500)), len(whole) - 1}:
        yield whole[:length]


def flipped(whole):
    for position in {*range(70), *range(0, len(whole), max(1, len(whole) // 500)), len(whole) - 1}:
        yield whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [cut, flipped])
def test_a_damaged_file_is_a_miss_wherever_it_is_damaged(place, damage):
    kernel = make_double()
    kernel(1.5)
    (file,), signature = kernels(place), kernel.signatures[0]
    whole, found = file.read_bytes(), []
    with pytest.warns(RuntimeWarning, match="is not usable .* and is compiled again; set FASTBP_CACHE_DIR") as warned:
        found += [load(kernel, signature, file, damaged) for damaged in damage(whole)]
    assert len(warned) == 1
    assert len(found) > 500
    assert not any(found)
    assert load(kernel, signature, file, whole)


def load(kernel, signature, file, content):
    """Whether the kernel is found where its file has this content."""
    file.write_bytes(content)
    return kernel._cache.load_overload(signature, kernel.targetctx) is not None


@pytest.mark.parametrize("body", [b"", b"no pickle", pickle.dumps(None), pickle.dumps((1, 2)), pickle.dumps([])[:-1]])
def test_damage_costs_one_warning_and_is_repaired(place, body):
    doubled()
    (file,) = kernels(place)
    file.write_bytes(cache._digest(file.name, body) + body)
    with pytest.warns(RuntimeWarning, match="compiled again") as warned:
        assert doubled() == 1
    assert len(warned) == 1
    assert doubled() == 0


def test_a_directory_in_the_place_of_a_file_costs_a_warning(place):
    doubled()
    (file,) = kernels(place)
    file.unlink()
    file.mkdir()
    with pytest.warns(RuntimeWarning, match="could not be kept|compiled again"):
        assert doubled() == 1


def test_files_that_are_swapped_or_of_another_build_are_compiled_again(place):
    kernel = make_double()
    assert (kernel(1.5), kernel(2)) == (3.0, 4)
    first, second = kernels(place)
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    with pytest.warns(RuntimeWarning, match="another kernel's.* is compiled again"):
        assert make_double()(1.5) == 3.0
    assert {first.read_bytes(), second.read_bytes()} != {one, other}


def test_a_long_name_has_a_file(place):
    kernel = jit.entry(double, "a" * 300)
    assert kernel(1.5) == 3.0
    (file,) = kernels(place)
    assert len(file.name) < 130


def test_what_a_kill_in_a_save_left_is_gone_after_the_next_one(place):
    cache.directory()
    stray = place / cache.build_key() / ".fastbp-0123456789abcdef.tmp"
    stray.write_bytes(b"half a kernel")
    os.utime(stray, (0, 0))
    doubled()
    assert not stray.exists()
    assert len(kernels(place)) == 1


# ------------------------------------------------------------------ other builds
def key_of(package, **variables):
    code = "import fastbp.kernels.runtime.cache as c; print(c.__file__, c.build_key())"
    file, key = output_of(start_python("-P", "-c", code, PYTHONPATH=package.parent, **variables)).split()
    assert file.startswith(str(package))
    return key


@pytest.mark.slow
def test_an_edit_of_what_machine_code_is_made_from_is_another_build_and_no_other_edit_is(tmp_path):
    package = tmp_path / "fastbp"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    keys = [key_of(package)]
    for name in ("kernels/tiles/tile.py", "activations.py", "callbacks.py"):
        with (package / name).open("a") as file:
            file.write("# edited\n")
        keys.append(key_of(package))
    assert len(set(keys)) == 3
    assert keys[2] == keys[3]


def test_every_formula_of_a_table_is_part_of_the_builds_key():
    tables = (ACTIVATIONS, LOSSES, GRADIENT_RULES)
    formulas = [value for table in tables for spec in table.values() for value in vars(spec).values()]
    modules = {formula.__module__ for formula in (*formulas, *UPDATE_RULES) if callable(formula)}
    files = {f"{module.removeprefix('fastbp.').replace('.', '/')}.py" for module in modules}
    assert "update_rules.py" in files
    assert all(file.startswith(cache.CODE) for file in files)


@pytest.mark.slow
def test_another_cpu_or_width_is_another_build():
    builds = ({}, {"FASTBP_VECTOR_BYTES": 16}, {"NUMBA_CPU_NAME": "nehalem"})
    assert len({key_of(PACKAGE, **variables) for variables in builds}) == len(builds)


# What Numba writes into machine code: it must not be what a later process is given, which has set nothing.
INTO_CODE = [
    "DEBUG_JIT", "DEBUG_NRT", "DEBUGINFO_DEFAULT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "OPT", "LLVM_REFPRUNE_PASS"
]


@pytest.mark.parametrize("name", INTO_CODE)
def test_a_setting_that_numba_writes_into_code_is_another_build(monkeypatch, name):
    usual = cache.build_key.__wrapped__()
    monkeypatch.setattr(numba.config, name, 7)
    assert cache.build_key.__wrapped__() != usual


def test_bounds_are_checked_in_the_users_functions_and_in_no_kernel(place, monkeypatch):
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", 1)
    usual, row = cache.build_key.__wrapped__(), np.arange(8.0)[:2]

    def beyond(x):
        return x[5]

    assert jit.entry(beyond, "beyond")(row) == 5.0
    assert numba.config.BOUNDSCHECK == 1
    with pytest.raises(IndexError):
        numba.njit(beyond)(row)
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", None)
    assert cache.build_key.__wrapped__() == usual
    with event.install_recorder("numba:compile") as compiled:
        assert jit.entry(beyond, "beyond")(row) == 5.0
    assert not compiled.buffer


class TooLateError(Exception):
    """What a signal handler of the user's raises."""


def test_what_a_signal_handler_raises_while_a_kernel_is_read_is_no_damage(place, monkeypatch):
    def interrupted(*_):
        raise TooLateError

    monkeypatch.setattr(cache, "_loaded", interrupted)
    with pytest.raises(TooLateError):
        jit.entry(lambda x: x + 1.0, "probe")(1.0)


@pytest.mark.slow
def test_from_a_zip_file_the_build_has_a_key_of_its_sources(tmp_path):
    packages = []
    for edited in (False, True):
        packages.append(tmp_path / f"{edited}.zip" / "fastbp")
        with zipfile.ZipFile(packages[-1].parent, "w") as archive:
            for file in PACKAGE.rglob("*.py"):
                text = file.read_text(encoding="utf-8") + "# edited\n" * (edited and file.name == "tile.py")
                archive.writestr(f"fastbp/{file.relative_to(PACKAGE).as_posix()}", text)
    assert len({key_of(package) for package in packages}) == 2


# ------------------------------------------------------------------ several processes
COLD = """
from test_cache import make_double
from fastbp.kernels.runtime import cache
print(*(make_double()(value) for value in (1.5, 2, 2j)), cache.directory().parent)
"""


@pytest.mark.slow
def test_four_processes_that_start_cold_together_agree(place):
    processes = [start_python("-c", COLD) for _ in range(4)]
    outputs = {output_of(process) for process in processes}
    assert outputs == {f"3.0 4 4j {place}\n"}
    assert len(kernels(place)) == 3
    assert not [file for file in place.rglob("*") if file.is_file() and file.suffix != ".kernel"]


JIT_OFF = """
import numpy as np, MODULE as module
net = module.Network([2, 3, 2], rng=0)
module.Trainer(net, rng=0).fit(np.eye(2), [0, 1], epochs=2)
print(net.predict(np.eye(2)).shape)
"""


@pytest.mark.parametrize("module", ["fastbp.reference", "fastbp"])
def test_training_goes_on_with_the_jit_off(module):
    assert run_python(JIT_OFF.replace("MODULE", module), NUMBA_DISABLE_JIT=1) == "(2,)\n"
