"""Messages of a length that somebody reads, whatever a user passed: texts without end, and objects whose repr fails."""

import inspect

import numpy as np
import pytest
from networks import make_samples, make_trainer

import fastbp
from fastbp import initializers, losses, metrics, optimizers, reference, regularization, schedules
from fastbp.callbacks import CALLBACKS, EarlyStopping
from fastbp.lbfgs import minimize

X, Y = make_samples()
ROWS = np.eye(2)[Y]
LONGEST = 500
TEXT = "x" * 10**4


class Huge:
    def __repr__(self):
        return TEXT


class Fails:
    def __repr__(self):
        raise ZeroDivisionError


def long_name(*_):
    return 0.0


long_name.__name__ = TEXT
RECORDS = np.zeros(len(X), [(TEXT, float)])
STRANGE = {
    "text": TEXT, "bytes": TEXT.encode(), "list": list(range(3_000)), "texts": [TEXT, TEXT], "dict": {TEXT: [TEXT]},
    "by number": {0: Huge(), 1: Fails()}, "huge": Huge(), "fails": Fails(), "several": [Huge()], "failing": [Fails()],
    "rows": [[Huge()] * 3] * len(X), "failing rows": [[Fails()] * 3] * len(X), "rows of text": [[TEXT] * 3] * len(X),
    "objects": np.array([Huge(), Fails()]), "integer": 10**5000, "pair": (X, TEXT), "another pair": (X, Fails()),
    "function": long_name, "functions": [long_name, long_name], "gives huge": lambda *_: Huge(),
    "gives failing": lambda *_: Fails(), "gives text": lambda *_: TEXT, "records": RECORDS, "fields": "{" + TEXT + "}",
    "batches": [(X, TEXT)], "nan": [float("nan")] * 3_000,
}  # fmt: skip


def network(**arguments):
    return reference.Network(**{"sizes": [3, 4, 2], "rng": 0, **arguments})


def trainer(**arguments):
    return make_trainer(reference, **arguments)


def defaults(function, **others):
    """The arguments of a call that works."""
    parameters = inspect.signature(function).parameters.values()
    named = {each.name: each.default for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}
    return {name: others.get(name, value) for name, value in named.items()}


def of_network(method, **arguments):
    def call(**strange):
        net = network(**arguments)
        return getattr(net, method)(**strange)

    return call


def of_trainer(method, **arguments):
    def call(**strange):
        one = trainer(**arguments)
        return getattr(one, method)(**strange)

    return call


def own_optimizer(formula=None, hyper=(0.1,), states=0, raised=""):
    def rule(*_):
        if raised:
            raise ValueError(raised)
        return formula

    body = {"hyper": lambda self, step: hyper, "formula": lambda self: rule, "states": states}
    optimizers.check_rule(type("Own", (optimizers.Optimizer,), body)(0.1))


def with_callback(**events):
    trainer().fit(X, Y, callbacks=[type("Own", (), events)()])


def with_state(state):
    own = type("Own", (), {"state_dict": lambda self: state, "load_state_dict": lambda self, state: None})()
    one = trainer()
    one.fit(X, Y, callbacks=[own])
    one.save("run")


def with_key(key):
    with_state({key: 1})


def with_history(loss):
    one = fastbp.History({"loss": [1.0]})
    one.loss = loss
    one.to_csv("table")


def call_top_1(**arguments):
    metrics.top_k(1)(**arguments)


def assigned(name):
    return lambda value: setattr(trainer(optimizer="adam"), name, value)


def of_custom(custom):
    one = trainer(optimizer=fastbp.SGD(lambda step: 0.1))
    one.save("custom")
    type(one).load("custom", custom={"learning_rate": custom})


LONG_LOSS = fastbp.Loss(TEXT, lambda a, y: (a - y) ** 2, targets=losses.Domain(0.5, 0.75))


def trainer_of_long_loss():
    return reference.Trainer(network(output="identity", loss=LONG_LOSS))


FIT = {"X": X, "Y": Y, "epochs": 1, "validation_data": (X, Y), "callbacks": (), "progress": False,
       "sample_weight": np.ones(len(X)), "class_weight": None, "metrics": ()}
