"""Functions of the planar-data week of deeplearning.ai's course, those of its notebook too; samples as columns.

All functions are NumPy. `nn_model` goes over to the kernels where they pay, are quicker and give the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastbp.compat._columns import LaterModule, Parameters, descend
from fastbp.compat._core import Array

__all__ = [
    "backward_propagation", "compute_cost", "forward_propagation", "initialize_parameters", "layer_sizes",
    "load_extra_datasets", "load_planar_dataset", "nn_model", "np", "plot_decision_boundary", "plt", "predict",
    "sigmoid", "update_parameters",
]  # fmt: skip

plt: Any = LaterModule("matplotlib.pyplot")


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(−x)).

    Parameters
    ----------
    x : float or ndarray
        Weighted inputs.

    Returns
    -------
    float or ndarray
        Activations.

    Examples
    --------
    >>> float(sigmoid(0.0))
    0.5
    """
    return 1 / (1 + np.exp(-x))


# ------------------------------------------------------------------ data
def load_planar_dataset() -> tuple[Array, Array]:
    """Return the flower: X (2, 400) and labels (1, 400), of `np.random.seed(1)`.

    Returns
    -------
    X : ndarray (2, 400)
        Places.
    Y : ndarray (1, 400)
        Labels.

    Examples
    --------
    >>> X, Y = load_planar_dataset()
    >>> X.shape, Y.shape, Y.dtype
    ((2, 400), (1, 400), dtype('uint8'))
    """
    np.random.seed(1)  # noqa: NPY002 - the course's stream
    m, half, length = 400, 200, 4
    X, Y = np.zeros((m, 2)), np.zeros((m, 1), dtype="uint8")
    for label in range(2):
        part = range(half * label, half * (label + 1))
        angle = np.linspace(label * 3.12, (label + 1) * 3.12, half) + np.random.randn(half) * 0.2  # noqa: NPY002
        radius = length * np.sin(4 * angle) + np.random.randn(half) * 0.2  # noqa: NPY002
        X[part] = np.c_[radius * np.sin(angle), radius * np.cos(angle)]
        Y[part] = label
    return X.T, Y.T


def load_extra_datasets() -> tuple[Any, ...]:
    """Return circles, moons, blobs, quantiles and noise of 200 samples each: it needs scikit-learn.

    Returns
    -------
    tuple
        Five pairs of places and labels.

    Examples
    --------
    >>> len(load_extra_datasets())
    5
    """
    from sklearn import datasets

    n = 200
    circles = datasets.make_circles(n_samples=n, factor=0.5, noise=0.3)
    moons = datasets.make_moons(n_samples=n, noise=0.2)
    blobs = datasets.make_blobs(n_samples=n, random_state=5, n_features=2, centers=6)
    quantiles = datasets.make_gaussian_quantiles(mean=None, cov=0.5, n_samples=n, n_features=2, n_classes=2,
                                                 shuffle=True, random_state=None)
    return circles, moons, blobs, quantiles, (np.random.rand(n, 2), np.random.rand(n, 2))  # noqa: NPY002


def plot_decision_boundary(model: Callable[[Array], Array], X: Array, y: Array) -> None:
    """Draw what a function of rows (k, 2) predicts around the samples X (2, m), and the samples.

    Parameters
    ----------
    model : callable
        Function of rows (k, 2).
    X : ndarray (2, m)
        Places.
    y : ndarray (1, m)
        Labels.

    Examples
    --------
    >>> plot_decision_boundary(lambda rows: rows[:, 0] > 0, np.zeros((2, 3)), np.zeros((1, 3)))
    """
    low, high = X.min(axis=1) - 1, X.max(axis=1) + 1
    xx, yy = np.meshgrid(np.arange(low[0], high[0], 0.01), np.arange(low[1], high[1], 0.01))
    plt.contourf(xx, yy, model(np.c_[xx.ravel(), yy.ravel()]).reshape(xx.shape), cmap=plt.cm.Spectral)
    plt.ylabel("x2")
    plt.xlabel("x1")
    plt.scatter(X[0, :], X[1, :], c=np.ravel(y), cmap=plt.cm.Spectral)


# ------------------------------------------------------------------ one hidden layer
def layer_sizes(X: Array, Y: Array) -> tuple[int, int, int]:
    """Return the numbers of inputs, of hidden neurons, which is 4, and of outputs.

    Parameters
    ----------
    X : ndarray (n_x, m)
        Inputs.
    Y : ndarray (n_y, m)
        Targets.

    Returns
    -------
    n_x : int
        Number of inputs.
    n_h : int
        Number of hidden neurons.
    n_y : int
        Number of outputs.

    Examples
    --------
    >>> layer_sizes(np.zeros((2, 9)), np.zeros((1, 9)))
    (2, 4, 1)
    """
    return X.shape[0], 4, Y.shape[0]


def initialize_parameters(n_x: int, n_h: int, n_y: int) -> Parameters:
    """Return W1, b1, W2, b2: weights of deviation 0.01 after `np.random.seed(2)`, biases 0.

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
    >>> [array.shape for array in initialize_parameters(2, 4, 1).values()]
    [(4, 2), (4, 1), (1, 4), (1, 1)]
    """
    np.random.seed(2)  # noqa: NPY002 - the course's stream
    W1, W2 = np.random.randn(n_h, n_x) * 0.01, np.random.randn(n_y, n_h) * 0.01  # noqa: NPY002
    return {"W1": W1, "b1": np.zeros((n_h, 1)), "W2": W2, "b2": np.zeros((n_y, 1))}


