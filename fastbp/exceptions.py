"""Exceptions that a program may want to catch by name. All are kinds of built-in ones.

===============  ==================  ============================================
name             kind of             raised by
===============  ==================  ============================================
FormatError      ValueError          loading a file that is damaged or foreign
DivergenceError  FloatingPointError  training whose loss is no longer finite
===============  ==================  ============================================
"""


class FormatError(ValueError):
    """A file is damaged, or is not one that this version of fastbp reads.

    Whatever such a file holds, `fastbp.load` and the `load` of networks and trainers raise this error and no other. Its
    message names the file and the reason. A file that cannot be read at all is an OSError.

    Examples
    --------
    >>> import tempfile
    >>> import fastbp
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     try:
    ...         fastbp.load(file.name)
    ...     except fastbp.FormatError as error:
    ...         print(str(error).split(": ")[-1])
    it ends too soon
    """


class DivergenceError(FloatingPointError):
    """The loss or the parameters are no longer finite, which ends training.

    Its message names when, the learning rate and a remedy.

    Examples
    --------
    >>> import fastbp
    >>> net = fastbp.reference.Network([1, 1], output="identity", loss="quadratic", rng=0)
    >>> trainer = fastbp.reference.Trainer(net, fastbp.SGD(1e6))
    >>> try:
    ...     history = trainer.fit([[1.0], [2.0]], [[1.0], [2.0]], epochs=100)
    ... except fastbp.DivergenceError as error:
    ...     print(str(error).split("; ")[-1])
    try a smaller learning_rate, or inputs scaled to about -1..1
    """
