"""Which rows can be told apart: over pictures where runs kept what that takes, and over seeds."""

from pathlib import Path

import numpy as np
import pytest
from made_up_store import ROWS, run_name, write_complete

from reports.formats.table import Table
from reports.numbers.sweep import aggregate
from reports.sections.evidence import evidence
from reports.sections.results import results_table

PICTURES = 200


def keep_pictures(root: Path, seeds: int) -> None:
    """Per-picture files of every run: 10 joints a picture, of which the row's AP decides how many were found."""
    shared = np.random.default_rng(9).random((PICTURES, 10))
    for number, (_, _, _, ap) in enumerate(ROWS):
        for seed in range(seeds):
            np.savez(
                root / run_name(number, seed) / "per_picture.npz",
                images=np.arange(PICTURES),
                image=np.zeros(0, np.int32),
                matched=np.zeros(0, np.uint8),
                ignored=np.zeros(0, np.uint8),
                shape=np.array([0, 3, 10]),
                people=np.zeros((PICTURES, 3), np.int32),
                names=np.array(["AP"]),  # stands in for any metric counted by picture
                hits=(shared < ap).sum(1, keepdims=True).astype(np.int32),
                labelled=np.full((PICTURES, 1), 10, np.int32),
            )


def shown(root: Path, seeds: int) -> dict[str, Table]:
    section = evidence(aggregate(*write_complete(root, seeds=seeds)))
    return {} if section is None else {block.name: block for block in section.blocks if isinstance(block, Table)}


def column(table: Table, title: str) -> list[str]:
    place = [one.title for one in table.columns].index(title)
    return [row[place].text for row in table.rows]


def test_one_seed_with_pictures_speaks_of_pictures_and_says_so(tmp_path: Path) -> None:
    write_complete(tmp_path, seeds=1)
    keep_pictures(tmp_path, 1)
    tables = shown(tmp_path, 1)
    assert set(column(tables["pairs"], "over other")) == {"pictures"}
    assert any("another seed may turn the order round" in note for note in tables["pairs"].notes)
    assert len(tables["pairs"].rows) == 28


def test_three_seeds_with_pictures_speak_of_both(tmp_path: Path) -> None:
    write_complete(tmp_path, seeds=3)
    keep_pictures(tmp_path, 3)
    assert set(column(shown(tmp_path, 3)["pairs"], "over other")) == {"pictures and seeds"}


def test_without_pictures_seeds_speak_alone_and_rows_far_apart_share_no_letter(tmp_path: Path) -> None:
    assert set(column(shown(tmp_path, 5)["pairs"], "over other")) == {"seeds"}
    table = results_table(aggregate(*write_complete(tmp_path, seeds=5)))
    letters = dict(zip(column(table, "row"), column(table, "group"), strict=True))
    assert letters["all"].startswith("A")
    assert not set(letters["all"].split()) & set(letters["none"].split())


def test_one_seed_without_pictures_says_nothing(tmp_path: Path) -> None:
    assert shown(tmp_path, 1) == {}


def test_a_damaged_file_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_complete(tmp_path, seeds=3)
    (tmp_path / run_name(0, 0) / "per_picture.npz").write_bytes(b"no archive")
    assert set(column(shown(tmp_path, 3)["pairs"], "over other")) == {"seeds"}
    assert "per_picture.npz: must be what" in caplog.text
