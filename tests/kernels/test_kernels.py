"""What lies in panels against what should lie there, and training against the twin at sizes that no tile divides."""

import numpy as np
import pytest
from guarded import assert_untouched, guarded, numbers
from networks import make_data, make_labels, make_network, relative_error

import fastbp
from fastbp.compiled.workspace import Plan, address
from fastbp.kernels.blocking import COLUMN_VECTORS, COPY_BYTES, DIRECT_BATCHES, SAMPLE_PASS, SKINNY
from fastbp.kernels.tiles.packing import pack_parameters, unpack_parameters
from fastbp.kernels.vectors.simd import lanes_of
from fastbp.optimizers import OPTIMIZERS, SGD

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
RULED = {"l1": 0.01, "l2": 0.1, "clip_norm": 1.0, "max_norm": 1.0}


# ------------------------------------------------------------------ arrays
def test_kernels_find_the_numbers_of_any_array(tmp_path):
    mapped = np.memmap(tmp_path / "numbers", dtype="f4", mode="w+", shape=(9,))
    records = np.zeros(3, [("a", np.int64)])
    arrays = [np.zeros(5), np.zeros((4, 3), "f4")[1:, 2:], mapped, mapped[2:], records, records.view(np.recarray)]
    for array in (*arrays, np.frombuffer(b"12345678"), np.zeros((0, 4)), np.arange(6)[::-1]):
        assert address(array) == array.ctypes.data


# ------------------------------------------------------------------ panels
PANEL_SIZES = [[1, 1], [1, 13], [13, 1, 1], [8, 64, 16], [7, 33, 15, 5], [65, 31, 129, 10], [17, 8, 4, 2, 40]]
PANEL_SIZES += [[5, 33, 4, 70, 1, 40, 3, 16, 2]]


def columns_in_panels(W, lanes):
    """W (n_out, n_in) as panels of columns i: one strip of up to two vectors for each j, zeros where no i is."""
    n_out = W.shape[0]
    panels = []
    for p in range(0, n_out, 2 * lanes):
        width = lanes if n_out - p <= lanes else 2 * lanes
        strip = np.zeros((W.shape[1], width), W.dtype)
        strip[:, : min(width, n_out - p)] = W[p : p + width].T
        panels.append(strip.ravel())
    return np.concatenate(panels)


