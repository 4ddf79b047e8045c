"""The machine's FMA limit: independent fused multiply-adds in registers, nothing from memory.

    python asv_benchmarks/limit.py                  # of one core, and of all at work together
    python asv_benchmarks/limit.py float64 2 32     # float64, two cores, vectors of 32 bytes

The loop is LLVM's own text, compiled as it stands, and shares no line with the library: a limit measured with the
library's kernels would move with them. Two cores that are real reach twice what one does; two threads of one core do
not, and neither do two cores that something else keeps busy.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import threading
import time
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import DTypeLike

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
ROUNDS = 30
SECONDS = 0.01  # a round: long enough that starting the threads is lost in it


def host_vector_bytes() -> int:
    """Bytes of the widest vectors that this processor has."""
    features = llvm.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


def fma_limit(dtype: DTypeLike, threads: int = 1, vector_bytes: int = 0) -> float:
    """GFLOP/s of `threads` cores that do nothing but fused multiply-adds on full vectors: the best of ROUNDS.

    The vectors are of `vector_bytes` bytes, or the widest there are.

    Examples
    --------
    >>> fma_limit("float32") > 1
    True
    """
    spin, flop, engine = compile_loop(np.dtype(dtype), vector_bytes or host_vector_bytes())
    turns = 1000
    while _seconds(spin, turns, 1) < SECONDS:
        turns *= 2
    best = min(_seconds(spin, turns, threads) for _ in range(ROUNDS))
    del engine  # it owns the code that `spin` points to, and had to live until here
    return threads * turns * flop / best / 1e9


def _seconds(spin: Any, turns: int, threads: int) -> float:
    """Wall time of `spin(turns)` on each of `threads` threads at once (ctypes lets go of the interpreter's lock)."""
    workers = [threading.Thread(target=spin, args=(turns,)) for _ in range(threads - 1)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    spin(turns)
    for worker in workers:
        worker.join()
    return time.perf_counter() - start


def compile_loop(dtype: np.dtype[Any], vector_bytes: int) -> tuple[Any, int, Any]:
    """The function spin(turns), the floating-point operations of one turn, and the engine that owns the code."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    registers = 32 if vector_bytes == 64 or features.get("neon") else 16
    lanes = vector_bytes // dtype.itemsize
    chains = registers * 3 // 4  # two FMA units of latency 4 need 8, and the factor needs a register too
    text = loop_text("float" if dtype == np.float32 else "double", lanes, chains, not features.get("fma", True))
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2, jit=True
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine)
    engine.finalize_object()
    spin = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(engine.get_function_address("spin"))
    return spin, 2 * lanes * chains, engine


def loop_text(scalar: str, lanes: int, chains: int, separate: bool = False) -> str:
    """LLVM's text of a loop over `chains` vectors t = t * x + x, with `separate` multiplications where no FMA is."""
    vector, each = f"<{lanes} x {scalar}>", range(chains)
    fma = f"@llvm.fma.v{lanes}f{32 if scalar == 'float' else 64}"
    starts = [f"%t{c} = phi {vector} [ %x, %entry ], [ %n{c}, %loop ]" for c in each]
    fused = [f"%n{c} = call {vector} {fma}({vector} %t{c}, {vector} %x, {vector} %x)" for c in each]
    apart = [f"%p{c} = fmul {vector} %t{c}, %x\n  %n{c} = fadd {vector} %p{c}, %x" for c in each]
    firsts = [f"%e{c} = extractelement {vector} %n{c}, i32 0" for c in each]
    total = [f"%s{c + 1} = fadd {scalar} %{f's{c}' if c else 'small'}, %e{c}" for c in each]
    lines = "\n  ".join
    return f"""
declare {vector} {fma}({vector}, {vector}, {vector})
define double @spin(i64 %turns) {{
entry:
  %count = uitofp i64 %turns to {scalar}
  %small = fdiv {scalar} 1.0, %count
  %v = insertelement {vector} undef, {scalar} %small, i32 0
  %x = shufflevector {vector} %v, {vector} undef, <{lanes} x i32> zeroinitializer
  br label %loop
loop:
  %k = phi i64 [ 0, %entry ], [ %next, %loop ]
  {lines(starts)}
  {lines(apart if separate else fused)}
  %next = add i64 %k, 1
  %more = icmp slt i64 %next, %turns
  br i1 %more, label %loop, label %done
done:
  {lines(firsts)}
  {lines(total)}
  %bits = fptosi {scalar} %s{chains} to i64
  %result = sitofp i64 %bits to double
  ret double %result
}}
"""


def main() -> None:
    """Print the limit of one core, and that of several together."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dtype", nargs="?", choices=("float32", "float64"), default="float32")
    parser.add_argument("threads", nargs="?", type=int, default=len(CORES))
    parser.add_argument("vector_bytes", nargs="?", type=int, default=host_vector_bytes())
    args = parser.parse_args()
    alone = fma_limit(args.dtype, 1, args.vector_bytes)
    print(f"{alone:.2f} GFLOP/s: 1 core, {args.dtype}, vectors of {args.vector_bytes} bytes")
    if args.threads > 1:
        together = fma_limit(args.dtype, args.threads, args.vector_bytes)
        print(f"{together:.2f} GFLOP/s: {args.threads} cores together, {together / alone:.2f} times as much")


if __name__ == "__main__":
    main()
