"""Checkpoints: networks and trainers as named arrays and a description in JSON; `fastbp.io.reader` reads them.

A description names the functions of the tables. It holds no code, so functions of the user are passed again when a file
is read, by name, as `custom`. The arrays and the description lie in one file of `fastbp.io.safetensors`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from numpy.typing import NDArray

from fastbp.activations import ACTIVATIONS, SOFTMAX, Activation
from fastbp.history import table
from fastbp.io.generators import describe_generator
from fastbp.io.states import describe_states
from fastbp.io.strict_json import parse
from fastbp.losses import LOSSES, Loss
from fastbp.optimizers import OPTIMIZERS, Optimizer
from fastbp.schedules import SCHEDULES

#: 2 has a checksum, and the states of callbacks.
VERSION = 2
KEY = "fastbp"
#: Largest depth of the description in JSON; a warm-up of a warm-up has 6.
DEPTH = 12

KINDS: dict[type, Mapping[str, Any]] = {Activation: {**ACTIVATIONS, "softmax": SOFTMAX}, Loss: LOSSES}
OPTIMIZER_TYPES = {type(optimizer).__name__: type(optimizer) for optimizer in OPTIMIZERS.values()}
SCHEDULE_TYPES: dict[str, Any] = {schedule.__name__: schedule for schedule in SCHEDULES.values()}


def describe_network(network: Any) -> dict[str, Any]:
    """Return the description of a network: sizes, dtype, activations and loss.

    Parameters
    ----------
    network : Network
        Network of any implementation.

    Returns
    -------
    dict of str to object
        Values that JSON can hold.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> describe_network(Network([2, 1], output="sigmoid"))["activations"]
    [{'name': 'sigmoid'}]
    """
    return {
        "sizes": list(network.sizes),
        "dtype": network.dtype.name,
        "activations": [_spec(activation) for activation in network.activations],
        "loss": _spec(network.loss_function),
        "multilabel": network.multilabel,
    }


def describe_trainer(trainer: Any) -> dict[str, Any]:
    """Return the description of a trainer, without its network.

    Parameters
    ----------
    trainer : Trainer
        Trainer of any implementation.

    Returns
    -------
    dict of str to object
        Values that JSON can hold.

    Raises
    ------
    ValueError
        If the bit generator of the trainer is not one of NumPy's.
    TypeError
        If the state of a callback has something that a file cannot hold.
    """
    return {
        "optimizer": _optimizer(trainer.optimizer),
        "batch_size": trainer.batch_size,
        "shuffle": trainer.shuffle,
        "threads": trainer.threads,
        "regularization": asdict(trainer.regularization),
        "rng": describe_generator(trainer.rng),
        "steps": trainer.steps,
        "epochs": trainer.epochs,
        "history": list(trainer.history.history),
        "callbacks": describe_states(trainer.callback_states)[0],
    }


def metadata_of(description: Mapping[str, Any]) -> dict[str, str]:
    """Return a description as metadata of a file.

    Parameters
    ----------
    description : mapping of str to object
        Values that JSON can hold.

    Returns
    -------
    dict of str to str
        One string, under the name "fastbp".

    Raises
    ------
    ValueError
        If it is nested too deep, or has too many parts for its length, which the states of callbacks may.
    """
    text = json.dumps({"version": VERSION, **description}, allow_nan=False)
    parse(text, DEPTH)  # nothing is written that would not be read
    return {KEY: text}


def _spec(spec: Activation | Loss) -> dict[str, str]:
    """An activation or a loss by name."""
    known = KINDS[type(spec)].get(spec.name) == spec
    return {"name": spec.name} if known else {"custom": spec.name}


def _optimizer(optimizer: Optimizer) -> dict[str, Any]:
    if OPTIMIZER_TYPES.get(type(optimizer).__name__) is not type(optimizer):
        return {"custom": type(optimizer).__name__}
    numbers = {field.name: getattr(optimizer, field.name) for field in fields(optimizer)}
    return {"name": type(optimizer).__name__, "numbers": {name: _number(value) for name, value in numbers.items()}}


def _number(value: Any) -> Any:
    """A number, True or False, or a schedule of the learning rate."""
    if callable(value):
        if SCHEDULE_TYPES.get(type(value).__name__) is not type(value):
            return {"custom": "learning_rate"}
        numbers = {field.name: _number(getattr(value, field.name)) for field in fields(value)}
        return {"name": type(value).__name__, "numbers": numbers}
    return {"special": repr(float(value))} if not math.isfinite(value) else value


def trainer_arrays(trainer: Any) -> dict[str, NDArray[Any]]:
    """Return the arrays of a trainer by name, without those of its network.

    Parameters
    ----------
    trainer : Trainer
        Trainer of any implementation.

    Returns
    -------
    dict of str to ndarray
        State of the optimizer, columns of the history, arrays in the states of callbacks.

    Raises
    ------
    TypeError
        If the state of a callback has something that a file cannot hold.
    ValueError
        If the history is no table of numbers.
    """
    states = {f"optimizer.{k}": state for k, state in enumerate(trainer.optimizer_state)}
    columns = {f"history.{name}": values for name, values in table(trainer.history).items()}
    return states | columns | describe_states(trainer.callback_states)[1]
