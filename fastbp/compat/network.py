"""Module `network` of chapter 1 of M. Nielsen's book, with the loop of `SGD` compiled [1]_.

Names, arguments, printed lines and random numbers are those of the module in Python 3. `backprop`, `update_mini_batch`,
`feedforward` and `evaluate` are plain NumPy. `SGD` begins with them too, and goes over to the kernels where the rest
would take longer than two seconds, and where the kernels compute the gradient of one minibatch as `backprop` does, to
1e-10. It stays with NumPy if one of these methods was replaced or overridden, or `sigmoid` was.

References
----------
.. [1] M. A. Nielsen, "Neural Networks and Deep Learning", Determination Press, 2015, chapter 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastbp.compat._core import Array, overridden, remember, sigmoid
from fastbp.compat._nielsen import Descent, drawn, feedforward, gradients, in_place, sigmoid_prime, update

__all__ = ["Network", "sigmoid", "sigmoid_prime"]

Sample = tuple[Any, Any]


@remember
class Network:
    """Network of sigmoids with the quadratic cost.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of neurons of the layers.

    Attributes
    ----------
    weights, biases : list of ndarray
        Matrices (n_out, n_in) and columns (n_out, 1), drawn from the normal distribution by `numpy.random.randn`, all
        biases first. Every update makes new arrays.
    shuffles_callers_list : bool
        Whether `SGD` shuffles the caller's own list, as the book's first edition did. The default is to shuffle a copy.

    Examples
    --------
    >>> np.random.seed(0)
    >>> net = Network([2, 3, 1])
    >>> net.weights[0].shape, net.biases[0].shape
    ((3, 2), (3, 1))
    """

    shuffles_callers_list = False

    def __init__(self, sizes: Sequence[int]) -> None:
        self.num_layers = len(sizes)
        self.sizes = sizes
        self.biases, self.weights = drawn(sizes)

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

    def SGD(
        self, training_data: Iterable[Sample], epochs: int, mini_batch_size: int, eta: float,
        test_data: Iterable[Sample] | None = None,
    ) -> None:
        """Train by minibatches, and print one line an epoch.

        Parameters
        ----------
        training_data : iterable of (x, y)
            Inputs (n_0, 1) and targets (n_L, 1).
        epochs : int
            Number of epochs.
        mini_batch_size : int
            Samples of a minibatch. The last one of an epoch may be smaller.
        eta : float
            Learning rate.
        test_data : iterable of (x, int), optional
            Samples to classify after each epoch.

        Notes
        -----
        The order is that of `random.shuffle`. Sums are rounded in another order than in NumPy alone: equality of the
        weights is 1e-10 where training is not chaotic, as it is with large learning rates.

        Examples
        --------
        >>> data = [(np.ones((2, 1)), np.ones((1, 1))), (np.zeros((2, 1)), np.zeros((1, 1)))]
        >>> Network([2, 3, 1]).SGD(data, epochs=2, mini_batch_size=1, eta=0.5)
        Epoch 0 complete
        Epoch 1 complete
        """
        descent = Descent(self, Network, training_data, epochs, mini_batch_size, eta, 0.0,
                          lambda batch: self.update_mini_batch(batch, eta))
        tests = list(test_data) if test_data else []
        for epoch in descent.epochs():
            if not tests:
                print(f"Epoch {epoch} complete")  # noqa: T201 - as the module does
            else:
                print(f"Epoch {epoch} : {self._correct(descent, tests)} / {len(tests)}")  # noqa: T201

    def _correct(self, descent: Descent, tests: list[Sample]) -> Any:
        """What `evaluate` returns, by the kernels where they train and nobody has replaced it."""
        outputs = None if overridden(self, Network, ("evaluate",)) else descent.outputs(tests)
        if outputs is None:
            return self.evaluate(tests)
        return sum(int(k == y) for k, (_, y) in zip(outputs.argmax(axis=1), tests, strict=True))

    def update_mini_batch(self, mini_batch: Sequence[Sample], eta: float) -> None:
        """Make one update with the mean gradient of a minibatch.

        Parameters
        ----------
        mini_batch : sequence of (x, y)
            Samples.
        eta : float
            Learning rate.

        Examples
        --------
        >>> net = Network([2, 1])
        >>> old = net.weights[0]
        >>> net.update_mini_batch([(np.ones((2, 1)), np.ones((1, 1)))], eta=1.0)
        >>> net.weights[0] is old
        False
        """
        update(self, mini_batch, eta, 1.0)

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
        return gradients(self, x, lambda z, a: self.cost_derivative(a, y) * in_place(globals())[1](z), globals())

    def evaluate(self, test_data: Iterable[Sample]) -> int:
        """Count the samples whose largest output is at the place that their label names.

        Parameters
        ----------
        test_data : iterable of (x, int)
            Samples.

        Returns
        -------
        int
            Number of correct samples.

        Examples
        --------
        >>> Network([2, 1]).evaluate([(np.zeros((2, 1)), 0)])
        1
        """
        return sum(int(np.argmax(self.feedforward(x)) == y) for x, y in test_data)

    def cost_derivative(self, output_activations: Array, y: Array) -> Array:
        """Compute the derivative of the cost by the outputs.

        Parameters
        ----------
        output_activations, y : ndarray (n_L, 1)
            Outputs and targets.

        Returns
        -------
        ndarray (n_L, 1)
            Their difference.

        Examples
        --------
        >>> float(Network([1, 1]).cost_derivative(0.75, 0.5))
        0.25
        """
        return output_activations - y
