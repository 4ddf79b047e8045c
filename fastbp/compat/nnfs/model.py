"""Models: lists of layers that are trained, measured, asked and saved."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastbp.compat._core import Array, remember
from fastbp.compat.nnfs._descent import Descent
from fastbp.compat.nnfs.activations import Activation_Softmax
from fastbp.compat.nnfs.layers import Layer_Input
from fastbp.compat.nnfs.losses import Activation_Softmax_Loss_CategoricalCrossentropy, Loss_CategoricalCrossentropy

__all__ = ["Model"]

Path = str | os.PathLike[str]
# What layers compute, and no file needs.
_COMPUTED = ("inputs", "output", "dinputs", "dweights", "dbiases")


@remember
class Model:
    """Network of layer objects with a loss, an optimizer and an accuracy.

    Attributes
    ----------
    layers : list
        Layers and activations in their order.
    trainable_layers : list
        Those with weights.
    loss, optimizer, accuracy : object
        What `set` was given.
    output_layer_activation : object
        The last layer, whose `predictions` are asked for.
    softmax_classifier_output : object or None
        What goes back through softmax and categorical cross-entropy together.

    Examples
    --------
    >>> from fastbp.compat.nnfs import *
    >>> np.random.seed(0)
    >>> X, y = np.random.randn(6, 2), np.array([0, 1, 0, 1, 0, 1])
    >>> model = Model()
    >>> for layer in (Layer_Dense(2, 4), Activation_ReLU(), Layer_Dense(4, 2), Activation_Softmax()):
    ...     model.add(layer)
    >>> model.set(loss=Loss_CategoricalCrossentropy(), optimizer=Optimizer_Adam(), accuracy=Accuracy_Categorical())
    >>> model.finalize()
    >>> model.train(X, y, epochs=1, batch_size=4, validation_data=(X, y))
    epoch: 1
    step: 0, acc: 0.500, loss: 0.693 (data_loss: 0.693, reg_loss: 0.000), lr: 0.001
    step: 1, acc: 0.500, loss: 0.693 (data_loss: 0.693, reg_loss: 0.000), lr: 0.001
    training, acc: 0.500, loss: 0.693 (data_loss: 0.693, reg_loss: 0.000), lr: 0.001
    validation, acc: 0.833, loss: 0.693
    >>> model.evaluate(X, y)
    validation, acc: 0.833, loss: 0.693
    >>> model.predict(X, batch_size=5).shape, model.forward(X, training=False).shape
    ((6, 2), (6, 2))
    >>> model.backward(model.forward(X, training=True), y)
    >>> twin = Model()
    >>> twin.add(Layer_Dense(2, 4)), twin.add(Layer_Dense(4, 2)), twin.finalize()
    (None, None, None)
    >>> twin.set_parameters(model.get_parameters())
    """

    loss: Any = None
    optimizer: Any = None
    accuracy: Any = None

    def __init__(self) -> None:
        self.layers: list[Any] = []
        self.softmax_classifier_output: Any = None

    def add(self, layer: Any) -> None:
        """Append a layer.

        Parameters
        ----------
        layer : object
            Layer or activation.
        """
        self.layers.append(layer)

    def set(self, *, loss: Any = None, optimizer: Any = None, accuracy: Any = None) -> None:
        """Set what is given.

        Parameters
        ----------
        loss, optimizer, accuracy : object, optional
            Objects for training and evaluation.
        """
        for name, value in (("loss", loss), ("optimizer", optimizer), ("accuracy", accuracy)):
            if value is not None:
                setattr(self, name, value)

    def finalize(self) -> None:
        """Connect the layers, when all are added: each gets `prev` and `next`."""
        self.input_layer = Layer_Input()
        chain = [self.input_layer, *self.layers, self.loss]
        for before, layer, after in zip(chain, self.layers, chain[2:], strict=False):
            layer.prev, layer.next = before, after
        self.trainable_layers = [layer for layer in self.layers if hasattr(layer, "weights")]
        if self.layers:
            self.output_layer_activation = self.layers[-1]
        if self.loss is not None:
            self.loss.remember_trainable_layers(self.trainable_layers)
            if isinstance(self.layers[-1], Activation_Softmax) and isinstance(self.loss, Loss_CategoricalCrossentropy):
                self.softmax_classifier_output = Activation_Softmax_Loss_CategoricalCrossentropy()

    def train(
        self, X: Array, y: Array, *, epochs: int = 1, batch_size: int | None = None, print_every: int = 1,
        validation_data: tuple[Array, Array] | None = None,
    ) -> None:
        """Train on batches of neighbours, and print what is measured.

        Parameters
        ----------
        X, y : ndarray (m, n_0), and targets
            Samples. The user's program shuffles them.
        epochs : int
            Number of times to go through them.
        batch_size : int, optional
            Samples of a batch; the last one has what remains. None takes all at once.
        print_every : int
            A line is printed every so many steps, and for the last one.
        validation_data : (X, y), optional
            Samples to evaluate after each epoch.
        """
        self.accuracy.init(y)
        steps = 1 if batch_size is None else -(-len(X) // batch_size)
        with Descent(self, Model, X, y, batch_size, epochs * steps) as descent:
            for epoch in range(1, epochs + 1):
                _show(f"epoch: {epoch}")
                self.loss.new_pass()
                self.accuracy.new_pass()
                for step in range(steps):
                    measured = descent.step(step)
                    if not step % print_every or step == steps - 1:
                        self._report(f"step: {step}", *measured)
                descent.settle(validation_data is not None)
                losses = self.loss.calculate_accumulated(include_regularization=True)
                self._report("training", self.accuracy.calculate_accumulated(), *losses)
                if validation_data is not None:
                    self.evaluate(*validation_data, batch_size=batch_size)

    def _report(self, what: str, accuracy: Any, data_loss: Any, regularization_loss: Any) -> None:
        _show(
            f"{what}, acc: {accuracy:.3f}, loss: {data_loss + regularization_loss:.3f} (data_loss: {data_loss:.3f}, "
            f"reg_loss: {regularization_loss:.3f}), lr: {self.optimizer.current_learning_rate}"
        )

    def evaluate(self, X_val: Array, y_val: Array, *, batch_size: int | None = None) -> None:
        """Print accuracy and loss of samples.

        Parameters
        ----------
        X_val, y_val : ndarray
            Samples and targets.
        batch_size : int, optional
            Samples that are taken together.
        """
        self.loss.new_pass()
        self.accuracy.new_pass()
        for part in _parts(X_val, batch_size):
            output = self.forward(X_val[part], training=False)
            self.loss.calculate(output, y_val[part])
            self.accuracy.calculate(self.output_layer_activation.predictions(output), y_val[part])
        accuracy, loss = self.accuracy.calculate_accumulated(), self.loss.calculate_accumulated()
        _show(f"validation, acc: {accuracy:.3f}, loss: {loss:.3f}")

    def predict(self, X: Array, *, batch_size: int | None = None) -> Array:
        """Return the outputs of samples.

        Parameters
        ----------
        X : ndarray (m, n_0)
            Samples.
        batch_size : int, optional
            Samples that are taken together.

        Returns
        -------
        ndarray (m, n_L)
            Outputs.
        """
        return np.vstack([self.forward(X[part], training=False) for part in _parts(X, batch_size)])

    def forward(self, X: Array, training: bool) -> Any:
        """Compute all layers' outputs.

        Parameters
        ----------
        X : ndarray (m, n_0)
            Samples.
        training : bool
            Whether layers drop inputs.

        Returns
        -------
        ndarray (m, n_L)
            The last layer's output.
        """
        self.input_layer.forward(X, training)
        for layer in self.layers:
            layer.forward(layer.prev.output, training)
        return self.layers[-1].output

    def backward(self, output: Array, y: Array) -> None:
        """Compute all layers' derivatives.

        Parameters
        ----------
        output, y : ndarray
            Outputs of `forward`, and targets.
        """
        if self.softmax_classifier_output is None:
            self.loss.backward(output, y)
            layers = self.layers
        else:
            self.softmax_classifier_output.backward(output, y)
            self.layers[-1].dinputs = self.softmax_classifier_output.dinputs
            layers = self.layers[:-1]
        for layer in reversed(layers):
            layer.backward(layer.next.dinputs)

    # ------------------------------------------------------------------ parameters and files
    def get_parameters(self) -> list[tuple[Array, Array]]:
        """Return weights and biases of all trainable layers.

        Returns
        -------
        list of (ndarray, ndarray)
            The layers' own arrays.
        """
        return [layer.get_parameters() for layer in self.trainable_layers]

    def set_parameters(self, parameters: Any) -> None:
        """Give all trainable layers weights and biases.

        Parameters
        ----------
        parameters : sequence of (ndarray, ndarray)
            Arrays, which are not copied.
        """
        for pair, layer in zip(parameters, self.trainable_layers, strict=False):
            layer.set_parameters(*pair)

    def save_parameters(self, path: Path) -> None:
        """Write the parameters as a pickle: a list of pairs of arrays, as the book's.

        Parameters
        ----------
        path : path-like
            File to write.

        Examples
        --------
        >>> import tempfile
        >>> model = Model()
        >>> model.finalize()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save_parameters(folder + "/model.parms")
        ...     model.load_parameters(folder + "/model.parms")
        """
        with open(path, "wb") as file:
            pickle.dump(self.get_parameters(), file)

    def load_parameters(self, path: Path) -> None:
        """Read what `save_parameters` wrote: a pickle, which can run any code, so only a file of your own.

        Parameters
        ----------
        path : path-like
            File to read.

        Examples
        --------
        >>> import tempfile
        >>> model = Model()
        >>> model.finalize()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save_parameters(folder + "/model.parms")
        ...     model.load_parameters(folder + "/model.parms")
        """
        with open(path, "rb") as file:
            self.set_parameters(pickle.load(file))

    def save(self, path: Path) -> None:
        """Write the model as a pickle of these classes, without what its layers computed last.

        Parameters
        ----------
        path : path-like
            File to write.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Model().save(folder + "/some.model")
        ...     Model.load(folder + "/some.model").layers
        []
        """
        model = copy.deepcopy(self)
        for each in (model.loss, model.accuracy):
            if each is not None:
                each.new_pass()
        for each in (getattr(model, "input_layer", None), model.loss, *model.layers):
            for name in _COMPUTED:
                vars(each).pop(name, None) if each is not None else None
        with open(path, "wb") as file:
            pickle.dump(model, file)

    @staticmethod
    def load(path: Path) -> Any:
        """Read what `save` wrote: a pickle, which can run any code, so only a file of your own.

        Parameters
        ----------
        path : path-like
            File to read.

        Returns
        -------
        Model
            The model.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Model().save(folder + "/some.model")
        ...     model = Model.load(folder + "/some.model")
        >>> type(model).__name__
        'Model'
        """
        with open(path, "rb") as file:
            return pickle.load(file)


def _parts(X: Array, batch_size: int | None) -> Iterator[slice]:
    """The batches of some samples."""
    size = len(X) if batch_size is None else batch_size
    for start in range(0, len(X), max(1, size)) if len(X) else (0,):
        yield slice(start, start + size)


def _show(line: str) -> None:
    print(line)  # noqa: T201 - as the book's model does
