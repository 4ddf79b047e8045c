"""What the machine is: CPU, vector registers, caches, and the cores that this process may use.

Every fact has a default for a system that does not tell it. Features are not looked up in a table of CPU names: LLVM
compiles a vector addition and a fused multiply-add, and the instructions it chose are the answer. NUMBA_CPU_NAME then
gives what the name implies, as far as the code that Numba makes uses it. LLVM takes a name it does not know for a CPU
without features, and says so.
"""

from __future__ import annotations

import ctypes
import math
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import llvmlite.binding as llvm
import numba

# Addresses and counts are int64 all over the kernels, and lane 0 of a mask is its lowest bit.
if sys.maxsize < 2**32 or sys.byteorder != "little":
    raise ImportError(f"fastbp needs a 64-bit little-endian system, and this one is {platform.machine()}")
llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
# Numba leaves this one out. Without it LLVM ends the process at the first inline assembly that is not empty.
llvm.initialize_native_asmparser()


# ------------------------------------------------------------------ the CPU
_TRIPLE = llvm.get_process_triple()
_TRIPLE_NAME = _TRIPLE.partition("-")[0]
#: LLVM's name of the instruction set: "x86_64", "aarch64" (which macOS calls arm64), ...
ARCHITECTURE = "aarch64" if _TRIPLE_NAME.startswith("arm64") else _TRIPLE_NAME


def _host_features() -> str:
    """The features of this CPU, as Numba gives them to LLVM: without any AVX where NUMBA_ENABLE_AVX is 0."""
    try:
        features = llvm.get_host_cpu_features()
    except RuntimeError:
        return ""
    if not numba.config.ENABLE_AVX:
        features.update((name, False) for name in features if name.startswith("avx"))
    return str(features.flatten())


#: LLVM's name of the CPU that Numba compiles for.
CPU_NAME = llvm.get_host_cpu_name() if numba.config.CPU_NAME is None else str(numba.config.CPU_NAME)
#: Its features as Numba gives them to LLVM, beside those that the name implies.
CPU_FEATURES = _host_features() if numba.config.CPU_FEATURES is None else str(numba.config.CPU_FEATURES)

_PROBE = """
declare float @llvm.fma.f32(float, float, float)
define float @product(float %a, float %b, float %c) {
  %d = call float @llvm.fma.f32(float %a, float %b, float %c)
  ret float %d
}
define void @addition(ptr %p, ptr %q) {
  %a = load <16 x i32>, ptr %p
  %b = load <16 x i32>, ptr %q
  %c = add <16 x i32> %a, %b
  store <16 x i32> %c, ptr %p
  ret void
}
"""


def _probe(name: str, features: str) -> tuple[int, bool]:
    """Bytes of the widest register that an addition of whole numbers uses, and whether a * b + c is one instruction.

    Of whole numbers, because formulas build exponents by them: AVX without AVX2 has wide vectors of floats only.
    """
    if ARCHITECTURE == "x86_64":
        # A name that LLVM does not know implies no 64-bit mode, and then LLVM would end the process.
        features = f"+64bit,{features}"
    machine = llvm.Target.from_triple(_TRIPLE).create_target_machine(cpu=name, features=features)
    text = machine.emit_assembly(llvm.parse_assembly(_PROBE))
    register = re.search(r"paddd.*%([xyz])mm", text)
    # Where there is no such instruction, LLVM calls C's fmaf. Every AArch64 CPU has it.
    return {"z": 64, "y": 32}.get(register[1] if register else "", 16), ARCHITECTURE == "aarch64" or "fmaf" not in text


def _vector_facts(name: str, features: str, implied: str | None) -> tuple[int, bool]:
    """As `_probe`, for a CPU's own name and features or, where it was named, what the code and the name both have.

    Numba gives LLVM the host's `features` beside another CPU's name; the name alone and what was given with it,
    `implied`, may have more or less.
    """
    found = [_probe(name, part) for part in (features, implied) if part is not None]
    return min(width for width, _ in found), all(fma for _, fma in found)


