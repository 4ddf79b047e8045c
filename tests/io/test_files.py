"""Networks in ONNX, safetensors and npz files: round trips to the bit, and other programs' files."""

import json
from contextlib import suppress

import numpy as np
import pytest
from networks import make_network

import fastbp
from fastbp.activations import ACTIVATIONS
from fastbp.io import from_npz, from_onnx, from_safetensors, protobuf, safetensors, to_npz, to_onnx, to_safetensors

X = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
NAMES = sorted(ACTIVATIONS)


def network(activation="relu", output="softmax", dtype=np.float32, sizes=(4, 6, 5, 3), loss="cross_entropy"):
    return make_network(fastbp, list(sizes), activation, output, loss, dtype)


def assert_same(one, other):
    assert one.activations == other.activations
    assert one.loss_function == other.loss_function
    assert one.dtype == other.dtype
    assert one.parameters.tobytes() == other.parameters.tobytes()


FORMATS = [(to_onnx, from_onnx), (to_npz, from_npz), (to_safetensors, from_safetensors)]


@pytest.mark.parametrize(("write", "read"), FORMATS, ids=["onnx", "npz", "safetensors"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", NAMES)
def test_files_go_there_and_back_to_the_bit(tmp_path, activation, dtype, write, read):
    for output in ("softmax", "sigmoid"):
        net = network(activation, output, dtype)
        write(net, tmp_path / "net")
        assert_same(read(tmp_path / "net"), net)


def test_many_layers_keep_their_order(tmp_path):
    net = network("tanh", sizes=(3, *range(4, 16), 2))
    for write, read in FORMATS:
        write(net, tmp_path / "net")
        assert_same(read(tmp_path / "net"), net)


# ------------------------------------------------------------------ ONNX
@pytest.mark.parametrize("activation", NAMES)
def test_onnx_runtime_computes_the_outputs_of_the_network(tmp_path, activation):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    net = network(activation)
    to_onnx(net, tmp_path / "net.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "net.onnx"), full_check=True)
    outputs, = runtime.InferenceSession(tmp_path / "net.onnx").run(["output"], {"input": X})
    np.testing.assert_allclose(outputs, net.forward(X), rtol=1e-5, atol=1e-6)
    to_onnx(net, tmp_path / "logits.onnx", logits=True)
    z, = runtime.InferenceSession(tmp_path / "logits.onnx").run(["output"], {"input": X})
    e = np.exp(z - z.max(1, keepdims=True))
    np.testing.assert_allclose(e / e.sum(1, keepdims=True), net.forward(X), rtol=1e-5, atol=1e-6)


def test_float64_runs_in_onnx_runtime(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    net = network("tanh", dtype=np.float64)
    to_onnx(net, tmp_path / "net.onnx")
    outputs, = runtime.InferenceSession(tmp_path / "net.onnx").run(["output"], {"input": X.astype(np.float64)})
    np.testing.assert_allclose(outputs, net.forward(X), rtol=1e-12)


def graph(onnx, nodes, tensors, n_out=3):
    helper = onnx.helper
    value = helper.make_tensor_value_info
    ends = [value(name, onnx.TensorProto.FLOAT, [None, n]) for name, n in (("x", 4), ("y", n_out))]
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()]
    return helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], initializers))


def test_onnx_files_of_other_programs_are_read(tmp_path):
    onnx = pytest.importorskip("onnx")
    node, net = onnx.helper.make_node, network("relu", sizes=(4, 5, 3))
    W, b = [w.T.copy() for w in net.weights], list(net.biases)
    constant = node("Constant", [], ["b0"], value=onnx.numpy_helper.from_array(b[0], "b0"))
    nodes = [
        constant, node("Flatten", ["x"], ["f"]), node("MatMul", ["f", "W0"], ["m"]), node("Add", ["b0", "m"], ["z"]),
        node("Relu", ["z"], ["a"]), node("Dropout", ["a"], ["d"]), node("Gemm", ["d", "W1", "b1"], ["u"]),
        node("Softmax", ["u"], ["y"]),
    ]
    model = graph(onnx, nodes, {"W0": W[0], "W1": W[1], "b1": b[1]})
    onnx.save(model, tmp_path / "net.onnx")
    assert_same(from_onnx(tmp_path / "net.onnx"), net)
    # numbers that lie one by one, not as bytes
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        tensor.ClearField("raw_data")
        tensor.float_data.extend(array.ravel().tolist())
    onnx.save(model, tmp_path / "net.onnx")
    assert_same(from_onnx(tmp_path / "net.onnx"), net)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its exporter
