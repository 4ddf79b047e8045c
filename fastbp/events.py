"""What callbacks are told, and what they remember. The usual ones are in `fastbp.callbacks`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fastbp.checks import listed, shown
from fastbp.exceptions import DivergenceError

EVENTS = ("on_train_begin", "on_epoch_end", "on_checkpoint", "on_divergence", "on_train_end")


class Callback:
    """Base class of callbacks, whose methods do nothing.

    Examples
    --------
    >>> class PrintEveryTenth(Callback):
    ...     def on_epoch_end(self, trainer, epoch, logs):
    ...         if epoch % 10 == 0:
    ...             print(epoch, round(logs["loss"], 3))
    >>> from fastbp.reference import Network, Trainer
    >>> trainer = Trainer(Network([1, 2], init="zeros"), "sgd")
    >>> history = trainer.fit([[0.0], [0.0]], [0, 1], epochs=10, callbacks=[PrintEveryTenth()])
    10 0.693
    """

    #: Whether `on_checkpoint` comes before that of the others. A file of the best epoch is written before one of the
    #: last epoch, which says that it has been written.
    saves_first = False

    #: Whether the callback writes files: of several processes that train together only rank 0 calls it.
    writes = False

    def on_train_begin(self, trainer: Any) -> None:
        """Act before the first epoch of a fit.

        Parameters
        ----------
        trainer : Trainer
            The trainer. The parameters of its network may be changed.
        """

    def on_epoch_end(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> bool | None:
        """Act after an epoch.

        Parameters
        ----------
        trainer : Trainer
            The trainer. Its network, optimizer state and history are current, and must not be changed.
        epoch : int
            Epoch of this fit, counted from 1. The attribute ``trainer.epochs`` counts over all fits.
        logs : mapping of str to float
            What `History` has of this epoch.

        Returns
        -------
        bool or None
            True ends training after the other callbacks have been called. Whatever is not True or False is ignored.
        """

    def on_checkpoint(self, trainer: Any, epoch: int, logs: Mapping[str, float]) -> None:
        """Save the trainer after an epoch, when all callbacks have seen it, so that the file has their current states.

        Parameters
        ----------
        trainer : Trainer
            The trainer, which must not be changed.
        epoch : int
            Epoch of this fit, counted from 1.
        logs : mapping of str to float
            What `History` has of this epoch.
        """

    def on_divergence(self, trainer: Any, error: DivergenceError) -> bool | None:
        """Act on a loss that is not finite.

        Parameters
        ----------
        trainer : Trainer
            The trainer.
        error : DivergenceError
            Error that the fit is about to raise. It names epoch, learning rate and a remedy.

        Returns
        -------
        bool or None
            True ends training without the error. Whatever is not True or False is ignored.
        """

    def on_train_end(self, trainer: Any) -> None:
        """Act at the end of a fit, also after an error or Ctrl-C.

        Parameters
        ----------
        trainer : Trainer
            The trainer. The parameters of its network may be changed.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return what a later process must know to go on, which is part of the files that a trainer saves.

        Returns
        -------
        dict of str to object
            None, booleans, numbers, text, lists and dicts of them, and arrays of float64, float32, int64 or uint8. It
            is empty if there is nothing to know.

        Examples
        --------
        >>> class CountEpochs(Callback):
        ...     n_epochs = 0
        ...
        ...     def on_epoch_end(self, trainer, epoch, logs):
        ...         self.n_epochs += 1
        ...
        ...     def state_dict(self):
        ...         return {"n_epochs": self.n_epochs}
        ...
        ...     def load_state_dict(self, state):
        ...         self.n_epochs = int(state["n_epochs"])
        >>> CountEpochs().state_dict()
        {'n_epochs': 0}
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state. It is called before `on_train_begin` in the first fit of a trainer that was loaded.

        Parameters
        ----------
        state : dict of str to object
            What `state_dict` of a callback of the same class returned. It comes from a file, so it is checked.
        """


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


def checked(callbacks: Iterable[Any]) -> list[Any]:
    """Return callbacks as a list.

    Parameters
    ----------
    callbacks : iterable of objects
        Objects with some of the methods of `Callback`.

    Returns
    -------
    list of objects
        The callbacks.

    Raises
    ------
    TypeError
        If `callbacks` is not an iterable, or holds a class or an object without any of these methods.

    Examples
    --------
    >>> len(checked((Callback(), Callback())))
    2
    """
    callbacks = listed("callbacks", callbacks, "callbacks")
    for callback in callbacks:
        if isinstance(callback, type):
            raise TypeError(f"callbacks holds the class {callback.__name__}, expected an object: {callback.__name__}()")
        if not any(callable(getattr(callback, event, None)) for event in EVENTS):
            raise TypeError(f"callbacks holds {shown(callback)}, which has none of the methods {', '.join(EVENTS)}")
    return callbacks


def methods(callbacks: Iterable[Any], event: str) -> list[Callable[..., Any]]:
    """Return the methods of callbacks for an event.

    Parameters
    ----------
    callbacks : iterable of objects
        Callbacks, as from `checked`.
    event : str
        One of the `EVENTS`.

    Returns
    -------
    list of callable
        The methods of the callbacks that have one, in their order; those that save first before the others.

    Examples
    --------
    >>> len(methods([Callback(), object()], "on_epoch_end"))
    1
    """
    found: list[Callable[..., Any]] = []
    first = 0
    for callback in callbacks:
        method = getattr(callback, event, None)
        if callable(method):
            saves_first = event == "on_checkpoint" and getattr(callback, "saves_first", False)
            found.insert(first if saves_first else len(found), method)
            first += saves_first
    return found


def call_each(functions: Sequence[Callable[[Any], Any]], argument: Any) -> None:
    """Call all functions, in their order, whatever the others do; the last error is raised.

    Parameters
    ----------
    functions : sequence of callable
        Functions of one argument.
    argument : object
        What each is called with.

    Examples
    --------
    >>> found = []
    >>> call_each([found.append, lambda x: 1 / 0, found.append], 3)
    Traceback (most recent call last):
    ZeroDivisionError: division by zero
    >>> found
    [3, 3]
    """
    if functions:
        try:
            functions[0](argument)
        finally:
            call_each(functions[1:], argument)


def states_of(callbacks: Iterable[Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the class name and the state of each callback that has one.

    Parameters
    ----------
    callbacks : iterable of objects
        Callbacks of a fit.

    Returns
    -------
    list of (str, dict)
        Names and states, in their order.

    Examples
    --------
    >>> states_of([Callback()])
    [('Callback', {})]
    """
    return [(type(callback).__name__, dict(callback.state_dict())) for callback in callbacks if _has_state(callback)]


def load_states(callbacks: Iterable[Any], states: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Let callbacks go on from states: the first of a class from the first state of this class, and so on.

    Parameters
    ----------
    callbacks : iterable of objects
        Callbacks of a fit.
    states : sequence of (str, dict)
        Names and states, as from `states_of`.

    Examples
    --------
    >>> load_states([Callback()], [("Callback", {})])
    """
    left = list(states)
    for callback in callbacks:
        own = next((state for state in left if state[0] == type(callback).__name__), None)
        if own is not None and _has_state(callback):
            left.remove(own)
            if own[1]:
                callback.load_state_dict(own[1])


def _has_state(callback: Any) -> bool:
    return hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")
