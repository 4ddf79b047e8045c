"""What a user waits for before the first result: each in a fresh process, with a cache directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import suppress

from .common import trainable

FIRST_STEP = """
import numpy as np
import fastbp

net = fastbp.Network([784, 128, 10], rng=0)
fastbp.Trainer(net, batch_size=32, threads=1).fit(np.zeros((32, 784), np.float32), np.zeros(32, np.int64))
"""


def first_step(kernels: str) -> None:
    """Start Python, import fastbp and train one minibatch, compiled kernels kept in `kernels`."""
    environment = {**os.environ, "FASTBP_CACHE_DIR": kernels}
    subprocess.run([sys.executable, "-c", FIRST_STEP], check=True, env=environment)


class Import:
    timeout = 600
    number = 1  # a module is imported once a process
    repeat = 5

    def timeraw_fastbp(self):
        return "import fastbp"

    def timeraw_trainer(self):
        return "from fastbp import Network, Trainer"

    def timeraw_estimators(self):
        return "from fastbp.estimators import MLPClassifier, MLPRegressor"

    def timeraw_sklearn(self):
        return "from sklearn.neural_network import MLPClassifier, MLPRegressor"

    def timeraw_numba(self):
        return "import numba"


class Cold:
    timeout = 600
    number = 1
    repeat = 2
    rounds = 1
    warmup_time = 0

    def setup(self):
        self.kernels = tempfile.TemporaryDirectory()
        trainable()

    def time_first_step(self):
        first_step(self.kernels.name)

    def teardown(self):
        self.kernels.cleanup()


class Warm:
    timeout = 600
    number = 1
    repeat = 5
    warmup_time = 0

    def setup_cache(self):
        kernels = os.path.abspath("kernels")  # asv keeps the working directory for the processes that time
        with suppress(NotImplementedError):
            trainable()
            first_step(kernels)
        return kernels

    def time_first_step(self, kernels):
        trainable()
        first_step(kernels)
