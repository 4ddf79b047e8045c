"""How a trainer calls its callbacks: all ranks are in the same ones, and have the same parameters after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastbp.events import call_each, ends_training, methods
from fastbp.exceptions import DivergenceError


def tell_begin(trainer: Any, callbacks: list[Any], begun: list[Any]) -> None:
    """Call `on_train_begin`, up to the first that fails; `begun` gets the callbacks in which training has begun."""

    def call() -> bool:
        for callback in callbacks:
            call_each(methods([callback], "on_train_begin"), trainer)
            begun.append(callback)
        return False

    _tell(trainer, call, "on_train_begin")


def tell_end(trainer: Any, begun: list[Any], *, is_whole: bool) -> None:
    """Call `on_train_end`, whatever the others do. Where training is not whole, the other ranks may have left it."""

    def call() -> bool:
        call_each(methods(begun, "on_train_end"), trainer)
        return False

    if is_whole:
        _tell(trainer, call, "on_train_end")
    else:
        call()


def tell_epoch(
    trainer: Any, epoch: int, logs: Mapping[str, float], end_of_epoch: list[Any], on_checkpoint: list[Any]
) -> bool:
    """Call what is to be called after an epoch; whether one of them ends training."""

    def call() -> bool:
        stops = False
        for on_epoch_end in end_of_epoch:
            stops |= ends_training(on_epoch_end(trainer, epoch, logs))
        for save in on_checkpoint:
            save(trainer, epoch, logs)
        return stops

    return _tell(trainer, call)


def tell_divergence(trainer: Any, error: DivergenceError, on_divergence: list[Any]) -> bool:
    """Tell callbacks of an error; whether one of them ends training without it."""

    def call() -> bool:
        answers = [ends_training(told(trainer, error)) for told in on_divergence]
        return any(answers)

    return _tell(trainer, call)


def _tell(trainer: Any, call: Callable[[], bool], may_change: str = "") -> bool:
    """Whether callbacks of any rank end training; those of the event `may_change` may change the parameters."""
    ranks = trainer._ranks
    if ranks.size == 1:
        return call()
    stops: bool = ranks.tell(call)
    if may_change:
        ranks.settled(trainer.network._read(), 0.0, may_change)
    return stops