def _chosen_vector_bytes(default: int) -> int:
    """FASTBP_VECTOR_BYTES, or `default` where it is not set."""
    text = os.environ.get("FASTBP_VECTOR_BYTES", "") or str(default)
    if text not in ("16", "32", "64"):
        raise ValueError(f"FASTBP_VECTOR_BYTES is {text!r}, expected 16, 32 or 64")
    return int(text)


_NAMED = None if numba.config.CPU_NAME is None else str(numba.config.CPU_FEATURES or "")
_WIDEST, _FMA = _vector_facts(CPU_NAME, CPU_FEATURES, _NAMED)
#: Bytes of one vector register that kernels use: 64 (AVX-512), 32 (AVX2), else 16 (SSE, NEON, and where there is none:
#: LLVM takes vectors apart); FASTBP_VECTOR_BYTES overrides.
VECTOR_BYTES = _chosen_vector_bytes(_WIDEST)
#: Vector registers there are, which bound the register tile: 32 (AVX-512, AArch64), else 16.
VECTOR_REGISTERS = 32 if _WIDEST == 64 or ARCHITECTURE == "aarch64" else 16
#: Whether a fused multiply-add is one instruction; where it is not, llvm.fma would be a library call a lane.
HAS_FMA = _FMA
#: Whether p 2^n is one instruction on 64-byte vectors (AVX-512).
HAS_SCALEF = _WIDEST == 64


# ------------------------------------------------------------------ caches
_DEFAULTS = {"line": 64, "l1_data": 32 << 10, "l2": 256 << 10}


def _text(path: Path) -> str:
    """What a file of the system says, nothing where it cannot be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _bytes(text: str) -> int:
    """The number that Linux writes as "48K" or "2M"; 0 where it is none."""
    found = re.fullmatch(r"(\d+)([KM]?)", text)
    return int(found[1]) << {"": 0, "K": 10, "M": 20}[found[2]] if found else 0


def _count(text: str) -> int:
    """How many CPUs a list like "0-3,8" names, at least 1."""
    ranges = re.findall(r"(\d+)(?:-(\d+))?", text)
    return max(1, sum(int(last or first) - int(first) + 1 for first, last in ranges))


def _caches_of(cpu: Path) -> dict[str, int]:
    """Linux's account of one CPU's caches: the longest line, and bytes of L1 and L2 a core."""
    threads, facts = _count(_text(cpu / "topology/thread_siblings_list")), {"line": 0}
    for cache in cpu.glob("cache/index*"):
        level, kind = _text(cache / "level"), _text(cache / "type")
        if level not in ("1", "2") or kind not in ("Data", "Unified"):
            continue
        cores = max(1, _count(_text(cache / "shared_cpu_list")) // threads)
        facts["l1_data" if level == "1" else "l2"] = _bytes(_text(cache / "size")) // cores
        facts["line"] = max(facts["line"], _bytes(_text(cache / "coherency_line_size")))
    return facts


def linux_caches(cpus: list[int], system: Path = Path("/sys/devices/system/cpu")) -> dict[str, int]:
    """What the kernel tells of the caches of the first and the last of `cpus`: where cores differ, so do these two.

    Lines are the longer ones, sizes the smaller ones: a thread runs on any core.
    """
    both = [_caches_of(system / f"cpu{cpu}") for cpu in {cpus[0], cpus[-1]}]
    sizes = {name: [facts[name] for facts in both if facts.get(name)] for name in _DEFAULTS}
    return {name: (max if name == "line" else min)(found) for name, found in sizes.items() if found}


def _sysctl(name: str) -> int:
    """The whole number that macOS has under `name`; 0 where it has none."""
    value, size = ctypes.c_int64(0), ctypes.c_size_t(8)
    failed = ctypes.CDLL(None).sysctlbyname(
        name.encode(), ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0)
    )
    return 0 if failed else value.value


def macos_caches(sysctl: Callable[[str], int] = _sysctl) -> dict[str, int]:
    """What macOS tells of the caches of its faster cores; those of a cluster share an L2."""
    threads = max(1, sysctl("hw.logicalcpu_max") // max(1, sysctl("hw.physicalcpu_max")))
    cores = max(1, sysctl("hw.perflevel0.cpusperl2") // threads)
    return {
        "line": sysctl("hw.cachelinesize"),
        "l1_data": sysctl("hw.perflevel0.l1dcachesize") or sysctl("hw.l1dcachesize"),
        "l2": sysctl("hw.perflevel0.l2cachesize") // cores or sysctl("hw.l2cachesize"),
    }


def affinity() -> list[int]:
    """Numbers of the CPUs that this process may run on; all of them where the system has no such bounds."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _system_caches() -> dict[str, int]:
    """What the system tells of them; nothing on Windows."""
    if sys.platform == "darwin":
        return macos_caches()
    return linux_caches(affinity()) if sys.platform == "linux" else {}


