"""Times side by side of NumPy code and of `fastbp.compat`: whole calls as users make them.

Each script runs in a process of its own, the two sides in turn, on one thread: `script` is from the start of Python to
its end, imports, data, kernels and all. `call` is the training alone, on fastbp's side in a process where the kernels
were started by a call before. What the two have learned is compared. The rivals are in `compat_originals.py`.

    python examples/compat_times.py [--rounds 2] [names ...]
"""

import argparse
import contextlib
import io
import json
import os
import random
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np

SIDE = os.environ.get("COMPAT_SIDE", "")
NUMPY = SIDE == "numpy"


def digits(n):
    """Samples of the size of images of digits, as Nielsen's loader gives them."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, n)
    X = (rng.random((10, 784))[labels] * rng.random((n, 784))).astype(np.float32)
    return [(x[:, None], y[:, None]) for x, y in zip(X, np.eye(10)[labels], strict=True)]


# ------------------------------------------------------------------ scripts: what trains, and what it has learned
def nielsen(epochs=20):
    """Nielsen's SGD 784-30-10, batches of 10, 4,000 digits, 20 epochs."""
    if NUMPY:
        from compat_originals import Nielsen as Network
    else:
        from fastbp.compat.network import Network
    data, net = digits(4000), Network([784, 30, 10])
    return lambda: net.SGD(data, epochs, 10, 0.5), lambda: net.weights[0]


def udacity(calls=1000):
    """Udacity's train 56-16-1, 128 rows a call, 1,000 calls."""
    if NUMPY:
        from compat_originals import Udacity as NeuralNetwork
    else:
        from fastbp.compat.my_answers import NeuralNetwork
    rng = np.random.default_rng(0)
    net, X, y = NeuralNetwork(56, 16, 1, 0.1), rng.normal(size=(128, 56)), rng.normal(size=128)
    return lambda: [net.train(X, y) for _ in range(calls)], lambda: net.weights_input_to_hidden


def rashid(samples=5000):
    """Rashid's train 784-200-10, 5,000 calls."""
    if NUMPY:
        from compat_originals import Rashid as neuralNetwork
    else:
        from fastbp.compat.neuralnetwork import neuralNetwork
    rng = np.random.default_rng(0)
    net, X, Y = neuralNetwork(784, 200, 10, 0.1), rng.random((samples, 784)), rng.random((samples, 10))
    return lambda: [net.train(x, y) for x, y in zip(X, Y, strict=True)], lambda: net.wih


def columns_of(sizes, X, Y, epochs):
    """Layer objects that take samples as columns."""
    if NUMPY:
        from compat_originals import Dense, Tanh, train
    else:
        from fastbp.compat.independent import network as module
        from fastbp.compat.independent.activations import Tanh
        from fastbp.compat.independent.dense import Dense
        from fastbp.compat.independent.losses import mse, mse_prime

        def train(network, x, y, epochs, rate, verbose):
            module.train(network, mse, mse_prime, x, y, epochs, rate, verbose)

    network = [layer for pair in pairwise(sizes) for layer in (Dense(*pair), Tanh())]
    return lambda: train(network, X, Y, epochs, 0.1, verbose=False), lambda: network[0].weights


XOR = np.reshape([[0, 0], [0, 1], [1, 0], [1, 1]], (4, 2, 1)), np.reshape([[0], [1], [1], [0]], (4, 1, 1))


def xor():
    """Layer objects: xor 2-3-1, 40,000 steps."""
    return columns_of([2, 3, 1], *XOR, 10000)


def short_xor():
    """Layer objects: xor 2-3-1, 4,000 steps."""
    return columns_of([2, 3, 1], *XOR, 1000)


def objects():
    """Layer objects: 784-40-10, 1,000 samples, 20 epochs."""
    return columns_of([784, 40, 10], *(np.array(part) for part in zip(*digits(1000), strict=True)), 20)


def aflak():
    """Aflak's layer objects: 784-100-50-10, 1,000 samples, 20 epochs."""
    X, Y = (np.array(part).transpose(0, 2, 1) for part in zip(*digits(1000), strict=True))
    pairs = ((784, 100), (100, 50), (50, 10))
    if NUMPY:
        from compat_originals import Dense, Tanh, train

        network = [layer for pair in pairs for layer in (Dense(*pair, rows=True), Tanh())]
        return lambda: train(network, X, Y, 20, 0.1), lambda: network[0].weights
    from fastbp.compat.aflak.activation_layer import ActivationLayer
    from fastbp.compat.aflak.activations import tanh, tanh_prime
    from fastbp.compat.aflak.fc_layer import FCLayer
    from fastbp.compat.aflak.losses import mse, mse_prime
    from fastbp.compat.aflak.network import Network

    net = Network()
    for pair in pairs:
        net.add(FCLayer(*pair))
        net.add(ActivationLayer(tanh, tanh_prime))
    net.use(mse, mse_prime)
    return lambda: net.fit(X, Y, epochs=20, learning_rate=0.1), lambda: net.layers[0].weights


