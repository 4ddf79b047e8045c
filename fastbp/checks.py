"""Checks of numbers and names, whose errors name the argument, its value and what was expected."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
#: More updates or epochs than anybody makes, and far from where counters overflow.
MANY = 2**53


# ------------------------------------------------------------------ numbers and names
def shown(value: Any, length: int = 100) -> str:
    """Return how a message shows a value: on one line, and not longer than somebody reads, whatever its `repr` does.

    Examples
    --------
    >>> shown(0.5), len(shown(10**400)), shown(10**5000)
    ('0.5', 100, 'an integer of 16610 bits')
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 - it is the user's, and Python writes integers of up to 4300 digits
        known = type(value) is int
        text = f"an integer of {value.bit_length()} bits" if known else f"{type(value).__name__} whose repr fails"
    return shortened(text, length)


def shortened(text: Any, length: int = 100) -> str:
    """Return how a message quotes text, such as that of another error: not longer than somebody reads.

    Examples
    --------
    >>> shortened("a list"), len(shortened("x" * 1000))
    ('a list', 100)
    """
    try:
        text = str(text)
    except Exception:  # noqa: BLE001 - an error of the user's may be unable to say what it is
        text = f"{type(text).__name__} whose text cannot be had"
    return text if len(text) <= length else f"{text[: length - 3]}..."


def check_number(argument: str, value: Any, low: float = -math.inf, high: float = math.inf, *,
                 open_low: bool = False, open_high: bool = False) -> float:
    """Return `value` as a float in [low, high].

    Parameters
    ----------
    argument : str
        Name of the argument.
    value : float
        Number to check. True and False are not numbers.
    low, high : float
        Ends of the interval.
    open_low, open_high : bool
        Whether the interval is without this end.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError
        If `value` is not a real number.
    ValueError
        If it is not finite or outside the interval.

    Examples
    --------
    >>> check_number("momentum", 0.9, 0.0, 1.0, open_high=True)
    0.9
    >>> check_number("momentum", 1, 0.0, 1.0, open_high=True)
    Traceback (most recent call last):
    ValueError: momentum must be a number in [0, 1), got 1
    """
    if type(value) is float and low < value < high:  # as a schedule gives at each step
        return value
    left = "(" if open_low or low == -math.inf else "["
    right = ")" if open_high or high == math.inf else "]"
    expected = f"{argument} must be a number in {left}{low:g}, {high:g}{right}, got {shown(value)}"
    number = _as_float(value, expected)
    inside = low <= number <= high and not (open_low and number == low) and not (open_high and number == high)
    if not (inside and math.isfinite(number)):
        raise ValueError(expected)
    return number


def check_real(argument: str, value: Any) -> float:
    """Return `value` as a float, which may be infinite or NaN.

    Raises
    ------
    TypeError
        If `value` is not a real number.
    ValueError
        If it is an integer beyond float64.

    Examples
    --------
    >>> check_real("loss", float("nan"))
    nan
    """
    return value if type(value) is float else _as_float(value, f"{argument} must be a number, got {shown(value)}")


def _as_float(value: Any, expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{expected} ({type(value).__name__})")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{expected}, which is beyond float64") from None


def check_count(argument: str, value: Any, low: int = 1, high: int | None = None) -> int:
    """Return `value` as an int that is `low` or more, and `high` at most.

    Raises
    ------
    TypeError
        If `value` is not an integer.
    ValueError
        If it is less than `low`, or more than `high`.

    Examples
    --------
    >>> check_count("period", 0)
    Traceback (most recent call last):
    ValueError: period must be an integer >= 1, got 0
    """
    is_integer = type(value) is int or (isinstance(value, numbers.Integral) and not isinstance(value, bool))
    if is_integer and value >= low and (high is None or value <= high):
        return int(value)
    # from 1 on, a bound that nobody comes near is said to who has gone beyond it
    open_end = high is None or (high == MANY and low > 0 and not (is_integer and value > high))
    bounds = f">= {low}" if open_end else f"in {low}..{high}"
    expected = f"{argument} must be an integer {bounds}, got {shown(value)}"
    raise ValueError(expected) if is_integer else TypeError(f"{expected} ({type(value).__name__})")


def check_step(step: Any) -> int:
    """Return `step`, a number of updates made before, as an int.

    Raises
    ------
    TypeError
        If `step` is not an integer.
    ValueError
        If it is negative, or more than anybody makes.

    Examples
    --------
    >>> check_step(-1)
    Traceback (most recent call last):
    ValueError: step must be an integer in 0..9007199254740992, got -1
    """
    # a fit asks for each of its steps: one comparison for what it passes
    return step if type(step) is int and 0 <= step <= MANY else check_count("step", step, 0, MANY)


