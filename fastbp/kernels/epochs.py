"""Many epochs of the same rows in one compiled call, with the cost of each: where an epoch takes microseconds."""

from __future__ import annotations

import math

from fastbp.kernels.epoch import TRAIN
from fastbp.kernels.runtime.jit import entry

train = TRAIN[False, False]


def several(losses, result, address, layer_address, n_layers, rows, batch, hyper, enters):
    """Call `train` for each number of `losses`, which gets its Σ_s v_s C_s; how many epochs were finished.

    Parameters
    ----------
    losses : float64 (n_epochs,)
        Costs of the epochs, which are written up to the first that is not finite.
    result : float64 (3,)
        Array that the workspace's `result` points to.
    address, layer_address, n_layers, rows, batch, hyper : see `fastbp.kernels.epoch`
        Arguments of `train`.
    enters : bool
        Whether the parameters are packed before the first epoch, where they changed.
    """
    for e in range(len(losses)):
        train(address, layer_address, n_layers, rows, batch, hyper, 1, enters and e == 0, False)
        losses[e] = result[0]
        if not math.isfinite(result[0]):
            return e
    return len(losses)


EPOCHS = entry(several, "epochs")
