"""Data beyond memory: what goes wrong is said, ends no process, leaves no thread; and memory is what was asked for."""

import os
import re
import sys
import threading
import time

import numpy as np
import pytest
from networks import make_network, make_trainer
from processes import run_python
from test_memory import MEMORY, N, Sliced, X, Y, mapped, trained

import fastbp
from fastbp.base.mapped import FileRows
from fastbp.base.reading_thread import ReadingThread


def refused(implementation, error, message, X=None, Y=Y, memory=MEMORY, **fit):
    trainer = make_trainer(implementation)
    before = trainer.network.parameters.copy()
    with pytest.raises(error, match=message):
        trainer.fit(Sliced(globals()["X"]) if X is None else X, Y, memory=memory, **fit)
    assert np.array_equal(trainer.network.parameters, before)
    assert trainer.steps == 0


# ------------------------------------------------------------------ before training
@pytest.mark.parametrize(
    ("memory", "error", "message"),
    [
        ("2GB", TypeError, r"memory must be a number of bytes such as 2\*\*30, got '2GB' \(str\)"),
        (True, TypeError, r"got True \(bool\)"),
        (0, ValueError, "memory must be a number of bytes such as .*, got 0"),
        (-1.5, ValueError, "got -1.5"),
        (float("nan"), ValueError, "got nan"),
        (float("inf"), ValueError, "got inf"),
        (500, ValueError, r"memory is 500 bytes, expected 658 at least, for a minibatch of 4 samples and twice the 1 "),
    ],
)
def test_a_wrong_bound_says_what_came_and_what_is_needed(implementation, memory, error, message):
    refused(implementation, error, message, memory=memory)


def test_a_bound_that_chunks_exceed_says_what_they_need(implementation):
    data = Sliced(X, chunks=(200, 3))
    refused(implementation, ValueError, "twice the 200 that are read at a time; smaller chunks or", data)
    trainer = make_trainer(implementation)
    with pytest.raises(ValueError, match="expected") as info:
        trainer.fit(data, Y, memory=MEMORY)
    needed = int(re.search(r"expected ([\d,]+) at least", str(info.value))[1].replace(",", ""))
    trainer.fit(data, Y, memory=needed)
    with pytest.raises(ValueError, match="at least"):
        trainer.fit(data, Y, memory=needed - 1)


SHAPES = [
    (X[:, :2], Y, r"X has shape \(500, 2\), expected \(n_samples, 3\)"),
    (X[0], Y, r"X has shape \(3,\), expected \(n_samples, 3\)"),
    (X[:0], Y[:0], r"X has shape \(0, 3\): no samples"),
    (X.reshape(N, 3, 1), Y, "a function that returns an iterator over minibatches .* can reshape its rows"),
    (X, Y[1:], r"Y has shape \(499,\), and X has 500 rows"),
    (X, np.zeros((N, 3)), r"Y\[0:.* has shape \(.*, 3\), expected"),
    (X, Y[:, np.newaxis], r"a column of labels becomes flat by `numpy.ravel\(Y\[0:"),
]


@pytest.mark.parametrize(("data", "targets", "message"), SHAPES)
def test_shapes_are_checked_before_anything_is_read(implementation, data, targets, message):
    refused(implementation, ValueError, message, Sliced(data), Sliced(targets))


class Unknown:
    """An array whose number of rows nobody has counted, as dask has them."""

    shape, dtype, compute_chunk_sizes = (float("nan"), 3), np.dtype(float), None

    def __getitem__(self, rows):
        raise AssertionError