def _with_defaults(told: dict[str, int]) -> tuple[int, int, int]:
    """Line, L1 and L2 as the system told them, or the defaults; a line holds at least one vector."""
    known = _DEFAULTS | {name: size for name, size in told.items() if size > 0}
    return max(64, known["line"]), known["l1_data"], known["l2"]


_FOUND = _with_defaults(_system_caches())
#: Bytes that cores take from each other at once: 64, 128 on Apple's CPUs; 64 where the system does not tell.
CACHE_LINE = _FOUND[0]
#: Bytes of a core's nearest data cache; 32 KiB where the system does not tell (Windows, some virtual machines).
L1_DATA = _FOUND[1]
#: Bytes of L2 a core, its share where cores have one in common; 256 KiB where the system does not tell.
L2 = _FOUND[2]


def build_facts() -> tuple[str, ...]:
    """All that code made on this machine may depend on, for the name of the kernel cache."""
    facts = (ARCHITECTURE, CPU_NAME, CPU_FEATURES, VECTOR_BYTES, VECTOR_REGISTERS, HAS_FMA, HAS_SCALEF)
    return tuple(map(str, (*facts, CACHE_LINE, L1_DATA, L2)))


# ------------------------------------------------------------------ cores
def _limit(group: Path) -> float:
    """CPUs' worth of time that one control group grants, by version 2 or 1; infinity where it sets no limit."""
    quota, _, period = _text(group / "cpu.max").partition(" ")
    if not quota:
        quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
    limited = quota.isdigit() and period.isdigit() and int(quota) > 0 and int(period) > 0
    return int(quota) / int(period) if limited else math.inf


def _groups(membership: Path, mount: Path) -> Iterator[Path]:
    """Folders of the control groups that bound this process's time, up to the topmost.

    Within a container the names may be those outside of it; then its own limit stands at the top.
    """
    for line in _text(membership).splitlines():
        controllers, _, name = line.partition(":")[2].partition(":")
        names = [part for part in name.split("/") if part not in ("", "..")]
        if controllers == "":
            tops = [mount]
        else:
            tops = [mount / controllers, mount / "cpu"] if "cpu" in controllers.split(",") else []
        yield from (top.joinpath(*names[:depth]) for top in tops for depth in range(len(names) + 1))


def cpu_quota(membership: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> float:
    """CPUs' worth of time that Linux's control groups (a container's limit) grant; infinity without a limit."""
    return min(map(_limit, _groups(membership, mount)), default=math.inf)


def usable_cores() -> int:
    """How many cores this process should compute on.

    NUMBA_NUM_THREADS where it is set. Else the least of: CPUs that the process may run on; the quota of its container,
    rounded up; the first number of OMP_NUM_THREADS, which Dask and Ray set to 1 in their workers. It reads files each
    time: 0.3 ms.
    """
    if os.environ.get("NUMBA_NUM_THREADS"):
        return int(numba.config.NUMBA_NUM_THREADS)
    cores = math.ceil(min(len(affinity()), cpu_quota()))
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(cores, int(asked)) if asked.isdecimal() and int(asked) > 0 else cores
