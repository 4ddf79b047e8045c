"""X, Y and weights that are read by rows: checked, and given block by block in the form that the arithmetic takes."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp import canonical
from fastbp.base.classes import ClassWeights, balanced_counts, weigh_classes
from fastbp.base.mapped import forget_pages, mapping_of
from fastbp.base.network import BaseNetwork, Canonical, Targets
from fastbp.base.rows import BLOCK_BYTES, Rows
from fastbp.canonical import BAD_STRIDE, FloatArray
from fastbp.checks import shown

# Bytes between the rows of a padded copy of X.
_PADDING = 64
# Y and weights that take less than this share of the memory are read once.
_KEPT_SHARE = 8


def check_memory(memory: Any) -> int:
    """Return a number of bytes as an int.

    Raises
    ------
    TypeError, ValueError
        If it is none.

    Examples
    --------
    >>> check_memory(1e9)
    1000000000
    """
    expected = f"memory must be a number of bytes such as 2**30, got {shown(memory)}"
    if isinstance(memory, bool) or not isinstance(memory, numbers.Real):
        raise TypeError(f"{expected} ({type(memory).__name__})")
    size: Any = memory  # of any kind: a float cannot hold all integers
    if not 1 <= size < math.inf:
        raise ValueError(expected)
    return int(size)


class Table:
    """Samples of a fit that are read by rows.

    Y and the weights are gone through once, so that whatever is wrong with them is said before training; X is checked
    when its rows are read.

    Parameters
    ----------
    network : BaseNetwork
        Network whose form the samples get.
    arrays : sequence of X, Y and sample_weight
        Anything with a shape and row slices. The weights may be None or absent.
    by_class : ndarray or "balanced", optional
        Weights of classes, as `class_weights` returns them.
    memory : int
        Bytes that may be used.
    names : sequence of str
        Names of X, Y and the weights in messages.

    Attributes
    ----------
    n_samples : int
        Number of rows.
    row_bytes : int
        Bytes of a sample in canonical form.
    kept_bytes : int
        Bytes of what was read once.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, shape or range.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> table = Table(Network([3, 2], rng=0), (np.eye(3), [0, 1, 1], None), None, 1000)
    >>> X, Y, weight = table.arrays(2)
    >>> table.store((X, Y, weight), 0, 1, 3)
    >>> X, Y
    (array([[0., 1., 0.],
           [0., 0., 1.]], dtype=float32), array([1, 1]))
    """

    def __init__(
        self, network: BaseNetwork, arrays: Sequence[Any], by_class: ClassWeights, memory: int,
        names: Sequence[str] = ("X", "Y", "sample_weight"),
    ) -> None:  # fmt: skip
        if network.columns:
            raise ValueError("memory is for samples that are rows, and this network was bound with columns=True")
        X, Y, weight = (*arrays, None)[:3]
        self.network, self.kept_bytes, self._keep = network, 0, memory // _KEPT_SHARE
        self._X, self._Y = Rows(X, names[0]), Rows(Y, names[1], network.n_classes)
        self._weight = None if weight is None else Rows(weight, names[2])
        _check_shapes(network, self._X, self._Y, self._weight)
        self.n_samples = self._X.shape[0]
        self._check_targets(by_class)
        self._first = self._canonical(0, 1)[0]
        self.row_bytes = sum(part.nbytes for part in self._first if part is not None) + _padding(self._first[0])

    @property
    def in_memory(self) -> bool:
        """Whether all samples are arrays in memory, X in canonical form."""
        X = self._X.data
        return all(rows.in_memory for rows in self._rows) and self._is_canonical(X) and mapping_of(X) is None

    def _is_canonical(self, X: Any) -> bool:
        return (
            isinstance(X, np.ndarray) and X.dtype == self.network.dtype and X.flags.c_contiguous and X.flags.aligned
        )

    @property
    def _rows(self) -> list[Rows]:
        return [rows for rows in (self._X, self._Y, self._weight) if rows is not None]

    # ------------------------------------------------------------------ what is read before training
    def _check_targets(self, by_class: ClassWeights) -> None:
        """Go through Y and the weights; keep them where they are small."""
        network, counts = self.network, np.zeros(self.network.n_classes, np.int64)

        def targets(part: Any, n: int, name: str) -> Targets:
            Y = network._canonical_targets(part, n, name)
            if isinstance(by_class, str) and not network.multilabel:
                counts[:] += np.bincount(network.labels_of(Y), minlength=len(counts))
            return Y

        self._Y = self._gone_through(self._Y, targets)
        if self._weight is not None:
            weights = lambda part, n, name: canonical.sample_weights(part, n, network.dtype, name)  # noqa: E731
            self._weight = self._gone_through(self._weight, weights)
        self._by_class = balanced_counts(counts, network) if isinstance(by_class, str) else by_class

    def _gone_through(self, rows: Rows, check: Callable[[Any, int, str], Any]) -> Rows:
        """The rows, each checked; those of an array in memory where they are worth keeping."""
        kept: NDArray[Any] | None = None
        for start, stop in pairwise(rows.bounds(max(1, min(self._keep, BLOCK_BYTES) // max(1, rows.row_bytes)))):
            part = rows.read(start, stop)
            found = check(part, stop - start, rows.name(start, stop))
            size = found.nbytes // len(found) * self.n_samples
            if start == 0 and not rows.in_memory and self.kept_bytes + size <= self._keep:
                kept = np.empty((self.n_samples, *found.shape[1:]), found.dtype)
                self.kept_bytes += size
            if kept is not None:
                kept[start:stop] = found
            forget_pages(part)
        return rows if kept is None else Rows(kept, rows.argument)

    # ------------------------------------------------------------------ blocks
    def bounds(self, n_rows: int) -> NDArray[np.int64]:
        """Return where blocks of about so many rows begin, and where the last one ends."""
        return self._X.bounds(max(1, min(n_rows, BLOCK_BYTES // max(1, self._X.row_bytes))))

    def read_bytes(self, n_rows: int) -> int:
        """Return how much memory a read of so many rows may take."""
        return sum(rows.read_bytes(n_rows) for rows in self._rows) + n_rows * self.row_bytes

    def arrays(self, n: int) -> Canonical:
        """Return arrays for `n` samples in canonical form, the rows of X apart as far as suits the caches."""
        X, Y, weight = self._first
        padded = np.zeros((n, X.shape[1] + _padding(X) // X.itemsize), X.dtype)
        return (
            padded[:, : X.shape[1]],
            np.zeros((n, *Y.shape[1:]), Y.dtype),
            None if weight is None else np.zeros(n, weight.dtype),
        )

    def store(self, arrays: Canonical, place: int, start: int, stop: int, *, probed: bool = False) -> None:
        """Read rows start..stop-1 and write them to arrays, from a row on.

        Parameters
        ----------
        arrays : tuple
            Arrays as from `arrays`.
        place : int
            Row of the arrays for the first of the rows.
        start, stop : int
            First row, and the one after the last.
        probed : bool
            Whether these rows of X were read before.

        Raises
        ------
        TypeError, ValueError
            If the rows are not what a fit takes.
        """
        rows = slice(place, place + stop - start)
        data, given = self._canonical(start, stop, arrays[0][rows], probed=probed)
        both: Any = zip(arrays, data, strict=True)
        for array, part in both:
            if array is not None and not np.may_share_memory(array, part):
                array[rows] = part
        for part in given:
            forget_pages(part)

    def blocks(self) -> Iterator[tuple[Canonical, NDArray[Any]]]:
        """Yield all samples in order, block by block: in canonical form, and Y as it was given."""
        for start, stop in pairwise(self.bounds(max(1, self._keep // (_KEPT_SHARE * self.row_bytes)))):
            data, given = self._canonical(start, stop)
            yield data, np.asarray(given[1])
            for part in given:
                forget_pages(part)

    def whole(self) -> Canonical:
        """Return all samples."""
        if self._is_canonical(self._X.data) and all(rows.in_memory for rows in self._rows):
            data: Any = [None if rows is None else rows.data for rows in (self._X, self._Y, self._weight)]
            return weigh_classes(self.network, self.network.canonical(*data), self._by_class)
        arrays = self.arrays(self.n_samples)
        for start, stop in pairwise(self.bounds(self.n_samples)):
            self.store(arrays, start, start, stop)
        return arrays

    def _canonical(
        self, start: int, stop: int, out: FloatArray | None = None, *, probed: bool = False
    ) -> tuple[Canonical, list[Any]]:
        """Rows in canonical form, X in `out` where that saves a copy, weighed by class; and as they were read."""
        given = [rows.read(start, stop, out if rows is self._X else None) for rows in self._rows]
        names = [rows.name(start, stop) for rows in self._rows]
        X, Y, weight = (*given, None)[:3]
        data = self.network.canonical(X, Y, weight, names=names, probed=probed)
        if len(data[0]) != stop - start:
            raise ValueError(f"{names[0]} has {len(data[0])} rows, expected {stop - start}")
        return weigh_classes(self.network, data, self._by_class), given


def _padding(X: FloatArray) -> int:
    """Bytes from the end of a row to the next one."""
    return _PADDING if X.shape[1] * X.itemsize % BAD_STRIDE == 0 else 0


def _check_shapes(network: BaseNetwork, X: Rows, Y: Rows, weight: Rows | None) -> None:
    """Raise ValueError if the shapes are not those of samples; what depends on types is found in the rows."""
    try:
        canonical.check_samples_shape(X.shape, network.sizes[0], X.argument)
    except ValueError as error:
        if len(X.shape) < 3 or hasattr(X.data, "reshape"):
            raise
        text = str(error).partition(";")[0]
        hint = "a function that returns an iterator over minibatches (X, Y) can reshape its rows"
        raise ValueError(f"{text}; {hint}") from None
    for rows in (Y, weight):
        if rows is not None and (not rows.shape or rows.shape[0] != X.shape[0]):
            raise ValueError(f"{rows.argument} has shape {rows.shape}, and {X.argument} has {X.shape[0]} rows")
