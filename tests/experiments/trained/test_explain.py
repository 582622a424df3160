"""`distilpose explain` as a user types it, on weights that nobody trained."""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from distilpose.data.coco import PoseData, some_people
from experiments.cli.main import main
from experiments.plan.plan import Plan
from experiments.runs.store import Store

Said = tuple[int, list[Path], str]


@pytest.fixture
def explain(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Said]:
    """The command in this process: its exit code, the files it names, and what it tells the user."""

    def run(*arguments: object) -> Said:
        places = ("--runs", tmp_path / "runs", "--device", "cpu")
        monkeypatch.setattr(sys, "argv", ["distilpose", "explain", *map(str, (*arguments, *places))])
        with pytest.raises(SystemExit) as ending:
            main()
        said, err = capfd.readouterr()
        return int(ending.value.code or 0), [Path(line) for line in said.split()], " ".join(err.split())

    return run


def test_a_run_has_a_sheet_for_each_person_and_a_page_of_them(
    explain: Callable[..., Said], runs: tuple[Store, Plan], people: PoseData, tmp_path: Path
) -> None:
    student = runs[1].rows[1].runs[0].run_id
    code, files, _ = explain(student)
    assert code == 0
    *sheets, page = files
    assert page == tmp_path / "runs" / "explained" / student / "index.html"
    assert [sheet.name for sheet in sheets] == [
        f"image-{person.image_id}-person-{person.annotation_id}.png" for person in people.people
    ]
    assert all(min(cv2.imread(str(sheet)).shape[:2]) > 600 for sheet in sheets)
    text = page.read_text()
    assert text.count('<img src="data:image/webp') == len(sheets)
    assert "all, seed 0 (distilpose_s)" in text
    assert "Beside: the teacher" in text


def test_a_sweep_has_a_row_for_each_of_its_rows_and_names_those_that_are_not_finished(
    explain: Callable[..., Said], runs: tuple[Store, Plan], people: PoseData
) -> None:
    store, plan = runs
    image = people.people[1].image_id
    command = ("--sweep", plan.sweep, "--profile", plan.profile, "--image", image, "--joint", "left_wrist")
    code, files, _ = explain(*command)
    assert code == 0
    assert [path.name for path in files] == [f"image-{image}-person-{people.people[1].annotation_id}.png", "index.html"]
    assert "none, all, teacher teacher_stemnet" in files[1].read_text()
    whole = cv2.imread(str(files[0])).shape
    (store.run(plan.rows[0].runs[0].run_id).path / "result.json").unlink()
    code, files, err = explain(*command)
    assert code == 0
    assert "row none: no finished run" in err
    assert "Not finished, and so not shown: none." in files[1].read_text()
    assert cv2.imread(str(files[0])).shape[0] < whole[0] - 200


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ((), "one of them"),
        (("RUN", "--sweep", "mini"), "one of them"),
        (("RUN", "--image", "77"), "--image 77: no picture"),
        (("RUN", "--joint", "left_wirst"), "did you mean left_wrist?"),
        (("RUN", "--data", "nowhere"), "nowhere"),
        (("--sweep", "mini", "--profile", "huge"), "launch it first"),
    ],
)
def test_a_mistake_is_one_message_and_nothing_is_written(
    explain: Callable[..., Said], runs: tuple[Store, Plan], tmp_path: Path, arguments: tuple[str, ...], rule: str
) -> None:
    student = runs[1].rows[1].runs[0].run_id
    code, files, err = explain(*(student if value == "RUN" else value for value in arguments))
    assert (code, files) == (2, [])
    assert rule in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs" / "explained").exists()


def test_the_same_few_people_are_chosen_from_all_over_a_split(people: PoseData) -> None:
    assert some_people(people, 1).people == people.people[:1]
    assert some_people(people, 9).people == people.people
