"""Files of named arrays in the safetensors format [1]_, checked when read and replaced as a whole when written.

A file has three parts: the length of the header in bytes (8 bytes, little-endian), the header, and the arrays. The
header is JSON with dtype, shape and place of each array, and strings by name under "__metadata__". The arrays are
little-endian, in C order, side by side without a gap. No part of a file is ever executed.

References
----------
.. [1] https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U8": "|u1"}
_NAMES = {np.dtype(code): name for name, code in DTYPES.items()}

# Bytes, far more than the names and shapes of a thousand layers need.
_MAX_HEADER = 16 * 2**20
_ALIGNMENT = 8
# A string without an end matches up to the end of the text. Otherwise the search would start again at each of its
# quotes, and take quadratic time.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.?)*(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)

Arrays = Mapping[str, NDArray[Any]]


# ------------------------------------------------------------------ writing
def write(path: str | os.PathLike[str], arrays: Arrays, metadata: Mapping[str, str]) -> None:
    """Write arrays and strings to a file, which is replaced as a whole or stays as it is.

    Parameters
    ----------
    path : str or path-like
        The file. A symbolic link stays one, and a file that is replaced keeps its permissions.
    arrays : mapping of str to ndarray
        Arrays of float64, float32, int64 or uint8.
    metadata : mapping of str to str
        Strings to store beside them.

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        If the header would be larger than 16 MiB.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(folder + "/x.safetensors", {"x": np.arange(3.0)}, {"note": "three numbers"})
    ...     read(folder + "/x.safetensors")
    ({'x': array([0., 1., 2.])}, {'note': 'three numbers'})
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(8)}")
    try:
        # tempfile would ignore the umask, by which the user decides who may read a new file.
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            if target.exists():
                os.chmod(temporary, target.stat().st_mode & 0o7777)
            file.write(_header(arrays, metadata))
            for array in _in_order(arrays).values():
                file.write(array.astype(array.dtype.newbyteorder("<"), order="C", copy=False).data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    _sync_directory(target.parent)


def _in_order(arrays: Arrays) -> Arrays:
    """Arrays of larger numbers first, so that each array starts at a multiple of the size of its numbers."""
    return dict(sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize))


def _header(arrays: Arrays, metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in _in_order(arrays).items():
        begin, end = end, end + array.nbytes
        dtype = _NAMES[array.dtype.newbyteorder("<")]
        entries[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(entries, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > _MAX_HEADER:
        raise ValueError(f"the header takes {len(text):,} bytes, at most {_MAX_HEADER:,} are allowed")
    return len(text).to_bytes(8, "little") + text


def _sync_directory(directory: Path) -> None:
    """Make the new name durable. On Windows, where a directory cannot be opened, the system does it."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(directory, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# ------------------------------------------------------------------ reading
def read(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays and strings of a file.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    arrays : dict of str to ndarray
        New arrays in the byte order of this machine.
    metadata : dict of str to str
        Strings by name.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the file departs from the format. The message names the file and the reason.

    See Also
    --------
    write : Writes such a file, with an example.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            length = int.from_bytes(_exactly(file, 8), "little")
            _require(length <= min(size - 8, _MAX_HEADER), f"its header of {length:,} bytes is too long")
            header = parse(_exactly(file, length).decode("utf-8"), depth=3)
            _require(isinstance(header, dict), "its header is not an object")
            metadata = header.pop("__metadata__", {})
            strings = isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
            _require(strings, "its metadata are not strings")
            places = _places(header, size - 8 - length)
            arrays = {name: _array(file, *place) for name, place in places.items()}
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)!r} is not a file of fastbp, or damaged: {error}") from None
    return arrays, metadata


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
    ValueError
        If the text is not JSON, is nested deeper, has a name twice in one object, or has a number that is not finite.

    Examples
    --------
    >>> parse('{"shape": [2, 3]}', depth=2)
    {'shape': [2, 3]}
    """
    level = 0
    for token in _TOKEN.finditer(text):
        level += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        _require(level <= depth, "JSON is nested too deep")
    return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    _require(len(set(names)) == len(names), "a name comes twice")
    return dict(pairs)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _places(header: Mapping[str, Any], n_bytes: int) -> dict[str, tuple[str, list[int], int]]:
    """Dtype, shape and number of bytes of each array, in the order of the file."""
    found = []
    for name, entry in header.items():
        complete = isinstance(entry, dict) and entry.keys() == {"dtype", "shape", "data_offsets"}
        _require(complete, f"{name!r} is not an array")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        _require(isinstance(dtype, str) and dtype in DTYPES, f"{name!r} has the dtype {dtype!r}")
        _require(_are_counts(shape) and len(shape) <= 8, f"{name!r} has the shape {shape!r}")
        _require(_are_counts(offsets) and len(offsets) == 2, f"{name!r} has the offsets {offsets!r}")
        # Python's integers do not overflow, NumPy's would.
        size = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
        _require(offsets[1] - offsets[0] == size, f"{name!r} has {offsets} for {size} bytes")
        found.append((offsets[0], offsets[1], name, (DTYPES[dtype], shape, size)))
    end = 0
    for begin, next_end, name, _ in sorted(found):
        _require(begin == end, f"{name!r} begins at {begin}, expected {end}")
        end = next_end
    _require(end == n_bytes, f"its arrays take {end:,} bytes, it has {n_bytes:,}")
    return {name: place for _, _, name, place in sorted(found)}


def _are_counts(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(number) is int and number >= 0 for number in numbers)


def _array(file: Any, dtype: str, shape: list[int], size: int) -> NDArray[Any]:
    array: NDArray[Any] = np.frombuffer(_exactly(file, size), dtype).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="))  # native, aligned, writable


def _exactly(file: Any, n_bytes: int) -> bytes:
    content: bytes = file.read(n_bytes)
    _require(len(content) == n_bytes, "it ends too soon")
    return content


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)
