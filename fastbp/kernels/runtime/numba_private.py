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
    ("untyped_passes", "TranslateByteCode"),
    ("untyped_passes", "FixupArgs"),
    ("untyped_passes", "IRProcessing"),
    ("untyped_passes", "RewriteSemanticConstants"),
    ("untyped_passes", "GenericRewrites"),
    ("untyped_passes", "ReconstructSSA"),
    ("untyped_passes", "DeadBranchPrune"),
    ("typed_passes", "NopythonTypeInference"),
    ("typed_passes", "PreLowerStripPhis"),
    ("typed_passes", "IRLegalization"),
    ("typed_passes", "AnnotateTypes"),
    ("typed_passes", "NativeLowering"),
    ("typed_passes", "NoPythonBackend"),
)

# module:name, and what happens without it; "Compiler().state" is an attribute that objects have and their class has not
INTERFACES = {
    # types and signatures of vectors, pointers and records
    "numba.core.types:BaseTuple": ERROR,
    "numba.core.types:CPointer": ERROR,
    "numba.core.types:Float": ERROR,
    "numba.core.types:Function": ERROR,
    "numba.core.types:Integer": ERROR,
    "numba.core.types:Number": ERROR,
    "numba.core.types:Tuple": ERROR,
    "numba.core.types:Type": ERROR,
    "numba.core.types:UniTuple": ERROR,
    "numba.core.types:boolean": ERROR,
    "numba.core.types:float32": ERROR,
    "numba.core.types:float64": ERROR,
    "numba.core.types:int32": ERROR,
    "numba.core.types:int64": ERROR,
    "numba.core.types:intp": ERROR,
    "numba.core.types:none": ERROR,
    "numba.core.types:void": ERROR,
    "numba.core.types:voidptr": ERROR,
    "numba.core.typeconv:Conversion": ERROR,
    "numba.core.typing.templates:AbstractTemplate": ERROR,
    "numba.core.typing.templates:AttributeTemplate": ERROR,
    "numba.core.typing.templates:ConcreteTemplate": ERROR,
    "numba.core.typing.templates:infer_global": ERROR,
    "numba.core.typing.templates:signature": ERROR,
    "numba.extending:infer_getattr": ERROR,
    "numba.extending:lower_getattr_generic": ERROR,
    "numba.np.numpy_support:from_dtype": ERROR,
    # their code
    "numba.core.base:BaseContext.cast": ERROR,
    "numba.core.base:BaseContext.get_constant": ERROR,
    "numba.core.base:BaseContext.get_dummy_value": ERROR,
    "numba.core.base:BaseContext.get_value_type": ERROR,
    "numba.core.base:BaseContext.make_array": ERROR,
    "numba.core.cgutils:alloca_once": ERROR,
    "numba.core.cgutils:get_or_insert_function": ERROR,
    "numba.core.cgutils:is_not_null": ERROR,
    "numba.core.cgutils:pack_array": ERROR,
    "numba.core.cgutils:pack_struct": ERROR,
    "numba.core.cgutils:unpack_tuple": ERROR,
    # inner functions as LLVM's code, linked once: linking.py
    "numba._dynfunc:make_function": UNLINKED,
    "numba.core.codegen:JITCodeLibrary._ensure_finalized": UNLINKED,
    "numba.core.codegen:JITCodeLibrary._finalize_dynamic_globals": UNLINKED,
    "numba.core.codegen:JITCodeLibrary._get_module_for_linking": UNLINKED,
    "numba.core.codegen:JITCodeLibrary._optimize_functions": UNLINKED,
    "numba.core.codegen:JITCodeLibrary._raise_if_finalized": UNLINKED,
    "numba.core.codegen:JITCodeLibrary.enable_object_caching": UNLINKED,
    "numba.core.codegen:JITCodeLibrary.finalize": UNLINKED,
    "numba.core.codegen:JITCodeLibrary()._codegen": UNLINKED,
    "numba.core.codegen:JITCodeLibrary()._final_module": UNLINKED,
    "numba.core.codegen:JITCodeLibrary()._finalized": UNLINKED,
    "numba.core.codegen:JITCodeLibrary()._linking_libraries": UNLINKED,
    "numba.core.codegen:JITCPUCodegen()._data_layout": UNLINKED,
    "numba.core.compiler:Compiler": UNLINKED,
    "numba.core.compiler:Compiler().state": UNLINKED,
    "numba.core.compiler:StateDict().args": UNLINKED,
    "numba.core.compiler:StateDict().library": UNLINKED,
    "numba.core.compiler:StateDict().targetctx": UNLINKED,
    "numba.core.cpu:CPUContext.codegen": UNLINKED,
    "numba.core.cpu:CPUContext.get_executable": UNLINKED,
    "numba.core.compiler_machinery:PassManager": UNTHINNED,
    **{f"numba.core.{module}:{name}": UNTHINNED for module, name in PASSES},
    # compiled kernels on disk: cache.py
    "numba.core.runtime:rtsys": UNKEPT,
    "numba.core.ccallback:CFunc": UNKEPT,
    "numba.core.ccallback:CFunc()._cache": UNKEPT,
    "numba.core.codegen:CPUCodeLibrary.has_dynamic_globals": UNKEPT,
    "numba.core.codegen:JITCPUCodegen.magic_tuple": UNKEPT,
    "numba.core.compiler:CompileResult._rebuild": UNKEPT,
    "numba.core.compiler:CompileResult._reduce": UNKEPT,
    "numba.core.dispatcher:Dispatcher()._cache": UNKEPT,
    "numba.core.serialize:dumps": UNKEPT,
    # no garbage collection while Numba compiles: jit.py
    "numba.core.dispatcher:Dispatcher._compile_for_args": COLLECTED,
    # no fork while a thread compiles: jit.py
    "numba.core.compiler_lock:global_compiler_lock": UNGUARDED,
    "numba.core.compiler_lock:_CompilerLock()._lock": UNGUARDED,
    # which threading layers there are: threads.py
    "numba.np.ufunc.workqueue": UNNAMED,
}
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
