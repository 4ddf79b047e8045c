"""The compiled kernels: loops over i and j, from CPU vectors up to a whole epoch."""

from fastbp.kernels.runtime import numba_private

numba_private.check()
