"""What the kernels work on: a network's shape as records, its weights in panels, and buffers, aligned and padded.

Offsets are in numbers, addresses in bytes. All buffers begin at a cache line: a 64-byte vector that straddles two lines
costs two loads.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastbp.activations import Activation
from fastbp.base.network import BaseNetwork, Targets
from fastbp.canonical import FloatArray
from fastbp.compiled.formulas import activation_address
from fastbp.kernels.blocking import COLUMN_SAMPLES, INFERENCE_BLOCKS, L2_SAMPLES, L2_WEIGHT_BYTES, SAMPLE_PASS
from fastbp.kernels.gradient_layers import copies, scratch_size
from fastbp.kernels.runtime.barrier import arrivals_size
from fastbp.kernels.runtime.records import LAYER, WORKSPACE
from fastbp.kernels.tiles.packing import padded
from fastbp.kernels.tiles.skinny import is_skinny
from fastbp.kernels.vectors.simd import lanes_of

_LINE = 64


# ------------------------------------------------------------------ arrays
def aligned(n: int, dtype: Any) -> NDArray[Any]:
    """`n` zeros beginning at a cache line."""
    dtype = np.dtype(dtype)
    # NumPy asks for huge pages for large arrays that it does not fill itself
    raw = np.empty(n * dtype.itemsize + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    array: NDArray[Any] = raw[start : start + n * dtype.itemsize].view(dtype)
    array.fill(0)
    return array


_word_at = ctypes.c_size_t.from_address
# Where the structure of an array has the address of its numbers: first, after what all objects have. C code that was
# compiled with NumPy's headers reads it there.
_DATA = object.__basicsize__


def address(array: NDArray[Any]) -> int:
    """Where the first number of `array` lies: 0.15 µs, `__array_interface__` and `ctypes.data` take 1.4 (Zen 3)."""
    place: int = _word_at(id(array) + _DATA).value
    return place


def padded_ld(n: int, dtype: Any) -> int:
    """Row length of a workspace: whole panels, and an odd number of cache lines, so that a column uses all cache sets.

    At 8 lines a row a panel of 256 rows falls on 16 of 64 sets; on 32-128-64-2 that made no difference to be measured.
    """
    length: int = padded.py_func(n, lanes_of(np.dtype(dtype)))
    line = _LINE // np.dtype(dtype).itemsize
    return length + line if length > 2 * line and length // line % 2 == 0 else length


# ------------------------------------------------------------------ the shape of a network
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
        self.dtype, self.sizes, lanes = np.dtype(dtype), tuple(sizes), lanes_of(np.dtype(dtype))
        self.layers = np.zeros(len(sizes) - 1, LAYER)
        self.lds = [sizes[0], *(padded_ld(n, dtype) for n in sizes[1:])]
        panels = w_t = row = flat = before = 0
        for l, (n_in, n_out) in enumerate(pairwise(sizes)):
            rows = padded.py_func(n_out, lanes)
            skinny = is_skinny.py_func(l, n_in, n_out, lanes)
            # nothing goes back to the input, and a skinny layer's weights serve both ways
            has_w_t = l > 0 and not skinny
            size = padded.py_func(n_in, lanes) * n_out if skinny else rows * n_in
            layer = {
                "n_in": n_in,
                "n_out": n_out,
                "ld_in": self.lds[l],
                "ld": self.lds[l + 1],
                "skinny": skinny,
                "before": before,
                "weights": panels,
                "biases": panels + size,
                "w_t": w_t if has_w_t else -1,
                "outputs": row,
                "activation": activations[l],
                "parameters": flat,
            }
            for name, value in layer.items():
                self.layers[name][l] = value
            panels += size + rows
            w_t += padded.py_func(n_in, lanes) * rows if has_w_t else 0
            row += self.lds[l + 1]
            flat += n_out * (n_in + 1)
            before += n_out * n_in
        self.n_panels, self.n_w_t, self.n_row, self.n_parameters = panels, w_t, row, flat
        #: Address and number of the records, for calls that use no offset of `outputs`.
        self.place = address(self.layers), len(self.layers)

    def buffers(self, n_samples: int, threads: int, *, training: bool) -> dict[str, NDArray[Any]]:
        """Buffers for up to `n_samples` that are in work together, by the names of the workspace record."""
        used, top = n_samples if training else 0, max(self.lds[1:])
        return {
            # each layer's rows lie together, so its offset is that of one row times the number of samples
            "a": aligned(self.n_row * n_samples, self.dtype),
            "delta": aligned(self.n_row * used, self.dtype),
            "y": aligned(self.lds[-1] * used, self.dtype),
            "weight": aligned(n_samples, self.dtype),
            "cost": aligned(n_samples, np.float64),
            "correct": aligned(n_samples, np.int64),
            "identity": np.arange(n_samples, dtype=np.int64),
            # one row of zeros more than the widest layer: what starts a sum may be read by whole tiles
            "zeros": aligned(top + 2 * _LINE, self.dtype),
            "scratch": aligned(threads * self.scratch_per_thread(n_samples), self.dtype),
            "arrivals": aligned(arrivals_size(threads), np.int64),
        }

    def scratch_per_thread(self, n_samples: int) -> int:
        """Numbers of scratch buffer that a thread needs."""
        lanes = lanes_of(self.dtype)
        shapes = zip(self.layers["n_in"].tolist(), self.layers["n_out"].tolist(), strict=True)
        return max(int(scratch_size.py_func(n_samples, n_in, n_out, lanes)) for n_in, n_out in shapes)

    def reads_columns(self, n_samples: int) -> bool:
        """Whether the first layer's gradient reads columns of many samples where X lies."""
        n_in, n_out = self.sizes[:2]
        copied = copies.py_func(n_samples, n_in, n_out, lanes_of(self.dtype))
        return n_samples >= COLUMN_SAMPLES and not copied

    def sample_block(self, n_samples: int) -> int:
        """How many of `n_samples` go forward and back together.

        Few where the weights fit in half of the L2 cache, so that their a and δ fit beside them; else many, so that the
        weights are read rarely.
        """
        weights = (self.n_panels + self.n_w_t) * self.dtype.itemsize
        return L2_SAMPLES if weights <= L2_WEIGHT_BYTES else min(n_samples, SAMPLE_PASS)

    def inference_block(self) -> int:
        """How many samples go forward together where nothing is trained."""
        low, high = INFERENCE_BLOCKS
        if self.n_panels * self.dtype.itemsize > L2_WEIGHT_BYTES:
            return high
        sample: int = (self.sizes[0] + self.n_row) * self.dtype.itemsize
        return min(high, max(low, L2_WEIGHT_BYTES // sample // low * low))

    def layers_for(self, n_samples: int) -> NDArray[Any]:
        """The layer records for buffers of `n_samples`."""
        layers = self.layers.copy()
        layers["outputs"] *= n_samples
        return layers


@lru_cache(maxsize=64)
def plan_of(
    sizes: tuple[int, ...], dtype: np.dtype[Any], activations: tuple[Activation, ...], from_logits: bool, training: bool
) -> Plan:
    """The plan of a network; where the loss is computed from logits, training leaves z^L to the loss."""
    layers = zip(activations, sizes[1:], strict=True)
    addresses = [activation_address(spec, n_out, dtype, training) for spec, n_out in layers]
    if from_logits and training:
        addresses[-1] = 0
    return Plan(sizes, dtype, addresses)


def work(sizes: Sequence[int]) -> int:
    """Floating-point operations of one sample's forward and backward pass and its part of ∂C/∂w."""
    products = [n_in * n_out for n_in, n_out in pairwise(sizes)]
    return 2 * (3 * sum(products) - products[0])


# ------------------------------------------------------------------ the parameters of a network
class Panels:
    """A network's parameters in panels, packed anew where they differ from what was packed last.

    Where users may have written to `weights`, `biases` or `parameters`, a compiled call compares the parameters with a
    copy of those that were packed: 0.6 µs for 5,000 of them, 17 µs for 100,000 (Zen 3). Where nobody can have, it does
    not, and a lone step leaves them as they were: the panels are ahead, until somebody asks (`ParameterArrays`).
    """

    def __init__(self, network: BaseNetwork) -> None:
        self._layout = Plan(network.sizes, network.dtype, [0] * (len(network.sizes) - 1))
        self.arrays = network._arrays
        self.w = aligned(self._layout.n_panels, network.dtype)
        self.w_t = aligned(0, network.dtype)
        self._seen = np.empty_like(self.arrays.flat)
        self._workspaces: weakref.WeakSet[Workspace] = weakref.WeakSet()
        #: The `look` at which the parameters were last packed.
        self.look: object | None = None
        #: What writes the parameters from the panels, where these are ahead.
        self.write: Callable[[], None] | None = None
        self.forget()

    def changed(self) -> tuple[bool, object | None]:
        """Whether the parameters may differ from those packed, and the `look` once they are packed.

        First the look, then who holds a view: a thread that asks for one holds it before there is another look.
        """
        look = self.arrays.look
        if self.arrays.is_held():
            return True, None
        return look is not self.look, look

    def catch_up(self) -> None:
        """Write the parameters if the panels are ahead."""
        write = self.write  # once: code of the user's may run between two looks
        if write is not None:
            write()

    def forget(self) -> None:
        """Have all parameters differ from those packed, which are not ahead of them."""
        self.look = None
        np.invert(self.arrays.flat.view(np.int32), out=self._seen.view(np.int32))

    def serve(self, workspace: Workspace, *, training: bool) -> None:
        """Let a workspace point here, from now on and wherever panels are made anew; panels for the way back, too."""
        w_t = self.w_t
        if training and len(w_t) < self._layout.n_w_t:
            w_t = aligned(self._layout.n_w_t, self.w.dtype)
            self.forget()
        for each in (*self._workspaces, workspace):
            each.point(w=self.w, flat=self.arrays.flat, seen=self._seen)
            if len(w_t):
                each.point(w_t=w_t)
        self._workspaces.add(workspace)
        self.w_t = w_t  # last: interrupted before, the next one makes them again


# ------------------------------------------------------------------ the record
class Workspace:
    """The workspace record, and the arrays whose addresses it holds."""

    #: The place of each field in `words`.
    WORD: ClassVar[dict[str, int]] = {name: k for k, name in enumerate(WORKSPACE.names or ())}

    def __init__(self) -> None:
        self._record = np.zeros(1, WORKSPACE)
        self.words = self._record.view(np.int64)
        #: What the record points to, by name; set by `point` alone.
        self.arrays: dict[str, NDArray[Any]] = {}
        self.address = address(self._record)

    def point(self, **arrays: NDArray[Any]) -> None:
        """Let the record point to arrays, and keep them."""
        for name, array in arrays.items():
            place = address(array)
            # in one line: Ctrl-C between the two would leave an address of memory that is freed
            self.arrays[name], self.words[self.WORD[name]] = array, place

    def point_to_data(self, X: FloatArray, Y: Targets | None, weight: FloatArray | None, *, separate: bool) -> None:
        """Let the record point to the data of a call, which keeps the arrays; whether outputs decide separately."""
        words, word = self.words, self.WORD
        words[word["x"]] = address(X)
        place = 0 if Y is None else address(Y)
        labels = Y is not None and Y.ndim == 1
        words[word["labels"]], words[word["targets"]] = (place, 0) if labels else (0, place)
        words[word["sample_weight"]] = 0 if weight is None else address(weight)
        words[word["separate"]] = separate

    def put(self, **numbers: float) -> None:
        """Set numbers of the record."""
        for name, number in numbers.items():
            self._record[name] = number


def workspace_of(network: BaseNetwork, *, training: bool) -> Plan:
    """The plan of a network, as `plan_of` takes it apart."""
    return plan_of(network.sizes, network.dtype, network.activations, network.logits_form is not None, training)
