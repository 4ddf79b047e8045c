"""The states of NumPy's bit generators as values that JSON can hold, and back: each field is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_WORD32, _WORD64, _WORD128 = 2**32 - 1, 2**64 - 1, 2**128 - 1


def _integer(low: int, high: int, *, odd: bool = False) -> dict[str, Any]:
    return {"low": low, "high": high, "odd": odd}


def _words(count: int, high: int, dtype: type = np.uint64, *, some: bool = False) -> dict[str, Any]:
    return {"low": 0, "high": high, "count": count, "dtype": dtype, "some": some}


_BUFFERED = {"has_uint32": _integer(0, 1), "uinteger": _integer(0, _WORD32)}
_PCG = {"state.state": _integer(0, _WORD128), "state.inc": _integer(1, _WORD128, odd=True), **_BUFFERED}
#: The fields of each generator that can be saved, by their dotted names.
FIELDS: dict[str, dict[str, dict[str, Any]]] = {
    "PCG64": _PCG,
    "PCG64DXSM": _PCG,
    # Of a key of zeros it makes zeros for ever.
    "MT19937": {"state.key": _words(624, _WORD32, np.uint32, some=True), "state.pos": _integer(0, 624)},
    "Philox": {
        "state.counter": _words(4, _WORD64), "state.key": _words(2, _WORD64),
        "buffer": _words(4, _WORD64), "buffer_pos": _integer(0, 4), **_BUFFERED,
    },
    "SFC64": {"state.state": _words(4, _WORD64), **_BUFFERED},
}


def describe_generator(rng: np.random.Generator) -> dict[str, Any]:
    """Return the state of a generator.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator of one of the bit generators of NumPy.

    Returns
    -------
    dict of str to object
        Values that JSON can hold.

    Raises
    ------
    ValueError
        If the bit generator is not one of NumPy's.

    Examples
    --------
    >>> describe_generator(np.random.default_rng(0))["has_uint32"]
    0
    """
    name = type(rng.bit_generator).__name__
    if name not in FIELDS:
        raise ValueError(f"rng is a {name}, which cannot be saved; take one of {', '.join(FIELDS)}")
    state: dict[str, Any] = _plain(rng.bit_generator.state)
    return state


def make_generator(state: Mapping[str, Any]) -> np.random.Generator:
    """Return a generator in a state.

    Parameters
    ----------
    state : mapping of str to object
        State, as from `describe_generator`.

    Returns
    -------
    numpy.random.Generator
        New generator.

    Raises
    ------
    ValueError
        If a field is missing, is too many or is out of range: NumPy itself checks few of them.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> bool(make_generator(describe_generator(rng)).integers(100) == rng.integers(100))
    True
    """
    found = _flat(state)
    name = found.pop("bit_generator", None)
    if not isinstance(name, str) or name not in FIELDS:
        raise ValueError(f"rng is a {str(name)[:40]!r}")
    fields = FIELDS[name]
    if found.keys() != fields.keys():
        raise ValueError(f"rng has no state of {name}: {', '.join(sorted(found.keys() ^ fields.keys()))[:80]}")
    nested: dict[str, Any] = {"bit_generator": name, "state": {}}
    for path, rule in fields.items():
        value = _checked(f"{path} of rng, a {name},", found[path], **rule)
        group, _, key = path.rpartition(".")
        (nested[group] if group else nested)[key] = value
    bits = getattr(np.random, name)()
    bits.state = nested
    return np.random.Generator(bits)


def _checked(
    what: str, value: Any, low: int, high: int, count: int | None = None, dtype: Any = None, *, odd: bool = False,
    some: bool = False,
) -> Any:
    """An integer, or an array of `count` integers, within low..high."""
    numbers = value if count is not None and isinstance(value, list) else [value]
    if len(numbers) != (count or 1) or not all(type(number) is int and low <= number <= high for number in numbers):
        kind = "an integer" if count is None else f"{count} integers"
        raise ValueError(f"{what} must be {kind} in {low}..{high}, got {str(value)[:80]}")
    if (odd and value % 2 == 0) or (some and not any(numbers)):
        raise ValueError(f"{what} must not be {'even' if odd else 'all 0'}")
    return value if count is None else np.array(value, dtype)


def _plain(value: Any) -> Any:
    """The state of a generator, with lists for arrays and Python's numbers for NumPy's."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _flat(state: Mapping[str, Any]) -> dict[str, Any]:
    """The fields by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in state.items():
        flat |= {f"{key}.{name}": item for name, item in value.items()} if isinstance(value, dict) else {key: value}
    return flat
