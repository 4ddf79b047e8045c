"""Gradient check: backpropagation against finite differences."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp import canonical
from fastbp.base.network import BaseNetwork
from fastbp.base.parameters import layer_views
from fastbp.checks import check_count, check_number, shown

# Largest relative error of correct gradients, by dtype. The sums of a step cost some of its digits, and most of them
# where a gradient is a hundredth of the largest.
TOLERANCES = {np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-6}

# eps^(1/3): the rounding of C and the third derivative then cause errors of the same size
STEP = 6e-6


@dataclass(frozen=True)
class GradientReport:
    """Result of `check_gradients`, which is true if the gradients are correct.

    Parameters
    ----------
    max_relative_error : float
        Largest relative error of all parameters that were checked.
    where : str
        The parameter that has it, such as ``weights[0][3, 17]``.
    backprop : float
        Its gradient by backpropagation.
    difference : float
        Its gradient by central difference.
    checked : int
        Number of parameters that were checked.
    total : int
        Number of parameters of the network.
    tolerance : float
        Largest relative error allowed.

    Examples
    --------
    >>> report = GradientReport(1e-9, "biases[0][2]", 0.5, 0.5, checked=30, total=30, tolerance=1e-6)
    >>> bool(report)
    True
    >>> report
    gradient check passed: max relative error 1.0e-09 <= 1e-06 over all 30 parameters
      largest at biases[0][2]: backpropagation 0.5, central difference 0.5
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
    """Compare `net.backprop` with the central differences (C(w + h) − C(w − h)) / 2h, where h = 6e-6 max(1, |w|) [1]_.

    Parameters
    ----------
    net : Network
        Network of any implementation. Its parameters stay as they are.
    X : array_like (n_samples, n_0)
        Inputs, one sample per row. A few samples are enough.
    Y : array_like (n_samples, n_L) or ints (n_samples,)
        Targets, or labels 0..n_L-1 if the loss takes labels.
    sample_weight : array_like (n_samples,), optional
        Weight of each sample, 0 or more. The default is 1.
    tolerance : float, optional
        Largest relative error allowed. The default is 1e-6 for float64 and 1e-3 for float32.
    max_parameters : int
        Number of parameters to check. If the network has more, some of each layer are drawn.
    rng : int or numpy.random.Generator
        Seed of this draw, or anything else that `numpy.random.default_rng` takes.

    Returns
    -------
    GradientReport
        True if no relative error exceeds the tolerance.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type, shape or range. The message names it.

    Notes
    -----
    The relative error is |g − d| / max(|g|, |d|, G/100), where g is the gradient by backpropagation, d the difference,
    and G the largest |g| or |d|. The floor G/100 keeps the rounding of C out of gradients near 0. An error of d that
    this rounding alone can cause, ε (4 |C| / h + 1), passes. A parameter that fails is measured again with h/16,
    because h may have crossed a kink such as that of relu.

    The differences of a float32 network are taken on a float64 copy. The check then sees the rounding of float32 in
    backpropagation, so its tolerance is wider.

    References
    ----------
    .. [1] J. Nocedal and S. J. Wright, "Numerical Optimization", 2nd edition, Springer, 2006, section 8.1.
       doi:10.1007/978-0-387-40065-5

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> net = Network([2, 3, 2], activation="tanh", dtype=np.float64, rng=0)
    >>> bool(check_gradients(net, [[0.0, 1.0], [1.0, 0.5]], [0, 1]))
    True
    """
    if not isinstance(net, BaseNetwork):
        raise TypeError(f"net must be a Network, got {shown(net)}")
    if tolerance is None:
        tolerance = TOLERANCES[net.dtype]
    tolerance = check_number("tolerance", tolerance, 0.0, open_low=True)
    indices = _draw(net, check_count("max_parameters", max_parameters), canonical.generator(rng))
    X, Y, weight = net.canonical(X, Y, sample_weight)
    g = net._backprop(X, Y, weight)[1][indices].astype(np.float64)
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
    """Indices of `n` parameters, or of all. Each array gives the same number of them, as far as it is large enough."""
    if n >= net.parameters.size:
        return np.arange(net.parameters.size)
    shuffled = [start + rng.permutation(stop - start) for start, stop in pairwise(_starts(net))]
    turns = np.concatenate([np.arange(len(part)) for part in shuffled])
    first = np.argsort(turns, kind="stable")[:n]
    return np.sort(np.concatenate(shuffled)[first])


def _starts(net: BaseNetwork) -> NDArray[np.int64]:
    """Where W1, b1, W2, ... begin in the parameters, and where the last one ends."""
    layers = zip(*layer_views(net.parameters, net.sizes), strict=True)
    return np.cumsum([0, *(array.size for layer in layers for array in layer)])


def _name(net: BaseNetwork, k: int) -> str:
    """Name of parameter k, such as weights[0][3, 17]."""
    starts = _starts(net)
    array = int(np.searchsorted(starts, k, side="right")) - 1
    l, is_bias = divmod(array, 2)
    i, j = divmod(k - int(starts[array]), 1 if is_bias else net.sizes[l])
    return f"biases[{l}][{i}]" if is_bias else f"weights[{l}][{i}, {j}]"
