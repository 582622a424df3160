"""COCO 2017 as its authors publish it: what belongs to it, whether a folder holds all of it, and how to get it."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from distilpose.data.download import Remote, checksum, fetch, matches
from distilpose.data.errors import DataError
from distilpose.data.problem import Problem, problem
from distilpose.data.records import stays_inside

SERVER = "http://images.cocodataset.org"  # its certificate is of another name, so not https; checksums tell instead
DOWNLOADS = "downloads"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A zip and what of it is wanted: a folder of so many pictures, or single files; `unpacked` in bytes, about."""

    remote: Remote
    members: tuple[str, ...]
    """Names as in the archive; one that ends in `/` is a folder."""
    unpacked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """A folder and how many pictures it must hold."""

    folder: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A single file and its checksum."""

    file: str
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """All that a folder must hold, and where it is to be had."""

    archives: tuple[Archive, ...]
    pictures: tuple[Pictures, ...]
    files: tuple[Known, ...]
    boxes: Known
    boxes_from: Remote
    """A copy on a public server that is not the makers' own; its checksum tells whether it is the same file."""


# COCO publishes no checksums. Those of the archives, of the val annotations and of the boxes stand in many independent
# public projects, which agree; that of the train annotations in one of them alone.
BOXES = "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"
_BOXES_SUM = "sha256:53ba0ad8d0fd461c5a000cd90797fa8c39cd8c38cd125125c0412626ff592d59"
BOXES_BY_HAND = "https://drive.google.com/drive/folders/1fRUDNUDxe9fjqcRZ2bnF_TKMlO0nB_dk"


def coco2017(server: str = SERVER, *, test: bool = False) -> Release:
    """COCO 2017 for training and validating on people, and with `test` for submitting to test-dev too."""

    def archive(path: str, size: int | None, sum_: str, unpacked: int, *members: str) -> Archive:
        return Archive(
            remote=Remote(url=f"{server}/{path}", size=size, checksum=sum_), members=members, unpacked=unpacked
        )

    annotations = {
        "train": "sha256:7fc1549d934547c470384d8a207c38707ca33fc016d00e33b795e408603af83e",
        "val": "sha256:788e2dae83c86bd547be7fab269d6399df5671063d29a61360cdb2cc370d2b14",
    }
    named = {split: f"annotations/person_keypoints_{split}2017.json" for split in annotations}
    archives = [
        archive(
            "annotations/annotations_trainval2017.zip",
            252_907_541,
            "sha256:113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            250_000_000,
            *named.values(),
        ),
        archive(
            "zips/val2017.zip",
            815_585_330,
            "sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            820_000_000,
            "val2017/",
        ),
        archive(
            "zips/train2017.zip",
            19_336_861_798,
            "sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            19_400_000_000,
            "train2017/",
        ),
    ]
    pictures = [Pictures(folder="val2017", count=5_000), Pictures(folder="train2017", count=118_287)]
    if test:
        info = "annotations/image_info_test-dev2017.json"
        archives += [
            archive(
                "annotations/image_info_test2017.zip", None, "md5:85da7065e5e600ebfee8af1edb634eb5", 15_000_000, info
            ),
            archive(
                "zips/test2017.zip", 6_646_970_404, "md5:77ad2c53ac5d0aea611d422c0938fb35", 6_700_000_000, "test2017/"
            ),
        ]
        pictures.append(Pictures(folder="test2017", count=40_670))
    mirror = "https://huggingface.co/datasets/msdkhairi/coco2017/resolve/main"
    return Release(
        archives=tuple(archives),
        pictures=tuple(pictures),
        files=tuple(Known(file=named[split], checksum=annotations[split]) for split in annotations),
        boxes=Known(file=BOXES, checksum=_BOXES_SUM),
        boxes_from=Remote(url=f"{mirror}/{PurePosixPath(BOXES).name}", size=16_383_781, checksum=_BOXES_SUM),
    )


def problems_of(root: Path, release: Release) -> tuple[Problem, ...]:
    """All that the folder lacks, or holds otherwise than published. Pictures are counted, not opened."""
    found: list[Problem] = []
    for known in (*release.files, release.boxes):
        file = root / known.file
        if not file.is_file():
            found.append(problem("missing_file", file, "file", "", "must be there"))
            continue
        algorithm = known.checksum.partition(":")[0]
        got = checksum(file, algorithm)
        if got != known.checksum:
            message = f"must be the published file, {known.checksum}; numbers from another are not comparable"
            found.append(problem("other_content", file, "checksum", got, message))
    for info in _wanted_files(release):
        if info not in {known.file for known in release.files} and not (root / info).is_file():
            found.append(problem("missing_file", root / info, "file", "", "must be there"))
    for pictures in release.pictures:
        folder = root / pictures.folder
        count = _pictures_in(folder)
        if count != pictures.count:
            message = f"must hold {pictures.count} pictures (.jpg, none of them empty)"
            found.append(problem("picture_count", folder, "pictures", count, message))
    return tuple(found)


