"""What all faces share: when the kernels pay, whether they compute the same, and how arrays go there and back."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastbp.base.attached import Attached
    from fastbp.bound import BoundNetwork

    Array = NDArray[Any]
else:  # an import that short scripts do without
    Array = np.ndarray

# Seconds of work left from which the kernels are imported: import and first step take 1.1 s with kernels on disk.
WORTH_IMPORTING = 2.0
# The same where Numba is there already.
WORTH_STARTING = 0.5
# How far a gradient may be from the family's own, as a share of its largest number.
TOLERANCE = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-5}
# How far an array may be after a step from the family's own: of the largest change, and of the largest number.
_OF_CHANGE, _OF_NUMBER = 1e-10, 1e-15
# Ctrl-C is answered between two calls.
_CHUNK_SECONDS = 0.1
# Steps in NumPy before the time of one is believed.
TIMED_STEPS = 3


class Clock:
    """How long the steps in NumPy take, and whether those left are worth the kernels.

    Parameters
    ----------
    steps : int
        Steps that are planned.
    """

    def __init__(self, steps: int) -> None:
        self.left, self._seconds, self._timed = steps, 0.0, 0
        self.refused = False

    def step(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Make and time one step."""
        start = perf_counter()
        result = function(*arguments)
        self._seconds += perf_counter() - start
        self._timed += 1
        self.left -= 1
        return result

    @property
    def seconds_a_step(self) -> float:
        """Mean time of a step."""
        return self._seconds / max(1, self._timed)

    @property
    def pays(self) -> bool:
        """Whether the steps that are left would take long enough in NumPy, unless the kernels were refused."""
        if self.refused or self._timed < TIMED_STEPS or self.left <= 0:
            return False
        return self.seconds_a_step * self.left > worth()


def worth() -> float:
    """Seconds of NumPy from which the kernels pay."""
    return WORTH_STARTING if "fastbp.kernels.epoch" in sys.modules else WORTH_IMPORTING


def close(found: Iterable[Any], expected: Iterable[Any]) -> bool:
    """Whether arrays are equal but for rounding, each by its own largest number; never where one is not finite."""
    for one, other in zip(found, expected, strict=True):
        a, b = np.asarray(one), np.asarray(other)
        if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
            return False
        # float32 in part is float32
        kinds = [TOLERANCE.get(array.dtype, 0.0) for array in (a, b)]
        if np.abs(a - b).max(initial=0.0) > max(kinds) * max(np.abs(b).max(initial=0.0), 1e-200):
            return False
    return True


def same_step(before: Array, found: Array, expected: Array) -> bool:
    """Whether an array after a step is as expected, but for rounding."""
    if not np.isfinite(expected).all():
        return False
    bound = _OF_CHANGE * np.abs(expected - before).max() + _OF_NUMBER * np.abs(expected).max()
    return bool(np.abs(found - expected).max() <= bound)


