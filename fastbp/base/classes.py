"""Weights of classes, in the forms in which users have them, as weights of samples."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp import canonical
from fastbp.base.network import BaseNetwork, Canonical, Targets
from fastbp.canonical import FloatArray
from fastbp.checks import shown

ClassWeights = FloatArray | str | None


def class_weights(weights: Any, network: BaseNetwork) -> ClassWeights:
    """Return one weight for each label of a network, in its dtype; None and "balanced" stay as they are.

    Parameters
    ----------
    weights : mapping, Series, sequence or "balanced", optional
        Weights by label where there are labels (a mapping, a pandas.Series), else by position.
    network : BaseNetwork
        Network whose labels they are for.

    Returns
    -------
    ndarray (n_classes,), "balanced" or None
        Weights.

    Raises
    ------
    TypeError, ValueError
        If the loss takes no labels, or `weights` does not have numbers >= 0 for labels of the network.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> class_weights({1: 2.0}, Network([4, 3]))
    array([1., 2., 1.], dtype=float32)
    """
    if weights is None:
        return None
    n_classes = network.n_classes
    if n_classes == 0:
        name = shown(network.loss_function.name)
        raise ValueError(f"class_weight is for losses that take labels, the network has {name}")
    if isinstance(weights, str) and weights == "balanced":
        return "balanced"
    expected = f"class_weight must be 'balanced' or have a number >= 0 for each of the labels 0..{n_classes - 1}"
    by_label = _by_label(weights, expected)
    if by_label is not None:
        strange = [label for label in by_label if not _is_label(label, n_classes)]
        if strange:
            raise ValueError(f"{expected}, got the label {shown(strange[0])}")
        weights = [by_label.get(label, 1.0) for label in range(n_classes)]
    if isinstance(weights, (str, bytes, set, frozenset)) or not isinstance(weights, Iterable):
        raise TypeError(f"{expected}, got {shown(weights)}")
    weights = weights if hasattr(weights, "__array__") else list(weights)
    try:
        fits = np.shape(weights) == (n_classes,)
    except ValueError:  # ragged
        fits = False
    if not fits:
        raise ValueError(f"{expected}, got {shown(weights)}")
    return canonical.sample_weights(weights, n_classes, network.dtype, "class_weight")


def _by_label(weights: Any, expected: str) -> Mapping[Any, Any] | None:
    """The weights of a mapping or a pandas.Series, whose index has the labels; None where there are no labels."""
    if isinstance(weights, Mapping):
        return weights
    if not (hasattr(weights, "index") and hasattr(weights, "to_dict")):
        return None
    if getattr(weights, "ndim", 1) != 1 or not weights.index.is_unique:
        raise ValueError(f"{expected}, got a {type(weights).__name__} that does not have one number for a label")
    found: Mapping[Any, Any] = weights.to_dict()
    return found


def _is_label(label: Any, n_classes: int) -> bool:
    return isinstance(label, (numbers.Real, np.bool_)) and label in range(n_classes)


def balanced(labels: Any, network: BaseNetwork) -> FloatArray:
    """Return the weight n / (k n_c) of each class c, for n labels of which n_c are c and k classes that occur.

    Parameters
    ----------
    labels : ndarray of int (n_samples,)
        Labels of all samples.
    network : BaseNetwork
        Network whose labels they are.

    Returns
    -------
    ndarray (n_classes,)
        Weights, 1 for a class that does not occur.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> balanced(np.array([0, 0, 0, 2]), Network([4, 3]))
    array([0.6666667, 1.       , 2.       ], dtype=float32)
    """
    return balanced_counts(np.bincount(labels, minlength=network.n_classes), network)


def balanced_counts(counts: NDArray[np.int64], network: BaseNetwork) -> FloatArray:
    """Return the weights of `balanced` from the number of samples n_c of each class.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> balanced_counts(np.array([3, 0, 1]), Network([4, 3]))
    array([0.6666667, 1.       , 2.       ], dtype=float32)
    """
    share = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return np.where(counts > 0, share, 1.0).astype(network.dtype)


def weigh_classes(network: BaseNetwork, data: Canonical, by_class: ClassWeights) -> Canonical:
    """Return the data with the weight of each sample's label as (another factor of) its own weight.

    Raises
    ------
    ValueError
        If a sample may have several labels.
    """
    if by_class is None:
        return data
    X, Y, weight = data
    if network.multilabel:
        raise ValueError("class_weight is for one label a sample, and Y has rows of several or none; use sample_weight")
    labels: Targets = network.labels_of(Y)
    factors = (balanced(labels, network) if isinstance(by_class, str) else by_class)[labels]
    return X, Y, factors if weight is None else weight * factors
