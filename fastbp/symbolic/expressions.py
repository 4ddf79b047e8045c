"""Expressions: what a formula does to its arguments, recorded by running it once.

An `Expression` stands for a number. Arithmetic and the NumPy functions of `FUNCTIONS` on it make new expressions, which
are simplified a little. Equal ones are one object, so that a common subexpression is computed once.
"""
from __future__ import annotations

import numbers
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fastbp.checks import shown
from fastbp.kernels.vectors import vecmath

Fold = Callable[..., Any]

# what stands in the source, and what it is on numbers
FUNCTIONS: dict[str, Fold] = {f"np.{name}": getattr(np, name) for name in (
    "exp", "expm1", "log", "log1p", "tanh", "sqrt", "abs", "sign", "maximum", "minimum", "where")}
FUNCTIONS |= {name: getattr(vecmath, name) for name in ("sigmoid", "softplus", "erf")}
COMPARISONS: dict[str, Fold] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
                                "==": operator.eq, "!=": operator.ne}
LOGIC: dict[str, Fold] = {"and": operator.and_, "or": operator.or_, "not": operator.not_}
ARITHMETIC: dict[str, Fold] = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": np.true_divide,
                               "neg": operator.neg}
FOLDS = FUNCTIONS | COMPARISONS | LOGIC | ARITHMETIC

UFUNCS: dict[Any, str] = {
    np.add: "+", np.subtract: "-", np.multiply: "*", np.true_divide: "/", np.negative: "neg",
    np.less: "<", np.less_equal: "<=", np.greater: ">", np.greater_equal: ">=", np.equal: "==", np.not_equal: "!=",
    np.logical_and: "and", np.logical_or: "or", np.logical_not: "not",
    np.bitwise_and: "and", np.bitwise_or: "or", np.invert: "not", np.fmax: "np.maximum", np.fmin: "np.minimum",
    np.fabs: "np.abs"} | {function: name for name, function in FUNCTIONS.items() if isinstance(function, np.ufunc)}
SUPPORTED = ("+ - * / **, comparisons, np.exp, expm1, log, log1p, tanh, sqrt, square, power, abs, sign, maximum, "
             "minimum, clip, logaddexp, where and fastbp's sigmoid, softplus, erf")


def _operator(op: str, *, swapped: bool = False) -> Callable[[Expression, Any], Expression]:
    def method(self: Expression, other: Any) -> Expression:
        other = lift(self.nodes, other)
        return make(op, other, self) if swapped else make(op, self, other)

    return method


class Expression:
    """One operation `op` on `args`, or a named argument, or a constant `value`; `nodes` holds all of one formula."""

    __slots__ = ("args", "nodes", "op", "value")
    __hash__ = object.__hash__

    def __init__(self, nodes: dict[Any, Expression], op: str, args: tuple[Expression, ...], value: Any) -> None:
        self.nodes, self.op, self.args, self.value = nodes, op, args, value

    def __repr__(self) -> str:
        return repr(self.value) if self.op == "constant" else self.value or f"{self.op}{self.args}"

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Expression:
        if method == "__call__" and not kwargs:
            if ufunc in UFUNCS:
                return make(UFUNCS[ufunc], *lift_all(self.nodes, inputs))
            if ufunc in COMPOSED:
                return COMPOSED[ufunc](*lift_all(self.nodes, inputs))
        raise TypeError(f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method}"
                        f"{' with ' + ', '.join(kwargs) if kwargs else ''}")

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Expression:
        if func is np.where and len(args) == 3 and not kwargs:
            return make("np.where", *lift_all(self.nodes, args))
        if func is np.clip and len(args) == 3 and not kwargs:
            x, low, high = lift_all(self.nodes, args)
            return make("np.minimum", make("np.maximum", x, low), high)
        raise TypeError(f"{func.__module__.replace('numpy', 'np')}.{func.__name__}")

    def record_call(self, name: str) -> Expression:
        """Record the call of one of fastbp's own functions."""
        return make(name, self)

    def __bool__(self) -> bool:
        raise TypeError("a decision on a value (if, and, or, not, min, max): write np.where, np.minimum or np.maximum")

    def __float__(self) -> float:
        raise TypeError("a call that wants one number, as those of the math module do: write np.exp for math.exp")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a conversion to an array")

    __int__ = __index__ = __complex__ = __float__

    __add__, __radd__ = _operator("+"), _operator("+", swapped=True)
    __sub__, __rsub__ = _operator("-"), _operator("-", swapped=True)
    __mul__, __rmul__ = _operator("*"), _operator("*", swapped=True)
    __truediv__, __rtruediv__ = _operator("/"), _operator("/", swapped=True)
    __and__, __rand__ = _operator("and"), _operator("and", swapped=True)
    __or__, __ror__ = _operator("or"), _operator("or", swapped=True)
    __lt__, __le__, __gt__, __ge__ = _operator("<"), _operator("<="), _operator(">"), _operator(">=")
    __eq__, __ne__ = _operator("=="), _operator("!=")  # type: ignore[assignment]

    def __neg__(self) -> Expression:
        return make("neg", self)

    def __pos__(self) -> Expression:
        return self

    def __abs__(self) -> Expression:
        return make("np.abs", self)

    def __invert__(self) -> Expression:
        return make("not", self)

    def __pow__(self, exponent: Any) -> Expression:
        return power(self, lift(self.nodes, exponent))

    def __rpow__(self, base: Any) -> Expression:
        return power(lift(self.nodes, base), self)


