"""A thread that reads while others compute."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from time import sleep
from typing import Any

# Seconds for kernels to begin before the thread does. Kernels need all cores at once: beside a thread that has one of
# them, they wait for each other for up to 4 ms.
_HEAD_START = 5e-4
# Milliseconds in which a thread that is started is there.
_TRIES = 100


class ReadingThread:
    """A thread that calls a function with one job after the other; it begins with the first ones.

    Parameters
    ----------
    do : callable
        Function of a job.

    Examples
    --------
    >>> found = []
    >>> reader = ReadingThread(lambda x: found.append(2 * x))
    >>> reader.ask([1, 2])
    >>> reader.wait()
    >>> reader.stop()
    >>> found
    [2, 4]
    """

    def __init__(self, do: Callable[[Any], object]) -> None:
        self._do, self._begun, self._stopped, self._waits = do, False, False, False
        self._jobs: SimpleQueue[Sequence[Any]] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        # settings of this thread count in that one, too: NumPy's errors, for one
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run,), name="fastbp reads", daemon=True)

    def ask(self, jobs: Sequence[Any]) -> None:
        """Have jobs done. Those before must have been waited for."""
        if jobs:
            if not self._begun:
                self._begun = True
                self._thread.start()
            self._waits = True
            self._jobs.put(jobs)

    def wait(self) -> None:
        """Wait until the jobs are done, and raise the error of one that was not."""
        if self._waits:
            error = self._done.get()
            self._waits = False
            if error is not None:
                raise error

    def stop(self) -> None:
        """Let the thread end after the present job, and wait for that."""
        self._stopped = True
        self._jobs.put(())
        for _ in range(_TRIES if self._begun else 0):
            try:
                self._thread.join()
                return
            except RuntimeError:  # Ctrl-C came while it was started
                sleep(1e-3)

    def _run(self) -> None:
        while jobs := self._jobs.get():
            try:
                sleep(_HEAD_START)
                for job in jobs:
                    if self._stopped:
                        return
                    self._do(job)
                self._done.put(None)
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                self._done.put(error)
