"""Where compiled kernels are kept (not kept at all for now)."""
from numba.core.caching import NullCache
class KernelCache(NullCache):
    def __init__(self, f): pass
