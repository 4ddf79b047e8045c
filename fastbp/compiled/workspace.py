"""What the compiled kernels work on: a network's shape as records, and its buffers, aligned and padded.

Offsets are in numbers, addresses in bytes. All buffers begin at a cache line: a 64-byte vector that straddles two lines
costs two loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.activations import Activation
from fastbp.compiled.formulas import activation_address
from fastbp.kernels.gradient import scratch_size
from fastbp.kernels.runtime.barrier import arrivals_size
from fastbp.kernels.runtime.records import LAYER, WORKSPACE
from fastbp.kernels.tiles.packing import padded
from fastbp.kernels.tiles.skinny import is_skinny
from fastbp.kernels.vectors.simd import lanes_of

_LINE = 64
# Weights that share an L2 cache of 1 MiB with the a and δ of so many samples.
_SMALL, _FEW = 1 << 19, 64


def aligned(n: int, dtype: Any) -> NDArray[Any]:
    """`n` zeros beginning at a cache line."""
    dtype = np.dtype(dtype)
    # NumPy asks for huge pages for large arrays that it does not fill itself
    raw = np.empty(n * dtype.itemsize + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    array = raw[start : start + n * dtype.itemsize].view(dtype)
    array.fill(0)
    return array


def padded_ld(n: int, dtype: Any) -> int:
    """Row length of a workspace: whole panels, and an odd number of cache lines, so that a column uses all cache sets.

    At 8 lines a row a panel of 256 rows falls on 16 of 64 sets; on 32-128-64-2 that made no difference to be measured.
    """
    length = padded.py_func(n, lanes_of(np.dtype(dtype)))
    line = _LINE // np.dtype(dtype).itemsize
    return length + line if length > 2 * line and length // line % 2 == 0 else length


class Plan:
    """A network's layers as the kernels take them, and where each one's numbers lie.

    Parameters
    ----------
    sizes : sequence of int
        n_0, ..., n_L.
    dtype : dtype
        float32 or float64.
    activations : sequence of int
        Address of each layer's compiled activation; 0 for the identity.
    """

    def __init__(self, sizes: Sequence[int], dtype: Any, activations: Sequence[int]) -> None:
        self.dtype, lanes = np.dtype(dtype), lanes_of(np.dtype(dtype))
        self.layers = np.zeros(len(sizes) - 1, LAYER)
        self.lds = [sizes[0], *(padded_ld(n, dtype) for n in sizes[1:])]
        panels = w_t = ld = flat = before = 0
        for l, (n_in, n_out) in enumerate(pairwise(sizes)):
            rows = padded.py_func(n_out, lanes)
            skinny = is_skinny.py_func(l, n_in, n_out, lanes)
            # nothing goes back to the input, and a narrow layer's weights serve both ways
            transposed_offset = w_t if l > 0 and not skinny else -1
            size = padded.py_func(n_in, lanes) * n_out if skinny else rows * n_in
            self.layers[l] = (
                n_in,
                n_out,
                self.lds[l],
                self.lds[l + 1],
                skinny,
                before,
                panels,
                panels + size,
                transposed_offset,
                ld,
                activations[l],
                flat,
            )
            panels += size + rows
            w_t += padded.py_func(n_in, lanes) * rows if transposed_offset >= 0 else 0
            ld += self.lds[l + 1]
            flat += n_out * (n_in + 1)
            before += n_out * n_in
        self.n_panels, self.n_w_t, self.n_row = panels, w_t, ld
        self.place = self.layers.ctypes.data, len(self.layers)

    def arrays(
        self, n_samples: int, threads: int = 1, states: int = 0, gradient: bool = False, training: bool = True
    ) -> dict[str, Any]:
        """Buffers for minibatches of up to `n_samples`, by the names of the memory record."""
        out, top = self.lds[-1], max(self.lds[1:])
        zero = aligned(0, self.dtype)
        # each layer's rows lie together, so its offset is that of one row times the number of samples
        arrays = {
            "w": aligned(self.n_panels, self.dtype),
            "w_t": aligned(self.n_w_t, self.dtype) if training else zero,
            "a": aligned(self.n_row * n_samples, self.dtype),
            "delta": aligned(self.n_row * n_samples, self.dtype) if training else zero,
            "y": aligned(out * n_samples, self.dtype) if training else zero,
            "weight": aligned(n_samples, self.dtype),
            "cost": aligned(n_samples, np.float64),
            "correct": aligned(n_samples, np.int64),
            "identity": np.arange(n_samples, dtype=np.int64),
            "zeros": aligned(top + 2 * _LINE, self.dtype),
            "scratch": aligned(threads * self.scratch_per_thread(n_samples), self.dtype),
            "arrivals": aligned(arrivals_size(threads), np.int64),
            "g": aligned(self.n_panels, self.dtype) if gradient else zero,
        }
        for name, kept in (("s", states > 0), ("u", states > 1)):
            arrays[name] = aligned(self.n_panels, self.dtype) if kept else arrays["scratch"]
        return arrays

    def scratch_per_thread(self, n_samples: int) -> int:
        """Numbers of scratch buffer that a thread needs."""
        lanes = lanes_of(self.dtype)
        return max(scratch_size.py_func(n_samples, int(n_in), lanes) for n_in in self.layers["n_in"])

    def together(self, n_samples: int) -> int:
        """How many of `n_samples` go forward and back together.

        Few, so that their a and δ stay in the L2 cache; but all where the weights do not, which then are read once.
        """
        weights = (self.n_panels + self.n_w_t) * self.dtype.itemsize
        return _FEW if weights <= _SMALL else n_samples

    def layers_for(self, n_samples: int) -> NDArray[Any]:
        """The layer records for buffers of `n_samples`."""
        layers = self.layers.copy()
        layers["outputs"] *= n_samples
        return layers


def record(arrays: dict[str, NDArray[Any]], **numbers: float) -> NDArray[Any]:
    """The memory record of `arrays` and other numbers."""
    ws = np.zeros(1, WORKSPACE)
    for name, array in arrays.items():
        ws[name] = array.ctypes.data
    for name, number in numbers.items():
        ws[name] = number
    return ws


@lru_cache(maxsize=64)
def plan_of(
    sizes: tuple[int, ...], dtype: np.dtype[Any], activations: tuple[Activation, ...], paired: bool, training: bool
) -> Plan:
    """The plan of a network; where output and loss are a pair, training leaves z^L to the loss."""
    addresses = [activation_address(row, dtype, training) for row in activations[:-1]]
    addresses.append(0 if paired and training else activation_address(activations[-1], dtype, training))
    return Plan(sizes, dtype, addresses)


def work(sizes: Sequence[int]) -> int:
    """Floating-point operations of one sample's forward and backward pass and its part of ∂C/∂w."""
    products = [n_in * n_out for n_in, n_out in pairwise(sizes)]
    return 2 * (3 * sum(products) - products[0])
