"""Backpropagation for fully connected networks on CPUs, compiled by Numba from the index-form equations."""

from fastbp import callbacks, reference, schedules
from fastbp.activations import Activation
from fastbp.base.network import Gradients
from fastbp.configuration import Configuration
from fastbp.exceptions import DivergenceError, FormatError
from fastbp.gradcheck import check_gradients
from fastbp.history import History
from fastbp.lbfgs import fit_lbfgs
from fastbp.losses import Loss
from fastbp.network import Network
from fastbp.optimizers import SGD, Adagrad, Adam, Adamax, AdamW, Lion, RMSProp
from fastbp.precompile import warmup
from fastbp.trainer import Trainer

__version__ = "0.1.0"

config = Configuration(__version__)
show_config = config.show
load = Network.load

__all__ = ["SGD", "Activation", "Adagrad", "Adam", "AdamW", "Adamax", "DivergenceError", "FormatError", "Gradients",
           "History", "Lion", "Loss", "Network", "RMSProp", "Trainer", "callbacks", "check_gradients", "config",
           "fit_lbfgs", "load", "reference", "schedules", "show_config", "warmup"]
