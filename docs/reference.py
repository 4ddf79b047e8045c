"""The pages of the reference: which names stand on which page. Their text is that of the docstrings."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, NamedTuple


class Page(NamedTuple):
    """A page: its title, its first words, the modules whose own text it begins with, and dotted names in order."""

    title: str
    text: str
    modules: tuple[str, ...]
    names: tuple[str, ...]


def _of(module: str, names: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names.split())


PAGES = {
    "network": Page("Network", "", (), ("fastbp.Network", "fastbp.load", "fastbp.Gradients")),
    "trainer": Page("Trainer", "", (), ("fastbp.Trainer", "fastbp.History")),
    "activations": Page(
        "Activations", "", ("fastbp.activations",),
        ("fastbp.Activation", *_of("fastbp.activations", "get_activation softmax")),
    ),
    "losses": Page(
        "Losses", "", ("fastbp.losses",), ("fastbp.Loss", *_of("fastbp.losses", "get_loss Domain LogitsForm"))
    ),
    "optimizers": Page(
        "Optimizers", "", ("fastbp.optimizers",),
        (
            *_of("fastbp", "SGD RMSProp Adagrad Adam AdamW Adamax Lion fit_lbfgs"),
            *_of("fastbp.optimizers", "Optimizer get_optimizer how_to_change"),
            *_of("fastbp.lbfgs", "LBFGSHistory Objective minimize"),
        ),
    ),
    "schedules": Page(
        "Schedules", "", ("fastbp.schedules",),
        _of(
            "fastbp.schedules",
            "Constant StepDecay ExponentialDecay CosineDecay OneCycle InverseScaling WarmUp ReduceOnPlateau "
            "epoch_schedules",
        ),
    ),
    "initializers": Page("Initializers", "", ("fastbp.initializers",), ("fastbp.initializers.initialize",)),
    "regularization": Page(
        "Regularization", "", ("fastbp.regularization",), _of("fastbp.regularization", "Regularization GradientRule")
    ),
    "metrics": Page(
        "Metrics", "", ("fastbp.metrics",),
        _of("fastbp.metrics", "mae r2 top_k NamedMetric named_metrics better_if"),
    ),
    "callbacks": Page(
        "Callbacks", "", ("fastbp.callbacks",),
        _of("fastbp.callbacks", "EarlyStopping ModelCheckpoint CSVLogger LambdaCallback TerminateOnNaN Callback"),
    ),
    "estimators": Page(
        "Estimators of scikit-learn", "", ("fastbp.estimators",), _of("fastbp.estimators", "MLPClassifier MLPRegressor")
    ),
    "bind": Page(
        "Networks on your own arrays", "", ("fastbp.bound", "fastbp.finding"),
        ("fastbp.bind", "fastbp.find_binding", "fastbp.bound.BoundNetwork", "fastbp.finding.Binding"),
    ),
    "io": Page(
        "Other libraries and files", "The functions are names of `fastbp.io`.", ("fastbp.exchange", "fastbp.files"),
        (
            *_of("fastbp.exchange", "from_torch to_torch from_sklearn to_sklearn from_keras to_keras"),
            *_of("fastbp.files", "from_onnx to_onnx from_safetensors to_safetensors from_npz to_npz"),
        ),
    ),
    "gradcheck": Page(
        "Check of gradients", "", ("fastbp.gradcheck",), ("fastbp.check_gradients", "fastbp.gradcheck.GradientReport")
    ),
    "kernels": Page(
        "Kernels on plain arrays", "", ("fastbp.kernels", "fastbp.kernels.loops", "fastbp.kernels.arrays"),
        (
            *_of("fastbp.kernels.loops", "forward backward gradient"),
            *_of("fastbp.kernels.arrays", "forward backward gradient forward_arrays backward_arrays gradient_arrays"),
        ),
    ),
    "reference": Page(
        "The twin in NumPy", "", ("fastbp.reference",), _of("fastbp.reference", "Network Trainer")
    ),
    "compat": Page(
        "Well-known NumPy code", "",
        (),
        (
            *_of("fastbp.compat.network", "Network sigmoid sigmoid_prime"),
            *_of("fastbp.compat.network2", "Network CrossEntropyCost QuadraticCost load vectorized_result"),
            "fastbp.compat.my_answers.NeuralNetwork",
            "fastbp.compat.neuralnetwork.neuralNetwork",
        ),
    ),
    "layer_objects": Page(
        "Layer objects", "One core under the names of three widespread makes.", (),
        (
            *_of("fastbp.compat.aflak.activation_layer", "ActivationLayer"),
            *_of("fastbp.compat.aflak.activations", "tanh tanh_prime"),
            *_of("fastbp.compat.aflak.fc_layer", "FCLayer"),
            *_of("fastbp.compat.aflak.layer", "Layer"),
            *_of("fastbp.compat.aflak.losses", "mse mse_prime"),
            *_of("fastbp.compat.aflak.network", "Network"),
            *_of("fastbp.compat.independent.activation", "Activation"),
            *_of("fastbp.compat.independent.activations", "Sigmoid Softmax Tanh"),
            *_of("fastbp.compat.independent.dense", "Dense"),
            *_of("fastbp.compat.independent.layer", "Layer"),
            *_of(
                "fastbp.compat.independent.losses",
                "binary_cross_entropy binary_cross_entropy_prime mse mse_prime",
            ),
            *_of("fastbp.compat.independent.network", "predict train"),
            *_of("fastbp.compat.joelnet.data", "Batch BatchIterator DataIterator"),
            *_of("fastbp.compat.joelnet.layers", "Activation Layer Linear Tanh tanh tanh_prime"),
            *_of("fastbp.compat.joelnet.loss", "Loss MSE"),
            *_of("fastbp.compat.joelnet.nn", "NeuralNet"),
            *_of("fastbp.compat.joelnet.optim", "Optimizer SGD"),
            *_of("fastbp.compat.joelnet.train", "train"),
        ),
    ),
    "nnfs": Page(
        "Neural Networks from Scratch", "", (),
        (
            *_of("fastbp.compat.nnfs.model", "Model"),
            *_of("fastbp.compat.nnfs.layers", "Layer_Dense Layer_Dropout Layer_Input"),
            *_of(
                "fastbp.compat.nnfs.activations",
                "Activation_Linear Activation_ReLU Activation_Sigmoid Activation_Softmax",
            ),
            *_of(
                "fastbp.compat.nnfs.losses",
                "Activation_Softmax_Loss_CategoricalCrossentropy Loss Loss_BinaryCrossentropy "
                "Loss_CategoricalCrossentropy Loss_MeanAbsoluteError Loss_MeanSquaredError",
            ),
            *_of(
                "fastbp.compat.nnfs.optimizers", "Optimizer_Adagrad Optimizer_Adam Optimizer_RMSprop Optimizer_SGD"
            ),
            *_of("fastbp.compat.nnfs.accuracies", "Accuracy Accuracy_Categorical Accuracy_Regression"),
        ),
    ),
    "columns": Page(
        "Functions on columns", "", (),
        (
            *_of(
                "fastbp.compat.dnn_app_utils",
                "L_layer_model L_model_backward L_model_forward compute_cost initialize_parameters "
                "initialize_parameters_deep linear_activation_backward linear_activation_forward linear_backward "
                "linear_forward load_data predict print_mislabeled_images relu relu_backward sigmoid sigmoid_backward "
                "two_layer_model update_parameters",
            ),
            *_of(
                "fastbp.compat.planar_utils",
                "backward_propagation compute_cost forward_propagation initialize_parameters layer_sizes "
                "load_extra_datasets load_planar_dataset nn_model plot_decision_boundary predict sigmoid "
                "update_parameters",
            ),
        ),
    ),
    "configuration": Page(
        "Machine, threads and cache", "", ("fastbp.configuration", "fastbp.precompile"),
        ("fastbp.configuration.Configuration", "fastbp.show_config", "fastbp.warmup"),
    ),
    "errors": Page("Errors", "", ("fastbp.exceptions",), _of("fastbp", "DivergenceError FormatError")),
    "extending": Page(
        "For those who extend fastbp",
        "What callbacks, tables and files share. Users of networks and trainers need none of it.",
        ("fastbp.events", "fastbp.best", "fastbp.paths"),
        (
            *_of("fastbp.events", "methods call_each checked ends_training states_of load_states"),
            "fastbp.history.table",
            "fastbp.optimizers.check_rule",
            *_of("fastbp.best", "Best are_finite"),
            *_of("fastbp.paths", "PathTemplate check_ending check_path reading_hint"),
        ),
    ),
}  # fmt: skip


# Classes of others whose methods are not told again, and methods that scikit-learn adds to its estimators.
FOREIGN = "Exception, Mapping, BaseEstimator, ClassifierMixin, RegressorMixin, _MetadataRequester"
ADDED = "set_fit_request, set_partial_fit_request, set_score_request, get_metadata_routing"


def listed() -> set[str]:
    """All names of all pages."""
    return {name for page in PAGES.values() for name in page.names}


def named(path: str) -> Any:
    """What a dotted name stands for."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def pages() -> dict[str, str]:
    """File -> text of each page, and of the page that lists them."""
    found = {f"reference/{key}.rst": _page(page) for key, page in PAGES.items()}
    head = _title("Reference", "#") + "Every public name, from its docstring.\n\n.. toctree::\n   :maxdepth: 1\n\n"
    found["reference/index.rst"] = head + "".join(f"   {key}\n" for key in PAGES)
    return found


def _page(page: Page) -> str:
    parts = [_title(page.title, "#")]
    if page.text:
        parts.append(page.text.replace("`", "``") + "\n")
    parts += [f".. automodule:: {module}\n   :no-index:\n" for module in page.modules]
    for name in page.names:
        parts.append(_title(name, "-") + _entry(name))
    return "\n".join(parts)


def _entry(name: str) -> str:
    if inspect.isclass(named(name)):
        return f".. autoclass:: {name}\n   :members:\n   :inherited-members: {FOREIGN}\n   :exclude-members: {ADDED}\n"
    return f".. autofunction:: {name}\n"


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n\n"