class Engine:
    """A network on the kernels for the arrays of a family.

    Parameters
    ----------
    weights, biases : sequence of ndarray
        Arrays as `fastbp.bind` takes them. They are trained in place.
    activation, output, loss : str or sequence
        As `fastbp.bind` takes them.
    columns : bool
        Whether weights are (n_out, n_in).
    rate : float or Optimizer
        Learning rate of the mean gradient by plain gradient descent, or an optimizer of fastbp's.
    batch_size : int
        Samples of a minibatch.
    l1, l2 : float
        Penalties l1 Σ |w| + l2/2 Σ w².
    """

    def __init__(  # noqa: PLR0913 - what `bind` and a trainer take
        self, weights: Sequence[Array], biases: Sequence[Array] | None, activation: Any, output: str, loss: str, *,
        columns: bool, rate: Any, batch_size: int, l1: float = 0.0, l2: float = 0.0,
    ) -> None:
        from fastbp.bound import bind
        from fastbp.optimizers import SGD, Optimizer
        from fastbp.trainer import Trainer

        self.network: BoundNetwork = bind(weights, biases, activation, output, loss, columns=columns)
        rule = rate if isinstance(rate, Optimizer) else SGD(rate)
        self.trainer = Trainer(self.network, rule, batch_size=batch_size, l1=l1, l2=l2, threads=1)
        self._kept: dict[bool, tuple[Any, Any]] = {}  # with weights, and without
        self._chunk = 1  # epochs of one call, more and more of them
        #: Of the last minibatch of `epochs`, before its update: a^L, or z^L where the loss is computed from it.
        self.last_outputs: Array = np.empty((0, 0))

    def gradient(self, X: Array, Y: Array) -> list[Array]:
        """Gradients of the mean cost, weights first, in the shapes of the arrays. Samples are rows of X and Y."""
        turned = (X.T, Y.T) if self.network.columns else (X, Y)
        gradients = self.network.backprop(*turned)
        return [*gradients.weights, *gradients.biases]

    def outputs(self, X: Array) -> Array:
        """a^L of the rows of X, as rows."""
        return self.network.forward(X.T).T if self.network.columns else self.network.forward(X)

    def canonical(self, X: Array, Y: Array, weight: Array | None) -> Any:
        """Samples in the form of the kernels, once for all calls with the same arrays."""
        given = X, Y, weight
        seen, data = self._kept.get(weight is None, ((), None))
        if len(seen) != len(given) or any(one is not other for one, other in zip(seen, given, strict=True)):
            rows, targets, weights = super(type(self.network), self.network).canonical(*given)
            session = cast("Attached", self.trainer._opened())
            # once, and not whenever the session is entered: 16 ms for 20 MB
            data = session.inner.laid_out(rows, self.trainer.batch_size), targets, weights
            self._kept[weight is None] = given, data
        return data

    def run(self, X: Array, Y: Array, rows: Array, weight: Array | None = None) -> tuple[int, float]:
        """Train on minibatches of `rows`.

        Returns how many samples were trained on, fewer where a loss is not finite, and the sum of their costs, each
        before its update.
        """
        from fastbp.base.session import Session, within

        data, batch = self.canonical(X, Y, weight), self.trainer.batch_size

        def train(session: Session) -> tuple[int, float]:
            done, loss_sum = 0, 0.0
            while done < len(rows):
                chunk = session.run(data, rows[done:], batch)
                if not math.isfinite(chunk.loss_sum):
                    # the minibatch that the loss is of made no update
                    return done + (chunk.n_samples - 1) // batch * batch, loss_sum
                done, loss_sum = done + chunk.n_samples, loss_sum + chunk.loss_sum
            return done, loss_sum

        return within(self.trainer._opened(), train)

    def epochs(self, X: Array, Y: Array, rows: Array, count: int) -> tuple[Array, int]:
        """Train for up to `count` epochs of `rows`, for one or two tenths of a second.

        Returns the sum of costs of each finished epoch, and 0; or where a loss is not finite −1 less the samples of the
        next epoch that were trained on.
        """
        from fastbp.base.session import MEASURES, within

        start, data, batch = perf_counter(), self.canonical(X, Y, None), self.trainer.batch_size
        count = min(count, self._chunk)
        session = cast("Attached", self.trainer._opened())

        def train(attached: Attached) -> None:
            attached.inner.epochs(data, np.tile(rows, count), batch, measured)
            self.last_outputs = attached.inner.outputs().copy()

        measured = np.zeros((count, MEASURES), np.float64)
        within(session, train)
        losses = measured[np.isfinite(measured[:, 0]) & (measured[:, 2] > 0), 0]
        if len(losses) < count:
            # the minibatch that the loss is of made no update; after a parameter that is not finite none was begun
            return losses, -1 - max(0, int(measured[len(losses), 2]) - 1) // batch * batch
        if perf_counter() - start < _CHUNK_SECONDS:
            self._chunk *= 2
        return losses, 0


def sigmoid(z: Any) -> Any:
    """Compute 1 / (1 + exp(−z)).

    Parameters
    ----------
    z : float or ndarray
        Weighted inputs.

    Returns
    -------
    float or ndarray
        Activations.

    Examples
    --------
    >>> float(sigmoid(0.0))
    0.5
    """
    return 1.0 / (1.0 + np.exp(-z))


def rate_of(value: Any) -> float | None:
    """A learning rate that the kernels take, or None."""
    try:
        rate = float(value)
    except (TypeError, ValueError):
        return None
    return rate if math.isfinite(rate) and rate >= 0 else None


def copies(arrays: Iterable[Array]) -> list[Array]:
    """A copy of each array."""
    return [array.copy() for array in arrays]


def fits_float64(array: Array) -> bool:
    """Whether NumPy computes with numbers of this type and float64 in float64."""
    return array.dtype.kind in "biuf" and array.dtype.itemsize <= 8


def stacked(arrays: Sequence[Any], size: int) -> Array | None:
    """Samples of `size` numbers each as rows of float64, or None where they are anything else."""
    if not arrays:
        return None
    first = np.shape(arrays[0])
    if math.prod(first) != size or any(np.shape(array) != first for array in arrays):
        return None
    rows = np.array(arrays)
    if not fits_float64(rows):
        return None
    return rows.reshape(len(arrays), size).astype(np.float64, copy=False)


def overridden(instance: Any, base: type, names: Iterable[str]) -> bool:
    """Whether a subclass, an instance or somebody else has put another method in the place of one of `base`."""
    own = vars(instance)
    return any(name in own or getattr(type(instance), name, None) is not _ORIGINALS[base][name] for name in names)


_ORIGINALS: dict[type, dict[str, Any]] = {}


def remember(base: type) -> type:
    """Class decorator: know the methods as they are written, so that replaced ones are seen."""
    _ORIGINALS[base] = {name: getattr(base, name) for name in dir(base)}
    return base
