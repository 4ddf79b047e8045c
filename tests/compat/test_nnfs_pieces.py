"""The book's classes without the kernels: loops of one's own, files, draws, and NumPy with functions replaced."""

import pickle
import re

import nnfs_by_hand as hand
import numpy as np
import pytest
from nnfs_models import LABELS, X, model
from processes import run_python

from fastbp.compat import nnfs


def test_pieces_serve_loops_without_a_model():
    """As in the book's chapters before the model: forward without `training`, the loss with one layer's penalty."""
    np.random.seed(1)
    dense, out = nnfs.Layer_Dense(5, 8, weight_regularizer_l2=0.01), nnfs.Layer_Dense(8, 3)
    relu = nnfs.Activation_ReLU()
    both_at_once = nnfs.Activation_Softmax_Loss_CategoricalCrossentropy()
    optimizer = nnfs.Optimizer_Adam(0.05, decay=5e-7)
    np.random.seed(1)
    W, b = [0.01 * np.random.randn(5, 8), 0.01 * np.random.randn(8, 3)], [np.zeros((1, 8)), np.zeros((1, 3))]
    rule = hand.Rule("Adam", 0.05, 5e-7)
    for _ in range(20):
        dense.forward(X)
        relu.forward(dense.output)
        out.forward(relu.output)
        data_loss = both_at_once.forward(out.output, LABELS)
        penalty = both_at_once.loss.regularization_loss(dense) + both_at_once.loss.regularization_loss(out)
        np.testing.assert_allclose(penalty, 0.01 * (W[0] ** 2).sum(), rtol=1e-9)
        both_at_once.backward(both_at_once.output, LABELS)
        out.backward(both_at_once.dinputs)
        relu.backward(out.dinputs)
        dense.backward(relu.dinputs)
        optimizer.pre_update_params()
        optimizer.update_params(dense)
        optimizer.update_params(out)
        optimizer.post_update_params()
        h = np.maximum(X @ W[0] + b[0], 0)
        losses, _, d = hand.loss_and_delta("cce", h @ W[1] + b[1], LABELS)
        back = d @ W[1].T * (h > 0)
        assert data_loss == pytest.approx(losses.mean(), rel=1e-9)
        rule.step([*W, *b], [X.T @ back + 0.02 * W[0], h.T @ d, back.sum(0, keepdims=True), d.sum(0, keepdims=True)])
    for found, value in zip((dense.weights, out.weights, dense.biases, out.biases), [*W, *b], strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-8, atol=1e-11)


def test_the_two_ways_back_through_a_softmax_agree():
    a = hand.softmax(X[:, :3])
    pair, loss, softmax = (nnfs.Activation_Softmax_Loss_CategoricalCrossentropy(), nnfs.Loss_CategoricalCrossentropy(),
                           nnfs.Activation_Softmax())
    softmax.forward(X[:, :3])
    for y in (LABELS, np.eye(3)[LABELS]):
        pair.backward(a, y)
        loss.backward(a, y)
        softmax.backward(loss.dinputs)
        np.testing.assert_allclose(softmax.dinputs, pair.dinputs, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(pair.dinputs, (a - np.eye(3)[LABELS]) / 70, rtol=1e-12)


def test_files_hold_what_the_books_hold(tmp_path, engine, capsys):
    made = model()
    made.train(X, LABELS, epochs=3, batch_size=16)
    made.save_parameters(tmp_path / "model.parms")
    pairs = pickle.loads((tmp_path / "model.parms").read_bytes())
    assert [type(one) for one in (pairs, *pairs)] == [list, tuple, tuple]
    np.testing.assert_array_equal(pairs[0][0], made.layers[0].weights)
    other = model()
    other.load_parameters(tmp_path / "model.parms")
    np.testing.assert_array_equal(other.predict(X), made.predict(X, batch_size=16))
    made.save(tmp_path / "some.model")
    again = nnfs.Model.load(tmp_path / "some.model")
    assert not {"inputs", "output", "dinputs", "dweights"} & set(vars(again.layers[0]))
    assert "output" in vars(made.layers[0])
    np.testing.assert_array_equal(again.predict(X), made.predict(X))
    capsys.readouterr()
    again.evaluate(X, LABELS, batch_size=32)
    made.evaluate(X, LABELS, batch_size=32)
    one, two = capsys.readouterr().out.splitlines()
    assert one == two
    a = hand.softmax(np.maximum(X @ made.layers[0].weights + made.layers[0].biases, 0) @ made.layers[2].weights
                     + made.layers[2].biases)
    np.testing.assert_allclose(made.predict(X), a, rtol=1e-12)
    right, loss = re.fullmatch(r"validation, acc: (\S+), loss: (\S+)", one).groups()
    assert float(right) == pytest.approx((a.argmax(1) == LABELS).mean(), abs=6e-4)
    assert float(loss) == pytest.approx(-np.log(a[np.arange(70), LABELS]).mean(), abs=6e-4)
    again.train(X, LABELS, epochs=2, batch_size=16)
    made.train(X, LABELS, epochs=2, batch_size=16)
    np.testing.assert_allclose(again.layers[0].weights, made.layers[0].weights, rtol=1e-9)


def test_dropout_draws_as_the_book_does():
    np.random.seed(3)
    mask = np.random.binomial(1, 0.75, size=X.shape) / 0.75
    np.random.seed(3)
    layer = nnfs.Layer_Dropout(0.25)
    layer.forward(X)
    np.testing.assert_array_equal(layer.output, X * mask)
    layer.forward(X, training=False)
    np.testing.assert_array_equal(layer.output, X)


REPLACED = """
import sys
import numpy as np
{before}
dot, zeros, randn, eye = np.dot, np.zeros, np.random.randn, np.eye
def as32(array): return array.astype("float32")
np.dot = lambda *a, **k: as32(dot(*[x.astype("float64") for x in a], **k))
np.random.randn = lambda *a: as32(randn(*a))
np.zeros = lambda *a, **k: zeros(*a, **k) if len(a) > 1 or "dtype" in k else zeros(*a, dtype="float32", **k)
np.eye = lambda *a, **k: eye(*a, **k) if len(a) > 1 or "dtype" in k else eye(*a, dtype="float32", **k)
from fastbp.compat import _core
from fastbp.compat.nnfs import *
found = []
for seconds in (float("inf"), 0.0):
    _core.WORTH_IMPORTING = _core.WORTH_STARTING = seconds
    np.random.seed(0)
    X = np.random.randn(60, 4)
    y = (X[:, 0] > 0).astype(int)
    model = Model()
    for layer in (Layer_Dense(4, 16), Activation_ReLU(), Layer_Dense(16, 2), Activation_Softmax()):
        model.add(layer)
    model.set(loss=Loss_CategoricalCrossentropy(), optimizer=Optimizer_Adam(0.02), accuracy=Accuracy_Categorical())
    model.finalize()
    model.train(X, y, epochs=8, batch_size=16, print_every=1000)
    found.append(model.layers[0].weights)
print("numba" in sys.modules, found[0].dtype, float(abs(found[0] - found[1]).max()) < 1e-3)
"""


@pytest.mark.parametrize("before", ["", "import fastbp; fastbp.Network"], ids=["first", "after fastbp"])
def test_functions_of_numpy_may_be_replaced_as_the_books_package_does(before):
    """`nnfs.init` makes float32 the default of four functions: the kernels' own arrays keep their types."""
    assert run_python(REPLACED.format(before=before)).split()[-3:] == ["True", "float32", "True"]
