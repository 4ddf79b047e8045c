"""The compiled kernels: loops over i and j, from CPU vectors up to a whole epoch.

`forward`, `backward` and `gradient` are the three equations on plain arrays (`fastbp.kernels.arrays`), for loops of
your own: call them from Python, and from functions that Numba compiles for you.
"""

from typing import Any

from fastbp.kernels.runtime import numba_private

numba_private.check()


def __getattr__(name: str) -> Any:
    # when they are asked for: what needs vecmath alone does not load them
    if name in ("forward", "backward", "gradient"):
        from fastbp.kernels import arrays

        return getattr(arrays, name)
    raise AttributeError(f"module 'fastbp.kernels' has no attribute {name!r}")
