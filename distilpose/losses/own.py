"""The loss that a model brings with it: that of mmpose's heads, or of a user's own output."""

from collections.abc import Callable
from typing import Any

from torch import Tensor


def own_loss(learn: Callable[[Any], Tensor], batch: Any) -> Tensor:
    """Return what the model's own head minimises on the batch; `learn` is a field of its output, called with it."""
    return learn(batch)
