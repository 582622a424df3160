"""COCO 2017 complete, incomplete and fetched: a small release of the same shape, from a server on this machine."""

import dataclasses
import hashlib
import io
import json
import re
import sys
import zipfile
from pathlib import Path

import pytest
from file_server import serving

from distilpose.data.coco2017 import (
    BOXES,
    Archive,
    Known,
    Pictures,
    Release,
    coco2017,
    download,
    lacking,
    problems_of,
    space_needed,
    unpack,
)
from distilpose.data.download import Remote
from distilpose.data.errors import DataError
from experiments.cli.main import main

FILES = {
    "annotations.zip": {"annotations/person_keypoints_val2017.json": b"{}", "annotations/captions_val2017.json": b"[]"},
    "val2017.zip": {f"val2017/{n:012}.jpg": bytes([n]) * 50 for n in range(1, 4)},
}
BOXES_TEXT = b"[]"


def packed(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def sha(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def server():
    with serving() as running:
        running.files = {f"/{name}": packed(files) for name, files in FILES.items()} | {"/boxes.json": BOXES_TEXT}
        yield running


@pytest.fixture
def release(server):
    def remote(name):
        content = server.files[f"/{name}"]
        return Remote(url=f"{server.url}/{name}", size=len(content), checksum=sha(content))

    known = "annotations/person_keypoints_val2017.json"
    return Release(
        archives=(
            Archive(remote=remote("annotations.zip"), members=(known,), unpacked=2),
            Archive(remote=remote("val2017.zip"), members=("val2017/",), unpacked=150),
        ),
        pictures=(Pictures(folder="val2017", count=3),),
        files=(Known(file=known, checksum=sha(b"{}")),),
        boxes=Known(file=BOXES, checksum=sha(BOXES_TEXT)),
        boxes_from=remote("boxes.json"),
    )


def kinds(root, release):
    return {(one.kind, Path(one.file).relative_to(root).as_posix()) for one in problems_of(root, release)}


def test_an_empty_folder_lacks_everything(release, tmp_path):
    assert kinds(tmp_path, release) == {
        ("missing_file", "annotations/person_keypoints_val2017.json"),
        ("missing_file", BOXES),
        ("picture_count", "val2017"),
    }
    assert lacking(tmp_path, release) == release.archives


def test_a_download_brings_all_of_it_and_only_what_is_wanted(release, tmp_path):
    told = []
    download(tmp_path, release, on_progress=lambda what, done, total: told.append((what, done, total)))
    assert problems_of(tmp_path, release) == ()
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"annotations/person_keypoints_val2017.json", BOXES, *FILES["val2017.zip"]}
    assert ("unpacking val2017.zip", 150, 150) in told


def test_a_download_fetches_only_what_is_lacking(server, release, tmp_path):
    download(tmp_path, release)
    (tmp_path / "val2017" / "000000000001.jpg").write_bytes(b"\2" * 50)  # as long, but changed
    (tmp_path / "val2017" / "000000000002.jpg").write_bytes(b"")
    assert kinds(tmp_path, release) == {("picture_count", "val2017")}
    server.asked.clear()
    download(tmp_path, release)
    assert len(server.asked) == 1
    assert (tmp_path / "val2017" / "000000000001.jpg").read_bytes() == b"\1" * 50
    assert problems_of(tmp_path, release) == ()


def test_archives_are_kept_on_request_and_not_fetched_again(server, release, tmp_path):
    download(tmp_path, release, keep=True)
    assert {file.name for file in (tmp_path / "downloads").iterdir()} == set(FILES)
    (tmp_path / "val2017" / "000000000001.jpg").unlink()
    server.asked.clear()
    download(tmp_path, release, keep=True)
    assert server.asked == []
    assert problems_of(tmp_path, release) == ()


def test_a_file_with_another_content_is_told_with_both_checksums(release, tmp_path):
    download(tmp_path, release)
    (tmp_path / BOXES).write_text("[1]")
    (found,) = problems_of(tmp_path, release)
    assert found.kind == "other_content"
    assert release.boxes.checksum in found.message
    assert "not comparable" in found.message


def test_other_data_are_not_written_over(server, release, tmp_path):
    known = tmp_path / release.files[0].file
    known.parent.mkdir()
    known.write_text("mine")
    with pytest.raises(DataError, match="holds something else, which is not written over"):
        download(tmp_path, release)
    assert (known.read_text(), server.asked) == ("mine", [])


def test_boxes_that_cannot_be_fetched_come_with_what_to_do(server, release, tmp_path):
    elsewhere = dataclasses.replace(release, boxes_from=Remote(url=f"{server.url}/gone", size=2, checksum="md5:0"))
    with pytest.raises(
        DataError, match=r"says 404.*fetch COCO_val2017_detections_AP_H_56_person.json from .*boxes: gt"
    ):
        download(tmp_path, elsewhere)
    assert {one.kind for one in problems_of(tmp_path, elsewhere)} == {"missing_file"}


def test_room_is_asked_for_before_anything_comes(server, release, tmp_path):
    huge = dataclasses.replace(release.archives[1], unpacked=10**18)
    with pytest.raises(DataError, match=r"1000000000\.0 GB must be free"):
        download(tmp_path, dataclasses.replace(release, archives=(huge,)))
    assert server.asked == []


def test_room_for_one_archive_at_a_time_is_enough(release, tmp_path):
    one, other = release.archives
    assert space_needed(tmp_path, (one, other), keep=False) == one.unpacked + other.remote.size + other.unpacked
    assert space_needed(tmp_path, (one, other), keep=True) == one.remote.size + one.unpacked + other.remote.size + 150


def test_a_member_that_leads_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(packed({"val2017/../../evil.jpg": b"x"}))
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack(tmp_path / "a.zip", tmp_path / "out", ["val2017/"])
    assert not (tmp_path / "evil.jpg").exists()


def test_a_damaged_picture_in_an_archive_is_found_by_its_crc(tmp_path):
    content = packed({"val2017/1.jpg": b"picture" * 20})
    (tmp_path / "a.zip").write_bytes(content.replace(b"picturepicture", b"pictureqicture", 1))
    with pytest.raises(DataError, match="is damaged"):
        unpack(tmp_path / "a.zip", tmp_path / "out", ["val2017/"])
    assert not (tmp_path / "out" / "val2017" / "1.jpg").exists()


@pytest.mark.parametrize("test", [False, True])
def test_the_real_release_is_whole(test):
    release = coco2017(test=test)
    assert sum(a.remote.size or 0 for a in release.archives) == 20_405_354_669 + (6_646_970_404 if test else 0)
    folders = {member.rstrip("/") for archive in release.archives for member in archive.members}
    assert {one.folder for one in release.pictures} <= folders
    assert {one.file for one in release.files} <= folders
    sums = [a.remote.checksum for a in release.archives] + [one.checksum for one in (*release.files, release.boxes)]
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", one) for one in sums)
    assert len(set(sums)) == len(sums)


def test_genuine_pictures_in_the_official_layout_are_told_from_the_whole(coco_mini_dir):
    found = problems_of(coco_mini_dir, coco2017())
    assert [(one.kind, Path(one.file).name, one.value) for one in found if one.kind == "picture_count"] == [
        ("picture_count", "val2017", "36"),
        ("picture_count", "train2017", "28"),
    ]
    assert sum(one.kind == "other_content" for one in found) == 3


def test_the_command_says_what_it_will_cost_fetches_and_says_what_it_found(
    server, release, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr("distilpose.data.coco2017.coco2017", lambda server, *, test: release)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["distilpose", "data", "coco", str(tmp_path), *arguments])
        with pytest.raises(SystemExit) as ending:
            main()
        return ending.value.code, *capfd.readouterr()

    code, said, told = command()
    assert (code, f"{tmp_path}: 3 problems" in said, "--download` fetches what is lacking" in told) == (2, True, True)
    assert server.asked == []
    code, said, told = command("--download")
    assert (code, said) == (0, f"{tmp_path}: COCO 2017, complete and as published\n")
    assert "lacks 0.0 GB in 2 archives: about 0 minutes at 100 Mbit/s" in told
    code, said, _ = command("--json")
    assert (code, json.loads(said)["problems"]) == (0, [])
