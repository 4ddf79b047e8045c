"""Rows of whatever has a shape and row slices: arrays, mapped files, zarr, h5py, dask; read block by block."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.base.mapped import FileRows
from fastbp.checks import shown
from fastbp.conversion import as_array

# What is read at a time where an array has no chunks of its own, or smaller ones.
BLOCK_BYTES = 4 * 2**20


class Rows:
    """An argument of a fit that is read by row slices.

    Parameters
    ----------
    data : array_like
        Anything with a `shape` and row slices is read when it is needed; other things are made an array.
    argument : str
        Name of the argument.
    n_classes : int
        Number of classes, if `data` may be labels; else 0.

    Attributes
    ----------
    data : object
        Object that is sliced.
    shape : tuple of int
        Its shape.
    row_bytes : int
        Bytes of a row as it lies there.

    Raises
    ------
    TypeError, ValueError
        If it has neither rows nor a shape that is known.

    Examples
    --------
    >>> rows = Rows(np.eye(3), "X")
    >>> rows.read(1, 3), rows.name(1, 3)
    (array([[0., 1., 0.],
           [0., 0., 1.]]), 'X[1:3]')
    """

    def __init__(self, data: Any, argument: str, n_classes: int = 0) -> None:
        if not (hasattr(data, "shape") and hasattr(data, "__getitem__")):
            data = as_array(data, argument, n_classes)
        if not isinstance(data.shape, (tuple, list)):
            raise TypeError(f"{argument}.shape is {shown(data.shape)}, expected a tuple such as (1000, 20)")
        shape = tuple(data.shape)
        if not all(isinstance(n, numbers.Integral) for n in shape):
            hint = f"; `{argument}.compute_chunk_sizes()` finds it" if hasattr(data, "compute_chunk_sizes") else ""
            raise ValueError(f"{argument} has shape {shape}, whose number of rows is not known{hint}")
        self.data, self.argument, self.shape = data, argument, tuple(int(n) for n in shape)
        self._slices: Any = getattr(data, "iloc", data)  # pandas: by place, whatever the index
        self._file = FileRows.of(data)
        self._edges = _chunk_edges(data, self.shape)
        self.row_bytes: int = math.prod(self.shape[1:]) * _itemsize(data)

    @property
    def in_memory(self) -> bool:
        """Whether it is an array whose rows are there without being read or decoded."""
        return isinstance(self.data, np.ndarray)

    def read(self, start: int, stop: int, out: NDArray[Any] | None = None) -> Any:
        """Return rows as the argument gives them; in `out` where they can be read to there.

        Raises
        ------
        ValueError
            If it gives more rows, or fewer.
        """
        if self._file is not None:
            return self._file.read(start, stop, out)
        part = self._slices[start:stop]
        found = getattr(part, "shape", None) or (len(part) if isinstance(part, (list, tuple)) else None,)
        if isinstance(found[0], int) and found[0] != stop - start:
            raise ValueError(f"{self.name(start, stop)} has {found[0]} rows, expected {stop - start}")
        return part

    def name(self, start: int, stop: int) -> str:
        """Return what messages call these rows: code that gives them."""
        return f"{self.argument}[{start}:{stop}]"

    def bounds(self, n_rows: int) -> NDArray[np.int64]:
        """Return where blocks begin, and where the last one ends: whole chunks, of `n_rows` rows together at most.

        A chunk with more rows is a block.

        Examples
        --------
        >>> Rows(np.zeros(7), "Y").bounds(3)
        array([0, 3, 6, 7])
        """
        if self._edges is None:
            return np.append(np.arange(0, self.shape[0], n_rows), self.shape[0])
        edges, at, chosen = self._edges, 0, [0]
        while at < len(edges) - 1:
            at = max(at + 1, int(np.searchsorted(edges, edges[at] + n_rows, "right")) - 1)
            chosen.append(int(edges[at]))
        return np.array(chosen)

    def read_bytes(self, n_rows: int) -> int:
        """Return how much memory a read of so many rows may take.

        That is mapped pages; or the rows as they are stored, decoded, joined, and once more for buffers of the library
        that reads them.
        """
        if self._edges is not None:
            n_rows = max(n_rows, int(np.diff(self._edges).max()))
        return (1 if self.in_memory else 4) * n_rows * self.row_bytes


def _itemsize(data: Any) -> int:
    """Bytes of a number; 8 where there is no telling."""
    try:
        return max(1, int(np.dtype(data.dtype).itemsize))
    except (AttributeError, TypeError):
        return 8


def _chunk_edges(data: Any, shape: tuple[int, ...]) -> NDArray[np.int64] | None:
    """Where the chunks of an array begin along its rows, and where the last one ends; None where it has none.

    zarr and h5py have `chunks` of one size, dask has the sizes of all.
    """
    chunks = getattr(data, "chunks", None)
    if not isinstance(chunks, (tuple, list)) or not chunks:
        return None
    rows: Any = chunks[0]
    if isinstance(rows, numbers.Integral) and int(rows) > 0:
        return np.append(np.arange(0, shape[0], int(rows)), shape[0])
    if isinstance(rows, (tuple, list)) and all(isinstance(n, numbers.Integral) for n in rows) and sum(rows) == shape[0]:
        return np.unique(np.cumsum([0, *rows]))
    return None
