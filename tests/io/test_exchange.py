"""Networks of PyTorch, scikit-learn and Keras: the same outputs there and here, and errors that name the layer."""

from types import SimpleNamespace

import numpy as np
import pytest
from networks import make_network
from processes import run_python

import fastbp
from fastbp.activations import ACTIVATIONS
from fastbp.io import from_keras, from_sklearn, from_torch, to_keras, to_sklearn, to_torch

X = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
PORTABLE = [name for name in ACTIVATIONS if name != "exp"]


def network(activation="relu", output="softmax", dtype=np.float32, sizes=(4, 6, 5, 3), loss="cross_entropy"):
    return make_network(fastbp, list(sizes), activation, output, loss, dtype)


def assert_same(one, other):
    assert one.activations == other.activations
    assert one.dtype == other.dtype
    assert one.parameters.tobytes() == other.parameters.tobytes()


# ------------------------------------------------------------------ PyTorch
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", PORTABLE)
def test_modules_of_pytorch_have_the_outputs_of_networks(activation, dtype):
    torch = pytest.importorskip("torch")
    net = network(activation, dtype=dtype)
    module = to_torch(net)
    with torch.no_grad():
        outputs = module(torch.from_numpy(X.astype(dtype))).numpy()
    np.testing.assert_allclose(outputs, net.forward(X), rtol=1e-5, atol=1e-6)
    assert_same(from_torch(module), net)
    logits = to_torch(net, logits=True)
    assert_same(from_torch(logits, output="softmax"), net)
    assert_same(from_torch(module.state_dict(), activation=activation, output="softmax"), net)


def test_other_outputs_and_layers_that_do_nothing_are_carried_over():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    module = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(4, 5, bias=False), nn.Tanh(), nn.Dropout(0.5)),
                           nn.Identity(), nn.Linear(5, 1), nn.Sigmoid()).eval()
    net = from_torch(module)
    assert net.loss_function.name == "cross_entropy"
    assert (net.biases[0] == 0).all()
    with torch.no_grad():
        np.testing.assert_allclose(net.forward(X), module(torch.from_numpy(X)).numpy(), rtol=1e-5)
    assert from_torch(module, loss="quadratic").loss_function.name == "quadratic"


def test_layers_that_pytorch_alone_has_are_named():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    for module, message in [
        (nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), r"layer '1' \(BatchNorm1d\) cannot be carried over"),
        (nn.Sequential(nn.Linear(4, 3), nn.LeakyReLU(0.2)), r"layer '1' \(LeakyReLU\).*negative_slope is 0\.2"),
        (nn.Sequential(nn.Linear(4, 3), nn.GELU(approximate="tanh")), r"layer '1' \(GELU\)"),
        (nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=0)), "its dim is 0"),
        (nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1), nn.Linear(3, 2)), "layer 1 .*softmax is for the output"),
        (nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Tanh()), r"layer '2' \(Tanh\).*after 'relu'"),
        (nn.Sequential(nn.ReLU(), nn.Linear(4, 3)), r"layer '0' \(ReLU\).*before the first matrix"),
        (nn.Sequential(nn.Linear(4, 3).half()), "its numbers are float16"),
        (nn.Sequential(nn.Linear(4, 3).bfloat16()), r"layer '0' \(Linear\).*its numbers are torch.bfloat16"),
        (nn.Sequential(nn.Linear(4, 3), nn.Linear(4, 3)), r"layer '1' \(Linear\).*do not follow 3 neurons"),
        (nn.Sequential(nn.ReLU(), nn.Dropout()), "cannot be carried over"),
    ]:
        with pytest.raises(ValueError, match=message):
            from_torch(module)
    with pytest.raises(ValueError, match=r"'3\.running_mean'"):
        from_torch({"0.weight": X, "3.running_mean": X})


