"""Ctrl-C in a job of several processes: a flag that all ranks see in the same step, not an error of one of them."""

from __future__ import annotations

import signal
import threading
from time import monotonic
from types import FrameType
from typing import Any, Self

# A launcher hands Ctrl-C on to processes that the terminal may have told already. One that comes later is meant.
_AGAIN = 1.0


class Interrupts:
    """Context in which Ctrl-C sets a flag; pressed again it is a KeyboardInterrupt at once.

    Handlers of the user's stay, and so does all in other threads than the main one, where none can be set.

    Attributes
    ----------
    asked : bool
        Whether Ctrl-C was pressed.

    Examples
    --------
    >>> with Interrupts() as interrupts:
    ...     interrupts.asked
    False
    """

    def __init__(self) -> None:
        self.asked, self._since = False, 0.0
        self._before: Any = None

    def __enter__(self) -> Self:
        self.asked = False
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal calls it
        now = monotonic()
        if self.asked and now - self._since > _AGAIN:
            raise KeyboardInterrupt
        if not self.asked:
            self.asked, self._since = True, now
