"""Networks of other libraries, and back: functions of `fastbp.io`. Those of files are in `fastbp.files`.

No function imports more than it needs: PyTorch for `to_torch`, scikit-learn for `to_sklearn`, nothing for the others.

Notes
-----
A network from another library computes the same outputs, and so does the way back. What cannot be carried over is a
ValueError that names the layer. A layer without biases gets biases of 0, which training changes. Dropout has no effect
on outputs, and is a trainer's: give its ``dropout``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.canonical import FloatArray
from fastbp.io import keras, pytorch, scikit_learn
from fastbp.io.stack import Stack, stack_of
from fastbp.network import Network

__all__ = ["from_keras", "from_sklearn", "from_torch", "to_keras", "to_sklearn", "to_torch"]

Names = str | Sequence[str]


def network_of(stack: Stack, loss: str | None) -> Network:
    """Return a network of these layers; its loss is the one given, or known, or usual for its output."""
    usual = "cross_entropy" if stack.activations[-1] in ("softmax", "sigmoid") else "quadratic"
    sizes = [stack.weights[0].shape[1], *(W.shape[0] for W in stack.weights)]
    dtype = np.result_type(*stack.weights, *stack.biases)
    *hidden, output = stack.activations
    net = Network(sizes, hidden, output, loss or stack.loss or usual, dtype, init="zeros")
    for own, W in zip((*net.weights, *net.biases), (*stack.weights, *stack.biases), strict=True):
        own[...] = W
    return net


# ------------------------------------------------------------------ PyTorch
def from_torch(
    module: Any, *, activation: Names = "relu", output: str | None = None, loss: str | None = None
) -> Network:
    """Return the network that a module of PyTorch is.

    Parameters
    ----------
    module : torch.nn.Sequential or mapping
        Linear, activations, Dropout and Flatten, or a state dict.
    activation : str or sequence of str
        Activations of the hidden layers of a state dict, which has none.
    output : str, optional
        Activation of the output that the module lacks: "softmax" for one that is trained with ``CrossEntropyLoss``.
    loss : str, optional
        Loss of the network. The default is that which suits the output.

    Returns
    -------
    Network
        Network with the same outputs.

    Raises
    ------
    ValueError
        If a layer cannot be carried over. The message names it.

    Examples
    --------
    >>> arrays = {"0.weight": np.ones((3, 2)), "0.bias": np.ones(3), "2.weight": np.ones((2, 3)), "2.bias": np.ones(2)}
    >>> from_torch(arrays, activation="relu", output="softmax")
    Network([2, 3, 2], activation='relu', output='softmax', loss='cross_entropy', dtype='float64')
    """
    return network_of(pytorch.read(module, activation, output), loss)


def to_torch(network: Any, *, logits: bool = False) -> Any:
    """Return a torch.nn.Sequential with the outputs of a network.

    Parameters
    ----------
    network : Network
        Network of any implementation.
    logits : bool
        Whether to leave out the activation of the output, as ``CrossEntropyLoss`` and ``BCEWithLogitsLoss`` expect it.

    Returns
    -------
    torch.nn.Sequential
        Module with arrays of its own, of the network's dtype.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    ValueError
        If a layer cannot be carried over. The message names it.

    Examples
    --------
    >>> import importlib.util
    >>> if importlib.util.find_spec("torch"):
    ...     module = to_torch(Network([2, 3, 2], rng=0))
    """
    return pytorch.write(stack_of(network), logits=logits)


# ------------------------------------------------------------------ scikit-learn
def from_sklearn(estimator: Any, *, loss: str | None = None) -> Network:
    """Return the network that a fitted MLPClassifier or MLPRegressor is.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted estimator.
    loss : str, optional
        Loss of the network. The default is that of the estimator.

    Returns
    -------
    Network
        Network whose outputs are the estimator's probabilities or predictions. Its labels are places in ``classes_``.

    Raises
    ------
    ValueError
        If it is not fitted, or if a layer cannot be carried over.

    Notes
    -----
    The quadratic loss is a sum over the outputs, that of scikit-learn their mean.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> fitted = SimpleNamespace(coefs_=[np.ones((2, 1))], intercepts_=[np.ones(1)], activation="relu",
    ...                          out_activation_="identity", loss="squared_error")
    >>> from_sklearn(fitted).forward([[1.0, 2.0]])
    array([[4.]])
    """
    return network_of(scikit_learn.read(estimator), loss)


def to_sklearn(network: Any, classes: Sequence[Any] | None = None) -> Any:
    """Return a fitted MLPClassifier, or MLPRegressor, with the outputs of a network.

    Parameters
    ----------
    network : Network
        Network of any implementation, with one activation for all hidden layers.
    classes : sequence, optional
        Names of the labels in rising order. The default is 0, 1, 2, ...

    Returns
    -------
    MLPClassifier or MLPRegressor
        Estimator that predicts. It is a classifier if the output is softmax, or sigmoid with the cross-entropy.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        If a layer cannot be carried over, or if `classes` are too many or too few.

    Examples
    --------
    >>> import importlib.util
    >>> if importlib.util.find_spec("sklearn"):
    ...     model = to_sklearn(Network([2, 3, 3], rng=0), classes=["a", "b", "c"])
    """
    return scikit_learn.write(stack_of(network), classes)


# ------------------------------------------------------------------ Keras
def from_keras(
    model: Any, *, activation: Names = "relu", output: str | None = None, loss: str | None = None
) -> Network:
    """Return the network that a model of Keras, or a list of its weights, is.

    Parameters
    ----------
    model : model or sequence of ndarray
        Model whose `layers` are Dense, activations, Dropout and Flatten, or what its ``get_weights()`` returns.
    activation : str or sequence of str
        Activations of the hidden layers of a list, which has none.
    output : str, optional
        Activation of the output that the model lacks: "softmax" for one that is trained with ``from_logits=True``.
    loss : str, optional
        Loss of the network. The default is that which suits the output.

    Returns
    -------
    Network
        Network with the same outputs.

    Raises
    ------
    TypeError
        If `model` is neither.
    ValueError
        If a layer cannot be carried over. The message names it.

    Notes
    -----
    Activations are told by their values: the slope of a leaky ReLU is 1/100 here and 0.2 or 0.3 in Keras.

    Examples
    --------
    >>> from_keras([np.ones((2, 3)), np.zeros(3), np.ones((3, 1)), np.zeros(1)], output="sigmoid").sizes
    (2, 3, 1)
    """
    return network_of(keras.read(model, activation, output), loss)


def to_keras(network: Any) -> list[FloatArray]:
    """Return the list of weights that ``set_weights`` of a Keras model of Dense layers takes.

    Parameters
    ----------
    network : Network
        Network of any implementation.

    Returns
    -------
    list of ndarray
        Kernels (n_in, n_out) and biases, layer by layer, in new arrays.

    Raises
    ------
    ValueError
        If an activation is not one of fastbp's own.

    Examples
    --------
    >>> [array.shape for array in to_keras(Network([2, 3, 1], output="sigmoid", rng=0))]
    [(2, 3), (3,), (3, 1), (1,)]
    """
    return keras.write(stack_of(network))
