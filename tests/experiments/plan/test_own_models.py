"""A user's own student, teacher, backbone and head as rows: a YAML file and a Python file beside it, nothing else."""

import json
import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from command_line import Said
from small_sweeps import MINI

MODELS = '''"""My models."""
import torch
from torch import nn
from distilpose.models import HeatmapOutput, RegressionOutput
from layers import strided


class Mobile(nn.Module):
    """A whole student."""

    gives = ("keypoints", "scores", "sigmas")

    def __init__(self, joints, score, sigma, *, width: int = 4):
        super().__init__()
        self.joints, self.score, self.sigma = joints, score, sigma
        self.features = nn.Sequential(strided(3, width), strided(width, width), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Linear(4 * width, 5 * joints)

    def forward(self, images):
        numbers = self.head(self.features(images)).unflatten(1, (self.joints, 5))
        return RegressionOutput(
            numbers[..., :2].sigmoid(),
            numbers[..., 2] if self.score else None,
            numbers[..., 3:].exp() if self.sigma else None,
        )


def trunk(width: int = 4):
    """A backbone: one of our heads reads it."""
    return nn.Sequential(strided(3, width), strided(width, width))


class Painter(nn.Module):
    """A teacher."""

    gives = "heatmaps"

    def __init__(self, joints):
        super().__init__()
        self.layers = nn.Sequential(strided(3, 8), strided(8, 8), nn.Conv2d(8, joints, 1))

    def forward(self, images):
        return HeatmapOutput(self.layers(images))


class Mean(nn.Module):
    """A head that reads tokens."""

    gives = ("keypoints",)

    def __init__(self, dim, hidden: int = 8):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def forward(self, tokens):
        return RegressionOutput(self.layers(tokens).sigmoid())
'''
LAYERS = """from torch import nn


def strided(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
"""
HEAD = MINI.partition("rows:")[0].replace("KT: 5e-4, VT: 5e-4, SH: 1, CS: 1e-2", "SH: 0")
OURS = "student: {model: distilpose_s, width: 4, dim: 16, depth: 1, heads: 2}"


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    (tmp_path / "my_models.py").write_text(MODELS)
    (tmp_path / "layers.py").write_text(LAYERS)
    return file


def planned(distilpose: Callable[..., Said], sweep: Path) -> dict[str, list[str]]:
    code, out, error = distilpose("plan", sweep, "--runs", sweep.parent / "runs", "--json")
    assert code == 0, error
    said = json.loads(out)
    assert all(cost["seconds"] is not None for cost in said["cost"]["runs"].values()), error
    return {row["name"]: [run["run_id"] for run in row["runs"]] for row in said["rows"]}


def launched(distilpose: Callable[..., Said], sweep: Path) -> None:
    code, out, error = distilpose("launch", sweep, "--runs", sweep.parent / "runs", "--track", "none", "--on", "here")
    assert code == 0, error + out


def test_an_own_student_in_two_widths_and_seeds_from_plan_to_report(
    sweep: Path, distilpose: Callable[..., Said], tmp_path: Path
) -> None:
    sweep.write_text(
        HEAD.replace(OURS, 'student: {model: "my_models.py:Mobile"}').replace("baseline: none", "seeds: [0, 1]")
        + "axes: {grid: {student.width: [4, 6]}}\n"
    )
    before = planned(distilpose, sweep)
    assert {name: len(runs) for name, runs in before.items()} == {"width=4": 2, "width=6": 2}
    launched(distilpose, sweep)
    runs = sweep.parent / "runs"
    assert distilpose("report", sweep, "--runs", runs)[0] == 0
    assert "width=6" in (runs / "reports" / "mini.default" / "report.md").read_text()

    # The code in the store is what jobs, eval, export, explain and replay import.
    mine = sweep.parent / "my_models.py"
    mine.write_text("raise SystemExit('ran')\n")
    run_id = before["width=6"][0]
    assert distilpose("eval", run_id, "--runs", runs)[0] == 0
    assert distilpose("explain", run_id, "--runs", runs, "--out", tmp_path / "seen")[0] == 0
    code, out, error = distilpose("export", run_id, "--runs", runs, "--format", "torch", "--out", tmp_path)
    assert code == 0, error
    code, out, error = distilpose("replay", run_id, "--runs", runs)
    assert code == 0, error + out
    weights = tmp_path / "alone.safetensors"
    weights.write_bytes((runs / run_id / "checkpoints" / "weights.safetensors").read_bytes())
    data = next(folder for folder in (runs / "data").iterdir() if folder.is_dir())
    assert distilpose("eval", "--weights", weights, "--data", data, "--runs", runs)[0] == 0
    code, out, error = distilpose("eval", "--weights", weights, "--data", data, "--runs", tmp_path / "none")
    assert (code, "the kept code of my_models is not there" in error) == (2, True)

    mine.write_text(MODELS + "# a remark\n")
    assert planned(distilpose, sweep) == before
    (sweep.parent / "layers.py").write_text(LAYERS.replace("ReLU", "GELU"))
    assert not {*chain(*planned(distilpose, sweep).values())} & {*chain(*before.values())}
    said = distilpose("plan", sweep, "--runs", runs)
    assert "4 finished runs were trained by other code of my_models:Mobile: kept under the old id" in said[1] + said[2]


