"""Where compiled kernels are kept: one checksummed file a function and signature, in a directory of this build's own.

Numba's own cache keeps an index beside numbered data files, does not see an edit in another file, and raises on damage.
Here the directory's name is a hash of everything the machine code depends on (the sources it is made from, the
versions of Python, Numba, llvmlite and NumPy, the CPU and its features), a file's name says function and signature,
files appear whole or not at all, and whatever goes wrong is a miss: the kernel is compiled, and one warning says why.

Files are pickles: whoever writes one runs code here. So only files are read that this user or root owns and nobody else
may write to, whatever the folders allow, and each must have the content that was kept under its name.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import platform
import stat
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np

from fastbp.kernels.runtime import host
from fastbp.kernels.runtime.numba_private import UNKEPT, usable
from fastbp.kernels.runtime.whole_files import write_whole

_DIGEST = hashlib.sha256().digest_size
# The modules whose errors a damaged file may end in.
_OF_FILES = frozenset({"builtins", "pickle", "_pickle", "numba", "llvmlite", "numpy", "struct", "zlib"})

# What users may have set for their own functions and Numba writes into machine code, calls that print among it.
NUMBAS = (
    "OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "LLVM_REFPRUNE_PASS", "LLVM_REFPRUNE_FLAGS", "EXTEND_VARIABLE_LIFETIMES",
    "DEBUGINFO_DEFAULT", "ENABLE_PROFILING", "DEBUG_JIT", "DEBUG_NRT", "DEBUG_ARRAY_OPT_RUNTIME", "NRT_STATS",
)
# What machine code is made from: the kernels, what writes formulas, and the tables that hold formulas.
CODE = ("kernels/", "symbolic/", "compiled/", "activations.py", "losses.py", "regularization.py", "update_rules.py")


# ------------------------------------------------------------------ the directory
def _candidates() -> Iterator[Path]:
    """Places for the cache, best first."""
    chosen = os.environ.get("FASTBP_CACHE_DIR")
    if chosen:
        yield Path(chosen).expanduser().absolute()
        return
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if base and os.path.isabs(base):
        yield Path(base) / "fastbp"
    yield Path(tempfile.gettempdir()) / f"fastbp-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def _trusted(status: os.stat_result, *owners: int) -> bool:
    """Whether one of `owners` has a file or folder, and nobody else may write to it."""
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid in owners and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _sources() -> bytes:
    """One hash over every module of `CODE`, also where the package lies in a zip file or has compiled modules alone."""
    digest = hashlib.sha256()
    for entry in CODE:
        *folders, name = entry.split("/")
        modules = dict(_modules(files("fastbp").joinpath(*folders), "/".join([*folders, ""])))
        # a folder, or one module
        for module in sorted(modules) if not name else {entry, f"{entry}c"} & modules.keys():
            digest.update(module.encode() + b"\0" + modules[module].read_bytes())
    return digest.digest()


def _modules(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    """Every module in `folder`, and below unless that is the package itself, by its name."""
    for entry in folder.iterdir():
        if entry.name.endswith((".py", ".pyc")):
            yield prefix + entry.name, entry
        elif prefix and entry.is_dir() and entry.name != "__pycache__":
            yield from _modules(entry, f"{prefix}{entry.name}/")


@functools.cache
def build_key() -> str:
    """Hash of everything that machine code made here depends on."""
    parts = [
        _sources().hex(),
        platform.python_implementation(),
        sys.version,
        getattr(sys, "abiflags", ""),
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
        *(f"{name} {getattr(numba.config, name, None)}" for name in NUMBAS),
        *host.build_facts(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


@functools.cache
def places() -> tuple[Path, ...]:
    """The directories where compiled kernels of this build are looked for, best first."""
    found = []
    for base in _candidates():
        with suppress(RuntimeError):  # a home that nobody knows
            found.append(base / build_key())
    return tuple(found) if usable(UNKEPT) else ()


@functools.cache
def _writable() -> tuple[Path | None, str]:
    """The first of the places that can be written, made if need be, or else why none can."""
    reasons = []
    for path in places():
        try:
            path.parent.parent.mkdir(parents=True, exist_ok=True)
            for folder in (path.parent, path):  # a mode holds for the last folder of a path alone
                folder.mkdir(mode=0o700, exist_ok=True)
            if not _trusted(path.stat(), _user()):
                raise PermissionError("others may write there")
            with tempfile.TemporaryFile(dir=path):
                return path, ""
        except OSError as error:
            reasons.append(f"{path.parent}: {error}")
    return None, "; ".join(reasons)


def directory() -> Path | None:
    """The directory new kernels are kept in, made on first use; None where no private place can be written."""
    return _writable()[0]


@functools.cache
def _warn(message: str) -> None:
    warnings.warn(f"fastbp: {message}; set FASTBP_CACHE_DIR to choose another place", RuntimeWarning, stacklevel=3)


# ------------------------------------------------------------------ one function's files
def _digest(name: str, body: bytes) -> bytes:
    """What a file of this build and name must begin with, so that none stands in for another."""
    return hashlib.sha256(f"{build_key()} {name}\0".encode() + body).digest()


def _loaded(file: Path, target_context: Any) -> Any:
    """The compiled function in a file; an exception if it cannot be read whole, or may be somebody else's."""
    with file.open("rb") as stream:
        status = os.fstat(stream.fileno())
        if not _trusted(status, _user(), 0):
            raise ValueError(f"user {status.st_uid} owns it, or others may write to it")
        data = stream.read()
    if _digest(file.name, data[_DIGEST:]) != data[:_DIGEST]:
        raise ValueError("damaged, or another kernel's")
    from numba.core.compiler import CompileResult
    from numba.core.runtime import rtsys

    # Numba's own caches refresh the whole context, which loads what compiles NumPy's functions: warm first step
    # 0.43 → 0.09 s
    rtsys.initialize(target_context)
    return CompileResult._rebuild(target_context, *pickle.loads(data[_DIGEST:]))


