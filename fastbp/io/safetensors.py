"""Files of named arrays in the safetensors format [1]_, checked when read and replaced as a whole when written.

A file has three parts: the length of the header in bytes (8 bytes, little-endian), the header, and the arrays. The
header is JSON with dtype, shape and place of each array, and strings by name under "__metadata__". The arrays are
little-endian, in C order, side by side without a gap. No part of a file is ever executed.

The string "checksum" is the SHA-256 of the other strings and of all arrays, so that other readers of the format can
read the file, and this one sees each bit that has changed.

References
----------
.. [1] https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastbp.exceptions import FormatError
from fastbp.io.strict_json import parse, require, short
from fastbp.kernels.runtime import whole_files
from fastbp.paths import check_path

DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U8": "|u1"}
CHECKSUM = "checksum"
NOT_OURS = (
    "it has no description of a network; was it written by another library? fastbp.io.from_safetensors reads arrays by "
    "the names of PyTorch"
)
_NAMES = {np.dtype(code): name for name, code in DTYPES.items()}
_ALIGNMENT = 8

# Limits of a header (bytes). Reading JSON takes up to 30 times its size and 0.2 s for 1 MiB, so a header may be as long
# as the arrays can need: a layer of one neuron takes 220 bytes for its 8 bytes of float32. Beside them are the state
# of the generator (8 KiB), and names.
_HEADER_ALONE = 256 * 2**10
_HEADER_PER_BYTE = 64
_HEADER_AT_MOST = 4 * 2**20

#: What the reading of a damaged file may raise, before it is made a FormatError.
DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, SyntaxError, TypeError, ValueError)

Arrays = Mapping[str, NDArray[Any]]


def header_limit(n_bytes: int) -> int:
    """Return how long the header of a file may be.

    Parameters
    ----------
    n_bytes : int
        Bytes of its arrays.

    Returns
    -------
    int
        Bytes of the header at most.

    Examples
    --------
    >>> header_limit(0), header_limit(10**9)
    (262144, 4194304)
    """
    return min(_HEADER_ALONE + _HEADER_PER_BYTE * n_bytes, _HEADER_AT_MOST)


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
        Strings to store beside them. A checksum is added to them.

    Raises
    ------
    OSError
        If the file cannot be written, or is not a plain file. It is then as before.
    TypeError
        If `path` is neither text nor path-like.
    ValueError
        If the header would be longer than `read` accepts.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(folder + "/x.safetensors", {"x": np.arange(3.0)}, {"note": "three numbers"})
    ...     arrays, metadata = read(folder + "/x.safetensors")
    >>> arrays["x"], metadata["note"], len(metadata["checksum"])
    (array([0., 1., 2.]), 'three numbers', 64)
    """
    path = check_path(path)
    whole_files.write_whole(path, encode(arrays, metadata))


