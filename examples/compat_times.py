"""Times side by side of NumPy code and of `fastbp.compat`: whole calls as users make them, with imports and kernels.

Each call runs in a process of its own, so that the start of the kernels counts, and again where they are started. The
NumPy side is the same code with the kernels switched off, or a plain loop over samples where the face is NumPy, too.

    python examples/compat_times.py [--rounds 3] [names ...]
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

import numpy as np


def digits(n):
    """Samples of the size of images of digits, as Nielsen's loader gives them."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, n)
    X = (rng.random((10, 784))[labels] * rng.random((n, 784))).astype(np.float32)
    return [(x[:, None], y[:, None]) for x, y in zip(X, np.eye(10)[labels], strict=True)]


# ------------------------------------------------------------------ what is timed: a function that makes a call
def nielsen():
    """Nielsen 784-30-10, batches of 10, 4,000 digits, 3 epochs."""
    from fastbp.compat.network import Network

    data, net = digits(4000), Network([784, 30, 10])
    return lambda: net.SGD(data, 3, 10, 0.5)


def nielsen_entropy():
    """Nielsen's network2, λ = 5, accuracy on training data."""
    from fastbp.compat.network2 import Network

    data, net = digits(4000), Network([784, 30, 10])
    return lambda: net.SGD(data, 3, 10, 0.1, lmbda=5.0, monitor_training_accuracy=True)


def udacity():
    """Udacity 56-16-1, 128 rows a call, 200 calls."""
    from fastbp.compat.my_answers import NeuralNetwork

    rng = np.random.default_rng(0)
    net, X, y = NeuralNetwork(56, 16, 1, 0.1), rng.normal(size=(128, 56)), rng.normal(size=128)
    train = net._train_one_by_one if SIDE == "numpy" else net.train
    return lambda: [train(X, y) for _ in range(200)]


def xor():
    """Layer objects: xor 2-3-1, 40,000 steps."""
    from fastbp.compat.independent.activations import Tanh
    from fastbp.compat.independent.dense import Dense
    from fastbp.compat.independent.losses import mse, mse_prime
    from fastbp.compat.independent.network import train

    X, Y = np.reshape([[0, 0], [0, 1], [1, 0], [1, 1]], (4, 2, 1)), np.reshape([[0], [1], [1], [0]], (4, 1, 1))
    network = [Dense(2, 3), Tanh(), Dense(3, 1), Tanh()]
    return lambda: train(network, mse, mse_prime, X, Y, epochs=10000, learning_rate=0.1)


def objects():
    """Layer objects: 784-40-10, 1,000 samples, 20 epochs."""
    from fastbp.compat.independent.activations import Tanh
    from fastbp.compat.independent.dense import Dense
    from fastbp.compat.independent.losses import mse, mse_prime
    from fastbp.compat.independent.network import train

    X, Y = (np.array(part) for part in zip(*digits(1000), strict=True))
    network = [Dense(784, 40), Tanh(), Dense(40, 10), Tanh()]
    return lambda: train(network, mse, mse_prime, X, Y, epochs=20, learning_rate=0.1)


def aflak():
    """Aflak's layer objects: 784-100-50-10, 1,000 samples, 20 epochs."""
    from fastbp.compat.aflak.activation_layer import ActivationLayer
    from fastbp.compat.aflak.activations import tanh, tanh_prime
    from fastbp.compat.aflak.fc_layer import FCLayer
    from fastbp.compat.aflak.losses import mse, mse_prime
    from fastbp.compat.aflak.network import Network

    X, Y = (np.array(part).transpose(0, 2, 1) for part in zip(*digits(1000), strict=True))
    net = Network()
    for n_in, n_out in ((784, 100), (100, 50), (50, 10)):
        net.add(FCLayer(n_in, n_out))
        net.add(ActivationLayer(tanh, tanh_prime))
    net.use(mse, mse_prime)
    return lambda: net.fit(X, Y, epochs=20, learning_rate=0.1)


def fizzbuzz():
    """joelnet's fizzbuzz 10-50-4, batches of 32, 2,000 epochs."""
    from fastbp.compat.joelnet.layers import Linear, Tanh
    from fastbp.compat.joelnet.nn import NeuralNet
    from fastbp.compat.joelnet.optim import SGD
    from fastbp.compat.joelnet.train import train

    numbers = np.arange(101, 1024)
    X = numbers[:, None] >> np.arange(10) & 1
    Y = np.eye(4, dtype=int)[(numbers % 3 == 0) + 2 * (numbers % 5 == 0)]
    net = NeuralNet([Linear(10, 50), Tanh(), Linear(50, 4)])
    return lambda: train(net, X, Y, num_epochs=2000, optimizer=SGD(lr=0.001))


def planar():
    """Planar data 2-4-1, 400 samples at once, 10,000 updates."""
    from fastbp.compat.planar_utils import load_planar_dataset, nn_model

    X, Y = load_planar_dataset()
    return lambda: nn_model(X, Y, 4, 10000)


def cats():
    """Four layers of columns 12288-20-7-5-1, 209 samples, 300 updates."""
    from fastbp.compat import dnn_app_utils as dnn

    rng = np.random.default_rng(0)
    X, Y = rng.random((12288, 209)), rng.integers(0, 2, (1, 209))
    if SIDE != "numpy":
        return lambda: dnn.L_layer_model(X, Y, [12288, 20, 7, 5, 1], 0.0075, 300)

    def course():  # as the course's functions do: with the gradient of the inputs
        parameters = dnn.initialize_parameters_deep([12288, 20, 7, 5, 1])
        for _ in range(300):
            AL, caches = dnn.L_model_forward(X, parameters)
            dnn.compute_cost(AL, Y)
            grads = dnn.L_model_backward(AL, Y, caches)
            grads["dA0"]
            dnn.update_parameters(parameters, grads, 0.0075)

    return course


CASES = {f.__name__: f for f in (nielsen, nielsen_entropy, udacity, xor, objects, aflak, fizzbuzz, planar, cats)}
SIDE = os.environ.get("COMPAT_SIDE", "")


def measure(name):
    """Seconds of the first call in this process, and of a second one; what is printed goes nowhere."""
    from fastbp.compat import _core

    if SIDE == "numpy":
        _core.WORTH_IMPORTING = _core.WORTH_STARTING = float("inf")
    seconds = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002 - the stream of the code that is compared with
        random.seed(0)
        call = CASES[name]()
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            call()
        seconds.append(time.perf_counter() - start)
    print(json.dumps(seconds))


def in_a_process(name, side):
    """What `measure` finds in a process of its own, with one thread."""
    variables = {"COMPAT_SIDE": side, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--measure", name]
    shown = subprocess.run(command, env=os.environ | variables, check=True, capture_output=True, text=True).stdout
    return json.loads(shown)


def main():
    """Print the table."""
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("names", nargs="*", default=list(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each side, of which the best counts")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    print("| call | NumPy, s | fastbp.compat, s | quicker | once started, s | quicker |\n|---|--:|--:|--:|--:|--:|")
    for name in arguments.names:
        rounds = [[in_a_process(name, side) for side in ("numpy", "fastbp")] for _ in range(arguments.rounds)]
        old, new = (np.min([one[k] for one in rounds], axis=0) for k in (0, 1))
        times = f"{old[0]:.2f} | {new[0]:.2f} | {old[0] / new[0]:.1f}× | {new[1]:.3f} | {old[1] / new[1]:.1f}×"
        print(f"| {CASES[name].__doc__.rstrip('.')} | {times} |", flush=True)


if __name__ == "__main__":
    main()
