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
        """Compute the output of a layer for an input."""
        raise NotImplementedError

    def backward_propagation(self, output_error: Any, learning_rate: float) -> Any:
        """Compute the derivative by the input from that by the output, and update the parameters."""
        raise NotImplementedError
