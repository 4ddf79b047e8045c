"""Damaged and hostile model files, as many as you like: each is refused by FormatError, or trains.

    python tests/io/mutations.py --count 1000000 --implementation fastbp
    python tests/io/mutations.py --count 100000 --guided

A mutation is made by its seed and number alone, so one that fails is made again by `--first NUMBER --count 1`. Guided,
a file that takes a way through fastbp.io that none took before is one more to be mutated.
"""

import argparse
import copy
import faulthandler
import io
import json
import random
import sys
import time
import warnings
from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np

import fastbp
from fastbp.callbacks import Callback, EarlyStopping, LambdaCallback
from fastbp.io import safetensors
from fastbp.io.checkpoint import describe_network, describe_trainer, metadata_of, trainer_arrays
from fastbp.io.reader import decoded
from fastbp.schedules import ReduceOnPlateau, WarmUp

X, Y = np.array([[0.0, 1.0], [1.0, 0.5], [-1.0, 0.2]]), np.array([0, 1, 1])
OPTIMIZERS = {"sgd": "PCG64", "momentum": "PCG64DXSM", "adam": "Philox", "rmsprop": "SFC64", "adagrad": "MT19937"}
VALUES = [
    None, True, False, -1, 0, 1, 2, 3, 7, 624, 625, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, 2**128, -(2**63), 0.5,
    -0.0, 1e-310, 1e300, -1e300, "", "a", "relu", "softmax", "quadratic", "float16", "f4,(2", "append", "\ud800", [],
    "x" * 300, [1], [1, 2], {}, {"name": "relu"}, {"special": "nan"}, {"special": "inf"}, {"array": "callbacks.0"},
    {"custom": "a"}, {"name": "Constant", "numbers": {"value": 0.1}}, json.loads("[" * 13 + "]" * 13),
]
TEXTS = ("relu", "gelu", "sigmoid", "softmax", "identity", "quadratic", "huber", "hinge", "float64", "MT19937", "inf")
MARKS = ('"', "{", "}", "[", "]", ",", ":", "9", "-", "e9", "\\", "\0", "")


class Wide(Callback):
    """A callback whose state has something of each kind."""

    def state_dict(self):
        return {"a": [1, 2.5, None, "text", float("nan")], "b": {"c": np.arange(3)}}

    def load_state_dict(self, state):
        pass


def make_trainer(implementation, optimizer, bits):
    """A trainer in the middle of a fit, with states of callbacks."""
    schedule = WarmUp(ReduceOnPlateau(0.05, patience=1), 2)
    rule = {"sgd": fastbp.SGD(schedule), "adam": fastbp.Adam(amsgrad=True)}.get(optimizer, optimizer)
    net = implementation.Network([2, 3, 2], "tanh", dtype=np.float64 if bits == "SFC64" else np.float32, rng=0)
    rng = np.random.Generator(getattr(np.random, bits)(3))
    return implementation.Trainer(net, rule, batch_size=2, rng=rng, l2=0.01, dropout=0.1, clip_norm=5.0)


def originals(implementation):
    """Arrays and description of files of several optimizers and generators."""
    found = []

    def keep(trainer, epoch, logs):
        description = describe_network(trainer.network) | {"trainer": describe_trainer(trainer)}
        arrays = trainer.network._named(trainer.network.parameters) | trainer_arrays(trainer)
        copies = {name: array.copy() for name, array in arrays.items()}
        found.append((copies, json.loads(metadata_of(description)["fastbp"])))

    for optimizer, bits in OPTIMIZERS.items():
        callbacks = [EarlyStopping("loss"), Wide(), LambdaCallback(on_checkpoint=keep)]
        make_trainer(implementation, optimizer, bits).fit(X, Y, 1, callbacks=callbacks)
    return found


def encoded(arrays, text):
    """A file with a checksum that is right."""
    length, header, *rest = safetensors.encode(arrays, {"fastbp": text})
    return length + header + b"".join(array.tobytes() for array in rest)


