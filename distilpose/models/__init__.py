"""The models of both papers. Names are loaded when first used, so that asking for a shape does not import torch."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distilpose.heads.heatmap import HeatmapOutput as HeatmapOutput
    from distilpose.heads.regression import RegressionOutput as RegressionOutput
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
    from distilpose.models.published import MODELS as MODELS
    from distilpose.models.published import resolve_spec as resolve_spec
    from distilpose.models.spec import ModelSpec as ModelSpec
    from distilpose.models.speed import Speed as Speed
    from distilpose.models.speed import measure_speed as measure_speed
    from distilpose.models.warm_start import load_imagenet as load_imagenet
    from distilpose.models.warm_start import load_part as load_part

_HOMES = {
    "Costs": "distilpose.models.measure",
    "HeatmapOutput": "distilpose.heads.heatmap",
    "MODELS": "distilpose.models.published",
    "Memory": "distilpose.models.memory",
    "ModelSpec": "distilpose.models.spec",
    "RegressionOutput": "distilpose.heads.regression",
    "Speed": "distilpose.models.speed",
    "build_model": "distilpose.models.builders",
    "convert_official": "distilpose.models.conversion",
    "count_costs": "distilpose.models.measure",
    "count_parameters": "distilpose.models.measure",
    "initialise": "distilpose.models.init",
    "load_part": "distilpose.models.warm_start",
    "load_imagenet": "distilpose.models.warm_start",
    "load_official": "distilpose.models.official",
    "measure_memory": "distilpose.models.measure",
    "measure_speed": "distilpose.models.speed",
    "process_bytes": "distilpose.models.memory",
    "resolve_spec": "distilpose.models.published",
}


def __getattr__(name: str) -> object:
    """Return a public name from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(_HOMES)
