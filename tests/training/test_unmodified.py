"""What users hand in stays as it is, bit for bit, whatever is done with it."""

import numpy as np
import pytest
from networks import make_data, make_labels, make_network

import fastbp

CALLS = {
    "forward": lambda module, net, given: net.forward(given["X"]),
    "predict": lambda module, net, given: net.predict(given["X"]),
    "loss": lambda module, net, given: net.loss(given["X"], given["Y"], given["weight"]),
    "backprop": lambda module, net, given: net.backprop(given["X"], given["Y"], given["weight"]),
    "check_gradients": lambda module, net, given: fastbp.check_gradients(net, given["X"], given["Y"], given["weight"]),
    "step": lambda module, net, given: module.Trainer(net, "adam").step(given["X"], given["Y"], given["weight"]),
    "fit": lambda module, net, given: module.Trainer(net, "adam", 16, rng=0, l2=0.1, label_smoothing=0.1).fit(
        given["X"], given["Y"], 2, (given["X_val"], given["Y_val"], given["weight_val"]),
        sample_weight=given["weight"], class_weight=given["class_weight"], metrics=["accuracy"]),
    "fit of batches": lambda module, net, given: module.Trainer(net, "adam").fit(
        [(given["X"], given["Y"], given["weight"])], epochs=2, validation_data=[(given["X_val"], given["Y_val"])]),
    "fit_lbfgs": lambda module, net, given: fastbp.fit_lbfgs(
        net, given["X"], given["Y"], sample_weight=given["weight"], max_iter=3),
}


def given_to(net, rows, n_in, labels):
    """Arrays as canonical as can be: nothing need be copied, so a write would show."""
    rng = np.random.default_rng(3)
    given = {}
    for end, count in (("", rows), ("_val", rows // 2 + 1)):
        X, Y = make_data(net, count)
        given |= {f"X{end}": X, f"Y{end}": make_labels(count, net.sizes[-1]) if labels else Y}
        given[f"weight{end}"] = rng.uniform(0.5, 2.0, count).astype(net.dtype)
    return given | {"class_weight": np.array([1.0, 2.0, 0.5], net.dtype)}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("labels", [True, False], ids=["labels", "rows"])
@pytest.mark.parametrize(("rows", "n_in"), [(3, 4), (90, 4), (90, 256)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_data_weights_and_validation_data_stay_as_they_are(implementation, dtype, rows, n_in, labels, call):
    net = make_network(implementation, [n_in, 5, 3], dtype=dtype)
    given = given_to(net, rows, n_in, labels)
    if call == "fit" and not labels:
        given["class_weight"] = None
    before = {name: None if array is None else (array.tobytes(), array.dtype, array.shape, array.strides)
              for name, array in given.items()}
    CALLS[call](implementation, net, given)
    for name, array in given.items():
        found = None if array is None else (array.tobytes(), array.dtype, array.shape, array.strides)
        assert found == before[name], name
        assert array is None or array.flags.writeable
