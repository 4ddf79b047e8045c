"""Regularization and clipping: penalties, dropout, limits of norms, smoothed labels.

A rule that changes each component of the gradient by itself is a row of `GRADIENT_RULES`, a formula that is compiled as
those of `fastbp.update_rules`. The others need more than one number and are parts of the kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fastbp.checks import check_count, check_number, keep
from fastbp.conversion import FloatArray

__all__ = ["GRADIENT_RULES", "GradientRule", "Regularization"]

# Rules whose numbers multiply a penalty of the weights, and those whose numbers are shares, below 1.
PENALTIES = ("l2", "l1")
_SHARES = ("dropout", "label_smoothing")


# ------------------------------------------------------------------ rules of one number of the gradient
@dataclass(frozen=True)
class GradientRule:
    """Rule of one component of the gradient, g ← formula(g, w, c).

    Parameters
    ----------
    formula : callable
        Formula of the component g, its parameter w and the number c that the trainer was given by the rule's name. What
        it may use is said in `fastbp.activations`.
    biases : bool
        Whether the rule also holds for biases.

    See Also
    --------
    GRADIENT_RULES : The rules that there are.

    Examples
    --------
    >>> float(GRADIENT_RULES["clip_value"].formula(3.0, 0.5, 1.0))
    1.0
    """

    formula: Callable[[Any, Any, Any], Any]
    biases: bool = False


def l2_penalty(g: Any, w: Any, c: Any) -> Any:
    """g + λ₂ w, the gradient of λ₂/2 w²."""
    return g + c * w


def l1_penalty(g: Any, w: Any, c: Any) -> Any:
    """g + λ₁ sign(w), the gradient of λ₁ |w|."""
    return g + c * np.sign(w)


def clip(g: Any, w: Any, c: Any) -> Any:  # noqa: ARG001
    """g between −c and c."""
    return np.minimum(np.maximum(g, -c), c)


#: Rules by the name of the trainer's argument, in the order in which they are applied.
GRADIENT_RULES: dict[str, GradientRule] = {
    "l2": GradientRule(l2_penalty),
    "l1": GradientRule(l1_penalty),
    "clip_value": GradientRule(clip, biases=True),
}


# ------------------------------------------------------------------ all of a trainer's
@dataclass(frozen=True)
class Regularization:
    """Regularization and clipping of a trainer. The defaults do nothing.

    An update takes the gradient g of the data loss, applies `GRADIENT_RULES` (penalties, then clipping by value), clips
    by norm, lets the optimizer follow, and limits the norms of the weights.

    Parameters
    ----------
    l1, l2 : float
        Penalties l1 Σ|w_ij| + l2/2 Σ w_ij² of all weights, 0 or more [1]_, [2]_. Biases have none. The penalties do not
        depend on the size of a minibatch.
    dropout : float
        Probability in [0, 1) that a hidden neuron is dropped for one sample of one update [3]_. The others are scaled
        by 1 / (1 − dropout).
    max_norm : float, optional
        Upper limit of ‖w_i‖, the norm of the incoming weights of each neuron, after each update [3]_.
    clip_value : float, optional
        Upper limit of the absolute value of each component of the gradient [4]_.
    clip_norm : float, optional
        Upper limit of the norm of the gradient of all weights and biases together [5]_.
    label_smoothing : float
        Share e in [0, 1) of the targets (1 − e) y + e / n_L, on a lone output (1 − e) y + e / 2 [6]_.
    dropout_seed : int
        Seed of the random numbers that choose the dropped neurons, 0..2³² − 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    Keras's ``L2`` penalty has no factor ½: its l2 is half of that here. PyTorch's ``weight_decay`` with SGD is l2 here,
    but biases are penalised, too. Keras's ``clipnorm`` limits the norm of each variable by itself. Its
    ``global_clipnorm`` and PyTorch's ``clip_grad_norm_`` limit that of all, as here.

    References
    ----------
    .. [1] R. Tibshirani, "Regression shrinkage and selection via the lasso", Journal of the Royal Statistical Society B
       58, 1996. doi:10.1111/j.2517-6161.1996.tb02080.x
    .. [2] A. Krogh and J. A. Hertz, "A simple weight decay can improve generalization", NIPS 4, 1991.
    .. [3] N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Dropout: a simple way to prevent
       neural networks from overfitting", Journal of Machine Learning Research 15, 2014.
    .. [4] T. Mikolov, "Statistical language models based on neural networks", PhD thesis, Brno University of
       Technology, 2012.
    .. [5] R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML, 2013.
       arXiv:1211.5063
    .. [6] C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the Inception architecture for
       computer vision", CVPR, 2016. arXiv:1512.00567

    Examples
    --------
    >>> Regularization(l2=1e-4, dropout=0.5)
    Regularization(l2=0.0001, dropout=0.5)
    """

    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0
    max_norm: float | None = None
    clip_value: float | None = None
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    dropout_seed: int = 0

    def __post_init__(self) -> None:
        check_count("dropout_seed", self.dropout_seed, 0, 2**32 - 1)
        for name, default in self._rules().items():
            value, is_limit = getattr(self, name), default is None
            if not (is_limit and value is None):
                high = 1.0 if name in _SHARES else math.inf
                number = check_number(name, value, 0.0, high, open_low=is_limit, open_high=not is_limit)
                keep(self, **{name: number})

    def _rules(self) -> dict[str, Any]:
        """What each rule is where it does nothing: 0, or None of an upper limit."""
        return {field.name: field.default for field in fields(self) if field.name != "dropout_seed"}

    @property
    def active(self) -> dict[str, float]:
        """The rules that do something, by name."""
        return {name: getattr(self, name) for name, default in self._rules().items() if getattr(self, name) != default}

    def gradient_rules(self, *, biases: bool) -> dict[str, float]:
        """Return the active rows of `GRADIENT_RULES` with their numbers.

        Parameters
        ----------
        biases : bool
            Whether the rules for biases are asked for, or those for weights.

        Returns
        -------
        dict of str to float
            The number c of each active rule, in the order of application.

        Examples
        --------
        >>> Regularization(l2=1e-4, clip_value=1.0).gradient_rules(biases=True)
        {'clip_value': 1.0}
        """
        active = self.active
        rows = GRADIENT_RULES.items()
        return {name: active[name] for name, rule in rows if name in active and (rule.biases or not biases)}

    def penalty(self, weights: Sequence[FloatArray]) -> float:
        """Return λ₁ Σ |w_ij| + λ₂/2 Σ w_ij².

        Parameters
        ----------
        weights : sequence of ndarray
            Weights of all layers.

        Returns
        -------
        float
            Penalty, summed in float64.

        Examples
        --------
        >>> Regularization(l1=1.0, l2=0.5).penalty([np.array([[1.0, -2.0]])])
        4.25
        """
        absolute = sum(float(np.sum(np.abs(W), dtype=np.float64)) for W in weights)
        square = sum(float(np.sum(W * W, dtype=np.float64)) for W in weights)
        return self.l1 * absolute + 0.5 * self.l2 * square

    def __repr__(self) -> str:
        return f"Regularization({', '.join(f'{name}={value!r}' for name, value in self.active.items())})"
