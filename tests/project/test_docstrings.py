"""Docstrings of the public names: numpydoc's form, an example, the errors that can be raised, the sources of formulas.

The examples run with the suite, because pyproject.toml gives pytest the option --doctest-modules.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import textwrap
import types
from collections.abc import Iterator
from typing import Any

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate
from raised import errors_of

import fastbp
from fastbp import activations, checks, initializers, losses, optimizers

MODULES = (
    "activations", "losses", "optimizers", "moments", "update_rules", "schedules", "plateau", "cosine", "initializers",
    "metrics", "callbacks", "history", "regularization", "gradcheck", "lbfgs", "configuration", "precompile", "network",
    "trainer", "reference", "estimators.classifier", "estimators.regressor", "kernels.arrays", "kernels.loops",
    "exceptions", "events", "best", "recorders", "paths",
    "bound", "finding", "compat.network", "compat.network2",
    "exchange", "files",
    "compat.my_answers", "compat.neuralnetwork",
    "compat.aflak.network", "compat.aflak.fc_layer", "compat.aflak.activation_layer", "compat.aflak.activations",
    "compat.aflak.losses", "compat.aflak.layer", "compat.independent.network", "compat.independent.dense",
    "compat.independent.activation", "compat.independent.activations", "compat.independent.losses",
    "compat.independent.layer", "compat.joelnet.data", "compat.joelnet.layers", "compat.joelnet.loss",
    "compat.joelnet.nn", "compat.joelnet.optim", "compat.joelnet.train", "compat.dnn_app_utils", "compat.planar_utils",
    "compat.nnfs.layers", "compat.nnfs.activations", "compat.nnfs.losses", "compat.nnfs.optimizers",
    "compat.nnfs.accuracies", "compat.nnfs.model",
)

# Checks of numpydoc that are off, and why.
OFF = {
    "ES01": "a second paragraph: many functions need none",
    "SA01": "See Also: it stands where a reader may look for something else",
    "EX01": "examples: the test below also knows which methods need none",
}


# ------------------------------------------------------------------ the public names
def plain(thing: Any) -> Any:
    """The function of a method or of a compiled kernel; other things as they are."""
    return inspect.unwrap(getattr(thing, "__func__", thing))


def is_own(thing: Any) -> bool:
    return (getattr(thing, "__module__", None) or "").split(".")[0] == "fastbp"


def names_of(module: types.ModuleType) -> list[str]:
    """Names in `__all__`, or else those without an underscore that the module itself defines."""
    own = [name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__]
    return list(getattr(module, "__all__", [name for name in own if not name.startswith("_")]))


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties of a class that fastbp defines, inherited ones too, not those that others add."""
    defined = {name for base in cls.__mro__ if is_own(base) for name in vars(base) if not name.startswith("_")}
    for name in sorted(defined):
        member = inspect.getattr_static(cls, name)
        if isinstance(member, property):
            yield name, member
        elif callable(getattr(cls, name, None)) and is_own(plain(getattr(cls, name))):
            yield name, plain(getattr(cls, name))


def public() -> Iterator[tuple[str, Any, type | None]]:
    """Dotted name, object and class (of a method) of all that is public."""
    for module in (fastbp, *(importlib.import_module(f"fastbp.{name}") for name in MODULES)):
        for name in names_of(module):
            thing = getattr(module, name)
            if isinstance(thing, types.ModuleType) or not (is_own(thing) and callable(plain(thing))):
                continue
            path = f"{module.__name__}.{name}"
            yield path, plain(thing), None
            for member, value in members(thing) if inspect.isclass(thing) else ():
                yield f"{path}.{member}", value, thing


def inherits_its_docstring(thing: Any, owner: type | None, path: str) -> bool:
    name = path.rpartition(".")[2]
    return owner is not None and thing.__doc__ is None and inspect.getdoc(getattr(owner, name)) is not None


# Each object once, by its first name.
FIRST = {id(thing): (path, thing, owner) for path, thing, owner in reversed(list(public()))}
PUBLIC = {
    path: (thing, owner)
    for path, thing, owner in sorted(FIRST.values(), key=lambda found: found[0])
    if not inherits_its_docstring(thing, owner, path)
}
everything = pytest.mark.parametrize("path", PUBLIC)


def section(thing: Any, title: str) -> str:
    """Text of one section of a docstring, empty if there is none."""
    lines = (inspect.getdoc(thing) or "").splitlines()
    if title not in lines:
        return ""
    start = lines.index(title) + 2
    ends = [i for i in range(start, len(lines) - 1) if re.fullmatch(r"-{3,}", lines[i + 1])]
    return "\n".join(lines[start : ends[0] if ends else None])


