"""JSON from files that nobody vouches for: refused before it takes much time or memory."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from fastbp.exceptions import FormatError

# Share of commas, brackets and quotes in JSON. Ours has at most 0.33, that of sizes: "1, 1, 1"; empty lists have 1.
_MARKS = 0.4
# More characters than a number has: a state of 128 bits has 39, a float64 up to 24. Longer ones take quadratic time.
_LONG_NUMBER = re.compile(r"[-+.0-9eE]{46}")
# A string without an end matches up to the end of the text. Otherwise the search would start again at each of its
# quotes, and take quadratic time. ++ and *+ remember no place to go back to, which would take 120 bytes a character.
_STRING = re.compile(r'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def parse(text: str, depth: int) -> Any:
    """Return the value of JSON text, read more strictly than `json.loads` does.

    Parameters
    ----------
    text : str
        JSON text.
    depth : int
        Largest depth of nested lists and objects.

    Returns
    -------
    object
        Lists, dicts, strings, numbers, booleans and None.

    Raises
    ------
    FormatError, ValueError
        If the text is not JSON, is nested deeper, is hardly more than brackets, has a name twice in one object, or has
        a number that is not finite or very long.

    Examples
    --------
    >>> parse('{"shape": [2, 3]}', depth=2)
    {'shape': [2, 3]}
    """
    level, marks = 0, sum(map(text.count, ',[{"'))
    require(marks <= 64 + _MARKS * len(text), "JSON has too many parts for its length")
    rest = _STRING.sub("", text)
    require(_LONG_NUMBER.search(rest) is None, "a number is too long")
    for bracket in _BRACKET.findall(rest):
        level += 1 if bracket in "[{" else -1
        require(level <= depth, "JSON is nested too deep")
    return json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_real)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    require(len(set(names)) == len(names), "a name comes twice")
    return dict(pairs)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _real(digits: str) -> float:
    number = float(digits)
    require(math.isfinite(number), f"{digits} is too large a number")
    return number


def short(value: Any) -> str:
    """Return `value` as text for a message, cut off where it is long.

    Parameters
    ----------
    value : object
        Part of a file.

    Returns
    -------
    str
        Its beginning.

    Examples
    --------
    >>> len(short("a" * 1000))
    83
    """
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def require(condition: bool, otherwise: str) -> None:
    """Raise FormatError with the message `otherwise` unless a condition holds.

    Raises
    ------
    FormatError
        If it does not.

    Examples
    --------
    >>> require(1 + 1 == 2, "arithmetic is damaged")
    """
    if not condition:
        raise FormatError(otherwise)
