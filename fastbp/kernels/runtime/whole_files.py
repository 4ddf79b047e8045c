"""Files that appear whole or not at all, and nothing beside them, whatever ends the process in a save.

The new content goes to a file without a name, where the system has such files (Linux), which a kill takes with it. It
gets a temporary name, and then the name of the file that it replaces. Elsewhere it has the temporary name from the
start. Its writer holds a lock, so a temporary file that nobody has locked is a dead writer's. The next save into the
folder removes it.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
import secrets
import stat
import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

_FCNTL: Any = importlib.import_module("fcntl") if os.name == "posix" else None
_TEMPORARY = re.compile(r"\.fastbp-[0-9a-f]{16}\.tmp")
# Where files cannot be locked, one that nobody has written to for so long is nobody's (s).
_ABANDONED = 86400.0
# Ctrl-C is answered between two parts of this size, and no system takes more than 2 GiB at once.
_PART = 16 * 2**20
_BINARY = getattr(os, "O_BINARY", 0)
# What file systems say that cannot do something, in contrast to one that fails.
_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_CANNOT_LINK = _CANNOT | {errno.EPERM, errno.EACCES, errno.ENOENT, errno.EXDEV}
_CANNOT_SYNC_FOLDERS = _CANNOT | {errno.EPERM, errno.EACCES, errno.EBADF}
_KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


# ------------------------------------------------------------------ what is a file
def refuse_special(path: str | os.PathLike[str], status: os.stat_result) -> None:
    """Raise OSError unless the status is that of a plain file: pipes and devices are not replaced or waited for."""
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        number = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
        raise OSError(number, f"is {kind}, expected a plain file", os.fspath(path))


def target_of(path: str | os.PathLike[str]) -> Path:
    """The plain file that a save would make or replace, with all symbolic links followed; OSError if it is none."""
    name = os.fspath(path)
    if name.endswith(tuple(filter(None, (os.sep, os.altsep)))):
        raise IsADirectoryError(errno.EISDIR, "is the name of a folder, expected a plain file", name)
    with suppress(FileNotFoundError):
        refuse_special(name, os.stat(name))
    target = Path(os.path.realpath(name))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {os.fspath(target.parent)!r} for the file", name)
    return target


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise OSError if a save to `path` would fail from the start. Nothing stays behind."""
    check_folder(target_of(path).parent)


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Raise OSError if no file can be written in a folder. Nothing stays behind."""
    try:
        descriptor, name = _new_file(Path(folder), 0o600)
    except OSError as error:
        message = f"no file can be written in this folder ({error.strerror})"
        raise OSError(error.errno, message, os.fspath(folder)) from None
    try:
        if name:
            name.unlink()
    finally:
        _close(descriptor)


def open_plain(path: str | os.PathLike[str]) -> int:
    """A descriptor for reading a plain file; OSError if it is none, at once even where a pipe has no writer."""
    descriptor = os.open(path, os.O_RDONLY | _BINARY | getattr(os, "O_NONBLOCK", 0))
    try:
        refuse_special(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


# ------------------------------------------------------------------ writing
def write_whole(path: str | os.PathLike[str], parts: Sequence[Any], mode: int = 0o666, *, durable: bool = True) -> None:
    """Write `parts`, one after the other, to a file that is replaced as a whole or stays as it is.

    `mode` is that of a new file, less the umask. A file that is replaced keeps its own, and its owner where that is
    allowed. `durable` waits until the content is on the disk. Raises OSError, after which the file is as before.
    """
    target = target_of(path)
    sweep(target.parent)
    try:
        if not _replace(target, parts, mode, durable, anonymous=True):
            _replace(target, parts, mode, durable, anonymous=False)
    except OSError as error:
        if error.errno is None:
            raise
        # The user knows nothing of temporary names.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    if durable:
        _sync_folder(target.parent)


def _replace(target: Path, parts: Sequence[Any], mode: int, durable: bool, *, anonymous: bool) -> bool:
    """Write the parts and give them the target's name; False where a file without a name cannot get one."""
    descriptor, name = _new_file(target.parent, mode, anonymous=anonymous)
    open_file = ExitStack()
    open_file.callback(_close, descriptor)
    try:
        _keep_owner_and_mode(descriptor, target)
        for part in parts:
            _write(descriptor, memoryview(part))
        if durable:
            _sync(descriptor)
        if name is None:
            name = _temporary(target.parent)
            try:
                # With a descriptor of a folder, link(2) follows the symbolic link; the path is absolute all the same.
                os.link(f"/proc/self/fd/{descriptor}", name, src_dir_fd=descriptor, follow_symlinks=True)
            except OSError as error:
                if error.errno in _CANNOT_LINK:
                    return False
                raise
        if _FCNTL is None:  # Windows replaces no open file
            open_file.close()
        os.replace(name, target)
    except BaseException:
        if name is not None:
            with suppress(OSError):
                name.unlink()
        raise
    finally:
        open_file.close()
    return True


