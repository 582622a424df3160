import dataclasses
import hashlib
from pathlib import Path

import pytest

from distilpose.data.library import find_skeleton
from distilpose.evaluation.metrics import metric_of
from distilpose.synthetic.dataset import SyntheticSpec, write_synthetic
from experiments.build.data import data_facts, prepare
from experiments.sweep.choices import DataChoice, EvaluationChoice, SyntheticChoice

GT = EvaluationChoice()


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return write_synthetic(SyntheticSpec(train=4, val=2, seed=0), tmp_path / "people")


def test_synthetic_people_are_known_before_they_are_drawn(tmp_path: Path) -> None:
    choice = DataChoice(synthetic=SyntheticChoice(train=4, val=2))
    before = data_facts(choice, GT, root=None, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    assert (before.train_people, before.val_people) == (4, 2)
    assert prepare(choice, root=None, runs=tmp_path / "runs") == ()
    assert data_facts(choice, GT, root=None, runs=tmp_path / "runs") == before


def test_people_that_the_disk_has_no_room_for_are_refused_before_any_is_drawn(tmp_path: Path) -> None:
    choice = DataChoice(synthetic=SyntheticChoice(train=10**12, val=2))
    with pytest.raises(
        ValueError, match=r"1,000,000,000,000 \+ 2 synthetic people take about 10500\.0 TB, and .* free"
    ):
        prepare(choice, root=None, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_place_of_the_data_does_not_enter(people: Path, tmp_path: Path) -> None:
    here = data_facts(DataChoice(root=str(people)), GT, root=None, runs=tmp_path / "runs")
    moved = people.rename(tmp_path / "moved")
    there = data_facts(DataChoice(root="anywhere"), GT, root=moved, runs=tmp_path / "runs")
    assert there == dataclasses.replace(here, name="moved")


def test_the_content_of_the_boxes_enters(people: Path, tmp_path: Path) -> None:
    boxes = people / "boxes.json"
    prints = []
    for text in ("[]", "[1]"):
        boxes.write_text(text)
        facts = data_facts(
            DataChoice(root=str(people)), EvaluationChoice(boxes="boxes.json"), root=None, runs=tmp_path / "runs"
        )
        prints.append(facts.boxes)
    assert prints == [f"sha256:{hashlib.sha256(text).hexdigest()}" for text in (b"[]", b"[1]")]


def test_the_annotation_files_are_known_by_their_checksums(people: Path, tmp_path: Path) -> None:
    facts = data_facts(DataChoice(root=str(people)), GT, root=None, runs=tmp_path / "runs")
    files = [people / "annotations" / f"{split}.json" for split in ("train", "val")]
    assert facts.annotations == tuple(f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files)
    assert facts.name == "people"


def test_a_measure_by_torso_needs_a_torso(people: Path, tmp_path: Path) -> None:
    choice, by_torso = DataChoice(root=str(people)), EvaluationChoice(best_by=metric_of("PCK@0.2-torso"))
    assert data_facts(choice, by_torso, root=None, runs=tmp_path).val_people == 2
    for split in ("train", "val"):
        file = people / "annotations" / f"{split}.json"
        file.write_text(file.read_text().replace("_hip", "_pelvis"))
    with pytest.raises(ValueError, match=r"best_by: PCK@0\.2-torso needs the joints left_shoulder and right_hip"):
        data_facts(choice, by_torso, root=None, runs=tmp_path)


def test_missing_boxes_are_named_with_the_remedy(people: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent\.json.*boxes: gt"):
        data_facts(DataChoice(root=str(people)), EvaluationChoice(boxes="absent.json"), root=None, runs=tmp_path)


def test_faults_of_both_splits_are_listed_and_soundness_is_remembered(people: Path, tmp_path: Path) -> None:
    choice, runs = DataChoice(root=str(people)), tmp_path / "runs"
    lost = [next((people / "images" / split).iterdir()) for split in ("train", "val")]
    kept = [picture.read_bytes() for picture in lost]
    for picture in lost:
        picture.unlink()
    problems = prepare(choice, root=None, runs=runs)
    assert {Path(problem.file).name for problem in problems} == {picture.name for picture in lost}
    for picture, content in zip(lost, kept, strict=True):
        picture.write_bytes(content)
    assert prepare(choice, root=None, runs=runs) == ()
    assert len(list((runs / "data").glob("sound-*.json"))) == 2


def test_joints_that_a_sweep_gives_change_the_fingerprint_and_own_sigmas_are_warned_of(
    people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    choices = [
        DataChoice(root=str(people)),
        DataChoice(root=str(people), skeleton=find_skeleton("coco", sigmas=0.05)),
        DataChoice(root=str(people), sigmas=0.05),
    ]
    plain, whole, sigmas = (data_facts(choice, GT, root=None, runs=tmp_path).fingerprint for choice in choices)
    assert plain != whole == sigmas
    assert [record.message[:12] for record in caplog.records] == ["data.sigmas:"]
