"""Checkpoints: networks and trainers as named arrays and a description in JSON, and back.

A description names the functions of the tables. It holds no code, so functions of the user are passed again when a file
is read, by name, as `custom`. The arrays and the description lie in one file of `fastbp.io.safetensors`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import asdict, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.activations import ACTIVATIONS, SOFTMAX, Activation
from fastbp.checks import check_count
from fastbp.history import History
from fastbp.io.safetensors import parse
from fastbp.losses import LOSSES, Loss
from fastbp.optimizers import OPTIMIZERS, Optimizer
from fastbp.regularization import Regularization
from fastbp.schedules import SCHEDULES

VERSION = 1
KEY = "fastbp"
_DEPTH = 12  # largest depth of the description in JSON; a warm-up of a warm-up has 6

_KINDS: dict[type, Mapping[str, Any]] = {Activation: {**ACTIVATIONS, "softmax": SOFTMAX}, Loss: LOSSES}
_OPTIMIZERS = {type(optimizer).__name__: type(optimizer) for optimizer in OPTIMIZERS.values()}
_SCHEDULES: dict[str, Any] = {schedule.__name__: schedule for schedule in SCHEDULES.values()}
_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")

Custom = Mapping[str, Any]
Arrays = Mapping[str, NDArray[Any]]


# ------------------------------------------------------------------ to a file
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
    """
    return {
        "optimizer": _optimizer(trainer.optimizer),
        "batch_size": trainer.batch_size,
        "shuffle": trainer.shuffle,
        "threads": trainer.threads,
        "regularization": asdict(trainer.regularization),
        "rng": _generator(trainer.rng),
        "steps": trainer.steps,
        "epochs": trainer.epochs,
        "history": list(trainer.history.history),
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
    """
    return {KEY: json.dumps({"version": VERSION, **description}, allow_nan=False)}


def _spec(spec: Activation | Loss) -> dict[str, str]:
    """An activation or a loss by name."""
    known = _KINDS[type(spec)].get(spec.name) == spec
    return {"name": spec.name} if known else {"custom": spec.name}


def _optimizer(optimizer: Optimizer) -> dict[str, Any]:
    if _OPTIMIZERS.get(type(optimizer).__name__) is not type(optimizer):
        return {"custom": type(optimizer).__name__}
    numbers = {field.name: getattr(optimizer, field.name) for field in fields(optimizer)}
    return {"name": type(optimizer).__name__, "numbers": {name: _number(value) for name, value in numbers.items()}}


def _number(value: Any) -> Any:
    """A number, True or False, or a schedule of the learning rate."""
    if callable(value):
        if _SCHEDULES.get(type(value).__name__) is not type(value):
            return {"custom": "learning_rate"}
        name = type(value).__name__
        return {"name": name, "numbers": {f.name: _number(getattr(value, f.name)) for f in fields(_SCHEDULES[name])}}
    return {"special": repr(float(value))} if not math.isfinite(value) else value


def _generator(rng: np.random.Generator) -> dict[str, Any]:
    name = type(rng.bit_generator).__name__
    if name not in _GENERATORS:
        raise ValueError(f"rng is a {name}, which cannot be saved; take one of {', '.join(_GENERATORS)}")
    state: dict[str, Any] = _plain(rng.bit_generator.state)
    return state


def _plain(value: Any) -> Any:
    """The state of a generator, with lists for arrays and Python's numbers for NumPy's."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


# ------------------------------------------------------------------ from a file
class Reader:
    """Reader of the description in a file, which checks each item.

    Its methods return the items as fastbp's objects. They raise ValueError if an item is missing, has another type or
    has a value out of range, and TypeError if an entry of `custom` has another type.

    Parameters
    ----------
    metadata : mapping of str to str
        Metadata of the file.
    custom : mapping of str to object
        Objects of the user: activations and losses by name, the optimizer by the name of its class, the function of the
        learning rate as "learning_rate".

    Raises
    ------
    ValueError
        If there is no description, or one of a newer version.

    Examples
    --------
    >>> Reader({"fastbp": '{"version": 1, "sizes": [2, 1]}'}, {}).sizes()
    (2, 1)
    """

    def __init__(self, metadata: Mapping[str, str], custom: Custom) -> None:
        if KEY not in metadata:
            raise ValueError("it has no description of a network; was it written by another library?")
        self._items = parse(metadata[KEY], _DEPTH)
        self._custom = custom
        version = self._items.get("version") if isinstance(self._items, dict) else None
        if type(version) is not int or version < 1:
            raise ValueError("its description has no version")
        if version > VERSION:
            raise ValueError(f"its format has version {version}, this fastbp knows {VERSION}: install a newer one")

    def part(self, name: str) -> Reader:
        """Return a reader of the items inside the item `name`."""
        part = copy(self)
        part._items = self.get(name, dict)
        return part

    def __contains__(self, name: str) -> bool:
        return name in self._items

    def get(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """Return the item `name`, which must have the type `kind`."""
        return _checked(self._items, name, kind)

    def sizes(self) -> tuple[int, ...]:
        """Return the sizes n_0, ..., n_L."""
        sizes = self.get("sizes", list)
        if len(sizes) < 2 or not all(type(size) is int and size > 0 for size in sizes):
            raise ValueError(f"sizes are {sizes!r}")
        return tuple(sizes)

    def n_parameters(self) -> int:
        """Return the number of parameters of a network of these sizes."""
        return sum(n_out * (n_in + 1) for n_in, n_out in pairwise(self.sizes()))

    def activations(self) -> list[Activation]:
        """Return the activations of layers 1..L."""
        specs = [self._spec(entry, Activation) for entry in self.get("activations", list)]
        if len(specs) != len(self.sizes()) - 1:
            raise ValueError(f"there are {len(specs)} activations for {len(self.sizes()) - 1} layers")
        return specs

    def loss(self) -> Loss:
        """Return the loss."""
        loss: Loss = self._spec(self.get("loss", dict), Loss)
        return loss

    def optimizer(self) -> Optimizer:
        """Return the optimizer, with its schedule in the state that was saved."""
        entry = self.get("optimizer", dict)
        if "custom" in entry:
            return self._own(entry, Optimizer, "the optimizer")  # type: ignore[no-any-return]
        optimizer: Optimizer = self._rebuilt(entry, _OPTIMIZERS)
        return optimizer

    def regularization(self) -> Regularization:
        """Return the regularisation and clipping of a trainer."""
        entry = self.get("regularization", dict)
        try:
            return Regularization(**entry)
        except TypeError as error:
            raise ValueError(f"regularization: {error}") from None

    def generator(self) -> np.random.Generator:
        """Return the generator of random numbers, in the state that was saved."""
        state = self.get("rng", dict)
        name = _checked(state, "bit_generator", str)
        if name not in _GENERATORS:
            raise ValueError(f"rng is a {name!r}")
        bits = getattr(np.random, name)()
        try:
            bits.state = _arrays(state)
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"rng has no state of {name}: {error}") from None
        return np.random.Generator(bits)

    def _spec(self, entry: Any, kind: type) -> Any:
        if isinstance(entry, dict) and "custom" in entry:
            return self._own(entry, kind, f"a custom {kind.__name__.lower()}")
        name = _checked(entry, "name", str)
        if name not in _KINDS[kind]:
            raise ValueError(f"{kind.__name__.lower()} {name!r} is unknown")
        return _KINDS[kind][name]

    def _own(self, entry: Mapping[str, Any], kind: Any, what: str) -> Any:
        """The object in `custom` that an entry names."""
        name = _checked(entry, "custom", str)
        if name not in self._custom:
            expected = "a function of the step" if kind is Callable else f"fastbp.{kind.__name__}(...)"
            raise ValueError(f"{what} is not in the file, which holds no code: pass custom={{{name!r}: {expected}}}")
        own = self._custom[name]
        if not (callable(own) if kind is Callable else isinstance(own, kind)):
            raise TypeError(f"custom[{name!r}] is {own!r}, expected {what}")
        return own

    def _rebuilt(self, entry: Mapping[str, Any], table: Mapping[str, type]) -> Any:
        """An optimizer or a schedule from its numbers, which include the state of a plateau."""
        name = _checked(entry, "name", str)
        if name not in table:
            raise ValueError(f"{name!r} is unknown")
        numbers = {key: self._number(value) for key, value in _checked(entry, "numbers", dict).items()}
        known = fields(table[name])
        if numbers.keys() != {field.name for field in known}:
            raise ValueError(f"{name} has the numbers {', '.join(numbers)}")
        try:
            made = table[name](**{field.name: numbers[field.name] for field in known if field.init})
        except TypeError as error:
            raise ValueError(f"{name}: {error}") from None
        for field in known:
            if not field.init:
                if isinstance(numbers[field.name], bool) or not isinstance(numbers[field.name], (int, float)):
                    raise ValueError(f"{name}: {field.name} is {numbers[field.name]!r}")
                setattr(made, field.name, numbers[field.name])
        return made

    def _number(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "custom" in value:
            return self._own(value, Callable, "the function that gives the learning rate")
        if "special" in value:
            return float(_checked(value, "special", str))
        return self._rebuilt(value, _SCHEDULES)


def _checked(items: Any, name: str, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(items, dict) or name not in items:
        raise ValueError(f"{name!r} is missing")
    value = items[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name!r} is {value!r}")
    return value


def _arrays(value: Any) -> Any:
    """The state of a generator, with arrays for lists, as NumPy takes it."""
    if isinstance(value, dict):
        return {key: _arrays(item) for key, item in value.items()}
    return np.array(value, np.uint64) if isinstance(value, list) else value


def trainer_arrays(trainer: Any) -> dict[str, NDArray[Any]]:
    """Return the arrays of a trainer by name, without those of its network.

    Parameters
    ----------
    trainer : Trainer
        Trainer of any implementation.

    Returns
    -------
    dict of str to ndarray
        State of the optimizer, and columns of the history.
    """
    states = {f"optimizer.{k}": state for k, state in enumerate(trainer.optimizer_state)}
    return states | {f"history.{name}": values for name, values in trainer.history.items()}


def restore_trainer(trainer: Any, reader: Reader, arrays: Arrays) -> None:
    """Give a new trainer the state that is in a file.

    Parameters
    ----------
    trainer : Trainer
        New trainer, which is changed.
    reader : Reader
        Reader of the trainer's description.
    arrays : mapping of str to ndarray
        Arrays of the file.

    Raises
    ------
    ValueError, TypeError
        If the description is incomplete, or the arrays do not fit it.
    """
    trainer.rng, trainer.regularization = reader.generator(), reader.regularization()
    trainer.steps, trainer.epochs = (check_count(name, reader.get(name, int), 0) for name in ("steps", "epochs"))
    states = {f"optimizer.{k}": state for k, state in enumerate(trainer.optimizer_state)}
    columns = {f"history.{name}": name for name in reader.get("history", list)}
    n_epochs = max((array.size for name, array in arrays.items() if name in columns), default=0)
    expected = {name: (state.shape, state.dtype) for name, state in states.items()}
    expected |= dict.fromkeys(columns, ((n_epochs,), np.dtype(np.float64)))
    rest = {name: array for name, array in arrays.items() if not name.startswith("layers.")}
    same_names(rest, expected)
    trainer.optimizer_state = [rest[name] for name in states]
    trainer.history = History({column: rest[name].tolist() for name, column in columns.items()})


def same_names(arrays: Arrays, expected: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> None:
    """Check that arrays have exactly the expected names, shapes and dtypes.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays of a file.
    expected : mapping of str to (shape, dtype)
        Shape and dtype of each array by name.

    Raises
    ------
    ValueError
        If an array is missing, is too many, or has another shape or dtype.

    Examples
    --------
    >>> same_names({"b": np.zeros(2)}, {"b": ((3,), np.dtype(np.float64))})
    Traceback (most recent call last):
    ValueError: 'b' is (2,) of float64, expected (3,) of float64
    """
    if arrays.keys() != expected.keys():
        strange = ", ".join(sorted(arrays.keys() ^ expected.keys()))
        raise ValueError(f"its arrays differ from its description: {strange}")
    for name, (shape, dtype) in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            found = f"{arrays[name].shape} of {arrays[name].dtype}"
            raise ValueError(f"{name!r} is {found}, expected {shape} of {dtype}")
