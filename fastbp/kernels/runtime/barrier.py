"""A spin barrier for the threads of one prange, so that a step needs one parallel region, not one for each loop.

A parallel region takes 1.2 µs on OpenMP and 90 µs on workqueue. Numba does not promise that iterations run at the same
time. So the threads first check, for a bounded time, that all have started; if not, iteration 0 does all the work.
"""

from __future__ import annotations

import os

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastbp.kernels.runtime.host import ARCHITECTURE, CACHE_LINE
from fastbp.kernels.runtime.jit import inner

# int64 of one thread's slot: four cache lines, because CPUs fetch them in pairs. It says whether the thread runs, and
# then its arrival in each of at most 15 rounds, of even and of odd phases: a thread may be one phase ahead.
_SLOT = 4 * CACHE_LINE // 8
# Polls (about 15 ns each) before `all_running` gives up, and before a waiting thread yields its core. A sleeping thread
# takes up to 50 µs to wake.
_START_POLLS, _YIELD_POLLS = 1 << 18, 1 << 12
_PARALLEL, _SERIAL = 1, 2
# The instruction for a loop that waits, as LLVM's function and its arguments. AArch64's `yield` does nothing on cores
# that run one thread; `isb` (15: the whole system) lets the pipeline run empty, as x86's pause does.
_PAUSE = {"x86_64": ("llvm.x86.sse2.pause", ()), "aarch64": ("llvm.aarch64.isb", (15,))}


# ------------------------------------------------------------------ one number that several threads read and write
@intrinsic
def store_release(tyctx, p, value):
    """p[0] = value, after all that this thread has written before."""

    def codegen(context, builder, sig, args):
        builder.store_atomic(args[1], args[0], "release", 8)
        return context.get_dummy_value()

    return types.void(p, types.int64), codegen


@intrinsic
def load_acquire(tyctx, p):
    """p[0], before all that this thread reads from now on."""
    return types.int64(p), lambda context, builder, sig, args: builder.load_atomic(args[0], "acquire", 8)


@intrinsic
def compare_exchange(tyctx, p, value):
    """p[0] = value if it is still 0."""

    def codegen(context, builder, sig, args):
        builder.cmpxchg(args[0], ir.Constant(args[1].type, 0), args[1], "acq_rel", "acquire")
        return context.get_dummy_value()

    return types.void(p, types.int64), codegen


@intrinsic
def pause(tyctx):
    """Tell the core that this thread waits for another; nothing on a CPU without a known instruction for it."""

    def codegen(context, builder, sig, args):
        if ARCHITECTURE in _PAUSE:
            name, numbers = _PAUSE[ARCHITECTURE]
            fnty = ir.FunctionType(ir.VoidType(), [ir.IntType(32)] * len(numbers))
            function = cgutils.get_or_insert_function(builder.module, fnty, name)
            builder.call(function, [ir.IntType(32)(number) for number in numbers])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def yield_core(tyctx):
    """Let another thread have the core, where the system has a function for it."""

    def codegen(context, builder, sig, args):
        if hasattr(os, "sched_yield"):
            fnty = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, fnty, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), codegen


# ------------------------------------------------------------------ all threads
def arrivals_size(threads):
    """int64 that a barrier of so many threads needs: what they decided, and a slot for each."""
    return (threads + 1) * _SLOT


@inner
def reset(arrivals, threads):
    """No thread has arrived; call it before the parallel loop begins."""
    for k in range((threads + 1) * _SLOT):
        arrivals[k] = 0


@inner
def _slot_of(arrivals, t):
    """Where thread t writes the phase at which it has arrived."""
    return arrivals + (t + 1) * _SLOT


@inner
def all_running(arrivals, t, threads):
    """Whether all threads run side by side: the same answer for each of them."""
    if threads == 1:
        return True
    store_release(_slot_of(arrivals, t), 1)
    missing = threads - 1
    for _ in range(_START_POLLS):
        if load_acquire(arrivals) != 0:
            break
        if t == 0:
            missing = 0
            for k in range(1, threads):
                missing += 1 - load_acquire(_slot_of(arrivals, k))
            if missing == 0:
                break
        pause()
    compare_exchange(arrivals, _PARALLEL if t == 0 and missing == 0 else _SERIAL)
    return load_acquire(arrivals) == _PARALLEL


@inner
def wait(arrivals, t, threads, phase, flag):
    """Arrive at `phase`, 2 and then each time one more, and wait for the others; whether any thread came with a flag.

    Dissemination (Hensgen, Finkel and Manber, 1988): in round r thread t waits for thread t − 2^r, which by then has
    heard of 2^r others. A thread reads log2(n) cache lines; each thread's own line has a number for each round.
    """
    step, place = 1, 1 + phase % 2
    while step < threads:
        store_release(_slot_of(arrivals, t) + place, 2 * phase + flag)
        other, polls = _slot_of(arrivals, (t - step + threads) % threads) + place, 0
        seen = load_acquire(other)
        while seen < 2 * phase:
            pause()
            polls += 1
            if polls > _YIELD_POLLS:
                yield_core()
            seen = load_acquire(other)
        flag |= seen & 1
        step, place = 2 * step, place + 2
    return flag
