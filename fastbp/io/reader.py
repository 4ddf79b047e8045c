"""Networks and trainers from the files that `fastbp.io.checkpoint` describes; whatever is in a file is checked."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import fields
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastbp import canonical
from fastbp.activations import Activation
from fastbp.checks import MANY, check_count, check_number, shown
from fastbp.exceptions import FormatError
from fastbp.history import History
from fastbp.io.checkpoint import DEPTH, KEY, KINDS, OPTIMIZER_TYPES, SCHEDULE_TYPES, VERSION
from fastbp.io.generators import make_generator
from fastbp.io.safetensors import CHECKSUM, DAMAGE, NOT_OURS, Contents
from fastbp.io.states import restore_states, special
from fastbp.io.strict_json import parse, require, short
from fastbp.kernels.runtime import whole_files
from fastbp.losses import Loss
from fastbp.optimizers import Optimizer
from fastbp.paths import check_path, reading_hint
from fastbp.regularization import Regularization

Custom = Mapping[str, Any]
Arrays = Mapping[str, NDArray[Any]]
# The states, by their places, that are means, sums or maxima of squares or of absolute values.
_SQUARES = {"RMSProp": (0,), "Adagrad": (0,), "Adam": (1, 2), "AdamW": (1, 2), "Adamax": (1,)}


class CustomError(TypeError):
    """An entry of `custom` is of the wrong type: the caller's mistake, not the file's."""


@contextmanager
def opened(path: str | os.PathLike[str], custom: Custom | None) -> Iterator[tuple[Reader, Contents]]:
    """Open a file for reading; whatever is wrong with it, here or inside the block, is one FormatError.

    Parameters
    ----------
    path : str or path-like
        The file.
    custom : mapping of str to object, optional
        Objects of the user, as for `Reader`.

    Yields
    ------
    reader : Reader
        Reader of the description.
    contents : Contents
        The arrays.

    Raises
    ------
    OSError
        If the file cannot be read, or is not a plain file.
    TypeError
        If `path` is neither text nor path-like, or an entry of `custom` is of the wrong type.
    FormatError
        If the file is damaged or foreign. The message names the file and the reason.
    """
    if not isinstance(custom, (Mapping, type(None))):
        raise TypeError(f"custom must be a dict of functions and objects by name, got {shown(custom)}")
    with open(whole_files.open_plain(check_path(path)), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        with decoded(file, size, custom, repr(os.fspath(path)), reading_hint(path)) as found:
            yield found


@contextmanager
def decoded(
    file: BinaryIO, size: int, custom: Custom | None, where: str, hint: str = ""
) -> Iterator[tuple[Reader, Contents]]:
    """Read an open file, as `opened` does.

    Parameters
    ----------
    file : binary file
        File at its beginning.
    size : int
        Its size in bytes.
    custom : mapping of str to object, optional
        Objects of the user, as for `Reader`.
    where : str
        Name of the file in messages.
    hint : str
        End of the message about a file of another kind.

    Yields
    ------
    reader : Reader
        Reader of the description.
    contents : Contents
        The arrays.

    Raises
    ------
    CustomError
        If an entry of `custom` is of the wrong type.
    FormatError
        If the file is damaged or foreign.
    """
    foreign = " is not a file of fastbp, or damaged"
    try:
        contents = Contents(file, size, KEY)
        foreign = hint = ""
        yield Reader(contents.metadata, custom or {}), contents
    except CustomError:
        raise
    except DAMAGE as error:
        raise FormatError(f"{where}{foreign}: {error}{hint}") from None


class Reader:
    """Reader of the description in a file, which checks each item.

    Its methods return the items as fastbp's objects. They raise ValueError if an item is missing, has another type or
    has a value out of range, and CustomError if an entry of `custom` has another type. Where they raise something else,
    `opened` makes it a FormatError, too.

    Parameters
    ----------
    metadata : mapping of str to str
        Metadata of the file.
    custom : mapping of str to object
        Objects of the user: activations and losses by name, the optimizer by the name of its class, the function of the
        learning rate as "learning_rate".

    Raises
    ------
    FormatError, ValueError
        If there is no description, or one of a newer version.

    Examples
    --------
    >>> Reader({"fastbp": '{"version": 1, "sizes": [2, 1]}'}, {}).sizes()
    (2, 1)
    """

    def __init__(self, metadata: Mapping[str, str], custom: Custom) -> None:
        require(KEY in metadata, NOT_OURS)
        self._items = parse(metadata[KEY], DEPTH)
        self._custom = custom
        version = self._items.get("version") if isinstance(self._items, dict) else None
        if type(version) is not int or version < 1:
            raise FormatError("its description has no version")
        known = f"this fastbp knows {VERSION}"
        require(version <= VERSION, f"its format has version {version}, {known}: install a newer one")
        # A checksum that is lost is damage, too; files of version 1 have none.
        require(version < 2 or CHECKSUM in metadata, "its checksum is missing")

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
            raise FormatError(f"sizes are {short(sizes)}")
        return tuple(sizes)

    def dtype(self) -> np.dtype[Any]:
        """Return the type of the parameters."""
        name = self.get("dtype", str)
        require(name in ("float32", "float64"), f"'dtype' is {short(name)}")
        return canonical.float_type(name)

    def n_parameters(self) -> int:
        """Return the number of parameters of a network of these sizes."""
        return sum(n_out * (n_in + 1) for n_in, n_out in pairwise(self.sizes()))

    def activations(self) -> list[Activation]:
        """Return the activations of layers 1..L."""
        specs = [self._spec(entry, Activation) for entry in self.get("activations", list)]
        if len(specs) != len(self.sizes()) - 1:
            raise FormatError(f"there are {len(specs)} activations for {len(self.sizes()) - 1} layers")
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
        optimizer: Optimizer = self._rebuilt(entry, OPTIMIZER_TYPES)
        return optimizer

    def regularization(self) -> Regularization:
        """Return the regularisation and clipping of a trainer."""
        entry = self.get("regularization", dict)
        known = {field.name for field in fields(Regularization)}
        require(entry.keys() == known, f"regularization has {short(sorted(entry.keys() ^ known))} too many or too few")
        return Regularization(**entry)

    def generator(self) -> np.random.Generator:
        """Return the generator of random numbers, in the state that was saved."""
        return make_generator(self.get("rng", dict))

    def _spec(self, entry: Any, kind: type) -> Any:
        if isinstance(entry, dict) and "custom" in entry:
            return self._own(entry, kind, f"a custom {kind.__name__.lower()}")
        name = _checked(entry, "name", str)
        require(name in KINDS[kind], f"{kind.__name__.lower()} {short(name)} is unknown")
        return KINDS[kind][name]

    def _own(self, entry: Mapping[str, Any], kind: Any, what: str) -> Any:
        """The object in `custom` that an entry names."""
        name = _checked(entry, "custom", str)
        if name not in self._custom:
            expected = "a function of the step" if kind is Callable else f"fastbp.{kind.__name__}(...)"
            hint = f"pass custom={{{short(name)}: {expected}}}"
            raise FormatError(f"{what} is not in the file, which holds no code: {hint}")
        own = self._custom[name]
        if not (callable(own) if kind is Callable else isinstance(own, kind)):
            raise CustomError(f"custom[{short(name)}] is {shown(own)}, expected {what}")
        return own

    def _rebuilt(self, entry: Mapping[str, Any], table: Mapping[str, type]) -> Any:
        """An optimizer or a schedule from its numbers, which include the state of a plateau."""
        name = _checked(entry, "name", str)
        require(name in table, f"{short(name)} is unknown")
        numbers = {key: self._number(value) for key, value in _checked(entry, "numbers", dict).items()}
        known = fields(table[name])
        require(numbers.keys() == {field.name for field in known}, f"{name} has the numbers {short(sorted(numbers))}")
        made = table[name](**{field.name: numbers[field.name] for field in known if field.init})
        state = {field.name: numbers[field.name] for field in known if not field.init}
        for key, value in state.items():
            setattr(made, key, value)
        if state:
            _check_plateau(made)
        return made

    def _number(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "custom" in value:
            return self._own(value, Callable, "the function that gives the learning rate")
        if "special" in value:
            return special(value["special"])
        return self._rebuilt(value, SCHEDULE_TYPES)


def _checked(items: Any, name: str, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(items, dict) or name not in items:
        raise FormatError(f"{name!r} is missing")
    value = items[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise FormatError(f"{name!r} is {short(value)}")
    return value


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
    trainer.steps, trainer.epochs = (reader.get(name, int) for name in ("steps", "epochs"))
    names = reader.get("history", list)
    columns = {name: arrays[f"history.{name}"] for name in names if isinstance(name, str)}
    require(len(columns) == len(names), f"'history' is {short(names)}")
    parts: dict[str, dict[str, NDArray[Any]]] = {"layers": {}, "optimizer": {}, "history": {}, "callbacks": {}}
    for name, array in arrays.items():
        parts.get(name.partition(".")[0], parts["optimizer"])[name] = array
    shapes = {f"history.{name}": ((column.size,), np.dtype(float)) for name, column in columns.items()}
    same_names(parts["history"], shapes)
    trainer.history = _history(columns)
    states = {f"optimizer.{k}": state for k, state in enumerate(trainer.optimizer_state)}
    same_names(parts["optimizer"], {name: (state.shape, state.dtype) for name, state in states.items()})
    _check_states(trainer.optimizer, [parts["optimizer"][name] for name in states])
    trainer.optimizer_state = [parts["optimizer"][name] for name in states]
    described = reader.get("callbacks", list) if "callbacks" in reader else []
    trainer.callback_states = restore_states(described, parts["callbacks"])


def _history(columns: Arrays) -> History:
    """The history of whole epochs: older files may have one whose last epoch was interrupted between two columns."""
    n_epochs = min((column.size for column in columns.values()), default=0)
    for name in columns:
        require(name.isprintable() and not hasattr(History, name), f"'history' has a column {short(name)}")
    return History({name: column[:n_epochs].tolist() for name, column in columns.items()})


def _check_states(optimizer: Optimizer, states: Sequence[NDArray[Any]]) -> None:
    """Refuse means of squares below 0, which have no root. Numbers that are not finite are kept, as weights are."""
    name = type(optimizer).__name__
    if OPTIMIZER_TYPES.get(name) is type(optimizer):
        for k in set(_SQUARES.get(name, ())) & set(range(len(states))):
            require(not (states[k] < 0).any(), f"'optimizer.{k}' of {name} has numbers below 0")


def _check_plateau(schedule: Any) -> None:
    """Refuse a state that is none of a `ReduceOnPlateau`; what a user may have set is kept."""
    name = type(schedule).__name__
    check_number(f"rate of {name}", schedule.rate, 0.0)
    check_count(f"waited of {name}", schedule.waited, 0, MANY)
    best = schedule.best
    require(type(best) in (int, float) and not math.isnan(best), f"best of {name} is {short(best)}")


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
    FormatError
        If an array is missing, is too many, or has another shape or dtype.

    Examples
    --------
    >>> same_names({"b": np.zeros(2)}, {"b": ((3,), np.dtype(np.float64))})
    Traceback (most recent call last):
    fastbp.exceptions.FormatError: 'b' is (2,) of float64, expected (3,) of float64
    """
    if arrays.keys() != expected.keys():
        strange = ", ".join(sorted(arrays.keys() ^ expected.keys()))
        raise FormatError(f"its arrays differ from its description: {short(strange)}")
    for name, (shape, dtype) in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            found = f"{arrays[name].shape} of {arrays[name].dtype}"
            raise FormatError(f"{name!r} is {found}, expected {shape} of {dtype}")
