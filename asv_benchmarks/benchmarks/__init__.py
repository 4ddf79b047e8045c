"""Benchmarks of Airspeed Velocity: fastbp's speed from commit to commit."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]

# asv lets only this package be imported; the cases and the other libraries' openers stand beside it.
sys.path.append(str(HERE))

# A cache directory for each commit, shared by its benchmark processes and by nothing else.
if "ASV_COMMIT" in os.environ:
    os.environ["FASTBP_CACHE_DIR"] = str(HERE / "env" / "kernels" / os.environ["ASV_COMMIT"][:8])
