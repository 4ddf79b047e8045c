"""What fastbp uses of Numba without its promise: all of it is listed, and where it is gone, one message says so."""

import ast
import re
import sys
import tempfile
import tomllib
from importlib import import_module
from pathlib import Path

import ahead
import numba
import pytest
from processes import ROOT, ended, start_python
from test_cache import doubled, place

import fastbp
from fastbp.kernels.runtime import numba_private
from fastbp.kernels.runtime.numba_private import COLLECTED, ERROR, INTERFACES, PASSES, TESTED, UNKEPT, UNLINKED

assert place  # a fixture

ON_CLASSES = [path for path in INTERFACES if "()" not in path and ":" in path]
ON_OBJECTS = [path for path in INTERFACES if "()" in path]


@pytest.fixture
def nothing_gone(monkeypatch):
    monkeypatch.setattr(numba_private, "_gone", set())


# ------------------------------------------------------------------ the list
def private_names(path):
    """module:name of all that a file takes from Numba's private modules."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module.startswith("numba")]
    taken = [(node.module, alias.name) for node in imports for alias in node.names if node.module != "numba.extending"]
    modules = {name: f"{module}.{name}" for module, name in taken if name in ("cgutils", "types", "_dynfunc")}
    public = {("numba", name) for name in numba.__all__}
    found = {f"{module}:{name}" for module, name in {*taken} - public if name not in modules}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            found.add(f"{modules[node.value.id]}:{node.attr}")
    return found


@pytest.mark.parametrize("path", sorted(Path(fastbp.__file__).parent.rglob("*.py")), ids=lambda path: path.name)
def test_what_a_module_takes_from_numba_is_listed(path):
    listed = {":".join([module, names.replace("()", "").split(".")[0]]) for module, _, names in
              (row.partition(":") for row in INTERFACES)}
    assert private_names(path) - listed == set()


@pytest.mark.parametrize("path", [path for path in INTERFACES if ":" in path])
def test_what_is_listed_is_used(path):
    sources = Path(fastbp.__file__).parent.joinpath("kernels").rglob("*.py")
    text = "".join(each.read_text(encoding="utf-8") for each in sources if each.stem != "numba_private")
    name = re.split(r"[:.]", path)[-1].replace("()", "")
    assert re.search(rf"\b{name}\b", text) or any(name == one for _, one in PASSES)


def test_the_lowest_release_is_what_pyproject_allows():
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (bound,) = (entry.partition(">=")[2] for entry in dependencies if entry.startswith("numba"))
    assert TESTED[0].startswith(bound)


# ------------------------------------------------------------------ each of them gone
@pytest.mark.parametrize("path", ON_CLASSES)
def test_whatever_is_gone_is_named_with_releases(path, monkeypatch, nothing_gone):
    module, _, names = path.partition(":")
    *outer, name = names.split(".")
    owner = import_module(module)
    for part in outer:
        owner = getattr(owner, part)
    owners = [kind for kind in owner.__mro__ if name in vars(kind)] if outer else [owner]
    with monkeypatch.context() as context:
        for each in owners:
            context.delattr(each, name)
        error = INTERFACES[path] == ERROR
        with pytest.raises(ImportError) if error else pytest.warns(RuntimeWarning) as caught:
            numba_private.check()
    (message,) = [str(caught.value)] if error else [str(warned.message) for warned in caught]
    assert f"Numba {numba.__version__} does not have {path}, so {INTERFACES[path]}; " in message
    assert f"tested with Numba {TESTED[0]} to {TESTED[1]}" in message


@pytest.mark.parametrize("path", ON_OBJECTS)
def test_an_object_without_it_is_noticed_once(path, nothing_gone):
    consequence = INTERFACES[path]
    thing = type(path.partition(":")[2].partition("()")[0], (), {})()
    assert numba_private.usable(consequence)
    with pytest.warns(RuntimeWarning, match="does not have") as caught:
        found = [numba_private.usable(consequence, thing) for _ in range(2)]
    assert found == [False, False]
    assert len(caught) == 1
    assert path in str(caught[0].message)


# ------------------------------------------------------------------ what happens then
TRAINS = """
import importlib, sys, warnings
module, _, names = sys.argv[1].partition(":")
owner, (*outer, name) = importlib.import_module(module), names.split(".")
for part in outer:
    owner = getattr(owner, part)
delattr(owner, name)
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import fastbp
    net = fastbp.Network([3, 4, 2], rng=0)
    fastbp.Trainer(net, rng=0, threads=1).fit(np.eye(3), [0, 1, 0])
print(net.parameters.tobytes().hex(), fastbp.config.cache_directory, sep="\\n")
print(*{str(warned.message) for warned in caught}, sep="\\n")
"""


def trained():
    net = fastbp.Network([3, 4, 2], rng=0)
    fastbp.Trainer(net, rng=0, threads=1).fit([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 1, 0])
    return net.parameters.tobytes().hex()


def test_without_an_interface_that_all_rests_on_import_says_what_is_missing():
    code, _, err = ended(start_python("-c", TRAINS, "numba.core.typing.templates:infer_global"))
    assert code == 1
    last = err.splitlines()[-1]
    assert re.match(f"ImportError: Numba .* does not have numba.core.typing.templates:infer_global, so {ERROR}; ", last)
    assert f"tested with Numba {TESTED[0]} to {TESTED[1]}" in last


def trained_without(path):
    """What training prints that compiles all kernels anew, and where it was to keep them."""
    with tempfile.TemporaryDirectory() as folder:
        return folder, ahead.run("-c", TRAINS, path, FASTBP_CACHE_DIR=folder)


@pytest.mark.slow
@pytest.mark.ahead(of=trained_without)
@pytest.mark.parametrize(("path", "consequence"), [
    ("numba.core.codegen:JITCodeLibrary", UNLINKED),
    ("numba.core.compiler:CompileResult._rebuild", UNKEPT),
])
def test_without_what_makes_compiling_quick_networks_train_all_the_same(path, consequence):
    folder, shown = ahead.result(trained_without, path)
    bits, directory, *warned = shown.splitlines()
    assert bits == trained()
    assert directory == "None" if consequence == UNKEPT else directory.startswith(folder)
    (message,) = warned
    assert consequence in message
    assert path in message


def test_with_garbage_collected_kernels_compile_all_the_same(place, monkeypatch):
    monkeypatch.setattr(numba_private, "_gone", {COLLECTED})
    assert doubled() == 1


def test_without_the_layers_modules_config_names_none(monkeypatch, nothing_gone):
    monkeypatch.setitem(sys.modules, "numba.np.ufunc.workqueue", None)
    monkeypatch.setattr("fastbp.kernels.runtime.threads.launched", lambda: False)
    monkeypatch.setattr(numba.config, "THREADING_LAYER", "default")
    with pytest.warns(RuntimeWarning, match="names the threading layer only when it runs"):
        numba_private.check()
    assert fastbp.config.threading_layer == "not known yet"
