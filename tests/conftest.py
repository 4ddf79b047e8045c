"""The implementations of network and trainer that every test of them runs on."""

import pytest

import fastbp

# Each has a Network and a Trainer.
IMPLEMENTATIONS = [fastbp.reference, fastbp]


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda implementation: implementation.__name__)
def implementation(request):
    return request.param
