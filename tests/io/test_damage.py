"""Damaged and hostile files: each byte of files of every optimizer and generator, and mutations; see mutations.py."""

import io
import json
import os
import pickle
import tracemalloc
import zipfile
from itertools import product

import mutations
import numpy as np
import pytest

import fastbp
from fastbp import reference
from fastbp.io import checkpoint, safetensors
from fastbp.io.safetensors import Contents
from fastbp.optimizers import OPTIMIZERS

GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


def content_of(optimizer, bits):
    """A small file of a trainer in the middle of its training."""
    trainer = reference.Trainer(reference.Network([1, 2], rng=0), optimizer, batch_size=1,
                                rng=np.random.Generator(getattr(np.random, bits)(3)))
    trainer.fit([[0.0], [1.0]], [1, 0])
    return content_from(trainer)


def content_from(trainer):
    arrays = trainer.network._named(trainer.network.parameters) | mutations.trainer_arrays(trainer)
    description = mutations.describe_network(trainer.network) | {"trainer": mutations.describe_trainer(trainer)}
    return mutations.encoded(arrays, mutations.metadata_of(description)["fastbp"])


def assert_refused(content):
    assert mutations.outcome(reference, content) == "refused"


# ------------------------------------------------------------------ each byte
@pytest.mark.parametrize(("optimizer", "bits"), [
    *product(("sgd",), GENERATORS), *((optimizer, "PCG64") for optimizer in OPTIMIZERS if optimizer != "sgd"),
])
def test_a_file_cut_short_or_with_a_flipped_bit_anywhere_is_refused(optimizer, bits):
    content = content_of(optimizer, bits)
    assert mutations.outcome(reference, content) == "trained"
    for place in range(len(content)):
        assert_refused(content[:place])
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        assert_refused(bytes(changed))
    assert_refused(content + b"\0")


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_every_bit_of_a_file_matters(optimizer):
    content = content_of(optimizer, "PCG64")
    for place, bit in product(range(len(content)), range(8)):
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        assert_refused(bytes(changed))


def test_the_checksum_is_of_all_there_is(path):
    safetensors.write(path, {"a": np.arange(3.0), "b": np.zeros(0)}, {"note": "text"})
    arrays, metadata = safetensors.read(path)
    right = metadata["checksum"]
    assert safetensors.checksum(dict(reversed(arrays.items())), metadata) == right
    others = [
        ({**arrays, "a": np.array([0.0, 1.0, 3.0])}, metadata), ({**arrays, "a": arrays["a"].reshape(1, 3)}, metadata),
        ({**arrays, "a": arrays["a"].view(np.int64)}, metadata), ({"c": arrays["a"], "b": arrays["b"]}, metadata),
        ({"a": arrays["a"]}, metadata), (arrays, {"note": "next"}), (arrays, {"nota": "text"}), (arrays, {}),
    ]
    for changed, strings in others:
        assert safetensors.checksum(changed, strings) != right


# ------------------------------------------------------------------ older files
def without_checksum(content, version):
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    items = json.loads(header["__metadata__"]["fastbp"])
    items["version"] = version
    del items["trainer"]["callbacks"]
    header["__metadata__"] = {"fastbp": json.dumps(items)}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def test_a_file_without_a_checksum_from_version_1_still_loads(path):
    content = content_of("adam", "PCG64")
    path.write_bytes(without_checksum(content, 1))
    assert reference.Trainer.load(path).epochs == 1
    path.write_bytes(without_checksum(content, 2))
    with pytest.raises(fastbp.FormatError, match="its checksum is missing"):
        reference.Trainer.load(path)


def test_a_history_whose_last_epoch_was_cut_off_loads_without_it(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "table", lambda history: {name: np.array(x) for name, x in history.history.items()})
    trainer = reference.Trainer(reference.Network([1, 2], rng=0), rng=0)
    trainer.fit([[0.0], [1.0]], [1, 0], 3)
    vars(trainer.history)["loss"].append(0.5)
    trainer.save(path)
    assert [len(column) for column in reference.Trainer.load(path).history.values()] == [3, 3, 3]


# ------------------------------------------------------------------ states that none can be in
def changed_state(bits, change, optimizer="sgd"):
    trainer = reference.Trainer(reference.Network([1, 2], rng=0), optimizer,
                                rng=np.random.Generator(getattr(np.random, bits)(3)))
    description = mutations.describe_network(trainer.network) | {"trainer": mutations.describe_trainer(trainer)}
    arrays = trainer.network._named(trainer.network.parameters) | mutations.trainer_arrays(trainer)
    description = json.loads(json.dumps(description))
    change(description["trainer"], arrays)
    return mutations.encoded(arrays, json.dumps({"version": 2, **description}))


