"""When callbacks are called, and what is made of what they return."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

__all__ = ["EVENTS", "ends_training", "methods"]

EVENTS = ("on_train_begin", "on_epoch_end", "on_divergence", "on_train_end")


def ends_training(returned: Any) -> bool:
    """Return whether what a callback returned ends training: True, of Python or NumPy, and nothing else.

    Parameters
    ----------
    returned : object
        What `on_epoch_end` or `on_divergence` returned.

    Returns
    -------
    bool
        True if it is True.

    Examples
    --------
    >>> ends_training(True), ends_training(None), ends_training({"loss": 0.5})
    (True, False, False)
    """
    return isinstance(returned, (bool, np.bool_)) and bool(returned)


def methods(callbacks: Iterable[Any]) -> list[list[Callable[..., Any]]]:
    """Return the methods of all callbacks, one list for each of the `EVENTS`.

    Parameters
    ----------
    callbacks : iterable of objects
        Objects with some of the methods of `Callback`.

    Returns
    -------
    list of list of callable
        For each event, the methods of the callbacks that have one, in their order.

    Raises
    ------
    TypeError
        If `callbacks` is not an iterable, or holds a class or an object without any of these methods.

    Examples
    --------
    >>> from fastbp.callbacks import TerminateOnNaN
    >>> [len(found) for found in methods([TerminateOnNaN()])]
    [1, 1, 1, 1]
    """
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a list of callbacks, got {callbacks!r}")
    callbacks = list(callbacks)
    for callback in callbacks:
        if isinstance(callback, type):
            raise TypeError(f"callbacks holds the class {callback.__name__}, expected an object: {callback.__name__}()")
        if not any(callable(getattr(callback, event, None)) for event in EVENTS):
            raise TypeError(f"callbacks holds {callback!r}, which has none of the methods {', '.join(EVENTS)}")
    return [[getattr(callback, event) for callback in callbacks if hasattr(callback, event)] for event in EVENTS]