def encode(arrays: Arrays, metadata: Mapping[str, str]) -> list[Any]:
    """Return the content of a file, in parts.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays of float64, float32, int64 or uint8.
    metadata : mapping of str to str
        Strings to store beside them. A checksum is added to them.

    Returns
    -------
    list of bytes and ndarray
        Length of the header, header, arrays.

    Raises
    ------
    ValueError
        If the header would be longer than `read` accepts.

    Examples
    --------
    >>> [len(part) for part in encode({"x": np.arange(3.0)}, {})]
    [8, 152, 3]
    """
    # Arrays of larger numbers come first, so that each array starts at a multiple of the size of its numbers.
    ordered = dict(sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize))
    little = {name: _little(array) for name, array in ordered.items()}
    entries: dict[str, Any] = {"__metadata__": {**metadata, CHECKSUM: checksum(little, metadata)}}
    end = 0
    for name, array in little.items():
        begin, end = end, end + array.nbytes
        entries[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(entries, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > header_limit(end):
        raise ValueError(f"the header takes {len(text):,} bytes, at most {header_limit(end):,} are allowed")
    return [len(text).to_bytes(8, "little"), text, *little.values()]


def _little(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)


def checksum(arrays: Arrays, metadata: Mapping[str, str]) -> str:
    """Return the SHA-256 of arrays with their names, dtypes and shapes, and of all strings but "checksum".

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays, whose order does not matter.
    metadata : mapping of str to str
        Strings by name.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> checksum({"x": np.arange(3.0)}, {})[:16]
    '79864305d5087a2b'
    """
    digest = hashlib.sha256()
    strings = sorted((name, text) for name, text in metadata.items() if name != CHECKSUM)
    shapes = sorted((name, array.dtype.name, list(array.shape)) for name, array in arrays.items())
    digest.update(json.dumps([strings, shapes]).encode())
    for name, _, _ in shapes:
        content = _little(arrays[name])
        if content.size:  # an empty array has no buffer
            digest.update(content.data)
    return digest.hexdigest()


# ------------------------------------------------------------------ reading
class Contents:
    """The strings and arrays of a file; the arrays are read when they are first asked for.

    Parameters
    ----------
    file : binary file
        File at its beginning.
    size : int
        Its size in bytes.
    required : str, optional
        Name of a string without which it is another library's.

    Attributes
    ----------
    metadata : dict of str to str
        Strings by name.
    shapes : dict of str to tuple of int
        Shapes of the arrays by name, in the order of the file.

    Raises
    ------
    FormatError, ValueError
        If the file departs from the format.

    Examples
    --------
    >>> import io
    >>> content = b"".join(bytes(part) for part in encode({"x": np.arange(3.0)}, {"note": "three numbers"}))
    >>> Contents(io.BytesIO(content), len(content)).shapes
    {'x': (3,)}
    """

    def __init__(self, file: BinaryIO, size: int, required: str | None = None) -> None:
        length = int.from_bytes(_exactly(file, 8), "little")
        n_bytes = size - 8 - length
        require(n_bytes >= 0 and length <= header_limit(n_bytes), f"its header of {length:,} bytes is too long")
        header = parse(_exactly(file, length).decode("utf-8"), depth=3)
        require(isinstance(header, dict), "its header is not an object")
        metadata = header.pop("__metadata__", {})
        strings = isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
        require(strings, "its metadata are not strings")
        ours = required is None or required in metadata
        require(ours, NOT_OURS)
        self._file, self._places = file, _places(header, n_bytes)
        self.metadata: dict[str, str] = metadata
        self.shapes = {name: tuple(shape) for name, (_, shape) in self._places.items()}

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """New arrays in the byte order of this machine."""
        arrays = {name: _array(self._file, *place) for name, place in self._places.items()}
        if CHECKSUM in self.metadata:
            right = checksum(arrays, self.metadata) == self.metadata[CHECKSUM]
            require(right, "its checksum is wrong: some of it has changed since it was written")
        return arrays


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
        If the file cannot be read, or is not a plain file.
    TypeError
        If `path` is neither text nor path-like.
    FormatError
        If the file departs from the format. The message names the file and the reason.

    See Also
    --------
    write : Writes such a file, with an example.
    """
    with open(whole_files.open_plain(check_path(path)), "rb") as file:
        try:
            contents = Contents(file, os.fstat(file.fileno()).st_size)
            return contents.arrays, contents.metadata
        except DAMAGE as error:
            raise FormatError(f"{os.fspath(path)!r} is not a file of fastbp, or damaged: {error}") from None


def _places(header: Mapping[str, Any], n_bytes: int) -> dict[str, tuple[str, list[int]]]:
    """Dtype and shape of each array, in the order of the file."""
    found = []
    for name, entry in header.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise FormatError(f"{short(name)} is not an array")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise FormatError(f"{short(name)} has the dtype {short(dtype)}")
        if not _are_counts(shape) or len(shape) > 8:
            raise FormatError(f"{short(name)} has the shape {short(shape)}")
        if not _are_counts(offsets) or len(offsets) != 2:
            raise FormatError(f"{short(name)} has the offsets {short(offsets)}")
        # Python's integers do not overflow, NumPy's would.
        size = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
        if offsets[1] - offsets[0] != size:
            raise FormatError(f"{short(name)} has {offsets} for {size} bytes")
        found.append((offsets[0], offsets[1], name, (DTYPES[dtype], shape)))
    end = 0
    for begin, next_end, name, _ in sorted(found):
        if begin != end:
            raise FormatError(f"{short(name)} begins at {begin}, expected {end}")
        end = next_end
    require(end == n_bytes, f"its arrays take {end:,} bytes, it has {n_bytes:,}")
    return {name: place for _, _, name, place in sorted(found)}


def _are_counts(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(number) is int and number >= 0 for number in numbers)


def _array(file: BinaryIO, dtype: str, shape: list[int]) -> NDArray[Any]:
    array: NDArray[Any] = np.empty(shape, dtype)
    if array.size:
        content = array.data.cast("B")
        while content:
            n_bytes = file.readinto(content)  # type: ignore[attr-defined]
            require(n_bytes > 0, "it ends too soon")
            content = content[n_bytes:]
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _exactly(file: BinaryIO, n_bytes: int) -> bytes:
    content = file.read(n_bytes)
    require(len(content) == n_bytes, "it ends too soon")
    return content
