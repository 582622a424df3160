"""A user's own loss as a row: a YAML file and a Python file beside it, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Said
from small_sweeps import MINI

LOSSES = '''"""My losses."""


def limbs(keypoints, true_keypoints, visible, skeleton, norm: str = "l1"):
    """Return how far the lengths of limbs are from the true ones."""
    first, second = (list(ends) for ends in zip(*skeleton.limbs))
    limbs = [points[:, first] - points[:, second] for points in (keypoints, true_keypoints)]
    lengths = [limb.square().sum(-1).add(1e-9).sqrt() for limb in limbs]
    seen = visible[:, first] * visible[:, second]
    wrong = (lengths[0] - lengths[1]) * seen
    return wrong.abs().mean() if norm == "l1" else wrong.square().mean()
'''
ROWS = """\
rows:
  - {row: none, set: {losses: {KT: 0, VT: 0, SH: 0, CS: 0}}}
  - {row: limbs, set: {losses: {KT: 0, VT: 0, SH: 0, CS: 0, "my_losses.py:limbs": 0.5}}}
  - {row: all + limbs, set: {losses: {"my_losses.py:limbs": {weight: 1, norm: l2}}}}
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(MINI.partition("rows:")[0] + ROWS)
    (tmp_path / "my_losses.py").write_text(LOSSES)
    return file


def ids_of(distilpose: Callable[..., Said], sweep: Path) -> dict[str, str]:
    code, out, error = distilpose("plan", sweep, "--runs", sweep.parent / "runs", "--json")
    assert code == 0, error
    return {row["name"]: row["runs"][0]["run_id"] for row in json.loads(out)["rows"]}


def test_a_users_own_loss_is_a_row_and_its_code_is_part_of_the_run(
    sweep: Path, distilpose: Callable[..., Said]
) -> None:
    mine = sweep.parent / "my_losses.py"
    before = ids_of(distilpose, sweep)
    mine.write_text(LOSSES.replace("Return how far", "Tell how far") + "\n# a remark\n")
    assert ids_of(distilpose, sweep) == before
    code, out, error = distilpose("launch", sweep, "--runs", sweep.parent / "runs", "--track", "none", "--on", "here")
    assert code == 0, error + out
    runs = sweep.parent / "runs"
    results = {name: json.loads((runs / run_id / "result.json").read_text()) for name, run_id in before.items()}
    assert len(results) == 3
    journal = (runs / before["limbs"] / "journal.jsonl").read_text()
    assert "train/loss_limbs" in journal

    mine.write_text(LOSSES.replace("wrong.abs()", "2 * wrong.abs()"))
    after = ids_of(distilpose, sweep)
    assert [name for name in after if after[name] != before[name]] == ["limbs", "all + limbs"]
    code, out, error = distilpose("plan", sweep, "--runs", runs)
    assert "2 finished runs were trained by other code of my_losses:limbs: kept under the old id" in out + error
    report = distilpose("report", sweep, "--runs", runs)
    assert report[0] == 0, report
    table = (runs / "reports" / "mini.default" / "report.md").read_text()
    assert "limbs" in table.splitlines()[next(i for i, line in enumerate(table.splitlines()) if line.startswith("|"))]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"my_losses.py:limbs": 0.5', '"my_losses.py:limb": 0.5', "losses.my_losses.py:limb: my_losses.py: must def"),
        ("norm: l2", "norm: 2", "losses.my_losses.py:limbs.norm: must be text, got 2 (my_losses.py:4)"),
        (
            "norm: l2",
            "nrom: l2",
            "losses.my_losses.py:limbs.nrom: no such option, did you mean norm? valid: norm (",
        ),
        ('"my_losses.py:limbs": 0.5', '"his_losses.py:limbs": 0.5', "must name a file, got 'his_losses.py'; looked in"),
    ],
)
def test_what_is_wrong_with_it_is_told_with_line_and_column(
    sweep: Path, distilpose: Callable[..., Said], old: str, new: str, message: str
) -> None:
    sweep.write_text(sweep.read_text().replace(old, new))
    code, out, error = distilpose("plan", sweep, "--runs", sweep.parent / "runs")
    assert code == 2
    assert message in (out + error).replace("\n", " ") or message in out + error
    assert f"{sweep}:" in out + error


def test_a_loss_that_asks_for_what_the_student_does_not_give_is_refused(
    sweep: Path, distilpose: Callable[..., Said]
) -> None:
    (sweep.parent / "my_losses.py").write_text("def limbs(heatmaps, teacher_heatmaps, norm='l1'):\n    return 0\n")
    code, out, error = distilpose("plan", sweep, "--runs", sweep.parent / "runs")
    assert code == 2
    assert "asks for heatmaps, which distilpose_s, a regression model, does not give" in out + error


def test_a_backbone_of_timm_is_a_row_and_teaches(sweep: Path, distilpose: Callable[..., Said]) -> None:
    text = sweep.read_text().partition("rows:")[0].replace("[48, 64]", "[96, 128]")
    text = text.replace("KT: 5e-4, VT: 5e-4, SH: 1, CS: 1e-2", "SH: 1, CS: 1e-2")
    sweep.write_text(
        text + "rows:\n  - {row: none, set: {losses: {SH: 0, CS: 0}}}\n"
        '  - {row: timm, set: {student: {model: "timm:mobilenetv3_small_050"}}}\n'
        '  - {row: taught, set: {teacher: {model: "timm:resnet18", head: heatmap}}}\n'
    )
    code, out, error = distilpose("launch", sweep, "--runs", sweep.parent / "runs", "--track", "none", "--on", "here")
    assert code == 0, error + out
    wrong = sweep.read_text().replace(", head: heatmap", "")
    sweep.write_text(wrong)
    code, out, error = distilpose("plan", sweep, "--runs", sweep.parent / "runs")
    assert (code, "teacher.head: must be heatmap" in out + error) == (2, True)
