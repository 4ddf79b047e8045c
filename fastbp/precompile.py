"""Compiling in advance: for the image of a container, after an installation, or at the start of a server."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from fastbp import canonical
from fastbp.activations import ACTIVATIONS, SOFTMAX
from fastbp.canonical import FloatArray
from fastbp.checks import check_truth
from fastbp.kernels.blocking import DIRECT_BATCHES
from fastbp.kernels.epoch import TRAIN
from fastbp.kernels.inference import outputs_parallel, outputs_serial
from fastbp.kernels.vectors.simd import lanes_of
from fastbp.losses import LOSSES
from fastbp.network import Network
from fastbp.optimizers import OPTIMIZERS
from fastbp.trainer import Trainer


def warmup(dtype: DTypeLike | None = None, *, complete: bool = False) -> None:
    """Compile the kernels of training and evaluation in advance, or read them from the cache.

    Parameters
    ----------
    dtype : dtype, optional
        Dtype of the networks to come, float32 or float64. The default is both.
    complete : bool
        Whether to compile every activation, loss and optimizer, and the kernels of `clip_norm` and `max_norm`. By
        default only the most common ones are compiled. Each other one takes a fraction of a second at its first use.

    Raises
    ------
    ValueError
        If `dtype` is neither float32 nor float64.
    TypeError
        If `complete` is not True or False.

    Notes
    -----
    ``python -m fastbp warmup`` does the same from the command line.

    Examples
    --------
    >>> warmup("float32")
    """
    complete = check_truth("complete", complete)
    for each in (np.dtype(np.float32), np.dtype(np.float64)) if dtype is None else (canonical.float_type(dtype),):
        _train(Network([1, 1, 2], dtype=each), "sgd")
        _train(Network([1, 1, 1], output="sigmoid", dtype=each), "adam")
        if complete:
            _formulas(each)
            _train(Network([1, 1, 2], dtype=each), "adam", max_norm=1.0)
    _compile_parallel()


def _train(network: Network, optimizer: str, max_norm: float | None = None) -> None:
    """One update, one gradient, and all ways to evaluate: many samples in packed panels, a small batch without."""
    X = _samples(network.dtype)
    Trainer(network, optimizer, max_norm=max_norm, rng=0).step(X, np.zeros(len(X), np.int64))
    network.backprop(X, np.zeros(len(X), np.int64))
    network.loss(X, np.zeros(len(X), np.int64))
    network.predict(X)
    network.predict(X[:1])


def _formulas(dtype: np.dtype[np.floating]) -> None:
    """Every activation, every loss with every output, and every optimizer."""
    X = _samples(dtype)
    Network([1] * (len(ACTIVATIONS) + 2), list(ACTIVATIONS), "identity", "quadratic", dtype).backprop(X, X)
    for name in ACTIVATIONS:
        Network([1, 1], output=name, loss="quadratic", dtype=dtype).forward(X)
    wide = 2 * lanes_of(dtype)
    for loss in LOSSES:
        for output in (*ACTIVATIONS, SOFTMAX.name):
            try:
                network = Network([1, wide], output=output, loss=loss, dtype=dtype)
            except ValueError:  # the loss is not defined on such outputs
                continue
            network._backprop(X, np.full((len(X), wide), 1.0 / wide, dtype), None)  # not all losses take such targets
    for optimizer in OPTIMIZERS:
        _train(Network([1, 2], dtype=dtype), optimizer)


def _compile_parallel() -> None:
    """Compile the parallel kernels for the types of the serial ones, because small networks never run them."""
    pairs = [(outputs_serial, outputs_parallel)]
    pairs += [(TRAIN[ruled, False], TRAIN[ruled, True]) for ruled in (False, True)]
    for serial, parallel in pairs:
        for signature in serial.signatures:
            parallel.compile(signature)


def _samples(dtype: np.dtype[np.floating]) -> FloatArray:
    return np.ones((2 * DIRECT_BATCHES[1], 1), dtype)
