"""Ablation studies of pose distillation.

The package is the science: models, losses, data, training, evaluation, pictures. It knows nothing of sweeps; only the
names below, for `import distilpose as dp` in a notebook, are those of the whole suite, imported once they are used.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.api import Model, Poses, launch, load, plan, results
    from reports.results import Results

__all__ = ["Model", "Poses", "Results", "__version__", "launch", "load", "plan", "results"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("distilpose")
    if name in __all__:
        return getattr(import_module("reports.results" if name == "Results" else "experiments.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
