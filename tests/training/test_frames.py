"""How much Python a call goes through: what is fixed beside the kernel in each step of a loop of the user's."""

import sys
from pathlib import Path

import pytest
from networks import make_data, make_labels, make_network

import fastbp

PACKAGE = str(Path(fastbp.__file__).parent)


def frames(call):
    """Frames of the package's functions, compiled ones among them, that `call` goes through."""
    found = []

    def note(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            found.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.parametrize(("name", "most"), [("fit", 80), ("step", 35), ("forward", 12), ("backprop", 42)])
def test_a_call_goes_through_few_frames(name, most):
    net = make_network(fastbp, [8, 20, 3])
    X, Y = make_data(net, 16)[0], make_labels(16, 3)
    trainer = fastbp.Trainer(net, batch_size=8, threads=1, rng=0)
    call = {
        "fit": lambda: trainer.fit(X, Y, epochs=1),  # of two minibatches
        "step": lambda: trainer.step(X[:8], Y[:8]),
        "forward": lambda: net.forward(X),
        "backprop": lambda: net.backprop(X, Y),
    }[name]
    for _ in range(2):
        call()
    found = frames(call)
    assert "_train" in found or name == "forward", found  # it counts what it should
    assert len(found) < most, found
