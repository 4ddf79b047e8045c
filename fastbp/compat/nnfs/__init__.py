"""Classes of "Neural Networks from Scratch in Python" by H. Kinsley and D. Kukieła, in their last form, with `Model`.

`from fastbp.compat.nnfs import *` stands in the place of the book's classes. Samples are rows. Layers, activations,
losses and optimizers are plain NumPy, for loops of one's own, too. `Model.train` begins with them and goes over to the
kernels where they pay and give the same numbers.
"""

from fastbp.compat.nnfs.accuracies import Accuracy, Accuracy_Categorical, Accuracy_Regression
from fastbp.compat.nnfs.activations import Activation_Linear, Activation_ReLU, Activation_Sigmoid, Activation_Softmax
from fastbp.compat.nnfs.layers import Layer_Dense, Layer_Dropout, Layer_Input
from fastbp.compat.nnfs.losses import (
    Activation_Softmax_Loss_CategoricalCrossentropy,
    Loss,
    Loss_BinaryCrossentropy,
    Loss_CategoricalCrossentropy,
    Loss_MeanAbsoluteError,
    Loss_MeanSquaredError,
)
from fastbp.compat.nnfs.model import Model
from fastbp.compat.nnfs.optimizers import Optimizer_Adagrad, Optimizer_Adam, Optimizer_RMSprop, Optimizer_SGD

__all__ = [
    "Accuracy", "Accuracy_Categorical", "Accuracy_Regression", "Activation_Linear", "Activation_ReLU",
    "Activation_Sigmoid", "Activation_Softmax", "Activation_Softmax_Loss_CategoricalCrossentropy", "Layer_Dense",
    "Layer_Dropout", "Layer_Input", "Loss", "Loss_BinaryCrossentropy", "Loss_CategoricalCrossentropy",
    "Loss_MeanAbsoluteError", "Loss_MeanSquaredError", "Model", "Optimizer_Adagrad", "Optimizer_Adam",
    "Optimizer_RMSprop", "Optimizer_SGD",
]  # fmt: skip
