"""What layers have in common."""

from __future__ import annotations

from typing import Any

__all__ = ["Layer"]


class Layer:
    """A layer, which keeps the `input` and the `output` of its last sample.

    Examples
    --------
    >>> Layer().input is None
    True
    """

    def __init__(self) -> None:
        self.input: Any = None
        self.output: Any = None

    def forward_propagation(self, input: Any) -> Any:  # noqa: A002 - the original's name
        """Compute the output of a layer for an input.

        Parameters
        ----------
        input : ndarray (1, n)
            Sample.

        Examples
        --------
        >>> import numpy as np
        >>> class Twice(Layer):
        ...     def forward_propagation(self, input):
        ...         return 2 * input
        >>> Twice().forward_propagation(np.ones((1, 2)))
        array([[2., 2.]])
        """
        raise NotImplementedError

    def backward_propagation(self, output_error: Any, learning_rate: float) -> Any:
        """Compute the derivative by the input from that by the output, and update the parameters.

        Parameters
        ----------
        output_error : ndarray (1, n_out)
            Derivative by the output.
        learning_rate : float
            Learning rate.

        Examples
        --------
        >>> import numpy as np
        >>> class Twice(Layer):
        ...     def backward_propagation(self, output_error, learning_rate):
        ...         return 2 * output_error
        >>> Twice().backward_propagation(np.ones((1, 2)), 0.1)
        array([[2., 2.]])
        """
        raise NotImplementedError
