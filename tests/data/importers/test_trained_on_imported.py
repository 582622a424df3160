"""A set of each kind from import to a finished run and its report: 17, 16, 14, 26 and 133 joints, and animals."""

import json
from pathlib import Path

import pytest
from made_up_sources import PEOPLE, SOURCES
from typer.testing import CliRunner

from experiments.cli import launch
from experiments.cli.main import app
from experiments.launch.inline import InlineLauncher
from experiments.launch.protocol import Opened

SETS = {"humanart": 17, "mpii": 16, "crowdpose": 14, "halpe": 26, "wholebody": 133, "ap10k": 17}
SWEEP = """\
sweep: sets
title: One row a set
table: rows
metric: PCK@0.2
evaluate_on:
  crowd: {root: crowdpose}
base:
  student: {model: distilpose_s, width: 4, dim: 16, depth: 1, heads: 2}
  losses: {reg: 1}
  input_size: [48, 64]
  data: {root: mpii}
  augmentation: {flip: 0.5}
  schedule: {epochs: 1, batch_size: 6, warmup_steps: 0, eval_every: 1}
  evaluation: {best_by: PCK@0.2}
rows:
"""


def said(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"{words}: {done.output}{done.exception}"
    return done.stdout


def reported(folder: Path) -> str:
    """The report, and its tables in full: columns of zeros are left out of it."""
    written = folder / "runs" / "reports" / "sets.default"
    return "".join((written / name).read_text() for name in ("report.md", "tables/parts.csv", "tables/results.csv"))


def test_a_set_of_each_kind_goes_from_import_to_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "choose", lambda *_, **__: Opened(launcher=InlineLauncher()))
    for kind in SETS:
        SOURCES[kind](tmp_path / "sources" / kind)
        said("data", "import", kind, f"sources/{kind}", kind, *(["--skeleton", "halpe26"] if kind == "halpe" else []))
    rows = [f"  - {{row: {kind}, set: {{data: {{root: {kind}}}}}}}\n" for kind in SETS]
    rows[1] = "  - {row: mpii, set: {data: {root: mpii, sigmas: 0.1}}}\n"
    Path("sets.yaml").write_text(SWEEP + "".join(rows[:-1]))
    said("launch", "sets.yaml", "--track", "none", "--on", "here")
    plan = json.loads(said("plan", "sets.yaml", "--json"))
    runs = {row["name"]: row["runs"][0]["run_id"] for row in plan["rows"]}
    assert {plan["states"][run] for run in runs.values()} == {"finished"}
    for kind, run in runs.items():
        predictions = json.loads((tmp_path / "runs" / run / "predictions.json").read_text())
        assert {len(row["keypoints"]) for row in predictions} == {3 * SETS[kind]}
        measured = json.loads((tmp_path / "runs" / run / "elsewhere.json").read_text())["sets"]["crowd"]
        assert (measured["people"], measured["joints"]) == (PEOPLE, {"crowdpose": 14, "halpe": 13}.get(kind, 12))
    own = json.loads((tmp_path / "runs" / runs["crowdpose"] / "result.json").read_text())["metrics"]
    there = json.loads((tmp_path / "runs" / runs["crowdpose"] / "elsewhere.json").read_text())["sets"]["crowd"]
    assert own == pytest.approx(there["metrics"])
    said("report", "sets.yaml")
    assert "PCK@0.2 on crowd" in (tmp_path / "runs/reports/sets.default/report.md").read_text()
    recorded = {
        kind: set(json.loads((tmp_path / "runs" / run / "result.json").read_text())["metrics"])
        for kind, run in runs.items()
    }
    assert [kind for kind, names in recorded.items() if "PCKh@0.5.wrist" in names] == ["mpii"]
    assert [kind for kind, names in recorded.items() if "AP-medium" in names] == ["crowdpose"]
    assert not any({"AP-easy", "AP-parts", "EPE"} & names for names in recorded.values())

    # A metric that only some data give is asked for of these alone, and no run is trained for it.
    by_part = SWEEP.replace("metric: PCK@0.2", "metric: AP-parts", 1) + rows[4]
    Path("sets.yaml").write_text(by_part)
    assert said("launch", "sets.yaml", "--track", "none", "--on", "here") is not None
    said("report", "sets.yaml")
    table = reported(tmp_path)
    assert "AP-parts: foot" in table
    assert "AP-parts on crowd" in table
    Path("sets.yaml").write_text(SWEEP.replace("metric: PCK@0.2", "metric: PCKh@0.5", 1) + "".join(rows[1:3]))
    refused = CliRunner().invoke(app, ["launch", "sets.yaml", "--track", "none", "--on", "here"])
    assert (refused.exit_code, "PCKh@0.5: needs people with head_size, and val of crowdpose" in refused.output) == (
        2,
        True,
    )
    Path("sets.yaml").write_text(SWEEP.replace("metric: PCK@0.2", "metric: PCKh@0.5", 1) + rows[1])
    assert said("launch", "sets.yaml", "--track", "none", "--on", "here") is not None
    said("report", "sets.yaml")
    table = reported(tmp_path)
    assert all(name in table for name in ("PCKh@0.5: head", "PCKh@0.5: ankle", "AP on crowd", "0.6 of the head box's"))
    measured = said("eval", runs["mpii"], "--device", "cpu", "--metric", "EPE")
    assert {"PCKh@0.5", "PCKh@0.5.knee", "EPE"} <= {line.split()[0] for line in measured.splitlines() if line}

    # Sets that are named later are measured on what is finished, each row on each: on its own as at its end.
    both = SWEEP.replace("  crowd: {root: crowdpose}\n", "  posed: {root: mpii}\n  art: {root: humanart}\n")
    Path("sets.yaml").write_text(both + "".join(rows[:2]))
    assert said("launch", "sets.yaml", "--track", "none", "--on", "here") is not None
    for kind, its_own, joints in (
        ("mpii", "posed", {"posed": 15, "art": 12}),
        ("humanart", "art", {"posed": 11, "art": 17}),
    ):
        sets = json.loads((tmp_path / "runs" / runs[kind] / "elsewhere.json").read_text())["sets"]
        assert {name: sets[name]["joints"] for name in joints} == joints
        result = json.loads((tmp_path / "runs" / runs[kind] / "result.json").read_text())
        assert sets[its_own]["metrics"]["PCK@0.2"] == pytest.approx(result["metrics"]["PCK@0.2"])
    said("report", "sets.yaml")
    table = (tmp_path / "runs/reports/sets.default/report.md").read_text()
    assert "| ours: PCK@0.2 on posed | ours: PCK@0.2 on art |" in table

    # Animals share no joint with these people.
    Path("sets.yaml").write_text(SWEEP.replace("crowdpose}", "mpii}") + rows[-1])
    refused = CliRunner().invoke(app, ["launch", "sets.yaml", "--track", "none", "--on", "here"])
    assert "keypoints: none is one of L_Eye" in str(refused.exception)
    Path("sets.yaml").write_text(SWEEP.replace("  crowd: {root: crowdpose}", "  animals: {root: ap10k}") + rows[-1])
    said("launch", "sets.yaml", "--track", "none", "--on", "here")


@pytest.mark.parametrize("kind", ["mpii", "crowdpose"])
def test_the_shipped_profiles_are_planned_on_imported_sets(kind: str, tmp_path: Path) -> None:
    SOURCES[kind](tmp_path / "source")
    said("data", "import", kind, str(tmp_path / "source"), str(tmp_path / kind))
    words = ("--profile", kind, "--data", str(tmp_path / kind), "--runs", str(tmp_path / "runs"), "--json")
    plan = json.loads(said("plan", "losses", *words))
    assert len(plan["rows"]) == 8
    assert plan["settings"]["data"] == f"{kind} ({PEOPLE} + {PEOPLE} people)"
