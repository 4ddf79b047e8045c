"""Write networks_torch.json: losses, gradients and outputs of networks in PyTorch, in float64.

    python tests/data/make_networks_torch.py

Parameters and data come from `numbers`, which needs nothing but NumPy, so that the test makes the same ones.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("networks_torch.json")
SIZES, ROWS = [4, 6, 5, 3], 7
HIDDEN = ["identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "softsign",
          "hard_sigmoid", "mish", "exp"]
PAIRS = [("softmax", "cross_entropy"), ("sigmoid", "cross_entropy"), ("identity", "quadratic"), ("tanh", "quadratic"),
         ("softmax", "quadratic"), ("identity", "absolute"), ("identity", "huber"), ("softplus", "poisson"),
         ("identity", "hinge")]
# Each hidden activation with the first pair, each pair with tanh; the names in fastbp's words.
CASES = [*((name, *PAIRS[0]) for name in HIDDEN), *(("tanh", *pair) for pair in PAIRS[1:])]


def numbers(output: str, loss: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Parameters, in the order of fastbp, X, Y and weights of samples."""
    k = np.arange(float(sum((a + 1) * b for a, b in itertools.pairwise(SIZES))))
    X = np.sin(1.0 + 0.7 * np.arange(ROWS * SIZES[0])).reshape(ROWS, -1)
    Y = 0.5 + 0.4 * np.cos(0.3 + 1.1 * np.arange(ROWS * SIZES[-1])).reshape(ROWS, -1)
    if output == "softmax":
        Y /= Y.sum(axis=1, keepdims=True)
    if loss == "hinge":
        Y = np.where(Y > 0.5, 1.0, -1.0)
    return 0.6 * np.sin(2.0 + 1.3 * k), X, Y, 0.5 + np.arange(ROWS) % 3


def activation(name: str, z):
    """PyTorch's function of that name."""
    import torch
    from torch.nn import functional as F  # noqa: N812

    own = {"identity": lambda x: x, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
           "softmax": lambda x: torch.softmax(x, dim=1), "hard_sigmoid": F.hardsigmoid,
           "exp": torch.exp}
    return own.get(name, getattr(F, name, None))(z)


def cost(loss: str, output: str, z, a, y):
    """PyTorch's loss of that name of each output, or of each row; from logits where PyTorch has that."""
    from torch.nn import functional as F  # noqa: N812

    if loss == "cross_entropy":
        if output == "softmax":
            return F.cross_entropy(z, y, reduction="none")[:, None]
        return F.binary_cross_entropy_with_logits(z, y, reduction="none")
    table = {
        "quadratic": lambda: 0.5 * F.mse_loss(a, y, reduction="none"),
        "absolute": lambda: F.l1_loss(a, y, reduction="none"),
        "huber": lambda: F.huber_loss(a, y, reduction="none"),
        "poisson": lambda: F.poisson_nll_loss(a, y, log_input=False, eps=0.0, reduction="none"),
        "hinge": lambda: (1.0 - y * a).clamp(min=0.0),
    }
    return table[loss]()


def run_torch(hidden: str, output: str, loss: str, dtype: str = "float64") -> dict[str, list[float] | float]:
    """Outputs, loss and gradient of one network."""
    import torch

    kind = getattr(torch, dtype)
    flat, X, Y, weight = (torch.tensor(array, dtype=kind) for array in numbers(output, loss))
    flat.requires_grad_(True)
    a, o = X, 0
    for l, (n_in, n_out) in enumerate(itertools.pairwise(SIZES), start=1):
        W, b = flat[o : o + n_in * n_out].reshape(n_out, n_in), flat[o + n_in * n_out : o + (n_in + 1) * n_out]
        o += (n_in + 1) * n_out
        z = torch.nn.functional.linear(a, W, b)
        a = activation(output if l == len(SIZES) - 1 else hidden, z)
    total = (cost(loss, output, z, a, Y).sum(dim=1) * weight).sum() / ROWS
    total.backward()
    return {"outputs": a.detach().ravel().tolist(), "loss": total.item(), "gradient": flat.grad.tolist()}


def main() -> None:
    import torch

    runs = {"-".join(case): run_torch(*case) for case in CASES}
    FILE.write_text(json.dumps({"torch": torch.__version__, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