def state_with(bits, *keys_and_value):
    *keys, last, value = keys_and_value

    def change(trainer, arrays):
        place = trainer["rng"]
        for key in keys:
            place = place[key]
        place[last] = value

    return changed_state(bits, change)


@pytest.mark.parametrize(("bits", "change"), [
    ("MT19937", ("state", "pos", 10**9)), ("MT19937", ("state", "pos", -1)), ("MT19937", ("state", "pos", 625)),
    ("MT19937", ("state", "key", [0] * 624)), ("MT19937", ("state", "key", [1] * 623)),
    ("MT19937", ("state", "key", 0, 2**32)), ("MT19937", ("state", "key", 5, -1)),
    ("MT19937", ("state", "key", 5, 0.5)), ("MT19937", ("state", "key", 5, None)),
    ("Philox", ("buffer_pos", 5)), ("Philox", ("buffer_pos", -1)), ("Philox", ("buffer", [0] * 5)),
    ("Philox", ("state", "counter", 0, 2**64)), ("Philox", ("state", "key", [1])), ("Philox", ("has_uint32", 2)),
    ("SFC64", ("state", "state", [1, 2, 3])), ("SFC64", ("uinteger", 2**32)), ("SFC64", ("has_uint32", True)),
    ("PCG64", ("state", "state", 2**128)), ("PCG64", ("state", "state", -1)), ("PCG64", ("state", "inc", 2)),
    ("PCG64", ("state", "inc", 0)), ("PCG64", ("uinteger", -1)), ("PCG64", ("more", 1)), ("PCG64DXSM", ("state", 3)),
    ("PCG64DXSM", ("bit_generator", "PCG64DXSM2")), ("PCG64DXSM", ("bit_generator", "MT19937")),
], ids=str)
def test_a_generator_in_a_state_that_none_can_be_in_is_refused(bits, change):
    assert mutations.outcome(reference, changed_state(bits, lambda *_: None)) == "trained"
    assert_refused(state_with(bits, *change))


@pytest.mark.parametrize("change", [
    lambda t, a: t.update(steps=-1), lambda t, a: t.update(steps=2**63), lambda t, a: t.update(epochs=2**53 + 1),
    lambda t, a: t.update(batch_size=0), lambda t, a: t.update(threads=0), lambda t, a: t.update(shuffle=1),
    lambda t, a: t["regularization"].update(dropout=1.0), lambda t, a: t["regularization"].pop("l1"),
    lambda t, a: t["regularization"].update(dropout_seed=2**32), lambda t, a: t["regularization"].update(l1=[0.1]),
    lambda t, a: t["optimizer"]["numbers"].update(beta1=1.0), lambda t, a: t["optimizer"]["numbers"].update(eps="nan"),
    lambda t, a: t["optimizer"].update(name="Adamax2"), lambda t, a: t["optimizer"]["numbers"].update(amsgrad=1),
    lambda t, a: a.update({"optimizer.1": a["optimizer.1"] - 1}), lambda t, a: a.pop("optimizer.0"),
    lambda t, a: a.update({"optimizer.2": a["optimizer.1"]}), lambda t, a: a.update({"optimizer.1": np.zeros(3)}),
    lambda t, a: t.update(history=["append"]) or a.update({"history.append": np.zeros(1)}),
    lambda t, a: t.update(history=["loss", "loss"]) or a.update({"history.loss": np.zeros(1)}),
    lambda t, a: t.update(history=[3]), lambda t, a: a.update({"history.loss": np.zeros((1, 1))}),
    lambda t, a: t.update(callbacks=[{"name": "EarlyStopping"}]), lambda t, a: a.update({"callbacks.0": np.zeros(2)}),
    lambda t, a: t.update(callbacks=[{"name": "A", "state": {"x": {"special": "1"}}}]),
    lambda t, a: t.update(callbacks=[{"name": "A", "state": {"x": {"array": "layers.1.bias"}}}]),
])
def test_a_trainer_in_a_state_that_none_can_be_in_is_refused(change):
    assert_refused(changed_state("PCG64", change, "adam"))


