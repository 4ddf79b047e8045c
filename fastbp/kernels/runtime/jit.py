"""Compiler flags.

Nothing here compiles: decorators register functions, which Numba compiles at their first call.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numba
import numpy as np
from numba import njit
from numba.np.numpy_support import from_dtype

from fastbp.kernels.runtime import cache
from fastbp.kernels.runtime.numba_private import COLLECTED, UNGUARDED, UNKEPT, UNLINKED, usable

# error_model="numpy": a division by zero gives inf instead of a branch to an exception.
# No fastmath: every kernel names its fused multiply-adds itself, so that serial and parallel builds give the same bits.
# No bounds are checked, whatever NUMBA_BOUNDSCHECK says, which is for functions of the user's: no kernel may raise.
FLAGS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "boundscheck": False}
INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
if usable(UNLINKED):
    from fastbp.kernels.runtime.linking import LinkedCompiler

    INNER["pipeline_class"] = LinkedCompiler


# ------------------------------------------------------------------ forks
_FORK_WAITS = 60.0  # seconds


def _before_fork() -> None:
    """Wait for a thread that compiles: its lock would stay taken in the child, which could compile nothing."""
    _compiler_lock().acquire(timeout=_FORK_WAITS)


def _after_fork() -> None:
    with suppress(RuntimeError):  # it was not to be had
        _compiler_lock().release()


def _compiler_lock() -> Any:
    from numba.core.compiler_lock import global_compiler_lock

    return global_compiler_lock._lock if usable(UNGUARDED, global_compiler_lock) else threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


# ------------------------------------------------------------------ decorators
def _dispatcher(function: Callable[..., Any], **options: Any) -> Any:
    """`function` for Numba to compile, also with NUMBA_DISABLE_JIT: kernels work on pointers, which Python has not."""
    with _set(DISABLE_JIT=0):
        return njit(**FLAGS, **options)(function)


@contextmanager
def _set(**settings: int) -> Iterator[None]:
    """Settings of Numba that go before those of the user."""
    before = {name: getattr(numba.config, name) for name in settings}
    vars(numba.config).update(settings)
    try:
        yield
    finally:
        vars(numba.config).update(before)


@contextmanager
def _compiling() -> Iterator[None]:
    """Compile here, and nowhere else meanwhile: settings hold for all that Numba compiles, the user's functions too.

    Numba compiles functions of its own for those that call them, so jitting must not be disabled. The cyclic garbage
    collector is off: 5.1 → 4.8 s to the first step.
    """
    with _compiler_lock(), _set(DISABLE_JIT=0, BOUNDSCHECK=0):
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if was_enabled:
                gc.enable()


def inner(function: Callable[..., Any]) -> Any:
    """Compile `function` for use by other kernels only: no Python wrapper, stored inside its callers' cache entries."""
    return _dispatcher(function, **INNER)


def inlined(function: Callable[..., Any]) -> Any:
    """As `inner`, and made part of its caller by LLVM: for bodies whose tiles must stay in registers."""
    return _dispatcher(function, **INNER, forceinline=True)


def entry(function: Callable[..., Any], name: str, parallel: bool = False) -> Any:
    """Compile `function` to be called from Python, `prange` loops on Numba's threads where `parallel`.

    It is kept on disk by :mod:`fastbp.kernels.runtime.cache` as `name`, which must tell it from all other entries.
    """
    dispatcher = _dispatcher(function, no_cfunc_wrapper=True, parallel=parallel)
    _keep(dispatcher, name)
    return _compiled_here(dispatcher)


def is_ready(dispatcher: Any, dtype: Any) -> bool:
    """Whether an entry has machine code for numbers of a dtype in this process."""
    number = from_dtype(np.dtype(dtype))
    signatures = getattr(dispatcher, "signatures", ())
    return any(getattr(kind, "dtype", None) == number for signature in signatures for kind in signature)


def _compiled_here(dispatcher: Any) -> Any:
    """The dispatcher, which compiles with the settings of `_compiling`."""
    if not usable(COLLECTED):
        return dispatcher
    compile_for_args = dispatcher._compile_for_args

    def compile_with_settings(*arguments: Any, **keywords: Any) -> Any:
        with _compiling():
            return compile_for_args(*arguments, **keywords)

    dispatcher._compile_for_args = compile_with_settings
    return dispatcher


def textbook(function: Callable[..., Any]) -> Any:
    """Compile a loop of the equations as it stands: w * a + z in one rounding where the CPU has it, as tiles do it.

    With NUMBA_DISABLE_JIT it runs as Python, step by step in a debugger.
    """
    dispatcher = njit(**FLAGS, parallel=True, fastmath={"contract"})(function)
    if numba.config.DISABLE_JIT:
        return dispatcher
    _keep(dispatcher, f"loops-{function.__name__}")
    return _compiled_here(dispatcher)


def _keep(compiled: Any, name: str) -> None:
    """Let Numba look for machine code, and keep it, in the cache."""
    if usable(UNKEPT, compiled):
        compiled._cache = cache.KernelCache(name)


def callback(function: Callable[..., Any], signature: Any, name: str | None) -> Any:
    """Compile `function` to be called by its address from other kernels, without making them depend on it.

    `name` tells it from all others made of the same Python function; it is part of the cache file's name. What has none
    is not kept on disk.
    """
    options = {"error_model": FLAGS["error_model"], "boundscheck": FLAGS["boundscheck"]}
    with _compiling():
        if name is None or not usable(UNKEPT):
            return numba.cfunc(signature, **options)(function)
        from numba.core.ccallback import CFunc

        compiled = CFunc(function, (signature.args, signature.return_type), locals={}, options=options)
        _keep(compiled, name)
        compiled.compile()
    return compiled
