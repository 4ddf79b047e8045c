"""What errors say: row and column, what to do, and code that runs as it stands there and helps."""

import datetime
import re
from decimal import Decimal
from fractions import Fraction

import numpy
import numpy as np
import pytest
from networks import make_network

from fastbp.optimizers import SGD

X = np.array([[0.5, -1.0, 2.0], [1.0, 0.0, 0.25], [0.0, 3.0, -0.5], [2.0, 2.0, 1.0]])
Y = np.array([0, 1, 1, 0])
ROWS = np.eye(2)[Y]
NAN = float("nan")


def with_value(array, where, value):
    changed = np.array(array, copy=True)
    changed[where] = value
    return changed


def objects(array, make):
    changed = np.empty(np.shape(array), object)
    changed[...] = np.vectorize(make, otypes=[object])(array)
    return changed


def records(array):
    fields = np.empty(len(array), [(name, float) for name in "abc"])
    for k, name in enumerate("abc"):
        fields[name] = array[:, k]
    return fields


def bfloat16(array):
    return np.asarray(array).astype(pytest.importorskip("ml_dtypes").bfloat16)


def frame(array):
    return pytest.importorskip("pandas").DataFrame(array, columns=["age", "height", "weight"])


class Tensor:
    """As torch's: NumPy cannot read it, or only a copy of it."""

    dtype = "torch.bfloat16"

    def __init__(self, array):
        self.array = array

    def __array__(self, *_, **__):
        raise TypeError("Got unsupported ScalarType BFloat16")

    def detach(self):
        return self

    cpu = float = detach

    def numpy(self):
        return self.array


class Sparse:
    def __init__(self, array):
        self.array = array

    def toarray(self):
        return self.array


CE, LONE, QUADRATIC = {}, {"output": "sigmoid"}, {"output": "identity", "loss": "quadratic"}
# the network but its outputs, outputs, argument, value (made when the test runs), type of error, what the message says
HELPED = {
    # ---- X
    "one sample": (CE, 2, "X", lambda: X[0], ValueError, "shape (3,), expected (n_samples, 3); one sample is"),
    "one image": (CE, 2, "X", lambda: X[:1].reshape(3, 1), ValueError, "one sample is"),
    "flat samples": (CE, 2, "X", lambda: X.ravel().tolist(), ValueError, "samples one after the other are"),
    "samples as columns": (CE, 2, "X", lambda: X.T, ValueError, "X has shape (3, 4), expected (n_samples, 3); samples"),
    "images": (CE, 2, "X", lambda: X.reshape(4, 1, 3).tolist(), ValueError, "samples of more dimensions become rows"),
    "sparse": (CE, 2, "X", lambda: Sparse(X), TypeError, "X is a sparse Sparse; pass"),
    "masked": (CE, 2, "X", lambda: np.ma.masked_greater(X, 1.5), ValueError, "masked values; fill them first"),
    "nan": (CE, 2, "X", lambda: with_value(X, (2, 1), NAN), ValueError, "X[2, 1] is nan; every value must be finite"),
    "nan in a list": (CE, 2, "X", lambda: with_value(X, (2, 1), NAN).tolist(), ValueError, "X[2, 1] is nan"),
    "None": (CE, 2, "X", lambda: with_value(X.astype(object), (3, 2), None).tolist(), ValueError, "X[3, 2] is None"),
    "nan in a frame": (CE, 2, "X", lambda: frame(with_value(X, (2, 1), NAN)), ValueError,
                       "X[2, 1] (column 'height') is nan"),
    "NA in a frame": (CE, 2, "X", lambda: frame(with_value(X, (0, 2), NAN)).convert_dtypes(), ValueError,
                      "X[0, 2] (column 'weight') is <NA>"),
    "strings": (CE, 2, "X", lambda: X.astype(str), TypeError, "X holds strings, expected real numbers"),
    "bytes": (CE, 2, "X", lambda: X.astype("S"), TypeError, "X holds strings, expected real numbers"),
    "string objects": (CE, 2, "X", lambda: X.astype(str).astype(object), TypeError, "X[0, 0] is '0.5'"),
    "decimals": (CE, 2, "X", lambda: objects(X, Decimal), TypeError, "X holds Decimal, expected real numbers"),
    "bfloat16": (CE, 2, "X", lambda: bfloat16(X), TypeError, "X holds bfloat16, expected real numbers"),
    "complex": (CE, 2, "X", lambda: X + 0j, TypeError, "X holds complex128, expected real numbers"),
    "dates": (CE, 2, "X", lambda: X.astype("datetime64[D]"), TypeError, "X holds datetime64[D]"),
    "spans": (CE, 2, "X", lambda: X.astype("timedelta64[h]"), TypeError, "X holds timedelta64[h]"),
    "records": (CE, 2, "X", lambda: records(X), TypeError, "its fields as columns are"),
    "rows as objects": (CE, 2, "X", lambda: objects(range(4), lambda s: X[s]), TypeError, "X holds ndarray"),
    "tensor": (CE, 2, "X", lambda: Tensor(X), TypeError, "X is a Tensor that NumPy cannot read: Got unsupported"),
    # ---- Y
    "names": (CE, 2, "Y", lambda: ["dog", "cat", "cat", "dog"], TypeError, "or integer labels 0..1"),
    "digits": (CE, 2, "Y", lambda: ["0", "1", "1", "0"], TypeError, "or integer labels 0..1"),
    "whole floats": (CE, 2, "Y", (1.0 * Y).tolist, TypeError, "labels must be integers"),
    "whole decimals": (CE, 2, "Y", lambda: objects(Y, Decimal), TypeError, "or integer labels 0..1"),
    "from 1": (CE, 2, "Y", (Y + 1).tolist, ValueError, "Y[1] is 2, expected labels 0..1"),
    "signs": (CE, 2, "Y", (2 * Y - 1).tolist, ValueError, "Y[0] is -1, expected labels 0..1"),
    "a column": (CE, 2, "Y", Y[:, None].tolist, ValueError, "expected (4, 2) or integer labels (4,)"),
    "rows of signs": (CE, 2, "Y", (2 * ROWS - 1).tolist, ValueError, "Y[0, 1] is -1"),
    "rows from 1": (CE, 2, "Y", lambda: ROWS + 1, ValueError, "Y[0, 0] is 2"),
    "counts": (CE, 2, "Y", lambda: ROWS * 0.5, ValueError, "row 0 of Y sums to 0.5"),
    "pixels": (LONE, 2, "Y", lambda: ROWS * 255, ValueError, "Y[0, 0] is 255"),
    "samples as columns of Y": (QUADRATIC, 2, "Y", lambda: ROWS.T, ValueError, "Y has shape (2, 4), expected (4, 2)"),
    "two columns for one output": (LONE, 1, "Y", ROWS.tolist, ValueError, "Y has shape (4, 2), expected"),
    "signs of one output": (LONE, 1, "Y", (2 * Y - 1).tolist, ValueError, "Y[0] is -1"),
    "labels where none are taken": (QUADRATIC, 2, "Y", Y.tolist, ValueError,
                                    "expected (4, 2); loss 'quadratic' takes no labels: pass rows of 0 and 1"),
    "truths where none are taken": (QUADRATIC, 2, "Y", lambda: [False, True, True, False], ValueError,
                                    "loss 'quadratic' takes no labels"),
    "decimal targets": (QUADRATIC, 1, "Y", lambda: objects(Y, Decimal), TypeError, "Y holds Decimal"),
    "bfloat16 targets": (QUADRATIC, 2, "Y", lambda: bfloat16(ROWS), TypeError, "Y holds bfloat16"),
    # ---- weights
    "weights as a column": (CE, 2, "sample_weight", lambda: np.ones((4, 1)), ValueError, "has shape (4, 1), expected"),
    "decimal weights": (CE, 2, "sample_weight", lambda: objects(np.ones(4), Decimal), TypeError, "holds Decimal"),
}


