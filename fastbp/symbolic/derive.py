"""Plain formulas and derivatives of what a user wrote as a function.

A custom activation or loss is run once on expressions, which record what it does. From the record come its own formula
and its derivative, as the source of Python functions in straight lines: arithmetic, `np.where` and a few functions, the
form in which the tables of fastbp are written.

At a kink, the derivative of max(z, c) and min(z, c) is that on the left, so max(z, 0) has slope 0 at 0 and min(z, 0)
slope 1, |z| and sign(z) have slope 0 at 0, and `np.where` that of the branch it takes.
"""
# ruff: noqa: ARG005 (every rule of CHAIN has the same arguments)
from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.activations import Activation
from fastbp.checks import shortened, shown
from fastbp.losses import Loss
from fastbp.symbolic.expressions import SUPPORTED, Expression, is_truth, lift, make, node, select, topological_order
from fastbp.symbolic.source import Formula, write


@lru_cache(maxsize=256)
def formulas(spec: Activation | Loss) -> tuple[Formula, Formula]:
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
        t0 = sigmoid(z)
        return z * t0
    def derivative(z, a):
        t0 = sigmoid(z)
        t1 = 1.0 - t0
        t2 = t0 * t1
        t3 = z * t2
        return t0 + t3
    """
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    if isinstance(spec, Activation):
        value_name, function, parameters, slope_parameters = "function", spec.function, ("z",), ("z", "a")
    else:
        value_name, function, parameters, slope_parameters = "cost", spec.cost, ("a", "y"), ("a", "y")
    value = record(function, f"{value_name} of {_title(spec)}", parameters)
    known: dict[int, str] = {}
    if spec.derivative is not None:
        slope = record(spec.derivative, f"derivative of {_title(spec)}", slope_parameters)
    else:
        slope = differentiate(value, node(value.nodes, "name", value=parameters[0]))
        if isinstance(spec, Activation) and value.args:
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


def _title(spec: Activation | Loss) -> str:
    return f"{type(spec).__name__.lower()} {shown(spec.name)}"


def record(function: Callable[..., Any], title: str, parameters: tuple[str, ...]) -> Expression:
    """Run `function` once on expressions of the names `parameters` and return the expression of its result."""
    nodes: dict[Any, Expression] = {}
    try:
        result = lift(nodes, function(*(node(nodes, "name", value=name) for name in parameters)))
        return select(result, 1.0, 0.0) if is_truth(result) else result
    except Exception as error:
        raise TypeError(f"{title} must be a formula that can be recorded, met: {shortened(error)}. "
                        f"A formula may use {SUPPORTED}") from error


# ------------------------------------------------------------------ the check against finite differences
def check_derivative(spec: Activation | Loss) -> None:
    """Compare the derivative of an activation or a loss with central finite differences in float64 on a grid.

    Points where the function or its slope jumps, or where it is not finite, are left out. So is a point beside which
    the slopes are right: where kinks of terms meet, such as those of |z| and max(z, 0) in a softplus, or
    at the middle of a steep step.

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
    others: tuple[NDArray[np.float64], ...] = ()
    if isinstance(spec, Activation):
        x = np.concatenate([np.linspace(-10.0, 10.0, 401) + 0.0137, [-100.0, -30.0, 0.0, 30.0, 100.0]])
    else:
        grid = np.meshgrid(np.linspace(0.0137, 0.9871, 101), [-1.0, 0.0, 0.25, 1.0, 3.0])
        x, others = grid[0].ravel(), (grid[1].ravel(),)
    excess, claimed, central = _excess(spec, x, others)
    aside = 1e-3 * np.maximum(1.0, np.abs(x))
    beside = np.minimum(_excess(spec, x - aside, others)[0], _excess(spec, x + aside, others)[0])
    excess = np.where(beside > 1e-5, excess, 0.0)
    worst = int(np.argmax(excess))
    if excess[worst] > 1e-5:
        point = f"z = {x[worst]:.6g}" if not others else f"a = {x[worst]:.6g}, y = {others[0][worst]:.6g}"
        raise ValueError(f"derivative of {_title(spec)} is wrong: at {point} it gives {claimed[worst]:.6g}, "
                         f"finite differences {central[worst]:.6g}")


def _excess(
    spec: Activation | Loss, x: NDArray[np.float64], others: tuple[NDArray[np.float64], ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """How far the slopes at x are off, as shares of 1 + |slope|, 0 where nothing is smooth; the slopes; differences."""
    value, slope = (formula.function for formula in formulas(spec))
    h = 1e-5 * np.maximum(1.0, np.abs(x))
    with np.errstate(all="ignore"):
        middle = value(x, *others)
        forward, backward = (value(x + h, *others) - middle) / h, (middle - value(x - h, *others)) / h
        central = 0.5 * (forward + backward)
        claimed = slope(x, *(others or (middle,)))
        wide = (value(x + 2.0 * h, *others) - value(x - 2.0 * h, *others)) / (4.0 * h)
        # a kink tells forward from backward, a jump central from wide; false where not finite
        smooth = np.maximum(np.abs(forward - backward), np.abs(central - wide)) <= 1e-2 * (1.0 + np.abs(central))
        excess = np.where(np.isfinite(claimed), np.abs(claimed - central) / (1.0 + np.abs(central)), np.inf)
    return np.where(smooth, excess, 0.0), np.broadcast_to(claimed, x.shape), central


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
    "np.maximum": lambda f, x, y, dx, dy: select(x > y, dx, dy),
    "np.minimum": lambda f, x, y, dx, dy: select(x <= y, dx, dy),
    "np.where": lambda f, truth, x, y, dtruth, dx, dy: select(truth, dx, dy),
    "sigmoid": lambda f, x, dx: dx * (f * (1.0 - f)),
    "softplus": lambda f, x, dx: dx * make("sigmoid", x),
    "erf": lambda f, x, dx: dx * (TWO_OVER_SQRT_PI * make("np.exp", -(x * x))),
}


def differentiate(root: Expression, variable: Expression) -> Expression:
    """Return the derivative of `root` by the argument `variable`, by the chain rule from the arguments up."""
    zero = lift(root.nodes, 0.0)
    slope: dict[int, Expression] = {}
    for x in topological_order(root):
        if x.args and not is_truth(x):
            slope[id(x)] = lift(root.nodes, CHAIN[x.op](x, *x.args, *(slope[id(y)] for y in x.args)))
        else:
            slope[id(x)] = lift(root.nodes, 1.0) if x is variable else zero
    return slope[id(root)]
