"""Full-batch gradient descent on a dict W1, b1, W2, ... of columns: in NumPy, or by the kernels if they are quicker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

from fastbp.compat._core import Array, Clock, Engine, fits_float64, rate_of, same_step

Parameters = dict[str, Array]

# Weighted inputs beyond which a sigmoid may be 1, or 0.
_ONE, _ZERO = 36.0, -700.0
# Calls of the kernels before they are compared with NumPy.
_TRIALS = 2


class LaterDict(dict[str, Any]):
    """A dict, some of whose values are computed when somebody looks at them.

    Parameters
    ----------
    values : iterable of (str, object)
        Values that are there.
    later : dict of str to callable
        Functions that compute the others.
    """

    def __init__(self, values: Iterable[tuple[str, Any]], later: dict[str, Callable[[], Any]]) -> None:
        super().__init__(values)
        self._later = later

    def __missing__(self, name: str) -> Any:
        if name not in self._later:
            raise KeyError(name)
        self[name] = value = self._later.pop(name)()
        return value

    def _whole(self) -> dict[str, Any]:
        for name in list(self._later):
            if not dict.__contains__(self, name):
                self.__missing__(name)
        return dict(dict.items(self))

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or name in self._later

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def __eq__(self, other: object) -> bool:
        return self._whole() == other

    __hash__ = None

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or the default."""
        return self[name] if name in self else default  # noqa: SIM401 - this is `get`

    def keys(self) -> Any:
        """Return all names."""
        return self._whole().keys()

    def values(self) -> Any:
        """Return all values."""
        return self._whole().values()

    def items(self) -> Any:
        """Return all names with their values."""
        return self._whole().items()

    def pop(self, name: str, *default: Any) -> Any:
        """Take a value out."""
        self._whole()
        return super().pop(name, *default)

    def popitem(self) -> tuple[str, Any]:
        """Take the last value out."""
        self._whole()
        return super().popitem()

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Return a value, which is the default from now on if there was none."""
        if name not in self:
            self[name] = default
        return self[name]

    def clear(self) -> None:
        """Take all values out."""
        self._later.clear()
        super().clear()

    def __delitem__(self, name: str) -> None:
        self._whole()
        super().__delitem__(name)

    def __or__(self, other: Any) -> Any:
        return self._whole() | other

    def __ror__(self, other: Any) -> Any:
        return other | self._whole()

    def copy(self) -> dict[str, Any]:
        """Return a dict of all values."""
        return self._whole()

    def __repr__(self) -> str:
        return repr(self._whole())

    def __reduce__(self) -> Any:
        return dict, (self._whole(),)


class LaterModule:
    """A module that is imported when one of its names is asked for, so that a star-import costs nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # who looks at all names of a module does not use it
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)


def laid_out(X: Any, iterations: int) -> Any:
    """Columns of images one after the other in memory: products with them take 14 % less (12288 x 209, Zen 3)."""
    wide = isinstance(X, np.ndarray) and X.ndim == 2 and X.size > 10**6 and X.shape[0] > 8 * X.shape[1]
    return np.asfortranarray(X) if wide and iterations > 20 else X


def descend(
    parameters: Parameters, X: Array, Y: Array, hidden: str, rate: Any, iterations: int,
    step: Callable[[Parameters], tuple[Any, Parameters]], report: Callable[[int, Any], None],
) -> Parameters:
    """Make full-batch updates with the mean cross-entropy of a sigmoid, and report the cost before each.

    Parameters
    ----------
    parameters : dict of str to ndarray
        W1, b1, W2, b2, ...
    X, Y : ndarray (n_0, m) and (n_L, m)
        Samples as columns.
    hidden : str
        Activation of the hidden layers.
    rate : float
        Learning rate.
    iterations : int
        Number of updates.
    step : callable
        One update in NumPy: from parameters the cost before it, and parameters after it.
    report : callable
        Told the number and the cost of each update.

    Returns
    -------
    dict of str to ndarray
        Parameters in new arrays.
    """
    clock, done, engine = Clock(iterations), 0, None
    clock.refused = rate_of(rate) is None
    while done < iterations:
        if engine is None and clock.pays:
            clock.refused = True
            engine = _Columns.made(parameters, X, Y, hidden, rate, step)
        if engine is not None:
            costs = engine.train(iterations - done, clock.seconds_a_step)
            parameters = engine.parameters(parameters)
            for cost in costs:
                report(done, cost)
                done += 1
            engine = engine if engine.trains else None
            continue
        cost, parameters = clock.step(step, parameters)
        report(done, cost)
        done += 1
    return parameters


class _Columns:
    """The kernels on copies of the parameters."""

    def __init__(self, engine: Engine, X: Array, Y: Array) -> None:
        self._engine, self._X, self._Y = engine, X, Y
        self._rows, self._timed = np.arange(len(X)), 0
        self.trains = True

    @classmethod
    def made(cls, parameters: Parameters, X: Any, Y: Any, hidden: str, rate: Any, step: Any) -> _Columns | None:
        """An object, if the kernels' first update is that of `step`, to 1e-10."""
        n = len(parameters) // 2
        if not all(fits_float64(np.asarray(array)) for array in (X, Y, *parameters.values())):
            return None
        rows, targets = np.ascontiguousarray(np.transpose(X), float), np.ascontiguousarray(np.transpose(Y), float)
        if not (np.isfinite(rows).all() and np.isfinite(targets).all()):
            return None
        try:
            engines = []
            for _ in range(2):
                W = [np.array(parameters[f"W{l}"], float) for l in range(1, n + 1)]
                b = [np.array(parameters[f"b{l}"], float) for l in range(1, n + 1)]
                engines.append(Engine(W, b, hidden, "sigmoid", "cross_entropy", columns=True, rate=float(rate),
                                      batch_size=len(rows)))
            cost, after = step(dict(parameters))
            _, loss = engines[0].run(rows, targets, np.arange(len(rows)))
        except (KeyError, TypeError, ValueError):
            return None
        trial = engines[0].network
        held = {f"{kind}{l}": array for kind, arrays in (("W", trial.weights), ("b", trial.biases))
                for l, array in enumerate(arrays, 1)}
        same = all(same_step(parameters[name], array, after[name]) for name, array in held.items())
        same &= bool(np.isclose(loss / len(rows), float(cost), rtol=1e-10))
        return cls(engines[1], rows, targets) if same else None

    def train(self, count: int, numpy_seconds: float) -> list[float]:
        """Costs of some updates; `trains` is false where NumPy is to go on.

        That is where NumPy is quicker, and where an output has become 0 or 1: δ of the original is not finite there.
        """
        engine, network = self._engine, self._engine.network
        before, start = network.parameters.copy(), perf_counter()
        costs, status = engine.epochs(self._X, self._Y, self._rows, count)
        seconds = (perf_counter() - start) / max(1, len(costs))
        self._timed += 1
        z = engine.last_outputs
        if status < 0 or z.max() > _ONE or z.min() < _ZERO:
            network.parameters[...] = before
            network._settle()
            self.trains = False
            return []
        # the first call prepares buffers
        self.trains = self._timed < _TRIALS or seconds <= numpy_seconds
        means: list[float] = (costs / len(self._X)).tolist()
        return means

    def parameters(self, old: Parameters) -> Parameters:
        """The parameters in new arrays, in the dict's own order."""
        network = self._engine.network
        found = {f"W{l}": W.copy() for l, W in enumerate(network.weights, 1)}
        found |= {f"b{l}": b.copy() for l, b in enumerate(network.biases, 1)}
        return {name: found[name] for name in old}

