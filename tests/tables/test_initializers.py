"""The table of initial weights: their moments, their order, and what is out of range."""

from __future__ import annotations

import numpy as np
import pytest

from fastbp.activations import ACTIVATIONS, SOFTMAX
from fastbp.initializers import AUTO, INITIALIZERS, initialize

N_OUT, N_IN = 300, 200
# standard deviation of a weight of a layer of N_OUT neurons with N_IN inputs, by hand
STD = {
    "glorot_uniform": (2 / 500) ** 0.5,
    "glorot_normal": (2 / 500) ** 0.5,
    "he_uniform": 0.1,
    "he_normal": 0.1,
    "lecun_uniform": 200**-0.5,
    "lecun_normal": 200**-0.5,
    "orthogonal": 300**-0.5,
    "zeros": 0.0,
    "normal": 1.0,
    "normal_sqrt": 200**-0.5,
}
names = pytest.mark.parametrize("name", INITIALIZERS)


def make(init, sizes=(N_IN, N_OUT), activations=("relu",), seed=0, dtype=np.float64):
    specs = [ACTIVATIONS.get(name, SOFTMAX) for name in activations]
    return initialize(init, sizes, specs, np.random.default_rng(seed), dtype)


def split(flat, n_in=N_IN, n_out=N_OUT):
    return flat[: n_in * n_out].reshape(n_out, n_in), flat[n_in * n_out :]


@names
def test_weights_have_their_mean_and_standard_deviation(name):
    W, _ = split(make(name))
    assert W.std() == pytest.approx(STD[name], rel=0.02)
    assert abs(W.mean()) <= 4 * STD[name] / W.size**0.5
    if name.endswith("uniform"):
        assert np.abs(W).max() == pytest.approx(STD[name] * 3**0.5, rel=1e-3)


@names
def test_biases_are_zero_or_standard_normal(name):
    _, b = split(make(name))
    assert b.std() == pytest.approx(1.0 if name in ("normal", "normal_sqrt") else 0.0, rel=0.15)


@pytest.mark.parametrize(("n_out", "n_in"), [(5, 3), (3, 5), (4, 4), (1, 1)])
def test_orthogonal_rows_or_columns_are_orthonormal(n_out, n_in):
    W = INITIALIZERS["orthogonal"](n_out, n_in, np.random.default_rng(0))
    product = W @ W.T if n_out <= n_in else W.T @ W
    np.testing.assert_allclose(product, np.eye(min(n_out, n_in)), atol=1e-14)


def test_orthogonal_takes_both_signs():
    signs = [np.sign(INITIALIZERS["orthogonal"](1, 1, np.random.default_rng(seed)).item()) for seed in range(20)]
    assert set(signs) == {1.0, -1.0}


@pytest.mark.parametrize("name", [*ACTIVATIONS, "softmax"])
def test_auto_follows_the_activation(name):
    init = ACTIVATIONS.get(name, SOFTMAX).init
    np.testing.assert_array_equal(make("auto", activations=[name]), make(AUTO[init], activations=[name]))


def test_auto_of_the_usual_activations():
    assert {name: AUTO[spec.init] for name, spec in ACTIVATIONS.items() if name in ("relu", "tanh", "selu")} == {
        "relu": "he_normal", "tanh": "glorot_uniform", "selu": "lecun_normal"}


@names
def test_float32_is_float64_rounded(name):
    flat = make(name, dtype=np.float32)
    assert flat.dtype == np.float32
    assert flat.flags.c_contiguous
    np.testing.assert_array_equal(flat, make(name).astype(np.float32))


@names
def test_a_seed_gives_the_same_parameters_and_another_seed_others(name):
    np.testing.assert_array_equal(make(name, seed=3), make(name, seed=3))
    assert name == "zeros" or (make(name, seed=3) != make(name, seed=4)).any()


def test_layers_are_drawn_one_after_the_other_weights_before_biases():
    rng = np.random.default_rng(7)
    W1, b1 = rng.standard_normal((4, 3)), rng.standard_normal(4)
    W2, b2 = rng.standard_normal((2, 4)), rng.standard_normal(2)
    want = np.concatenate([W1.ravel() / 3**0.5, b1, W2.ravel() / 4**0.5, b2])
    np.testing.assert_allclose(make("normal_sqrt", (3, 4, 2), ("tanh", "softmax"), seed=7), want, rtol=1e-15)


@pytest.mark.parametrize(("init", "error", "words"), [
    ("xavier", ValueError, ["init", "'xavier'", "'auto'", "'glorot_uniform'"]),
    (0.1, TypeError, ["init", "0.1", "float"]),
])
def test_what_is_wrong_is_named(init, error, words):
    with pytest.raises(error) as caught:
        make(init)
    assert all(word in str(caught.value) for word in words)


@names
def test_a_layer_that_cannot_be_is_named(name):
    draw = INITIALIZERS[name]
    for sizes, error, message in (((0, 3), ValueError, "n_out must be"), ((3, 0), ValueError, "n_in must be"),
                                  ((-1, 3), ValueError, "n_out must be"), ((3, 10**400), ValueError, "n_in must be"),
                                  ((3, 2.0), TypeError, "n_in must be"), ((True, 3), TypeError, "n_out must be"),
                                  ((None, 3), TypeError, "n_out must be")):
        with pytest.raises(error, match=message):
            draw(*sizes, np.random.default_rng(0))
    with pytest.raises(TypeError, match="rng is 'a'"):
        draw(2, 3, "a")
