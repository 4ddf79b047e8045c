"""What fastbp uses of Numba that Numba does not document, and what happens where a release does not have it.

Numba may change any of this in any release. So it is all listed here and looked up before it is used: names of modules
and classes when fastbp.kernels is imported, attributes of objects at their first use.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numba

#: The lowest and the newest release with which the whole suite has passed.
TESTED = ("0.62.0", "0.68.1")

ERROR = "fastbp cannot be imported"
UNLINKED = "each inner function is compiled by itself and a first step takes twice as long"
UNTHINNED = "each inner function goes through all of Numba's passes and a first step takes 0.5 s longer"
UNKEPT = "compiled kernels are not kept on disk and each process compiles its own"
COLLECTED = "garbage is collected during compilation and a first step takes 0.3 s longer"
UNGUARDED = "a child process that is forked while a thread compiles may hang"
UNNAMED = "fastbp.config names the threading layer only when it runs"

#: The passes that turn a plain loop into LLVM's code, by module of numba.core.
PASSES = (
    *(("untyped_passes", name) for name in (
        "TranslateByteCode", "FixupArgs", "IRProcessing", "RewriteSemanticConstants", "GenericRewrites",
        "ReconstructSSA", "DeadBranchPrune",
    )),
    *(("typed_passes", name) for name in (
        "NopythonTypeInference", "PreLowerStripPhis", "IRLegalization", "AnnotateTypes", "NativeLowering",
        "NoPythonBackend",
    )),
)  # fmt: skip


def _rows(consequence: str, module: str, names: str) -> dict[str, str]:
    return {f"{module}:{name}": consequence for name in names.split()}


# module:name, and what happens without it; "Compiler().state" is an attribute that objects have and their class has not
INTERFACES = {
    # types and signatures of vectors, pointers and records
    **_rows(ERROR, "numba.core.types", "BaseTuple CPointer Float Function Integer Number Tuple Type UniTuple boolean "
                                       "float32 float64 int32 int64 intp none void voidptr"),
    **_rows(ERROR, "numba.core.typeconv", "Conversion"),
    **_rows(ERROR, "numba.core.typing.templates", "AbstractTemplate AttributeTemplate ConcreteTemplate infer_global "
                                                  "signature"),
    **_rows(ERROR, "numba.extending", "infer_getattr lower_getattr_generic"),
    **_rows(ERROR, "numba.np.numpy_support", "from_dtype"),
    # their code
    **_rows(ERROR, "numba.core.base", "BaseContext.cast BaseContext.get_constant BaseContext.get_dummy_value "
                                      "BaseContext.get_value_type BaseContext.make_array BaseContext.make_tuple"),
    **_rows(ERROR, "numba.core.cgutils", "alloca_once get_or_insert_function is_not_null pack_struct unpack_tuple"),
    # inner functions as LLVM's code, linked once: linking.py
    **_rows(UNLINKED, "numba._dynfunc", "make_function"),
    **_rows(UNLINKED, "numba.core.codegen", """
        JITCodeLibrary._ensure_finalized JITCodeLibrary._finalize_dynamic_globals
        JITCodeLibrary._get_module_for_linking JITCodeLibrary._optimize_functions JITCodeLibrary._raise_if_finalized
        JITCodeLibrary.enable_object_caching JITCodeLibrary.finalize JITCodeLibrary()._codegen
        JITCodeLibrary()._final_module JITCodeLibrary()._finalized JITCodeLibrary()._linking_libraries
        JITCPUCodegen()._data_layout"""),
    **_rows(UNLINKED, "numba.core.compiler", "Compiler Compiler().state StateDict().args StateDict().library "
                                             "StateDict().targetctx"),
    **_rows(UNLINKED, "numba.core.cpu", "CPUContext.codegen CPUContext.get_executable"),
    **_rows(UNTHINNED, "numba.core.compiler_machinery", "PassManager"),
    **{f"numba.core.{module}:{name}": UNTHINNED for module, name in PASSES},
    # compiled kernels on disk: cache.py
    **_rows(UNKEPT, "numba.core.runtime", "rtsys"),
    **_rows(UNKEPT, "numba.core.ccallback", "CFunc CFunc()._cache"),
    **_rows(UNKEPT, "numba.core.codegen", "CPUCodeLibrary.has_dynamic_globals JITCPUCodegen.magic_tuple"),
    **_rows(UNKEPT, "numba.core.compiler", "CompileResult._rebuild CompileResult._reduce"),
    **_rows(UNKEPT, "numba.core.dispatcher", "Dispatcher()._cache"),
    **_rows(UNKEPT, "numba.core.serialize", "dumps"),
    # no garbage collection while Numba compiles: jit.py
    **_rows(COLLECTED, "numba.core.dispatcher", "Dispatcher._compile_for_args"),
    # no fork while a thread compiles: jit.py
    **_rows(UNGUARDED, "numba.core.compiler_lock", "global_compiler_lock _CompilerLock()._lock"),
    # which threading layers there are: threads.py
    "numba.np.ufunc.workqueue": UNNAMED,
}  # fmt: skip
_gone: set[str] = set()  # the consequences that have come to pass


def check() -> None:
    """Look up every name of a module or class.

    Raises
    ------
    ImportError
        If one is missing without which nothing compiles. Where there is another way, a RuntimeWarning says what that
        costs.
    """
    missing: dict[str, list[str]] = {}
    for path, consequence in INTERFACES.items():
        if "()" not in path and not _found(path):
            missing.setdefault(consequence, []).append(path)
    if ERROR in missing:
        raise ImportError(_message(ERROR, missing[ERROR]))
    for consequence, paths in missing.items():
        _note(consequence, paths)


def usable(consequence: str, *things: Any) -> bool:
    """Whether nothing is missing that has this consequence, the attributes of the objects `things` included."""
    for thing in things:
        names = {kind.__name__ for kind in type(thing).__mro__}
        rows = [path for path, found in INTERFACES.items() if found == consequence and "()." in path]
        used = [path for path in rows if path.partition(":")[2].partition("()")[0] in names]
        _note(consequence, [path for path in used if not hasattr(thing, path.rpartition(".")[2])])
    return consequence not in _gone


def _found(path: str) -> bool:
    module, _, names = path.partition(":")
    try:
        if not names:
            return find_spec(module) is not None
        thing: Any = import_module(module)
    except ImportError:
        return False
    for name in names.split("."):
        if not hasattr(thing, name):
            return False
        thing = getattr(thing, name)
    return True


def _note(consequence: str, paths: list[str]) -> None:
    """Warn once of a consequence, and remember it."""
    if paths and consequence not in _gone:
        _gone.add(consequence)
        warnings.warn(f"fastbp: {_message(consequence, paths)}", RuntimeWarning, stacklevel=3)


def _message(consequence: str, paths: list[str]) -> str:
    lowest, newest = TESTED
    return (f"Numba {numba.__version__} does not have {', '.join(paths)}, so {consequence}; "
            f"fastbp is tested with Numba {lowest} to {newest}, for instance: pip install numba=={newest}")
