"""Configuration: vector width, threads, cache of compiled kernels, and versions."""

from __future__ import annotations

import platform
from pathlib import Path

import llvmlite
import numba
import numpy as np

from fastbp.kernels.runtime import cache, host, threads


class Configuration:
    """Vector width, threads and cache that fastbp found on this machine; ``fastbp.config`` is the one instance.

    Parameters
    ----------
    version : str
        Version of fastbp.

    Notes
    -----
    Properties are read when they are asked for, so they show the current state. Environment variables change it:
    ``FASTBP_CACHE_DIR`` the cache, ``FASTBP_VECTOR_BYTES`` the vector width, ``NUMBA_NUM_THREADS`` the threads.

    Examples
    --------
    >>> import fastbp
    >>> fastbp.config.vector_bytes in (16, 32, 64)
    True
    >>> sorted(fastbp.config.versions)
    ['NumPy', 'Numba', 'Python', 'fastbp', 'llvmlite']
    """

    def __init__(self, version: str) -> None:
        self._version = version

    @property
    def cpu(self) -> str:
        """LLVM's name of the CPU that kernels are compiled for."""
        return host.CPU_NAME

    @property
    def architecture(self) -> str:
        """LLVM's name of the instruction set: 'x86_64', 'aarch64' (which macOS calls arm64), ..."""
        return host.ARCHITECTURE

    @property
    def vector_bytes(self) -> int:
        """Width of the vectors in kernels: 64, 32 or 16 bytes."""
        return host.VECTOR_BYTES

    @property
    def vector_registers(self) -> int:
        """How many vector registers the CPU has; they bound the tiles of the kernels."""
        return host.VECTOR_REGISTERS

    @property
    def has_fma(self) -> bool:
        """Whether the CPU has an instruction for fused multiply-add."""
        return host.HAS_FMA

    @property
    def caches(self) -> dict[str, int]:
        """Bytes of a cache line, and of the L1 data cache and the L2 cache that a core has for itself."""
        return {"line": host.CACHE_LINE, "L1": host.L1_DATA, "L2": host.L2}

    @property
    def threading_layer(self) -> str:
        """Numba's threading layer 'omp', 'tbb' or 'workqueue', known before the first parallel loop."""
        return threads.layer()

    @property
    def threads(self) -> int:
        """Number of threads that training may use."""
        return threads.count()

    @property
    def cache_directory(self) -> Path | None:
        """Directory of compiled kernels, or None if there is no private directory that can be written."""
        return cache.directory()

    @property
    def versions(self) -> dict[str, str]:
        """Versions of fastbp, Python, NumPy, Numba and llvmlite, by name."""
        return {"fastbp": self._version, "Python": platform.python_version(), "NumPy": np.__version__,
                "Numba": numba.__version__, "llvmlite": llvmlite.__version__}

    def show(self) -> None:
        """Print all properties, as ``python -m fastbp info`` does.

        Examples
        --------
        >>> import fastbp
        >>> fastbp.config.show()
        fastbp ...
          CPU       ...
          vectors   ...
          threads   ...
          cache     ...
          versions  Python ..., NumPy ..., Numba ..., llvmlite ...
        """
        print(self)  # noqa: T201 - printing is its purpose

    def __str__(self) -> str:
        launched = "" if threads.launched() else ", not launched yet"
        product = "fused multiply-add" if self.has_fma else "no fused multiply-add"
        versions = [f"{name} {version}" for name, version in self.versions.items()]
        width, sizes = self.vector_bytes, self.caches
        lines = {
            "CPU": f"{self.cpu} ({self.architecture}), {product}",
            "vectors": f"{self.vector_registers} of {width} bytes: {width // 4} float32, {width // 8} float64",
            "caches": f"L1 {sizes['L1'] >> 10} KiB, L2 {sizes['L2'] >> 10} KiB a core, lines of {sizes['line']} bytes",
            "threads": f"{self.threads} ({self.threading_layer}{launched})",
            "cache": _contents(self.cache_directory),
            "versions": ", ".join(versions[1:]),
        }
        return "\n".join([versions[0], *(f"  {name:9} {text}" for name, text in lines.items())])

    def __repr__(self) -> str:
        return (f"Configuration(vector_bytes={self.vector_bytes}, has_fma={self.has_fma}, "
                f"threading_layer={self.threading_layer!r}, threads={self.threads}, "
                f"cache_directory={str(self.cache_directory)!r})")


def _contents(directory: Path | None) -> str:
    """The directory of kernels, with their number and size."""
    if directory is None:
        return "none: there is no private directory that can be written"
    sizes = [file.stat().st_size for file in directory.glob("*.kernel")]
    return f"{directory} ({len(sizes)} kernels, {sum(sizes) / 1e6:.1f} MB)"
