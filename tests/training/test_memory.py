"""Data beyond memory: what is read in blocks trains as arrays do, mixed, in order, and from a checkpoint on."""

import threading

import numpy as np
import pytest
from networks import make_network, make_trainer, relative_error

import fastbp
from fastbp.base.blocks import Blocks
from fastbp.callbacks import LambdaCallback, ModelCheckpoint

N = 500
X = np.random.default_rng(5).normal(size=(N, 3))
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
WEIGHT = np.linspace(0.5, 2.0, N)
MEMORY = 20_000  # less than half of the samples
UNEVEN = (7, 50, 1, *[40] * 10, 42)  # sizes of chunks


class Sliced:
    """What has a shape and row slices and nothing else, as an array in a file; it counts the rows that were read."""

    def __init__(self, array, chunks=None):
        self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, []
        if chunks is not None:
            self.chunks = chunks

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        assert rows.step is None
        assert 0 <= rows.start < rows.stop <= len(self.array)
        self.read.append((rows.start, rows.stop))
        return self.array[rows].copy()


def mapped(array, path, order="C"):
    found = np.memmap(path, array.dtype, "w+", shape=array.shape, order=order)
    found[...] = array
    found.flush()
    return np.memmap(path, array.dtype, "r", shape=array.shape, order=order)


def trained(implementation, X, Y, memory=MEMORY, epochs=3, sizes=(3, 5, 2), fit=None, **arguments):
    trainer = make_trainer(implementation, sizes, **{"optimizer": "adam", **arguments})
    trainer.fit(X, Y, epochs, memory=memory, **(fit or {}))
    return trainer


def same(one, other):
    """The same bits; a loss is a sum of those of chunks, whose ends differ."""
    equal = np.array_equal(one.network.parameters, other.network.parameters)
    return equal and one.history.loss == pytest.approx(other.history.loss, rel=1e-12)


# ------------------------------------------------------------------ what may be passed
KINDS = {
    "sliced": lambda X, path: Sliced(X),
    "chunks": lambda X, path: Sliced(X, chunks=(32, 2)),
    "sizes of chunks": lambda X, path: Sliced(X, chunks=(UNEVEN, (3,))),
    "memmap": lambda X, path: mapped(X, path, "C"),
    "memmap in Fortran's order": lambda X, path: mapped(X, path, "F"),
    "slice of a memmap": lambda X, path: mapped(np.concatenate([X, X]), path)[N:],
    "private memmap": lambda X, path: np.memmap(mapped(X, path).filename, X.dtype, "c", shape=X.shape),
    "float32": lambda X, path: Sliced(X.astype(np.float32).astype(np.float64)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_samples_in_order_make_the_updates_of_arrays(implementation, kind, tmp_path):
    data = KINDS[kind](X, tmp_path / "X")
    whole = X.astype(np.float32).astype(np.float64) if kind == "float32" else X
    rules = {"shuffle": False, "l2": 0.01, "dropout": 0.2, "label_smoothing": 0.1, "max_norm": 1.0, "clip_norm": 1.0}
    expected = trained(implementation, whole, Y, None, **rules)
    found = trained(implementation, data, Y, 27_000, **rules)
    assert same(found, expected)
    assert found.history.accuracy == expected.history.accuracy
    assert found.steps == expected.steps == 3 * 125


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int32, np.uint8, bool, ">f8"])
@pytest.mark.parametrize("network_dtype", [np.float32, np.float64])
def test_numbers_of_any_type_are_converted_block_by_block(implementation, dtype, network_dtype):
    given = (X * 3 > 0).astype(dtype) if dtype is bool else np.abs(X * 3).astype(dtype)
    expected = trained(implementation, given, Y, None, shuffle=False, dtype=network_dtype)
    sliced = Sliced(given)
    assert same(trained(implementation, sliced, Y, 12_000, shuffle=False, dtype=network_dtype), expected)
    assert len(set(sliced.read)) > 20


TARGETS = {
    "labels": (Y, {}),
    "small integers": (Y.astype(np.uint8), {}),
    "rows": (np.eye(2)[Y], {}),
    "shares": (np.eye(2)[Y] * 0.8 + 0.1, {}),
    "weights": (Y, {"sample_weight": WEIGHT}),
    "weights of classes": (Y, {"class_weight": {1: 2.0}}),
    "balanced": (Y, {"class_weight": "balanced"}),
    "balanced rows and weights": (np.eye(2)[Y], {"class_weight": "balanced", "sample_weight": WEIGHT}),
}


