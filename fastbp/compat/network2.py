"""Module `network2` of chapter 3 of M. Nielsen's book, with the loop of `SGD` compiled [1]_.

Names, arguments, printed lines, files and random numbers are those of the module in Python 3. All methods but `SGD` are
plain NumPy. `SGD` begins with them too, and goes over to the kernels where the rest would take longer than two seconds,
and where the kernels compute the gradient of one minibatch as `backprop` does, to 1e-10. So a cost of your own is fast
if its δ is that of the quadratic cost or of the cross-entropy, and works in any case.

References
----------
.. [1] M. A. Nielsen, "Neural Networks and Deep Learning", Determination Press, 2015, chapter 3.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastbp.compat._core import Array, overridden, remember, sigmoid
from fastbp.compat._costs import CrossEntropyCost, QuadraticCost, vectorized_result
from fastbp.compat._nielsen import Descent, drawn, feedforward, gradients, sigmoid_prime, update

__all__ = ["CrossEntropyCost", "Network", "QuadraticCost", "load", "sigmoid", "sigmoid_prime", "vectorized_result"]

Sample = tuple[Any, Any]
Monitored = tuple[list[Any], list[Any], list[Any], list[Any]]


@remember
class Network:
    """Network of sigmoids with a cost of choice.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of neurons of the layers.
    cost : class or object
        Cost with functions `fn(a, y)` and `delta(z, a, y)`.

    Attributes
    ----------
    weights, biases : list of ndarray
        Matrices (n_out, n_in) and columns (n_out, 1). Every update makes new arrays.
    shuffles_callers_list : bool
        Whether `SGD` shuffles the caller's own list, as the book's first edition did. The default is to shuffle a copy.

    Examples
    --------
    >>> np.random.seed(0)
    >>> net = Network([2, 3, 1], cost=QuadraticCost)
    >>> net.weights[0].shape, net.biases[0].shape
    ((3, 2), (3, 1))
    """

    shuffles_callers_list = False

    def __init__(self, sizes: Sequence[int], cost: Any = CrossEntropyCost) -> None:
        self.num_layers = len(sizes)
        self.sizes = sizes
        self.default_weight_initializer()
        self.cost = cost

    def default_weight_initializer(self) -> None:
        """Draw biases, then weights of variance 1/n_in, by `numpy.random.randn`.

        Examples
        --------
        >>> net = Network([4, 1])
        >>> net.default_weight_initializer()
        """
        self.biases, weights = drawn(self.sizes)
        self.weights = [w / np.sqrt(w.shape[1]) for w in weights]

    def large_weight_initializer(self) -> None:
        """Draw biases, then weights of variance 1, by `numpy.random.randn`.

        Examples
        --------
        >>> net = Network([4, 1])
        >>> net.large_weight_initializer()
        """
        self.biases, self.weights = drawn(self.sizes)

    def feedforward(self, a: Array) -> Array:
        """Compute the output for one input.

        Parameters
        ----------
        a : ndarray (n_0, 1)
            Input.

        Returns
        -------
        ndarray (n_L, 1)
            Output.

        Examples
        --------
        >>> Network([2, 1]).feedforward(np.zeros((2, 1))).shape
        (1, 1)
        """
        return feedforward(self, a, globals())

    def SGD(  # noqa: PLR0913 - the module's own arguments
        self,
        training_data: Iterable[Sample],
        epochs: int,
        mini_batch_size: int,
        eta: float,
        lmbda: float = 0.0,
        evaluation_data: Iterable[Sample] | None = None,
        monitor_evaluation_cost: bool = False,
        monitor_evaluation_accuracy: bool = False,
        monitor_training_cost: bool = False,
        monitor_training_accuracy: bool = False,
        early_stopping_n: int = 0,
    ) -> Monitored:
        """Train by minibatches, and print what is monitored after each epoch.

        Parameters
        ----------
        training_data : iterable of (x, y)
            Inputs (n_0, 1) and targets (n_L, 1).
        epochs, mini_batch_size : int
            Number of epochs, and samples of a minibatch.
        eta, lmbda : float
            Learning rate, and λ of the penalty λ/(2n) Σ w².
        evaluation_data : iterable of (x, int), optional
            Samples to monitor.
        monitor_evaluation_cost, monitor_evaluation_accuracy : bool
            Whether to measure the evaluation data.
        monitor_training_cost, monitor_training_accuracy : bool
            Whether to measure the training data.
        early_stopping_n : int
            Training ends after so many epochs without a better accuracy; 0 never ends it.

        Returns
        -------
        evaluation_cost, evaluation_accuracy : list
            What was monitored of the evaluation data, by epoch.
        training_cost, training_accuracy : list
            What was monitored of the training data.

        Raises
        ------
        ValueError
            If evaluation data are monitored that are not there, or early stopping has no accuracy.

        Notes
        -----
        With `early_stopping_n`, the accuracy on the evaluation data counts, or else that on the training data.

        Examples
        --------
        >>> data = [(np.ones((2, 1)), np.ones((1, 1))), (np.zeros((2, 1)), np.zeros((1, 1)))]
        >>> net = Network([2, 3, 1])
        >>> lists = net.SGD(data, 1, 2, 0.5, monitor_training_accuracy=True)
        Epoch 0 training complete
        Accuracy on training data: 2 / 2
        """
        tests = list(evaluation_data) if evaluation_data else []
        _check(tests or not (monitor_evaluation_cost or monitor_evaluation_accuracy),
               "evaluation_data has no samples, and monitor_evaluation_cost or monitor_evaluation_accuracy is set")
        _check(early_stopping_n <= 0 or monitor_evaluation_accuracy or monitor_training_accuracy,
               "early_stopping_n needs monitor_evaluation_accuracy=True or monitor_training_accuracy=True")
        descent = Descent(self, Network, training_data, epochs, mini_batch_size, eta, lmbda,
                          lambda batch: self.update_mini_batch(batch, eta, lmbda, n))
        original, n = descent.data, len(descent.data)
        results: Monitored = ([], [], [], [])
        evaluation_cost, evaluation_accuracy, training_cost, training_accuracy = results
        best, waited = 0, 0
        for epoch in descent.epochs():
            _show(f"Epoch {epoch} training complete")
            measured = _Measured(self, descent)
            if monitor_training_cost:
                training_cost.append(measured.cost(original, lmbda, convert=False))
                _show(f"Cost on training data: {training_cost[-1]}")
            if monitor_training_accuracy:
                training_accuracy.append(measured.accuracy(original, convert=True))
                _show(f"Accuracy on training data: {training_accuracy[-1]} / {n}")
            if monitor_evaluation_cost:
                evaluation_cost.append(measured.cost(tests, lmbda, convert=True))
                _show(f"Cost on evaluation data: {evaluation_cost[-1]}")
            if monitor_evaluation_accuracy:
                evaluation_accuracy.append(measured.accuracy(tests, convert=False))
                _show(f"Accuracy on evaluation data: {evaluation_accuracy[-1]} / {len(tests)}")
            if early_stopping_n > 0:
                accuracy = (evaluation_accuracy or training_accuracy)[-1]
                best, waited = (accuracy, 0) if accuracy > best else (best, waited + 1)
                if waited == early_stopping_n:
                    break
        return results

    def update_mini_batch(self, mini_batch: Sequence[Sample], eta: float, lmbda: float, n: int) -> None:
        """Make one update with the mean gradient of a minibatch and the decay of the weights.

        Parameters
        ----------
        mini_batch : sequence of (x, y)
            Samples.
        eta, lmbda : float
            Learning rate and penalty.
        n : int
            Number of training samples.

        Examples
        --------
        >>> net = Network([2, 1])
        >>> net.update_mini_batch([(np.ones((2, 1)), np.ones((1, 1)))], eta=1.0, lmbda=0.1, n=10)
        """
        update(self, mini_batch, eta, 1 - eta * (lmbda / n))

    def backprop(self, x: Array, y: Array) -> tuple[list[Array], list[Array]]:
        """Compute the gradient of the cost of one sample.

        Parameters
        ----------
        x, y : ndarray (n_0, 1) and (n_L, 1)
            Input and target.

        Returns
        -------
        nabla_b : list of ndarray (n_l, 1)
            Derivatives by the biases.
        nabla_w : list of ndarray (n_l, n_{l-1})
            Derivatives by the weights.

        Examples
        --------
        >>> nabla_b, nabla_w = Network([2, 3, 1]).backprop(np.ones((2, 1)), np.ones((1, 1)))
        >>> [g.shape for g in nabla_w]
        [(3, 2), (1, 3)]
        """
        return gradients(self, x, lambda z, a: self.cost.delta(z, a, y), globals())

    def accuracy(self, data: Iterable[Sample], convert: bool = False) -> int:
        """Count the samples whose largest output is at the right place.

        Parameters
        ----------
        data : iterable of (x, y)
            Samples.
        convert : bool
            Whether y is a column, as in training data, or else a label.

        Returns
        -------
        int
            Number of correct samples.

        Examples
        --------
        >>> Network([2, 1]).accuracy([(np.zeros((2, 1)), 0)])
        1
        """
        correct = (np.argmax(self.feedforward(x)) == (np.argmax(y) if convert else y) for x, y in data)
        return sum(int(one) for one in correct)

    def total_cost(self, data: Sequence[Sample], lmbda: float, convert: bool = False) -> Any:
        """Compute the mean cost with the penalty of the weights.

        Parameters
        ----------
        data : sequence of (x, y)
            Samples.
        lmbda : float
            Factor λ of the penalty λ/(2n) Σ w², n the number of these samples.
        convert : bool
            Whether y is a label, as in evaluation data, or else a column.

        Returns
        -------
        float
            Cost.

        Examples
        --------
        >>> Network([2, 1], cost=QuadraticCost).total_cost([(np.zeros((2, 1)), np.zeros((1, 1)))], 0.0).ndim
        0
        """
        return self._total([self.feedforward(x) for x, _ in data], data, lmbda, convert)

    def _total(self, outputs: Iterable[Array], data: Sequence[Sample], lmbda: float, convert: bool) -> Any:
        cost = 0.0
        for a, (_, y) in zip(outputs, data, strict=True):
            cost += self.cost.fn(a, vectorized_result(y) if convert else y) / len(data)
        return cost + 0.5 * (lmbda / len(data)) * sum(np.linalg.norm(w) ** 2 for w in self.weights)

    def save(self, filename: Any) -> None:
        """Write sizes, weights, biases and the name of the cost to a JSON file.

        Parameters
        ----------
        filename : path-like
            File to write.

        See Also
        --------
        load : Read the file.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Network([1, 1]).save(folder + "/net.json")
        ...     sorted(json.loads(Path(folder, "net.json").read_text()))
        ['biases', 'cost', 'sizes', 'weights']
        """
        content = {"sizes": list(self.sizes), "weights": [w.tolist() for w in self.weights],
                   "biases": [b.tolist() for b in self.biases], "cost": str(self.cost.__name__)}
        with open(filename, "w", encoding="utf-8") as file:
            json.dump(content, file)


def load(filename: Any) -> Network:
    """Return the network that `Network.save` wrote.

    A cost of your own is found in the module that the program began with, by its name.

    Parameters
    ----------
    filename : path-like
        File to read.

    Returns
    -------
    Network
        Network with the numbers of the file.

    Raises
    ------
    AttributeError
        If there is no cost of the name in the file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Network([2, 3, 1], cost=QuadraticCost).save(folder + "/net.json")
    ...     net = load(folder + "/net.json")
    >>> net.sizes, net.cost.__name__
    ([2, 3, 1], 'QuadraticCost')
    """
    with open(filename, encoding="utf-8") as file:
        content = json.load(file)
    name = content["cost"]
    home = next((module for module in (sys.modules[__name__], sys.modules["__main__"]) if hasattr(module, name)), None)
    if home is None:
        raise AttributeError(f"the file names the cost {name!r}; define a class of this name in your program")
    net = Network(content["sizes"], cost=getattr(home, name))
    net.weights = [np.array(w) for w in content["weights"]]
    net.biases = [np.array(b) for b in content["biases"]]
    return net


class _Measured:
    """What is monitored after an epoch: by the kernels where they train and nobody has replaced the method."""

    def __init__(self, net: Network, descent: Descent) -> None:
        self._net, self._descent = net, descent

    def _outputs(self, method: str, data: list[Sample]) -> Array | None:
        return None if overridden(self._net, Network, (method,)) or not data else self._descent.outputs(data)

    def accuracy(self, data: list[Sample], *, convert: bool) -> Any:
        a = self._outputs("accuracy", data)
        if a is None:
            return self._net.accuracy(data, convert=True) if convert else self._net.accuracy(data)
        labels = [np.argmax(y) if convert else y for _, y in data]
        return sum(int(k == y) for k, y in zip(a.argmax(axis=1), labels, strict=True))

    def cost(self, data: list[Sample], lmbda: float, *, convert: bool) -> Any:
        a = self._outputs("total_cost", data)
        if a is None:
            return self._net.total_cost(data, lmbda, convert=True) if convert else self._net.total_cost(data, lmbda)
        return self._net._total((row[:, np.newaxis] for row in a), data, lmbda, convert)


def _check(holds: Any, text: str) -> None:
    if not holds:
        raise ValueError(text)


def _show(line: str) -> None:
    print(line)  # noqa: T201 - as the module does
