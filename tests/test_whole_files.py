import errno
import os
from pathlib import Path

import pytest

from distilpose.whole_files import FencedError, write_whole
from experiments.runs.journal import Journal


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep" / "file", "one")
    write_whole(tmp_path / "deep" / "file", b"two")
    assert (tmp_path / "deep" / "file").read_bytes() == b"two"
    assert names(tmp_path / "deep") == ["file"]


def test_an_exclusive_file_is_written_once(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "one", exclusive=True)
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "file", "two", exclusive=True)
    assert (tmp_path / "file").read_text() == "one"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_writer_whose_folder_aside_is_gone_is_shut_out(tmp_path: Path, exclusive: bool) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    write_whole(tmp_path / "file", "one", aside=aside)
    aside.rename(tmp_path / "gone")
    with pytest.raises(FencedError, match="is gone"):
        write_whole(tmp_path / ("new" if exclusive else "file"), "two", aside=aside, exclusive=exclusive)
    assert (tmp_path / "file").read_text() == "one"
    assert names(tmp_path) == ["file", "gone"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "file", "one")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path / 'file'}'$") as caught:
        write_whole(tmp_path / "file", "two")
    assert caught.value.errno == errno.ENOSPC
    assert (tmp_path / "file").read_text() == "one"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_is_told_with_the_file_that_had_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/report\.html'$"):
        write_whole(tmp_path / "report.html", "x")
    assert list(tmp_path.iterdir()) == []
    journal = Journal(tmp_path / "journal.jsonl")
    with pytest.raises(OSError, match=r"No space left on device: '.*/journal\.jsonl'$"):
        journal.note("x")
    journal.abandon()