@pytest.mark.parametrize("lazy", [False, True], ids=["arrays", "sliced"])
@pytest.mark.parametrize("kind", TARGETS)
def test_targets_and_weights_are_those_of_arrays(implementation, kind, lazy):
    targets, fit = TARGETS[kind]
    expected = trained(implementation, X, targets, None, shuffle=False, fit=fit)
    if lazy:
        targets = Sliced(targets, chunks=(33,))
        fit = {name: Sliced(value) if name == "sample_weight" else value for name, value in fit.items()}
    data = Sliced(X, chunks=(19, 3))  # so minibatches cross blocks
    found = trained(implementation, data, targets, shuffle=False, fit=fit)
    assert same(found, expected)
    assert found.history.accuracy == expected.history.accuracy


@pytest.mark.parametrize("loss", ["quadratic", "cross_entropy"])
@pytest.mark.parametrize("column", [False, True])
def test_one_output_takes_flat_targets_and_columns(implementation, loss, column):
    targets = Y if loss == "cross_entropy" else X[:, 1]
    results = []
    for data, memory in ((X, None), (Sliced(X), 9000)):
        net = make_network(implementation, [3, 4, 1], output="sigmoid", loss=loss)
        trainer = implementation.Trainer(net, batch_size=16, shuffle=False)
        given = targets[:, np.newaxis] if column else targets
        trainer.fit(data, given if memory is None else Sliced(given), 2, memory=memory)
        results.append(trainer)
    assert same(*results)


def test_targets_as_wide_as_the_inputs_are_read_again_in_each_epoch(implementation):
    targets = Sliced(np.tanh(X))
    results = []
    for data, given, memory in ((X, np.tanh(X), None), (Sliced(X), targets, 14_000)):
        net = make_network(implementation, [3, 2, 3], output="tanh", loss="quadratic")
        trainer = implementation.Trainer(net, batch_size=16, shuffle=False)
        trainer.fit(data, given, 2, memory=memory)
        results.append(trainer)
    assert same(*results)
    assert sum(stop - start for start, stop in targets.read) >= 3 * N


def test_rows_of_several_labels_count_as_in_arrays(implementation):
    targets = np.ones((N, 2))
    targets[:-1, 1] = 0.0  # the last row alone has two labels
    results = []
    for data, given, memory in ((X, targets, None), (Sliced(X), Sliced(targets), 9000)):
        net = make_network(implementation, [3, 2], output="sigmoid")
        trainer = implementation.Trainer(net, shuffle=False, rng=0)
        results.append(trainer.fit(data, given, memory=memory))
        assert net.multilabel
    assert results[0].accuracy == results[1].accuracy


def test_data_frames_are_sliced_by_place(implementation):
    pandas = pytest.importorskip("pandas")
    index = np.random.default_rng(0).permutation(N) + 0.5
    frame, labels = pandas.DataFrame(X, index=index, columns=[*"abc"]), pandas.Series(Y, index=index)
    assert same(
        trained(implementation, frame, labels, 9000, shuffle=False),
        trained(implementation, X, Y, None, shuffle=False),
    )


@pytest.mark.parametrize("kind", ["zarr", "h5py", "dask"])
def test_arrays_of_other_libraries_are_read_in_their_chunks(implementation, kind, tmp_path):
    module = pytest.importorskip({"dask": "dask.array"}.get(kind, kind))
    if kind == "zarr":
        data = module.create_array(tmp_path / "X.zarr", shape=X.shape, chunks=(50, 2), dtype=X.dtype)
        labels = module.create_array(tmp_path / "Y.zarr", shape=Y.shape, chunks=(64,), dtype=Y.dtype)
        data[:], labels[:] = X, Y
    elif kind == "h5py":
        file = module.File(tmp_path / "data.h5", "w")
        data = file.create_dataset("X", data=X, chunks=(50, 2), compression="gzip")
        labels = file.create_dataset("Y", data=Y)
    else:
        data, labels = module.from_array(X, chunks=(50, 2)), module.from_array(Y, chunks=77)
    expected = trained(implementation, X, Y, None, shuffle=False)
    assert same(trained(implementation, data, labels, 30_000, shuffle=False), expected)
    blocks = Blocks(make_network(implementation, [3, 2]), (data, labels, None), None, 30_000, 4)
    assert not blocks.fits
    assert set(np.diff(blocks._bounds)) == {50}