def fizzbuzz(epochs=5000):
    """joelnet's fizzbuzz 10-50-4, batches of 32, 5,000 epochs."""
    numbers = np.arange(101, 1024)
    X = numbers[:, None] >> np.arange(10) & 1
    Y = np.eye(4, dtype=int)[(numbers % 3 == 0) + 2 * (numbers % 5 == 0)]
    if NUMPY:
        from compat_originals import Activation, Linear, NeuralNet, tanh, tanh_prime, train_in_batches

        net = NeuralNet([Linear(10, 50), Activation(tanh, tanh_prime), Linear(50, 4)])
        return lambda: train_in_batches(net, X, Y, epochs, 0.001), lambda: net.layers[0].params["w"]
    from fastbp.compat.joelnet.layers import Linear, Tanh
    from fastbp.compat.joelnet.nn import NeuralNet
    from fastbp.compat.joelnet.optim import SGD
    from fastbp.compat.joelnet.train import train

    net = NeuralNet([Linear(10, 50), Tanh(), Linear(50, 4)])
    return (lambda: train(net, X, Y, num_epochs=epochs, optimizer=SGD(lr=0.001))), lambda: net.layers[0].params["w"]


def short_fizzbuzz():
    """joelnet's fizzbuzz, 100 epochs."""
    return fizzbuzz(100)


def scratch(n=12800, epochs=10):
    """nnfs Model.train 784-128-128-10, batches of 128, Adam, after nnfs.init, 10 epochs of 12,800 digits."""
    from compat_originals import init

    if np.zeros(1).dtype != np.float32:
        init()
    samples = digits(n)
    X, y = np.array([x[:, 0] for x, _ in samples]), np.array([y.argmax() for _, y in samples])
    if NUMPY:
        from compat_originals import Scratch

        model = Scratch([784, 128, 128, 10], 1e-3)
        return lambda: model.train(X, y, epochs, 128), lambda: model.W[0]
    from fastbp.compat import nnfs

    model = nnfs.Model()
    for n_in, n_out, last in ((784, 128, False), (128, 128, False), (128, 10, True)):
        model.add(nnfs.Layer_Dense(n_in, n_out))
        model.add(nnfs.Activation_Softmax() if last else nnfs.Activation_ReLU())
    model.set(loss=nnfs.Loss_CategoricalCrossentropy(), optimizer=nnfs.Optimizer_Adam(decay=1e-3),
              accuracy=nnfs.Accuracy_Categorical())
    model.finalize()
    return (lambda: model.train(X, y, epochs=epochs, batch_size=128, print_every=100)), lambda: model.layers[0].weights


def deep(sizes, m, iterations):
    """Functions on columns."""
    rng = np.random.default_rng(0)
    X, Y, learned = rng.random((sizes[0], m)), rng.integers(0, 2, (1, m)), []
    if NUMPY:
        from compat_originals import deep_model as L_layer_model
    else:
        from fastbp.compat.dnn_app_utils import L_layer_model
    return lambda: learned.append(L_layer_model(X, Y, sizes, 0.0075, iterations)), lambda: learned[0]["W1"]


def cats():
    """Four layers of columns 12288-20-7-5-1, 209 images, 500 updates."""
    return deep([12288, 20, 7, 5, 1], 209, 500)


def small():
    """Three layers of columns 2-5-2-1, 64 samples, 30,000 updates."""
    return deep([2, 5, 2, 1], 64, 30000)


def short_small():
    """Three layers of columns 2-5-2-1, 64 samples, 1,500 updates."""
    return deep([2, 5, 2, 1], 64, 1500)


def planar(iterations=20000):
    """Planar data 2-4-1, 400 samples, 20,000 updates."""
    learned, (X, Y) = [], (np.random.default_rng(0).normal(size=(2, 400)), None)
    Y = (X[:1] * X[1:] > 0).astype(np.uint8)
    if NUMPY:
        from compat_originals import planar_model as nn_model
    else:
        from fastbp.compat.planar_utils import nn_model
    return lambda: learned.append(nn_model(X, Y, 4, iterations)), lambda: learned[0]["W1"]


