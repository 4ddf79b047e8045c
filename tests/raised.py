"""The errors that a function raises, by its source and that of the functions it calls in its module or in checks."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from typing import Any

CHECKS = "fastbp.checks"


def errors_of(thing: Any, owner: type | None = None, above: tuple[Any, ...] = ()) -> set[type[Exception]]:
    """Errors that a function raises, a method of `owner`, or a class when it is made; `above` are its callers."""
    thing = inspect.unwrap(getattr(thing, "__func__", getattr(thing, "fget", thing)))
    if thing in above:
        return set()
    if inspect.isclass(thing):
        makers = [getattr(thing, name, None) for name in ("__init__", "__post_init__")]
        return set().union(*(errors_of(maker, thing, (*above, thing)) for maker in makers if maker is not None))
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    except (OSError, TypeError):
        return set()  # nobody wrote it: the __init__ of a dataclass, or a function in C
    body = tree.body if isinstance(tree, ast.FunctionDef) else []
    return set().union(*(_errors_in(node, thing, owner, (*above, thing)) for node in body))


def _errors_in(node: ast.AST, function: Any, owner: type | None, above: tuple[Any, ...]) -> set[type[Exception]]:
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        return set()  # defined here and not called
    found: set[type[Exception]] = set()
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Try):
        inside = set().union(*(_errors_in(child, function, owner, above) for child in node.body))
        handled = tuple(error for handler in node.handlers for error in _handled(handler, function, owner))
        found |= {error for error in inside if not issubclass(error, handled)}
        children = [*node.handlers, *node.orelse, *node.finalbody]
    elif isinstance(node, ast.Raise) and node.exc is not None:
        error = _resolve(node.exc.func if isinstance(node.exc, ast.Call) else node.exc, function, owner)
        if inspect.isclass(error):
            found.add(error)
    elif isinstance(node, ast.Call):
        called = _resolve(node.func, function, owner)
        if getattr(called, "__module__", None) in (CHECKS, function.__module__):
            holder = _resolve(node.func.value, function, owner) if isinstance(node.func, ast.Attribute) else None
            found |= errors_of(called, holder if inspect.isclass(holder) else None, above)
    return found.union(*(_errors_in(child, function, owner, above) for child in children))


def _handled(handler: ast.ExceptHandler, function: Any, owner: type | None) -> list[type]:
    names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [BaseException if name is None else _resolve(name, function, owner) for name in names]


def _resolve(node: ast.expr, function: Any, owner: type | None) -> Any:
    """The object that an expression such as `canonical.samples` or `self.rate` names, or None."""
    if isinstance(node, ast.Name):
        return {**vars(builtins), **function.__globals__, "self": owner, "cls": owner}.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_resolve(node.value, function, owner), node.attr, None)
    return None