def test_other_things_are_refused_with_words(implementation):
    refused(implementation, ValueError, r"number of rows is not known; `X.compute_chunk_sizes\(\)` finds it", Unknown())
    refused(implementation, TypeError, r"X\[0:1\] holds strings", Sliced(X.astype(str)))
    refused(implementation, TypeError, "labels must be integers", Y=Sliced(Y.astype(float)))
    refused(implementation, ValueError, r"Y\[0:\d+\]\[\d+\] is 2, expected labels 0..1", Y=Sliced(Y * 2))
    weight = Sliced(0.0 * Y - 1.0)
    refused(implementation, ValueError, r"sample_weight\[.*\]\[0\] is -1.0; weights must", sample_weight=weight)
    refused(implementation, ValueError, "memory is for X and Y that are read by rows", X=[(X, Y)], Y=None)
    sparse = pytest.importorskip("scipy.sparse")
    refused(implementation, TypeError, r"X\[0:1\] is a sparse csr_", sparse.csr_matrix(X), memory=9000)


def test_samples_as_columns_are_refused():
    net = fastbp.bind([np.zeros((2, 3))], [np.zeros((2, 1))], columns=True)
    with pytest.raises(ValueError, match="samples that are rows, and this network was bound with columns=True"):
        fastbp.Trainer(net).fit(Sliced(X), Y, memory=MEMORY)


def test_lists_are_arrays(implementation):
    expected = trained(implementation, X, Y, None, shuffle=False)
    found = trained(implementation, X.tolist(), Y.tolist(), 9000, shuffle=False)
    assert np.array_equal(found.network.parameters, expected.network.parameters)


def test_a_minibatch_cannot_outgrow_memory_in_a_fit(implementation):
    def larger(trainer, epoch, logs):
        trainer.batch_size = 5

    with pytest.raises(ValueError, match="batch_size has grown from 4 to 5 in a fit with memory"):
        trained(implementation, Sliced(X), Y, fit={"callbacks": [fastbp.callbacks.LambdaCallback(on_epoch_end=larger)]})


# ------------------------------------------------------------------ while it is read
class Breaks(Sliced):
    """Rows that cannot be read any more from the k-th read on, or are other ones than were asked for."""

    def __init__(self, array, error, first=30):
        super().__init__(array)
        self.error, self.first = error, first

    def __getitem__(self, rows):
        part = super().__getitem__(rows)
        if len(self.read) < self.first:
            return part
        if isinstance(self.error, BaseException):
            raise self.error
        return self.error(part)


@pytest.mark.parametrize("error", [OSError("disk"), KeyError("k"), SystemExit(3), MemoryError()], ids=repr)
def test_an_error_of_the_reading_thread_reaches_the_caller(implementation, error):
    threads = threading.active_count()
    data = Breaks(X, error)
    with pytest.raises(type(error)) as info:
        trained(implementation, data, Y)
    assert info.value is error
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part * np.nan, r"X\[\d+:\d+\]\[0, 0\] is nan; every value must be finite"),
        (lambda part: part + np.inf, r"X\[\d+:\d+\]\[0, 0\] is inf"),
        (lambda part: part[:0], r"X\[\d+:\d+\] has 0 rows, expected \d"),
        (lambda part: np.concatenate([part, part]), r"X\[\d+:\d+\] has \d+ rows, expected \d"),
        (lambda part: part.tolist()[1:], r"X\[\d+:\d+\] has \d+ rows, expected \d"),
        (lambda part: part[:, :2], r"X\[\d+:\d+\] has shape \(\d+, 2\), expected \(n_samples, 3\)"),
        (lambda part: part.astype(str), "holds strings"),
    ],
)
def test_rows_that_are_wrong_are_named_by_place(implementation, change, message):
    trainer = make_trainer(implementation)
    with pytest.raises((TypeError, ValueError), match=message):
        trainer.fit(Breaks(X, change, first=40), Y, memory=MEMORY)


def test_targets_that_fall_short_of_their_shape_are_named(implementation):
    with pytest.raises(ValueError, match=r"^Y\[0:\d+\] has \d+ rows, expected \d+$"):
        make_trainer(implementation).fit(X, Breaks(Y, lambda part: part[1:], first=0), memory=MEMORY)