# ------------------------------------------------------------------ making expressions
def node(nodes: dict[Any, Expression], op: str, args: tuple[Expression, ...] = (), value: Any = None) -> Expression:
    """Return the one expression of this kind; arguments come before what uses them in `nodes`."""
    key = (op, *map(id, args), repr(value))
    if key not in nodes:
        nodes[key] = Expression(nodes, op, args, value)
    return nodes[key]


def lift(nodes: dict[Any, Expression], x: Any) -> Expression:
    """Return the number `x` as an expression."""
    if isinstance(x, Expression):
        return x
    if isinstance(x, np.ndarray) and x.ndim == 0:
        x = x[()]
    if not isinstance(x, (numbers.Real, np.bool_)):
        kind = f"an array of shape {x.shape}" if isinstance(x, np.ndarray) else f"{shown(x)} ({type(x).__name__})"
        raise TypeError(f"{kind} in the place of a number")
    return node(nodes, "constant", value=float(x))


def lift_all(nodes: dict[Any, Expression], xs: Iterable[Any]) -> list[Expression]:
    """Return the numbers `xs` as expressions."""
    return [lift(nodes, x) for x in xs]


def is_truth(x: Expression) -> bool:
    """Whether x is the outcome of a comparison."""
    return x.op in COMPARISONS or x.op in LOGIC


def make(op: str, *args: Expression) -> Expression:
    """Return op(*args), folded where all are constants, else simplified."""
    nodes = args[0].nodes
    if op in LOGIC:
        if not all(is_truth(x) or x.op == "constant" for x in args):
            raise TypeError(f"'{op}' of numbers: only comparisons can be joined by it")
    else:
        first = args[:1] if op == "np.where" else ()  # the condition stays a truth value
        args = first + tuple(select(x, 1.0, 0.0) if is_truth(x) else x for x in args[len(first):])
    if all(x.op == "constant" for x in args):
        with np.errstate(all="ignore"):
            return lift(nodes, FOLDS[op](*(bool(x.value) if op in LOGIC else x.value for x in args)))
    simpler = SIMPLIFY[op](*args) if op in SIMPLIFY else None
    return node(nodes, op, args) if simpler is None else simpler


def select(truth: Expression, x: Any, y: Any) -> Expression:
    """Return np.where(truth, x, y)."""
    return make("np.where", truth, lift(truth.nodes, x), lift(truth.nodes, y))


def power(x: Expression, exponent: Expression) -> Expression:
    """x**exponent: products and roots for multiples of 1/2 up to 16, else exp(exponent ln x)."""
    n = exponent.value if exponent.op == "constant" else None
    if n is None or (2 * n) % 1 != 0 or abs(n) > 16:
        return make("np.exp", exponent * make("np.log", x))
    if n < 0:
        return lift(x.nodes, 1.0) / power(x, -exponent)
    result = make("np.sqrt", x) if n % 1 else lift(x.nodes, 1.0)
    whole = int(n)
    while whole:
        if whole & 1:
            result = result * x
        x, whole = x * x, whole >> 1
    return result


COMPOSED: dict[Any, Callable[..., Expression]] = {
    np.square: lambda x: x * x,
    np.reciprocal: lambda x: 1.0 / x,
    np.positive: lambda x: x,
    np.power: power,
    np.float_power: power,
    np.logaddexp: lambda x, y: y + make("softplus", x - y),
}


