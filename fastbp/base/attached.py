"""The session after which the arrays of a caller, as `fastbp.bind` takes them, are current."""

from __future__ import annotations

from typing import Any

__all__ = ["Attached"]


class Attached:
    """A session after which the caller's arrays are current.

    Parameters
    ----------
    session : Session
        The session, which is `inner`.
    network : BoundNetwork
        Network of the arrays.
    """

    def __init__(self, session: Any, network: Any) -> None:
        self.inner, self._network = session, network
        self.run, self.states = session.run, session.states
        if hasattr(session, "epochs"):
            self.epochs, self.whole_epochs = session.epochs, session.whole_epochs
        self._is_left = True

    def __enter__(self) -> Attached:
        self._is_left = False
        self.inner.__enter__()
        self.gate = self.inner.gate
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Leave the session, and make the caller's arrays current: once."""
        self.inner.leave()
        if not self._is_left:
            self._network._scatter()
            self._is_left = True