@pytest.mark.parametrize("shape", [None, 40, "40"])
def test_a_shape_that_is_none_is_named(implementation, shape):
    data = Sliced(X)
    data.shape = shape
    with pytest.raises(TypeError, match=r"X.shape is .*, expected a tuple such as"):
        make_trainer(implementation).fit(data, Y, memory=MEMORY)


def test_labels_that_change_after_they_were_checked_do_not_reach_the_kernels():
    net = make_network(fastbp, [3, 2])
    labels = Breaks(Y, lambda part: part + 10**6, first=3)
    labels.dtype = np.dtype(np.complex128)  # too much to be kept
    data = Breaks(X, lambda part: part)
    with pytest.raises(ValueError, match=r"expected labels 0\.\.1"):
        fastbp.Trainer(net).fit(data, labels, memory=9000)


def test_a_number_that_overflows_the_network_is_found(implementation):
    big = X.copy()
    big[-1, 2] = 1e300
    trainer = make_trainer(implementation, dtype=np.float32)
    with pytest.raises(ValueError, match=r"\[\d+, 2\] is 1e\+300, too large for float32"):
        trainer.fit(Sliced(big), Y, memory=9000)


def test_a_loss_that_is_not_finite_ends_training_and_the_thread(implementation):
    net = make_network(implementation, [3, 1], "identity", "identity", "quadratic", np.float32)
    threads = threading.active_count()
    with pytest.raises(FloatingPointError, match="the loss is"):
        implementation.Trainer(net, fastbp.SGD(1e18), rng=0).fit(Sliced(X), X[:, 0], 5, memory=9000)
    assert threading.active_count() == threads


def test_settings_of_the_callers_thread_count_in_the_reading_one(implementation):
    seen = []

    class Looks(Sliced):
        def __getitem__(self, rows):
            seen.append((threading.current_thread() is threading.main_thread(), np.geterr()["over"]))
            return super().__getitem__(rows)

    with np.errstate(over="raise"):
        trained(implementation, Looks(X), Y, epochs=1)
    assert (False, "raise") in seen
    assert {state for _, state in seen} == {"raise"}


# ------------------------------------------------------------------ Ctrl-C
@pytest.mark.skipif(not hasattr(os, "kill") or sys.platform == "win32", reason="sends a signal to itself")
@pytest.mark.parametrize("slow", [False, True], ids=["while it trains", "while it waits for rows"])
def test_ctrl_c_leaves_no_thread_and_what_was_learned(slow):
    code = """
import os, signal, sys, threading, time
import numpy as np, fastbp
from test_memory import Sliced
slow = sys.argv[1] == "True"
class Slow(Sliced):
    def __getitem__(self, rows):
        if slow and len(self.read) > 120:
            time.sleep(0.2)
        return super().__getitem__(rows)
data = Slow(np.random.default_rng(0).normal(size=(20_000, 8)))
trainer = fastbp.Trainer(fastbp.Network([8, 16, 2], rng=0), batch_size=4)
trainer.fit(data.array[:100], np.zeros(100, int))
before = trainer.steps
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT]).start()
try:
    trainer.fit(data, np.zeros(20_000, int), 10_000, memory=600_000)
except KeyboardInterrupt:
    names = [thread.name for thread in threading.enumerate()]
    print(trainer.steps > before, names, np.isfinite(trainer.network.parameters).all())
"""
    assert run_python(code, slow).split("\n")[0] == "True ['MainThread'] True"


def test_a_reader_that_was_never_asked_has_no_thread():
    threads = threading.active_count()
    reader = ReadingThread(print)
    reader.ask([])
    reader.wait()
    reader.stop()
    reader.stop()
    assert threading.active_count() == threads


def test_a_reader_stops_after_the_present_job():
    done = []
    reader = ReadingThread(lambda job: time.sleep(0.01) or done.append(job))
    reader.ask(range(1000))
    while not done:
        time.sleep(0.001)
    reader.stop()
    assert len(done) < 100