# ------------------------------------------------------------------ memory that holds all
@pytest.mark.parametrize("shuffle", [False, True])
def test_what_fits_is_read_once_and_trains_as_an_array(implementation, shuffle):
    data = Sliced(X, chunks=(64, 3))
    found = trained(implementation, data, Sliced(Y), 1e6, shuffle=shuffle, fit={"sample_weight": Sliced(WEIGHT)})
    assert same(found, trained(implementation, X, Y, None, shuffle=shuffle, fit={"sample_weight": WEIGHT}))
    assert sum(stop - start for start, stop in data.read) == N + 1  # one row tells the type


def test_arrays_in_memory_are_not_copied(implementation, monkeypatch):
    monkeypatch.setattr("fastbp.base.table.Table.store", None)
    assert same(trained(implementation, X, Y, 1), trained(implementation, X, Y, None))


# ------------------------------------------------------------------ the order
def orders(trainer, data, epochs, batch_size, memory):
    """The first number of each sample, in the order in which each epoch trained on them."""
    seen = []

    class Recorder:
        gate = threading.Lock()

        def run(self, data, rows, batch_size, *, last=True, penalty_scale=None):
            assert len(rows) % batch_size == 0 or sum(map(len, seen[-1])) + len(rows) == len(X)
            seen[-1].append(data[0][rows, 0].copy())
            return fastbp.base.session.ChunkResult(0.0, 0, len(rows))

    blocks = Blocks(trainer.network, (data, Y, None), None, memory, batch_size)
    assert not blocks.fits
    for _ in range(epochs):
        seen.append([])
        list(blocks.chunks(Recorder(), batch_size, trainer.rng))
    return [np.concatenate(parts) for parts in seen]


@pytest.mark.parametrize("batch_size", [1, 7, 32, 200])
@pytest.mark.parametrize("chunks", [None, (1, 3), (50, 3), (UNEVEN, (3,))], ids=["none", "rows", "even", "uneven"])
def test_each_epoch_takes_each_sample_once_in_an_order_of_its_own(implementation, batch_size, chunks):
    trainer = make_trainer(implementation, batch_size=batch_size)
    found = orders(trainer, Sliced(X, chunks), 3, batch_size, 34_000)
    for order in found:
        assert np.array_equal(np.sort(order), np.sort(X[:, 0]))
    assert not np.array_equal(found[0], found[1])
    assert not np.array_equal(found[1], found[2])


def test_each_part_of_an_epoch_has_samples_of_all_data_that_memory_holds():
    place = np.arange(N, dtype=float)
    data = np.column_stack([place, X[:, 1:]])
    trainer = make_trainer(fastbp.reference)
    for order in orders(trainer, Sliced(data), 4, 4, 12_000):
        for part in np.array_split(order, 8):
            assert part.std() > 70.0  # of all samples it is 144, of neighbours 18
        assert abs(np.corrcoef(np.arange(N), order)[0, 1]) < 0.5


def test_the_order_is_that_of_the_seed(implementation):
    data = Sliced(X)
    one, two, other = (trained(implementation, data, Y, rng=seed) for seed in (0, 0, 1))
    assert same(one, two)
    assert not same(one, other)
    assert not same(one, trained(implementation, X, Y, None))
    assert one.steps == 3 * 125


def test_a_checkpoint_goes_on_with_the_same_samples(implementation, tmp_path):
    path = tmp_path / "run.safetensors"
    data, rules = Sliced(X), {"dropout": 0.2}
    expected = trained(implementation, data, Y, epochs=5, **rules)
    begun = trained(implementation, data, Y, epochs=2, **rules, fit={"callbacks": [ModelCheckpoint(path)]})
    resumed = implementation.Trainer.load(path)
    history = begun.history + resumed.fit(data, Y, 3, memory=MEMORY)
    assert np.array_equal(resumed.network.parameters, expected.network.parameters)
    assert history.loss == expected.history.loss


