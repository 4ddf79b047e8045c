"""Plain formulas and derivatives of what a user wrote as a function.

A custom activation or loss is run once on expressions, which record what it does (`fastbp.expressions`). From the
record come its own formula and its derivative, as the source of Python functions in straight lines: arithmetic,
`np.where` and a few functions, the form in which the tables of fastbp are written.

At a kink, the derivative of max(z, c) and min(z, c) is that on the left, so max(z, 0) has slope 0 at 0 and min(z, 0)
slope 1, |z| and sign(z) have slope 0 at 0, and `np.where` that of the branch it takes.
"""
# ruff: noqa: ARG005 (every rule of CHAIN has the same arguments)
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.activations import Activation
from fastbp.expressions import (
    COMPARISONS,
    FUNCTIONS,
    SUPPORTED,
    Expression,
    choice,
    is_truth,
    is_value,
    lift,
    make,
    node,
)
from fastbp.losses import Loss


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


@lru_cache(maxsize=256)
def formulas(row: Activation | Loss) -> tuple[Formula, Formula]:
    """Return the plain formulas of an activation or a loss: its value and its derivative.

    They are function(z) and derivative(z, a) of an activation, cost(a, y) and derivative(a, y) of a loss.

    Raises
    ------
    TypeError
        If a function does something that cannot be recorded: it names what, and what is supported.

    Examples
    --------
    >>> value, slope = formulas(Activation("swish", lambda z: z / (1 + np.exp(-z))))
    >>> print(value.source + slope.source, end="")
    def function(z):
        return z * sigmoid(z)
    def derivative(z, a):
        t0 = sigmoid(z)
        return t0 + z * (t0 * (1.0 - t0))
    """
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    if isinstance(row, Activation):
        value_name, function, parameters, slope_parameters = "function", row.function, ("z",), ("z", "a")
    else:
        value_name, function, parameters, slope_parameters = "cost", row.cost, ("a", "y"), ("a", "y")
    value = record(function, f"{value_name} of {_title(row)}", parameters)
    known: dict[int, str] = {}
    if row.derivative is not None:
        slope = record(row.derivative, f"derivative of {_title(row)}", slope_parameters)
    else:
        slope = differentiate(value, node(value.nodes, "name", value=parameters[0]))
        if isinstance(row, Activation) and value.args:
            known[id(value)] = "a"  # there already where the derivative is wanted
    return Formula(write(value_name, parameters, value)), Formula(write("derivative", slope_parameters, slope, known))


def activation_derivative(activation: Activation) -> Callable[[Any, Any], Any]:
    """Return σ'(z) = derivative(z, a) of an activation: what it has, else what follows from its function.

    Examples
    --------
    >>> activation_derivative(Activation("cube", lambda z: z**3))(2.0, 8.0)
    12.0
    """
    return activation.derivative or formulas(activation)[1].function


def loss_derivative(loss: Loss) -> Callable[[Any, Any], Any]:
    """Return ∂c/∂a = derivative(a, y) of a loss: what it has, else what follows from its cost.

    Examples
    --------
    >>> loss_derivative(Loss("fourth", lambda a, y: (a - y) ** 4))(3.0, 1.0)
    32.0
    """
    return loss.derivative or formulas(loss)[1].function


def _title(row: Activation | Loss) -> str:
    return f"{type(row).__name__.lower()} {row.name!r}"


def record(function: Callable[..., Any], title: str, parameters: tuple[str, ...]) -> Expression:
    """Run `function` once on expressions of the names `parameters` and return the expression of its result."""
    nodes: dict[Any, Expression] = {}
    try:
        result = lift(nodes, function(*(node(nodes, "name", value=name) for name in parameters)))
        return choice(result, 1.0, 0.0) if is_truth(result) else result
    except Exception as error:
        raise TypeError(f"{title} must be a formula that can be recorded, met: {error}. "
                        f"A formula may use {SUPPORTED}") from error


