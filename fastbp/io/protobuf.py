"""Messages in the wire format of Protocol Buffers [1]_, as far as ONNX files need it.

A message is a sequence of fields, each a number, a kind and a value: a variable-length integer, four or eight bytes, or
bytes with their length before them, which may be another message.

References
----------
.. [1] https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

__all__ = ["decode", "encode", "text"]

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
Field = tuple[int, Any]


def encode(fields: Iterable[Field]) -> bytes:
    """Return a message of fields: an int, a float of four bytes, bytes, or text each.

    Examples
    --------
    >>> encode([(1, 150), (2, "ab")]).hex()
    '08960112026162'
    """
    out = bytearray()
    for number, value in fields:
        if isinstance(value, float):
            out += _varint(number << 3 | _FOUR) + struct.pack("<f", value)
        elif isinstance(value, int):
            out += _varint(number << 3 | _VARINT) + _varint(value % 2**64)
        else:
            content = value.encode() if isinstance(value, str) else bytes(value)
            out += _varint(number << 3 | _BYTES) + _varint(len(content)) + content
    return bytes(out)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(message: bytes | memoryview) -> dict[int, list[Any]]:
    """Return the values of each field in their order: ints, floats of four bytes, and memoryviews.

    Raises
    ------
    ValueError
        If the bytes are no message.

    Examples
    --------
    >>> fields = decode(bytes.fromhex("08960112026162"))
    >>> fields[1], bytes(fields[2][0])
    ([150], b'ab')
    """
    view, at, found = memoryview(message), 0, dict[int, list[Any]]()
    while at < len(view):
        key, at = _read_varint(view, at)
        number, kind = key >> 3, key & 7
        value: Any
        if kind == _VARINT:
            value, at = _read_varint(view, at)
            value -= 2**64 if value >= 2**63 else 0
        elif kind in (_FOUR, _EIGHT):
            size = 4 if kind == _FOUR else 8
            value, at = struct.unpack("<f" if size == 4 else "<d", _part(view, at, size))[0], at + size
        elif kind == _BYTES:
            size, at = _read_varint(view, at)
            value, at = _part(view, at, size), at + size
        else:
            raise ValueError(f"it has a field of kind {kind}")
        found.setdefault(number, []).append(value)
    return found


def _part(view: memoryview, at: int, size: int) -> memoryview:
    if at + size > len(view):
        raise ValueError("it ends too soon")
    return view[at : at + size]


def _read_varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(view) or shift > 63:
            raise ValueError("it ends too soon")
        byte = view[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at


def packed(values: Iterable[Any]) -> list[int]:
    """Return integers that lie one by one, or packed into bytes."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = _read_varint(value, at)
            found.append(number - 2**64 if number >= 2**63 else number)
    return found


def text(fields: dict[int, list[Any]], number: int) -> str:
    """Return the last value of a field as text, empty where there is none."""
    return bytes(fields[number][-1]).decode() if number in fields else ""
