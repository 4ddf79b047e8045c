"""What the host is: CPU features, vector registers, caches."""

from __future__ import annotations

import os

import llvmlite.binding as llvm
import numba


# ------------------------------------------------------------------ the host
def _host_features() -> dict[str, bool]:
    """CPU features that code will be compiled for; of another NUMBA_CPU_NAME what the name implies."""
    name = numba.config.CPU_NAME
    if name in (None, "", "host", llvm.get_host_cpu_name()):
        return dict(llvm.get_host_cpu_features())
    features = {part[1:]: part[0] == "+" for part in (numba.config.CPU_FEATURES or "").split(",") if part}
    known = {
        "haswell": ("avx2", "fma"),
        "skylake-avx512": ("avx2", "fma", "avx512f"),
        "x86-64-v3": ("avx2", "fma"),
        "x86-64-v4": ("avx2", "fma", "avx512f"),
    }
    return {**dict.fromkeys(known.get(name, ()), True), **features}


_FEATURES = _host_features()
ARM = llvm.get_process_triple().startswith(("aarch64", "arm64"))
#: Bytes of one vector register that kernels use: 64 (AVX-512), 32 (AVX2), else 16; FASTBP_VECTOR_BYTES overrides.
VECTOR_BYTES = int(os.environ.get("FASTBP_VECTOR_BYTES", "0")) or (
    64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx2") else 16
)
#: Whether a fused multiply-add is one instruction; where it is not, llvm.fma would be a library call a lane.
HAS_FMA = ARM or bool(_FEATURES.get("fma"))
#: Vector registers there are: they bound the register tile.
VECTOR_REGISTERS = 32 if VECTOR_BYTES == 64 or ARM else 16
if VECTOR_BYTES not in (16, 32, 64):
    raise ValueError(f"FASTBP_VECTOR_BYTES is {VECTOR_BYTES}, expected 16, 32 or 64")
