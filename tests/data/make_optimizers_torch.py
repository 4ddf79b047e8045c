"""Write optimizers_torch.json: parameters after 1, 10 and 100 steps of PyTorch's optimizers in float64.

    python tests/data/make_optimizers_torch.py

Every case follows the gradients of `gradient`, a function of the parameters and of the step that needs nothing but
NumPy, so that the test repeats the run without PyTorch.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("optimizers_torch.json")
STEPS = (1, 10, 100)
START = np.array([1.5, -0.7, 0.3, -2.0, 1e-3])

# name of the case: optimizer and arguments of fastbp, optimizer and arguments of PyTorch
CASES = {
    "sgd": ("SGD", {}, "SGD", {"lr": 0.1}),
    "sgd_weight_decay": ("SGD", {"weight_decay": 0.02}, "SGD", {"lr": 0.1, "weight_decay": 0.02}),
    "momentum": ("SGD", {"momentum": 0.9}, "SGD", {"lr": 0.1, "momentum": 0.9}),
    "momentum_weight_decay": ("SGD", {"learning_rate": 0.01, "momentum": 0.5, "weight_decay": 0.1},
                              "SGD", {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.1}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}, "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "nesterov_weight_decay": ("SGD", {"momentum": 0.7, "nesterov": True, "weight_decay": 0.1},
                              "SGD", {"lr": 0.1, "momentum": 0.7, "nesterov": True, "weight_decay": 0.1}),
    "rmsprop": ("RMSProp", {}, "RMSprop", {}),
    "rmsprop_all": ("RMSProp", {"rho": 0.9, "eps": 1e-3, "momentum": 0.8, "weight_decay": 0.1},
                    "RMSprop", {"alpha": 0.9, "eps": 1e-3, "momentum": 0.8, "weight_decay": 0.1}),
    "adagrad": ("Adagrad", {}, "Adagrad", {}),
    "adagrad_all": ("Adagrad", {"learning_rate": 0.5, "eps": 1e-2, "weight_decay": 0.1},
                    "Adagrad", {"lr": 0.5, "eps": 1e-2, "weight_decay": 0.1}),
    "adam": ("Adam", {}, "Adam", {}),
    "adam_all": ("Adam", {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "weight_decay": 0.1},
                 "Adam", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-2, "weight_decay": 0.1}),
    "adamw": ("AdamW", {}, "AdamW", {}),
    "adamw_all": ("AdamW", {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "weight_decay": 0.1},
                  "AdamW", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-2, "weight_decay": 0.1}),
    "adamax": ("Adamax", {}, "Adamax", {}),
    "adamax_all": ("Adamax", {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "weight_decay": 0.1},
                   "Adamax", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-2, "weight_decay": 0.1}),
}


def gradient(w: np.ndarray, step: int) -> np.ndarray:
    """A bowl with a wave on it that moves with the step."""
    k = np.arange(1.0, 6.0)
    return 0.3 * k * w + np.cos(k * w + 0.37 * step)


def rate(base: float, step: int) -> float:
    """The learning rate of the cases run a second time on a schedule."""
    return base / (1.0 + 0.1 * step)


def run_torch(case: str, scheduled: bool) -> list[list[float]]:
    """Parameters of PyTorch's optimizer after each of STEPS."""
    import torch

    name, arguments = CASES[case][2:]
    w = torch.nn.Parameter(torch.tensor(START))
    optimizer = getattr(torch.optim, name)([w], **arguments)
    base = optimizer.param_groups[0]["lr"]
    found = []
    for step in range(max(STEPS)):
        if scheduled:
            optimizer.param_groups[0]["lr"] = rate(base, step)
        w.grad = torch.tensor(gradient(w.detach().numpy(), step))
        optimizer.step()
        if step + 1 in STEPS:
            found.append(w.detach().tolist())
    return found


def main() -> None:
    import torch

    runs = {case: {"fixed": run_torch(case, False), "scheduled": run_torch(case, True)} for case in CASES}
    FILE.write_text(json.dumps({"torch": torch.__version__, "steps": STEPS, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
