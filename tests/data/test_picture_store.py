"""Decoded pictures on disk: the same pictures whatever befalls the file, and training goes on."""

import errno
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from distilpose.data import picture_store
from distilpose.data.augmentation import Augmentation
from distilpose.data.coco import PoseData, load_pose_data, some_people
from distilpose.data.errors import DataError
from distilpose.data.picture_store import PictureStore, store_file, store_size
from distilpose.data.stream import PeopleStream, eval_batches
from distilpose.data.transforms import read_rgb

READ_ALL = """
import sys
from contextlib import closing
from pathlib import Path
from distilpose.data.coco import load_pose_data
from distilpose.data.picture_store import PictureStore
data = load_pose_data(sys.argv[1], "train")
print("ready", flush=True)
sys.stdin.readline()
with closing(PictureStore(data, Path(sys.argv[2]))) as store:
    for image in data.images:
        store.read(image.path)
"""


@pytest.fixture
def data(people: Path) -> PoseData:
    return load_pose_data(people, "train")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was warned of since it was last asked."""
    caplog.set_level(logging.WARNING, logger=picture_store.__name__)

    def said() -> list[str]:
        messages = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return messages

    return said


def read_all(data: PoseData, folder: Path) -> int:
    """Read every picture through a store, assert that it is right, and return how many had to be decoded."""
    decoded = []

    def decode(path: str) -> np.ndarray:
        decoded.append(path)
        return read_rgb(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(picture_store, "read_rgb", decode)
        with closing(PictureStore(data, folder)) as store:
            for image in data.images:
                np.testing.assert_array_equal(store.read(image.path), read_rgb(str(image.path)))
    return len(decoded)


def flip_a_byte(file: Path, at: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        byte = opened.read(1)[0]
        opened.seek(at)
        opened.write(bytes([byte ^ 1]))


def test_a_picture_is_decoded_once_for_all_later_processes(data, folder, warnings):
    assert read_all(data, folder) == 7
    assert read_all(data, folder) == 0
    (data.image_dir / "003.jpg").rename(data.image_dir / "gone.jpg")
    with closing(PictureStore(data, folder)) as store:
        assert store.read(data.images[2].path).shape == (80, 60, 3)
    assert warnings() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_equal_to_the_last_bit_with_and_without_it(data, folder, workers):
    def stream(cache) -> PeopleStream:
        options = {"input_size": (24, 32), "seed": 3, "batch_size": 2, "workers": workers, "cache": cache}
        return PeopleStream(data, augmentation=Augmentation(half_body_joints=4), **options)

    plain = stream("none")
    for epoch in range(3):  # the first writes, the second may read what this process wrote, the third a later one's
        with closing(PictureStore(data, folder)) as store:
            for one, other in zip(stream(store).epoch(epoch), plain.epoch(epoch), strict=True):
                assert all(torch.equal(left, right) for left, right in zip(one, other, strict=True))


def test_its_size_is_known_before_and_after(data, folder):
    before = store_size(data, folder)
    assert not folder.exists()
    assert before.whole == 7 * 60 * 80 * 3 + 7 * 8
    assert before.written == 0
    assert before.fits
    read_all(data, folder)
    assert store_size(data, folder).written == before.whole
    # what no person of the split shows takes no room: the file is sparse
    few = some_people(data, 1)
    with closing(PictureStore(few, folder / "few")) as store:
        store.read(few.people[0].image)
    assert store_size(few, folder / "few").written <= store_size(few, folder / "few").whole == 60 * 80 * 3 + 7 * 8


def test_other_data_and_another_decoder_have_another_file(data, people, folder, edit, monkeypatch):
    first = store_file(data, folder)
    assert store_file(some_people(data, 2), folder) == first
    edit(lambda parsed: parsed["annotations"][0].update(area=1201.0))
    assert store_file(load_pose_data(people, "train"), folder) != first
    monkeypatch.setattr("cv2.getBuildInformation", lambda: "another")
    assert store_file(data, folder) != first


@pytest.mark.parametrize("where", ["pixels", "table"])
def test_a_damaged_picture_is_told_once_and_written_anew(data, folder, warnings, where):
    read_all(data, folder)
    for row in (1, 4):
        flip_a_byte(store_file(data, folder), 8 * row if where == "table" else 7 * 8 + row * 60 * 80 * 3 + 50)
    assert read_all(data, folder) == 2
    said = warnings()
    assert len(said) == 1
    assert "is damaged" in said[0]
    assert read_all(data, folder) == 0
    assert warnings() == []


@pytest.mark.parametrize("length", [0, 3, 40_000, 200_000])
def test_a_file_of_another_length_is_told_and_mended(data, folder, warnings, length):
    read_all(data, folder)
    os.truncate(store_file(data, folder), length)
    lost = read_all(data, folder)
    assert lost == {0: 7, 3: 7, 40_000: 5, 200_000: 0}[length]
    assert [f"has {length} bytes" in message for message in warnings()][:1] == ([True] if length else [])
    assert read_all(data, folder) == 0


def test_processes_that_build_at_once_do_no_harm(data, people, folder, warnings):
    command = [sys.executable, "-c", READ_ALL, str(people), str(folder)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert read_all(data, folder) == 0
    assert warnings() == []
    assert len(list(folder.iterdir())) == 1


def test_a_builder_killed_amid_a_picture_leaves_it_to_the_next(data, people, folder, warnings):
    # it is killed with half of the fourth picture's pixels written
    dying = READ_ALL.replace("data = load", WRITES_HALF + "data = load")
    process = subprocess.run(
        [sys.executable, "-c", dying, str(people), str(folder)], input=b"go\n", capture_output=True
    )
    assert process.returncode == -9, process.stderr
    assert read_all(data, folder) == 4
    assert warnings() == []
    assert read_all(data, folder) == 0


WRITES_HALF = """
import os, signal
from distilpose.data import picture_store
whole, calls = os.pwrite, []
def pwrite(handle, content, begin):
    calls.append(begin)
    if len(calls) == 7:  # two a picture: its pixels, its entry
        whole(handle, content[: len(content) // 2], begin)
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(handle, content, begin)
picture_store.os.pwrite = pwrite
"""


def test_on_a_full_disk_it_stops_growing_and_says_so_once(data, folder, warnings, monkeypatch):
    read_all(data, folder)
    whole = os.pwrite
    flip_a_byte(store_file(data, folder), 0)
    flip_a_byte(store_file(data, folder), 8)

    def full(handle: int, content: memoryview, begin: int) -> int:
        whole(handle, content[:10], begin)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert read_all(data, folder) == 2
    assert [message.split(": ", 1)[1][:14] for message in warnings()] == ["is damaged; it", "grows no more "]
    assert read_all(data, folder) == 2  # later there is room


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, for which root is needed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_really_full_disk_ends_nothing(data, small_disk, warnings, monkeypatch):
    assert not store_size(data, small_disk).fits
    assert read_all(data, small_disk) == 7
    assert ["are left alone" in message for message in warnings()] == [True]
    assert store_size(data, small_disk).written == 0
    # the room is gone though it was there when the store was opened
    monkeypatch.setattr(picture_store, "RESERVE_BYTES", -(2**20))
    assert read_all(data, small_disk) == 7
    assert ["No space left" in message for message in warnings()] == [True]
    assert 1 <= read_all(data, small_disk) < 7


def test_a_folder_that_cannot_be_made_is_told_and_gone_without(data, tmp_path, warnings):
    (tmp_path / "file").write_text("")
    assert read_all(data, tmp_path / "file" / "cache") == 7
    assert ["cannot be used" in message for message in warnings()] == [True]


def test_a_slow_disk_keeps_nobody_waiting(data, folder, monkeypatch):
    whole, may_write = os.pwrite, Event()
    monkeypatch.setattr(picture_store, "_WAITING", 2)

    def slow(handle: int, content: memoryview, begin: int) -> int:
        may_write.wait(60)
        return whole(handle, content, begin)

    monkeypatch.setattr(os, "pwrite", slow)
    with closing(PictureStore(data, folder)) as store:
        for image in data.images:
            store.read(image.path)
        may_write.set()
    assert read_all(data, folder) == 5  # what was left out is written later
    assert read_all(data, folder) < 5


def test_a_picture_of_another_size_than_its_record_is_refused_and_not_kept(people, folder, edit):
    edit(lambda parsed: parsed["images"][0].update(width=61))
    data = load_pose_data(people, "train")
    for _ in range(2):
        with (
            closing(PictureStore(data, folder)) as store,
            pytest.raises(DataError, match=r"001\.jpg: must be \(61, 80\)"),
        ):
            list(eval_batches(data, input_size=(24, 32), batch_size=4, cache=store))


def test_pictures_of_no_split_are_read_as_they_are(data, folder):
    other = data.image_dir / "other.jpg"
    other.write_bytes((data.image_dir / "001.jpg").read_bytes())
    with closing(PictureStore(data, folder)) as store:
        np.testing.assert_array_equal(store.read(other), read_rgb(str(other)))