@DTYPES
@pytest.mark.parametrize("sizes", PANEL_SIZES, ids=str)
def test_panels_hold_the_weights_and_zeros(sizes, dtype):
    plan = Plan(sizes, dtype, [0] * (len(sizes) - 1))
    net = fastbp.Network(sizes, output="sigmoid", dtype=dtype)
    net.parameters[:] = numbers(dtype, net.parameters.size)
    packed, packed_t = np.zeros(plan.n_panels, dtype), np.zeros(plan.n_w_t, dtype)
    pack_parameters(packed, packed_t, net.parameters, *plan.place)
    lanes, w, w_t = lanes_of(np.dtype(dtype)), [], []
    for l, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        rows = -(-b.size // lanes) * lanes
        skinny = l > 0 and W.shape[0] <= SKINNY and W.shape[1] >= lanes
        w.append(columns_in_panels(W.T if skinny else W, lanes))
        w.append(np.concatenate([b, np.zeros(rows - b.size, dtype)]))
        deep = np.zeros((rows, W.shape[1]), dtype)
        deep[: W.shape[0]] = W
        w_t.append(columns_in_panels(deep.T, lanes) if l > 0 and not skinny else np.zeros(0, dtype))
    assert np.array_equal(packed, np.concatenate(w))
    assert np.array_equal(packed_t, np.concatenate(w_t))


@DTYPES
@pytest.mark.parametrize("sizes", PANEL_SIZES, ids=str)
def test_unpacking_gives_back_what_was_packed(sizes, dtype):
    plan = Plan(sizes, dtype, [0] * (len(sizes) - 1))
    flat = numbers(dtype, fastbp.Network(sizes, output="sigmoid", dtype=dtype).parameters.size)
    w = np.zeros(plan.n_panels, dtype)
    pack_parameters(w, w[:0], flat, *plan.place)
    found, around = guarded(dtype, flat.size)
    unpack_parameters(found, w, *plan.place)
    assert np.array_equal(found, flat)
    assert_untouched(around)


@DTYPES
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rules", [{}, RULED], ids=["plain", "ruled"])
@pytest.mark.parametrize("threads", [1, 2])
def test_training_keeps_both_copies_of_the_weights_and_zeros(optimizer, rules, dtype, threads, parallel):
    net = make_network(fastbp, [17, 33, 15, 20, 3, 40, 4], activation="sigmoid", dtype=dtype)
    fastbp.Trainer(net, optimizer, 13, threads=threads, rng=0, **rules).fit(*make_data(net, 50))
    kept, again = net._bound.panels, net.copy()
    again.backprop(*make_data(net, 2))
    fresh = again._bound.panels
    assert np.array_equal(kept.w, fresh.w)
    assert np.array_equal(kept.w_t, fresh.w_t)


# ------------------------------------------------------------------ few samples
@DTYPES
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
@pytest.mark.parametrize("sizes", [[1, 1], [13, 1], [8, 1, 8], [5, 33, 17, 3], [40, 31, 65]], ids=str)
def test_few_samples_go_the_same_way_as_many(sizes, output, dtype):
    net = make_network(fastbp, sizes, output=output, loss="quadratic", dtype=dtype)
    X, _ = make_data(net, DIRECT_BATCHES[1] + 1)
    by_panels = net.forward(X)
    for m in range(1, DIRECT_BATCHES[1] + 1):
        found = net.forward(X[:m])
        assert found.shape == (m, net.sizes[-1])
        assert relative_error(found, by_panels[:m]) < 20 * np.finfo(dtype).eps


def test_few_read_only_samples_need_no_other_kernel():
    net = make_network(fastbp, [5, 33, 3])
    X, _ = make_data(net, 3)
    expected = net.forward(X)
    X.setflags(write=False)
    assert relative_error(net.forward(X), expected) < 1e-14


# ------------------------------------------------------------------ softmax, for few outputs column by column
def outputs_and_gradients(implementation, X, Y, weight, dtype):
    """a^L, C and ∂C/∂b of a layer with z = x, and those of samples alone, whose ∂C/∂b is δ^L."""
    n = X.shape[1]
    net = implementation.Network([n, n], output="softmax", dtype=dtype)
    net.weights[0][...], net.biases[0][...] = np.eye(n), 0
    deltas = [net.backprop(X[s : s + 1], Y[s : s + 1]).biases[0] for s in range(len(X))]
    gradients = net.backprop(X, Y, weight)
    return net.forward(X), net.loss(X, Y, weight), net.loss(X[:1], Y[:1]), gradients.biases[0], np.array(deltas)


@DTYPES
@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("vectors", [1, 2, COLUMN_VECTORS, COLUMN_VECTORS + 1])
@pytest.mark.parametrize("less", [0, 1, -1], ids=["whole", "less", "more"])
def test_softmax_equals_the_twin_for_any_number_of_outputs_and_rows(vectors, less, rows, dtype):
    lanes = lanes_of(np.dtype(dtype))
    n, m = max(2, vectors * lanes - less), rows * lanes // 2 + 1
    rng = np.random.default_rng(n)
    X = (6 * rng.normal(size=(m, n))).astype(dtype)
    X[0], X[-1, 0], X[m // 2] = -1e30, 1e30, 80.0
    given = X, rng.dirichlet(np.ones(n), m), rng.random(m) + 0.5, dtype
    both = (outputs_and_gradients(implementation, *given) for implementation in (fastbp, fastbp.reference))
    for found, expected in zip(*both, strict=True):
        np.testing.assert_allclose(found, expected, rtol=30 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)


# ------------------------------------------------------------------ training against the twin
AWKWARD = [[1, 2], [8, 1, 2], [1, 13, 3], [3, 1, 1, 4], [17, 31, 33, 7], [40, 65, 15, 2]]
AWKWARD += [[3, 37, 1, 16, 4, 20, 3]]


def trained(implementation, sizes, dtype, optimizer, batch_size, activation="tanh", n=37):
    net = implementation.Network(sizes, activation, dtype=dtype, rng=0)
    X = np.random.default_rng(1).normal(size=(n, sizes[0]))
    trainer = implementation.Trainer(net, optimizer, batch_size, rng=0)
    history = trainer.fit(X, make_labels(n, sizes[-1]), epochs=2)
    return net.parameters, history.loss


def assert_trains_as_the_twin(sizes, optimizer, batch_size, dtype, tolerance=None, **named):
    found, loss = trained(fastbp, sizes, dtype, optimizer, batch_size, **named)
    expected, expected_loss = trained(fastbp.reference, sizes, dtype, optimizer, batch_size, **named)
    tolerance = tolerance or (1e-4 if dtype == np.float32 else 1e-11)
    assert relative_error(found, expected) < tolerance
    assert relative_error(loss, expected_loss) < tolerance


@DTYPES
@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.02, momentum=0.5)], ids=["in registers", "by formula"])
@pytest.mark.parametrize("batch_size", [1, 8, 37])
@pytest.mark.parametrize("sizes", AWKWARD, ids=str)
def test_awkward_sizes_train_as_the_twin_does(sizes, batch_size, optimizer, dtype):
    assert_trains_as_the_twin(sizes, optimizer, batch_size, dtype=dtype)


