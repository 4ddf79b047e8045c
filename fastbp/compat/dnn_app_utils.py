"""Functions of the deep-network week of deeplearning.ai's course: `dnn_app_utils_v2` and `v3`, samples as columns.

All functions are NumPy. The gradient of the inputs, dA0, is computed when somebody looks at it: it takes half the time
of a step on images, and training does not read it. It is that of W1 as it is then, if W1 is changed in place.
`L_layer_model` and `two_layer_model` go over to the kernels where they pay, are quicker and give the same numbers.

`np`, `plt` and `h5py` come with a star-import, as they do from the course's modules. Matplotlib and h5py are imported
when one of their names is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from fastbp.compat._columns import LaterDict, LaterModule, Parameters, descend, laid_out
from fastbp.compat._core import Array

__all__ = [
    "L_layer_model", "L_model_backward", "L_model_forward", "compute_cost", "h5py", "initialize_parameters",
    "initialize_parameters_deep", "linear_activation_backward", "linear_activation_forward", "linear_backward",
    "linear_forward", "load_data", "np", "plt", "predict", "print_mislabeled_images", "relu", "relu_backward",
    "sigmoid", "sigmoid_backward", "two_layer_model", "update_parameters",
]  # fmt: skip

plt: Any = LaterModule("matplotlib.pyplot")
h5py: Any = LaterModule("h5py")


# ------------------------------------------------------------------ activations
def sigmoid(Z: Array) -> tuple[Any, Array]:
    """Return 1 / (1 + exp(−Z)), and Z."""
    return 1 / (1 + np.exp(-Z)), Z


def relu(Z: Array) -> tuple[Any, Array]:
    """Return max(0, Z), and Z."""
    return np.maximum(0, Z), Z


def relu_backward(dA: Array, cache: Array) -> Array:
    """Return dZ of `relu`, whose slope at 0 is 0."""
    dZ = np.array(dA, copy=True)
    dZ[cache <= 0] = 0
    return dZ


def sigmoid_backward(dA: Array, cache: Array) -> Any:
    """Return dZ of `sigmoid`."""
    s = 1 / (1 + np.exp(-cache))
    return dA * s * (1 - s)


_FORWARD: dict[str, Callable[[Any], Any]] = {"sigmoid": sigmoid, "relu": relu}
_BACKWARD: dict[str, Callable[[Any, Any], Any]] = {"sigmoid": sigmoid_backward, "relu": relu_backward}


# ------------------------------------------------------------------ parameters
def initialize_parameters(n_x: int, n_h: int, n_y: int) -> Parameters:
    """Return W1, b1, W2, b2 of two layers: weights of deviation 0.01 after `np.random.seed(1)`, biases 0.

    Examples
    --------
    >>> [array.shape for array in initialize_parameters(3, 2, 1).values()]
    [(2, 3), (2, 1), (1, 2), (1, 1)]
    """
    return _initial((n_x, n_h, n_y), lambda n: 0.01, divides=False)  # noqa: ARG005


def initialize_parameters_deep(layer_dims: Sequence[int]) -> Parameters:
    """Return W1, b1, ...: weights of deviation 1/√n_in after `np.random.seed(1)`, biases 0.

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
    """Put new arrays W − η dW and b − η db into the dict, which is returned."""
    for l in range(1, len(parameters) // 2 + 1):
        parameters[f"W{l}"] = parameters[f"W{l}"] - learning_rate * grads[f"dW{l}"]
        parameters[f"b{l}"] = parameters[f"b{l}"] - learning_rate * grads[f"db{l}"]
    return parameters


# ------------------------------------------------------------------ forward
def linear_forward(A: Array, W: Array, b: Array) -> tuple[Any, tuple[Array, Array, Array]]:
    """Return Z = W A + b, and A, W, b."""
    return W.dot(A) + b, (A, W, b)


def linear_activation_forward(A_prev: Array, W: Array, b: Array, activation: str) -> tuple[Any, Any]:
    """Return A = g(W A_prev + b) of "sigmoid" or "relu", and what the way back needs."""
    Z, linear_cache = linear_forward(A_prev, W, b)
    A, activation_cache = _FORWARD[activation](Z)
    return A, (linear_cache, activation_cache)


def L_model_forward(X: Array, parameters: Parameters) -> tuple[Any, list[Any]]:
    """Return the outputs AL of relu layers and a sigmoid, and the caches of all layers.

    Examples
    --------
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
    """Return the mean cross-entropy of outputs and targets (1, m), of shape ()."""
    m = Y.shape[1]
    return np.squeeze((1.0 / m) * (-np.dot(Y, np.log(AL).T) - np.dot(1 - Y, np.log(1 - AL).T)))


# ------------------------------------------------------------------ backward
def linear_backward(dZ: Array, cache: Any) -> tuple[Any, Any, Any]:
    """Return dA_prev, dW and db of a layer."""
    return np.dot(cache[1].T, dZ), *_parameter_gradients(dZ, cache)


def _parameter_gradients(dZ: Array, cache: Any) -> tuple[Any, Any]:
    A_prev, m = cache[0], cache[0].shape[1]
    return 1.0 / m * np.dot(dZ, A_prev.T), 1.0 / m * dZ.sum(axis=1, keepdims=True)


def linear_activation_backward(dA: Array, cache: Any, activation: str) -> tuple[Any, Any, Any]:
    """Return dA_prev, dW and db of a layer with its activation, "sigmoid" or "relu"."""
    linear_cache, activation_cache = cache
    return linear_backward(_BACKWARD[activation](dA, activation_cache), linear_cache)


def L_model_backward(AL: Array, Y: Array, caches: Sequence[Any]) -> LaterDict:
    """Return the gradients dA0, dW1, db1, dA1, ... as a dict; dA0 is computed when it is looked at.

    Examples
    --------
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


# ------------------------------------------------------------------ models
def L_layer_model(
    X: Array, Y: Array, layers_dims: Sequence[int], learning_rate: float = 0.0075, num_iterations: int = 3000,
    print_cost: bool = False,
) -> Parameters:
    """Train relu layers and a sigmoid on all samples at once, and return the parameters.

    Nothing is drawn. `print_cost` prints a line every 100 updates.

    Examples
    --------
    >>> parameters = L_layer_model(np.eye(3), np.array([[0, 1, 1]]), [3, 2, 1], num_iterations=101, print_cost=True)
    Cost after iteration 0: 0.986738
    Cost after iteration 100: 0.823901
    """
    return _trained(initialize_parameters_deep(layers_dims), X, Y, learning_rate, num_iterations,
                    "Cost after iteration {}: {:f}" if print_cost else "")


def two_layer_model(
    X: Array, Y: Array, layers_dims: Sequence[int], learning_rate: float = 0.0075, num_iterations: int = 3000,
    print_cost: bool = False,
) -> Parameters:
    """Train a relu layer and a sigmoid on all samples at once, and return the parameters.

    Examples
    --------
    >>> parameters = two_layer_model(np.eye(3), np.array([[0, 1, 1]]), (3, 2, 1), num_iterations=1, print_cost=True)
    Cost after iteration 0: 0.6932...
    """
    return _trained(initialize_parameters(*layers_dims), X, Y, learning_rate, num_iterations,
                    "Cost after iteration {}: {}" if print_cost else "")


def _trained(parameters: Parameters, X: Any, Y: Any, rate: float, iterations: int, line: str) -> Parameters:
    X = laid_out(X, iterations)

    def step(parameters: Parameters) -> tuple[Any, Parameters]:
        AL, caches = L_model_forward(X, parameters)
        cost = compute_cost(AL, Y)
        return cost, update_parameters(dict(parameters), L_model_backward(AL, Y, caches), rate)

    def report(iteration: int, cost: Any) -> None:
        if line and iteration % 100 == 0:
            print(line.format(iteration, float(cost)))  # noqa: T201 - as the course's notebook does

    return descend(parameters, X, Y, "relu", rate, iterations, step, report)


# ------------------------------------------------------------------ data and results
def predict(X: Array, y: Array, parameters: Parameters) -> Array:
    """Return the labels (1, m) of samples, and print their accuracy.

    Examples
    --------
    >>> predict(np.zeros((4, 2)), np.array([[0, 0]]), initialize_parameters_deep([4, 3, 1]))
    Accuracy: 1.0
    array([[0., 0.]])
    """
    probabilities, _ = L_model_forward(X, parameters)
    p: Array = (probabilities > 0.5).astype(float)
    print(f"Accuracy: {np.sum((p == y) / X.shape[1])}")  # noqa: T201 - as the course's function does
    return p


def load_data() -> tuple[Array, Array, Array, Array, Array]:
    """Return the course's images of cats from the folder `datasets`, which the course gives: it needs h5py."""
    found = []
    for part in ("train", "test"):
        with h5py.File(f"datasets/{part}_catvnoncat.h5", "r") as file:
            found += [np.array(file[f"{part}_set_x"][:]), np.array(file[f"{part}_set_y"][:]).reshape(1, -1)]
            classes = np.array(file["list_classes"][:]) if part == "test" else None
    assert classes is not None
    return found[0], found[1], found[2], found[3], classes


def print_mislabeled_images(classes: Array, X: Array, y: Array, p: Array) -> None:
    """Draw the images of X (64·64·3, m) whose prediction is wrong."""
    wrong = np.flatnonzero(np.asarray(p + y) == 1)
    plt.rcParams["figure.figsize"] = (40.0, 40.0)
    for place, k in enumerate(wrong, start=1):
        plt.subplot(2, len(wrong), place)
        plt.imshow(X[:, k].reshape(64, 64, 3), interpolation="nearest")
        plt.axis("off")
        names = [classes[int(label[0, k])].decode("utf-8") for label in (p, y)]
        plt.title(f"Prediction: {names[0]} \n Class: {names[1]}")
