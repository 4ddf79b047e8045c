"""Which output activation a loss can be had with: others would give numbers that mean nothing, and no word."""

from __future__ import annotations

import numpy as np

from fastbp.activations import SOFTMAX, Activation
from fastbp.checks import shortened, shown
from fastbp.losses import Loss

# Sums z at which the values of an output activation are looked at.
_GRID = np.concatenate([np.linspace(-8.0, 8.0, 33), [-100.0, -30.0, 30.0, 100.0]])


def check_pair(output: Activation, loss: Loss, n_outputs: int, threshold: float) -> None:
    """Raise an error if a loss is not defined on the values of an output activation, or no output can mean both labels.

    Parameters
    ----------
    output : Activation
        Activation of the outputs.
    loss : Loss
        Loss of the network.
    n_outputs : int
        Number of outputs.
    threshold : float
        Value beyond which an output means label 1.

    Raises
    ------
    ValueError
        If they do not go together. The message says what does.

    Examples
    --------
    >>> from fastbp.activations import ACTIVATIONS
    >>> from fastbp.losses import LOSSES
    >>> check_pair(ACTIVATIONS["sigmoid"], LOSSES["cross_entropy"], 1, 0.5)
    >>> check_pair(SOFTMAX, LOSSES["cross_entropy"], 1, 0.5)
    Traceback (most recent call last):
    ValueError: output='softmax' on one output is 1 whatever the input is; take output='sigmoid' for ...
    """
    if output == SOFTMAX:
        if n_outputs == 1:
            raise ValueError(
                "output='softmax' on one output is 1 whatever the input is; take output='sigmoid' for the labels 0 and "
                "1, two outputs for two classes, or output='identity' and loss='quadratic' for a regression"
            )
        return
    with np.errstate(all="ignore"):
        a = np.asarray(output.function(_GRID), np.float64)
    known = np.isfinite(a)
    z, a = _GRID[known], a[known]
    if not len(a):
        return
    outside = loss.outputs.outside(a)
    names = shown(loss.name), shown(output.name)
    suited = shortened(" or ".join(f"output={name!r}" for name in loss.suits))
    if outside.any():
        k = int(np.argmax(outside))
        remark = "; from it the loss is computed straight from z, so raw scores are not needed" if loss.logits else ""
        raise ValueError(
            f"loss {names[0]} takes outputs that are {loss.outputs}, and output={names[1]} gives {a[k]:.3g} at "
            f"z = {z[k]:g}; take {suited or 'another output'}{remark}"
        )
    if loss.labels and loss.suits and not a.min() < threshold < a.max():
        raise ValueError(
            f"with loss {names[0]} an output means label 1 above {threshold:g}, and output={names[1]} is never "
            f"on both sides of it; take {suited}"
        )
