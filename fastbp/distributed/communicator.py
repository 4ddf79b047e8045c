"""The communicators that trainers take."""

from __future__ import annotations

from typing import Any

from fastbp.checks import shown
from fastbp.distributed.alone import ALONE, Alone
from fastbp.distributed.ranks import Ranks

#: What a communicator needs, as those of mpi4py have it. Capitals are for arrays, and `None` in place of what is sent
#: says that it lies among what is received; small letters are for any objects.
METHODS = ("rank", "size", "Allgather", "Alltoallv", "allgather", "bcast", "Abort")


def ranks_of(comm: Any) -> Alone | Ranks:
    """Return what a communicator's processes are to a trainer.

    Parameters
    ----------
    comm : object
        Communicator of mpi4py, or another with what `METHODS` names; or None.

    Returns
    -------
    Alone or Ranks
        Alone, where there is one process.

    Raises
    ------
    TypeError
        If it is no communicator, or its rank is none of its size.

    Examples
    --------
    >>> ranks_of(None).size
    1
    """
    if comm is None:
        return ALONE
    missing = [name for name in METHODS if not hasattr(comm, name)]
    if missing or isinstance(comm, type):
        raise TypeError(f"comm must be a communicator of mpi4py, such as MPI.COMM_WORLD, got {shown(comm)}")
    for name, low, high in (("size", 1, None), ("rank", 0, comm.size)):
        value = getattr(comm, name)
        if not isinstance(value, int) or value < low or (high is not None and value >= high):
            raise TypeError(f"comm.{name} is {shown(value)}, expected an integer, and 0 <= rank < size")
    return Ranks(comm) if comm.size > 1 else Alone(comm)
