"""Activations. Each keeps `inputs` and `output`, and after `backward` the derivative by the inputs as `dinputs`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.compat._core import Array, remember

__all__ = ["Activation_Linear", "Activation_ReLU", "Activation_Sigmoid", "Activation_Softmax"]


class _Activation:
    """What activations have in common."""

    def _value(self, inputs: Array) -> Any:
        raise NotImplementedError

    def forward(self, inputs: Array, training: bool = True) -> None:  # noqa: ARG002
        """Compute `output`.

        Parameters
        ----------
        inputs : ndarray (m, n)
            Weighted inputs.
        training : bool
            Makes no difference here.
        """
        self.inputs = inputs
        self.output = self._value(inputs)

    def backward(self, dvalues: Array) -> None:
        """Compute `dinputs`, the derivative by the inputs.

        Parameters
        ----------
        dvalues : ndarray (m, n)
            Derivative by the output.
        """
        raise NotImplementedError

    def predictions(self, outputs: Array) -> Any:
        """Return what outputs mean: labels of a softmax, 0 or 1 of a sigmoid above ½, else the outputs.

        Parameters
        ----------
        outputs : ndarray (m, n)
            Outputs.

        Returns
        -------
        ndarray (m, n), or of int (m,)
            Predictions.
        """
        return outputs


class Activation_ReLU(_Activation):  # noqa: N801 - the book's names, here and below
    """Activation max(0, z), with the slope 0 at 0.

    Examples
    --------
    >>> relu = Activation_ReLU()
    >>> relu.forward(np.array([[-1.0, 0.0, 2.0]]))
    >>> relu.backward(np.ones((1, 3)))
    >>> relu.output, relu.dinputs, relu.predictions(relu.output) is relu.output
    (array([[0., 0., 2.]]), array([[0., 0., 1.]]), True)
    """

    def _value(self, inputs: Array) -> Any:
        return np.maximum(0, inputs)

    def backward(self, dvalues: Array) -> None:
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0


@remember
class Activation_Softmax(_Activation):  # noqa: N801
    """Activation exp(z_i) / Σ_k exp(z_k) of each row.

    Examples
    --------
    >>> softmax = Activation_Softmax()
    >>> softmax.forward(np.zeros((1, 2)))
    >>> softmax.backward(np.array([[1.0, 0.0]]))
    >>> softmax.output, softmax.dinputs, softmax.predictions(softmax.output)
    (array([[0.5, 0.5]]), array([[ 0.25, -0.25]]), array([0]))
    """

    def _value(self, inputs: Array) -> Any:
        e = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        return e / np.sum(e, axis=1, keepdims=True)

    def backward(self, dvalues: Array) -> None:
        a = self.output
        self.dinputs = a * (dvalues - np.sum(a * dvalues, axis=1, keepdims=True))

    def predictions(self, outputs: Array) -> Any:
        return np.argmax(outputs, axis=1)


class Activation_Sigmoid(_Activation):  # noqa: N801
    """Activation 1 / (1 + exp(−z)).

    Examples
    --------
    >>> sigmoid = Activation_Sigmoid()
    >>> sigmoid.forward(np.array([[0.0]]))
    >>> sigmoid.backward(np.ones((1, 1)))
    >>> sigmoid.output, sigmoid.dinputs, sigmoid.predictions(sigmoid.output)
    (array([[0.5]]), array([[0.25]]), array([[0]]))
    """

    def _value(self, inputs: Array) -> Any:
        return 1 / (1 + np.exp(-inputs))

    def backward(self, dvalues: Array) -> None:
        self.dinputs = dvalues * (1 - self.output) * self.output

    def predictions(self, outputs: Array) -> Any:
        return (outputs > 0.5) * 1


class Activation_Linear(_Activation):  # noqa: N801
    """Activation z.

    Examples
    --------
    >>> linear = Activation_Linear()
    >>> linear.forward(np.array([[3.0]]))
    >>> linear.backward(np.array([[2.0]]))
    >>> linear.output, linear.dinputs, linear.predictions(linear.output)
    (array([[3.]]), array([[2.]]), array([[3.]]))
    """

    def _value(self, inputs: Array) -> Any:
        return inputs

    def backward(self, dvalues: Array) -> None:
        self.dinputs = dvalues.copy()
