"""Multiply-adds by arithmetic against those counted layer by layer on models that were built."""

import subprocess
import sys
from typing import Any

import pytest

from distilpose.models import build_model, count_costs
from distilpose.models.arithmetic import multiply_adds
from distilpose.models.specs import resolve_spec

PUBLISHED = ("distilpose_s", "distilpose_l", "sdpose_b", "deeppose_r50")
OTHER_SIZES: dict[str, dict[str, Any]] = {
    "distilpose_s": {"width": 12, "dim": 48, "depth": 2, "heads": 4, "patch": (4, 4), "input_size": (48, 64)},
    "distilpose_l": {"width": 8, "stem": 16, "dim": 24, "depth": 1, "heads": 2, "patch": (2, 2)},
    "teacher_tokenpose_l": {"width": 8, "stem": 16, "joints": 5, "input_size": (96, 128), "depth": 1},
    "tokenpose_t": {"depth": 1, "joints": 14},
    "sdpose_t": {"width": 8, "depth": 1, "cycles": 2},
    "deeppose_r50": {"width": 8, "input_size": (36, 52), "score": True, "sigma": True},
    "simplebaseline_r50": {"width": 8, "input_size": (64, 96), "joints": 3},
}


@pytest.mark.parametrize(("name", "sizes"), [*((name, {}) for name in PUBLISHED), *OTHER_SIZES.items()])
def test_arithmetic_counts_what_the_layers_multiply(name: str, sizes: dict[str, Any]) -> None:
    spec = resolve_spec(name, **sizes)
    model = build_model(name, **sizes)
    assert multiply_adds(spec) == round(1e9 * count_costs(model, spec.input_size).gmacs)
    if spec.cycles > 1:
        assert multiply_adds(spec, all_cycles=True) == round(
            1e9 * count_costs(model, spec.input_size, all_cycles=True).gmacs
        )


def test_arithmetic_imports_no_torch() -> None:
    script = "import sys, distilpose.models.arithmetic; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
