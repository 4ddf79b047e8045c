"""Compile before it is wanted: in the image of a container, after an installation, at the start of a server."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from fastbp import checks
from fastbp.activations import ACTIVATIONS, SOFTMAX
from fastbp.checks import FloatArray
from fastbp.kernels.blocking import SMALL_BATCH
from fastbp.kernels.epoch import TRAIN
from fastbp.kernels.inference import outputs_parallel, outputs_serial
from fastbp.kernels.vectors.simd import lanes_of
from fastbp.losses import LOSSES
from fastbp.network import Network
from fastbp.optimizers import OPTIMIZERS
from fastbp.trainer import Trainer


def warmup(dtype: DTypeLike | None = None, *, complete: bool = False) -> None:
    """Compile what training and evaluation need, so that no first step waits; what is on disk already is read.

    Parameters
    ----------
    dtype : float32 or float64, optional
        Of the networks to come; both if absent.
    complete : bool
        Also the kernels of `clip_norm` and `max_norm`, and every activation, loss and optimizer there is. Without it
        these are the most common ones, and each other takes a fraction of a second on first use.

    Raises
    ------
    ValueError
        If `dtype` is another type.

    Examples
    --------
    >>> warmup("float32")
    """
    for each in (np.dtype(np.float32), np.dtype(np.float64)) if dtype is None else (checks.float_type(dtype),):
        _train(Network([1, 1, 2], dtype=each), "sgd")
        _train(Network([1, 1, 1], output="sigmoid", dtype=each), "adam")
        if complete:
            _formulas(each)
            _train(Network([1, 1, 2], dtype=each), "adam", max_norm=1.0)
    _twins()


def _train(network: Network, optimizer: str, max_norm: float | None = None) -> None:
    """One update, and all that evaluates: panels for many samples, none for few."""
    X = _samples(network.dtype)
    Trainer(network, optimizer, max_norm=max_norm, rng=0).step(X, np.zeros(len(X), np.int64))
    network.loss(X, np.zeros(len(X), np.int64))
    network.predict(X)
    network.predict(X[:SMALL_BATCH])


def _formulas(dtype: np.dtype[np.floating]) -> None:
    """Every activation, loss with each kind of output, and optimizer."""
    X = _samples(dtype)
    Network([1] * (len(ACTIVATIONS) + 2), list(ACTIVATIONS), "identity", "quadratic", dtype).backprop(X, X)
    for name in ACTIVATIONS:
        Network([1, 1], output=name, loss="quadratic", dtype=dtype).forward(X)
    wide = 2 * lanes_of(dtype)
    for loss in LOSSES:
        for output in ("identity", "sigmoid", "tanh", SOFTMAX.name):
            network = Network([1, wide], output=output, loss=loss, dtype=dtype)
            network.backprop(X, np.full((len(X), wide), 1.0 / wide))
    for optimizer in OPTIMIZERS:
        _train(Network([1, 2], dtype=dtype), optimizer)


def _twins() -> None:
    """The parallel kernels, of the same types as the serial ones: small networks never choose them."""
    pairs = [(outputs_serial, outputs_parallel)]
    pairs += [(TRAIN[ruled, False], TRAIN[ruled, True]) for ruled in (False, True)]
    for serial, parallel in pairs:
        for signature in serial.signatures:
            parallel.compile(signature)


def _samples(dtype: np.dtype[np.floating]) -> FloatArray:
    return np.ones((2 * SMALL_BATCH, 1), dtype)