@pytest.mark.parametrize("change", [
    {"rate": -1.0}, {"rate": "a"}, {"waited": -1}, {"waited": 2**60}, {"waited": 0.5}, {"waited": True},
    {"best": {"special": "nan"}}, {"best": [1]}, {"rate": {"special": "inf"}}, {"factor": 1.0}, {"best": None},
])
def test_a_plateau_in_a_state_that_none_can_be_in_is_refused(change):
    schedule = fastbp.schedules.ReduceOnPlateau(0.1)

    def put(trainer, arrays):
        trainer["optimizer"]["numbers"]["learning_rate"]["numbers"].update(change)

    assert_refused(changed_state("PCG64", put, fastbp.SGD(schedule)))


def test_a_plateau_that_the_user_has_changed_is_kept(path):
    schedule = fastbp.schedules.ReduceOnPlateau(0.1, patience=3)
    schedule.rate, schedule.waited = 0.5, 7
    reference.Trainer(reference.Network([1, 2], rng=0), fastbp.SGD(schedule)).save(path)
    found = reference.Trainer.load(path).optimizer.learning_rate
    assert (found.rate, found.waited) == (0.5, 7)


def test_states_are_checked_by_their_names_and_not_by_their_order_in_the_file():
    def put(trainer, arrays):
        first, second = arrays.pop("optimizer.0"), arrays.pop("optimizer.1")
        arrays.update({"optimizer.1": second, "optimizer.0": first - 1})

    assert mutations.outcome(reference, changed_state("PCG64", put, "adam")) == "trained"


@pytest.mark.parametrize("state", [
    {"waited": -1}, {"waited": 1.5}, {"waited": None}, {"best": "low"}, {"best": None}, {"parameters": [1.0]},
    {"parameters": {"array": "callbacks.0"}},
])
def test_the_state_of_early_stopping_is_checked_before_training(state):
    whole = {"monitor": "loss", "rises": False, "best": 0.5, "waited": 0, "parameters": None, **state}

    def put(trainer, arrays):
        trainer["callbacks"] = [{"name": "EarlyStopping", "state": whole}]
        if isinstance(state.get("parameters"), dict):
            arrays["callbacks.0"] = np.zeros(1, np.float32)  # would be broadcast to all parameters

    assert_refused(changed_state("PCG64", put))


@pytest.mark.parametrize("state", [{"array": "callbacks.0"}, {"special": "inf"}, [], 1.0, None], ids=str)
def test_the_state_of_a_callback_is_a_mapping(state):
    def put(trainer, arrays):
        trainer["callbacks"] = [{"name": "Wide", "state": state}]
        if state == {"array": "callbacks.0"}:
            arrays["callbacks.0"] = np.zeros(3)

    assert_refused(changed_state("PCG64", put))


def test_label_smoothing_needs_its_loss_in_a_file_too():
    net = reference.Network([1, 2], output="identity", loss="quadratic", rng=0)
    trainer = reference.Trainer(net, rng=0)
    content = content_from(trainer).replace(b'label_smoothing\\": 0.0', b'label_smoothing\\": 0.5')
    length = int.from_bytes(content[:8], "little")
    text = json.loads(content[8 : 8 + length])["__metadata__"]["fastbp"]
    arrays = net._named(net.parameters)
    with pytest.raises(fastbp.FormatError, match="label_smoothing is for"):
        load_bytes(mutations.encoded(arrays, text))


def load_bytes(content):
    with mutations.decoded(io.BytesIO(content), len(content), None, "file") as (reader, contents):
        return reference.Trainer._from_file(reader, contents)


