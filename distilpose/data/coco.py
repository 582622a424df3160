"""COCO-format keypoint data as records: where its files are, its skeleton, and the people one can train on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from distilpose.data.errors import DataError
from distilpose.data.records import AnnotationRow, Given, Records, read_records
from distilpose.data.skeleton import Skeleton

# COCO's archives bring these along, about the same pictures.
_NOT_POSES = ("captions_", "image_info_", "instances_", "panoptic_", "stuff_")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Person:
    """One labelled person of a picture.

    bbox: x, y, width, height in image pixels, clipped to the picture as the official loader does (`clean_box`); or as
        it is, where the annotations have a box to crop by, as of MPII.
    keypoints: float32 [K, 3] in image pixels: x, y, and COCO's visibility 0 (unlabelled), 1 (occluded), 2 (visible).
    image_size: (width, height) in pixels, as the annotations say.
    head_size: by which PCKh measures, in image pixels; None where the annotations have none.
    crowd_index: how crowded the picture is, from 0 to 1; None where the annotations do not say.
    """

    annotation_id: int
    image_id: int
    image: Path
    image_size: tuple[int, int]
    bbox: tuple[float, float, float, float]
    keypoints: NDArray[np.float32]
    area: float
    category_id: int = 1
    head_size: float | None = None
    crowd_index: float | None = None


class ImageRecord(NamedTuple):
    """One picture of a split, with or without people."""

    image_id: int
    path: Path
    size: tuple[int, int]
    crowd_index: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoseData:
    """A split: its files, its skeleton, and the people that can be trained on and evaluated.

    `people` leaves out crowds, people without a labelled joint, and boxes or areas that are empty, as the official
    loader does. `fingerprint` changes with the annotations and with the name or length of any picture, never with the
    place.
    """

    split: str
    annotation_file: Path
    image_dir: Path
    skeleton: Skeleton
    people: tuple[Person, ...]
    images: tuple[ImageRecord, ...]
    fingerprint: str
    category_id: int
    """Of the people, as the files of results and of detected boxes name them; the first of several."""
    categories: dict[int, str] = field(default_factory=dict)
    """The names of all categories that the people (or animals) are of, by id."""
    given: Given | None = None
    """What was given of the joints in place of what the file says."""


def find_split(root: str | Path, split: str) -> tuple[Path, Path]:
    """The annotation file and the picture directory of a split, in either layout.

    COCO's own is `annotations/person_keypoints_SPLIT.json` with `SPLIT/`, the plain one `annotations/SPLIT.json` with
    `images/SPLIT/`; names and places may be mixed.

    Raises:
        DataError: when either is not there, naming the places looked at.
    """
    root = Path(root)
    files = [root / "annotations" / f"person_keypoints_{split}.json", root / "annotations" / f"{split}.json"]
    dirs = [root / "images" / split, root / split]
    file = next((f for f in files if f.is_file()), None)
    if file is None:
        known = ", ".join(find_splits(root)) or "none"
        raise DataError(
            f"{root}: split {split!r}: no annotation file; looked for {files[0].relative_to(root)} and "
            f"{files[1].relative_to(root)}; splits there: {known}"
        )
    image_dir = next((d for d in dirs if d.is_dir()), None)
    if image_dir is None:
        raise DataError(
            f"{root}: split {split!r}: no picture directory; looked for {dirs[1].relative_to(root)}/ and "
            f"{dirs[0].relative_to(root)}/"
        )
    return file, image_dir


def find_splits(root: str | Path) -> tuple[str, ...]:
    """The names of the splits that have an annotation file of poses under `root`, sorted."""
    stems = {file.stem for file in (Path(root) / "annotations").glob("*.json")}
    return tuple(sorted(s.removeprefix("person_keypoints_") for s in stems if not s.startswith(_NOT_POSES)))


def data_fingerprint(root: str | Path, split: str, given: Given | None = None) -> str:
    """sha256 over the annotation bytes, what is `given` of the joints, and the sorted (name, length) of the pictures.

    Paths do not enter. A picture that is missing enters with length -1, so that broken data has a fingerprint too.
    """
    file, image_dir = find_split(root, split)
    return fingerprint_of(read_records(file, given), image_dir)


def fingerprint_of(records: Records, image_dir: Path) -> str:
    """The fingerprint of a split whose records are read."""
    sha = hashlib.sha256(records.digest.encode())
    for name in sorted(image.file_name for image in records.images):
        try:
            length = (image_dir / name).stat().st_size
        except OSError:
            length = -1
        sha.update(f"\n{name}\t{length}".encode())
    return sha.hexdigest()


def clean_box(
    bbox: tuple[float, float, float, float], image_size: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """The box clipped as the official loader does (far edge = near edge + size - 1); None where nothing is left.

    Args:
        bbox: x, y, width, height in image pixels.
        image_size: (width, height).
    """
    x, y, w, h = bbox
    x1, y1 = max(0.0, x), max(0.0, y)
    x2 = min(image_size[0] - 1.0, x1 + max(0.0, w - 1))
    y2 = min(image_size[1] - 1.0, y1 + max(0.0, h - 1))
    if not (x2 > x1 and y2 > y1):
        return None
    return x1, y1, x2 - x1, y2 - y1


def load_pose_data(root: str | Path, split: str, given: Given | None = None) -> PoseData:
    """The split as records, with what is `given` of the joints. Pictures are not opened; `check_split` does that.

    Raises:
        DataError: a record cannot be read, or there are no people; `check_split` lists every fault.
    """
    file, image_dir = find_split(root, split)
    records = read_records(file, given)
    records.refuse_problems()
    return replace(pose_data(records, split, image_dir), given=given)


def pose_data(records: Records, split: str, image_dir: Path) -> PoseData:
    """The split that records without problems describe.

    Raises:
        DataError: nobody can be trained on.
    """
    assert records.skeleton is not None
    assert records.person_id is not None
    images = {
        row.image_id: ImageRecord(row.image_id, image_dir / row.file_name, row.size, row.crowd_index)
        for row in records.images
    }
    found = (_person(row, images[row.image_id]) for row in records.annotations)
    people = tuple(person for person in found if person is not None)
    if not people:
        raise DataError(
            f"{records.file}: annotations: at least one person with a labelled joint and a box is needed, got none"
        )
    return PoseData(
        split=split,
        annotation_file=records.file,
        image_dir=image_dir,
        skeleton=records.skeleton,
        people=people,
        images=tuple(images.values()),
        fingerprint=fingerprint_of(records, image_dir),
        category_id=records.person_id,
        categories=records.categories,
    )


def some_people(data: PoseData, count: int) -> PoseData:
    """The split with `count` of its people from all over it, always the same; all of them where there are no more."""
    people = data.people
    count = min(count, len(people))
    return replace(data, people=tuple(people[len(people) * turn // count] for turn in range(count)))


def _person(row: AnnotationRow, image: ImageRecord) -> Person | None:
    """The trainable person of an annotation, or None."""
    if row.crowd or row.keypoints is None or row.num_keypoints == 0:
        return None
    keypoints = np.asarray(row.keypoints, np.float32).reshape(-1, 3)
    box = clean_box(row.bbox, image.size)
    area = row.bbox[2] * row.bbox[3] if row.area is None else float(row.area)
    if row.crop_box is not None and min(row.crop_box[2:]) > 0:
        box = row.crop_box
    if box is None or area <= 0 or not (keypoints[:, 2] > 0).any():
        return None
    keypoints.flags.writeable = False
    return Person(
        annotation_id=row.annotation_id,
        image_id=image.image_id,
        image=image.path,
        image_size=image.size,
        bbox=box,
        keypoints=keypoints,
        area=area,
        category_id=row.category_id,
        head_size=row.head_size,
        crowd_index=image.crowd_index,
    )
