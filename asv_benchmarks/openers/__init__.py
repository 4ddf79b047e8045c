"""The same call in each library: an opener for each takes a task and hands back the job that does it.

Each opener writes what a careful user of that library writes; where two ways are usual, the faster one. It calls public
functions only. What it is given (parameters, samples) lies ready in the library's own type of array before any call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cases import Floats, Task


@dataclass(frozen=True)
class Job:
    """One task, ready to be timed.

    `run` makes its steps or forward calls. `result` reads the parameters, flat as `Case.parameters`, or
    computes the outputs of all forward calls, one row a sample.
    """

    run: Callable[[], object]
    result: Callable[[], Floats]


Opener = Callable[[Task], Job]