def test_activations_of_the_user_are_refused_by_all_writers(tmp_path):
    own = fastbp.Activation("square", lambda z: z * z)
    net = fastbp.Network([4, 3, 2], activation=own, rng=0)
    for write in (to_torch, to_sklearn, to_keras, lambda n: fastbp.io.to_onnx(n, tmp_path / "x"),
                  lambda n: fastbp.io.to_npz(n, tmp_path / "x")):
        with pytest.raises(ValueError, match="layer 1 cannot be carried over: the activation 'square'"):
            write(net)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ scikit-learn
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifiers_of_scikit_learn_have_the_outputs_of_networks(activation, n_classes):
    neural = pytest.importorskip("sklearn.neural_network")
    labels = np.array(["a", "b", "c"])[np.arange(9) % n_classes]
    X64 = X.astype(np.float64)
    model = neural.MLPClassifier((5, 4), activation=activation, max_iter=3, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(X64, labels)
    net = from_sklearn(model)
    outputs = model.predict_proba(X64)
    np.testing.assert_allclose(net.forward(X64), outputs[:, 1:] if n_classes == 2 else outputs, rtol=1e-10)
    assert list(model.classes_[net.predict(X64)]) == list(model.predict(X64))
    again = to_sklearn(net, classes=model.classes_)
    assert list(again.classes_) == list(model.classes_)
    assert list(again.predict(X64)) == list(model.predict(X64))
    np.testing.assert_allclose(again.predict_proba(X64), outputs, rtol=1e-12)
    assert_same(from_sklearn(again), net)


def test_regressors_of_scikit_learn_have_the_outputs_of_networks():
    neural = pytest.importorskip("sklearn.neural_network")
    X64, Y = X.astype(np.float64), X[:, :2].astype(np.float64)
    model = neural.MLPRegressor(hidden_layer_sizes=(5,), max_iter=3, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(X64, Y)
    net = from_sklearn(model)
    assert net.loss_function.name == "quadratic"
    np.testing.assert_allclose(net.forward(X64), model.predict(X64), rtol=1e-10)
    np.testing.assert_allclose(to_sklearn(net).predict(X64), model.predict(X64), rtol=1e-12)


def test_what_scikit_learn_lacks_is_named():
    pytest.importorskip("sklearn")
    with pytest.raises(ValueError, match=r"layer 1 cannot be carried over.*'gelu'"):
        to_sklearn(network("gelu"))
    with pytest.raises(ValueError, match=r"layer 2 cannot be carried over.*'tanh'"):
        to_sklearn(network(["relu", "tanh"]))
    with pytest.raises(ValueError, match=r"layer 3 cannot be carried over.*'tanh'"):
        to_sklearn(network(output="tanh", loss="quadratic"))
    with pytest.raises(ValueError, match=r"layer 2 cannot be carried over.*softmax of two"):
        to_sklearn(network(sizes=(4, 3, 2)))
    with pytest.raises(ValueError, match="classes has 2 entries, expected 3"):
        to_sklearn(network(), classes=["a", "b"])
    with pytest.raises(ValueError, match="expected a fitted"):
        from_sklearn(SimpleNamespace())


# ------------------------------------------------------------------ Keras
def dense(net, l, function):
    """A Dense layer as Keras has it, with a function of Keras's kind."""
    return type("Dense", (), {"name": f"dense_{l}", "activation": staticmethod(function),
                              "get_weights": lambda self: [net.weights[l].T, net.biases[l]]})()


def other(kind, **attributes):
    return type(kind, (), {"name": kind.lower(), **attributes})()


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def relu(z):
    return np.maximum(z, 0)


def linear(z):
    return z


def test_models_of_keras_have_the_outputs_of_networks():
    net = network("relu", sizes=(4, 6, 5, 3))
    layers = [other("InputLayer"), other("Flatten"), dense(net, 0, relu), other("Dropout"), dense(net, 1, linear),
              other("Activation", activation=staticmethod(relu)), dense(net, 2, softmax)]
    assert_same(from_keras(SimpleNamespace(layers=layers)), net)
    layers[-1:] = [dense(net, 2, linear)]
    assert_same(from_keras(SimpleNamespace(layers=layers), output="softmax"), net)
    layers[-2:] = [other("ReLU", max_value=None, negative_slope=0.0, threshold=0.0), dense(net, 2, linear),
                   other("Softmax")]
    assert_same(from_keras(SimpleNamespace(layers=layers)), net)


def test_lists_of_weights_go_there_and_back():
    net = network("tanh")
    arrays = to_keras(net)
    assert [array.shape for array in arrays] == [(4, 6), (6,), (6, 5), (5,), (5, 3), (3,)]
    assert_same(from_keras(arrays, activation="tanh", output="softmax"), net)
    without = from_keras(arrays[::2], activation=["relu", "tanh"], output="softmax")
    assert [(b == 0).all() for b in without.biases] == [True] * 3
    assert [a.name for a in without.activations] == ["relu", "tanh", "softmax"]


@pytest.mark.parametrize(("layers", "message"), [
    (lambda net: [dense(net, 0, lambda z: np.where(z > 0, z, 0.2 * z))], r"layer 'dense_0' \(Dense\).*no activation"),
    (lambda net: [dense(net, 0, linear), other("LeakyReLU", negative_slope=0.3)], r"\(LeakyReLU\).*slope is 0\.3"),
    (lambda net: [dense(net, 0, linear), other("ReLU", max_value=6.0)], r"\(ReLU\).*max_value is 6\.0"),
    (lambda net: [other("Conv2D")], r"layer 'conv2d' \(Conv2D\) cannot be carried over"),
    (lambda net: [dense(net, 0, linear), other("Flatten")], r"\(Flatten\).*before the first"),
    (lambda net: [], "no layer with weights"),
])
def test_layers_that_keras_alone_has_are_named(layers, message):
    with pytest.raises(ValueError, match=message):
        from_keras(SimpleNamespace(layers=layers(network())))


def test_arrays_that_are_no_list_of_weights_are_named():
    with pytest.raises(ValueError, match=r"array 0 cannot be carried over: its shape is \(3,\)"):
        from_keras([np.ones(3)])
    with pytest.raises(ValueError, match="there is no layer with weights"):
        from_keras([])
    with pytest.raises(TypeError, match="model is of type NoneType, expected a model with layers, or a list of arrays"):
        from_keras(None)


def test_reading_imports_no_other_library():
    code = """
import sys, numpy as np
from fastbp.io import from_torch, from_keras, to_keras
net = from_torch({"0.weight": np.ones((3, 2)), "0.bias": np.ones(3)}, output="softmax")
from_keras(to_keras(net))
print(*({"torch", "sklearn", "keras", "onnx", "tensorflow"} & set(sys.modules)), "end")
"""
    assert run_python(code).split() == ["end"]


# ------------------------------------------------------------------ what is none of these
FITTED = {"coefs_": [np.ones((2, 1))], "intercepts_": [np.ones(1)], "activation": "relu", "out_activation_": "identity"}


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize("lacks", [True, False], ids=["lacks it", "None"])
def test_what_an_estimator_lacks_is_named(name, lacks):
    others = {key: value for key, value in FITTED.items() if key != name}
    with pytest.raises(ValueError, match=f"SimpleNamespace has no {name}: expected a fitted MLPClassifier"):
        from_sklearn(SimpleNamespace(**others, **({} if lacks else {name: None})))


def test_layers_of_an_estimator_are_weights_and_biases():
    with pytest.raises(ValueError, match="coefs_ has 1 entries and intercepts_ 2, expected one of each a layer"):
        from_sklearn(SimpleNamespace(**FITTED | {"intercepts_": [np.ones(1), np.ones(1)]}))


@pytest.mark.parametrize("to", [to_keras, to_sklearn, to_torch])
@pytest.mark.parametrize("network", [None, "net", 3], ids=str)
def test_what_is_no_network_is_named(to, network):
    with pytest.raises(TypeError, match=f"network is of type {type(network).__name__}, expected a Network"):
        to(network)


@pytest.mark.parametrize("activation", [None, 3, ACTIVATIONS["relu"]], ids=["None", "3", "object"])
def test_activations_of_arrays_are_names(activation):
    arrays = {"0.weight": np.ones((3, 2)), "0.bias": np.ones(3), "2.weight": np.ones((2, 3)), "2.bias": np.ones(2)}
    for read, model in ((from_torch, arrays), (from_keras, [array.T for array in arrays.values()])):
        with pytest.raises(TypeError, match=f"activation is of type {type(activation).__name__}, expected the name"):
            read(model, activation=activation)


def test_keys_of_a_state_dict_are_names():
    with pytest.raises(TypeError, match="a state dict has the key 0, expected names that end in weight or bias"):
        from_torch({0: np.ones((3, 2))})
