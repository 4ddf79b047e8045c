"""The rules of the house: who imports whom, sizes of files, one place for compiler flags, what an import costs."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from processes import ROOT, run_python

PACKAGE = ROOT / "fastbp"

# The six rules of imports: what each group of modules may import of the others, beside its own. A new module at the
# root is one of the tables or stands on everything (FACE).
TABLES = {
    "activations", "losses", "optimizers", "schedules", "plateau", "cosine", "initializers", "metrics", "callbacks",
    "events", "history", "regularization", "checks", "canonical", "conversion", "targets", "update_rules",
    "moments", "exceptions", "paths", "best", "recorders", "domains",
}
FACE = {
    "network", "trainer", "gradcheck", "lbfgs", "configuration", "precompile", "bound", "finding",
    "exchange", "files", "", "__main__",
}
# Modules of the kernels that others use, too, without what Numba compiles.
LEAVES = {"kernels.vectors.vecmath", "kernels.runtime.whole_files"}
BELOW = {
    "kernels": set(),
    "tables": LEAVES,
    "symbolic": {"tables", "kernels.vectors.vecmath"},
    "io": {"tables", "kernels.runtime.whole_files"},
    "distributed": {"tables"},
    "base": {"tables", "symbolic", "io", "distributed"},
    "compiled": {"tables", "symbolic", "base", "kernels"},
    "reference": {"tables", "symbolic", "base", "kernels.vectors.vecmath"},
    "face": {"tables", "symbolic", "io", "base", "compiled", "reference", "kernels", "distributed"},
    "estimators": {"tables", "base", "face", "kernels.runtime.threads"},
    "compat": {"tables", "symbolic", "base", "face"},
}

# Third-party packages that a module may import at its top; elsewhere only NumPy, Numba and Numba's llvmlite.
OPTIONAL = {"estimators": {"sklearn"}, "compat": {"sklearn"}}
CORE = {"numba", "numpy", "llvmlite"}

FLAGS = {"boundscheck", "error_model", "fastmath", "forceinline", "jit_options", "nogil"}
COMPILERS = {"cfunc", "guvectorize", "jit", "njit", "stencil", "vectorize"}


def module_name(path: Path) -> str:
    """`kernels.loops` of fastbp/kernels/loops.py, the empty name of fastbp/__init__.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in SOURCES.items()}
modules = pytest.mark.parametrize("module", SOURCES, ids=lambda module: f"fastbp.{module}".rstrip("."))


def imported_names(node: ast.AST, module: str) -> list[str]:
    """Absolute dotted names that one import statement may load, `a.b` and `a` both for `from a import b`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        here = ["fastbp", *module.split(".")] if module else ["fastbp"]
        package = here if SOURCES[module].name == "__init__.py" else here[:-1]
        base = ".".join([*package[: len(package) - node.level + 1], *base.split(".")]).rstrip(".")
    return [f"{base}.{alias.name}" for alias in node.names]


def house_imports(module: str) -> set[str]:
    """Modules of fastbp that `module` imports anywhere in it, inside functions too."""
    found = set()
    for node in ast.walk(TREES[module]):
        for name in imported_names(node, module):
            if name.split(".")[0] == "fastbp":
                inner = name.removeprefix("fastbp").removeprefix(".")
                found.add(inner if inner in SOURCES else inner.rpartition(".")[0])
    return found


def group_of(module: str) -> str:
    """The group whose rule holds for a module."""
    if module in FACE:
        return "face"
    return "tables" if module in TABLES else module.partition(".")[0]


@modules
def test_a_module_imports_what_its_group_may(module):
    group = group_of(module)
    assert group in BELOW, f"fastbp/{module} belongs to no group: give it one in this file"
    for target in house_imports(module):
        allowed = BELOW[group] | {group}
        assert group_of(target) in allowed or target in allowed, f"fastbp.{module} imports fastbp.{target}"


def test_the_layout_in_contributing_names_every_module_of_the_root_and_every_folder():
    layout = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Layout")[2].partition("\n## ")[0]
    names = {module.partition(".")[0] for module in SOURCES} - {"", "__main__"}
    assert [name for name in sorted(names) if not re.search(rf"`{name}[`/]", layout)] == []


def test_no_import_comes_back_to_where_it_began():
    ahead = {module: house_imports(module) - {module} for module in SOURCES}
    while ahead:
        free = {module for module, targets in ahead.items() if not targets & ahead.keys()}
        assert free, f"these import each other: {sorted(ahead)}"
        ahead = {module: targets for module, targets in ahead.items() if module not in free}


def test_reference_reaches_no_kernel_but_the_leaves():
    reached, ahead = set(), {"reference"}
    while ahead:
        reached |= ahead
        inner = [module for module in ahead if module not in LEAVES]
        ahead = {target for module in inner for target in house_imports(module) if target in SOURCES} - reached
    assert {module for module in reached if module.startswith(("kernels", "compiled"))} == LEAVES


def test_naive_twin_imports_nothing_of_fastbp():
    naive = ROOT / "tests" / "naive.py"
    if naive.exists():
        assert not re.search(r"^\s*(from|import)\s+(fastbp|numba)", naive.read_text(encoding="utf-8"), re.MULTILINE)


@modules
def test_top_level_imports_need_only_the_core_dependencies(module):
    for node in TREES[module].body:
        for name in imported_names(node, module):
            package = name.split(".")[0]
            allowed = CORE | {"fastbp"} | OPTIONAL.get(module.split(".")[0], set())
            assert package in sys.stdlib_module_names or package in allowed, f"fastbp.{module} imports {package}"


def all_python_files() -> list[Path]:
    folders = ("fastbp", "tests", "examples", "docs", "asv_benchmarks/benchmarks")
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [*files, *ROOT.glob("*.py"), *(ROOT / "asv_benchmarks").glob("*.py")]


@pytest.mark.parametrize("path", all_python_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def called_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


COMPREHENSIONS = ast.ListComp, ast.SetComp, ast.DictComp


def bodies_to_clean_up_after(tree):
    """The statements of each `with` and of each `try` that has a `finally`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            yield from node.body
        elif isinstance(node, ast.Try) and node.finalbody:
            yield from (*node.body, *node.handlers, *node.orelse)


