"""Trained models on anybody's pictures and videos: from files and boxes to poses.

Names are loaded when first used, so that looking for files does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distilpose.prediction.boxes import Boxes as Boxes
    from distilpose.prediction.boxes import read_boxes as read_boxes
    from distilpose.prediction.predictor import People as People
    from distilpose.prediction.predictor import Predictor as Predictor

_HOMES = {"Boxes": "boxes", "People": "predictor", "Predictor": "predictor", "read_boxes": "boxes"}


def __getattr__(name: str) -> object:
    """Return a public name from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(_HOMES)
