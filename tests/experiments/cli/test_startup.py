"""What the commands that only read must not wait for: seconds go into imports, and these are counted by name."""

import subprocess
import sys
from pathlib import Path

import pytest
from small_sweeps import MINI, MINI_SEARCH, small_plan

from experiments.runs.store import Store

TELLS = "import sys; sys.argv = ['distilpose', *sys.argv[1:]]; from experiments.cli.main import main"
HEAVY = ("torch", "torchvision", "numpy", "cv2", "pandas", "matplotlib", "wandb", "optuna", "ray", "lightning_fabric")


def imported(*arguments: object) -> set[str]:
    """The modules a command has imported when it ends."""
    script = f"{TELLS}\ntry: main()\nexcept SystemExit: pass\nprint(*sys.modules, sep='\\n', file=sys.stderr)"
    line = [sys.executable, "-c", script, *map(str, arguments)]
    return set(subprocess.run(line, check=True, capture_output=True, text=True).stderr.split())


def test_help_imports_neither_what_reads_sweeps_nor_what_trains() -> None:
    assert (
        imported("--help") & {*HEAVY, "rich.markdown", "pydantic", "ruamel.yaml", "psutil", "experiments.plan.plan"}
        == set()
    )


@pytest.mark.parametrize("command", ["plan", "status"])
@pytest.mark.parametrize("text", [MINI, MINI_SEARCH], ids=["sweep", "search"])
def test_reading_commands_import_nothing_that_computes(command: str, text: str, tmp_path: Path) -> None:
    sweep = tmp_path / "mini.yaml"
    sweep.write_text(text)
    Store(tmp_path / "runs").save_plan(small_plan(tmp_path, MINI).saved())
    imported("plan", sweep, "--runs", tmp_path / "runs")  # asks new models what they cost, once
    assert imported(command, sweep, "--runs", tmp_path / "runs") & set(HEAVY) == set()
