"""Domains: the numbers that a loss is defined on, as targets or as outputs; public as `fastbp.losses.Domain`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["ANY", "Domain"]

# How far rounding may take a number beyond the end of an interval.
_SLACK = 1e-6
_BITS = {4: np.uint32, 8: np.uint64}


@lru_cache(maxsize=8)
def _bits(number: float, dtype: np.dtype[Any]) -> Any:
    """A float as an unsigned number of the same bits."""
    return np.array(number, dtype).view(_BITS[dtype.itemsize])[()]


@dataclass(frozen=True)
class Domain:
    """Numbers that a loss is defined on: an interval, or those of one of some sets.

    Parameters
    ----------
    low, high : float
        Ends of the interval, which belong to it.
    sets : tuple of tuple of float
        Sets of numbers. The numbers of one array must all be of one of them. By default there are none, and the
        interval counts.

    Examples
    --------
    >>> Domain(0.0, 1.0).holds(np.array([0.5, 2.0]))
    False
    >>> print(Domain(0.0, 1.0), "or", Domain(sets=((0.0, 1.0), (-1.0, 1.0))))
    numbers in [0, 1] or numbers of 0, 1 alone or of -1, 1 alone
    """

    low: float = -math.inf
    high: float = math.inf
    sets: tuple[tuple[float, ...], ...] = ()

    def outside(self, x: Any) -> Any:
        """Return which numbers do not belong to it, or to none of the sets.

        Parameters
        ----------
        x : ndarray
            Numbers.

        Returns
        -------
        ndarray of bool
            True for those outside.

        Examples
        --------
        >>> Domain(low=0.0).outside(np.array([-1.0, 0.0]))
        array([ True, False])
        """
        if self.sets:
            return ~np.isin(x, np.unique(self.sets))
        return ~((x >= self.low - _SLACK) & (x <= self.high + _SLACK))

    def holds(self, x: Any) -> bool:
        """Return whether all numbers of an array belong to it, and to one of the sets.

        Parameters
        ----------
        x : ndarray of float
            Numbers, at least one.

        Returns
        -------
        bool
            True if they do.
        """
        if self.sets:
            return any(bool(np.isin(x, numbers).all()) for numbers in self.sets)
        if self.low == 0.0 and x.dtype.itemsize in _BITS and x.flags.c_contiguous:
            # Negative floats are the largest as unsigned numbers, so one maximum checks both ends: 1 µs for 256.
            unsigned = x.reshape(-1).view(_BITS[x.dtype.itemsize])
            if unsigned[unsigned.argmax()] <= _bits(self.high, x.dtype):
                return True
        above = self.low == -math.inf or np.min(x) >= self.low - _SLACK
        return bool(above and (self.high == math.inf or np.max(x) <= self.high + _SLACK))

    def __str__(self) -> str:
        if self.sets:
            return "numbers of " + " or of ".join(f"{', '.join(f'{x:g}' for x in one)} alone" for one in self.sets)
        if self.high == math.inf:
            return f"numbers of {self.low:g} and above"
        return f"numbers in [{self.low:g}, {self.high:g}]"


ANY = Domain()
