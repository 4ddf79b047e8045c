"""Nothing is read or written outside of any array, on either side of it, at the widths of vectors that CPUs have."""

import sys

import ahead
import pytest
from processes import TESTS, WHOLE, ended, run_python, start_python

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages are taken as Linux gives them"),
]


def counted(width):
    """What the mode counts on each side, one after the other: the first keeps the kernels that it compiles."""
    command = ["-W", "ignore", TESTS / "guard_pages.py"]
    whole = ["all"] * WHOLE
    return {side: ahead.run(*command, side, *whole, FASTBP_VECTOR_BYTES=width) for side in ("before", "after")}


@pytest.mark.ahead(of=counted)
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("width", [16, 32, 64] if WHOLE else [16, 32])
def test_no_kernel_reads_or_writes_outside_of_an_array(width, side):
    trained, arrays, damaged = map(int, ahead.result(counted, width)[side].split())
    assert trained > (1000 if WHOLE else 150)
    assert arrays > 100 * trained
    assert damaged == 0


OUTSIDE = """
import ctypes, gc, os, sys
import numpy as np
from guard_pages import GuardPages
pages = GuardPages(sys.argv[1])
pages.on()
x = np.zeros(5000, np.float32)
place = x.ctypes.data + {"after": x.nbytes, "before": -1}[sys.argv[1]] * (sys.argv[2] == "far")
if sys.argv[2] == "near":  # within the page, on the other side
    place += {"after": -1, "before": x.nbytes}[sys.argv[1]]
    ctypes.memset(place, 1, 1)
else:
    ctypes.string_at(place, 1)
del x
print(len(pages.damaged), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("side", ["before", "after"])
def test_the_mode_finds_what_is_outside(side):
    assert ended(start_python("-c", OUTSIDE, side, "far"))[0] < 0
    assert run_python(OUTSIDE, side, "near") == "1\n"
