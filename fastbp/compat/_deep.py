"""The pieces of `dnn_app_utils`: activations, the way forward and the way back, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from fastbp.compat._columns import LaterDict, Parameters
from fastbp.compat._core import Array


# ------------------------------------------------------------------ activations
def sigmoid(Z: Array) -> tuple[Any, Array]:
    """Return 1 / (1 + exp(−Z)), and Z.

    Parameters
    ----------
    Z : ndarray
        Weighted inputs.

    Returns
    -------
    A : ndarray
        Activations.
    cache : ndarray
        Z.

    Examples
    --------
    >>> A, cache = sigmoid(np.zeros((1, 2)))
    >>> A
    array([[0.5, 0.5]])
    """
    return 1 / (1 + np.exp(-Z)), Z


def relu(Z: Array) -> tuple[Any, Array]:
    """Return max(0, Z), and Z.

    Parameters
    ----------
    Z : ndarray
        Weighted inputs.

    Returns
    -------
    A : ndarray
        Activations.
    cache : ndarray
        Z.

    Examples
    --------
    >>> A, cache = relu(np.array([[-1.0, 2.0]]))
    >>> A
    array([[0., 2.]])
    """
    return np.maximum(0, Z), Z


def relu_backward(dA: Array, cache: Array) -> Array:
    """Return dZ of `relu`, whose slope at 0 is 0.

    Parameters
    ----------
    dA : ndarray
        Derivative by the activations.
    cache : ndarray
        Z, as the way forward gave it.

    Returns
    -------
    ndarray
        Derivative by Z.

    Examples
    --------
    >>> relu_backward(np.ones((1, 2)), np.array([[-1.0, 2.0]]))
    array([[0., 1.]])
    """
    dZ = np.array(dA, copy=True)
    dZ[cache <= 0] = 0
    return dZ


def sigmoid_backward(dA: Array, cache: Array) -> Any:
    """Return dZ of `sigmoid`.

    Parameters
    ----------
    dA : ndarray
        Derivative by the activations.
    cache : ndarray
        Z, as the way forward gave it.

    Returns
    -------
    ndarray
        Derivative by Z.

    Examples
    --------
    >>> sigmoid_backward(np.ones((1, 1)), np.zeros((1, 1)))
    array([[0.25]])
    """
    s = 1 / (1 + np.exp(-cache))
    return dA * s * (1 - s)


_FORWARD: dict[str, Callable[[Any], Any]] = {"sigmoid": sigmoid, "relu": relu}
_BACKWARD: dict[str, Callable[[Any, Any], Any]] = {"sigmoid": sigmoid_backward, "relu": relu_backward}


# ------------------------------------------------------------------ forward
def linear_forward(A: Array, W: Array, b: Array) -> tuple[Any, tuple[Array, Array, Array]]:
    """Return Z = W A + b, and A, W, b.

    Parameters
    ----------
    A : ndarray (n_in, m)
        Activations before.
    W : ndarray (n_out, n_in)
        Weights.
    b : ndarray (n_out, 1)
        Biases.

    Returns
    -------
    Z : ndarray (n_out, m)
        Weighted inputs.
    cache : tuple
        A, W, b.

    Examples
    --------
    >>> Z, cache = linear_forward(np.ones((2, 3)), np.ones((1, 2)), np.zeros((1, 1)))
    >>> Z
    array([[2., 2., 2.]])
    """
    return W.dot(A) + b, (A, W, b)


def linear_activation_forward(A_prev: Array, W: Array, b: Array, activation: str) -> tuple[Any, Any]:
    """Return A = g(W A_prev + b) of "sigmoid" or "relu", and what the way back needs.

    Parameters
    ----------
    A_prev : ndarray (n_in, m)
        Activations before.
    W : ndarray (n_out, n_in)
        Weights.
    b : ndarray (n_out, 1)
        Biases.
    activation : str
        "sigmoid" or "relu".

    Returns
    -------
    A : ndarray (n_out, m)
        Activations.
    cache : tuple
        Caches of both steps.

    Examples
    --------
    >>> A, cache = linear_activation_forward(np.ones((2, 3)), -np.ones((1, 2)), np.zeros((1, 1)), "relu")
    >>> A
    array([[0., 0., 0.]])
    """
    Z, linear_cache = linear_forward(A_prev, W, b)
    A, activation_cache = _FORWARD[activation](Z)
    return A, (linear_cache, activation_cache)


def L_model_forward(X: Array, parameters: Parameters) -> tuple[Any, list[Any]]:
    """Return the outputs AL of relu layers and a sigmoid, and the caches of all layers.

    Parameters
    ----------
    X : ndarray (n_0, m)
        Inputs.
    parameters : dict of str to ndarray
        W1, b1, W2, ...

    Returns
    -------
    AL : ndarray (n_L, m)
        Outputs.
    caches : list
        Caches of the layers.

    Examples
    --------
    >>> from fastbp.compat.dnn_app_utils import initialize_parameters_deep
    >>> AL, caches = L_model_forward(np.zeros((4, 5)), initialize_parameters_deep([4, 3, 1]))
    >>> AL.shape, len(caches)
    ((1, 5), 2)
    """
    A, caches, L = X, [], len(parameters) // 2
    for l in range(1, L + 1):
        activation = "relu" if l < L else "sigmoid"
        A, cache = linear_activation_forward(A, parameters[f"W{l}"], parameters[f"b{l}"], activation)
        caches.append(cache)
    return A, caches


def compute_cost(AL: Array, Y: Array) -> Any:
    """Return the mean cross-entropy of outputs and targets (1, m), of shape ().

    Parameters
    ----------
    AL, Y : ndarray (1, m)
        Outputs and targets.

    Returns
    -------
    ndarray ()
        Cost.

    Examples
    --------
    >>> round(float(compute_cost(np.full((1, 2), 0.5), np.array([[0, 1]]))), 6)
    0.693147
    """
    m = Y.shape[1]
    return np.squeeze((1.0 / m) * (-np.dot(Y, np.log(AL).T) - np.dot(1 - Y, np.log(1 - AL).T)))


# ------------------------------------------------------------------ backward
def linear_backward(dZ: Array, cache: Any) -> tuple[Any, Any, Any]:
    """Return dA_prev, dW and db of a layer.

    Parameters
    ----------
    dZ : ndarray (n_out, m)
        Derivative by Z.
    cache : tuple
        A, W, b.

    Returns
    -------
    dA_prev : ndarray (n_in, m)
        Derivative by the activations before.
    dW : ndarray (n_out, n_in)
        Derivative by the weights.
    db : ndarray (n_out, 1)
        Derivative by the biases.

    Examples
    --------
    >>> _, cache = linear_forward(np.ones((2, 3)), np.ones((1, 2)), np.zeros((1, 1)))
    >>> linear_backward(np.ones((1, 3)), cache)[1:]
    (array([[1., 1.]]), array([[1.]]))
    """
    return np.dot(cache[1].T, dZ), *_parameter_gradients(dZ, cache)


def _parameter_gradients(dZ: Array, cache: Any) -> tuple[Any, Any]:
    A_prev, m = cache[0], cache[0].shape[1]
    return 1.0 / m * np.dot(dZ, A_prev.T), 1.0 / m * dZ.sum(axis=1, keepdims=True)


def linear_activation_backward(dA: Array, cache: Any, activation: str) -> tuple[Any, Any, Any]:
    """Return dA_prev, dW and db of a layer with its activation, "sigmoid" or "relu".

    Parameters
    ----------
    dA : ndarray (n_out, m)
        Derivative by the activations.
    cache : tuple
        Caches of the layer.
    activation : str
        "sigmoid" or "relu".

    Returns
    -------
    dA_prev : ndarray (n_in, m)
        Derivative by the activations before.
    dW : ndarray (n_out, n_in)
        Derivative by the weights.
    db : ndarray (n_out, 1)
        Derivative by the biases.

    Examples
    --------
    >>> _, cache = linear_activation_forward(np.ones((2, 3)), np.ones((1, 2)), np.zeros((1, 1)), "relu")
    >>> linear_activation_backward(np.ones((1, 3)), cache, "relu")[1]
    array([[1., 1.]])
    """
    linear_cache, activation_cache = cache
    return linear_backward(_BACKWARD[activation](dA, activation_cache), linear_cache)


def L_model_backward(AL: Array, Y: Array, caches: Sequence[Any]) -> LaterDict:
    """Return the gradients dA0, dW1, db1, dA1, ... as a dict; dA0 is computed when it is looked at.

    Parameters
    ----------
    AL, Y : ndarray (n_L, m)
        Outputs and targets.
    caches : list
        Caches of the layers.

    Returns
    -------
    dict of str to ndarray
        Gradients.

    Examples
    --------
    >>> from fastbp.compat.dnn_app_utils import initialize_parameters_deep
    >>> AL, caches = L_model_forward(np.ones((4, 5)), initialize_parameters_deep([4, 3, 1]))
    >>> grads = L_model_backward(AL, np.ones((1, 5)), caches)
    >>> sorted(grads), grads["dA0"].shape
    (['dA0', 'dA1', 'dW1', 'dW2', 'db1', 'db2'], (4, 5))
    """
    L, Y = len(caches), Y.reshape(AL.shape)
    dA = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    values: list[tuple[str, Any]] = []
    later: dict[str, Callable[[], Any]] = {}
    for l in range(L, 0, -1):
        linear_cache, Z = caches[l - 1]
        dZ = _BACKWARD["sigmoid" if l == L else "relu"](dA, Z)
        dW, db = _parameter_gradients(dZ, linear_cache)
        values += [(f"dW{l}", dW), (f"db{l}", db)]
        if l == 1:
            later["dA0"] = partial(np.dot, linear_cache[1].T, dZ)
        else:
            dA = np.dot(linear_cache[1].T, dZ)
            values.append((f"dA{l - 1}", dA))
    return LaterDict(values, later)
