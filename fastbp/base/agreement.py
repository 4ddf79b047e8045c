"""What must be the same on all ranks of a job, and what rank 0 gives to the others when training begins."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np

from fastbp.base.network import BaseNetwork, Canonical
from fastbp.distributed.ranks import Ranks, checksum
from fastbp.optimizers import Optimizer

# Rows of the data that are compared.
_ROWS = 64


def network_facts(network: BaseNetwork) -> dict[str, Any]:
    """Return what the networks of all ranks have in common, by name."""
    return {
        "the version of fastbp": sys.modules["fastbp"].__version__,
        "the class of the network": type(network).__name__,
        "sizes": network.sizes,
        "dtype": network.dtype.name,
        "activation": tuple(activation.name for activation in network.activations),
        "loss": network.loss_function.name,
    }


def data_facts(data: Canonical | None) -> dict[str, Any]:
    """Return what tells whether all ranks have the same samples, without reading all of them."""
    if data is None:
        return {}
    X, Y, weight = data
    n = X.shape[0]
    rows = np.unique(np.linspace(0, n - 1, min(n, _ROWS)).astype(np.int64))
    sums = [None if part is None else checksum(part[rows]) for part in (X, Y, weight)]
    return {"the number of samples": n, f"the checksum of {len(rows)} samples (X, Y, sample_weight)": tuple(sums)}


def trainer_facts(trainer: Any) -> dict[str, Any]:
    """Return what the trainers of all ranks have in common, by name."""
    rules = asdict(trainer.regularization)
    rules.pop("dropout_seed")
    return {
        **network_facts(trainer.network),
        **trainer._machine(),
        **_optimizer_facts(trainer.optimizer),
        "batch_size": trainer.batch_size,
        "shuffle": trainer.shuffle,
        "the kind of rng": type(trainer.rng.bit_generator).__name__,
        **rules,
    }


def _optimizer_facts(optimizer: Optimizer) -> dict[str, Any]:
    numbers = {field.name: getattr(optimizer, field.name) for field in fields(optimizer)}
    comparable = {name: type(value).__name__ if callable(value) else value for name, value in numbers.items()}
    return {"optimizer": type(optimizer).__name__, **comparable}


def meet(trainer: Any, facts: dict[str, Any]) -> None:
    """Compare facts, those of the trainer and others, and give the state of rank 0 to all ranks.

    Raises
    ------
    ValueError
        If one of them differs between ranks: the message names it, the rank and both values.
    """
    ranks: Ranks = trainer._ranks
    ranks.meet(trainer_facts(trainer) | facts)
    state = ranks.from_first(_state_of(trainer) if ranks.is_first else {})
    if not ranks.is_first:
        _take_state(trainer, state)
    if trainer.network._limit != ranks.cores:
        trainer.network._limit = ranks.cores
    # a schedule may be any function, so what it gives is compared
    ranks.meet({"the learning rate": trainer.optimizer.rate(trainer.steps)})
    ranks.met = True


def _state_of(trainer: Any) -> dict[str, Any]:
    return {
        "parameters": np.array(trainer.network.parameters),
        "multilabel": trainer.network.multilabel,
        "optimizer_state": trainer.optimizer_state,
        "steps": trainer.steps,
        "epochs": trainer.epochs,
        "rng": trainer.rng.bit_generator.state,
        "dropout_seed": trainer.regularization.dropout_seed,
        "callbacks": trainer._loaded_states,
    }


def _take_state(trainer: Any, state: Mapping[str, Any]) -> None:
    network = trainer.network
    network.parameters[:] = state["parameters"]
    if network.multilabel != state["multilabel"]:
        network.multilabel = state["multilabel"]
    trainer.optimizer_state = state["optimizer_state"]
    trainer.steps, trainer.epochs = state["steps"], state["epochs"]
    trainer.rng.bit_generator.state = state["rng"]
    if trainer.regularization.dropout_seed != state["dropout_seed"]:
        trainer.regularization = replace(trainer.regularization, dropout_seed=state["dropout_seed"])
    vars(trainer).update(_loaded_states=state["callbacks"])
