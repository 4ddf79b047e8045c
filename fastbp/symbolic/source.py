"""Expressions as the source of Python functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from fastbp.symbolic.expressions import COMPARISONS, FUNCTIONS, Expression, below, is_truth, is_value


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
# how tightly an operation holds together
INFIX = {"+": 2, "-": 2, "*": 3, "/": 3} | dict.fromkeys(COMPARISONS, 1)
NEGATIVE, CALL, NAME = 3, 4, 5
LONGEST = 80  # characters; what is longer gets a name


def write(name: str, parameters: tuple[str, ...], root: Expression, known: dict[int, str] | None = None) -> str:
    """Return the Python function that computes `root` in straight lines; `known` names expressions by id."""
    known = known or {}
    order = below(root, known)
    uses: dict[int, int] = {}
    for x in order:
        for y in x.args if id(x) not in known else ():
            uses[id(y)] = uses.get(id(y), 0) + 1
    lines: list[str] = []
    texts: dict[int, tuple[str, int]] = {}
    for x in order:
        text, rank = (known[id(x)], NAME) if id(x) in known else _text(x, texts, parameters[0])
        shared = uses.get(id(x), 0) > 1 or len(text) > LONGEST
        if x is not root and x.args and rank < NAME and not is_truth(x) and shared:
            lines.append(f"t{len(lines)} = {text}")
            text, rank = f"t{len(lines) - 1}", NAME
        texts[id(x)] = text, rank
    result = texts[id(root)][0]
    if root.op == "constant":
        result = f"{result} + 0.0 * {parameters[0]}"
    return "\n    ".join([f"def {name}({', '.join(parameters)}):", *lines, f"return {result}\n"])


def _text(x: Expression, texts: dict[int, tuple[str, int]], argument: str) -> tuple[str, int]:
    """Return the source of x from that of its arguments, and how tightly it holds together."""
    if x.op == "name":
        return x.value, NAME
    if x.op == "constant":
        text = repr(x.value) if np.isfinite(x.value) else f"np.{abs(x.value)}" if x.value > 0 else f"-np.{abs(x.value)}"
        return text, NEGATIVE if text.startswith("-") else NAME
    args = [texts[id(y)] for y in x.args]
    if x.op in INFIX:
        rank = INFIX[x.op]
        left, right = (f"({text})" if r < rank + side else text for side, (text, r) in enumerate(args))
        if x.op == "+" and right.startswith("-"):  # a negative constant
            return f"{left} - {right[1:]}", rank
        return f"{left} {x.op} {right}", rank
    if x.op == "neg":
        text, rank = args[0]
        return f"-{text if rank >= NEGATIVE else f'({text})'}", NEGATIVE
    inner = [text for text, _ in args]
    if x.op == "np.where" and all(y.op == "constant" for y in x.args[1:]):
        inner[2] = f"0.0 * {argument}" if is_value(x.args[2], 0.0) else f"{inner[2]} + 0.0 * {argument}"
    return f"{x.op}({', '.join(inner)})", CALL