# ------------------------------------------------------------------ headers that cost much
N = 4 * 2**20
HOSTILE = {
    "lists": b'{"x":[' + b"[],   " * (N // 6 - 4) + b"[]]}",
    "dense lists": b'{"x":[' + b"[]," * (N // 3 - 4) + b"[]]}",
    "objects": b'{"x":[' + b"{},   " * (N // 6 - 4) + b"{}]}",
    "numbers": b'{"x":[' + b"1000," * (N // 5 - 4) + b"1]}",
    "names": b"{" + b",".join(b'"%07d":1   ' % i for i in range(N // 17)) + b"}",
    "arrays": b"{" + b",".join(
        b'"%06d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(N // 64)) + b"}",
    "a string": b'{"__metadata__":{"fastbp":"' + b"a" * (N - 60) + b'"}}',
    "escapes": b'{"__metadata__":{"fastbp":"' + b"\\u005b\\u005d," * (N // 13 - 8) + b'"}}',
    "quotes": b'{"' + b'\\"  ' * (N // 4 - 8) + b'"}',
    "a number": b'{"x":' + b"9" * (N - 20) + b"}",
    "depth": b'{"x":' + b"[     " * (N // 6 - 4) + b"}",
}


@pytest.mark.parametrize("n_bytes", [0, N // 64], ids=["no arrays", "arrays"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_header_is_refused_in_little_memory(name, n_bytes):
    text = HOSTILE[name]
    assert len(text) <= N
    content = len(text).to_bytes(8, "little") + text + bytes(n_bytes)
    file = io.BytesIO(content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):  # noqa: PT011 - or a FormatError
            Contents(file, len(content), "fastbp")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The longest header with its text: 8 MiB; and no header at all where the file has no arrays to bear it out.
    assert peak < (100 * 2**20 if n_bytes else 64 * 2**10)


def test_a_header_longer_than_what_is_read_is_not_written(path):
    long = fastbp.Activation("a" * 300_000, lambda z: z * z)
    net = reference.Network([1, 1, 1], long, "identity", "quadratic", rng=0)
    with pytest.raises(ValueError, match=r"the header takes 300,.* bytes, at most 263,168 are allowed"):
        net.save(path)
    assert os.listdir(path.parent) == []


def test_a_deep_network_of_width_1_is_saved_and_read(path):
    net = reference.Network([1] * 2001, "gelu", "identity", "quadratic", rng=0)
    net.save(path)
    assert np.array_equal(fastbp.load(path).parameters, net.parameters)


# ------------------------------------------------------------------ foreign files
class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_no_foreign_file_is_opened_or_run(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", bytes(50 * 2**20))
    arrays = io.BytesIO()
    np.savez(arrays, a=np.zeros(3))
    names = (b'{"__metadata__":{"format":"pt"},"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}', bytes(4))
    foreign = [
        bomb.getvalue(), pickle.dumps(Bomb()), arrays.getvalue(), b"", b"\x89HDF\r\n\x1a\n" + bytes(100), b"{}",
        bytes(8), bytes(1000), b"\xff" * 1000, len(names[0]).to_bytes(8, "little") + b"".join(names),
    ]
    for content in foreign:
        path.write_bytes(content)
        for load in (fastbp.load, fastbp.Trainer.load, reference.Network.load, reference.Trainer.load):
            with pytest.raises(fastbp.FormatError, match=r"run\.safetensors' is not a file of fastbp, or damaged: "):
                load(path)
    with pytest.raises(fastbp.FormatError, match="was it written by another library"):
        fastbp.load(path)  # the last one, with a dtype that fastbp does not know
    assert os.listdir() == [path.name]


@pytest.mark.parametrize("dtype", ["float16", "f4,(2", "float32 ", "<f4", "", None, ["float32"]])
def test_a_dtype_that_no_network_has_is_named(path, dtype):
    arrays = {"layers.1.weight": np.zeros((1, 2)), "layers.1.bias": np.zeros(1)}
    safetensors.write(path, arrays, {"fastbp": json.dumps({"version": 1, "sizes": [2, 1], "dtype": dtype})})
    with pytest.raises(fastbp.FormatError, match="'dtype' is "):
        fastbp.load(path)


def test_a_file_as_large_as_it_says_is_not_read_before_it_is_known_to_be_ours(path):
    size = 2**42
    for metadata in ({}, {"fastbp": json.dumps({"version": 1, "sizes": [2, 1], "dtype": "float32"})}):
        weight = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
        text = json.dumps({"__metadata__": metadata, "layers.1.weight": weight}).encode()
        with path.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + size)  # without blocks on the disk
        with pytest.raises(fastbp.FormatError, match=r"another library|do not have the parameters"):
            fastbp.load(path)


# ------------------------------------------------------------------ mutations
@pytest.mark.parametrize(("implementation", "count"), [(reference, 3000), (fastbp, 1000)], ids=["reference", "fastbp"])
def test_mutated_files_are_refused_or_train(implementation, count):
    found = mutations.run(count, implementation, seed=1)
    assert found["refused"] > 10 * found["diverged"]
    assert found["trained"] > count / 50
    assert found["large"] == 0


def test_files_that_take_new_ways_through_the_reader_are_mutated_further():
    guide = mutations.Guide(reference, mutations.originals(reference))
    n_files = len(guide.files)
    found = mutations.run(1500, reference, seed=2, guide=guide)
    assert found.keys() <= {"refused", "diverged", "trained"}
    assert len(guide.files) == n_files + guide.n_kept
    assert guide.n_kept > 10


def test_each_kind_of_mutation_changes_files():
    files = mutations.originals(reference)
    arrays, items = files[0]
    whole = mutations.encoded(arrays, json.dumps(items))
    for kind in mutations.KINDS:
        results = {kind(mutations.random.Random(seed), arrays, items) for seed in range(20)}
        assert len(results - {whole}) > 10
