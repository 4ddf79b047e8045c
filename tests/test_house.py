"""The rules of the house: floors, sizes of files, one place for compiler flags, what an import costs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fastbp"

# From the ground up. A module imports from floors below its own, never from its own; a new module gets its place here.
FLOORS = (
    ("kernels.cache", "kernels.linking", "kernels.threads", "checks"),
    ("kernels.jit",),
    ("kernels.emit",),
    ("kernels.simd",),
    ("kernels.vecmath", "kernels.tile", "kernels.memory", "kernels.meeting"),
    ("kernels.panels", "expressions"),
    ("schedules", "inputs", "history", "progress", "rules", "dropout", "callbacks",
     "safetensors", "kernels.narrow"),
    ("activations", "optimizers", "metrics"),
    ("losses", "initializers"),
    ("derive", "checkpoint"),
    ("kernels.formulas", "kernels.dropout"),
    ("kernels.forward", "kernels.backward", "kernels.gradient", "kernels.few", "base"),
    ("feeding", "lbfgs"),
    ("kernels.rules", "fitting", "gradcheck"),
    ("kernels.epoch", "kernels.parameters"),
    ("kernels.evaluation", "kernels.plan"),
    ("engine",),
    ("network", "reference"),
    ("trainer",),
    ("warming", "configuration"),
    ("estimators", "interchange", "compat"),
)
FLOOR = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}
# Whoever imports these two takes the whole package; the package's own modules do not.
ROOFS = {"": len(FLOORS), "__main__": len(FLOORS) + 1}

# What the compiled path alone may use: the NumPy twin reaches none of it, not even through others.
COMPILED = {"engine", "network", "trainer"} | {
    f"kernels.{name}"
    for name in (
        "tile", "panels", "narrow", "few", "formulas", "forward", "backward", "gradient", "rules", "epoch",
        "evaluation",
    )
}

# Third-party packages that a module may import at its top; elsewhere only NumPy, Numba and Numba's llvmlite.
OPTIONAL = {"estimators": {"sklearn"}, "compat": {"sklearn"}}
CORE = {"numba", "numpy", "llvmlite"}

FLAGS = {"boundscheck", "error_model", "fastmath", "forceinline", "jit_options", "nogil"}
COMPILERS = {"cfunc", "guvectorize", "jit", "njit", "stencil", "vectorize"}


def module_name(path: Path) -> str:
    """`kernels.jit` of fastbp/kernels/jit.py, the empty name of fastbp/__init__.py."""
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


def floor_of(module: str) -> int:
    if module in ROOFS:
        return ROOFS[module]
    return FLOOR.get(module, FLOOR.get(module.partition(".")[0], -1))


@modules
def test_imports_go_strictly_down_the_floors(module):
    if module == "kernels":
        assert not house_imports(module), "fastbp/kernels/__init__.py imports nothing"
        return
    assert floor_of(module) >= 0, f"fastbp/{module} has no floor: give it one in FLOORS"
    for target in sorted(house_imports(module)):
        within_compat = target.split(".")[0] == module.split(".")[0] == "compat"
        assert within_compat or floor_of(target) < floor_of(module), f"fastbp.{module} imports fastbp.{target}"


@pytest.mark.skipif("reference" not in SOURCES, reason="there is no reference yet")
def test_reference_reaches_no_kernel():
    reached, ahead = set(), {"reference"}
    while ahead:
        reached |= ahead
        ahead = {target for module in ahead for target in house_imports(module) if target in SOURCES} - reached
    assert not reached & COMPILED


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
    folders = ("fastbp", "tests", "examples", "asv_benchmarks/benchmarks")
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [*files, *ROOT.glob("*.py"), *(ROOT / "asv_benchmarks").glob("*.py")]


@pytest.mark.parametrize("path", all_python_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def called_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@modules
def test_compiler_flags_stand_in_jit_alone(module):
    if module == "kernels.jit":
        return
    nodes = list(ast.walk(TREES[module]))
    decorators = {id(decorator) for node in nodes for decorator in getattr(node, "decorator_list", ())}
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        keywords = {keyword.arg for keyword in call.keywords}
        compiler_with_arguments = called_name(call.func) in COMPILERS and (keywords or id(call) in decorators)
        # builder.call(..., fastmath=...) marks one LLVM instruction and not what Numba compiles.
        one_instruction = module == "kernels.simd" and ast.unparse(call.func).startswith("builder.")
        assert one_instruction or not keywords & FLAGS, f"fastbp.{module}, line {call.lineno}"
        assert not compiler_with_arguments, f"fastbp.{module}, line {call.lineno}"


def run_python(code: str, tmp_path: Path) -> str:
    """Standard output of a fresh interpreter that finds no kernel cache."""
    caches = dict.fromkeys(("FASTBP_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"), str(tmp_path))
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=os.environ | caches, check=True, capture_output=True, text=True).stdout


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
    assert run_python(code, tmp_path).split() == ["0", "True"]


def test_import_loads_no_optional_package(tmp_path):
    loaded = set(run_python("import sys, fastbp; print(*sys.modules)", tmp_path).split())
    assert "fastbp" in loaded
    assert not loaded & {"matplotlib", "mlxtend", "pandas", "sklearn", "tqdm"}


def project_table() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_core_dependencies_are_numba_and_numpy_only():
    assert sorted(re.split(r"[<>=!~ ;\[]", entry)[0] for entry in project_table()["dependencies"]) == ["numba", "numpy"]


def test_no_dependency_has_an_upper_cap():
    project = project_table()
    groups = [project["dependencies"], [project["requires-python"]], *project["optional-dependencies"].values()]
    entries = [entry for group in groups for entry in group]
    assert not [entry for entry in entries if re.search(r"<|==|~=", entry)]


def test_version_is_the_same_everywhere():
    version = project_table()["version"]
    assert re.search(rf'^__version__ = "{re.escape(version)}"$', SOURCES[""].read_text(encoding="utf-8"), re.MULTILINE)
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_readme_code_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    exec(compile("\n".join(blocks), "README.md", "exec"), {})
