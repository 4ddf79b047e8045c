"""What a trainer is: its settings, its optimizer's state, its file. `fastbp.base.trainer` trains it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from threading import Thread, current_thread
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from fastbp import canonical
from fastbp.base.network import BaseNetwork
from fastbp.base.session import Session
from fastbp.base.turns import draws
from fastbp.canonical import FloatArray
from fastbp.checks import MANY, check_count, check_truth, shortened, shown
from fastbp.distributed.alone import ALONE, Alone
from fastbp.distributed.communicator import ranks_of
from fastbp.distributed.ranks import Ranks
from fastbp.events import states_of
from fastbp.exceptions import FormatError
from fastbp.history import History
from fastbp.io import checkpoint, safetensors
from fastbp.io.reader import Reader, opened, restore_trainer
from fastbp.io.safetensors import Contents
from fastbp.io.states import State
from fastbp.losses import LOSSES
from fastbp.optimizers import SGD, Optimizer, check_rule, get_optimizer, how_to_change
from fastbp.paths import check_ending
from fastbp.regularization import Regularization

_DEFAULT_OPTIMIZER = SGD()


def _of_kind(name: str, kind: type, path: str) -> Callable[[Any], Any]:
    """A check that a value is of a kind, which users know by its path."""

    def checked(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be a {path}, got {shown(value)}")
        return value

    return checked


# What may be changed between two updates, and how it is checked.
_SETTERS: dict[str, Callable[[Any], Any]] = {
    "optimizer": get_optimizer,
    "batch_size": lambda value: check_count("batch_size", value, 1, MANY),
    "shuffle": lambda value: check_truth("shuffle", value),
    "threads": lambda value: None if value is None else check_count("threads", value, 1, MANY),
    "rng": canonical.generator,
    "regularization": _of_kind("regularization", Regularization, "fastbp.regularization.Regularization"),
    "epochs": lambda value: check_count("epochs", value, 0, MANY),
    "history": _of_kind("history", History, "fastbp.History"),
}
# What a session is made for: it is made anew where one of these changes.
_SHAPE_THE_SESSION = frozenset({"optimizer", "threads", "regularization"})


class TrainerState(ABC):
    """Settings and state of a trainer; see `fastbp.base.trainer.BaseTrainer`."""

    _networks: ClassVar[type[BaseNetwork]]  # what it trains
    _states: tuple[FloatArray, ...] | None = None  # where the next session begins; None: zeros
    _session: Session | None = None  # kept from call to call
    _callbacks: Sequence[Any] | None = None  # those of the last fit, and before it, the states of those of a file
    _loaded_states: Sequence[State] = ()
    _ranks: Alone | Ranks = ALONE

    def __init__(  # noqa: PLR0913 - hyper-parameters, each named where it is given
        self,
        network: BaseNetwork,
        optimizer: str | Optimizer = _DEFAULT_OPTIMIZER,
        batch_size: int = 32,
        shuffle: bool = True,
        threads: int | None = None,
        rng: Any = None,
        *,
        l1: float = 0.0,
        l2: float = 0.0,
        dropout: float = 0.0,
        max_norm: float | None = None,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        label_smoothing: float = 0.0,
        comm: Any = None,
    ) -> None:
        if not isinstance(network, self._networks):
            expected, found = (
                f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.").replace(".network.", ".")
                for kind in (self._networks, type(network))
            )
            raise TypeError(f"network must be a {expected}, got {shown(network)} ({found})")
        self.network = network
        self._fits_in: list[Thread] = []  # threads that are in the middle of a fit
        self._steps = np.zeros(1, np.int64)  # counted where the updates are made, so that no interruption miscounts
        self.epochs = 0
        self.optimizer = get_optimizer(optimizer)
        self.batch_size, self.shuffle, self.threads = batch_size, shuffle, threads
        self.rng = rng
        rules = Regularization(
            l1=l1, l2=l2, dropout=dropout, max_norm=max_norm, clip_value=clip_value, clip_norm=clip_norm,
            label_smoothing=label_smoothing,
        )  # fmt: skip
        if rules.label_smoothing and network.loss_function != LOSSES["cross_entropy"]:
            name = network.loss_function.name
            raise ValueError(f"label_smoothing is for the loss 'cross_entropy', the network has {shown(name)}")
        if rules.dropout:
            rules = replace(rules, dropout_seed=int(self.rng.integers(2**32, dtype=np.uint32)))
        self.regularization = rules
        self.history = History()
        self.comm = comm
        draws(self)

    # ------------------------------------------------------------------ what may be changed, and how
    def __setattr__(self, name: str, value: Any) -> None:
        if name == "network" and "network" in vars(self):
            raise AttributeError(f"network of a trainer cannot be changed; make a new {type(self).__name__}")
        if "optimizer" in vars(self) and name in {each.name for each in fields(self.optimizer)}:
            raise AttributeError(f"{name} is the optimizer's: {how_to_change(name, value, 'trainer.optimizer')}")
        if name == "stop_training":
            raise AttributeError("stop_training has no effect; a callback ends training by `return True`")
        if name in _SETTERS:
            value = _SETTERS[name](value)
        if name in _SHAPE_THE_SESSION and name in vars(self):
            # other numbers of one rule go on with its state, another rule begins anew
            begins_anew = name == "optimizer" and self.optimizer.formula() is not value.formula()
            states = None if begins_anew else self._current_states()
            vars(self).update(_states=states, _session=None)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in _SETTERS or name == "network" or name.startswith("_"):
            raise AttributeError(f"{name} of a trainer cannot be deleted")
        super().__delattr__(name)

    @property
    def comm(self) -> Any:
        """The communicator of the processes that train together, or None. Copies and files have none."""
        return self._ranks.comm

    @comm.setter
    def comm(self, comm: Any) -> None:
        if comm is not self.comm:
            vars(self).update(_states=self._current_states(), _session=None, _ranks=ranks_of(comm))

    @property
    def steps(self) -> int:
        """Updates made so far, over all fits."""
        return int(self._steps[0])

    @steps.setter
    def steps(self, count: int) -> None:
        self._steps[0] = check_count("steps", count, 0, MANY)

    @property
    def optimizer_state(self) -> tuple[FloatArray, ...]:
        """The numbers that the optimizer keeps for each parameter: read-only arrays laid out as the parameters.

        Assign a tuple of such arrays to change them.

        Raises
        ------
        ValueError
            If the assigned arrays are not as many as the rule keeps, or differ in shape from the parameters.
        """
        with self.network._turns.one_moment():
            states = self._current_states()
            if states is None:
                states = tuple(np.zeros_like(self.network._read()) for _ in range(self.optimizer.states))
        for state in states:
            state.flags.writeable = False
        return states

    @optimizer_state.setter
    def optimizer_state(self, states: Sequence[ArrayLike]) -> None:
        parameters, count = self.network._read(), self.optimizer.states
        try:
            arrays = tuple(np.array(state, parameters.dtype) for state in states)
        except (TypeError, ValueError, OverflowError) as error:
            expected = f"optimizer_state must be {count} arrays of {parameters.shape} numbers, got {shown(states)}"
            raise (ValueError if isinstance(error, OverflowError) else type(error))(expected) from None
        if len(arrays) != count or any(array.shape != parameters.shape for array in arrays):
            found = shortened(", ".join(str(array.shape) for array in arrays))
            raise ValueError(f"optimizer_state has the shapes {found}, expected {count} of {parameters.shape}")
        vars(self).update(_states=arrays, _session=None)

    def _current_states(self) -> tuple[FloatArray, ...] | None:
        return self._states if self._session is None else self._session.states()

    def _opened(self) -> Session:
        """The session, kept from call to call."""
        self.network._check_idle()
        self.network._settle()
        if not self.network._arrays.shown.flags.writeable:
            raise ValueError("the network's parameters are read-only; train net.copy()")
        session = self._session
        if session is None:
            check_rule(self.optimizer)
            states, shape = self.optimizer_state, self.network._read().shape
            if len(states) != self.optimizer.states or any(state.shape != shape for state in states):
                kept = f"{len(states)} states of {[state.size for state in states]} numbers"
                wanted = f"{self.optimizer.states} of {shape[0]}; make a new {type(self).__name__}"
                raise ValueError(f"the trainer keeps {kept}, and its optimizer wants {wanted}")
            session = self._open(states)
            vars(self).update(_states=None, _session=session)
        return session

    @property
    def callback_states(self) -> Sequence[State]:
        """Class name and state of each callback of the last fit, or of those of the file that was loaded.

        The next fit after an assignment gives them to its callbacks.
        """
        return self._loaded_states if self._callbacks is None else states_of(self._callbacks)

    @callback_states.setter
    def callback_states(self, states: Sequence[State]) -> None:
        try:
            loaded = [(str(name), dict(state)) for name, state in states]
        except (TypeError, ValueError) as error:
            expected = f"callback_states must be pairs of a class name and a dict, got {shown(states)}"
            raise type(error)(expected) from None
        vars(self).update(_callbacks=None, _loaded_states=loaded)

    def __getstate__(self) -> dict[str, Any]:
        # Callbacks may hold what cannot be pickled, and a copy is not the trainer that they belong to.
        if any(thread.is_alive() for thread in set(self._fits_in) - {current_thread()}):
            raise RuntimeError(
                "the trainer is in the middle of a fit in another thread, and a copy would have numbers of several "
                "moments; copy or pickle it in a callback, or call its save, which waits for the end of a minibatch"
            )
        with self.network._turns.one_moment():
            now = {"_states": self._current_states(), "_steps": self._steps.copy()}
            apart: dict[str, Any] = {"_session": None, "_ranks": ALONE, "_fits_in": [], "_callbacks": None}
            return {**vars(self), **now, **apart, "_loaded_states": self.callback_states}

    def __setstate__(self, state: dict[str, Any]) -> None:
        states = state["_states"]
        vars(self).update(state, _states=states if states is None else tuple(np.array(each) for each in states))
        draws(self)
        self._steps = np.array(self._steps)  # of a file that cannot be written, as the network's parameters

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trainer and its network to a file in safetensors layout.

        It holds the network, the optimizer, its state and schedule, the random numbers, the regularization, the
        history, and the states of the callbacks: what the best epoch was, for one. The callbacks themselves are passed
        to `fit` again. The file is written as a whole or not at all. Of several processes (`comm`) rank 0 writes it.
        While another thread trains, the file has the state after a minibatch, as after Ctrl-C.

        Parameters
        ----------
        path : str or path-like
            File to write. A file of this name is replaced. A leading ~ stands for the home folder.

        Raises
        ------
        OSError
            If the file cannot be written, or is a folder, a device or a pipe. A file of this name is then as before.
        TypeError
            If `path` is neither text nor path-like, or the state of a callback has what a file cannot hold.
        ValueError
            If `rng` is a generator whose state cannot be saved, there is too much in the states of callbacks, or `path`
            ends as the names of files of another kind, such as ".pkl".

        See Also
        --------
        fastbp.callbacks.ModelCheckpoint : Save during training.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from fastbp.reference import Network, Trainer
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "run.safetensors"
        ...     Trainer(Network([1, 2], rng=0), "adam").save(path)
        ...     path.exists()
        True
        """
        if not self._ranks.is_first:
            return
        network, path = self.network, check_ending(path)
        with network._turns.one_moment():
            description = checkpoint.describe_network(network) | {"trainer": checkpoint.describe_trainer(self)}
            arrays = network._named(network._copied()) | checkpoint.trainer_arrays(self)
        safetensors.write(path, arrays, checkpoint.metadata_of(description))

    @classmethod
    def load(cls, path: str | os.PathLike[str], custom: Mapping[str, Any] | None = None, comm: Any = None) -> Self:
        """Return the trainer that `save` wrote, with its network as `network`.

        If it was saved between epochs, `fit` continues to the same bits as training without interruption.

        Parameters
        ----------
        path : str or path-like
            File to read. It is checked, and no code is loaded from it.
        custom : mapping of str to objects, optional
            What is not fastbp's own: activations and losses by name, an optimizer by the name of its class, and a
            function that gives the learning rate as "learning_rate".
        comm : communicator, optional
            Processes that train together from now on. They may be more or fewer than those that wrote the file, which
            all of them read.

        Returns
        -------
        Trainer
            Trainer in the state of the saved one.

        Raises
        ------
        OSError
            If the file cannot be read, or is a folder, a device or a pipe.
        FormatError
            If the file is damaged, was written by a newer fastbp or another library, or holds no trainer, or if
            `custom` lacks a name. It is a ValueError.
        TypeError
            If `path` or an entry of `custom` is of the wrong type.

        Notes
        -----
        `fastbp.callbacks.ModelCheckpoint` saves between epochs, and so does a call of `save` after a fit. The epochs
        that remain are those planned minus ``trainer.epochs``. `history` is that of the saved fit until the next one,
        and the two can be added.

        Examples
        --------
        >>> import tempfile
        >>> from fastbp.reference import Network, Trainer
        >>> trainer = Trainer(Network([1, 2], rng=0), "adam", rng=0)
        >>> history = trainer.fit([[0.0], [1.0]], [0, 1], epochs=3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     trainer.save(folder + "/run.safetensors")
        ...     again = Trainer.load(folder + "/run.safetensors")
        >>> history += again.fit([[0.0], [1.0]], [0, 1], epochs=10 - again.epochs)
        >>> len(history.loss)
        10
        """
        with opened(path, custom) as (reader, contents):
            trainer = cls._from_file(reader, contents)
        trainer.comm = comm
        return trainer

    @classmethod
    def _from_file(cls, reader: Reader, contents: Contents) -> Self:
        if "trainer" not in reader:
            raise FormatError("it holds a network and no trainer: read it by fastbp.load")
        network = cls._networks._from_file(reader, contents)
        reader = reader.part("trainer")
        threads, rules = reader.get("threads", (int, type(None))), asdict(reader.regularization())
        rules.pop("dropout_seed")
        counts = reader.get("batch_size", int), reader.get("shuffle", bool), threads
        # The rules are checked against the network here, and come with their seed after that.
        trainer = cls(network, reader.optimizer(), *counts, **rules)
        restore_trainer(trainer, reader, contents.arrays)
        return trainer

    def _machine(self) -> dict[str, Any]:
        """What of the machine must be the same on all ranks, by name."""
        return {}

    @abstractmethod
    def _open(self, states: Sequence[FloatArray]) -> Session:
        """Return a session of this network, optimizer and regularization that begins with these states."""

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.network!r}, optimizer={self.optimizer!r}, batch_size={self.batch_size}, "
            f"shuffle={self.shuffle}, threads={self.threads}"
            + "".join(f", {name}={value!r}" for name, value in self.regularization.active.items())
            + ")"
        )
