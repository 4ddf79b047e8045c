"""The states of callbacks as values that JSON can hold and arrays, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.checks import shown
from fastbp.io.strict_json import require, short

Arrays = Mapping[str, NDArray[Any]]
#: Class name and state of a callback.
State = tuple[str, dict[str, Any]]
# Keys by which a dict stands for what JSON cannot hold.
_ARRAY, _SPECIAL = "array", "special"
_DTYPES = ("float64", "float32", "int64", "uint8")


def describe_states(states: Sequence[State]) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """Return the states of callbacks as a description and arrays.

    Parameters
    ----------
    states : sequence of (str, dict)
        Class name and state of each callback. A state has None, booleans, numbers, strings, lists and dicts of them,
        and arrays of float64, float32, int64 or uint8.

    Returns
    -------
    description : list of dict
        Values that JSON can hold.
    arrays : dict of str to ndarray
        Arrays by name.

    Raises
    ------
    TypeError
        If a state has something else.

    Examples
    --------
    >>> describe_states([("EarlyStopping", {"best": float("inf"), "waited": 3})])[0]
    [{'name': 'EarlyStopping', 'state': {'best': {'special': 'inf'}, 'waited': 3}}]
    """
    arrays: dict[str, NDArray[Any]] = {}
    return [{"name": name, "state": _plain(state, f"the state of {name}", arrays)} for name, state in states], arrays


def restore_states(description: Any, arrays: Arrays) -> list[State]:
    """Return the states that `describe_states` described.

    Parameters
    ----------
    description : list of dict
        Description from a file.
    arrays : mapping of str to ndarray
        Arrays of the file whose names begin with "callbacks.".

    Returns
    -------
    list of (str, dict)
        Class name and state of each callback.

    Raises
    ------
    FormatError
        If the description is of another kind, or does not name exactly these arrays.

    Examples
    --------
    >>> restore_states([{"name": "EarlyStopping", "state": {"best": {"special": "inf"}}}], {})
    [('EarlyStopping', {'best': inf})]
    """
    require(isinstance(description, list), f"'callbacks' is {short(description)}")
    left = dict(arrays)
    states = []
    for entry in description:
        require(isinstance(entry, dict) and entry.keys() == {"name", "state"}, "a callback has no state")
        name, state = entry["name"], entry["state"]
        state = _restored(state, left)
        require(isinstance(name, str) and isinstance(state, dict), "a callback has no state")
        states.append((name, state))
    require(not left, f"no callback has the arrays {short(sorted(left))}")
    return states


def special(value: Any) -> float:
    """Return the number that the text in a file stands for where JSON has no such number.

    Raises
    ------
    FormatError
        If it is another text.

    Examples
    --------
    >>> special("-inf")
    -inf
    """
    require(value in ("inf", "-inf", "nan"), f"a number is {short(value)}")
    return float(value)


def _plain(value: Any, what: str, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.name in _DTYPES:
        name = f"callbacks.{len(arrays)}"
        arrays[name] = value
        return {_ARRAY: name}
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0:
        value = value.item()
    if isinstance(value, Mapping):
        strange = [key for key in value if not isinstance(key, str) or key in (_ARRAY, _SPECIAL)]
        if not strange:
            return {key: _plain(item, what, arrays) for key, item in value.items()}
        raise TypeError(f"{what} has the key {shown(strange[0])}, expected other text than 'array' and 'special'")
    if isinstance(value, (list, tuple)):
        return [_plain(item, what, arrays) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {_SPECIAL: repr(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    kinds = f"numbers, text, lists, dicts and arrays of {', '.join(_DTYPES)}"
    raise TypeError(f"{what} has {shown(value)}, expected {kinds}")


def _restored(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return [_restored(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {_SPECIAL}:
        return special(value[_SPECIAL])
    if value.keys() == {_ARRAY}:
        name = value[_ARRAY]
        require(isinstance(name, str) and name in arrays, f"the state of a callback lacks {short(name)}")
        return arrays.pop(name)
    return {key: _restored(item, arrays) for key, item in value.items()}