class KernelCache:
    """The disk cache of one function, with the methods that Numba's dispatchers and C callbacks call.

    Parameters
    ----------
    name : str
        What tells the function from all others of the package.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def cache_path(self) -> str | None:
        """The directory, as text."""
        place = directory()
        return str(place) if place else None

    def _file(self, sig: Any, codegen: Any) -> str:
        """The name of its file, of bounded length."""
        key = hashlib.sha256(repr((self._name, str(sig), codegen.magic_tuple())).encode()).hexdigest()[:16]
        return f"{self._name[:80]}-{key}.kernel"

    def flush(self) -> None:
        """Forget nothing: what a file holds depends on its name alone."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function for signature `sig`, None when there is none or it cannot be read whole."""
        name = self._file(sig, target_context.codegen())
        for place in places():
            try:
                return _loaded(place / name, target_context)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
            except Exception as error:
                # whatever is wrong with a file, it is a miss; the rest is of a signal handler of the user's
                if type(error).__module__.partition(".")[0] not in _OF_FILES:
                    raise
                _warn(f"compiled kernel {name} in {place} is not usable ({error!r}) and is compiled again")
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled function; a place that cannot be written costs a warning, not the run."""
        if not usable(UNKEPT) or data.library.has_dynamic_globals:
            return
        place, reason = _writable()
        if place is None:
            _warn(f"no place to keep compiled kernels, each process compiles its own ({reason})")
            return
        file = place / self._file(sig, data.codegen)
        from numba.core.serialize import dumps

        body = dumps(data._reduce())
        try:
            # Not waited for on the disk: what a power failure damages is a miss.
            write_whole(file, [_digest(file.name, body), body], 0o600, durable=False)
        except OSError as error:
            _warn(f"compiled kernel could not be kept in {file.parent} ({error})")