def check_truth(argument: str, value: Any) -> bool:
    """Return `value`, which is True or False, as a bool.

    Raises
    ------
    TypeError
        If it is neither.

    Examples
    --------
    >>> check_truth("shuffle", "no")
    Traceback (most recent call last):
    TypeError: shuffle must be True or False, got 'no' (str)
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{argument} must be True or False, got {shown(value)} ({type(value).__name__})")
    return bool(value)


def refuse_class(argument: str, value: Any) -> None:
    """Raise TypeError if a class came in place of an object of it.

    Raises
    ------
    TypeError
        If `value` is a class.

    Examples
    --------
    >>> refuse_class("schedule", int)
    Traceback (most recent call last):
    TypeError: schedule must be a number or a schedule, got the class int; make an object: int(...)
    """
    if isinstance(value, type):
        name = value.__name__
        raise TypeError(f"{argument} must be a number or a schedule, got the class {name}; make an object: {name}(...)")


def check_name(argument: str, value: Any, known: Iterable[str]) -> str:
    """Return `value` if it is one of the known names.

    Raises
    ------
    ValueError
        If it is not known.

    Examples
    --------
    >>> check_name("loss", "mse", ["quadratic", "hinge"])
    Traceback (most recent call last):
    ValueError: loss must be one of 'hinge', 'quadratic', got 'mse'
    """
    known = sorted(known)
    if not isinstance(value, str) or value not in known:  # an array is compared with each name
        raise ValueError(f"{argument} must be one of {', '.join(map(repr, known))}, got {shown(value)}")
    return value


def listed(argument: str, values: Any, kind: str) -> list[Any]:
    """Return what an iterable holds, as a list.

    Raises
    ------
    TypeError
        If it is text, or cannot be gone through.

    Examples
    --------
    >>> listed("metrics", "r2", "names and functions")
    Traceback (most recent call last):
    TypeError: metrics must be a list of names and functions, got 'r2'
    """
    try:
        if isinstance(values, (str, bytes)):
            raise TypeError
        return list(iter(values))
    except TypeError:
        raise TypeError(f"{argument} must be a list of {kind}, got {shown(values)}") from None


def choose(argument: str, spec: Any, table: Mapping[str, T], kind: type[T]) -> T:
    """Return the entry of a table that `spec` names, or `spec` itself if it is a `kind`.

    Parameters
    ----------
    argument : str
        Name of the argument.
    spec : str or kind
        Name of an entry, or an object like the entries.
    table : mapping of str to kind
        Entries by name.
    kind : type
        Type of the entries.

    Returns
    -------
    kind
        The entry, or `spec`.

    Raises
    ------
    ValueError
        If the name is not in the table.
    TypeError
        If `spec` is neither a name nor a `kind`.

    Examples
    --------
    >>> choose("size", "large", {"small": 1, "large": 100}, int)
    100
    """
    if isinstance(spec, kind):
        return spec
    if isinstance(spec, str):
        return table[check_name(argument, spec, table)]
    if isinstance(spec, type):
        made = f"; make an object: {spec.__name__}(...)" if issubclass(spec, kind) else ""
        raise TypeError(f"{argument} must be a name or a fastbp.{kind.__name__}, got the class {spec.__name__}{made}")
    hint = f"; write fastbp.{kind.__name__}('name', function)" if callable(spec) else ""
    got = f"{shown(spec)} ({type(spec).__name__})"
    raise TypeError(f"{argument} must be a name or a fastbp.{kind.__name__}, got {got}{hint}")


# ------------------------------------------------------------------ numbers of frozen records
def keep(record: Any, **checked: Any) -> None:
    """Set fields of a frozen record: whatever kind of number came, they are Python's, as files hold them."""
    for name, value in checked.items():
        object.__setattr__(record, name, value)


def keep_from_0(record: Any, *names: str) -> None:
    """Check that fields are numbers of 0 or more, and keep them as floats."""
    keep(record, **{name: check_number(name, getattr(record, name), 0.0) for name in names})


def keep_counts(record: Any, *names: str) -> None:
    """Check that fields are integers of 1 or more, and keep them as ints."""
    keep(record, **{name: check_count(name, getattr(record, name), 1, MANY) for name in names})
