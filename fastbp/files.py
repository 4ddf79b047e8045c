"""Networks in files of other programs: functions of `fastbp.io`, which import no other package.

What cannot be carried over is a FormatError that names the file and the layer. The files of trainers
and all their state are those of `Network.save` and `Trainer.save`.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path  # noqa: F401 - of the examples
from typing import Any, BinaryIO

from fastbp.exceptions import FormatError
from fastbp.exchange import Names, network_of
from fastbp.io import arrays, onnx
from fastbp.io.stack import stack_of
from fastbp.kernels.runtime import whole_files
from fastbp.network import Network
from fastbp.paths import check_ending, check_path, reading_hint

__all__ = ["from_npz", "from_onnx", "from_safetensors", "to_npz", "to_onnx", "to_safetensors"]

AnyPath = str | os.PathLike[str]
_DAMAGES = (ValueError, KeyError, EOFError, OverflowError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)


@contextmanager
def _reading(path: AnyPath, own: str) -> Iterator[BinaryIO]:
    """The file, open; whatever is wrong with it is one error that names it, and what reads a file of such a name."""
    with open(whole_files.open_plain(check_path(path)), "rb") as file:
        try:
            yield file
        except _DAMAGES as error:
            named = isinstance(error, FormatError) and os.fspath(path) in str(error)
            message = str(error) if named else f"{os.fspath(path)!r}: {error}"
            raise FormatError(f"{message}{reading_hint(path, own)}") from None


def from_onnx(path: AnyPath, *, loss: str | None = None) -> Network:
    """Return the network in an ONNX file.

    Parameters
    ----------
    path : path-like
        File to read: a chain of Gemm, or MatMul and Add, and activations.
    loss : str, optional
        Loss of the network. The default is that which suits the output.

    Returns
    -------
    Network
        Network with the same outputs.

    Raises
    ------
    OSError
        If the file cannot be read, or is not a plain file.
    TypeError
        If `path` is neither text nor path-like.
    FormatError
        If it is no ONNX file, or if a node cannot be carried over. The message names it.

    See Also
    --------
    to_onnx : Write such a file, with an example.

    Examples
    --------
    >>> import tempfile
    >>> net = Network([2, 3, 2], activation="silu", rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(net, folder + "/net.onnx")
    ...     from_onnx(folder + "/net.onnx")
    Network([2, 3, 2], activation='silu', output='softmax', loss='cross_entropy', dtype='float32')
    """
    with _reading(path, ".onnx") as file:
        return network_of(onnx.read(file.read()), loss)


def to_onnx(network: Any, path: AnyPath, *, logits: bool = False) -> None:
    """Write a network to an ONNX file of opset 22.

    Parameters
    ----------
    network : Network
        Network of any implementation.
    path : path-like
        File to write. It is replaced as a whole. Its input is "input", its output "output", both with samples as rows.
    logits : bool
        Whether to leave out the activation of the output.

    Raises
    ------
    OSError
        If the file cannot be written. A file of this name is then as before.
    TypeError
        If `path` is neither text nor path-like.
    ValueError
        If an activation is not one of fastbp's own, or `path` ends as the names of files of another kind.

    Notes
    -----
    ONNX Runtime has all operators in float32, and some of them in float64.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(Network([2, 3, 2], rng=0), folder + "/net.onnx")
    ...     (Path(folder) / "net.onnx").exists()
    True
    """
    path = check_ending(path, ".onnx")
    whole_files.write_whole(path, [onnx.write(stack_of(network), logits=logits)])


def from_safetensors(
    path: AnyPath, *, activation: Names = "relu", output: str | None = None, loss: str | None = None
) -> Network:
    """Return the network in a safetensors file of PyTorch's names, "0.weight", "0.bias", "2.weight", ...

    Parameters
    ----------
    path : path-like
        File to read. Its arrays are float32 or float64.
    activation : str or sequence of str
        Activations of the hidden layers, where the file has none.
    output : str, optional
        Activation of the output, where the file has none.
    loss : str, optional
        Loss of the network. The default is that of the file, or that which suits the output.

    Returns
    -------
    Network
        Network with the same numbers.

    Raises
    ------
    OSError
        If the file cannot be read, or is not a plain file.
    TypeError
        If `path` is neither text nor path-like.
    FormatError
        If the file is damaged, or if an array cannot be carried over. The message names it.

    See Also
    --------
    fastbp.load : Read what `Network.save` wrote.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_safetensors(Network([2, 3, 2], activation="tanh", rng=0), folder + "/net.safetensors")
    ...     from_safetensors(folder + "/net.safetensors")
    Network([2, 3, 2], activation='tanh', output='softmax', loss='cross_entropy', dtype='float32')
    """
    with _reading(path, ".safetensors"):
        return network_of(arrays.read_safetensors(path, activation, output), loss)


def to_safetensors(network: Any, path: AnyPath) -> None:
    """Write a network to a safetensors file that a Sequential of PyTorch loads.

    Parameters
    ----------
    network : Network
        Network of any implementation.
    path : path-like
        File to write. It is replaced as a whole.

    Raises
    ------
    OSError
        If the file cannot be written. A file of this name is then as before.
    TypeError
        If `path` is neither text nor path-like.
    ValueError
        If an activation is not one of fastbp's own, or `path` ends as the names of files of another kind.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_safetensors(Network([2, 3, 2], rng=0), folder + "/net.safetensors")
    """
    arrays.write_safetensors(check_ending(path), stack_of(network))


def from_npz(
    path: AnyPath, *, activation: Names = "relu", output: str | None = None, loss: str | None = None,
    columns: bool | None = None,
) -> Network:
    """Return the network in an .npz file of arrays W1, b1, W2, b2, ...

    Parameters
    ----------
    path : path-like
        File to read. Nothing is unpickled.
    activation : str or sequence of str
        Activations of the hidden layers, where the file has none.
    output : str, optional
        Activation of the output, where the file has none.
    loss : str, optional
        Loss of the network. The default is that of the file, or that which suits the output.
    columns : bool, optional
        Whether matrices are (n_out, n_in). The default is found by the shapes.

    Returns
    -------
    Network
        Network with the same numbers.

    Raises
    ------
    OSError
        If the file cannot be read, or is not a plain file.
    TypeError
        If `path` is neither text nor path-like.
    FormatError
        If the file holds pickled objects, or arrays that do not follow one another.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(folder + "/net.npz", W1=np.ones((2, 3)), b1=np.zeros(3), W2=np.ones((3, 1)), b2=np.zeros(1))
    ...     net = from_npz(folder + "/net.npz", activation="tanh", output="sigmoid")
    >>> net.sizes
    (2, 3, 1)
    """
    with _reading(path, ".npz") as file:
        return network_of(arrays.read_npz(file, activation, output, columns), loss)


def to_npz(network: Any, path: AnyPath) -> None:
    """Write a network to an .npz file of arrays W1, b1, ... and names, without pickle.

    Parameters
    ----------
    network : Network
        Network of any implementation.
    path : path-like
        File to write, under this name as it is. It is replaced as a whole.

    Raises
    ------
    OSError
        If the file cannot be written. A file of this name is then as before.
    TypeError
        If `path` is neither text nor path-like.
    ValueError
        If an activation is not one of fastbp's own, or `path` ends as the names of files of another kind.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_npz(Network([2, 3, 2], activation="gelu", rng=0), folder + "/net.npz")
    ...     from_npz(folder + "/net.npz")
    Network([2, 3, 2], activation='gelu', output='softmax', loss='cross_entropy', dtype='float32')
    """
    arrays.write_npz(check_ending(path, ".npz"), stack_of(network))
