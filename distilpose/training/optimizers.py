"""The optimizers of PyTorch that a run may train by: one record of options each, by their names in recipes.

Torch is imported when one is made. The learning rate is the schedule's.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Lt

from distilpose.bounds import Rate, check_bounds

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer as TorchOptimizer

Name = Literal["adam", "adamw", "sgd"]
Decay = Annotated[float, Ge(0)]
Momentum = Annotated[float, Ge(0), Lt(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adam:
    """Adam (Kingma and Ba, ICLR 2015), the authors' optimizer; `weight_decay` is added to the gradient."""

    name: Name = "adam"
    betas: tuple[Momentum, Momentum] = (0.9, 0.999)
    eps: Rate = 1e-8
    weight_decay: Decay = 0.0
    amsgrad: bool = False

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW:
    """Adam whose weight decay does not pass through the gradient (Loshchilov and Hutter, ICLR 2019)."""

    name: Name = "adamw"
    betas: tuple[Momentum, Momentum] = (0.9, 0.999)
    eps: Rate = 1e-8
    weight_decay: Decay = 0.01
    amsgrad: bool = False

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SGD:
    """Stochastic gradient descent; `nesterov` looks ahead by a `momentum` (Sutskever et al., ICML 2013)."""

    name: Name = "sgd"
    momentum: Momentum = 0.0
    nesterov: bool = False
    weight_decay: Decay = 0.0

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov: must have a momentum above 0 to look ahead by, got 0")


Optimizer = Adam | AdamW | SGD
ADAM = Adam()
"""As published."""
OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "adamw": AdamW, "sgd": SGD}


def moments(optimizer: Optimizer) -> int:
    """Return how many numbers it keeps for each that is trained."""
    if isinstance(optimizer, SGD):
        return int(optimizer.momentum > 0)
    return 3 if optimizer.amsgrad else 2


def build_optimizer(
    optimizer: Optimizer, parameters: Iterable["nn.Parameter"] | Iterable[dict[str, Any]], *, lr: float, fused: bool
) -> "TorchOptimizer":
    """Return PyTorch's optimizer of these parameters, or groups of them."""
    from torch import optim

    kinds: dict[str, Callable[..., TorchOptimizer]] = {"adam": optim.Adam, "adamw": optim.AdamW, "sgd": optim.SGD}
    options = {name: value for name, value in asdict(optimizer).items() if name != "name"}
    return kinds[optimizer.name](parameters, lr=lr, fused=fused, **options)
