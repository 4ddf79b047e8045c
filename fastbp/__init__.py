"""Backpropagation for fully connected networks on CPUs, compiled by Numba from the index-form equations."""

__version__ = "0.1.0"
