"""What a user names, and what its results are called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distilpose.prediction.inputs import find_inputs, image_ids, others, safe_name


def test_a_folder_gives_its_pictures_and_videos_by_name(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.mp4", "c.txt", "d.png"):
        (tmp_path / name).touch()
    (tmp_path / "deeper.png").mkdir()
    found = find_inputs(tmp_path)
    assert [(file.kind, file.name) for file in found] == [
        ("video", "0001-a"),
        ("picture", "0002-b"),
        ("picture", "0003-d"),
    ]
    assert others(tmp_path, found) == 1


def test_a_file_alone_is_a_picture_unless_its_name_says_a_video(tmp_path: Path) -> None:
    (tmp_path / "a.unknown").touch()
    assert find_inputs(tmp_path / "a.unknown")[0].kind == "picture"


def test_nothing_to_look_at_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no such"):
        find_inputs(tmp_path / "gone.jpg")
    with pytest.raises(ValueError, match="at least one picture or video"):
        find_inputs(tmp_path)


@given(st.text())
def test_a_name_of_results_stays_in_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe) <= 60
    assert Path(safe).name == safe
    assert safe.isascii()
    assert not safe.startswith(".")


def test_ids_are_the_numbers_pictures_are_named_by_and_never_two_alike() -> None:
    ids = image_ids([Path("000000000139.jpg"), Path("dog.png"), Path("2.png"), Path("139.png"), Path("1.jpg")])
    assert [tuple(found) for found in ids] == [(139, True), (3, False), (2, True), (4, False), (1, True)]