def forward_propagation(X: Array, parameters: Parameters) -> tuple[Any, dict[str, Any]]:
    """Return A2 = σ(W2 tanh(W1 X + b1) + b2), and Z1, A1, Z2, A2.

    Parameters
    ----------
    X : ndarray (n_0, m)
        Inputs.
    parameters : dict of str to ndarray
        W1, b1, W2, ...

    Returns
    -------
    A2 : ndarray (n_y, m)
        Outputs.
    cache : dict of str to ndarray
        Z1, A1, Z2, A2.

    Examples
    --------
    >>> A2, cache = forward_propagation(np.zeros((2, 3)), initialize_parameters(2, 4, 1))
    >>> A2
    array([[0.5, 0.5, 0.5]])
    """
    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = np.tanh(Z1)
    Z2 = np.dot(parameters["W2"], A1) + parameters["b2"]
    A2 = sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def compute_cost(A2: Array, Y: Array, parameters: Parameters | None = None) -> float:  # noqa: ARG001
    """Return the mean cross-entropy of outputs and targets (1, m).

    Parameters
    ----------
    A2, Y : ndarray (1, m)
        Outputs and targets.
    parameters : dict, optional
        Makes no difference.

    Returns
    -------
    float
        Cost.

    Examples
    --------
    >>> round(compute_cost(np.full((1, 2), 0.5), np.array([[0, 1]])), 6)
    0.693147
    """
    logprobs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
    return float(np.squeeze(-np.sum(logprobs) / Y.shape[1]))


def backward_propagation(parameters: Parameters, cache: dict[str, Any], X: Array, Y: Array) -> dict[str, Any]:
    """Return the gradients dW1, db1, dW2, db2.

    Parameters
    ----------
    parameters : dict of str to ndarray
        W1, b1, W2, b2.
    cache : dict of str to ndarray
        As from `forward_propagation`.
    X : ndarray (n_x, m)
        Inputs.
    Y : ndarray (n_y, m)
        Targets.

    Returns
    -------
    dict of str to ndarray
        Gradients.

    Examples
    --------
    >>> parameters, X = initialize_parameters(2, 4, 1), np.zeros((2, 3))
    >>> sorted(backward_propagation(parameters, forward_propagation(X, parameters)[1], X, np.ones((1, 3))))
    ['dW1', 'dW2', 'db1', 'db2']
    """
    m, A1 = X.shape[1], cache["A1"]
    dZ2 = cache["A2"] - Y
    dZ1 = np.dot(parameters["W2"].T, dZ2) * (1 - np.power(A1, 2))
    return {"dW1": np.dot(dZ1, X.T) / m, "db1": np.sum(dZ1, axis=1, keepdims=True) / m,
            "dW2": np.dot(dZ2, A1.T) / m, "db2": np.sum(dZ2, axis=1, keepdims=True) / m}


def update_parameters(parameters: Parameters, grads: dict[str, Any], learning_rate: float = 1.2) -> Parameters:
    """Return new arrays W − η dW and b − η db in a new dict.

    Parameters
    ----------
    parameters : dict of str to ndarray
        W1, b1, W2, b2.
    grads : dict of str to ndarray
        Gradients dW1, db1, dW2, db2.
    learning_rate : float
        Learning rate η.

    Returns
    -------
    dict of str to ndarray
        New parameters.

    Examples
    --------
    >>> update_parameters({"W1": 1.0}, {"dW1": 0.5})
    {'W1': 0.4}
    """
    return {name: value - learning_rate * grads[f"d{name}"] for name, value in parameters.items()}


def nn_model(X: Array, Y: Array, n_h: int, num_iterations: int = 10000, print_cost: bool = False) -> Parameters:
    """Train a hidden layer of `n_h` neurons on all samples at once at the rate 1.2, and return the parameters.

    Parameters
    ----------
    X : ndarray (n_x, m)
        Inputs.
    Y : ndarray (n_y, m)
        Targets.
    n_h : int
        Number of hidden neurons.
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
    >>> X, Y = load_planar_dataset()
    >>> parameters = nn_model(X, Y, 4, num_iterations=1001, print_cost=True)
    Cost after iteration 0: 0.693048
    Cost after iteration 1000: 0.288083
    """
    np.random.seed(3)  # noqa: NPY002 - the course's stream
    n_x, _, n_y = layer_sizes(X, Y)

    def step(parameters: Parameters) -> tuple[Any, Parameters]:
        A2, cache = forward_propagation(X, parameters)
        return compute_cost(A2, Y), update_parameters(parameters, backward_propagation(parameters, cache, X, Y))

    def report(iteration: int, cost: Any) -> None:
        if print_cost and iteration % 1000 == 0:
            print(f"Cost after iteration {iteration}: {cost:f}")  # noqa: T201 - as the course's notebook does

    return descend(initialize_parameters(n_x, n_h, n_y), X, Y, "tanh", 1.2, num_iterations, step, report)


def predict(parameters: Parameters, X: Array) -> Any:
    """Return whether the outputs of samples are above ½, (1, m).

    Parameters
    ----------
    parameters : dict of str to ndarray
        W1, b1, W2, b2.
    X : ndarray (n_x, m)
        Inputs.

    Returns
    -------
    ndarray of bool (n_y, m)
        Predictions.

    Examples
    --------
    >>> predict(initialize_parameters(2, 4, 1), np.zeros((2, 2)))
    array([[False, False]])
    """
    return forward_propagation(X, parameters)[0] > 0.5
