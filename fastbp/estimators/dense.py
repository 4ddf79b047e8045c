"""A sparse X in dense blocks of rows, as many at a time as take little memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Numbers of a sparse X that are dense at a time.
_DENSE_NUMBERS = 4_000_000


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of SciPy's."""
    return hasattr(X, "toarray")


def rows_at_a_time(X: Any, batch_size: int = 1) -> int:
    """Return how many rows of a sparse X are dense at a time, a multiple of a minibatch.

    Parameters
    ----------
    X : sparse matrix (n_samples, n_features)
        Samples.
    batch_size : int
        Samples of a minibatch.

    Returns
    -------
    int
        Number of rows, one minibatch at least.
    """
    minibatches = _DENSE_NUMBERS // max(1, int(X.shape[1]) * batch_size)
    return max(1, minibatches) * batch_size


class Blocks:
    """Samples as (X, Y, weight) with a dense X: all at once, or in blocks of the rows of a sparse X.

    Parameters
    ----------
    X : ndarray or sparse matrix (n_samples, n_features)
        Inputs. Blocks of a sparse X are made anew each time they are gone through.
    parts : ndarray or None
        What has a row for each sample, too, such as targets and weights.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> [X.shape for X, in Blocks(csr_array((3, 2)))]
    [(3, 2)]
    """

    def __init__(self, X: Any, *parts: Any) -> None:
        self._X, self._parts, self._n_samples = X, parts, int(X.shape[0])
        self._step = max(1, self._n_samples)
        if is_sparse(X):
            self._X, self._step = X.tocsr(), min(self._step, rows_at_a_time(X))

    def __len__(self) -> int:
        return len(range(0, self._n_samples, self._step))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for start in range(0, self._n_samples, self._step):
            rows = slice(start, start + self._step)
            X = self._X[rows].toarray() if is_sparse(self._X) else self._X
            yield X, *(None if part is None else part[rows] for part in self._parts)
