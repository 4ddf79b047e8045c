"""A failed fit leaves the estimator as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["undone_by_errors"]


@contextmanager
def undone_by_errors(mlp: Any) -> Iterator[None]:
    """Give an estimator back its attributes and parameters if what is done to it raises an exception.

    The optimizer's state is not copied: where updates are undone, the next ``partial_fit`` begins with a new one.

    Parameters
    ----------
    mlp : BaseMLP
        Estimator that is changed.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> mlp = SimpleNamespace(_network=None, _trainer=None, n_features_in_=3)
    >>> try:
    ...     with undone_by_errors(mlp):
    ...         mlp.n_features_in_, mlp.classes_ = 4, [0, 1]
    ...         raise ValueError
    ... except ValueError:
    ...     print(mlp.n_features_in_, hasattr(mlp, "classes_"))
    3 False
    """
    before = {name: value.copy() if type(value) is list else value for name, value in vars(mlp).items()}
    network, trainer = mlp._network, mlp._trainer
    parameters = None if network is None else network._copied()
    steps = None if trainer is None else trainer.steps
    try:
        yield
    except BaseException:
        vars(mlp).clear()
        vars(mlp).update(before)
        if network is not None:
            network.parameters[:] = parameters
        if trainer is not None and trainer.steps != steps:
            mlp._trainer = None
        raise
