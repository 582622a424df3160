"""The models of both papers. Names are loaded when first used, so that asking for a shape does not import torch."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distilpose.models.builders import build_model as build_model
    from distilpose.models.conversion import convert_official as convert_official
    from distilpose.models.init import initialise as initialise
    from distilpose.models.measure import Costs as Costs
    from distilpose.models.measure import count_costs as count_costs
    from distilpose.models.measure import count_parameters as count_parameters
    from distilpose.models.measure import measure_memory as measure_memory
    from distilpose.models.memory import Memory as Memory
    from distilpose.models.memory import process_bytes as process_bytes
    from distilpose.models.official import load_official as load_official
    from distilpose.models.outputs import HeatmapOutput as HeatmapOutput
    from distilpose.models.outputs import RegressionOutput as RegressionOutput
    from distilpose.models.specs import MODELS as MODELS
    from distilpose.models.specs import ModelShape as ModelShape
    from distilpose.models.specs import ModelSpec as ModelSpec
    from distilpose.models.specs import model_shape as model_shape
    from distilpose.models.speed import Speed as Speed
    from distilpose.models.speed import measure_speed as measure_speed
    from distilpose.models.warm_start import load_backbone as load_backbone
    from distilpose.models.warm_start import load_imagenet as load_imagenet

_HOMES = {
    "MODELS": "specs",
    "Costs": "measure",
    "HeatmapOutput": "outputs",
    "Memory": "memory",
    "ModelShape": "specs",
    "ModelSpec": "specs",
    "RegressionOutput": "outputs",
    "Speed": "speed",
    "build_model": "builders",
    "convert_official": "conversion",
    "count_costs": "measure",
    "count_parameters": "measure",
    "initialise": "init",
    "load_backbone": "warm_start",
    "load_imagenet": "warm_start",
    "load_official": "official",
    "measure_memory": "measure",
    "measure_speed": "speed",
    "model_shape": "specs",
    "process_bytes": "memory",
}


def __getattr__(name: str) -> object:
    """Return a public name from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(_HOMES)
