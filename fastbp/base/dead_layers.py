"""Hidden layers through which no gradient passes: found once, after the first epoch of a trainer."""

from __future__ import annotations

import warnings

import numpy as np

from fastbp.base.network import BaseNetwork
from fastbp.base.parameters import layer_views
from fastbp.canonical import FloatArray
from fastbp.symbolic.derive import activation_derivative

# So many samples settle it where a layer is alive: 0.1 ms for 784-128-10. All are looked at only where it is not.
_FIRST, _BLOCK = 32, 4096


def dead_layer(network: BaseNetwork, X: FloatArray) -> int:
    """Return the first hidden layer l whose slopes σ'(z) are 0 for all neurons and samples, 0 if there is none.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> net = Network([1, 2, 2], rng=0)
    >>> net.biases[0][:] = -10.0
    >>> dead_layer(net, np.array([[1.0], [2.0]], np.float32))
    1
    """
    suspects = set(range(1, len(network.sizes) - 1))
    starts = [0, *range(_FIRST, len(X), _BLOCK)]
    for start, end in zip(starts, [*starts[1:], len(X)], strict=True):
        if not suspects:
            return 0
        suspects &= _without_slope(network, X[start:end])
    return min(suspects, default=0)


@np.errstate(all="ignore")
def _without_slope(network: BaseNetwork, a: FloatArray) -> set[int]:
    """The hidden layers without a slope for these samples."""
    found = set()
    network._settle()  # whosever the arrays are
    weights, biases = layer_views(network._read(), network.sizes)
    hidden = zip(weights[:-1], biases[:-1], network.activations[:-1], strict=True)
    for l, (W, b, activation) in enumerate(hidden, start=1):
        z = a @ W.T + b
        a = activation.function(z)
        if not np.any(activation_derivative(activation)(z, a)):
            found.add(l)
    return found


def warn_of_dead_layers(network: BaseNetwork, X: FloatArray | None, stacklevel: int) -> None:
    """Warn if a hidden layer is dead for all of these samples."""
    l = 0 if X is None else dead_layer(network, X)
    if l:
        name = network.activations[l - 1].name
        warnings.warn(
            f"all neurons of hidden layer {l} ({name}) are dead: their slope is 0 for every sample, so no layer up to "
            "it learns any more; try a smaller learning_rate, inputs scaled to about -1..1, init='he_normal', or "
            "activation='leaky_relu'",
            RuntimeWarning,
            stacklevel=stacklevel + 1,
        )
