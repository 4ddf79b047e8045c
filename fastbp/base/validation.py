"""What a fit measures after each epoch: loss, accuracy and metrics of the validation data, whole or in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastbp.base.network import BaseNetwork, Canonical
from fastbp.base.shares import share_of
from fastbp.base.sources import called, check_repeatable, may_give_batches, names_of, parts_of
from fastbp.canonical import FloatArray
from fastbp.distributed.alone import ALONE, Alone
from fastbp.distributed.ranks import Ranks
from fastbp.metrics import named_metrics

if TYPE_CHECKING:
    from fastbp.base.table import Table

_NAMES = ("validation_data[0]", "validation_data[1]", "validation_data[2]")


class Validation:
    """Validation data of a fit, and what is measured on them.

    Parameters
    ----------
    network : BaseNetwork
        Network of the fit.
    data : (X, Y), (X, Y, sample_weight), or iterable of them
        Arrays, checked here, or batches, gone through at each epoch and checked on the way.
    metrics : iterable of str or callable
        Measures beside loss and accuracy.
    epochs : int
        Number of times that the data will be measured.
    ranks : Alone or Ranks
        Processes that measure together: each its share of arrays, or the batches that it brings.
    memory : float, optional
        Bytes that samples of arrays may take: they are then read in blocks each time.

    Raises
    ------
    TypeError, ValueError
        If the data or the metrics are not as described.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> net = Network([1, 1], output="identity", loss="quadratic", init="zeros")
    >>> Validation(net, [([[0.0]], [[1.0]]), ([[0.0]], [[3.0]])], ["mae"], epochs=1).measure()
    {'val_loss': 2.5, 'val_mae': 2.0}
    """

    def __init__(
        self, network: BaseNetwork, data: Any, metrics: Any, epochs: int, ranks: Alone | Ranks = ALONE,
        memory: float | None = None,
    ) -> None:
        data = called(data, "validation_data")
        self._network, self._data, self._ranks = network, data, ranks
        self._whole: tuple[Canonical, Any] | None = None
        self._table: Table | None = None
        if _are_batches(data):
            check_repeatable(data, epochs, "validation_data")
        elif memory is None:
            self._whole = _taken(network, data, _NAMES)
        else:
            from fastbp.base.table import Table, check_memory  # few need them

            self._table = Table(network, data, None, check_memory(memory), _NAMES)
        counted = network.count_correct if network.classifies else None
        self._metrics = named_metrics(metrics, network.sizes[-1], counted)
        if self._whole is not None:
            for metric in self._metrics.values():
                metric.check(self._whole[0][1])

    def _batches(self) -> Iterator[tuple[Canonical, Any]]:
        if self._whole is not None:
            data, y_true = self._whole
            own = share_of(data, self._ranks)
            if own is not None:
                yield own, y_true[slice(*self._ranks.share(len(y_true)))]
            return
        if self._table is not None:
            yield from self._table.blocks()
            return
        number = 0
        for number, batch in enumerate(self._data, start=1):
            title = f"batch {number} of validation_data"
            yield _taken(self._network, parts_of(batch, title), names_of(title))
        if number == 0:
            raise ValueError(
                "validation_data gave no batches; an iterable must begin anew each time it is gone through"
            )

    def measure(self) -> dict[str, float]:
        """Return the measures of the network as it is, each under "val_" and its name."""
        parts = [part for own in self._ranks.gather(self._measured) for part in own]
        counts = [part.n_samples for part in parts]
        n_samples, correct = sum(counts), sum(part.correct for part in parts)
        loss = parts[0].loss if len(parts) == 1 else float(np.inner([part.loss for part in parts], counts)) / n_samples
        logs = {"loss": loss} | ({"accuracy": correct / n_samples} if self._network.classifies else {})
        kept = [part.kept for part in parts if part.kept is not None]
        if kept:
            Y, y_true, a = (each[0] if len(each) == 1 else _joined(each) for each in zip(*kept, strict=True))
            logs |= {name: metric(Y, y_true, a) for name, metric in self._metrics.items()}
        return {f"val_{name}": value for name, value in logs.items()}

    def _measured(self) -> list[_Part]:
        """What this process measures."""
        net, parts = self._network, []
        for data, y_true in self._batches():
            loss, right = net._evaluate(*data)
            kept = (data[1], y_true, net._forward(data[0])) if self._metrics else None
            parts.append(_Part(loss, right, data[0].shape[0], kept))
        return parts


def facts_of(validation: Validation | None) -> dict[str, Any]:
    """Return what all ranks must have in common of their validation data, by name."""
    if validation is None:
        return {"validation_data": None, "metrics": ()}
    whole = validation._whole
    data = "batches" if whole is None else f"{whole[0][0].shape[0]} samples"
    return {"validation_data": data, "metrics": tuple(validation._metrics)}


class _Part(NamedTuple):
    """What was measured on one batch: the mean cost, how many labels are right, and what metrics need."""

    loss: float
    correct: int
    n_samples: int
    kept: tuple[Any, ...] | None


def _taken(network: BaseNetwork, data: Any, names: Sequence[str]) -> tuple[Canonical, Any]:
    X, Y, weight = (*data, None)[:3]
    return network.canonical(X, Y, weight, names=names), np.asarray(Y)


def _joined(parts: tuple[FloatArray, ...]) -> FloatArray:
    if len({part.ndim for part in parts}) > 1:
        raise ValueError("validation_data has labels in some batches and rows of targets in others; metrics need one")
    return np.concatenate(parts)


def _are_batches(data: Any) -> bool:
    """Whether validation data are batches: not one (X, Y) or (X, Y, sample_weight).

    Raises
    ------
    TypeError
        If they are neither.
    """
    if isinstance(data, (tuple, list)):
        if len(data) in (2, 3) and not all(_is_batch(part) for part in data):
            return False
        if data and all(_is_batch(part) for part in data):
            return True
    elif may_give_batches(data) and not (hasattr(data, "__array__") or hasattr(data, "columns")):
        return True
    kind = type(data).__name__ + (f" of {len(data)}" if isinstance(data, (tuple, list)) else "")
    raise TypeError(f"validation_data must be (X, Y) or (X, Y, sample_weight), or an iterable of them, got {kind}")


def _is_batch(part: Any) -> bool:
    """Whether it is (X, Y) or (X, Y, sample_weight) with the rows of an X, not rows themselves."""
    if not isinstance(part, (tuple, list)) or len(part) not in (2, 3):
        return False
    try:
        return bool(np.ndim(part[0]) == 2)
    except ValueError:  # ragged
        return False
