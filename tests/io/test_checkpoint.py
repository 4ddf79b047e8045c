"""Files: what is saved goes on bitwise as if it had not been away, or is refused; no moment leaves a broken one."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import make_data, make_network, make_samples, make_trainer

import fastbp
from fastbp import reference
from fastbp.activations import Activation
from fastbp.callbacks import LambdaCallback, ModelCheckpoint
from fastbp.io import safetensors
from fastbp.losses import Loss
from fastbp.optimizers import OPTIMIZERS, SGD, Adam
from fastbp.schedules import CosineDecay, OneCycle, ReduceOnPlateau, WarmUp

RULES = {"l1": 0.01, "l2": 0.02, "dropout": 0.2, "max_norm": 1.0, "clip_value": 0.5, "clip_norm": 0.7,
         "label_smoothing": 0.1}
SQUARE = Activation("square", lambda z: z * z)
FOURTH = Loss("fourth", lambda a, y: (a - y) ** 4)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


def trainer_with(implementation, **arguments):
    return make_trainer(implementation, dtype=arguments.pop("dtype", np.float32), **arguments)


# ------------------------------------------------------------------ going on
@pytest.mark.parametrize("saved_by", ["save", "callback"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on_bitwise_where_it_was_saved(implementation, path, optimizer, saved_by):
    X, Y = make_samples()
    arguments = {"epochs": 5, "validation_data": (X, Y)}
    whole, parts = (trainer_with(implementation, optimizer=optimizer, **RULES) for _ in range(2))
    expected = whole.fit(X, Y, **arguments)
    if saved_by == "save":
        parts.fit(X, Y, **{**arguments, "epochs": 2})
        parts.save(path)
    else:
        stop = LambdaCallback(on_epoch_end=lambda trainer, epoch, logs: epoch == 2)
        parts.fit(X, Y, **arguments, callbacks=[ModelCheckpoint(path), stop])
    again = implementation.Trainer.load(path)
    assert (again.epochs, again.steps) == (2, 6)
    history = again.history + again.fit(X, Y, **{**arguments, "epochs": 5 - again.epochs})
    assert np.array_equal(again.network.parameters, whole.network.parameters)
    for state, other in zip(again.optimizer_state, whole.optimizer_state, strict=True):
        assert np.array_equal(state, other)
    assert again.rng.bit_generator.state == whole.rng.bit_generator.state
    assert history.loss == pytest.approx(expected.loss, rel=1e-12)
    assert history.val_loss == expected.val_loss
    assert repr(again) == repr(whole)


@pytest.mark.parametrize(
    "schedule",
    [CosineDecay(0.1, 3, restarts=True, growth=2), OneCycle(0.1, 100), ReduceOnPlateau(1e-9, patience=0),
     WarmUp(ReduceOnPlateau(1e-9, patience=0), 4), WarmUp(WarmUp(0.1, 2), 3)],
    ids=lambda schedule: repr(schedule)[:20],
)
def test_schedules_go_on_where_they_were(implementation, path, schedule):
    X, Y = make_samples()
    trainer = trainer_with(implementation, optimizer=Adam(schedule, beta1=0.8))
    trainer.fit(X, Y, epochs=3)
    trainer.save(path)
    again = implementation.Trainer.load(path)
    assert again.optimizer == trainer.optimizer
    assert repr(again.optimizer) == repr(trainer.optimizer)
    for each in (trainer, again):
        each.fit(X, Y, epochs=3)
    assert np.array_equal(again.network.parameters, trainer.network.parameters)


@pytest.mark.parametrize("bits", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_generator_goes_on_where_it_was(implementation, path, bits):
    trainer = trainer_with(implementation, rng=np.random.Generator(getattr(np.random, bits)(3)))
    trainer.fit(*make_samples())
    trainer.save(path)
    again = implementation.Trainer.load(path).rng
    assert np.array_equal(again.integers(2**63, size=1000), trainer.rng.integers(2**63, size=1000))


def test_a_network_comes_back_as_it_was(implementation, path):
    net = make_network(implementation, [3, 5, 4, 2], ["relu", "gelu"], "sigmoid", "huber", np.float32)
    net.save(path)
    again = implementation.Network.load(path)
    assert np.array_equal(again.parameters, net.parameters)
    assert repr(again) == repr(net)
    X, Y = make_data(net, 5)
    assert again.loss(X, Y) == net.loss(X, Y)


def test_either_implementation_reads_the_others_files_and_a_network_is_in_a_trainers(path):
    trainer = trainer_with(reference, optimizer="adam")
    trainer.fit(*make_samples())
    trainer.save(path)
    assert type(fastbp.Trainer.load(path).network) is fastbp.Network
    assert np.array_equal(fastbp.Network.load(path).parameters, trainer.network.parameters)
    trainer.network.save(path)
    with pytest.raises(ValueError, match=r"run.safetensors': it holds a network and no trainer"):
        reference.Trainer.load(path)


def test_numbers_that_are_not_finite_are_kept(implementation, path):
    net = make_network(implementation, [3, 2])
    net.parameters[:3] = np.nan, np.inf, -0.0
    net.save(path)
    assert implementation.Network.load(path).parameters.tobytes() == net.parameters.tobytes()


# ------------------------------------------------------------------ what the user wrote
def test_custom_functions_are_handed_in_again(implementation, path):
    def rate(step):
        return 0.01 / (1 + step)

    net = implementation.Network([3, 4, 2], SQUARE, "identity", FOURTH, rng=0)
    trainer = implementation.Trainer(net, SGD(rate), rng=0)
    trainer.save(path)
    custom = {"square": SQUARE, "fourth": FOURTH, "learning_rate": rate}
    again = implementation.Trainer.load(path, custom)
    assert again.network.activations[0] is SQUARE
    assert again.network.loss_function is FOURTH
    assert again.optimizer.learning_rate is rate
    for name in custom:
        rest = {key: value for key, value in custom.items() if key != name}
        with pytest.raises(ValueError, match=rf"not in the file, which holds no code: pass custom=\{{'{name}': "):
            implementation.Trainer.load(path, rest)
        with pytest.raises(TypeError, match=rf"custom\['{name}'\] is 3, expected"):
            implementation.Trainer.load(path, {**custom, name: 3})


def test_what_is_no_mapping_of_custom_functions_is_named(implementation, path):
    implementation.Network([3, 2], rng=0).save(path)
    with pytest.raises(TypeError, match=r"^custom must be a dict"):
        implementation.Network.load(path, [SQUARE])


def test_a_custom_function_by_the_name_of_a_built_in_one_is_custom(implementation, path):
    implementation.Network([3, 4, 2], Activation("relu", lambda z: z * z), rng=0).save(path)
    with pytest.raises(ValueError, match=r"pass custom={'relu': fastbp\.Activation"):
        implementation.Network.load(path)


# ------------------------------------------------------------------ the format
def test_the_file_is_what_the_safetensors_specification_says(path):
    net = make_network(reference, [3, 4, 2], dtype=np.float32)
    trainer = reference.Trainer(net, "momentum", rng=0)
    trainer.fit(*make_samples())
    trainer.save(path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert length % 8 == 0
    assert content[8:9] == b"{"
    assert all(isinstance(value, str) for value in header.pop("__metadata__").values())
    data, end = content[8 + length :], 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, next_end = entry["data_offsets"]
        dtype = {"F32": "<f4", "F64": "<f8"}[entry["dtype"]]
        assert begin == end
        assert begin % np.dtype(dtype).itemsize == 0
        end = next_end
        if name == "layers.2.weight":
            assert np.array_equal(np.frombuffer(data[begin:end], dtype).reshape(entry["shape"]), net.weights[1])
    assert end == len(data)
    assert set(header) == {"layers.1.weight", "layers.1.bias", "layers.2.weight", "layers.2.bias", "optimizer.0",
                           "history.loss", "history.accuracy", "history.seconds"}


def small_file():
    entries = {"__metadata__": {"a": "b"}, "x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
               "y": {"dtype": "U8", "shape": [3], "data_offsets": [8, 11]}}
    return entries, bytes(range(11))


def write_raw(path, entries, data, length=None):
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e["x"].update(data_offsets=[0, 4]), "for 8 bytes"),
        (lambda e: e["y"].update(data_offsets=[7, 10]), "begins at 7, expected 8"),
        (lambda e: e["y"].update(data_offsets=[9, 12]), "begins at 9, expected 8"),
        (lambda e: e["y"].update(shape=[2], data_offsets=[8, 10]), "its arrays take 10 bytes, it has 11"),
        (lambda e: e["y"].update(shape=[4], data_offsets=[8, 12]), "its arrays take 12 bytes, it has 11"),
        (lambda e: e["x"].update(shape=[-2]), "has the shape"),
        (lambda e: e["x"].update(shape=[2.0]), "has the shape"),
        (lambda e: e["x"].update(shape=[True, 2]), "has the shape"),
        (lambda e: e["x"].update(shape=[2**62, 2**3]), "for 147573952589676412928 bytes"),
        (lambda e: e["x"].update(shape=[1] * 9), "has the shape"),
        (lambda e: e["x"].update(dtype="O"), "has the dtype 'O'"),
        (lambda e: e["x"].update(dtype=["F32"]), "has the dtype"),
        (lambda e: e["x"].update(data_offsets=[0]), "has the offsets"),
        (lambda e: e["x"].update(more=1), "'x' is not an array"),
        (lambda e: e.update(x=3), "'x' is not an array"),
        (lambda e: e.update(__metadata__={"a": 1}), "metadata are not strings"),
        (lambda e: e["x"].update(shape=[[[[2]]]]), "nested too deep"),
    ],
)
def test_a_header_that_departs_from_the_format_is_refused(path, change, message):
    entries, data = small_file()
    write_raw(path, entries, data)
    assert safetensors.read(path)[0]["y"].tolist() == [8, 9, 10]
    change(entries)
    write_raw(path, entries, data)
    with pytest.raises(ValueError, match=message):
        safetensors.read(path)


@pytest.mark.parametrize(
    ("text", "length", "message"),
    [
        (b"", 0, "Expecting value"),
        (b"{}", 2**64 - 1, "is too long"),
        (b"{}", 3, "is too long"),
        (b"[]", None, "is not an object"),
        (b"\xff{}", None, "codec can't decode"),
        (b'{"x": NaN}', None, "NaN is not JSON"),
        (b'{"x": {}, "x": {}}', None, "a name comes twice"),
        (b"[" * 20 + b" " * 100, None, "nested too deep"),
        (b"[" * 100_000, None, "too many parts for its length"),
        (b'{"' + b'\\"   ' * 50_000 + b"\\", None, "Unterminated string"),
        (b'{"' + b'\\"' * 1_000_000 + b"\\", None, "is too long"),
        (b'{"x": ' + b"9" * 100_000 + b"}", None, "a number is too long"),
        (b'{"x": 1e999}', None, "is too large a number"),
        (b"\x80\x04\x95", None, "codec can't decode"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_text_that_is_no_header_is_refused(path, text, length, message):
    write_raw(path, text, b"", length)
    with pytest.raises(ValueError, match=message):
        safetensors.read(path)


@pytest.mark.parametrize("content", [b"", b"1234567", b"PK\x03\x04" + bytes(100), b"\x80\x04\x95\x10" + bytes(100)])
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run.safetensors' is not a file of fastbp, or damaged"):
        reference.Trainer.load(path)


def saved(path):
    trainer = trainer_with(reference, sizes=(2, 2), optimizer="momentum")
    trainer.fit([[0.0, 1.0]], [1])
    trainer.save(path)
    return path.read_bytes()


def test_a_file_cut_short_anywhere_is_refused(path):
    content = saved(path)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"run\.safetensors"):
            reference.Trainer.load(path)


def test_a_flipped_bit_anywhere_is_refused_or_read_as_other_numbers(path):
    content = saved(path)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        path.write_bytes(changed)
        try:
            trainer = reference.Trainer.load(path)
        except ValueError as error:
            if "run.safetensors" not in str(error):
                raise
        else:
            assert trainer.network.sizes == (2, 2)


def test_a_newer_format_and_another_librarys_file_are_named(path):
    safetensors.write(path, {}, {"fastbp": '{"version": 3}'})
    with pytest.raises(fastbp.FormatError, match="version 3, this fastbp knows 2: install a newer one"):
        reference.Network.load(path)
    safetensors.write(path, {}, {"format": "pt"})
    with pytest.raises(ValueError, match="written by another library"):
        reference.Network.load(path)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_description_of_anything_is_refused_or_read(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    if not path.exists():
        saved(path)
    arrays, metadata = safetensors.read(path)
    items = json.loads(metadata["fastbp"])
    values = st.one_of(st.none(), st.booleans(), st.integers(-2, 10), st.floats(allow_nan=False, allow_infinity=False),
                       st.text(max_size=3), st.lists(st.integers(), max_size=3), st.just({}))
    place = items
    while isinstance(place, (dict, list)) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(values)
            break
        place = place[key]
    other = path.with_name("other.safetensors")
    safetensors.write(other, arrays, {"fastbp": json.dumps(items)})
    try:
        reference.Trainer.load(other)
    except ValueError as error:
        if "other.safetensors" not in str(error):
            raise


# ------------------------------------------------------------------ the callback
def test_model_checkpoint_keeps_the_best_or_every_epoch(implementation, tmp_path):
    X, Y = make_samples()
    scores = iter([3, 1, 2, 0.5])
    parameters = []

    def note(trainer, epoch, logs):
        logs["val_score"] = next(scores)
        parameters.append(trainer.network.parameters.copy())

    callbacks = [LambdaCallback(on_epoch_end=note), ModelCheckpoint(tmp_path / "e{epoch:02d}"),
                 ModelCheckpoint(tmp_path / "best", "val_score", best_only=True, mode="min")]
    trainer = make_trainer(implementation)
    for epochs, best in ((3, 1), (1, 3)):
        trainer.fit(X, Y, epochs, callbacks=callbacks)
        found = implementation.Trainer.load(tmp_path / "best").network.parameters
        assert np.array_equal(found, parameters[best])
    assert sorted(os.listdir(tmp_path)) == ["best", "e01", "e02", "e03", "e04"]
    assert implementation.Trainer.load(tmp_path / "e02").epochs == 2