# ------------------------------------------------------------------ numpydoc
@everything
def test_docstrings_have_the_form_of_numpydoc(path):
    errors = validate(get_doc_object(PUBLIC[path][0]))["errors"]
    assert [f"{code} {text}" for code, text in errors if code not in OFF] == []


@pytest.mark.parametrize("name", MODULES)
def test_modules_have_a_summary_line(name):
    errors = validate(get_doc_object(importlib.import_module(f"fastbp.{name}")))["errors"]
    assert [f"{code} {text}" for code, text in errors if code.startswith(("GL", "SS"))] == []


# ------------------------------------------------------------------ examples
def does_nothing(thing: Any) -> bool:
    """Whether a function is a docstring and nothing else, for subclasses to override."""
    body = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0].body
    return len(body) == 1 and isinstance(body[0], ast.Expr)


def examples_of(thing: Any, owner: type | None, name: str) -> list[doctest.Example]:
    """Examples of a function or a class; those of a method may be in the docstring of its class."""
    parse = doctest.DocTestParser().get_examples
    shared = [example for example in parse(section(owner, "Examples")) if f".{name}(" in example.source]
    return [*parse(section(thing, "Examples")), *shared]


@everything
def test_classes_functions_and_methods_have_an_example(path):
    thing, owner = PUBLIC[path]
    if isinstance(thing, property) or (owner and does_nothing(thing)):
        return
    examples = examples_of(thing, owner, path.rpartition(".")[2])
    assert examples
    assert not any(doctest.SKIP in example.options for example in examples)


# ------------------------------------------------------------------ errors
def undocumented(thing: Any, owner: type | None = None) -> list[str]:
    """Errors whose names are not under Raises, nor the names of their base classes."""
    titles = [line for line in section(thing, "Raises").splitlines() if line and not line.startswith(" ")]
    named = {name for line in titles for name in line.split(", ")}
    errors = {error for error in errors_of(thing, owner) if error is not NotImplementedError}
    return sorted(error.__name__ for error in errors if not named & {base.__name__ for base in error.__mro__})


@everything
def test_errors_are_documented(path):
    assert undocumented(*PUBLIC[path]) == []


def passes_on(x):
    """Pass x on to a function of this module."""
    return checks_a_name(x)


def checks_a_name(x):
    return checks.check_name("x", x, ())


def handles_one_of_two(x):
    """Handle the TypeError, not the ValueError."""
    try:
        return checks.check_number("x", x)
    except TypeError:
        raise LookupError(x) from None


def documents_its_error(x):
    """Raise an error that is documented by its base class.

    Raises
    ------
    LookupError, ArithmeticError
        Always.
    """
    raise KeyError(x)


def test_the_search_for_errors_follows_calls_and_handlers():
    assert undocumented(passes_on) == ["ValueError"]
    assert undocumented(handles_one_of_two) == ["LookupError", "ValueError"]
    assert undocumented(documents_its_error) == []


# ------------------------------------------------------------------ formulas and their sources
TABLES = {
    "activations": (activations, [*activations.ACTIVATIONS, "softmax"]),
    "losses": (losses, list(losses.LOSSES)),
    "initializers": (initializers, list(initializers.INITIALIZERS)),
    "optimizers": (optimizers, list(optimizers.OPTIMIZERS)),
}
FORMS = losses.LOSSES["cross_entropy"].logits
FORMULAS = [
    formula
    for spec in (*activations.ACTIVATIONS.values(), *losses.LOSSES.values(), *FORMS.values())
    for formula in vars(spec).values()
    if callable(formula) and formula.__module__ in (activations.__name__, losses.__name__)
]


@pytest.mark.parametrize("name", TABLES)
def test_the_table_in_a_modules_docstring_has_every_entry_in_order(name):
    module, entries = TABLES[name]
    rows = re.split(r"(?m)^=+(?: +=+)+$\n?", module.__doc__)[2]
    assert [line.split()[0] for line in rows.splitlines()] == entries


@pytest.mark.parametrize("name", [name for name in TABLES if name != "optimizers"])  # whose sources are its classes'
def test_references_are_numbered_and_each_is_cited(name):
    text, references = TABLES[name][0].__doc__.split("References\n----------")
    numbers = re.findall(r"(?m)^\.\. (\[\d+\]) ", references)
    assert numbers == [f"[{n}]" for n in range(1, len(numbers) + 1)]
    assert set(re.findall(r"(\[\d+\])_", text)) == set(numbers)


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.__name__)
def test_the_docstring_of_a_formula_is_its_equation(formula):
    assert re.match(r"(σ'?\(z\)|c(_i)?|∂c/∂a|δ(_i)?) = .*\.$", formula.__doc__.splitlines()[0])