def test_the_bits_are_those_of_any_number_of_threads(parallel):
    results = [trained(fastbp, Sliced(X), Y, sizes=(3, 64, 2), batch_size=64, threads=t, memory=40_000) for t in (1, 2)]
    assert same(*results)


def test_sorted_labels_are_learned_as_if_all_were_mixed(implementation):
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(9).permutation(len(labels))
    test, train = order[:360], order[360:]
    train = train[np.argsort(labels[train], kind="stable")]
    images = (images / 16).astype(np.float32)
    accuracy = {None: [], 0.25: []}
    for share, found in accuracy.items():
        memory = None if share is None else share * len(train) * (64 * 4 + 8)
        for seed in range(4):
            net = implementation.Network([64, 30, 10], "sigmoid", rng=seed)
            trainer = implementation.Trainer(net, fastbp.SGD(0.5), batch_size=10, rng=seed)
            data = images[train]
            trainer.fit(data if share is None else Sliced(data), labels[train], 8, memory=memory)
            found.append(np.mean(net.predict(images[test]) == labels[test]))
    assert np.mean(accuracy[None]) > 0.95
    assert np.mean(accuracy[0.25]) > np.mean(accuracy[None]) - 0.01


# ------------------------------------------------------------------ what stands around a fit
def test_validation_data_are_read_in_blocks_too(implementation):
    held_out = Sliced(X, chunks=(64, 3))
    measures = {"metrics": ["top_1", lambda y_true, a: float(len(y_true))]}
    arrays = trained(implementation, X, Y, None, shuffle=False, fit={"validation_data": (X, Y, WEIGHT), **measures})
    fit = {"validation_data": (held_out, Sliced(Y), Sliced(WEIGHT)), **measures}
    blocks = trained(implementation, Sliced(X), Y, shuffle=False, fit=fit)
    for name in ("val_loss", "val_accuracy", "val_top_1", "val_<lambda>"):
        assert blocks.history[name] == pytest.approx(arrays.history[name], rel=1e-12)
    assert max(stop - start for start, stop in held_out.read) <= 64


def test_no_thread_is_left_between_epochs_and_after_them(implementation):
    before, during = threading.active_count(), []
    callback = LambdaCallback(on_epoch_end=lambda trainer, epoch, logs: during.append(threading.active_count()))
    trained(implementation, Sliced(X), Y, fit={"callbacks": [callback]})
    assert [*during, threading.active_count()] == [before] * 4


def test_dead_layers_are_looked_for_in_the_last_samples(implementation):
    net = implementation.Network([3, 4, 2], "relu", rng=0)
    net.biases[0][:] = -1e3
    with pytest.warns(RuntimeWarning, match="all neurons of hidden layer 1"):
        implementation.Trainer(net, rng=0).fit(Sliced(X), Y, memory=9000)


def test_a_smaller_minibatch_may_be_set_between_epochs(implementation):
    def smaller(trainer, epoch, logs):
        trainer.batch_size = 3

    trainer = trained(implementation, Sliced(X), Y, fit={"callbacks": [LambdaCallback(on_epoch_end=smaller)]})
    assert trainer.steps == 125 + 2 * 167


def test_progress_counts_all_samples(implementation, capsys, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr("fastbp.base.progress._INTERVAL", 0.0)
    trained(implementation, Sliced(X), Y, epochs=2, fit={"progress": True})
    assert "1.00k/1.00k" in capsys.readouterr().err


def test_rows_that_would_share_cache_lines_are_kept_apart():
    wide = np.random.default_rng(0).normal(size=(400, 256)).astype(np.float32)
    results = []
    for data, memory in ((wide, None), (Sliced(wide), 150_000)):
        net = make_network(fastbp, [256, 8, 2], dtype=np.float32)
        trainer = fastbp.Trainer(net, batch_size=64, shuffle=False, rng=0)
        trainer.fit(data, Y[:400], 2, memory=memory)
        results.append(trainer)
    assert same(*results)
    blocks = Blocks(results[0].network, (Sliced(wide), Y[:400], None), None, 150_000, 64)
    assert blocks._arrays[0].strides[0] % 1024 != 0
    assert relative_error(results[0].network.parameters, results[1].network.parameters) == 0.0