def test_own_teacher_backbone_and_head_train_and_teach(sweep: Path, distilpose: Callable[..., Said]) -> None:
    sweep.write_text(
        HEAD.replace("baseline: none", "baseline: ours").replace(
            "teacher: {model: teacher_stemnet, width: 4, dim: 16, depth: 1, heads: 2}",
            'teacher: {model: "my_models.py:Painter"}',
        )
        + """\
rows:
  - {row: ours}
  - {row: taught, set: {losses: {SH: 1}}}
  - {row: own trunk, set: {student: {model: "my_models.py:trunk", width: 6}, losses: {SH: 1, CS: 1e-2}}}
  - {row: own head, set: {student: {head: "my_models.py:Mean", hidden: 4}}}
  - {row: same trunk, set: {student: {model: "my_models.py:trunk"}, teacher: {model: "my_models.py:Painter"}}}
"""
    )
    ids = planned(distilpose, sweep)
    assert len({*chain(*ids.values())}) == 5
    launched(distilpose, sweep)
    runs = sweep.parent / "runs"
    assert all((runs / run_id / "result.json").is_file() for found in ids.values() for run_id in found)
    assert distilpose("eval", ids["own head"][0], "--runs", runs)[0] == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('student: {model: "my_models.py:Mobil"}', r"15:41: student.model: my_models.py: must define 'Mobil', did you"),
        (
            'student: {model: "my_models.py:Mobile", widht: 8}',
            r"student.widht: no such option, did you mean width\? valid: width .my_models.py:8.",
        ),
        (
            'student: {model: "my_models.py:Mobile", width: 8.5}',
            r"student.width: must be a whole number, got 8.5 .my_models",
        ),
        (
            'student: {model: "my_models.py:Mobile", head: regression}',
            r"student.head: means nothing to my_models:Mobile .it is whole",
        ),
        (
            'student: {model: "my_models.py:Mobile"}, losses: {KT: 1}',
            r"losses.KT: asks for keypoint_tokens, which my_models:Mobile does not give; it gives keypoints, sc",
        ),
        (
            'teacher: {model: "my_models.py:Mobile"}, losses: {SH: 1}',
            r"teacher.model: must be a teacher's model, got 'my_models.py:Mobile', a student; it gives keypoints",
        ),
        (
            'teacher: {model: "my_models.py:Painter"}, losses: {KT: 1}',
            r"losses.KT: asks for teacher_keypoint_tokens, which my_models:Painter does not give",
        ),
        ("student: {model: distilpose_s, version: 2}", r"student.version: belongs to code of your own"),
        (
            'student: {model: distilpose_s, head: "my_models.py:trunk"}',
            r"student.head: my_models.py:28: a head says what it gives",
        ),
        (
            'student: {model: "timm:resnet18", head: "my_models.py:Mean"}',
            r"student.head: my_models.py:Mean reads tokens, and timm:resnet18 has features",
        ),
        (
            'student: {model: "my_models.py:Painter", init: imagenet}',
            r"student.init: there are ImageNet weights for HRNet",
        ),
    ],
)
def test_what_is_wrong_in_the_yaml_is_told_with_line_and_column(
    sweep: Path, distilpose: Callable[..., Said], row: str, message: str
) -> None:
    sweep.write_text(HEAD + f"rows:\n  - {{row: none}}\n  - {{row: wrong, set: {{{row}}}}}\n")
    code, out, error = distilpose("plan", sweep, "--runs", sweep.parent / "runs")
    assert code == 2
    assert re.search(message, out + error), out + error
    assert re.search(rf"{sweep}:\d+:\d+: ", out + error)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'gives = ("keypoints", "scores", "sigmas")',
            'gives = ("keypoints", "keypoint_tokens")',
            "says that it gives keypoint_tokens, and its output has none",
        ),
        (
            "numbers[..., :2].sigmoid(),",
            "numbers[..., 0].sigmoid(),",
            r"keypoints of 2 crops of 48x64 must have the shape \[2, 17, 2\], got \[2, 17\]",
        ),
        (
            "        return RegressionOutput(\n            numbers",
            "        return (\n            numbers",
            "must return a head's output",
        ),
        ("self.joints, self.score", "self.none, self.score", "failed on a crop of 48x64: AttributeError"),
        (
            "super().__init__()\n        self.joints",
            "super().__init__()\n        1 / 0\n        self.joints",
            "failed as it was made: ZeroDivisionError",
        ),
        (
            '    gives = ("keypoints", "scores", "sigmas")\n',
            "",
            r"must return features \[batch, channels, rows, columns\], got RegressionOutput",
        ),
    ],
)
def test_a_model_that_is_not_what_it_says_is_refused_before_anything_starts(
    sweep: Path, distilpose: Callable[..., Said], old: str, new: str, message: str
) -> None:
    sweep.write_text(HEAD.replace(OURS, 'student: {model: "my_models.py:Mobile"}') + "rows: [{row: none}]\n")
    assert old in MODELS
    (sweep.parent / "my_models.py").write_text(MODELS.replace(old, new, 1))
    code, out, error = distilpose("launch", sweep, "--runs", sweep.parent / "runs", "--track", "none", "--on", "here")
    assert code == 2
    assert re.search(message, out + error), out + error
    assert not list((sweep.parent / "runs").glob("*/run.json"))