def _wanted_files(release: Release) -> Iterator[str]:
    for archive in release.archives:
        yield from (member for member in archive.members if not member.endswith("/"))


def _pictures_in(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    with os.scandir(folder) as entries:
        return sum(entry.name.endswith(".jpg") and entry.stat().st_size > 0 for entry in entries)


def lacking(root: Path, release: Release) -> tuple[Archive, ...]:
    """The archives that hold what the folder lacks."""
    bad = {Path(one.file).relative_to(root).as_posix() for one in problems_of(root, release)}
    return tuple(a for a in release.archives if any(member.rstrip("/") in bad for member in a.members))


def space_needed(root: Path, archives: Sequence[Archive], *, keep: bool) -> int:
    """Bytes that fetching and unpacking takes at most, one archive after the other, less what is here."""
    needed, held = 0, 0
    for archive in archives:
        size = archive.remote.size or archive.unpacked
        needed = max(needed, held + size + archive.unpacked)
        held += archive.unpacked + (size if keep else 0)
    downloads = root / DOWNLOADS
    here = sum(file.stat().st_size for file in downloads.iterdir() if file.is_file()) if downloads.is_dir() else 0
    return max(0, needed - here)


def download(
    root: Path,
    release: Release,
    *,
    keep: bool = False,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Fetch and unpack what the folder lacks; what is there and right is left alone.

    Each archive is checked before it is unpacked, every file in it by its own CRC while it is, and it is then thrown
    away unless `keep`.

    Args:
        root: the folder.
        release: what is wanted.
        keep: leave the archives in `downloads/`.
        on_progress: called with what is being done, and how far it is, in bytes.

    Raises:
        DataError: something could not be had, there is no room for it, or the folder holds other data.
    """

    def tell(what: str) -> Callable[[int, int], None] | None:
        return None if on_progress is None else lambda done, total: on_progress(what, done, total)

    other = [one for one in problems_of(root, release) if one.kind == "other_content"]
    if other:
        raise DataError(f"{root}: holds something else, which is not written over: {other[0]}; name another folder")
    archives = lacking(root, release)
    root.mkdir(parents=True, exist_ok=True)
    needed, free = space_needed(root, archives, keep=keep), shutil.disk_usage(root).free
    if needed > free:
        raise DataError(f"{root}: {needed / 1e9:.1f} GB must be free to fetch and unpack COCO, {free / 1e9:.1f} GB are")
    for archive in archives:
        file = root / DOWNLOADS / archive.remote.name
        if not matches(file, archive.remote):
            fetch(archive.remote, file, on_progress=tell(f"fetching {archive.remote.name}"))
        unpack(file, root, archive.members, on_progress=tell(f"unpacking {archive.remote.name}"))
        if not keep:
            file.unlink()
    boxes = root / release.boxes.file
    if not boxes.exists():
        try:
            fetch(release.boxes_from, boxes, on_progress=tell(f"fetching {boxes.name}"), attempts=3)
        except DataError as error:
            raise DataError(
                f"{error}. The detector's boxes are no part of COCO: fetch {boxes.name} from {BOXES_BY_HAND} (of the "
                f"authors of SimpleBaselines and HRNet) to {boxes}; or evaluate with `boxes: gt`, which needs none "
                "and gives other numbers"
            ) from error


def unpack(
    archive: Path, root: Path, members: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Write the wanted files of a zip below `root`, each whole or not at all; those there and unchanged are left.

    Raises:
        DataError: the zip is damaged, or names a place outside `root`.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = [info for info in opened.infolist() if not info.is_dir() and _is_wanted(info.filename, members)]
            total, done = sum(info.file_size for info in infos), 0
            for info in infos:
                if not stays_inside(info.filename):
                    raise DataError(f"{archive}: {info.filename!r} leads out of the folder")
                target = root / info.filename
                if not _is_unpacked(target, info):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    part = target.with_name(f".{target.name}.part")
                    with opened.open(info) as packed, part.open("wb") as file:
                        shutil.copyfileobj(packed, file, _BLOCK)
                    part.replace(target)
                done += info.file_size
                if on_progress is not None:
                    on_progress(done, total)
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive}: is damaged ({error}); delete it, and the same command fetches it again") from error


def _is_unpacked(target: Path, info: zipfile.ZipInfo) -> bool:
    if not target.is_file() or target.stat().st_size != info.file_size:
        return False
    return zlib.crc32(target.read_bytes()) == info.CRC


def _is_wanted(name: str, members: Sequence[str]) -> bool:
    return any(name.startswith(member) if member.endswith("/") else name == member for member in members)
