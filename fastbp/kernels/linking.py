"""How inner functions are compiled: to LLVM's code, which their callers link in, and no further.

Numba optimises every function and makes machine code of it before it goes on to the caller, which does all of it again:
for kernels nine calls deep that was half of the compile time (first step of a network 9.9 s, so 5.9 s).
"""

from __future__ import annotations

from typing import Any

from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class LinkedLibrary(JITCodeLibrary):
    """The code of one inner function; the library of the entry that takes it in optimises and emits it."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


def _not_executable(library: Any, fndesc: Any, env: Any) -> Any:
    """What stands for the function in its dispatcher: an object with no code behind it."""
    library._ensure_finalized()
    return _dynfunc.make_function(fndesc.lookup_module(), fndesc.qualname.rpartition(".")[2], "", 0, env, (library,))


class LinkedCompiler(Compiler):
    """Numba's compiler, with a `LinkedLibrary` for its result."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        if self.state.library is None:
            self.state.library = LinkedLibrary(self.state.targetctx.codegen(), f"fastbp.{self.state.args}"[:80])
            self.state.library.enable_object_caching()
        self.state.targetctx.get_executable = _not_executable
