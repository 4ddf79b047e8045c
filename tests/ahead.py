"""What takes other processes long, begun with the session: low in priority, on the cores that the tests leave idle.

    @pytest.mark.ahead(of=long_work)       # a function of what the test is parametrized with, or of nothing
    def test_of_it(name):
        assert ahead.result(long_work, name) == ...

The session begins with the work of all tests that it will run and that are marked so, and runs these tests last. Such
work is that of other processes and measures neither time nor memory. It is done once; where no session has begun with
it, the first test that asks does. A test that is not marked waits until all other work is done.
"""

import inspect
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from subprocess import Popen

from processes import ROOT, output_of, start_python

# Seconds for a process that waits for idle cores.
TIMEOUT = float(os.environ.get("FASTBP_TEST_AHEAD", "3600"))
# Their priority: where both want a core, tests of an ordinary session have nine tenths of it.
_NICE = 10
# As the session found it: tests change it for a while.
_ENVIRONMENT = dict(os.environ)
_begun: dict[tuple[Callable, str], Future] = {}
_pools: list[ThreadPoolExecutor] = []
_processes: list[Popen] = []


def _give_way():
    if sys.platform == "linux":  # there a thread has a priority, and the processes that it starts have the same
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))


def begin(function, *arguments):
    """Have `function(*arguments)` called in a thread, once."""
    if not _pools:
        _pools.append(ThreadPoolExecutor(os.cpu_count(), initializer=_give_way))
    key = function, repr(arguments)
    if key not in _begun:
        _begun[key] = _pools[0].submit(function, *arguments)
    return _begun[key]


def result(function, *arguments):
    """What `function(*arguments)` returns, as soon as it is there."""
    return begin(function, *arguments).result()


def run(*command, count=1, cwd=ROOT, **variables):
    """Return the standard output of a fresh interpreter, or of `count` that start together and print the same."""
    started = [start_python(*command, cwd=cwd, environment=_ENVIRONMENT, **variables) for _ in range(count)]
    _processes.extend(started)
    (output,) = {output_of(process, TIMEOUT) for process in started}
    return output


# ------------------------------------------------------------------ for the session
def last(items):
    """Put the tests that wait for such work behind all others, each kind in its order."""
    items.sort(key=lambda item: item.get_closest_marker("ahead") is not None)


def begin_all(items):
    """Begin with the work that these tests will ask for."""
    for item in items:
        skipped = any(marker.args[0] is True for marker in item.iter_markers("skipif"))
        for marker in () if skipped else item.iter_markers("ahead"):
            work, given = marker.kwargs["of"], item.callspec.params if hasattr(item, "callspec") else {}
            begin(work, *(given[name] for name in inspect.signature(work).parameters))


def give_up():
    """Begin with nothing more, and end what runs."""
    for pool in _pools:
        pool.shutdown(wait=False, cancel_futures=True)
    for process in _processes:
        process.kill()
