"""Backpropagation for fully connected networks on CPUs, compiled by Numba from the index-form equations."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastbp import callbacks, reference, schedules
    from fastbp.activations import Activation
    from fastbp.base.network import Gradients
    from fastbp.bound import bind
    from fastbp.configuration import Configuration
    from fastbp.exceptions import DivergenceError, FormatError
    from fastbp.finding import find_binding
    from fastbp.gradcheck import check_gradients
    from fastbp.history import History
    from fastbp.lbfgs import fit_lbfgs
    from fastbp.losses import Loss
    from fastbp.network import Network
    from fastbp.optimizers import SGD, Adagrad, Adam, Adamax, AdamW, Lion, RMSProp
    from fastbp.precompile import warmup
    from fastbp.trainer import Trainer

    config = Configuration("")
    load = Network.load
    show_config = config.show

__version__ = "0.2.0"

__all__ = ["SGD", "Activation", "Adagrad", "Adam", "AdamW", "Adamax", "DivergenceError", "FormatError", "Gradients",
           "History", "Lion", "Loss", "Network", "RMSProp", "Trainer", "bind", "callbacks", "check_gradients", "config",
           "find_binding", "fit_lbfgs", "load", "reference", "schedules", "show_config", "warmup"]

# Where the names are that are not modules. They are imported when they are asked for: Numba takes half a second, and
# what needs no kernel yet, such as `fastbp.estimators`, does not wait for it.
_HOMES = {
    **dict.fromkeys(("SGD", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "RMSProp"), "optimizers"),
    "Activation": "activations", "Gradients": "base.network", "Configuration": "configuration", "History": "history",
    "Loss": "losses", "Network": "network", "Trainer": "trainer", "check_gradients": "gradcheck",
    "DivergenceError": "exceptions", "FormatError": "exceptions",
    "fit_lbfgs": "lbfgs", "warmup": "precompile", "bind": "bound", "find_binding": "finding",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"fastbp.{_HOMES[name]}"), name)
    elif name == "config":
        value = import_module("fastbp.configuration").Configuration(__version__)
    elif name == "show_config":
        value = import_module("fastbp").config.show
    elif name == "load":
        value = import_module("fastbp.network").Network.load
    elif not name.startswith("_") and find_spec(f"fastbp.{name}") is not None:
        value = import_module(f"fastbp.{name}")
    else:
        raise AttributeError(f"module 'fastbp' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
