"""The book's optimizers as fastbp's, and their running means in both layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp.compat._core import Array, overridden, rate_of
from fastbp.compat.nnfs.optimizers import Optimizer_Adagrad, Optimizer_Adam, Optimizer_RMSprop, Optimizer_SGD
from fastbp.moments import Adam
from fastbp.optimizers import SGD, Adagrad, Optimizer, RMSProp

# What each keeps for a parameter, in fastbp's order, and the numbers that must stay as they are.
_KEPT = {
    Optimizer_SGD: ((), ("momentum",)),
    Optimizer_Adagrad: (("cache",), ("epsilon",)),
    Optimizer_RMSprop: (("cache",), ("epsilon", "rho")),
    Optimizer_Adam: (("momentums", "cache"), ("epsilon", "beta_1", "beta_2")),
}


class Rates:
    """The learning rate of this step and of the one before, for a schedule of fastbp's."""

    def __init__(self, rate: float) -> None:
        self.now = self.before = rate

    def __call__(self, step: int) -> float:  # noqa: ARG002
        return self.now


@dataclass(frozen=True)
class _OldRates(SGD):
    """Momentum in which earlier gradients keep their learning rate: u ← β u − η g, w ← w + u, as μ = −u/η."""

    @property
    def is_constant(self) -> bool:
        return False

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: ARG002
        rates: Any = self.learning_rate
        return rates.now, self.momentum * rates.before / rates.now, 0.0


class Rule:
    """An optimizer of the book as one of fastbp's.

    Parameters
    ----------
    optimizer : object
        The book's optimizer.

    Raises
    ------
    ValueError
        If it is none of the book's, or has numbers that fastbp does not take.
    """

    def __init__(self, optimizer: Any) -> None:
        base = next((base for base in _KEPT if isinstance(optimizer, base)), None)
        rate = rate_of(optimizer.current_learning_rate)
        if base is None or overridden(optimizer, base, ("update_params",)) or not rate:
            raise ValueError("an optimizer of the user's")
        self._optimizer, self._base = optimizer, base
        self.rates = Rates(rate)
        self.kept, self._names = _KEPT[base]
        self._numbers = self._found()
        if base is Optimizer_SGD and optimizer.momentum:
            self.kept = ("momentums",)

    def _found(self) -> tuple[Any, ...]:
        return tuple([getattr(self._optimizer, name) for name in self._names])

    def takes_rate(self) -> bool:
        """Whether the book's object, ready for a step, has a rate above 0, and its other numbers as before."""
        rate = rate_of(self._optimizer.current_learning_rate)
        self.rates.before = self.rates.now
        self.rates.now = rate or self.rates.now
        return bool(rate) and self._found() == self._numbers

    def made(self) -> Optimizer:
        """Fastbp's optimizer."""
        given, rates = self._optimizer, self.rates
        if self._base is Optimizer_SGD:
            return _OldRates(rates, momentum=given.momentum) if given.momentum else SGD(rates)
        if self._base is Optimizer_Adagrad:
            return Adagrad(rates, eps=given.epsilon)
        if self._base is Optimizer_RMSprop:
            return RMSProp(rates, rho=given.rho, eps=given.epsilon)
        return Adam(rates, beta1=given.beta_1, beta2=given.beta_2, eps=given.epsilon)

    # ------------------------------------------------------------------ running means
    def _scale(self) -> float:
        return -self.rates.now if self._base is Optimizer_SGD else 1.0

    def states(self, layers: Sequence[Any], like: Array, sizes: Sequence[int]) -> list[Array]:
        """The layers' running means, laid out as a network's flat parameters."""
        flats = []
        for name in self.kept:
            flats.append(np.zeros_like(like))
            self._each(layers, flats[-1], sizes, name, self._read)
        return flats

    def give(self, layers: Sequence[Any], states: Sequence[Array], sizes: Sequence[int]) -> None:
        """Give the layers their running means in new arrays."""
        for name, flat in zip(self.kept, states, strict=True):
            self._each(layers, flat, sizes, name, self._write)

    def _each(
        self, layers: Sequence[Any], flat: Array, sizes: Sequence[int], name: str,
        work: Callable[[Any, str, Array], None],
    ) -> None:
        from fastbp.base.parameters import layer_views

        weights, biases = layer_views(flat, sizes)
        for layer, W, b in zip(layers, weights, biases, strict=True):
            work(layer, f"weight_{name}", W.T)
            work(layer, f"bias_{name}", b.reshape(1, -1))

    def _read(self, layer: Any, name: str, view: Array) -> None:
        if hasattr(layer, name):
            view[...] = getattr(layer, name) / self._scale()

    def _write(self, layer: Any, name: str, view: Array) -> None:
        setattr(layer, name, np.ascontiguousarray(view) * self._scale())
