"""Checks of arguments: an error names the argument, what came and what was expected."""
from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def check_number(argument: str, value: Any, low: float = -math.inf, high: float = math.inf, *,
                 open_low: bool = False, open_high: bool = False) -> float:
    """`value` as a float that lies in [low, high]; `open_low` and `open_high` leave the end itself out.

    Raises
    ------
    TypeError
        If `value` is not a real number (True and False are not).
    ValueError
        If it is not finite or lies outside.

    Examples
    --------
    >>> check_number("momentum", 0.9, 0.0, 1.0, open_high=True)
    0.9
    >>> check_number("momentum", 1, 0.0, 1.0, open_high=True)
    Traceback (most recent call last):
    ValueError: momentum must be a number in [0, 1), got 1
    """
    left = "(" if open_low or low == -math.inf else "["
    right = ")" if open_high or high == math.inf else "]"
    expected = f"{argument} must be a number in {left}{low:g}, {high:g}{right}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{expected} ({type(value).__name__})")
    number = float(value)
    inside = low <= number <= high and not (open_low and number == low) and not (open_high and number == high)
    if not (inside and math.isfinite(number)):
        raise ValueError(expected)
    return number


def check_count(argument: str, value: Any, low: int = 1) -> int:
    """`value` as an int that is at least `low`.

    Examples
    --------
    >>> check_count("period", 0)
    Traceback (most recent call last):
    ValueError: period must be an integer >= 1, got 0
    """
    expected = f"{argument} must be an integer >= {low}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{expected} ({type(value).__name__})")
    if value < low:
        raise ValueError(expected)
    return int(value)


def check_name(argument: str, value: str, known: Iterable[str]) -> str:
    """`value` if it is one of the `known` names.

    Examples
    --------
    >>> check_name("loss", "mse", ["quadratic", "hinge"])
    Traceback (most recent call last):
    ValueError: loss must be one of 'hinge', 'quadratic', got 'mse'
    """
    known = sorted(known)
    if value not in known:
        raise ValueError(f"{argument} must be one of {', '.join(map(repr, known))}, got {value!r}")
    return value


def choose(argument: str, spec: Any, table: Mapping[str, T], kind: type[T]) -> T:
    """Return the entry of `table` that `spec` names, or `spec` itself if it is a `kind` already."""
    if isinstance(spec, kind):
        return spec
    if isinstance(spec, str):
        return table[check_name(argument, spec, table)]
    hint = f"; write fastbp.{kind.__name__}('name', function)" if callable(spec) else ""
    got = f"{spec!r} ({type(spec).__name__})"
    raise TypeError(f"{argument} must be a name or a fastbp.{kind.__name__}, got {got}{hint}")