# ------------------------------------------------------------------ files
def test_a_mapped_file_is_read_as_a_file_only_where_that_is_the_same(tmp_path):
    shared = mapped(X, tmp_path / "X")
    linux = sys.platform == "linux"
    assert (FileRows.of(shared) is not None) == linux
    assert (FileRows.of(shared[100:]) is not None) == linux
    assert (FileRows.of(np.asarray(shared)) is not None) == linux
    assert FileRows.of(shared[:, :2]) is None
    assert FileRows.of(shared[::2]) is None
    assert FileRows.of(np.memmap(tmp_path / "X", X.dtype, "c", shape=X.shape)) is None
    assert FileRows.of(X) is None
    (tmp_path / "X").rename(tmp_path / "Z")
    mapped(X * 0, tmp_path / "X")
    assert FileRows.of(shared) is None or np.array_equal(FileRows.of(shared).read(3, 9), X[3:9])
    (tmp_path / "Z").unlink()
    assert FileRows.of(shared) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_mapped_file_is_read_from_its_place_in_the_file(tmp_path):
    np.save(tmp_path / "X.npy", X)
    array = np.load(tmp_path / "X.npy", mmap_mode="r+")[7:]
    rows = FileRows.of(array)
    assert np.array_equal(rows.read(3, 90), X[10:97])
    array[3] = 5.0
    assert np.array_equal(rows.read(3, 4), [[5.0] * 3])
    out = np.empty((2, 3))
    assert rows.read(0, 2, out) is out
    assert rows.read(0, 2, out[:, ::-1]) is not out
    assert rows.read(0, 2, out.astype(np.float32)).dtype == X.dtype
    os.truncate(tmp_path / "X.npy", 1000)
    with pytest.raises(OSError, match=r"the file of a mapped array ends within rows 20\.\.499"):
        rows.read(20, 500)


# ------------------------------------------------------------------ memory
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["memmap", "float16", "F", "sliced", "zarr", "h5py", "dask"])
def test_memory_is_within_the_bound(tmp_path, kind):
    if kind in ("zarr", "h5py", "dask"):
        pytest.importorskip(kind)
    code = """
import re, sys
from pathlib import Path
import numpy as np, fastbp
kind, n, width, bound = sys.argv[1], 120_000, 200, 24 * 2**20
dtype = np.float16 if kind == "float16" else np.float32
np.memmap("X", dtype, "w+", shape=(n, width), order="F" if kind == "F" else "C").flush()
X, Y = np.memmap("X", dtype, "r", shape=(n, width), order="F" if kind == "F" else "C"), np.zeros(n, np.int64)
if kind == "zarr":
    import zarr
    array = zarr.create_array("X.zarr", shape=X.shape, chunks=(1000, 200), dtype=dtype)
    for start in range(0, n, 1000):
        array[start:start + 1000] = np.random.default_rng(0).random((1000, 200))
    X = array
elif kind == "h5py":
    import h5py
    X = h5py.File("X.h5", "w").create_dataset("X", X.shape, dtype, chunks=(1000, 200))
elif kind == "dask":
    import dask, dask.array
    dask.config.set(scheduler="synchronous")
    X = dask.array.from_array(X, chunks=(1000, 200))
def resident():
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
net = fastbp.Network([width, 4, 2], rng=0)
trainer = fastbp.Trainer(net, batch_size=100, rng=0, threads=1)
few = np.asarray(X[0:1000])
if kind == "sliced":
    class Made:
        shape, dtype, chunks = X.shape, X.dtype, (1000, 200)
        def __getitem__(self, rows):
            return np.zeros((rows.stop - rows.start, width), np.float32)
    X = Made()
trainer.fit(few, Y[:1000], validation_data=(few, Y[:1000]))
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = resident()
trainer.fit(X, Y, 2, memory=bound, validation_data=(X, Y))
print((resident() - before) / bound)
"""
    # Data are 3.8 times the bound. What a library's own threads allocate is not known to us.
    assert float(run_python(code, kind, cwd=tmp_path)) <= (1.1 if kind in ("zarr", "h5py", "dask") else 1.0)
