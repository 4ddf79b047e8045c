"""Optimizers: hyper-parameters and the numbers h of a step, one row each in `OPTIMIZERS`.

The formulas are in `fastbp.update_rules`, and the classes with running means of the gradient in `fastbp.moments`.

=========  =============================================  ================
name       rule                                           keeps for each w
=========  =============================================  ================
sgd        w − η g                                        nothing
momentum   `SGD` with momentum 0.9                        μ
nesterov   the same in Nesterov's form                    μ
rmsprop    g over the root of its mean square             ν
adagrad    g over the root of the sum of its squares      ν
adam       mean of g over the root of its mean square     μ, ν
adamw      Adam with the decay apart from the gradient    μ, ν
adamax     mean of g over the running maximum of |g|      μ, ν
lion       sign of a mean of g                            μ
=========  =============================================  ================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, FrozenInstanceError, dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np

from fastbp import update_rules as rules
from fastbp.checks import check_count, check_number, check_truth, choose, keep, shortened, shown
from fastbp.moments import Adam, Adamax, AdamW, Lion, above_0
from fastbp.update_rules import HIGH, Optimizer, Rule

__all__ = ["HIGH", "OPTIMIZERS", "SGD", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Optimizer", "RMSProp",
           "check_rule", "get_optimizer", "how_to_change"]


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, w ← w − η g [1]_.

    With momentum β it is μ ← β μ + g, w ← w − η μ [2]_. In Nesterov's form the last step is w ← w − η (g + β μ), as in
    [4]_ after [3]_.

    Parameters
    ----------
    learning_rate : float or callable
        Learning rate η, 0 or more, or a schedule η(t) (see `fastbp.schedules`).
    momentum : float
        Momentum β in [0, 1).
    nesterov : bool
        Whether to take Nesterov's form, which needs a momentum above 0.
    weight_decay : float
        Decay λ, 0 or more. The rule adds λ w to g.

    Raises
    ------
    TypeError, ValueError
        If a hyper-parameter is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    The rules are those of PyTorch with its default ``dampening=0``. Its default rate is 0.001, that of Keras is 0.01.

    Keras keeps −η μ in place of μ. Both give the same steps for a constant η. If η changes, earlier gradients keep
    their old η in Keras. Its ``weight_decay`` takes η λ w off w and leaves the momentum alone.

    References
    ----------
    .. [1] H. Robbins and S. Monro, "A stochastic approximation method", Annals of Mathematical Statistics 22, 1951.
       doi:10.1214/aoms/1177729586
    .. [2] B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational
       Mathematics and Mathematical Physics 4, 1964. doi:10.1016/0041-5553(64)90137-5
    .. [3] Y. Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)", Soviet
       Mathematics Doklady 27, 1983.
    .. [4] I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and momentum in deep
       learning", ICML, 2013.

    Examples
    --------
    >>> rule = SGD(learning_rate=0.1, momentum=0.9)
    >>> rule.update(1.0, 2.0, (3.0,), rule.hyper(step=0))
    (0.53, (4.7,))
    """

    _counts_steps: ClassVar[bool] = False
    learning_rate: float | Callable[[int], float] = 0.1
    _: KW_ONLY
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, nesterov=check_truth("nesterov", self.nesterov))
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("momentum must be a number in (0, 1) where nesterov is True, got 0.0")

    @property
    def is_plain_sgd(self) -> bool:  # noqa: D102
        return self.momentum == 0.0 and self.weight_decay == 0.0

    def formula(self) -> Rule:  # noqa: D102
        if self.is_plain_sgd:
            return rules.sgd
        if self.momentum == 0.0:
            return rules.sgd_decay
        return rules.sgd_nesterov if self.nesterov else rules.sgd_momentum

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        rate = self.rate(step)
        return (rate,) if self.is_plain_sgd else (rate, self.momentum, self.weight_decay)


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """RMSProp, the gradient over the root of its running mean square [1]_.

    ν ← ρ ν + (1 − ρ) g², w ← w − η g / (√ν + ε). With momentum β it is μ ← β μ + g / (√ν + ε), w ← w − η μ.

    Parameters
    ----------
    learning_rate : float or callable
        Learning rate η, 0 or more, or a schedule η(t) (see `fastbp.schedules`).
    rho : float
        Share ρ of the old mean square, in [0, 1).
    eps : float
        Number ε that is added to the root, 0 or more.
    momentum : float
        Momentum β in [0, 1).
    weight_decay : float
        Decay λ, 0 or more. The rule adds λ w to g.

    Raises
    ------
    TypeError, ValueError
        If a hyper-parameter is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    The rule and its defaults are those of PyTorch, which calls ρ ``alpha``. Keras has ε inside the root, √(ν + ε), and
    the defaults η = 0.001, ρ = 0.9 and ε = 1e-7. Its momentum keeps the product with η, as for `SGD`.

    References
    ----------
    .. [1] T. Tieleman and G. Hinton, "Lecture 6.5 - RMSProp", COURSERA: Neural Networks for Machine Learning, 2012.

    Examples
    --------
    >>> rule = RMSProp(learning_rate=0.1, rho=0.75, eps=0.0)
    >>> w, state = rule.update(1.0, 2.0, (0.0,), rule.hyper(step=0))
    >>> round(float(w), 3)
    0.8
    """

    _counts_steps: ClassVar[bool] = False
    learning_rate: float | Callable[[int], float] = 0.01
    _: KW_ONLY
    rho: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    weight_decay: float = 0.0

    def formula(self) -> Rule:  # noqa: D102
        return rules.rmsprop if self.momentum == 0.0 else rules.rmsprop_momentum

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        return self.rate(step), 1.0 - self.rho, above_0(self.eps), self.weight_decay, self.momentum


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad, the gradient over the root of the sum of its squares so far [1]_.

    ν ← ν + g², w ← w − η g / (√ν + ε).

    Parameters
    ----------
    learning_rate : float or callable
        Learning rate η, 0 or more, or a schedule η(t) (see `fastbp.schedules`).
    eps : float
        Number ε that is added to the root, 0 or more.
    weight_decay : float
        Decay λ, 0 or more. The rule adds λ w to g.

    Raises
    ------
    TypeError, ValueError
        If a hyper-parameter is not a number of its kind or is out of range. The message names it.

    Notes
    -----
    The rule and its defaults are those of PyTorch, where ν begins at 0. In Keras ν begins at 0.1, and ε = 1e-7 is
    inside the root, √(ν + ε). Its default rate is 0.001.

    References
    ----------
    .. [1] J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and stochastic
       optimization", Journal of Machine Learning Research 12, 2011.

    Examples
    --------
    >>> rule = Adagrad(learning_rate=0.5, eps=0.0)
    >>> w, state = rule.update(1.0, 3.0, (16.0,), rule.hyper(step=0))
    >>> round(float(w), 3)
    0.7
    """

    _counts_steps: ClassVar[bool] = False
    learning_rate: float | Callable[[int], float] = 0.01
    _: KW_ONLY
    eps: float = 1e-10
    weight_decay: float = 0.0

    def formula(self) -> Rule:  # noqa: D102
        return rules.adagrad

    def hyper(self, step: int) -> tuple[float, ...]:  # noqa: D102
        return self.rate(step), above_0(self.eps), self.weight_decay


#: The optimizers that a trainer takes by name, with their usual hyper-parameters.
OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": SGD(),
    "momentum": SGD(momentum=0.9),
    "nesterov": SGD(momentum=0.9, nesterov=True),
    "rmsprop": RMSProp(),
    "adagrad": Adagrad(),
    "adam": Adam(),
    "adamw": AdamW(),
    "adamax": Adamax(),
    "lion": Lion(),
}


def how_to_change(name: str, value: Any, place: str) -> str:
    """Return the statement by which a hyper-parameter of an optimizer is changed.

    Parameters
    ----------
    name : str
        Hyper-parameter.
    value : object
        Its new value.
    place : str
        Expression that the optimizer is assigned to.

    Returns
    -------
    str
        Assignment, in backquotes.

    Examples
    --------
    >>> how_to_change("momentum", 0.9, "trainer.optimizer")
    '`trainer.optimizer = dataclasses.replace(trainer.optimizer, momentum=0.9)`'
    """
    place, name = shortened(place), shortened(name)
    return f"`{place} = dataclasses.replace({place}, {name}={shown(value)})`"


def _refuse(optimizer: Optimizer, name: str, value: Any) -> NoReturn:
    how = how_to_change(name, value, "trainer.optimizer")
    raise FrozenInstanceError(f"{type(optimizer).__name__} cannot be changed, only replaced: {how}")


for _row in OPTIMIZERS.values():
    type(_row).__setattr__ = _refuse  # type: ignore[method-assign,assignment]


_OWN = frozenset(map(type, OPTIMIZERS.values()))


def check_rule(optimizer: Optimizer) -> None:
    """Raise an error if the rule of an optimizer of the user's does not go with its numbers and states.

    Parameters
    ----------
    optimizer : Optimizer
        The optimizer, whose rule is applied to three parameters.

    Raises
    ------
    TypeError, ValueError
        If `states` or `hyper` give other things than numbers, or the rule fails or returns other things than `w` and so
        many states.

    Examples
    --------
    >>> check_rule(SGD(0.1))
    """
    if type(optimizer) in _OWN:
        return
    name = type(optimizer).__name__
    h: Any = optimizer.hyper(0)
    count = check_count(f"{name}.states", optimizer.states, 0)
    if not isinstance(h, Sequence | np.ndarray):
        raise TypeError(f"{name}.hyper(0) must be a tuple of numbers, got {shown(h)}")
    h = tuple(check_number(f"{name}.hyper(0)[{k}]", number) for k, number in enumerate(h))
    w, rule = np.ones(3), optimizer.formula()
    called = f"the rule of {name}, called with w, g, {count} states and {len(h)} numbers h,"
    try:
        with np.errstate(all="ignore"):
            found = rule(w.copy(), w.copy(), tuple(np.zeros(3) for _ in range(count)), h)
            new, states = found
            shapes = [np.shape(new), *map(np.shape, states)]
            whole = type(states) is tuple and shapes == [(3,)] * (count + 1)
    except Exception as error:
        raise TypeError(f"{called} fails: {type(error).__name__}: {shortened(error)}") from error
    if not whole:
        wanted = "must return w and a tuple of as many states, in their shape"
        raise TypeError(f"{called} {wanted}; it returned {shown(found)}")


def get_optimizer(spec: str | Optimizer, argument: str = "optimizer") -> Optimizer:
    """Return the optimizer that `spec` names, or `spec` itself.

    Parameters
    ----------
    spec : str or Optimizer
        Name in `OPTIMIZERS`, or an optimizer.
    argument : str
        Name of the argument in messages.

    Returns
    -------
    Optimizer
        The named optimizer with its usual hyper-parameters, or `spec`.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If `spec` is neither a name nor an Optimizer.

    Examples
    --------
    >>> get_optimizer("adam")
    Adam(learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, amsgrad=False, eps_first=False)
    """
    return choose(argument, spec, OPTIMIZERS, Optimizer)
