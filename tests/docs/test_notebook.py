"""The notebook, executed as it stands: its commands and losses are those of the user who reads it."""

import os
import sys
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient", reason="no Jupyter here: uv sync --group docs")
nbformat = pytest.importorskip("nbformat")
FILE = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"


def kinds(notebook: "nbformat.NotebookNode") -> list[set[str]]:
    """What the outputs of each cell can be shown as."""
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return [{kind for one in found for kind in one.get("data", {one.get("name"): ""})} for found in outputs]


def test_the_notebook_runs_and_shows_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    stored = nbformat.read(FILE, as_version=4)
    executed = nbclient.NotebookClient(nbformat.from_dict(stored), timeout=900, coalesce_streams=True).execute()
    assert kinds(executed) == kinds(stored)
    assert {"text/html", "image/png"} <= set().union(*kinds(executed))
    (launched,) = (cell.outputs for cell in executed.cells if "dp.launch(" in cell.source and "outputs" in cell)
    printed, line = launched  # the line that was redrawn is kept as it was last
    assert len(printed.text.splitlines()) < 8
    assert "\x1b" not in printed.text
    assert ": 6 of 6 runs finished, 0 running, 100% of all steps" in line.data["text/plain"]


def test_the_stored_notebook_is_small_and_has_no_error_or_warning() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert len(text) < 300_000
    assert '"output_type": "error"' not in text
    assert "Warning" not in text
