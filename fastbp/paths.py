"""Paths that a user gives: with ~ for the home folder, and with fields for the epoch and its measures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from string import Formatter
from typing import Any, NamedTuple

from fastbp.checks import shortened, shown
from fastbp.kernels.runtime import whole_files


def check_path(value: Any, argument: str = "path") -> str:
    """Return a path as text, with a leading ~ replaced by the home folder.

    Parameters
    ----------
    value : str or path-like
        Path to check.
    argument : str
        Name of the argument in messages.

    Returns
    -------
    str
        The path.

    Raises
    ------
    TypeError
        If `value` is neither text nor path-like. A number would be the descriptor of an open file.
    ValueError
        If it is empty or has a null character.

    Examples
    --------
    >>> from pathlib import PurePosixPath
    >>> check_path(PurePosixPath("models", "net.safetensors"))
    'models/net.safetensors'
    """
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"{argument} must be a str or a path such as pathlib.Path, got {shown(value)}")
    text = os.fsdecode(value)
    if not text or "\0" in text:
        raise ValueError(f"{argument} must be the name of a file, got {shown(text)}")
    return os.path.expanduser(text)


class _Kind(NamedTuple):
    """Files whose names end in a certain way, as messages name them, and what writes and reads them."""

    name: str
    write: str
    read: str


_ONNX = _Kind("ONNX", "fastbp.io.to_onnx(network, path)", "fastbp.io.from_onnx(path)")
_NPZ = _Kind("NumPy", "fastbp.io.to_npz(network, path)", "fastbp.io.from_npz(path)")
_TORCH = _Kind("PyTorch", "torch.save(fastbp.io.to_torch(network), path)", "fastbp.io.from_torch(torch.load(path))")
_KERAS = _Kind(
    "Keras", "fastbp.io.to_keras(network).save(path)", "fastbp.io.from_keras(keras.models.load_model(path))"
)
_PICKLE = _Kind("pickle", "pickle.dump", "pickle.load")
_SAFETENSORS = _Kind("safetensors", "save or fastbp.io.to_safetensors", "fastbp.load or fastbp.io.from_safetensors")
_ENDINGS = {
    ".onnx": _ONNX, ".npz": _NPZ, ".npy": _NPZ, ".pt": _TORCH, ".pth": _TORCH, ".h5": _KERAS, ".hdf5": _KERAS,
    ".keras": _KERAS, ".pkl": _PICKLE, ".pickle": _PICKLE, ".joblib": _PICKLE, ".safetensors": _SAFETENSORS,
}  # fmt: skip


def _ending(path: Any) -> str:
    return os.path.splitext(os.fsdecode(path))[1].lower()


def check_ending(path: Any, own: str = ".safetensors") -> str:
    """Return a path to write to, as `check_path` does, unless its name is one for files of another kind.

    Parameters
    ----------
    path : str or path-like
        Path to check.
    own : str
        Ending of the kind of file that is written.

    Returns
    -------
    str
        The path.

    Raises
    ------
    TypeError
        If `path` is neither text nor path-like.
    ValueError
        If it is empty, has a null character, or ends as the names of another kind of file.

    Examples
    --------
    >>> check_ending("models/best"), check_ending("net.onnx", ".onnx")
    ('models/best', 'net.onnx')
    >>> check_ending("n.pkl")
    Traceback (most recent call last):
    ValueError: 'n.pkl' is a name for pickle, and this writes safetensors; call it 'n.safetensors' or use pickle.dump
    """
    text = check_path(path)
    kind = _ENDINGS.get(_ending(text), _ENDINGS[own])
    if kind is not _ENDINGS[own]:
        other = os.path.splitext(os.path.basename(text))[0] + own
        raise ValueError(
            f"{shown(text)} is a name for {kind.name}, and this writes {_ENDINGS[own].name}; call it {shown(other)} or "
            f"use {kind.write}"
        )
    return text


def reading_hint(path: Any, own: str = ".safetensors") -> str:
    """Return what reads a file that is not of its reader's own kind, by its name, as the end of a message.

    Parameters
    ----------
    path : str or path-like
        The file.
    own : str
        Ending of the kind of file that the reader takes.

    Returns
    -------
    str
        Nothing, if the name does not say.

    Examples
    --------
    >>> reading_hint("net.onnx"), reading_hint("net")
    ('; files of ONNX are read by fastbp.io.from_onnx(path)', '')
    """
    kind = _ENDINGS.get(_ending(path), _ENDINGS[own])
    return "" if kind is _ENDINGS[own] else f"; files of {kind.name} are read by {kind.read}"


class PathTemplate:
    """A path with fields: ``{epoch}``, and the measures of an epoch by name, as in "run-{epoch:03d}-{val_loss:.4f}".

    Parameters
    ----------
    path : str or path-like
        Path, in which {{ and }} stand for braces.

    Raises
    ------
    TypeError
        If `path` is neither text nor path-like.
    ValueError
        If a field is not a name, or does not have the format of a number.

    Examples
    --------
    >>> PathTemplate("run-{epoch:03d}-{val_loss:.2f}").filled(7, {"val_loss": 0.25})
    'run-007-0.25'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.text = check_path(path)
        self._fields: list[str] = []
        self._fixed = ""  # what comes before the first field
        try:
            for literal, field, form, conversion in Formatter().parse(self.text):
                if not self._fields:
                    self._fixed += literal
                if field is not None:
                    if not field.isidentifier() or conversion or "{" in (form or ""):
                        raise ValueError(f"{{{field}}} is not the name of a measure")
                    format(1 if field == "epoch" else 0.5, form or "")
                    self._fields.append(field)
        except ValueError as error:
            expected = "fields such as {epoch:03d} and {val_loss:.4f}, or {{ and }} for braces"
            raise ValueError(f"path must have {expected}, got {shown(self.text)} ({error})") from None

    @property
    def has_fields(self) -> bool:
        """Whether the path differs from epoch to epoch."""
        return bool(self._fields)

    def prepare(self) -> None:
        """Make the folders that the path names before its first field.

        Raises
        ------
        OSError
            If they cannot be made, or no file can be written there.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     PathTemplate(folder + "/runs/{epoch}").prepare()
        ...     os.listdir(folder)
        ['runs']
        """
        if self._fields:
            folder = os.path.dirname(self._fixed) or os.curdir
            os.makedirs(folder, exist_ok=True)
            whole_files.check_folder(folder)
        else:
            os.makedirs(os.path.dirname(self._fixed) or os.curdir, exist_ok=True)
            whole_files.check_writable(self._fixed)

    def filled(self, epoch: int, logs: Mapping[str, float]) -> str:
        """Return the path of an epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch.
        logs : mapping of str to float
            Measures of the epoch.

        Returns
        -------
        str
            Path with numbers in the place of its fields.

        Raises
        ------
        ValueError
            If a field is not measured.
        """
        values = {**logs, "epoch": epoch}
        strange = [field for field in self._fields if field not in values]
        if strange:
            raise ValueError(
                f"{shown(strange[0])} in the path {shown(self.text)} is not measured, there are "
                f"{shortened(', '.join(values))}"
            )
        return self.text.format(**values)