# ------------------------------------------------------------------ the check against finite differences
def check_derivative(row: Activation | Loss) -> None:
    """Compare the derivative of an activation or a loss with central finite differences in float64 on a grid.

    Points where the function or its slope jumps, or where it is not finite, are left out.

    Raises
    ------
    ValueError
        If they differ by more than 1e-5 (1 + |slope|); the message has the worst point.
    TypeError
        If a function cannot be recorded.

    Examples
    --------
    >>> check_derivative(Activation("square", lambda z: z * z, lambda z, a: z))
    Traceback (most recent call last):
    ValueError: derivative of activation 'square' is wrong: at z = ... it gives ..., finite differences ...
    """
    value, slope = (formula.function for formula in formulas(row))
    others: tuple[NDArray[np.float64], ...] = ()
    if isinstance(row, Activation):
        x = np.concatenate([np.linspace(-10.0, 10.0, 401) + 0.0137, [-100.0, -30.0, 0.0, 30.0, 100.0]])
    else:
        grid = np.meshgrid(np.linspace(0.0137, 0.9871, 101), [-1.0, 0.0, 0.25, 1.0, 3.0])
        x, others = grid[0].ravel(), (grid[1].ravel(),)
    h = 1e-5 * np.maximum(1.0, np.abs(x))
    with np.errstate(all="ignore"):
        middle = value(x, *others)
        forward, backward = (value(x + h, *others) - middle) / h, (middle - value(x - h, *others)) / h
        central = 0.5 * (forward + backward)
        given = slope(x, *(others or (middle,)))
        wide = (value(x + 2.0 * h, *others) - value(x - 2.0 * h, *others)) / (4.0 * h)
        # a kink tells forward from backward, a jump central from wide; false where not finite
        smooth = np.maximum(np.abs(forward - backward), np.abs(central - wide)) <= 1e-2 * (1.0 + np.abs(central))
        excess = np.where(np.isfinite(given), np.abs(given - central) / (1.0 + np.abs(central)), np.inf)
    excess = np.where(smooth, excess, 0.0)
    worst = int(np.argmax(excess))
    if excess[worst] > 1e-5:
        point = f"z = {x[worst]:.6g}" if not others else f"a = {x[worst]:.6g}, y = {others[0][worst]:.6g}"
        raise ValueError(f"derivative of {_title(row)} is wrong: at {point} it gives {given[worst]:.6g}, "
                         f"finite differences {central[worst]:.6g}")


# ------------------------------------------------------------------ differentiation
TWO_OVER_SQRT_PI = 1.1283791670955126

# the derivative of f = op(x, ...) from f, its arguments and their derivatives
CHAIN: dict[str, Callable[..., Any]] = {
    "+": lambda f, x, y, dx, dy: dx + dy,
    "-": lambda f, x, y, dx, dy: dx - dy,
    "*": lambda f, x, y, dx, dy: dx * y + x * dy,
    "/": lambda f, x, y, dx, dy: (dx - f * dy) / y,
    "neg": lambda f, x, dx: -dx,
    "np.exp": lambda f, x, dx: dx * f,
    "np.expm1": lambda f, x, dx: dx * (f + 1.0),
    "np.log": lambda f, x, dx: dx / x,
    "np.log1p": lambda f, x, dx: dx / (1.0 + x),
    "np.tanh": lambda f, x, dx: dx * (1.0 - f * f),
    "np.sqrt": lambda f, x, dx: dx * (0.5 / f),
    "np.abs": lambda f, x, dx: dx * make("np.sign", x),
    "np.sign": lambda f, x, dx: 0.0,
    "np.maximum": lambda f, x, y, dx, dy: choice(x > y, dx, dy),
    "np.minimum": lambda f, x, y, dx, dy: choice(x <= y, dx, dy),
    "np.where": lambda f, truth, x, y, dtruth, dx, dy: choice(truth, dx, dy),
    "sigmoid": lambda f, x, dx: dx * (f * (1.0 - f)),
    "softplus": lambda f, x, dx: dx * make("sigmoid", x),
    "erf": lambda f, x, dx: dx * (TWO_OVER_SQRT_PI * make("np.exp", -(x * x))),
}


def differentiate(root: Expression, variable: Expression) -> Expression:
    """Return the derivative of `root` by the argument `variable`, by the chain rule from the arguments up."""
    zero = lift(root.nodes, 0.0)
    slope: dict[int, Expression] = {}
    for x in below(root):
        if x.args and not is_truth(x):
            slope[id(x)] = lift(root.nodes, CHAIN[x.op](x, *x.args, *(slope[id(y)] for y in x.args)))
        else:
            slope[id(x)] = lift(root.nodes, 1.0) if x is variable else zero
    return slope[id(root)]


def below(root: Expression, known: Iterable[int] = ()) -> list[Expression]:
    """List what `root` is made of, arguments first and `root` last; not what the `known` (by id) are made of."""
    reached, open_ = {id(root)}, [root]
    while open_:
        x = open_.pop()
        new = [y for y in x.args if id(y) not in reached] if id(x) not in known else []
        reached.update(map(id, new))
        open_ += new
    return [x for x in root.nodes.values() if id(x) in reached]


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