def _temporary(folder: Path) -> Path:
    return folder / f".fastbp-{secrets.token_hex(8)}.tmp"


def _new_file(folder: Path, mode: int, *, anonymous: bool = True) -> tuple[int, Path | None]:
    """Descriptor and name of a new, locked file; None for a file without a name, where there are such files."""
    if anonymous and hasattr(os, "O_TMPFILE"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_WRONLY | os.O_TMPFILE, mode)
            _lock(descriptor)
            return descriptor, None
    while True:
        name = _temporary(folder)
        # tempfile would ignore the umask, by which the user decides who may read a new file.
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode)
        try:
            _lock(descriptor)
            # Between the two calls another process may have taken it for a dead writer's.
            if os.fstat(descriptor).st_nlink or _FCNTL is None:
                return descriptor, name
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                name.unlink()
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if _FCNTL is not None:
        with suppress(OSError):
            _FCNTL.flock(descriptor, _FCNTL.LOCK_EX)


def _keep_owner_and_mode(descriptor: int, target: Path) -> None:
    try:
        old, new = target.stat(), os.fstat(descriptor)
    except FileNotFoundError:
        return
    if hasattr(os, "fchown") and (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        with suppress(OSError):
            os.chown(descriptor, old.st_uid, old.st_gid)
    if stat.S_IMODE(old.st_mode) != stat.S_IMODE(new.st_mode) and hasattr(os, "fchmod"):
        os.chmod(descriptor, stat.S_IMODE(old.st_mode))


def _close(descriptor: int) -> None:
    with suppress(OSError):  # the content is complete by then, or another error on its way
        os.close(descriptor)


def _write(descriptor: int, content: memoryview[Any]) -> None:
    if content.nbytes:  # an empty view cannot be cast
        rest = content.cast("B")
        while rest:
            rest = rest[os.write(descriptor, rest[:_PART]) :]


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def _sync_folder(folder: Path) -> None:
    """Make the new name durable. On Windows, where a folder cannot be opened, the system does it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # The file is in its place, so the save has not failed. Many file systems cannot do this.
        if error.errno not in _CANNOT_SYNC_FOLDERS:
            message = f"a file saved in {os.fspath(folder)!r} may be lost if the power fails now ({error})"
            warnings.warn(message, RuntimeWarning, stacklevel=3)


# ------------------------------------------------------------------ what a kill left
def sweep(folder: Path) -> None:
    """Remove the temporary files in a folder whose writers are dead. Errors are ignored."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in list(entries):
            if _TEMPORARY.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_if_abandoned(entry.path)


def _remove_if_abandoned(path: str) -> None:
    if _FCNTL is None:
        if time.time() - os.stat(path).st_mtime > _ABANDONED:
            os.unlink(path)
        return
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return
        try:
            _FCNTL.flock(descriptor, _FCNTL.LOCK_EX | _FCNTL.LOCK_NB)
        except BlockingIOError:
            return
        except OSError:
            if time.time() - status.st_mtime < _ABANDONED:
                return
        os.unlink(path)
    finally:
        os.close(descriptor)
