"""Backpropagation against finite differences."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp import checks
from fastbp.base.network import BaseNetwork
from fastbp.checks import check_count, check_number

# Largest relative error that honest gradients of a dtype have: what is left of its digits after the sums of a step,
# for gradients of a hundredth of the largest.
TOLERANCES = {np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-6}

# eps^(1/3), where the rounding of C and the third derivative spoil a central difference alike
STEP = 6e-6


@dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` found; true if the gradients are right.

    Parameters
    ----------
    max_relative_error : float
        The largest over all parameters that were checked.
    where : str
        The parameter that has it, such as ``weights[0][3, 17]``.
    backprop, difference : float
        Its gradient by backpropagation and by central difference.
    checked, total : int
        How many parameters were checked, of how many.
    tolerance : float
        The largest relative error allowed.
    """

    max_relative_error: float
    where: str
    backprop: float
    difference: float
    checked: int
    total: int
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether no relative error is above the tolerance."""
        return self.max_relative_error <= self.tolerance

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        verdict, sign = ("passed", "<=") if self.passed else ("FAILED", "not <=")
        which = "all" if self.checked == self.total else f"{self.checked:,} of"
        return (
            f"gradient check {verdict}: max relative error {self.max_relative_error:.1e} {sign} {self.tolerance:.0e} "
            f"over {which} {self.total:,} parameters\n"
            f"  largest at {self.where}: backpropagation {self.backprop:.9g}, central difference {self.difference:.9g}"
        )

    __repr__ = __str__


def check_gradients(
    net: BaseNetwork,
    X: ArrayLike,
    Y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    tolerance: float | None = None,
    max_parameters: int = 1000,
    rng: Any = 0,
) -> GradientReport:
    """Compare `net.backprop` with central differences (C(w + h) − C(w − h)) / 2h in float64, h = 6e-6 max(1, |w|).

    The relative error of a parameter is |g − d| / max(|g|, |d|, G/100), g by backpropagation, d by the difference, G
    the largest |g| or |d| of all parameters: the G/100 keeps the rounding of C out of gradients that are nearly 0, and
    what that rounding alone makes of d, ε (4 |C| / h + 1), counts as right. A parameter that fails is measured again
    with a sixteenth of h, since h may have crossed a kink (of relu, say).

    The differences of a float32 network are those of its float64 copy, so what is seen is the rounding of its
    backpropagation, and the tolerance is wider.

    Parameters
    ----------
    net : Network
        Of any implementation; its parameters stay as they are.
    X, Y, sample_weight : array_like
        As `net.loss` takes them. A few samples do.
    tolerance : float, optional
        Largest relative error allowed: 1e-6 for float64 and 1e-3 for float32 if absent.
    max_parameters : int
        If there are more, so many of them are drawn, from all layers alike.
    rng : anything numpy.random.default_rng takes
        Seed of that draw.

    Returns
    -------
    GradientReport
        True if no error exceeds the tolerance; prints well.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> net = Network([2, 3, 2], activation="tanh", dtype=np.float64, rng=0)
    >>> bool(check_gradients(net, [[0.0, 1.0], [1.0, 0.5]], [0, 1]))
    True
    """
    if not isinstance(net, BaseNetwork):
        raise TypeError(f"net must be a Network, got {net!r}")
    if tolerance is None:
        tolerance = TOLERANCES[net.dtype]
    tolerance = check_number("tolerance", tolerance, 0.0, open_low=True)
    indices = _draw(net, check_count("max_parameters", max_parameters), checks.generator(rng))
    X, Y, weight = net.canonical(X, Y, sample_weight)
    g = net.backprop(X, Y, weight).flat[indices].astype(np.float64)
    twin = net.copy(np.float64)
    d = np.array([_difference(twin, k, STEP, X, Y, weight) for k in indices])
    noise = np.finfo(np.float64).eps * (4.0 * abs(twin.loss(X, Y, weight)) / STEP + 1.0)
    floor = max(0.01 * _largest(g), 0.01 * _largest(d), noise / tolerance)
    errors = _relative_errors(g, d, floor)
    failed = np.flatnonzero(~(errors <= tolerance))
    d_again = np.array([_difference(twin, k, STEP / 16, X, Y, weight) for k in indices[failed]])
    again = _relative_errors(g[failed], d_again, max(floor, 16 * noise / tolerance))
    better = again < errors[failed]
    errors[failed[better]], d[failed[better]] = again[better], d_again[better]
    worst = int(np.argmax(errors))  # a NaN counts as the largest
    where = _name(net, int(indices[worst]))
    found = float(errors[worst]), where, float(g[worst]), float(d[worst])
    return GradientReport(*found, checked=len(indices), total=net.parameters.size, tolerance=tolerance)


def _difference(net: BaseNetwork, k: int, step: float, X: ArrayLike, Y: ArrayLike, weight: ArrayLike | None) -> float:
    w = net.parameters[k]
    h = step * max(1.0, abs(w))
    net.parameters[k] = above = w + h
    cost_above = net.loss(X, Y, weight)
    net.parameters[k] = below = w - h
    cost_below = net.loss(X, Y, weight)
    net.parameters[k] = w
    return float((cost_above - cost_below) / (above - below))


def _relative_errors(g: NDArray[np.float64], d: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    return np.abs(g - d) / np.maximum(np.maximum(np.abs(g), np.abs(d)), floor)


def _largest(values: NDArray[np.float64]) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max(initial=0.0))


def _draw(net: BaseNetwork, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of `n` parameters, or of all; each array of parameters gives the same number, as far as it has them."""
    if n >= net.parameters.size:
        return np.arange(net.parameters.size)
    starts = np.cumsum([0, *_array_sizes(net)])
    shuffled = [start + rng.permutation(stop - start) for start, stop in pairwise(starts)]
    turns = np.concatenate([np.arange(len(part)) for part in shuffled])
    first = np.argsort(turns, kind="stable")[:n]
    return np.sort(np.concatenate(shuffled)[first])


def _array_sizes(net: BaseNetwork) -> list[int]:
    return [array.size for layer in zip(net.weights, net.biases, strict=True) for array in layer]


def _name(net: BaseNetwork, k: int) -> str:
    """What parameter k is called, such as weights[0][3, 17]."""
    for l, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        if k < W.size:
            i, j = divmod(k, W.shape[1])
            return f"weights[{l}][{i}, {j}]"
        k -= W.size
        if k < b.size:
            return f"biases[{l}][{k}]"
        k -= b.size
    raise IndexError(k)
