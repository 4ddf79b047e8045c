"""Progress of a fit on the terminal: a bar of tqdm if it is installed, else a plain line."""

from __future__ import annotations

import sys
from contextlib import suppress
from time import perf_counter
from typing import Any, Self

_INTERVAL = 0.1  # seconds from one drawing to the next, at least


class Progress:
    """Context manager that shows the samples done, loss and accuracy, at most ten times a second.

    Nothing is shown, and nothing fails, where there is no standard error or where it cannot be written to.

    Parameters
    ----------
    shown : bool or None
        Whether to show anything. None shows it if standard error is a terminal.
    n_samples : int or None
        Number of samples of all epochs, or None if it is not known.

    Examples
    --------
    >>> with Progress(False, 100) as progress:
    ...     progress.update(32, "epoch 1/1, loss 0.693")
    """

    def __init__(self, shown: bool | None, n_samples: int | None) -> None:
        self._bar = _open_bar(n_samples) if (_is_terminal() if shown is None else shown) else None
        self._pending = 0
        self._last = perf_counter()

    def __enter__(self) -> Self:
        return self

    @property
    def shown(self) -> bool:
        """Whether anything is shown, so that the caller need not format text for nothing."""
        return self._bar is not None

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.update(self._pending)
            self._bar.close()

    def update(self, n_samples: int, text: str) -> None:
        """Count more samples, and show a text beside the count.

        Parameters
        ----------
        n_samples : int
            Number of samples since the last call.
        text : str
            Text beside the count.
        """
        if self._bar is None:
            return
        self._pending += n_samples
        now = perf_counter()
        if now - self._last >= _INTERVAL:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(self._pending)
            self._pending, self._last = 0, now


class _Stream:
    """Standard error that fails silently: there may be none, or a closed, full or broken one, or another encoding.

    An error within tqdm leaves its lock taken, for which its thread then waits at the end of the program, for ever.
    """

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


_STREAM = _Stream()


class _Line:
    """The methods of tqdm's bar that `Progress` calls, for one line that is overwritten."""

    def __init__(self, total: int | None) -> None:
        self._total, self._done, self._text = total, 0, ""
        self._start = perf_counter()

    def set_postfix_str(self, text: str, refresh: bool) -> None:  # noqa: ARG002
        self._text = text

    def update(self, n: int) -> None:
        self._done += n
        rate = self._done / max(perf_counter() - self._start, 1e-9)
        share = f"{self._done / self._total:4.0%}" if self._total else f"{self._done:,} samples"
        line = f"{share}, {rate:,.0f} samples/s, {self._text}"
        _STREAM.write(f"\r{line:<78}")
        _STREAM.flush()

    def close(self) -> None:
        _STREAM.write("\n")


def _is_terminal() -> bool:
    """Whether standard error is a terminal; programs without a console have none, or one that is closed."""
    try:
        return sys.stderr.isatty()
    except (OSError, ValueError, AttributeError):
        return False


def _open_bar(n_samples: int | None) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return _Line(n_samples)

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # no thread, which Ctrl-C while a bar is drawn would leave waiting, too

    return Bar(total=n_samples, unit=" samples", unit_scale=True, mininterval=0.0, dynamic_ncols=True, file=_STREAM)
