"""What a network computes: its public methods; the arithmetic is left to its subclasses.

Symbols: layers l = 1..L, sizes n_0..n_L; z_i = Σ_j w_ij a_j + b_i; a_i = σ(z_i); C the cost, a mean over the m samples;
δ_i = ∂C/∂z_i; ∂C/∂w_ij = Σ_s δ_si a_sj; ∂C/∂b_i = Σ_s δ_si.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp import canonical
from fastbp.base.network_state import NetworkState
from fastbp.base.parameters import layer_views
from fastbp.canonical import FloatArray
from fastbp.targets import Targets, name_one_class, targets

__all__ = ["BaseNetwork", "Canonical", "Gradients", "Targets"]

Canonical = tuple[FloatArray, Targets, FloatArray | None]


@dataclass(frozen=True)
class Gradients:
    """Derivatives ∂C/∂w_ij and ∂C/∂b_i, layer by layer in the shapes of the parameters.

    Parameters
    ----------
    weights, biases : list of ndarray
        Derivatives (n_l, n_{l-1}) and (n_l,) of layers l = 1..L: views into `flat`.
    flat : ndarray
        All derivatives in the order of the network's `parameters`.

    Examples
    --------
    >>> from fastbp.reference import Network
    >>> gradients = Network([2, 3, 2], rng=0).backprop([[0.0, 1.0]], [1])
    >>> isinstance(gradients, Gradients), gradients.biases[0].shape, gradients.flat.shape
    (True, (3,), (17,))
    """

    weights: list[FloatArray]
    biases: list[FloatArray]
    flat: FloatArray = field(repr=False)


class BaseNetwork(NetworkState):
    """A fully connected network; `fastbp.Network` and `fastbp.reference.Network` have the arithmetic."""

    # Whether samples are the columns of what is passed.
    columns = False
    # Whether `_forward` itself finds inputs that are not finite.
    _probes_inputs = False

    def forward(self, X: ArrayLike) -> FloatArray:
        """Compute the outputs a^L of each sample.

        Parameters
        ----------
        X : array_like (n_samples, n_0)
            Inputs, one sample per row.

        Returns
        -------
        ndarray (n_samples, n_L)
            Outputs in a new array of the network's dtype.

        Raises
        ------
        TypeError
            If `X` is no array of real numbers.
        ValueError
            If `X` has another shape or a value that is not finite. The message names the place.

        Examples
        --------
        >>> from fastbp.reference import Network
        >>> net = Network([2, 1], output="sigmoid", init="zeros")
        >>> net.forward([[0.0, 1.0], [1.0, 1.0]])
        array([[0.5],
               [0.5]], dtype=float32)
        """
        return self._forward(canonical.samples(X, self.sizes[0], self.dtype, probed=self._probes_inputs))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict labels if the network classifies, else the outputs a^L.

        The label is the number of the largest output. A lone output means label 1 if it is above `threshold`, else 0.
        Of a network with several labels a sample (`multilabel`) each output means 1 or 0 in this way.

        Parameters
        ----------
        X : array_like (n_samples, n_0)
            Inputs, one sample per row.

        Returns
        -------
        ndarray of int (n_samples,) or (n_samples, n_L), or of float (n_samples, n_L)
            Labels, rows of 0 and 1 for several labels a sample, or outputs as from `forward`.

        Raises
        ------
        TypeError
            If `X` is no array of real numbers.
        ValueError
            If `X` has another shape or a value that is not finite. The message names the place.

        Examples
        --------
        >>> from fastbp.reference import Network
        >>> net = Network([2, 2], init="zeros")
        >>> net.weights[0][:] = np.eye(2)
        >>> net.predict([[0.0, 1.0], [3.0, 1.0]])
        array([1, 0])
        """
        a = self.forward(X)
        return self.decide(a) if self.classifies else a

    def loss(self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the mean cost of the samples, C = 1/m Σ_s v_s C_s.

        Parameters
        ----------
        X : array_like (n_samples, n_0)
            Inputs, one sample per row.
        Y : array_like (n_samples, n_L) or ints (n_samples,)
            Targets, or labels 0..n_L-1 if the loss takes labels. A lone output takes the labels 0 and 1.
        sample_weight : array_like (n_samples,), optional
            Weights v_s >= 0. The default is 1.

        Returns
        -------
        float
            Cost C, summed in float64.

        Raises
        ------
        TypeError
            If an argument is no array of real numbers.
        ValueError
            If an argument has another shape, or a value that is not finite or out of range. The message names
            the place.

        Notes
        -----
        The divisor is m also if there are weights, as in Keras. PyTorch's ``CrossEntropyLoss`` divides by the sum of
        its class weights. The cost C_s is a sum over the outputs. PyTorch's ``MSELoss`` and that of Keras take the
        mean.

        Examples
        --------
        >>> from fastbp.reference import Network
        >>> net = Network([1, 1], output="identity", loss="quadratic", init="zeros")
        >>> net.loss([[0.0], [1.0]], [[1.0], [3.0]])
        2.5
        """
        return self._evaluate(*self.canonical(X, Y, sample_weight))[0]

    def backprop(self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None) -> Gradients:
        """Compute the gradient ∂C/∂w_ij and ∂C/∂b_i of the mean cost C. The parameters stay as they are.

        Parameters
        ----------
        X : array_like (n_samples, n_0)
            Inputs, one sample per row.
        Y : array_like (n_samples, n_L) or ints (n_samples,)
            Targets, or labels 0..n_L-1 if the loss takes labels. A lone output takes the labels 0 and 1.
        sample_weight : array_like (n_samples,), optional
            Weights v_s >= 0. The default is 1.

        Returns
        -------
        Gradients
            Derivatives in new arrays with the shapes of the parameters.

        Raises
        ------
        TypeError
            If an argument is no array of real numbers.
        ValueError
            If an argument has another shape, or a value that is not finite or out of range. The message names
            the place.

        See Also
        --------
        fastbp.check_gradients : Compare the gradient with finite differences.

        Examples
        --------
        >>> from fastbp.reference import Network
        >>> net = Network([1, 1], output="identity", loss="quadratic", init="zeros")
        >>> gradients = net.backprop([[0.0], [1.0]], [[1.0], [3.0]])
        >>> gradients.weights[0], gradients.biases[0]
        (array([[-1.5]], dtype=float32), array([-2.], dtype=float32))
        """
        _, flat = self._backprop(*self.canonical(X, Y, sample_weight))
        weights, biases = layer_views(flat, self.sizes)
        return Gradients(list(weights), list(biases), flat)

    def canonical(
        self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None, *,
        names: Sequence[str] = ("X", "Y", "sample_weight"), probed: bool = False,
    ) -> Canonical:
        """Return X, Y and weights in the form that the arithmetic takes.

        Rows of targets that do not name one class each make the network one of several labels a sample (`multilabel`).

        Parameters
        ----------
        X : array_like (n_samples, n_0)
            Inputs, one sample per row.
        Y : array_like (n_samples, n_L) or ints (n_samples,)
            Targets, or labels 0..n_L-1 if the loss takes labels. A lone output takes the labels 0 and 1.
        sample_weight : array_like (n_samples,), optional
            Weights v_s >= 0. The default is 1.
        names : sequence of str
            Names of X, Y and the weights in messages.
        probed : bool
            Whether the numbers of X are known to be finite, so that an X that needs no conversion is not read.

        Returns
        -------
        X : ndarray (n_samples, n_0)
            Inputs in the network's dtype, each sample contiguous.
        Y : ndarray (n_samples, n_L) or ints (n_samples,)
            Targets in the network's dtype, or labels as int64.
        sample_weight : ndarray (n_samples,) or None
            Weights in the network's dtype.

        Raises
        ------
        TypeError
            If an argument is no array of real numbers.
        ValueError
            If an argument has another shape, or a value that is not finite or out of range. The message names
            the place.

        Examples
        --------
        >>> from fastbp.reference import Network
        >>> X, Y, weight = Network([1, 2], rng=0).canonical([[1], [2]], [0, 1])
        >>> X.dtype, Y.dtype, weight
        (dtype('float32'), dtype('int64'), None)
        """
        X = canonical.samples(X, self.sizes[0], self.dtype, names[0], probed=probed)
        Y = self._canonical_targets(Y, X.shape[0], names[1])
        if sample_weight is not None:
            sample_weight = canonical.sample_weights(sample_weight, X.shape[0], self.dtype, names[2])
        return X, Y, sample_weight

    def _canonical_targets(self, Y: ArrayLike, n_samples: int, name: str) -> Targets:
        shape, loss = (n_samples, self.sizes[-1]), self.loss_function
        Y = targets(Y, shape, self.n_classes, self.dtype, name, loss=loss, shares=self.takes_shares)
        if Y.ndim == 2 and self._may_be_multilabel and not self._multilabel:
            self._multilabel = not name_one_class(Y, nonnegative=loss.targets.low >= 0.0)
        return Y

    def decide(self, a: FloatArray) -> NDArray[np.int64]:
        """Return the label that each row of outputs means, or the labels.

        Parameters
        ----------
        a : ndarray (n_samples, n_L)
            Outputs, as from `forward`.

        Returns
        -------
        ndarray of int (n_samples,)
            Labels. Rows (n_samples, n_L) of 0 and 1 where a sample may have several (`multilabel`).

        Examples
        --------
        >>> from fastbp.reference import Network
        >>> Network([1, 2], rng=0).decide(np.array([[0.2, 0.8], [0.6, 0.4]]))
        array([1, 0])
        """
        if not self.decides_separately:
            largest: NDArray[np.int64] = a.argmax(axis=1)
            return largest
        above: NDArray[np.int64] = (a > self.threshold).astype(np.int64)
        return above if self.multilabel else above[:, 0]

    def count_correct(self, a: FloatArray, Y: Targets) -> int:
        """Count the samples whose outputs mean the label of their targets, or all of their labels.

        Parameters
        ----------
        a : ndarray (n_samples, n_L)
            Outputs, as from `forward`.
        Y : ndarray (n_samples, n_L) or ints (n_samples,)
            Targets or labels, as from `canonical`.

        Returns
        -------
        int
            Number of correct samples.

        Examples
        --------
        >>> from fastbp.reference import Network
        >>> Network([1, 2], rng=0).count_correct(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 1]))
        1
        """
        equal = self.decide(a) == self.labels_of(Y)
        return int(np.count_nonzero(equal.all(axis=1) if self.multilabel else equal))

    def labels_of(self, Y: Targets) -> NDArray[np.int64]:
        """Return the label of each row of targets, or the labels.

        Parameters
        ----------
        Y : ndarray (n_samples, n_L) or ints (n_samples,)
            Targets or labels, as from `canonical`.

        Returns
        -------
        ndarray of int (n_samples,)
            Labels. Rows (n_samples, n_L) of 0 and 1 where a sample may have several (`multilabel`).

        Examples
        --------
        >>> from fastbp.reference import Network
        >>> Network([1, 2], rng=0).labels_of(np.array([[0.0, 1.0], [1.0, 0.0]]))
        array([1, 0])
        """
        if self.multilabel:
            rows = np.eye(self.sizes[-1], dtype=np.float64)[Y] if Y.ndim == 1 else Y
            return (rows > 0.5).astype(np.int64)
        if Y.ndim == 1:
            return Y  # type: ignore[return-value]
        labels: NDArray[np.int64] = (Y[:, 0] > 0.5).astype(np.int64) if self.is_binary else Y.argmax(axis=1)
        return labels

    @abstractmethod
    def _forward(self, X: FloatArray) -> FloatArray:
        """Return a^L (m, n_L), a new array."""

    @abstractmethod
    def _evaluate(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, int]:
        """Return C, summed in float64, and the number of correct labels (0 where the network does not classify)."""

    @abstractmethod
    def _backprop(self, X: FloatArray, Y: Targets, weight: FloatArray | None) -> tuple[float, FloatArray]:
        """Return C and its gradient in the order of `parameters`."""