@DTYPES
@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.02, momentum=0.5)], ids=["in registers", "by formula"])
def test_minibatches_of_several_passes_train_as_the_twin_does(optimizer, dtype):
    batch_size = SAMPLE_PASS + 44
    assert_trains_as_the_twin([19, 33, 5], optimizer, batch_size, dtype=dtype, n=2 * batch_size + 1)


@DTYPES
@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.02, momentum=0.5)], ids=["in registers", "by formula"])
@pytest.mark.parametrize(("n_in", "batch_size"), [(700, 200), (301, 600)])
def test_inputs_that_are_copied_train_as_the_twin_does(n_in, batch_size, optimizer, dtype):
    assert n_in * batch_size * np.dtype(dtype).itemsize > COPY_BYTES
    assert_trains_as_the_twin([n_in, 45, 39, 3], optimizer, batch_size, dtype=dtype, n=2 * batch_size)


def test_a_lone_output_of_eight_inputs_trains_as_the_twin_does():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(20, 8)), rng.normal(size=(20, 1))
    parameters = []
    for implementation in (fastbp, fastbp.reference):
        net = implementation.Network([8, 1], output="identity", loss="quadratic", dtype=np.float64, rng=0)
        implementation.Trainer(net, SGD(0.1), 3, rng=0).fit(X, Y, epochs=3)
        parameters.append(net.parameters)
    assert relative_error(*parameters) < 1e-13


@pytest.mark.parametrize("sizes", [[1500, 1100, 10], [300] * 6], ids=["beyond L2", "five of 300"])
def test_large_layers_train_as_the_twin_does(sizes):
    assert_trains_as_the_twin(sizes, SGD(0.1), 64, dtype=np.float32, activation="relu", n=130)


@pytest.mark.parametrize("sizes", [[1024, 128, 10], [256, 1024, 3]], ids=str)
def test_rows_on_few_cache_sets_train_as_the_twin_does(sizes):
    assert_trains_as_the_twin(sizes, SGD(0.1), 64, dtype=np.float32, activation="relu", n=130)


def test_a_thousand_layers_train_as_the_twin_does():
    assert_trains_as_the_twin([8] * 1000 + [3], SGD(0.01), 5, dtype=np.float64, tolerance=1e-9, n=11)


def test_rows_of_1_kib_are_copied_once_but_not_out_of_a_mapped_file(tmp_path):
    X, labels = np.random.default_rng(0).random((128, 256), dtype=np.float32), np.arange(128) % 3
    X.tofile(tmp_path / "X")
    mapped = np.memmap(tmp_path / "X", np.float32, "r", shape=X.shape)
    trained, row_lengths = [], []
    for data in (X, mapped):
        trainer = fastbp.Trainer(fastbp.Network([256, 8, 3], rng=0), batch_size=64, rng=0)
        trainer.fit(data, labels)
        trained.append(trainer.network.parameters.tobytes())
        row_lengths.append(trainer._session._layers[0]["ld_in"])
    assert trained[0] == trained[1]
    assert row_lengths[0] > 256
    assert row_lengths[1] == 256