@pytest.mark.parametrize("case", HELPED)
def test_code_in_a_message_runs_and_helps(implementation, case):
    arguments, n_outputs, argument, value, error, message = HELPED[case]
    net = implementation.Network([3, 4, n_outputs], "tanh", **arguments, dtype=np.float64, rng=0)
    data = {"X": X, "Y": Y if net.n_classes else np.ones((4, n_outputs)), argument: value()}
    if "image" in case:
        data["Y"] = data["Y"][: len(np.reshape(data["X"], (-1, 3)))]
    elif case == "one sample":
        data["Y"] = data["Y"][:1]
    with pytest.raises(error, match=re.escape(message)) as caught:
        net.loss(**data)
    code = re.findall(r"`([^`]+)`", str(caught.value))
    assert code, str(caught.value)
    for hint in code:
        helped = eval(hint, {"numpy": numpy, **data})
        assert np.isfinite(net.loss(**{**data, argument: helped})), hint


# what the message says, and what it must not advise
NOT_HARMED = {
    "fractional labels": (CE, "Y", [0.5, 1.2, 0.0, 1.0], TypeError, "and Y[0] is 0.5; targets that are no"),
    "too many names": (CE, "Y", ["a", "b", "c", "a"], TypeError, "there are 3 different ones, and the network has 2"),
    "a missing name": (CE, "Y", ["a", None, "b", "a"], ValueError, "Y[1] is None; every value must be finite"),
    "a missing label": (CE, "Y", [0.0, NAN, 1.0, 0.0], ValueError, "Y[1] is nan; every value must be"),
    "missing targets": (QUADRATIC, "Y", [[1.0, NAN]] * 4, ValueError, "Y[0, 1] is nan; every value must be finite"),
    "missing weights": (CE, "sample_weight", [1.0, NAN, 1.0, 1.0], ValueError, "sample_weight[1] is nan"),
    "a missing date": (CE, "X", with_value(X.astype("datetime64[D]"), (1, 2), "NaT"), ValueError, "X[1, 2] is NaT"),
    "dates as objects": (CE, "X", objects(X, lambda _: datetime.date(2020, 1, 1)), TypeError, "X holds date"),
    "words": (CE, "X", [*X.astype(str).tolist()[:3], ["red", "1", "2"]], TypeError, "a column of 0 and 1 of each"),
    "labels no rows can have": (QUADRATIC, "Y", [0, 1, 2, 5], ValueError, "Y has shape (4,), expected (4, 2)"),
    "infinite": (CE, "X", with_value(X, (1, 2), np.inf), ValueError, "X[1, 2] is inf; every value must be finite"),
    "None for all": (CE, "X", None, TypeError, "X holds NoneType, expected real numbers: X is None"),
}