SHORT = "script not slower"
#: Each script, and how many times as quick its call should be.
CASES = {
    nielsen: 20, udacity: 50, rashid: None, xor: 50, objects: None, aflak: None, fizzbuzz: 5, scratch: 3.5, cats: 1.7,
    small: 5, planar: None, short_xor: SHORT, short_fizzbuzz: SHORT, short_small: SHORT,
}
NAMES = {case.__name__: case for case in CASES}


# ------------------------------------------------------------------ what a bound network's step costs beside its kernel
def bound():
    """Microseconds of `Trainer.step` on bound arrays, and of one step of many in one call."""
    import fastbp

    rng = np.random.default_rng(0)
    print("\n| bound network | step, µs | of many, µs | beside the kernel, µs | target |\n|---|--:|--:|--:|--:|")
    for sizes, m in (([2, 5, 2, 1], 64), ([8, 64, 64, 4], 64), ([784, 30, 10], 10)):
        W = [rng.normal(0, 0.1, pair) for pair in pairwise(sizes)]
        b = [np.zeros(n) for n in sizes[1:]]
        net = fastbp.bind(W, b, "tanh", "sigmoid", "cross_entropy")
        trainer = fastbp.Trainer(net, fastbp.SGD(0.01), batch_size=m, threads=1)
        X, Y = rng.normal(size=(m, sizes[0])), rng.integers(0, 2, (m, sizes[-1])).astype(float)
        rows = np.tile(np.arange(m), 2000)
        singles, many = [], []
        for _ in range(7):
            start = time.perf_counter()
            for _ in range(500):
                trainer.step(X, Y)
            singles.append((time.perf_counter() - start) / 500)
            start = time.perf_counter()
            trainer.train_rows(X, Y, rows)
            many.append((time.perf_counter() - start) / 2000)
        one, each = (1e6 * min(times) for times in (singles, many))
        name = "-".join(map(str, sizes))
        print(f"| {name}, batch {m} | {one:.1f} | {each:.1f} | {one - each:.1f} | 15 |", flush=True)


# ------------------------------------------------------------------ processes
def measure(name, calls):
    """Run a script and print what it took; its own lines go nowhere."""
    found = {"calls": []}
    for _ in range(calls):
        np.random.seed(0)
        random.seed(0)
        train, learned = NAMES[name]()
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            train()
        found["calls"].append(time.perf_counter() - start)
        found.setdefault("script", time.time() - float(os.environ["COMPAT_BEGAN"]))
    W = np.asarray(learned(), float)
    found["learned"] = [float(np.abs(W).mean()), float(W.ravel()[W.size // 2])]
    print(json.dumps(found))


def in_a_process(name, side, calls):
    """What `measure` finds in a process of its own, with one thread."""
    variables = {"COMPAT_SIDE": side, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
                 "COMPAT_BEGAN": str(time.time())}
    command = [sys.executable, __file__, "--measure", name, "--calls", str(calls)]
    shown = subprocess.run(command, env=os.environ | variables, check=True, capture_output=True, text=True).stdout
    return json.loads(shown)


def row(name, rounds):
    """A line of the table: the best of the rounds, the sides in turn."""
    target, found = CASES[NAMES[name]], {"numpy": [], "fastbp": []}
    for _ in range(rounds):
        for side, times in found.items():
            times.append(in_a_process(name, side, 1 if side == "numpy" or target == SHORT else 2))
    old, new = found.values()
    cells = [NAMES[name].__doc__.rstrip(".")]
    for which, digits_shown in ((lambda one: one["script"], 2), (lambda one: one["calls"][-1], 3)):
        before, after = (min(map(which, times)) for times in (old, new))
        cells += [f"{before:.{digits_shown}f}", f"{after:.{digits_shown}f}", f"{before / after:.3g}×"]
    cells.append(f"{target}×" if isinstance(target, (int, float)) else target or "")
    pairs = zip(old[0]["learned"], new[0]["learned"], strict=True)
    cells.append(f"{max(abs(a - b) / abs(a) for a, b in pairs):.0e}")
    return f"| {' | '.join(cells)} |"


def main():
    """Print the table."""
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(NAMES)}, bound; all of them by default")
    parser.add_argument("--rounds", type=int, default=2, help="processes of each side, of which the best counts")
    parser.add_argument("--calls", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure, arguments.calls)
        return
    names = arguments.names or [*NAMES, "bound"]
    if names != ["bound"]:
        print("| what | script, NumPy, s | fastbp | quicker | call, NumPy, s | fastbp | quicker | target | apart |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name in names:
        if name == "bound":
            bound()
        else:
            print(row(name, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
