"""The implementations of network and trainer that every test of them runs on."""

import pytest
from parallel import all_threads

import fastbp

# Each has a Network and a Trainer.
IMPLEMENTATIONS = [fastbp.reference, fastbp]


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda implementation: implementation.__name__)
def implementation(request):
    return request.param


@pytest.fixture
def parallel(monkeypatch):
    """Steps of any size take all threads they may."""
    monkeypatch.setattr("fastbp.kernels.runtime.threads.ThreadTuner.next", all_threads)