@pytest.mark.parametrize("case", NOT_HARMED)
def test_where_no_code_helps_none_is_given(implementation, case):
    arguments, argument, value, error, message = NOT_HARMED[case]
    net = implementation.Network([3, 2], **arguments, rng=0)
    data = {"X": X, "Y": Y if net.n_classes else ROWS, argument: value}
    with pytest.raises(error, match=re.escape(message)) as caught:
        net.loss(**data)
    assert "`" not in str(caught.value)
    assert not re.search(r"astype\(int\)|unique", str(caught.value))


def test_names_of_validation_data_and_batches_are_not_numbered_by_themselves(implementation):
    trainer = implementation.Trainer(make_network(implementation, [3, 2]))
    names = np.array(["a", "b", "b", "a"])
    for arguments, place in (
        ({"X": X, "Y": Y, "validation_data": (X, names)}, "validation_data[1] holds strings"),
        ({"X": [(X, Y), (X, names)]}, "Y of batch 2 holds strings"),
        ({"X": X, "Y": Y, "validation_data": [(X, names)]}, "Y of batch 1 of validation_data holds strings"),
    ):
        with pytest.raises(TypeError, match=re.escape(place) + ".*in the order of the classes in training") as caught:
            trainer.fit(**arguments)
        assert "unique" not in str(caught.value)


def test_places_are_named_in_batches_weights_and_validation_data(implementation):
    trainer = implementation.Trainer(make_network(implementation, [3, 2]), SGD(0.1))
    bad_X, bad_weight = with_value(X, (2, 1), NAN), [1.0, 1.0, -1.0, 1.0]
    for arguments, place in (
        ({"X": [(X, Y), (bad_X, Y)]}, "X[2, 1] of batch 2 is nan"),
        ({"X": [(X, Y, bad_weight)]}, "sample_weight[2] of batch 1 is -1.0"),
        ({"X": X, "Y": Y, "validation_data": (bad_X, Y)}, "validation_data[0][2, 1] is nan"),
        ({"X": X, "Y": Y, "validation_data": (X, Y, bad_weight)}, "validation_data[2][2] is -1.0"),
        ({"X": X, "Y": Y, "validation_data": [(X, Y), (X, Y, bad_weight)]},
         "sample_weight[2] of batch 2 of validation_data is -1.0"),
    ):
        with pytest.raises(ValueError, match=re.escape(place)):
            trainer.fit(**arguments)


# ------------------------------------------------------------------ what needs no words
def series(values, **arguments):
    return pytest.importorskip("pandas").Series(values, **arguments)


TAKEN = {
    "fractions": ("X", lambda: objects(X, Fraction)),
    "a frame": ("X", lambda: frame(X)),
    "a frame of extension types": ("X", lambda: frame(X).convert_dtypes()),
    "a polars frame": ("X", lambda: pytest.importorskip("polars").DataFrame(X)),
    "a series of labels": ("Y", lambda: series(Y, index=[7, 5, 3, 1])),
    "a series of large labels": ("Y", lambda: series(Y, dtype="Int64")),
    "a polars series": ("Y", lambda: pytest.importorskip("polars").Series(Y)),
    "truths": ("Y", lambda: Y.astype(bool).tolist()),
    "objects": ("Y", lambda: Y.astype(object)),
    "a series of weights": ("sample_weight", lambda: series([1.0, 2.0, 3.0, 4.0], index=list("dcba"))),
    "weights as integers": ("sample_weight", lambda: [1, 2, 3, 4]),
}


@pytest.mark.parametrize("case", TAKEN)
def test_the_same_numbers_in_other_forms_are_taken_without_a_word(implementation, case):
    argument, value = TAKEN[case]
    net = make_network(implementation, [3, 4, 2])
    data = {"X": X, "Y": Y, "sample_weight": [1.0, 2.0, 3.0, 4.0]}
    assert net.loss(**{**data, argument: value()}) == net.loss(**data)
    implementation.Trainer(net).fit(**{**data, argument: value()})
