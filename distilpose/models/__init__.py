"""The models of both papers. Names are loaded when first used, so that asking for a shape does not import torch."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distilpose.models.builders import build_model as build_model
    from distilpose.models.init import initialise as initialise
    from distilpose.models.outputs import HeatmapOutput as HeatmapOutput
    from distilpose.models.outputs import RegressionOutput as RegressionOutput
    from distilpose.models.specs import MODELS as MODELS
    from distilpose.models.specs import ModelShape as ModelShape
    from distilpose.models.specs import ModelSpec as ModelSpec
    from distilpose.models.specs import model_shape as model_shape

_HOMES = {
    "MODELS": "specs",
    "HeatmapOutput": "outputs",
    "ModelShape": "specs",
    "ModelSpec": "specs",
    "RegressionOutput": "outputs",
    "build_model": "builders",
    "initialise": "init",
    "model_shape": "specs",
}


def __getattr__(name: str) -> object:
    """Return a public name from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(_HOMES)