def test_exports_of_pytorch_are_read(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    net = network("tanh")
    module = fastbp.io.to_torch(net)
    torch.onnx.export(module, (torch.from_numpy(X),), tmp_path / "net.onnx", dynamo=False)
    assert_same(from_onnx(tmp_path / "net.onnx"), net)


def product(node, *after):
    return [node("MatMul", ["x", "W"], ["z"], name="m"), *after]


@pytest.mark.parametrize(("nodes", "message"), [
    (lambda node: product(node, node("BatchNormalization", ["z"], ["y"], name="bn")),
     r"node 'bn' \(BatchNormalization\) cannot be carried over"),
    (lambda node: [node("Gemm", ["x", "W"], ["z"], alpha=2.0), node("Relu", ["z"], ["y"])], r"\(Gemm\).*more than"),
    (lambda node: product(node, node("LeakyRelu", ["z"], ["y"], alpha=0.3)), "alpha is 0.3"),
    (lambda node: product(node, node("HardSigmoid", ["z"], ["y"])), "alpha is 0.2"),
    (lambda node: product(node, node("Gelu", ["z"], ["y"], approximate="tanh")), "by tanh"),
    (lambda node: product(node, node("Softmax", ["z"], ["y"], axis=0)), "axis is 0"),
    (lambda node: product(node, node("MatMul", ["x", "W"], ["v"]), node("Add", ["z", "v"], ["y"])),
     r"'v' \(MatMul\).*expected \['z'\]"),
    (lambda node: product(node, node("Relu", ["z"], ["a"]), node("Mul", ["z", "a"], ["y"])),
     r"\(Mul\).*product of z and sigmoid"),
    (lambda node: product(node, node("Sigmoid", ["z"], ["s"]), node("Mul", ["s", "s"], ["y"])),
     r"\(Mul\).*one layer after the other"),
])
def test_nodes_that_are_no_layers_are_named(tmp_path, nodes, message):
    onnx = pytest.importorskip("onnx")
    model = graph(onnx, nodes(onnx.helper.make_node), {"W": np.ones((4, 3), np.float32)})
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=message):
        from_onnx(tmp_path / "net.onnx")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x3a\x05abc", b"\xff" * 30, b"\x38\x01"])
def test_other_files_are_no_onnx(tmp_path, content):
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(fastbp.FormatError, match=r"net\.onnx'"):
        from_onnx(tmp_path / "net.onnx")


def test_damaged_onnx_files_give_no_other_error(tmp_path):
    to_onnx(network(), tmp_path / "net.onnx")
    content = (tmp_path / "net.onnx").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content[: rng.integers(1, len(content))])
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        (tmp_path / "net.onnx").write_bytes(damaged)
        with suppress(fastbp.FormatError):
            from_onnx(tmp_path / "net.onnx")


def test_damaged_npz_files_give_no_other_error(tmp_path):
    to_npz(network(), tmp_path / "net.npz")
    content = (tmp_path / "net.npz").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content[: rng.integers(1, len(content))] if rng.integers(2) else content)
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        (tmp_path / "net.npz").write_bytes(damaged)
        with suppress(fastbp.FormatError):
            from_npz(tmp_path / "net.npz")


def test_negative_and_packed_numbers_of_protobuf():
    fields = protobuf.decode(protobuf.encode([(1, -1), (2, 0.5), (3, b"\x01\xac\x02")]))
    assert fields[1] == [-1]
    assert fields[2] == [0.5]
    assert protobuf.packed(fields[3]) == [1, 300]


# ------------------------------------------------------------------ npz, safetensors
def test_npz_files_of_either_orientation_are_read(tmp_path):
    net = network("tanh")
    for turn in (False, True):
        arrays = {f"W{l}": W.T if turn else W for l, W in enumerate(net.weights, 1)}
        arrays |= {f"b{l}": b[:, None] for l, b in enumerate(net.biases, 1)}
        np.savez(tmp_path / "net.npz", **arrays)
        assert_same(from_npz(tmp_path / "net.npz", activation="tanh", output="softmax"), net)
    np.savez(tmp_path / "net.npz", W1=np.eye(3), W2=np.eye(3))
    with pytest.raises(ValueError, match="give columns=True or False"):
        from_npz(tmp_path / "net.npz")
    assert from_npz(tmp_path / "net.npz", columns=True).sizes == (3, 3, 3)


def test_npz_files_with_pickles_or_other_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "net.npz", W1=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        from_npz(tmp_path / "net.npz")
    np.savez(tmp_path / "net.npz", W1=np.ones((3, 2)), gamma=np.ones(3))
    with pytest.raises(ValueError, match="'gamma' cannot be carried over"):
        from_npz(tmp_path / "net.npz")
    np.savez(tmp_path / "net.npz", W1=np.ones((3, 2)), W2=np.ones((4, 5)))
    with pytest.raises(ValueError, match=r"W2 cannot be carried over: .*do not follow"):
        from_npz(tmp_path / "net.npz", columns=True)


def test_a_sequential_of_pytorch_loads_the_safetensors_file(tmp_path):
    torch = pytest.importorskip("torch")
    net = network("tanh")
    to_safetensors(net, tmp_path / "net.safetensors")
    arrays, metadata = safetensors.read(tmp_path / "net.safetensors")
    assert json.loads(metadata["activations"]) == ["tanh", "tanh", "softmax"]
    module = fastbp.io.to_torch(network("tanh", sizes=(4, 6, 5, 3)))
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(X)).numpy(), net.forward(X), rtol=1e-5, atol=1e-6)
    net = network(["identity", "tanh"])
    to_safetensors(net, tmp_path / "net.safetensors")
    arrays, _ = safetensors.read(tmp_path / "net.safetensors")
    assert set(arrays) == set(fastbp.io.to_torch(net).state_dict())


def test_safetensors_files_without_names_of_activations_are_read(tmp_path):
    net = network("tanh", sizes=(4, 6, 5, 3))
    arrays = {f"fc{l}.{kind}": array for l in range(3)
              for kind, array in (("weight", net.weights[l]), ("bias", net.biases[l]))}
    safetensors.write(tmp_path / "net.safetensors", arrays, {})
    assert_same(from_safetensors(tmp_path / "net.safetensors", activation="tanh", output="softmax"), net)