def topological_order(root: Expression, known: Iterable[int] = ()) -> list[Expression]:
    """List what `root` is made of, arguments first and `root` last; not what the `known` (by id) are made of."""
    reached, open_ = {id(root)}, [root]
    while open_:
        x = open_.pop()
        new = [y for y in x.args if id(y) not in reached] if id(x) not in known else []
        reached.update(map(id, new))
        open_ += new
    return [x for x in root.nodes.values() if id(x) in reached]


# ------------------------------------------------------------------ simplification
# What a derivative by the chain rule is full of (terms times 0 or 1), and four forms that lose digits or overflow where
# expm1, log1p, softplus and sigmoid do not. The rest is left to LLVM.
def is_value(x: Expression, value: float) -> bool:
    """Whether x is the constant `value`."""
    return x.op == "constant" and bool(x.value == value)


def _add(x: Expression, y: Expression) -> Expression | None:
    if x.op == "constant":
        return y + x  # constants come second, where the other rules look for them
    if is_value(y, 0.0):
        return x
    if is_value(y, -1.0) and x.op == "np.exp":
        return make("np.expm1", *x.args)  # keeps its digits near 0
    if x.op == "np.maximum" and is_value(x.args[1], 0.0) and y is make("softplus", -abs(x.args[0])):
        return make("softplus", x.args[0])  # its stable form, of which the parts have kinks at 0
    return None


def _subtract(x: Expression, y: Expression) -> Expression | None:
    if y.op == "constant":
        return x + (-y)
    return -y if is_value(x, 0.0) else None


def _multiply(x: Expression, y: Expression) -> Expression | None:
    for one, other in ((x, y), (y, x)):
        if is_value(one, 0.0):
            return one
        if is_value(one, 1.0):
            return other
        if one.op == "np.where" and is_value(one.args[1], 1.0) and is_value(one.args[2], 0.0):
            return select(one.args[0], other, 0.0)
    return None


def _divide(x: Expression, y: Expression) -> Expression | None:
    if is_value(y, 1.0) or is_value(x, 0.0):
        return x
    if y.op == "+" and is_value(y.args[1], 1.0) and y.args[0].op == "np.exp":
        # 1 / (1 + exp(u)) overflows in its derivative, sigmoid(-u) does not
        e, = y.args[:1]
        u, = e.args
        if x.op == "np.where" and x.args[0].op == ">=" and u is -abs(x.args[0].args[0]):
            v, zero = x.args[0].args
            if is_value(zero, 0.0) and is_value(x.args[1], 1.0) and x.args[2] is e:
                return make("sigmoid", v)  # its stable form, of which the parts have kinks at 0
        return make("sigmoid", u) if x is e else x * make("sigmoid", -u)
    return None


def _negate(x: Expression) -> Expression | None:
    return x.args[0] if x.op == "neg" else None


def _log(x: Expression) -> Expression | None:
    return make("np.log1p", x.args[0]) if x.op == "+" and is_value(x.args[1], 1.0) else None


def _log1p(x: Expression) -> Expression | None:
    return make("softplus", *x.args) if x.op == "np.exp" else None


def _constant_second(op: str) -> Callable[..., Expression | None]:
    # a tie follows the second argument, so max(z, 0) and max(0, z) both have slope 0 at 0
    return lambda x, y: make(op, y, x) if x.op == "constant" else None


def _where(truth: Expression, x: Expression, y: Expression) -> Expression | None:
    if truth.op == "constant":
        return x if truth.value else y
    if x is y:
        return x
    if truth.op == "not":
        return select(truth.args[0], y, x)
    if truth.op in LOGIC:
        one, other = truth.args
        inner = select(other, x, y)
        return select(one, inner, y) if truth.op == "and" else select(one, x, inner)
    return None if is_truth(truth) else select(make("!=", truth, lift(truth.nodes, 0.0)), x, y)


SIMPLIFY: dict[str, Callable[..., Expression | None]] = {
    "+": _add, "-": _subtract, "*": _multiply, "/": _divide, "neg": _negate, "np.log": _log, "np.log1p": _log1p,
    "np.maximum": _constant_second("np.maximum"), "np.minimum": _constant_second("np.minimum"), "np.where": _where}
