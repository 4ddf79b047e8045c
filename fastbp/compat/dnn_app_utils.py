"""Functions of the deep-network week of deeplearning.ai's course: `dnn_app_utils_v2` and `v3`, samples as columns.

All functions are NumPy. The gradient of the inputs, dA0, is computed when somebody looks at it: it takes half the time
of a step on images, and training does not read it. It is that of W1 as it is then, if W1 is changed in place.
`L_layer_model` and `two_layer_model` go over to the kernels where they pay, are quicker and give the same numbers.

`np`, `plt` and `h5py` come with a star-import, as they do from the course's modules. Matplotlib and h5py are imported
when one of their names is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from fastbp.compat._columns import LaterModule, Parameters, descend, laid_out
from fastbp.compat._core import Array
from fastbp.compat._deep import (
    L_model_backward,
    L_model_forward,
    compute_cost,
    linear_activation_backward,
    linear_activation_forward,
    linear_backward,
    linear_forward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
)
from fastbp.compat._deep_parameters import initialize_parameters, initialize_parameters_deep, update_parameters

__all__ = [
    "L_layer_model", "L_model_backward", "L_model_forward", "compute_cost", "h5py", "initialize_parameters",
    "initialize_parameters_deep", "linear_activation_backward", "linear_activation_forward", "linear_backward",
    "linear_forward", "load_data", "np", "plt", "predict", "print_mislabeled_images", "relu", "relu_backward",
    "sigmoid", "sigmoid_backward", "two_layer_model", "update_parameters",
]  # fmt: skip

plt: Any = LaterModule("matplotlib.pyplot")
h5py: Any = LaterModule("h5py")


# ------------------------------------------------------------------ models
def L_layer_model(
    X: Array, Y: Array, layers_dims: Sequence[int], learning_rate: float = 0.0075, num_iterations: int = 3000,
    print_cost: bool = False,
) -> Parameters:
    """Train relu layers and a sigmoid on all samples at once, and return the parameters.

    Nothing is drawn. `print_cost` prints a line every 100 updates.

    Parameters
    ----------
    X : ndarray (n_0, m)
        Inputs.
    Y : ndarray (1, m)
        Targets.
    layers_dims : sequence of int
        Numbers of inputs, hidden neurons and outputs.
    learning_rate : float
        Learning rate.
    num_iterations : int
        Number of updates.
    print_cost : bool
        Whether to print costs.

    Returns
    -------
    dict of str to ndarray
        W1, b1, W2, ...

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

    Parameters
    ----------
    X : ndarray (n_0, m)
        Inputs.
    Y : ndarray (1, m)
        Targets.
    layers_dims : sequence of int
        Numbers of inputs, hidden neurons and outputs.
    learning_rate : float
        Learning rate.
    num_iterations : int
        Number of updates.
    print_cost : bool
        Whether to print costs.

    Returns
    -------
    dict of str to ndarray
        W1, b1, W2, ...

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

    Parameters
    ----------
    X : ndarray (n_0, m)
        Inputs.
    y : ndarray (1, m)
        Labels.
    parameters : dict of str to ndarray
        W1, b1, W2, ...

    Returns
    -------
    ndarray (1, m)
        Predicted labels, 0 or 1.

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
    """Return the course's images of cats from the folder `datasets`, which the course gives: it needs h5py.

    Returns
    -------
    train_x, train_y : ndarray
        Images (209, 64, 64, 3) and labels (1, 209).
    test_x, test_y : ndarray
        Images and labels to test.
    classes : ndarray
        Names of the labels.

    Examples
    --------
    >>> try:
    ...     train_x, train_y, test_x, test_y, classes = load_data()
    ... except (ImportError, OSError):
    ...     print("no h5py, or no folder of this name")
    no h5py, or no folder of this name
    """
    found, opened = [], import_module("h5py").File
    for part in ("train", "test"):
        with opened(f"datasets/{part}_catvnoncat.h5", "r") as file:
            found += [np.array(file[f"{part}_set_x"][:]), np.array(file[f"{part}_set_y"][:]).reshape(1, -1)]
            if part == "test":
                found.append(np.array(file["list_classes"][:]))
    return found[0], found[1], found[2], found[3], found[4]


def print_mislabeled_images(classes: Array, X: Array, y: Array, p: Array) -> None:
    """Draw the images of X (64·64·3, m) whose prediction is wrong.

    Parameters
    ----------
    classes : ndarray
        Names of the labels.
    X : ndarray (12288, m)
        Images.
    y, p : ndarray (1, m)
        Labels and predictions.

    Examples
    --------
    >>> print_mislabeled_images(np.array([b'no', b'yes']), np.zeros((12288, 2)), np.zeros((1, 2)), np.zeros((1, 2)))
    """
    wrong = np.flatnonzero(np.asarray(p + y) == 1)
    plt.rcParams["figure.figsize"] = (40.0, 40.0)
    for place, k in enumerate(wrong, start=1):
        plt.subplot(2, len(wrong), place)
        plt.imshow(X[:, k].reshape(64, 64, 3), interpolation="nearest")
        plt.axis("off")
        names = [classes[int(label[0, k])].decode("utf-8") for label in (p, y)]
        plt.title(f"Prediction: {names[0]} \n Class: {names[1]}")
