"""Faults to plant in what stands in the place of NumPy code: fields of `planted.Mutant`, file by file."""

_COLUMNS, _OBJECTS, _JOELNET = (f"tests/compat/test_{name}.py" for name in ("columns", "objects", "joelnet"))
_NNFS, _PIECES, _PAGE = (f"tests/compat/test_{name}.py" for name in ("nnfs", "nnfs_pieces", "in_place_of_your_loop"))
_ONE, _SCRIPTS, _BOUND, _LOOPS = (
    "tests/compat/test_one_class.py", "tests/compat/test_scripts.py", "tests/compat/test_bound.py",
    "tests/kernels/test_loops.py",
)

# of the step that objects and kernels are compared by
_GRADIENT = "not close(gradient, own)"
_BETWEEN = """
            return None
        after = self._stepped(arrays)
        trial.run(batch_X, batch_labels, np.arange(len(batch_X)), None if weight is None else weight[: len(batch_X)])
        network = trial.network
        trained = [*network.weights, *network.biases]
        if """

#: (file, tests, (name, old, new), ...)
FACES = (
    ("compat/_nielsen.py", "tests/compat/test_nielsen.py -k keeps_its_cost",
     ("a cost by a gradient of 0", "_TELLS_APART = 1e-150", "_TELLS_APART = 0.0")),
    ("compat/_deep.py", _COLUMNS,
     ("slope of relu at 0", "dZ[cache <= 0] = 0", "dZ[cache < -1] = 0"),
     ("means of biases", "1.0 / m * dZ.sum(axis=1, keepdims=True)", "dZ.sum(axis=1, keepdims=True)"),
     ("dA0 at once", 'later["dA0"] = partial(np.dot, linear_cache[1].T, dZ)',
      'values.append(("dA0", np.dot(linear_cache[1].T, dZ)))')),
    ("compat/_deep_parameters.py", _COLUMNS,
     ("deviation", "_initial(layer_dims, np.sqrt, divides=True)", "_initial(layer_dims, np.sqrt, divides=False)")),
    ("compat/dnn_app_utils.py", _COLUMNS,
     ("a line every 10 updates", "if line and iteration % 100 == 0:", "if line and iteration % 10 == 0:")),
    ("compat/_columns.py", _COLUMNS,
     ("saturation unseen", "status < 0 or z.max() > _ONE or z.min() < _ZERO", "status < 0"),
     ("a value that is computed twice", "self._later.pop(name)()", "self._later[name]()"),
     ("the first step counts twice", "engines[1], rows, targets) if same", "engines[0], rows, targets) if same"),
     ("costs of the last calls only", "            for cost in costs:\n                report(done, cost)",
      "            for cost in costs[:1] * len(costs):\n                report(done, cost)")),
    ("compat/planar_utils.py", _COLUMNS,
     ("slope of tanh", "(1 - np.power(A1, 2))", "(1 - A1)"), ("rate", '"tanh", 1.2, num_it', '"tanh", 1.1, num_it')),
    ("compat/_objects.py", _OBJECTS,
     ("any loss", "return factor if near and", "return factor if"),
     ("a loss at one point", "[(y, y + share * (a - y)) for y in targets for share in shares if np.any(a != y)]",
      "[(y, a) for y in targets[:1]]"),
     ("any slope", "if np.allclose(slope, expected, rtol=1e-12, atol=1e-15):", "if True:"),
     ("the first step is not taken back", "                array[...] = old\n        some",
      "                array[...] = array\n        some"),
     ("the last sample by the kernels", "np.arange(n), (total - 1 - at) // n)", "np.arange(n), (total - at) // n)"),
     ("losses of fastbp's scale", "report(at // n, loss * self._loss_scale)", "report(at // n, loss)")),
    ("compat/joelnet/train.py", _JOELNET,
     ("a mean of its own", "share = len(rows) / engine.trainer.batch_size if short else 1.0", "share = 1.0"),
     ("an order drawn twice", "        starts = self._iterator.starts(n)\n",
      "        self._iterator.starts(n)\n        starts = self._iterator.starts(n)\n"),
     ("losses of halves", "return done, 2.0 * loss_sum / share", "return done, loss_sum / share"),
     ("any optimizer", 'overridden(optimizer, SGD, ("step",))', "False")),
    ("compat/nnfs/_descent.py", _NNFS,
     ("clipped outputs unseen", "if mark is not None and self._is_clipped(outputs):", "if False:"),
     ("running means lost", "        self.pause()\n        if self._made_any:", "        if False:"),
     ("any gradient, and any update", f"{_GRADIENT}:{_BETWEEN}not all", f"False:{_BETWEEN}False and not all"),
     ("any update", "if not all(_same_change(*four)", "if False and not all(_same_change(*four)"),
     ("a draw in the stream", "        np.random.set_state(state)  # noqa: NPY002", "        pass"),
     ("half of a penalty", "self._l2 = 2.0 * l2", "self._l2 = l2"),
     ("weights behind at the end of an epoch", "(wanted or self._kernels.penalizes)", "wanted"),
     ("an overridden model", "overridden(model, base, _CALLS)\n        or ", "")),
    ("compat/nnfs/_rules.py", _NNFS,
     ("old gradients at the new rate", "self.momentum * rates.before / rates.now", "self.momentum"),
     ("an overridden rule", 'overridden(optimizer, base, ("update_params",)) or ', ""),
     ("numbers that change", "bool(rate) and self._found() == self._numbers", "bool(rate)")),
    ("compat/nnfs/losses.py", _PIECES,
     ("no target", "self.dinputs[np.arange(len(dvalues)), labels] -= 1", "pass")),
    ("compat/nnfs/model.py", _PIECES,
     ("a file with all arrays", "vars(each).pop(name, None) if each is", "None if each is")),
    ("compiled/session.py", _PIECES + " -k 'replaced'",
     ("four numbers of whatever type", "MEASURES), np.float64)", "MEASURES))")),
    ("compat/my_answers.py", _ONE,
     ("slope", "np.subtract(hidden, slope, out=slope)", "np.subtract(1, slope, out=slope)"),
     ("sum in place of mean", "self.lr / len(X)", "self.lr")),
    ("compat/neuralnetwork.py", _SCRIPTS, ("rate", "W += np.dot(rate * delta, x.T)", "W += np.dot(delta, x.T)")),
    ("compat/aflak/fc_layer.py", _SCRIPTS,
     ("biases not drawn", "np.random.rand(1, output_size) - 0.5", "np.zeros((1, output_size))")),
    ("bound.py", _BOUND,
     ("what is written into the flat array", "if self._seen is not None and (self", "if False and (self"),
     ("biases that are not there", "                b[...] = 0.0", "                pass")),
    ("base/attached.py", _BOUND, ("arrays behind", "self._network._scatter()", "pass")),
    ("finding.py", _PAGE, ("words for a sum", "(2.0 * self.m, f\"the sum", "(3.0 * self.m, f\"the sum")),
    ("kernels/arrays.py", _LOOPS,
     ("biases", "    start[:n_out] = b\n", "    start[:n_out] = 0\n")),
)
