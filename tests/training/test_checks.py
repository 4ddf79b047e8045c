"""What users hand in: accepted in every harmless form, never modified, and refused with a message that helps."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import make_network

import fastbp.reference
from fastbp import canonical
from fastbp.optimizers import SGD
from fastbp.targets import targets

X = np.array([[0.5, -1.0, 2.0], [1.0, 0.0, 0.25], [0.0, 3.0, -0.5], [2.0, 2.0, 1.0]])
LABELS = np.array([0, 1, 1, 0])
ONE_HOT = np.eye(2)[LABELS]
NAN, INF = float("nan"), float("inf")


def with_value(array, where, value):
    changed = array.copy()
    changed[where] = value
    return changed


def unaligned(array):
    buffer = np.zeros(array.nbytes + 1, np.uint8)
    moved = buffer[1:].view(array.dtype).reshape(array.shape)
    moved[:] = array
    assert not moved.flags.aligned
    return moved


def read_only(array):
    frozen = array.copy()
    frozen.flags.writeable = False
    return frozen


class Sparse:
    def toarray(self):
        raise AssertionError


# ------------------------------------------------------------------ what is refused
# (argument, value, type of error, what the message says)
BAD = {
    "nan in X": ("X", with_value(X, (2, 1), NAN), ValueError, "X[2, 1] is nan; every value must be finite"),
    "inf in X": ("X", with_value(X, (3, 0), -INF), ValueError, "X[3, 0] is -inf"),
    "too large for float32": ("X", with_value(X, (0, 0), 1e300), ValueError, "X[0, 0] is 1e+300, too large for"),
    "one sample": ("X", X[0], ValueError, "X has shape (3,), expected (n_samples, 3); one sample is `"),
    "scalar X": ("X", 1.0, ValueError, "X has shape (), expected (n_samples, 3)"),
    "images": ("X", X[:, None], ValueError, "X has shape (4, 1, 3), expected (n_samples, 3)"),
    "features": ("X", X[:, :2], ValueError, "X has shape (4, 2), expected (n_samples, 3)"),
    "more features": ("X", np.hstack([X, X]), ValueError, "X has shape (4, 6), expected (n_samples, 3)"),
    "no features": ("X", X[:, :0], ValueError, "X has shape (4, 0), expected (n_samples, 3)"),
    "no samples": ("X", X[:0], ValueError, "X has shape (0, 3): no samples"),
    "complex X": ("X", X + 1j, TypeError, "X holds complex128, expected real numbers"),
    "strings in X": ("X", X.astype(str), TypeError, "X holds strings, expected real numbers; `numpy.asa"),
    "dates in X": ("X", X.astype("datetime64[s]"), TypeError, "X holds datetime64[s]"),
    "None in X": ("X", with_value(X.astype(object), (0, 0), None), ValueError, "X[0, 0] is None; every value must"),
    "string objects in X": ("X", X.astype(str).astype(object), TypeError, "X holds str"),
    "ragged X": ("X", [[1.0, 2.0, 3.0], [1.0]], ValueError, "X is not a rectangular array"),
    "huge integer in X": ("X", [[10**400, 0, 0]] * 4, ValueError, "X holds a number beyond"),
    "sparse X": ("X", Sparse(), TypeError, "X is a sparse Sparse; pass `X.toarray()`"),
    "masked X": ("X", np.ma.masked_greater(X, 1.5), ValueError, "X has masked values"),
    "no array": ("X", object(), TypeError, "X holds object"),
    "nan in Y": ("Y", with_value(ONE_HOT, (1, 1), NAN), ValueError, "Y[1, 1] is nan"),
    "rows of Y": ("Y", ONE_HOT[:3], ValueError, "Y has shape (3, 2), expected (4, 2) or integer labels (4,)"),
    "columns of Y": ("Y", np.eye(4), ValueError, "Y has shape (4, 4), expected (4, 2) or integer labels (4,)"),
    "column of labels": ("Y", LABELS[:, None], ValueError, "Y has shape (4, 1), expected (4, 2) or integer labels"),
    "number of labels": ("Y", LABELS[:3], ValueError, "Y has shape (3,), expected (4, 2) or integer labels (4,)"),
    "label too large": ("Y", [0, 1, 2, 0], ValueError, "Y[2] is 2, expected labels 0..1"),
    "label too small": ("Y", [0, 1, 1, -1], ValueError, "Y[3] is -1, expected labels 0..1"),
    "label beyond int64": ("Y", np.array([0, 1, 2**64 - 1, 0], np.uint64), ValueError, "Y[2] is 18446744073709551615"),
    "labels as floats": ("Y", LABELS * 1.0, TypeError, "Y holds float64; labels must be integers: `numpy.asarray(Y)"),
    "labels as strings": ("Y", ["a", "b", "b", "a"], TypeError, "`numpy.unique(Y, return_inverse=True)[1]` makes"),
    "complex Y": ("Y", ONE_HOT * 1j, TypeError, "Y holds complex128"),
    "scalar Y": ("Y", 1, ValueError, "Y has shape (), expected (4, 2)"),
    "negative weight": ("sample_weight", [1, 1, -2, 1], ValueError, "sample_weight[2] is -2.0; weights must not be"),
    "nan weight": ("sample_weight", [1, NAN, 1, 1], ValueError, "sample_weight[1] is nan"),
    "inf weight": ("sample_weight", [1, INF, 1, 1], ValueError, "sample_weight[1] is inf"),
    "weights of the wrong shape": ("sample_weight", np.ones((4, 1)), ValueError, "has shape (4, 1), expected (4,)"),
    "string weights": ("sample_weight", ["a"] * 4, TypeError, "sample_weight holds strings, expected real numbers"),
}
BAD_FIT = {
    "epochs 0": ({"epochs": 0}, ValueError, "epochs must be an integer >= 1, got 0"),
    "epochs 1.5": ({"epochs": 1.5}, TypeError, "epochs must be an integer"),
    "validation X alone": ({"validation_data": X}, TypeError, "validation_data must be (X, Y) or (X, Y, "),
    "validation features": ({"validation_data": (X[:, :2], LABELS)}, ValueError, "validation_data[0] has shape (4, 2)"),
    "validation labels": ({"validation_data": (X, LABELS + 1)}, ValueError, "validation_data[1][1] is 2, expected"),
    "callback": ({"callbacks": [print]}, TypeError, "which has none of the methods on_train_begin"),
    "no list of callbacks": ({"callbacks": 3}, TypeError, "callbacks must be a list of callbacks, got 3"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_refused_and_nothing_changes(implementation, case):
    argument, value, error, message = BAD[case]
    net = implementation.Network([3, 5, 2], rng=0)
    trainer = implementation.Trainer(net, SGD(0.1, momentum=0.9), rng=0)
    before, rng_before = net.parameters.copy(), trainer.rng.bit_generator.state
    arguments = {"X": X, "Y": LABELS, argument: value}
    for method in (net.loss, net.backprop, trainer.fit, trainer.step):
        with pytest.raises(error, match=re.escape(message)):
            method(**arguments)
    if argument == "X":
        for method in (net.forward, net.predict):
            with pytest.raises(error, match=re.escape(message)):
                method(value)
    assert np.array_equal(net.parameters, before)
    assert trainer.rng.bit_generator.state == rng_before
    assert trainer.steps == 0
    assert not any(state.any() for state in trainer.optimizer_state)


@pytest.mark.parametrize("case", BAD_FIT)
def test_bad_arguments_of_fit_are_refused_and_nothing_changes(implementation, case):
    arguments, error, message = BAD_FIT[case]
    net = implementation.Network([3, 5, 2], rng=0)
    before = net.parameters.copy()
    with pytest.raises(error, match=re.escape(message)):
        implementation.Trainer(net).fit(X, LABELS, **arguments)
    assert np.array_equal(net.parameters, before)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sizes": [3]}, ValueError, "sizes is [3], expected at least two"),
        ({"sizes": [3, 0, 2]}, ValueError, "sizes[1] must be an integer >= 1, got 0"),
        ({"sizes": [3, 2.5]}, TypeError, "sizes[1] must be an integer >= 1, got 2.5"),
        ({"sizes": [3, True]}, TypeError, "sizes[1] must be an integer"),
        ({"sizes": 3}, TypeError, "sizes is 3, expected a sequence of integers"),
        ({"sizes": "34"}, TypeError, "sizes is '34', expected a sequence of integers"),
        ({"activation": "rleu"}, ValueError, "activation must be one of 'elu', 'exp', 'gelu'"),
        ({"activation": "softmax"}, ValueError, "softmax couples the neurons of a layer"),
        ({"activation": ["relu", "tanh"]}, ValueError, "activation has 2 entries, expected one for each of the 1"),
        ({"activation": ["x"]}, ValueError, "activation[0] must be one of"),
        ({"activation": 3}, TypeError, "activation must be a name"),
        ({"output": "hardmax"}, ValueError, "output must be one of 'elu'"),
        ({"loss": "mse"}, ValueError, "loss must be one of 'absolute', 'cross_entropy'"),
        ({"dtype": np.float16}, ValueError, "expected float32 or float64"),
        ({"dtype": "decimal"}, ValueError, "dtype is 'decimal', expected float32 or float64"),
        ({"dtype": None}, ValueError, "dtype is None, expected float32 or float64"),
        ({"dtype": ">f8"}, ValueError, "expected float32 or float64"),
        ({"init": "xavier"}, ValueError, "init must be one of 'auto'"),
        ({"rng": "abc"}, TypeError, "rng is 'abc', expected what numpy.random.default_rng takes"),
        ({"rng": -1}, ValueError, "rng is -1, expected what numpy.random.default_rng takes"),
    ],
)
def test_bad_arguments_of_a_network_are_refused(implementation, arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        implementation.Network(**{"sizes": [3, 4, 2], **arguments})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"network": [3, 4, 2]}, TypeError, "Network, got [3, 4, 2] (list)"),
        ({"optimizer": "sdg"}, ValueError, "optimizer must be one of 'adagrad'"),
        ({"optimizer": SGD}, TypeError, "optimizer must be a name or a fastbp.Optimizer"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer >= 1, got 0"),
        ({"batch_size": 32.0}, TypeError, "batch_size must be an integer >= 1, got 32.0"),
        ({"shuffle": "no"}, TypeError, "shuffle must be True or False, got 'no'"),
        ({"threads": 0}, ValueError, "threads must be an integer >= 1, got 0"),
        ({"rng": "abc"}, TypeError, "rng is 'abc'"),
    ],
)
def test_bad_arguments_of_a_trainer_are_refused(implementation, arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        implementation.Trainer(**{"network": implementation.Network([3, 2]), **arguments})


@pytest.mark.parametrize("learning_rate", [-0.1, NAN, INF])
def test_a_learning_rate_is_a_number_from_0(learning_rate):
    with pytest.raises(ValueError, match="learning_rate must be a number in"):
        SGD(learning_rate)


# ------------------------------------------------------------------ what is accepted
FORMS = {
    "list": lambda array: array.tolist(),
    "float16": lambda array: array.astype(np.float16),
    "float64": lambda array: array.astype(np.float64),
    "longdouble": lambda array: array.astype(np.longdouble),
    "objects": lambda array: array.astype(object),
    "Fortran order": np.asfortranarray,
    "strided": lambda array: np.repeat(np.repeat(array, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "byteswapped": lambda array: array.astype(array.dtype.newbyteorder()),
    "unaligned": unaligned,
    "matrix subclass": lambda array: array.view(np.recarray),
    "unmasked": np.ma.asarray,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_numbers_gives_the_same_bits_and_stays_as_it_is(implementation, form):
    net = make_network(implementation, [3, 5, 2], dtype=np.float32)
    expected = net.loss(X, ONE_HOT), net.backprop(X, ONE_HOT).flat, net.forward(X)
    given_X, given_Y = (FORMS[form](array.astype(np.float32)) for array in (X, ONE_HOT))
    assert net.loss(given_X, given_Y) == expected[0]
    assert np.array_equal(net.backprop(given_X, given_Y).flat, expected[1])
    assert np.array_equal(net.forward(given_X), expected[2])
    implementation.Trainer(net, batch_size=3).fit(given_X, given_Y)
    assert np.array_equal(given_X, X)
    assert np.array_equal(given_Y, ONE_HOT)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_becomes_one_plain_array(form):
    single = np.dtype(np.float32)
    labels = np.asanyarray(FORMS[form](np.array([[0, 1], [1, 0]], np.int32)))[:, 0]
    weights = np.asanyarray(FORMS[form](ONE_HOT.astype(single)))[:, 1]
    arrays = {
        "X": canonical.samples(FORMS[form](X.astype(single)), 3, single),
        "Y": targets(FORMS[form](ONE_HOT.astype(single)), (4, 2), 2, single),
        "weights": canonical.sample_weights(weights, 4, single),
    }
    if form not in ("float16", "float64", "longdouble"):
        arrays["labels"] = targets(labels, (2, 2), 2, single)
    for name, array in arrays.items():
        assert type(array) is np.ndarray
        assert array.dtype == (np.int64 if name == "labels" else single)
        assert array.flags.c_contiguous
        assert array.flags.aligned


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "uint64", "object", ">i4"])
def test_integers_of_every_kind_serve_as_labels_and_inputs(implementation, dtype):
    net = make_network(implementation, [3, 5, 2], dtype=np.float32)
    whole = np.array([[0, 1, 1], [1, 1, 0]])
    assert net.loss(whole.astype(dtype), LABELS[:2].astype(dtype)) == net.loss(whole, LABELS[:2])
    assert np.array_equal(net.forward(whole.astype(dtype)), net.forward(whole.astype(np.float32)))


def test_memory_maps_are_read_where_they_lie(implementation, tmp_path):
    X.astype(np.float32).tofile(tmp_path / "X")
    mapped = np.memmap(tmp_path / "X", np.float32, "r", shape=X.shape)
    net = make_network(implementation, [3, 5, 2], dtype=np.float32)
    assert np.shares_memory(net.canonical(mapped, LABELS)[0], mapped)
    assert net.loss(mapped, LABELS) == net.loss(X, LABELS)


def test_targets_of_a_lone_output_may_be_one_dimensional(implementation):
    net = make_network(implementation, [3, 1], output="identity", loss="quadratic")
    assert net.loss(X, LABELS * 0.5) == net.loss(X, LABELS[:, None] * 0.5)
    net = make_network(implementation, [3, 1], output="sigmoid", loss="cross_entropy")
    assert net.loss(X, LABELS) == net.loss(X, LABELS[:, None])


def test_losses_of_real_targets_take_no_labels(implementation):
    net = make_network(implementation, [3, 2], output="identity", loss="quadratic")
    with pytest.raises(ValueError, match=re.escape("Y has shape (4,), expected (4, 2)")):
        net.loss(X, LABELS)


def test_zero_weights_are_allowed(implementation):
    net = make_network(implementation, [3, 2])
    assert net.loss(X, LABELS, np.zeros(4)) == 0.0
    assert not net.backprop(X, LABELS, np.zeros(4)).flat.any()


def test_one_row_one_feature_one_class(implementation):
    net = implementation.Network([1, 1], output="sigmoid", init="zeros")
    assert net.loss([[3.0]], [0]) == pytest.approx(np.log(2.0), rel=1e-6)
    assert np.array_equal(net.predict([[3.0]]), [0])
    assert implementation.Trainer(net).fit([[3.0]], [0]).accuracy == [1.0]


def test_canonical_data_are_not_copied():
    net = fastbp.reference.Network([3, 2])
    given_X, given_Y = X.astype(np.float32), ONE_HOT.astype(np.float32)
    canonical_X, canonical_Y, _ = net.canonical(given_X, given_Y)
    assert canonical_X is given_X
    assert canonical_Y is given_Y
    labels = LABELS.astype(np.int64)
    assert net.canonical(given_X, labels)[1] is labels


@pytest.mark.parametrize("size", [7, 10_000])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_one_value_that_is_not_finite_is_found_wherever_it_is(size, value):
    for place in (0, size // 2, size - 1):
        array = np.zeros((size, 1), np.float32)
        array[place] = value
        with pytest.raises(ValueError, match=re.escape(f"X[{place}, 0] is {value}")):
            canonical.samples(array, 1, np.dtype(np.float32))


@pytest.mark.parametrize("n", [3, 17, 70])
@pytest.mark.parametrize("rows", [1, 5, 60])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outputs_are_refused_where_any_input_is_not_finite(implementation, dtype, rows, n):
    net = implementation.Network([n, 4, 2], rng=0, dtype=dtype)
    given = np.ones((rows, n), dtype)
    for j in range(n):
        given[j % rows, j] = (NAN, INF, -INF)[j % 3]
        with pytest.raises(ValueError, match=re.escape(f"X[{j % rows}, {j}] is")):
            net.forward(given)
        given[j % rows, j] = 1.0
    assert np.isfinite(net.forward(given)).all()


def test_large_finite_values_pass():
    array = np.full((3, 2), 3e38, np.float32)
    assert canonical.samples(array, 2, np.dtype(np.float32)) is array


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers(), max_size=4)))
def test_nonsense_for_samples_and_sizes_raises_an_error_that_names_them(value):
    with pytest.raises((TypeError, ValueError), match=r"^X "):
        canonical.samples(value, 5, np.dtype(np.float32))
    if isinstance(value, list) and len(value) >= 2 and min(value) >= 1:
        assert canonical.layer_sizes(value) == tuple(value)
    else:
        with pytest.raises((TypeError, ValueError), match=r"^sizes"):
            canonical.layer_sizes(value)
