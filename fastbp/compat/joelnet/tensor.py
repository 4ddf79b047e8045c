"""Tensors are arrays."""

from numpy import ndarray as Tensor  # noqa: N812 - the original's name

__all__ = ["Tensor"]