def own_nodes(statement):
    """A statement and what is in it, but for functions, which have frames of their own."""
    if not isinstance(statement, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
        yield statement
        for child in ast.iter_child_nodes(statement):
            yield from own_nodes(child)


@modules
def test_no_comprehension_stands_where_ctrl_c_must_clean_up(module):
    # Python 3.13.0 goes through no `finally` and out of no `with` where a signal handler raises in a comprehension.
    nodes = (node for body in bodies_to_clean_up_after(TREES[module]) for node in own_nodes(body))
    assert not [node.lineno for node in nodes if isinstance(node, COMPREHENSIONS)]


@modules
def test_compiler_flags_stand_in_jit_alone(module):
    if module == "kernels.runtime.jit":
        return
    nodes = list(ast.walk(TREES[module]))
    decorators = {id(decorator) for node in nodes for decorator in getattr(node, "decorator_list", ())}
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        keywords = {keyword.arg for keyword in call.keywords}
        compiler_with_arguments = called_name(call.func) in COMPILERS and (keywords or id(call) in decorators)
        # builder.call(..., fastmath=...) marks one LLVM instruction and not what Numba compiles.
        one_instruction = module == "kernels.vectors.simd" and ast.unparse(call.func).startswith("builder.")
        assert one_instruction or not keywords & FLAGS, f"fastbp.{module}, line {call.lineno}"
        assert not compiler_with_arguments, f"fastbp.{module}, line {call.lineno}"


def test_import_compiles_nothing(tmp_path):
    code = """
from numba.core import event
compiled = event.RecordingListener()
event.register("numba:compile", compiled)
import fastbp
before = len(compiled.buffer)
import numba
numba.njit(lambda x: x)(1)
print(before, len(compiled.buffer) > before)
"""
    assert run_python(code, FASTBP_CACHE_DIR=tmp_path).split() == ["0", "True"]


@pytest.mark.parametrize("names", ["fastbp", "fastbp, fastbp.trainer, fastbp.reference, fastbp.lbfgs"])
def test_import_loads_no_optional_package(names):
    loaded = set(run_python(f"import sys, {names}; print(*sys.modules)").split())
    assert "fastbp" in loaded
    assert not loaded & {"matplotlib", "mlxtend", "mpi4py", "pandas", "sklearn", "tqdm"}


def test_import_loads_numba_when_a_name_is_asked_for():
    code = """
import sys, fastbp
before = "numba" in sys.modules
fastbp.Network
print(before, "numba" in sys.modules)
"""
    assert run_python(code).split() == ["False", "True"]


def test_import_of_compat_loads_nothing_compiled():
    names = ", ".join(f"fastbp.{module}" for module in SOURCES if group_of(module) == "compat")
    loaded = set(run_python(f"import sys, {names}; print(*sys.modules)").split())
    assert "fastbp.compat.network2" in loaded
    assert not loaded & {"numba", "llvmlite", "fastbp.network", "fastbp.activations", "matplotlib", "h5py", "scipy"}


def test_every_public_name_is_there_and_is_listed():
    code = """
import fastbp
print(all(getattr(fastbp, name) is not None and name in dir(fastbp) for name in fastbp.__all__))
print(fastbp.activations.ACTIVATIONS["relu"].name, hasattr(fastbp, "no_such_module"), fastbp.config is fastbp.config)
from fastbp import *
print(Network is fastbp.Network, load == Network.load)
"""
    assert run_python(code).split() == ["True", "relu", "False", "True", "True", "True"]
