"""The calls that train on all ranks, and those that a thread is in the middle of, one within a callback of another."""

from __future__ import annotations

import threading
from typing import Any

#: What trains on all ranks. The first message of each is its place here. Callbacks send theirs when they are through,
#: so that a rank that alone calls one of the others in a callback is found out.
CALLS = ("callbacks that go on", "callbacks that end", "Trainer.fit", "Trainer.step", "Trainer.train_rows", "fit_lbfgs")
GO_ON, END, FIRST_CALL = 0, 1, 2


class Job:
    """A call that a thread is in the middle of.

    Parameters
    ----------
    ranks : Ranks
        Its ranks.
    call : str
        One of `CALLS`.
    """

    def __init__(self, ranks: Any, call: str) -> None:
        self.ranks, self.call = ranks, call
        #: Whether all ranks know that they are in it.
        self.met = False
        #: Whether it calls callbacks, in which all ranks may train.
        self.tells = False


_threads = threading.local()


def jobs_of_thread() -> list[Job]:
    """Return the calls that this thread is in the middle of, of whatever trainer, the innermost last.

    Returns
    -------
    list of Job
        The list itself.

    Examples
    --------
    >>> jobs_of_thread()
    []
    """
    jobs: list[Job] = vars(_threads).setdefault("jobs", [])
    return jobs


def where_they_are(calls: list[int]) -> str:
    """Return what is wrong where ranks are in different calls, and nothing where all are in the same.

    Parameters
    ----------
    calls : list of int
        Place in `CALLS` of what each rank is in.

    Returns
    -------
    str
        Message, or empty text.

    Examples
    --------
    >>> where_they_are([GO_ON, END, GO_ON])
    ''
    >>> where_they_are([GO_ON, CALLS.index("Trainer.step")])[:60]
    'rank 1 called Trainer.step in a callback and rank 0 did not;'
    """
    kinds = [max(each, END) for each in calls]
    caller = kinds.index(max(kinds))
    other = next((rank for rank, kind in enumerate(kinds) if kind != kinds[caller]), None)
    if other is None:
        return ""
    both = kinds[other] >= FIRST_CALL
    where, what = ("", f"called {CALLS[kinds[other]]}") if both else ("in a callback ", "did not")
    return (
        f"rank {caller} called {CALLS[kinds[caller]]} {where}and rank {other} {what}; what trains on all ranks must be "
        "called on all of them"
    )
