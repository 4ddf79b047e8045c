"""Outputs, losses and gradients of whole networks against PyTorch: its kept numbers, and itself if it is there."""

import importlib.util
import json

import numpy as np
import pytest
from networks import relative_error
from processes import ROOT

from fastbp.activations import ACTIVATIONS
from fastbp.losses import LOSSES

DATA = ROOT / "tests" / "data"
SPEC = importlib.util.spec_from_file_location("make_networks_torch", DATA / "make_networks_torch.py")
torch_networks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(torch_networks)
KEPT = json.loads((DATA / "networks_torch.json").read_text())["runs"]
cases = pytest.mark.parametrize("case", torch_networks.CASES, ids="-".join)


def network_of(implementation, case, dtype=np.float64):
    hidden, output, loss = case
    flat, *data = torch_networks.numbers(output, loss)
    net = implementation.Network(torch_networks.SIZES, hidden, output, loss, dtype)
    net.parameters[:] = flat
    return net, *data


def assert_equal(net, data, kept, tolerance):
    X, Y, weight = data
    assert relative_error(net.forward(X).ravel(), kept["outputs"]) < tolerance
    assert net.loss(X, Y, weight) == pytest.approx(kept["loss"], rel=tolerance)
    assert relative_error(net.backprop(X, Y, weight).flat, kept["gradient"]) < tolerance


def tolerance_of(case):
    return 1e-7 if case[0] == "hard_sigmoid" else 1e-12  # torch's 1/6 is a float32


def test_every_activation_and_every_loss_is_compared():
    hidden, _, losses = map(set, zip(*torch_networks.CASES, strict=True))
    assert hidden == set(ACTIVATIONS)
    assert losses == set(LOSSES)
    assert set(KEPT) == {"-".join(case) for case in torch_networks.CASES}


@cases
def test_networks_equal_the_numbers_kept_from_torch(implementation, case):
    net, *data = network_of(implementation, case)
    assert_equal(net, data, KEPT["-".join(case)], tolerance_of(case))


@cases
def test_networks_in_float32_are_near_the_numbers_kept_from_torch(implementation, case):
    net, *data = network_of(implementation, case, np.float32)
    assert_equal(net, data, KEPT["-".join(case)], 2e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_networks_equal_torch(implementation, hidden, loss):
    pytest.importorskip("torch")
    for _, output, name in torch_networks.CASES:
        if name == loss:
            case = hidden, output, loss
            net, *data = network_of(implementation, case)
            assert_equal(net, data, torch_networks.run_torch(*case), tolerance_of(case))
