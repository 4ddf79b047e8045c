"""Expressions as the source of Python functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from fastbp.symbolic.expressions import ARITHMETIC, COMPARISONS, FUNCTIONS, Expression, is_value, topological_order


# ------------------------------------------------------------------ the formulas of a row
@dataclass(frozen=True)
class Formula:
    r"""A plain function as source text, which pickles and can be compiled anywhere.

    Parameters
    ----------
    source : str
        ``def name(...):`` and its body; the names np, sigmoid, softplus and erf are free in it.

    Examples
    --------
    >>> Formula("def double(z):\n    return 2.0 * z\n").function(3.0)
    6.0
    """

    source: str

    @property
    def function(self) -> Callable[..., Any]:
        """The Python function."""
        return _compile(self.source)


@lru_cache(maxsize=256)
def _compile(source: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {"np": np} | {name: f for name, f in FUNCTIONS.items() if not name.startswith("np.")}
    exec(compile(source, "<fastbp formula>", "exec"), scope)
    function: Callable[..., Any] = scope[source[4:source.index("(")]]
    return function


# ------------------------------------------------------------------ Python source
def write(name: str, parameters: tuple[str, ...], root: Expression, known: dict[int, str] | None = None) -> str:
    """Return the Python function that computes `root`, one assignment for each operation.

    `known` names expressions, by id, whose values the function is given.
    """
    texts: dict[int, str] = dict(known or {})
    lines: list[str] = []
    for x in topological_order(root, texts):
        if id(x) in texts:
            continue
        texts[id(x)] = _text(x, [texts[id(y)] for y in x.args], parameters[0])
        if x.args and x is not root:
            lines.append(f"t{len(lines)} = {texts[id(x)]}")
            texts[id(x)] = f"t{len(lines) - 1}"
    # a constant alone has neither the shape nor the dtype of the arguments
    result = f"{texts[id(root)]} + 0.0 * {parameters[0]}" if root.op == "constant" else texts[id(root)]
    return "\n    ".join([f"def {name}({', '.join(parameters)}):", *lines, f"return {result}\n"])


def _text(x: Expression, args: list[str], parameter: str) -> str:
    """Return the source of x from that of its arguments: names and constants."""
    if x.op == "name":
        return str(x.value)
    if x.op == "constant":
        return repr(x.value) if np.isfinite(x.value) else f"{'-' if x.value < 0 else ''}np.{abs(x.value)}"
    if x.op == "neg":
        return f"-{args[0]}"
    if x.op in ARITHMETIC or x.op in COMPARISONS:
        return f"{args[0]} {x.op} {args[1]}"
    if x.op == "np.where" and all(y.op == "constant" for y in x.args[1:]):
        # np.where of two constants would be an array of float64
        args[2] = f"0.0 * {parameter}" if is_value(x.args[2], 0.0) else f"{args[2]} + 0.0 * {parameter}"
    return f"{x.op}({', '.join(args)})"
