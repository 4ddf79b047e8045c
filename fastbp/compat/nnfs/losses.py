"""Losses. Each has `forward`, the losses of the samples, and `backward`, the derivative of their mean as `dinputs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.compat._core import Array, remember
from fastbp.compat.nnfs.activations import Activation_Softmax

__all__ = [
    "Activation_Softmax_Loss_CategoricalCrossentropy", "Loss", "Loss_BinaryCrossentropy",
    "Loss_CategoricalCrossentropy", "Loss_MeanAbsoluteError", "Loss_MeanSquaredError",
]  # fmt: skip

# Outputs are kept so far from 0 and 1.
CLIP = 1e-7


def _clipped(a: Array) -> Any:
    return np.clip(a, CLIP, 1 - CLIP)


@remember
class Loss:
    """Base class of the losses; a subclass has `forward(y_pred, y_true)` and `backward(dvalues, y_true)`.

    Examples
    --------
    >>> loss = Loss_MeanSquaredError()
    >>> loss.new_pass()
    >>> a, y = np.array([[1.0, 3.0]]), np.array([[0.0, 0.0]])
    >>> loss.backward(a, y)
    >>> float(loss.calculate(a, y)), float(loss.calculate_accumulated()), loss.forward(a, y), loss.dinputs
    (5.0, 5.0, array([5.]), array([[1., 3.]]))
    """

    trainable_layers: Sequence[Any] = ()
    accumulated_sum: Any = 0
    accumulated_count: Any = 0
    dinputs: Any

    def forward(self, y_pred: Array, y_true: Array) -> Any:
        """Return the losses of the samples.

        Parameters
        ----------
        y_pred, y_true : ndarray
            Outputs and targets: rows (m, n), or labels (m,) where the loss takes them.

        Returns
        -------
        ndarray (m,)
            Losses.
        """
        raise NotImplementedError

    def backward(self, dvalues: Array, y_true: Array) -> None:
        """Compute `dinputs`, the derivative of the mean loss by the outputs.

        Parameters
        ----------
        dvalues, y_true : ndarray
            Outputs and targets: rows (m, n), or labels (m,) where the loss takes them.
        """
        raise NotImplementedError

    def regularization_loss(self, layer: Any = None) -> Any:
        """Return the penalties of all trainable layers, or of one.

        Parameters
        ----------
        layer : Layer_Dense, optional
            The only layer to look at, as in the book's loops without a model.

        Returns
        -------
        float
            Σ of l1 Σ |w| + l2 Σ w².

        Examples
        --------
        >>> from fastbp.compat.nnfs.layers import Layer_Dense
        >>> layer = Layer_Dense(1, 1, weight_regularizer_l2=0.5)
        >>> layer.weights[:] = 2.0
        >>> float(Loss().regularization_loss(layer))
        2.0
        """
        total: Any = 0
        for each in self.trainable_layers if layer is None else [layer]:
            for w, l1, l2 in (
                (each.weights, each.weight_regularizer_l1, each.weight_regularizer_l2),
                (each.biases, each.bias_regularizer_l1, each.bias_regularizer_l2),
            ):
                if l1 > 0:
                    total += l1 * np.sum(np.abs(w))
                if l2 > 0:
                    total += l2 * np.sum(w * w)
        return total

    def remember_trainable_layers(self, trainable_layers: Sequence[Any]) -> None:
        """Keep the layers whose penalties are asked for.

        Parameters
        ----------
        trainable_layers : sequence of Layer_Dense
            Layers with parameters.

        Examples
        --------
        >>> Loss().remember_trainable_layers([])
        """
        self.trainable_layers = trainable_layers

    def calculate(self, output: Array, y: Array, *, include_regularization: bool = False) -> Any:
        """Return the mean loss of a batch, and add it to that of the epoch.

        Parameters
        ----------
        output, y : ndarray
            Outputs and targets.
        include_regularization : bool
            Whether to return the penalties, too.

        Returns
        -------
        float or (float, float)
            Loss, or loss and penalties.
        """
        sample_losses = self.forward(output, y)
        self.accumulated_sum += np.sum(sample_losses)
        self.accumulated_count += len(sample_losses)
        loss = np.mean(sample_losses)
        return (loss, self.regularization_loss()) if include_regularization else loss

    def calculate_accumulated(self, *, include_regularization: bool = False) -> Any:
        """Return the mean loss since `new_pass`.

        Parameters
        ----------
        include_regularization : bool
            Whether to return the penalties, too.

        Returns
        -------
        float or (float, float)
            Loss, or loss and penalties.
        """
        loss = self.accumulated_sum / self.accumulated_count
        return (loss, self.regularization_loss()) if include_regularization else loss

    def new_pass(self) -> None:
        """Begin an epoch."""
        self.accumulated_sum = self.accumulated_count = 0


class Loss_CategoricalCrossentropy(Loss):  # noqa: N801 - the book's names, here and below
    """Loss −ln a of the output at the label's place, with outputs kept within 1e-7 and 1 − 1e-7.

    Examples
    --------
    >>> loss = Loss_CategoricalCrossentropy()
    >>> loss.forward(np.array([[0.5, 0.5]]), np.array([1])).round(6)
    array([0.693147])
    >>> loss.backward(np.array([[0.5, 0.5]]), np.array([1]))
    >>> loss.dinputs
    array([[-0., -2.]])
    """

    def forward(self, y_pred: Array, y_true: Array) -> Any:
        clipped = _clipped(y_pred)
        right = clipped[np.arange(len(clipped)), y_true] if y_true.ndim == 1 else np.sum(clipped * y_true, axis=1)
        return -np.log(right)

    def backward(self, dvalues: Array, y_true: Array) -> None:
        if y_true.ndim == 1:
            y_true = np.eye(dvalues.shape[1])[y_true]
        self.dinputs = -y_true / dvalues / len(dvalues)


class Activation_Softmax_Loss_CategoricalCrossentropy:  # noqa: N801
    """Softmax with the cross-entropy, whose derivative is a − y.

    Attributes
    ----------
    activation, loss : object
        The two of which `forward` is made.
    output : ndarray (m, n)
        Outputs that `forward` computed last.

    Examples
    --------
    >>> both = Activation_Softmax_Loss_CategoricalCrossentropy()
    >>> float(both.forward(np.zeros((1, 2)), np.array([1])).round(6))
    0.693147
    >>> both.backward(both.output, np.array([1]))
    >>> both.dinputs
    array([[ 0.5, -0.5]])
    """

    output: Any

    def __init__(self) -> None:
        self.activation = Activation_Softmax()
        self.loss = Loss_CategoricalCrossentropy()

    def forward(self, inputs: Array, y_true: Array) -> Any:
        """Compute `output`, and return the mean loss.

        Parameters
        ----------
        inputs : ndarray (m, n)
            Weighted inputs.
        y_true : ndarray of int (m,), or (m, n)
            Labels, or rows of targets.

        Returns
        -------
        float
            Loss.
        """
        self.activation.forward(inputs)
        self.output = self.activation.output
        return self.loss.calculate(self.output, y_true)

    def backward(self, dvalues: Array, y_true: Array) -> None:
        """Compute `dinputs`.

        Parameters
        ----------
        dvalues : ndarray (m, n)
            Outputs of the softmax.
        y_true : ndarray of int (m,), or (m, n)
            Labels, or rows of which the largest number is the label's.
        """
        labels = np.argmax(y_true, axis=1) if len(y_true.shape) == 2 else y_true
        self.dinputs = dvalues.copy()
        self.dinputs[np.arange(len(dvalues)), labels] -= 1
        self.dinputs = self.dinputs / len(dvalues)


class Loss_BinaryCrossentropy(Loss):  # noqa: N801
    """Mean over the outputs of −(y ln a + (1 − y) ln(1 − a)), with outputs kept within 1e-7 and 1 − 1e-7.

    Examples
    --------
    >>> loss = Loss_BinaryCrossentropy()
    >>> loss.forward(np.array([[0.5]]), np.array([[1]])).round(6)
    array([0.693147])
    >>> loss.backward(np.array([[0.5]]), np.array([[1]]))
    >>> loss.dinputs
    array([[-2.]])
    """

    def forward(self, y_pred: Array, y_true: Array) -> Any:
        a = _clipped(y_pred)
        return np.mean(-(y_true * np.log(a) + (1 - y_true) * np.log(1 - a)), axis=-1)

    def backward(self, dvalues: Array, y_true: Array) -> None:
        a = _clipped(dvalues)
        self.dinputs = -(y_true / a - (1 - y_true) / (1 - a)) / dvalues.shape[1] / len(dvalues)


class Loss_MeanSquaredError(Loss):  # noqa: N801
    """Mean over the outputs of (y − a)².

    Examples
    --------
    >>> loss = Loss_MeanSquaredError()
    >>> loss.forward(np.array([[1.0, 3.0]]), np.array([[0.0, 0.0]]))
    array([5.])
    >>> loss.backward(np.array([[1.0, 3.0]]), np.array([[0.0, 0.0]]))
    >>> loss.dinputs
    array([[1., 3.]])
    """

    def forward(self, y_pred: Array, y_true: Array) -> Any:
        return np.mean((y_true - y_pred) ** 2, axis=-1)

    def backward(self, dvalues: Array, y_true: Array) -> None:
        self.dinputs = -2 * (y_true - dvalues) / dvalues.shape[1] / len(dvalues)


class Loss_MeanAbsoluteError(Loss):  # noqa: N801
    """Mean over the outputs of |y − a|.

    Notes
    -----
    The book's `backward` has sign(y − a), the derivative with the wrong sign: training goes uphill. So does this one,
    because numbers are to stay the same. A subclass with another `backward` mends it.

    Examples
    --------
    >>> loss = Loss_MeanAbsoluteError()
    >>> loss.forward(np.array([[1.0, 3.0]]), np.array([[0.0, 0.0]]))
    array([2.])
    >>> loss.backward(np.array([[1.0, 3.0]]), np.array([[0.0, 0.0]]))
    >>> loss.dinputs
    array([[-0.5, -0.5]])
    """

    def forward(self, y_pred: Array, y_true: Array) -> Any:
        return np.mean(np.abs(y_true - y_pred), axis=-1)

    def backward(self, dvalues: Array, y_true: Array) -> None:
        self.dinputs = np.sign(y_true - dvalues) / dvalues.shape[1] / len(dvalues)
