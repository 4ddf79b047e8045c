"""The parameters of `dnn_app_utils`: first ones, and those after an update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastbp.compat._columns import Parameters


def initialize_parameters(n_x: int, n_h: int, n_y: int) -> Parameters:
    """Return W1, b1, W2, b2 of two layers: weights of deviation 0.01 after `np.random.seed(1)`, biases 0.

    Parameters
    ----------
    n_x, n_h, n_y : int
        Numbers of inputs, hidden neurons and outputs.

    Returns
    -------
    dict of str to ndarray
        W1, b1, W2, ...

    Examples
    --------
    >>> [array.shape for array in initialize_parameters(3, 2, 1).values()]
    [(2, 3), (2, 1), (1, 2), (1, 1)]
    """
    return _initial((n_x, n_h, n_y), lambda n: 0.01, divides=False)  # noqa: ARG005


def initialize_parameters_deep(layer_dims: Sequence[int]) -> Parameters:
    """Return W1, b1, ...: weights of deviation 1/√n_in after `np.random.seed(1)`, biases 0.

    Parameters
    ----------
    layer_dims : sequence of int
        Numbers of inputs, hidden neurons and outputs.

    Returns
    -------
    dict of str to ndarray
        W1, b1, W2, ...

    Examples
    --------
    >>> sorted(initialize_parameters_deep([4, 3, 1]))
    ['W1', 'W2', 'b1', 'b2']
    """
    return _initial(layer_dims, np.sqrt, divides=True)


def _initial(sizes: Sequence[int], deviation: Callable[[int], Any], *, divides: bool) -> Parameters:
    np.random.seed(1)  # noqa: NPY002 - the course's stream
    parameters: Parameters = {}
    for l in range(1, len(sizes)):
        W, scale = np.random.randn(sizes[l], sizes[l - 1]), deviation(sizes[l - 1])  # noqa: NPY002
        parameters[f"W{l}"] = W / scale if divides else W * scale
        parameters[f"b{l}"] = np.zeros((sizes[l], 1))
    return parameters


def update_parameters(parameters: Parameters, grads: Any, learning_rate: float) -> Parameters:
    """Put new arrays W − η dW and b − η db into the dict, which is returned.

    Parameters
    ----------
    parameters : dict of str to ndarray
        W1, b1, W2, ..., which is changed.
    grads : dict of str to ndarray
        Gradients dW1, db1, dW2, ...
    learning_rate : float
        Learning rate η.

    Returns
    -------
    dict of str to ndarray
        The same dict.

    Examples
    --------
    >>> update_parameters({"W1": np.ones((1, 1)), "b1": np.zeros((1, 1))}, {"dW1": 1.0, "db1": 1.0}, 0.5)
    {'W1': array([[0.5]]), 'b1': array([[-0.5]])}
    """
    for l in range(1, len(parameters) // 2 + 1):
        parameters[f"W{l}"] = parameters[f"W{l}"] - learning_rate * grads[f"dW{l}"]
        parameters[f"b{l}"] = parameters[f"b{l}"] - learning_rate * grads[f"db{l}"]
    return parameters
