"""What the machine gave: vectors, threads, the place of compiled kernels, versions."""

from __future__ import annotations

import platform
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np

from fastbp.kernels.runtime import cache, host, threads


class Configuration:
    """What fastbp found on this machine and how it runs; each property says how it is now.

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
        return str(numba.config.CPU_NAME or llvm.get_host_cpu_name())

    @property
    def vector_bytes(self) -> int:
        """Bytes of one vector register that kernels use: 64, 32 or 16."""
        return host.VECTOR_BYTES

    @property
    def has_fma(self) -> bool:
        """Whether a fused multiply-add is one instruction."""
        return host.HAS_FMA

    @property
    def threading_layer(self) -> str:
        """Numba's threading layer, 'omp', 'tbb' or 'workqueue'; the one to come before the first parallel loop."""
        return threads.layer()

    @property
    def threads(self) -> int:
        """How many threads training may use."""
        return threads.count()

    @property
    def cache_directory(self) -> Path | None:
        """Where compiled kernels are kept; None where there is no private place that can be written."""
        return cache.directory()

    @property
    def versions(self) -> dict[str, str]:
        """Versions of fastbp and of all that it stands on."""
        return {"fastbp": self._version, "Python": platform.python_version(), "NumPy": np.__version__,
                "Numba": numba.__version__, "llvmlite": llvmlite.__version__}

    def show(self) -> None:
        """Print all of it."""
        print(self)  # noqa: T201 - what it is for

    def __str__(self) -> str:
        launched = "" if threads.launched() else ", not launched yet"
        product = "fused multiply-add" if self.has_fma else "no fused multiply-add"
        versions = [f"{name} {version}" for name, version in self.versions.items()]
        lines = {
            "CPU": f"{self.cpu}, {product}",
            "vectors": f"{self.vector_bytes} bytes: {self.vector_bytes // 4} float32, {self.vector_bytes // 8} float64",
            "threads": f"{self.threads} ({self.threading_layer}{launched})",
            "cache": _contents(self.cache_directory),
            "versions": ", ".join(versions[1:]),
        }
        return "\n".join([versions[0], *(f"  {name:9} {text}" for name, text in lines.items())])

    def __repr__(self) -> str:
        return (f"Configuration(vector_bytes={self.vector_bytes}, has_fma={self.has_fma}, "
                f"threading_layer={self.threading_layer!r}, threads={self.threads}, "
                f"cache_directory={str(self.cache_directory)!r})")


def _contents(place: Path | None) -> str:
    """Where the kernels are, how many and how large."""
    if place is None:
        return "none: there is no private place that can be written"
    sizes = [file.stat().st_size for file in place.glob("*.kernel")]
    return f"{place} ({len(sizes)} kernels, {sum(sizes) / 1e6:.1f} MB)"
