"""Where compiled kernels are kept: one checksummed file a function and signature, in a directory of this build's own.

Numba's own cache keeps an index beside numbered data files, does not see an edit in another file, and raises on damage.
Here the directory's name is a hash of everything the machine code depends on (the sources it is made from, the
versions of Python, Numba, llvmlite and NumPy, the CPU and its features), a file's name says function and signature,
files appear whole or not at all, and whatever goes wrong is a miss: the kernel is compiled, and one warning says why.
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

_DIGEST = hashlib.sha256().digest_size

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


def _private(path: Path) -> bool:
    """Whether nobody else can write there: cache files are pickles, so whoever writes them runs code here."""
    if not hasattr(os, "getuid"):
        return True
    status = path.stat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _sources() -> bytes:
    """One hash over every module of `CODE`, also where the package lies in a zip file."""
    digest = hashlib.sha256()
    for entry in CODE:
        place = files("fastbp").joinpath(entry.rstrip("/"))
        modules = _modules(place, entry) if entry.endswith("/") else [(entry, place.read_bytes())]
        for name, source in sorted(modules):
            digest.update(name.encode() + b"\0" + source)
    return digest.digest()


def _modules(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Name and source of every module in `folder` and below."""
    for entry in folder.iterdir():
        if entry.name.endswith(".py"):
            yield prefix + entry.name, entry.read_bytes()
        elif entry.is_dir():
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
        str(numba.config.OPT),
        str(numba.config.BOUNDSCHECK),
        *host.build_facts(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


@functools.cache
def directory() -> Path | None:
    """The directory compiled kernels are kept in, made on first use; None where no private place can be written."""
    if not usable(UNKEPT):
        return None
    reasons = []
    for base in _candidates():
        path = base / build_key()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (_private(base) and _private(path)):
                raise PermissionError("others may write there")
            with tempfile.TemporaryFile(dir=path):
                return path
        except (OSError, RuntimeError) as error:
            reasons.append(f"{base}: {error}")
    _warn("no place to keep compiled kernels, each process compiles its own (" + "; ".join(reasons) + ")")
    return None


@functools.cache
def _warn(message: str) -> None:
    warnings.warn(f"fastbp: {message}; set FASTBP_CACHE_DIR to choose another place", RuntimeWarning, stacklevel=3)


# ------------------------------------------------------------------ one function's files
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

    def _file(self, sig: Any, codegen: Any) -> Path | None:
        place = directory()
        if place is None:
            return None
        key = hashlib.sha256(repr((str(sig), codegen.magic_tuple())).encode()).hexdigest()[:16]
        return place / f"{self._name}-{key}.kernel"

    def flush(self) -> None:
        """Forget nothing: what a file holds depends on its name alone."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function for signature `sig`, None when there is none or it cannot be read whole."""
        file = self._file(sig, target_context.codegen())
        if file is None:
            return None
        try:
            data = file.read_bytes()
            if hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
                raise ValueError("damaged")
            from numba.core.compiler import CompileResult
            from numba.core.runtime import rtsys

            # Numba's own caches refresh the whole context, which loads what compiles NumPy's functions: warm first
            # step 0.43 → 0.09 s
            rtsys.initialize(target_context)
            return CompileResult._rebuild(target_context, *pickle.loads(data[_DIGEST:]))
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 (whatever is wrong with a file, it is a miss)
            _warn(f"compiled kernel {file.name} in {file.parent} is not usable ({error!r}) and is compiled again")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled function; a place that cannot be written costs a warning, not the run."""
        file = self._file(sig, data.codegen)
        if file is None or data.library.has_dynamic_globals:
            return
        from numba.core.serialize import dumps

        body = dumps(data._reduce())
        try:
            handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
            try:
                with os.fdopen(handle, "wb") as f:
                    f.write(hashlib.sha256(body).digest() + body)
                os.replace(name, file)
            except BaseException:
                os.unlink(name)
                raise
        except OSError as error:
            _warn(f"compiled kernel could not be kept in {file.parent} ({error})")
