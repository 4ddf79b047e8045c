"""What layers have in common."""

from __future__ import annotations

from typing import Any

__all__ = ["Layer"]


class Layer:
    """A layer, which keeps the `input` of its last sample.

    Examples
    --------
    >>> Layer().input is None
    True
    """

    def __init__(self) -> None:
        self.input: Any = None
        self.output: Any = None

    def forward(self, input: Any) -> Any:  # noqa: A002 - the original's name
        """Compute the output for an input.

        Parameters
        ----------
        input : ndarray (n, 1)
            Sample.
        """

    def backward(self, output_gradient: Any, learning_rate: float) -> Any:
        """Compute the derivative by the input from that by the output, and update the parameters.

        Parameters
        ----------
        output_gradient : ndarray (n_out, 1)
            Derivative by the output.
        learning_rate : float
            Learning rate.
        """