# ------------------------------------------------------------------ mutations
def change_bytes(rng, arrays, items):
    content = bytearray(encoded(arrays, json.dumps(items)))
    for _ in range(rng.choice((1, 1, 1, 4))):
        place, kind = rng.randrange(len(content)), rng.randrange(5)
        if kind < 2:
            content[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del content[place : place + rng.randrange(1, 20)]
        elif kind == 3:
            content[place:place] = rng.randbytes(rng.randrange(1, 20))
        else:
            content = content[: place + 1]
    return bytes(content)


def change_text(rng, arrays, items):
    text = json.dumps(items)
    for _ in range(rng.choice((1, 1, 3))):
        place = rng.randrange(len(text))
        text = text[:place] + rng.choice(MARKS) + text[place + 1 :]
    return encoded(arrays, text)


def change_description(rng, arrays, items):
    items = json.loads(json.dumps(items))
    for _ in range(rng.choice((1, 1, 2))):
        change_node(rng, items)
    return encoded(arrays, json.dumps(items))


def change_node(rng, place):
    while True:
        key = rng.choice(sorted(place)) if isinstance(place, dict) else rng.randrange(len(place))
        inner = place[key]
        if not (isinstance(inner, (dict, list)) and inner) or rng.random() < 0.1:
            break
        place = inner
    kind = rng.randrange(8)
    if kind == 0:
        del place[key]
    elif kind == 1 and isinstance(place, dict):
        place[rng.choice(("a", "name", "state", "pos"))] = place.pop(key)
    elif kind == 2 and isinstance(place, list):
        place.insert(key, copy.deepcopy(inner))
    elif kind < 6 and isinstance(inner, (int, float)):
        place[key] = rng.choice((inner + 1, inner - 1, -inner, inner * 2, inner / 2, inner * 2**40, float(inner)))
    elif kind < 6 and isinstance(inner, str):
        place[key] = rng.choice(TEXTS)
    else:
        place[key] = copy.deepcopy(rng.choice(VALUES))


def change_arrays(rng, arrays, items):
    arrays = {name: array.copy() for name, array in arrays.items()}
    name = rng.choice(sorted(arrays))
    array, kind = arrays[name], rng.randrange(6)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[rng.choice(("layers.1.weight", "optimizer.7", "history.plot", "callbacks.9", "else"))] = arrays.pop(name)
    elif kind == 2:
        arrays[name] = array.astype(rng.choice((np.float32, np.float64, np.int64, np.uint8)))
    elif kind == 3:
        arrays[name] = array.reshape(rng.choice(((-1,), (1, -1), (-1, 1), (*array.shape, 1))))
    elif kind == 4:
        arrays[name] = np.resize(array, rng.randrange(0, 2 * array.size))
    elif array.size and array.dtype.kind == "f":
        array.flat[rng.randrange(array.size)] = rng.choice((-1e30, -1.0, 0.0, 1e-40, 1.0, 1e30, np.inf, np.nan))
    return encoded(arrays, json.dumps(items))


def change_header(rng, arrays, items):
    content = encoded(arrays, json.dumps(items))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change_node(rng, header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


KINDS = (change_bytes, change_text, change_description, change_description, change_description, change_arrays,
         change_header)


def mutated(files, seed, number):
    """Mutation `number` of the files."""
    rng = random.Random(f"{seed} {number}")
    *short, longest = files  # a state of MT19937 has 624 numbers
    arrays, items = longest if rng.random() < 0.05 else rng.choice(short)
    if rng.random() < 0.05:
        items = rng.choice(files)[1]
    try:
        return rng.choice(KINDS)(rng, arrays, items)
    except ValueError:  # text that no file can hold
        return b""


def outcome(implementation, content):
    """What becomes of a file: refused, diverged or trained."""
    try:
        with decoded(io.BytesIO(content), len(content), None, "file") as (reader, contents):
            trainer = implementation.Trainer._from_file(reader, contents)
        if max(trainer.network.sizes) > 100:
            return "large"
        width = trainer.network.sizes[0]
        trainer.fit(np.resize(X, (3, width)), targets(trainer.network), 2, callbacks=[EarlyStopping("loss"), Wide()])
    except fastbp.FormatError:
        return "refused"
    except fastbp.DivergenceError:
        return "diverged"
    return "trained"


def targets(network):
    n_out = network.sizes[-1]
    if network.multilabel:
        return np.resize(Y, (3, n_out))
    return Y % max(network.n_classes, 1) if network.n_classes else np.resize(Y.astype(float), (3, n_out))


# ------------------------------------------------------------------ ways through the reader
READER = str(Path(safetensors.__file__).parent)


def outcome_and_way(implementation, content):
    """What becomes of a file, and each step from line to line of fastbp.io on the way there."""
    way, last = set(), None

    def trace(frame, event, argument):
        nonlocal last
        if not frame.f_code.co_filename.startswith(READER):
            return None
        if event == "line":
            here = frame.f_code.co_filename, frame.f_lineno
            way.add((last, here))
            last = here
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return outcome(implementation, content), way
    finally:
        sys.settrace(before)


def taken_apart(content):
    """Arrays and description of a file; None where it is too damaged, or too long, to be mutated further."""
    try:
        contents = safetensors.Contents(io.BytesIO(content), len(content))
        arrays, items = contents.arrays, json.loads(contents.metadata["fastbp"])
    except safetensors.DAMAGE:
        return None
    return (arrays, items) if arrays and items and isinstance(items, dict) and len(content) < 8192 else None


class Guide:
    """`outcome`, and the files, of which there is one more for each that took a new way."""

    def __init__(self, implementation, files):
        self._implementation, self.files, self._seen, self.n_kept = implementation, files, set(), 0
        for arrays, items in tuple(files):
            self._seen |= outcome_and_way(implementation, encoded(arrays, json.dumps(items)))[1]

    def outcome(self, content):
        found, way = outcome_and_way(self._implementation, content)
        if not way <= self._seen:
            self._seen |= way
            apart = taken_apart(content)
            if apart is not None:
                self.files.insert(0, apart)
                self.n_kept += 1
        return found


def run(count, implementation, seed=0, first=0, files=None, guide=None):
    """How many mutations came to what; any other error ends it."""
    files = guide.files if guide else files or originals(implementation)
    found = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(first, first + count):
            content = mutated(files, seed, number)
            try:
                found[guide.outcome(content) if guide else outcome(implementation, content)] += 1
            except BaseException as error:
                error.add_note(f"seed {seed}, mutation {number}: {len(content)} bytes")
                raise
            if number % 10000 == 9999:
                sys.stderr.write(f"{number + 1} {dict(found)} {time.process_time():.0f} s\n")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--implementation", default="fastbp", choices=("fastbp", "fastbp.reference"))
    parser.add_argument("--guided", action="store_true", help="mutate what takes new ways, too")
    given = parser.parse_args()
    faulthandler.enable()
    implementation = import_module(given.implementation)
    guide = Guide(implementation, originals(implementation)) if given.guided else None
    found = run(given.count, implementation, given.seed, given.first, guide=guide)
    sys.stdout.write(f"{dict(found)}{f', {guide.n_kept} kept' if guide else ''}\n")


if __name__ == "__main__":
    sys.exit(main())
