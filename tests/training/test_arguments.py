"""Arguments of the wrong kind: each is refused by an error that names it, without a crash or an error from within."""

import math
from pathlib import Path

import numpy as np
import pytest
from networks import make_samples, make_trainer

import fastbp
from fastbp import metrics, reference
from fastbp.callbacks import EarlyStopping, ModelCheckpoint
from fastbp.initializers import initialize
from fastbp.lbfgs import minimize
from fastbp.losses import Loss
from fastbp.schedules import OneCycle, StepDecay

X, Y = make_samples()
ITSELF = [1]
ITSELF.append(ITSELF)


def network(**arguments):
    return reference.Network(**{"sizes": [3, 4, 2], **arguments})


def fit(**arguments):
    return make_trainer(reference).fit(X, Y, **arguments)


def assign(name, value):
    trainer = make_trainer(reference, optimizer="adam")
    setattr(trainer, name, value)


class Strange:
    def __repr__(self):
        return "Strange()" * 1000

    def __bool__(self):
        raise ZeroDivisionError


ARRAY, OBJECTS = np.zeros(3), np.array([1, "a", None], object)
WRONG = {
    "a seed in itself": (lambda: network(rng=ITSELF), ValueError, "rng is .*no more than 4 lists"),
    "a seed of a matrix": (lambda: network(rng=np.ones((4, 2)).view(np.matrix)), TypeError, "rng is matrix"),
    "a seed of text": (lambda: network(rng="x" * 9999), TypeError, "rng is 'xxx"),
    "text that is no UTF-8": (lambda: network(dtype="\udc80"), ValueError, "dtype is .*, expected float32"),
    "sizes of no end": (lambda: network(sizes="9" * 9999), TypeError, "sizes is '999"),
    "more epochs than there are": (lambda: fit(epochs=2**63), ValueError, "epochs must be an integer in 1"),
    "callbacks of no length": (lambda: fit(callbacks=np.array(3)), TypeError, "callbacks must be a list .*array"),
    "text for callbacks": (lambda: fit(callbacks="stop"), TypeError, "callbacks must be a list of callbacks"),
    "metrics": (lambda: fit(validation_data=(X, Y), metrics=np.array("r2")), TypeError, "metrics must be a list"),
    "weights in two depths": (lambda: fit(class_weight=[[1, 2], [3]]), ValueError, "class_weight must be 'balanced'"),
    "a batch beyond files": (lambda: assign("batch_size", 10**400), ValueError, "batch_size must be an integer in 1"),
    "threads beyond files": (lambda: assign("threads", 2**64), ValueError, "threads must be an integer in 1"),
    "no states": (lambda: assign("optimizer_state", None), TypeError, "optimizer_state must be 2 arrays .*got None"),
    "states of text": (lambda: assign("optimizer_state", "ab"), ValueError, "optimizer_state must be 2 arrays"),
    "states beyond floats": (lambda: assign("optimizer_state", (10**400,)), ValueError, "optimizer_state must be"),
    "states of callbacks": (lambda: assign("callback_states", None), TypeError, "callback_states must be pairs"),
    "one state of them": (lambda: assign("callback_states", ["ab"]), (TypeError, ValueError), "callback_states must"),
    "no network": (lambda: fastbp.fit_lbfgs(None, X, Y), TypeError, "network must be a Network, got None"),
    "no objective": (lambda: minimize(abs, {}), TypeError, "objective must be an Objective, got <built-in"),
    "columns as text": (lambda: fastbp.History("x"), TypeError, "columns must be a dict of lists"),
    "columns of numbers": (lambda: fastbp.History({"loss": 1}), TypeError, r"columns\['loss'\] must be a list"),
    "measures": (lambda: fastbp.History().append(None), TypeError, "logs must be a dict of numbers by name, got None"),
    "a sum of histories": (lambda: fastbp.History() + "a", TypeError, "added to a History, got 'a'"),
    "a sum with an array": (lambda: fastbp.History() + ARRAY, TypeError, "added to a History, got array"),
    "axes": (lambda: fastbp.History({"loss": [1]}).plot("axes"), TypeError, "axes must be Axes of matplotlib"),
    "a measure": (lambda: metrics.better_if(3), TypeError, "measure must be a name such as 'val_loss', got 3"),
    "masked targets": (lambda: metrics.mae(np.ma.masked_less(X, 9), X), ValueError, "y has masked values"),
    "complex targets": (lambda: metrics.r2(X + 1j, X), TypeError, "y holds complex128, expected real numbers"),
    "a mode": (lambda: EarlyStopping("loss", mode=OBJECTS), ValueError, "mode must be one of .*, got array"),
    "another mode": (lambda: ModelCheckpoint("run", mode=OBJECTS), ValueError, "mode must be one of"),
    "a monitor": (lambda: EarlyStopping(Strange()), TypeError, r"monitor must be .* got Strange\(\)"),
    "labels of a loss": (lambda: Loss("own", max, labels=Strange()), TypeError, "labels of loss 'own' must be True"),
    "suits of a loss": (lambda: Loss("own", max, suits=[1]), TypeError, "suits of loss 'own' must be a tuple"),
    "logits of a loss": (lambda: Loss("own", max, logits=OBJECTS), TypeError, "logits of loss 'own' must be a dict"),
    "a period": (lambda: StepDecay(0.1, every=10**400), ValueError, "every must be an integer in 1"),
    "a total": (lambda: OneCycle(0.1, total=10**400), ValueError, "total must be an integer in 2"),
    "sizes": (lambda: initialize("zeros", 3, [], None, "f4"), TypeError, "sizes is 3, expected a sequence"),
    "activations": (lambda: initialize("auto", [2, 1], ["relu"], None, "f4"), TypeError, "activations must be an Act"),
    "a dtype": (lambda: initialize("zeros", [2, 1], [], None, "i4"), ValueError, "dtype is 'i4'"),
    "columns": (lambda: fastbp.bind([np.ones((3, 2))], columns="no"), TypeError, "columns must be True or False"),
    "a name in an array": (lambda: network(init=OBJECTS), TypeError, "init must be a name, got array"),
    "a path": (lambda: make_trainer(reference).save(Strange()), TypeError, "path must be a str or a path"),
    "a path of no end": (lambda: EarlyStopping("x" * 9999, mode=Path()), ValueError, "mode must be one of"),
    "an infinite limit": (lambda: fit(memory=math.inf), ValueError, "memory must be a number of bytes"),
}


@pytest.mark.parametrize(("call", "error", "message"), WRONG.values(), ids=WRONG)
def test_what_is_of_no_use_is_named(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert len(str(caught.value)) < 400


def test_seeds_of_every_kind_that_numpy_takes_are_taken():
    nested = [[1, 2], [3]], (1, [2, [3]]), np.array([[1, 2]])
    takes_nested = np.lib.NumpyVersion(np.__version__) < "2.5.0"
    for seed in (None, 3, [1, 2], np.random.default_rng(0), *(nested if takes_nested else ())):
        assert network(rng=seed).sizes == (3, 4, 2)
    one, other = (network(rng=seed).parameters for seed in ([1, 2], np.array([1, 2])))
    assert np.array_equal(one, other)
