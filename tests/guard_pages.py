"""A test mode in which every array that NumPy allocates lies between pages that nobody may touch.

    python tests/guard_pages.py after         # what is read or written behind an array ends the process
    python tests/guard_pages.py before        # ... before an array
    python tests/guard_pages.py after all     # every shape with every optimizer, and every optimizer with every rule

What lies between an array and the nearest page holds canaries, looked at when the array is freed. Buffers of the
kernels begin at a page here, or end at one: with no slack to come to a cache line. So do X, Y, weights, parameters,
outputs, and whatever else is an array. `on` begins the mode in this thread.
"""

import ctypes
import mmap
import os
import sys
import traceback
from itertools import product

import numpy as np

PAGE = mmap.PAGESIZE
CANARY = 0x5A
_SIZE = ctypes.c_size_t
_MALLOC = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, _SIZE)
_CALLOC = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, _SIZE, _SIZE)
_REALLOC = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, _SIZE)
_FREE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, _SIZE)
# of NumPy's C interface
_SET_HANDLER = 304


class _Handler(ctypes.Structure):
    """PyDataMem_Handler of NumPy's ndarraytypes.h."""

    _fields_ = (
        ("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("ctx", ctypes.c_void_p), ("malloc", _MALLOC),
        ("calloc", _CALLOC), ("realloc", _REALLOC), ("free", _FREE),
    )


class GuardPages:
    """Allocates pages of its own for each array, which end (`side` "after") or begin ("before") with it."""

    def __init__(self, side):
        libc = ctypes.CDLL(None, use_errno=True)
        self._mmap, self._munmap, self._protect = libc.mmap, libc.munmap, libc.mprotect
        self._mmap.restype = ctypes.c_void_p
        self._mmap.argtypes = (ctypes.c_void_p, _SIZE, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
        self._munmap.argtypes, self._protect.argtypes = (ctypes.c_void_p, _SIZE), (ctypes.c_void_p, _SIZE, ctypes.c_int)
        self._after, self._arrays = side == "after", {}
        self.allocated, self.damaged = 0, []
        self._handler = _Handler(
            b"guard pages", 1, None, _MALLOC(lambda _, size: self.allocate(size)),
            _CALLOC(lambda _, count, size: self.allocate(count * size)), _REALLOC(self._move),
            _FREE(lambda _, place, size: self.release(place)),
        )

    def allocate(self, size):
        """The address of `size` zeros; None where there is no memory."""
        inside = -(-max(size, 1) // PAGE) * PAGE
        base = self._mmap(None, inside + 2 * PAGE, mmap.PROT_READ | mmap.PROT_WRITE,
                          mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if base in (None, ctypes.c_void_p(-1).value):
            return None
        self._protect(base, PAGE, 0)
        self._protect(base + PAGE + inside, PAGE, 0)
        # numbers must be aligned; bytes of odd sizes are no numbers
        taken = size if size % 4 == 0 else -(-size // 8) * 8
        place = base + PAGE + (inside - taken if self._after else 0)
        for start, length in self._slack(base, inside, place, size):
            ctypes.memset(start, CANARY, length)
        self._arrays[place] = base, inside, size
        self.allocated += 1
        return place

    def _slack(self, base, inside, place, size):
        """What of the pages is no part of the array."""
        begin = base + PAGE
        return [(begin, place - begin), (place + size, begin + inside - place - size)]

    def release(self, place):
        """Give the pages back: what is read later ends the process, too."""
        if not place:
            return
        base, inside, size = self._arrays.pop(place)
        for start, length in self._slack(base, inside, place, size):
            if ctypes.string_at(start, length) != bytes([CANARY]) * length:
                self.damaged.append((place, size))
        self._munmap(base, inside + 2 * PAGE)

    def _move(self, _, place, size):
        new = self.allocate(size)
        if place and new:
            ctypes.memmove(new, place, min(size, self._arrays[place][2]))
            self.release(place)
        return new

    def on(self):
        """Have NumPy allocate all arrays of this thread here, and the kernels' buffers without slack."""
        capsule_new = ctypes.pythonapi.PyCapsule_New
        capsule_new.restype = ctypes.py_object
        capsule_new.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
        pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
        table = ctypes.cast(pointer_of(np._core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
        set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[_SET_HANDLER])
        self._name = ctypes.create_string_buffer(b"mem_handler")  # a capsule keeps no copy of its name
        set_handler(capsule_new(ctypes.addressof(self._handler), ctypes.addressof(self._name), None))

        from fastbp.compiled import session, workspace

        session.aligned = workspace.aligned = np.zeros


# ------------------------------------------------------------------ everything that kernels do
def train(sizes, rows, dtype, optimizer, rules, threads):
    """All calls of a network and of a trainer, with few rows and with many, labels and targets, and weights."""
    from networks import make_labels, make_network

    import fastbp

    output, loss = [("softmax", "cross_entropy"), ("identity", "quadratic"), ("sigmoid", "cross_entropy")][rows % 3]
    if rules.get("label_smoothing"):
        output, loss = "softmax", "cross_entropy"
    net = make_network(fastbp, sizes, ["tanh", "relu", "gelu"][len(sizes) % 3], output, loss, dtype)
    net.parameters[:] *= 0.1
    rng = np.random.default_rng(0)
    X = rng.normal(0.0, 0.3, (rows, sizes[0])).astype(dtype)
    n_out = net.sizes[-1]
    Y = np.eye(n_out, dtype=dtype)[make_labels(rows, n_out)]
    Y = make_labels(rows, n_out) if loss == "cross_entropy" and rows % 2 and n_out > 1 else Y
    weight = rng.uniform(0.5, 2.0, rows).astype(dtype)
    trainer = fastbp.Trainer(net, optimizer, max(1, rows // 3), rng=0, threads=threads, **rules)
    trainer.fit(X, Y, epochs=1, sample_weight=weight, validation_data=(X[: rows // 2 + 1], Y[: rows // 2 + 1]))
    trainer.fit([(X, Y), (X[:1], Y[:1])])
    trainer.step(X, Y)
    for few in {1, min(rows, 8), min(rows, 9), rows}:
        net.forward(X[:few])
        net.loss(X[:few], Y[:few], weight[:few])
    net.backprop(X, Y, weight)
    return net, trainer


def trainings(whole):
    """Arguments of `train`: networks of all shapes and dtypes, all optimizers and rules, on one thread and on two."""
    from networks import SHAPES
    from test_kernels import AWKWARD, PANEL_SIZES, RULED
    from test_threads import RULES

    from fastbp import SGD, Adam
    from fastbp.optimizers import OPTIMIZERS

    shapes = [*SHAPES, *((sizes, 37) for sizes in (*AWKWARD, *PANEL_SIZES) if sizes[-1] > 1), ([19, 33, 5], 601),
              ([256, 8, 3], 128), ([700, 45, 39, 3], 200), ([130, 257, 10], 530)]
    rules = [{}, *RULES, RULED]
    optimizers = [*OPTIMIZERS, SGD(0.1, weight_decay=0.1), SGD(0.1, momentum=0.5, nesterov=True), Adam(amsgrad=True)]
    count = 0
    for k, (sizes, rows) in enumerate(shapes):
        for dtype in (np.float32, np.float64):
            for m in range(0 if whole else k % 3, len(optimizers), 1 if whole else 3):  # in turns, so that all meet all
                yield sizes, rows, dtype, optimizers[m], rules[count % len(rules)], 1 + (k + m) % 2
                count += 1
    if whole:
        for optimizer, rule, dtype, threads in product(optimizers, rules, (np.float32, np.float64), (1, 2)):
            yield [65, 31, 129, 10], 37, dtype, optimizer, rule, threads


def whole_arrays():
    """The loops and tiles of `fastbp.kernels` on whole arrays, which are compiled by each process anew."""
    import numba
    import test_loops

    numba.set_num_threads(1)
    for kernel, shape, dtype in product((test_loops.loops, test_loops.arrays), test_loops.BITWISE,
                                        (np.float32, np.float64)):
        test_loops.results(kernel, shape, dtype)


def main(side, whole):
    """Print what was trained, how many arrays had pages of their own, and how many were written beside."""
    import gc

    from parallel import always_parallel

    always_parallel()
    train([5, 9, 3], 20, np.float32, "adam", {}, 2)  # launches threads, loads what is compiled
    pages = GuardPages(side)
    pages.on()
    count = 0
    for arguments in trainings(whole):
        train(*arguments)
        count += 1
    if whole:
        whole_arrays()
    gc.collect()
    sys.stdout.write(f"{count} {pages.allocated} {len(pages.damaged)}\n")


if __name__ == "__main__":
    code = 1
    try:
        main(sys.argv[1], "all" in sys.argv)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it is told
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # an interpreter that ends frees arrays when no function of Python can be called any more