DATA = {"X": X, "Y": Y, "sample_weight": np.ones(len(X))}
#: Calls, and arguments with which they work.
CALLS = {
    "Network": (network, defaults(reference.Network, sizes=[3, 4, 2])),
    "quadratic": (network, {"output": "identity", "loss": "quadratic"}),
    "forward": (of_network("forward"), {"X": X}),
    "loss": (of_network("loss"), DATA),
    "loss of rows": (of_network("loss", output="identity", loss="quadratic"), {"X": X, "Y": ROWS}),
    "loss of counts": (of_network("loss", output="exp", loss="poisson"), {"X": X, "Y": ROWS}),
    "loss of signs": (of_network("loss", output="tanh", loss="hinge"), {"X": X, "Y": ROWS}),
    "backprop": (of_network("backprop"), DATA),
    "Network.save": (of_network("save"), {"path": "net"}),
    "Trainer": (reference.Trainer, defaults(reference.Trainer, network=network())),
    "fit": (of_trainer("fit"), FIT),
    "fit of batches": (of_trainer("fit"), {"X": [(X, Y)]}),
    "fit in memory": (of_trainer("fit"), FIT | {"memory": 1e6}),
    "step": (of_trainer("step"), DATA),
    "train_rows": (of_trainer("train_rows"), DATA | {"rows": [0, 1]}),
    "Trainer.save": (of_trainer("save"), {"path": "run"}),
    "load": (lambda **strange: fastbp.load(**{"path": "none", **strange}), {"path": "none", "custom": None}),
    "custom": (of_custom, {"custom": abs}),
    **{f"trainer.{name}": (assigned(name), {"value": 1}) for name in (
        "optimizer", "batch_size", "shuffle", "threads", "rng", "regularization", "epochs", "history", "comm", "steps",
        "optimizer_state", "callback_states", "network", "learning_rate", "beta1", "stop_training")},
    **{name: (type(rule), defaults(type(rule))) for name, rule in optimizers.OPTIMIZERS.items()},
    **{f"rate of {name}": (lambda step, rule=rule: rule.hyper(step), {"step": 1})
       for name, rule in optimizers.OPTIMIZERS.items()},
    "change": (lambda value: setattr(fastbp.SGD(), "momentum", value), {"value": 1}),
    "how to": (optimizers.how_to_change, {"name": "momentum", "value": 0.5, "place": "trainer.optimizer"}),
    "schedule": (lambda rate: trainer(optimizer=fastbp.SGD(rate)).fit(X, Y), {"rate": 0.1}),
    "own optimizer": (own_optimizer, defaults(own_optimizer)),
    "plateau": (schedules.ReduceOnPlateau(0.1).on_epoch, {"loss": 1.0}),
    **{f"schedules.{name}": (make, defaults(make)) for name, make in schedules.SCHEDULES.items()},
    **{f"{make.__name__}": (make, defaults(make, monitor="loss", path="run")) for make in CALLBACKS.values()},
    **{f"fit with {make.__name__}": (
        lambda make=make, **strange: trainer().fit(X, Y, callbacks=[make(**strange)]),
        defaults(make, monitor="loss", path="run")) for make in CALLBACKS.values()},
    "events": (with_callback, {"on_train_begin": long_name, "on_epoch_end": long_name, "on_train_end": long_name}),
    "state": (with_state, {"state": {}}),
    "key of a state": (with_key, {"key": "a"}),
    "best": (lambda best: EarlyStopping("loss").load_state_dict({"monitor": "loss", "rises": False, "best": best}),
             {"best": 1.0}),
    "metric": (lambda value: trainer().fit(X, Y, validation_data=(X, Y), metrics=[lambda *_: value]), {"value": 1.0}),
    "top_1": (call_top_1, {"y": Y, "a": ROWS}),
    "r2": (metrics.r2, {"y": X, "a": X}),
    "mae": (metrics.mae, {"y": X, "a": X}),
    "top_k": (metrics.top_k, {"k": 1}),
    "better_if": (metrics.better_if, {"measure": "loss"}),
    "named_metrics": (metrics.named_metrics, {"metrics": [], "n_outputs": 2, "count_correct": None}),
    "History": (fastbp.History, {"columns": {}}),
    "a column": (lambda values: fastbp.History({TEXT: values}), {"values": []}),
    "append": (lambda logs: fastbp.History().append(logs), {"logs": {}}),
    "sum": (lambda later: fastbp.History() + later, {"later": fastbp.History()}),
    "sum of others": (lambda n: fastbp.History({"loss": [1], TEXT: [1]}) + fastbp.History({"loss": [n]}), {"n": 1}),
    "to_csv": (with_history, {"loss": [1.0]}),
    "plot": (lambda axes: fastbp.History({"loss": [1]}).plot(axes), {"axes": ()}),
    "Activation": (fastbp.Activation, {"name": "a", "function": abs, "derivative": None, "init": "he"}),
    "an activation": (lambda value: network(activation=fastbp.Activation("a", lambda z: value)), {"value": 1}),
    "a long activation": (lambda function: network(activation=fastbp.Activation(TEXT, function)), {"function": abs}),
    "a long output": (lambda Y: network(output=fastbp.Activation(TEXT, lambda z: z)).loss(X, Y), {"Y": Y}),
    "a long loss": (lambda Y: network(output="identity", loss=LONG_LOSS).loss(X, Y), {"Y": ROWS}),
    "weights of a long loss": (lambda Y: trainer_of_long_loss().fit(X, Y, class_weight="balanced"), {"Y": ROWS}),
    "Loss": (fastbp.Loss, defaults(fastbp.Loss, name="a", cost=max, logits={})),
    "Domain": (losses.Domain, defaults(losses.Domain)),
    "initialize": (initializers.initialize,
                   {"init": "zeros", "sizes": [1, 1], "activations": [], "rng": 0, "dtype": "f4"}),
    "an initializer": (initializers.zeros, {"n_out": 1, "n_in": 1, "rng": 0}),
    "Regularization": (regularization.Regularization, defaults(regularization.Regularization)),
    "check_gradients": (fastbp.check_gradients, defaults(fastbp.check_gradients, net=network(), X=X, Y=Y)),
    "fit_lbfgs": (fastbp.fit_lbfgs, defaults(fastbp.fit_lbfgs, network=network(dtype=np.float64), X=X, Y=Y)),
    "minimize": (minimize, {"objective": 1, "options": {}}),
    "bind": (fastbp.bind, defaults(fastbp.bind, weights=[np.ones((3, 2))])),
    "warmup": (lambda complete: fastbp.warmup(complete=complete), {"complete": False}),
}


def message_of(call, **arguments):
    """What the error of a call says; nothing where there is none, or where the operating system says it."""
    try:
        call(**arguments)
    except OSError:
        return ""
    except (TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore")
def test_a_message_is_short_and_no_error_comes_out_of_repr(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, arguments = CALLS[name]
    for argument in arguments:
        for kind, value in STRANGE.items():
            message = message_of(call, **{**arguments, argument: value})
            assert len(message) <= LONGEST, (argument, kind, message[:200])
