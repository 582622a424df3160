"""COCO-format keypoint data as records: where its files are, its skeleton, and the people one can train on."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from distilpose.data.errors import DataError
from distilpose.data.skeleton import Skeleton, skeleton_from_category

# COCO's archives bring these along, about the same pictures.
_NOT_POSES = ("captions_", "image_info_", "instances_", "panoptic_", "stuff_")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Person:
    """One labelled person of a picture.

    bbox: x, y, width, height in image pixels, clipped to the picture as the official loader does (`clean_box`).
    keypoints: float32 [K, 3] in image pixels: x, y, and COCO's visibility 0 (unlabelled), 1 (occluded), 2 (visible).
    image_size: (width, height) in pixels, as the annotations say.
    """

    annotation_id: int
    image_id: int
    image: Path
    image_size: tuple[int, int]
    bbox: tuple[float, float, float, float]
    keypoints: NDArray[np.float32]
    area: float


class ImageRecord(NamedTuple):
    """One picture of a split, with or without people."""

    image_id: int
    path: Path
    size: tuple[int, int]


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
    """Of the people, as the files of results and of detected boxes name them."""


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


def read_annotations(file: Path) -> dict[str, Any]:
    """The parsed annotation file, a JSON object.

    Raises:
        DataError: when it is not JSON or not an object.
    """
    return _read(file)[0]


def _read(file: Path) -> tuple[dict[str, Any], str]:
    """The parsed annotation file and the sha256 of its bytes."""
    raw = file.read_bytes()
    try:
        parsed = json.loads(raw)
    except ValueError as error:
        raise DataError(f"{file}: must be JSON: {error}") from error
    if not isinstance(parsed, dict):
        kind = type(parsed).__name__
        raise DataError(f"{file}: must be a JSON object with images, annotations and categories, got a {kind}")
    return parsed, hashlib.sha256(raw).hexdigest()


def data_fingerprint(root: str | Path, split: str) -> str:
    """sha256 over the annotation bytes and the sorted (name, length) of the pictures; paths do not enter.

    A picture that is missing enters with length -1, so that broken data has a fingerprint too.
    """
    file, image_dir = find_split(root, split)
    return _fingerprint(*_read(file), image_dir)


def _fingerprint(parsed: dict[str, Any], digest: str, image_dir: Path) -> str:
    images = parsed.get("images")
    names = sorted(
        str(image.get("file_name")) for image in (images if isinstance(images, list) else []) if isinstance(image, dict)
    )
    sha = hashlib.sha256(digest.encode())
    for name in names:
        try:
            length = (image_dir / name).stat().st_size
        except OSError:
            length = -1
        sha.update(f"\n{name}\t{length}".encode())
    return sha.hexdigest()


def person_category(parsed: dict[str, Any], file: str) -> dict[str, Any]:
    """The one category that has keypoints (the one named person, where several have).

    Raises:
        DataError: when there is none, or no way to choose.
    """
    categories = parsed.get("categories")
    listed = [c for c in categories if isinstance(c, dict)] if isinstance(categories, list) else []
    posed = [c for c in listed if c.get("keypoints")]
    named = [c for c in posed if c.get("name") == "person"]
    if len(posed) == 1:
        return posed[0]
    if len(named) == 1:
        return named[0]
    raise DataError(
        f"{file}: categories: exactly one category with `keypoints` (or one named 'person') is needed, got "
        f"{len(posed)}; add the joint names, skeleton, flip_pairs and keypoint_sigmas to the person category"
    )


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


def stays_inside(file_name: str) -> bool:
    """Whether a picture's name stays in the picture directory: it comes from a file that anybody may have written."""
    path = PurePosixPath(file_name.replace("\\", "/"))
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0]


def load_pose_data(root: str | Path, split: str) -> PoseData:
    """The split as records. Pictures are not opened; `check_split` does that.

    Raises:
        DataError: at the first record that cannot be read; `check_split` lists all of them.
    """
    file, image_dir = find_split(root, split)
    parsed, digest = _read(file)
    category = person_category(parsed, str(file))
    skeleton = skeleton_from_category(category, str(file))
    images: dict[int, ImageRecord] = {}
    people: list[Person] = []
    where = "images"
    try:
        for index, image in enumerate(parsed["images"]):
            where = f"images[{index}]"
            size = (int(image["width"]), int(image["height"]))
            if not stays_inside(image["file_name"]):
                raise ValueError(f"file_name must stay in the picture directory, got {image['file_name']!r}")
            images[image["id"]] = ImageRecord(image["id"], image_dir / image["file_name"], size)
        where = "annotations"
        for index, annotation in enumerate(parsed["annotations"]):
            where = f"annotations[{index}]"
            if annotation["category_id"] == category["id"]:
                person = _person(annotation, images, skeleton)
                if person is not None:
                    people.append(person)
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error} is absent or unknown" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{file}: {where}: {what}; `distilpose data check` lists every problem") from error
    if not people:
        raise DataError(f"{file}: annotations: at least one person with a labelled joint and a box is needed, got none")
    return PoseData(
        split=split,
        annotation_file=file,
        image_dir=image_dir,
        skeleton=skeleton,
        people=tuple(people),
        images=tuple(images.values()),
        fingerprint=_fingerprint(parsed, digest, image_dir),
        category_id=int(category["id"]),
    )


def some_people(data: PoseData, count: int) -> PoseData:
    """The split with `count` of its people from all over it, always the same; all of them where there are no more."""
    people = data.people
    count = min(count, len(people))
    return replace(data, people=tuple(people[len(people) * turn // count] for turn in range(count)))


def _person(annotation: dict[str, Any], images: dict[int, ImageRecord], skeleton: Skeleton) -> Person | None:
    """The trainable person of an annotation, or None; raises KeyError, TypeError or ValueError on malformed ones."""
    flat = annotation.get("keypoints")
    if annotation.get("iscrowd", 0) or flat is None or annotation.get("num_keypoints", 1) == 0:
        return None
    if len(flat) != 3 * skeleton.num_joints:
        raise ValueError(f"keypoints: {skeleton.num_joints} joints of 3 numbers, got {len(flat)} numbers")
    keypoints = np.asarray(flat, np.float32).reshape(-1, 3)
    if not np.isfinite(keypoints).all():
        raise ValueError("keypoints: finite numbers, got NaN or infinity")
    image = images[annotation["image_id"]]
    x, y, w, h = (float(v) for v in annotation["bbox"])
    if not all(math.isfinite(v) for v in (x, y, w, h)):
        raise ValueError(f"bbox: finite numbers, got {annotation['bbox']}")
    box = clean_box((x, y, w, h), image.size)
    area = float(annotation.get("area", w * h))
    if box is None or area <= 0 or not (keypoints[:, 2] > 0).any():
        return None
    keypoints.flags.writeable = False
    return Person(
        annotation_id=annotation["id"],
        image_id=image.image_id,
        image=image.path,
        image_size=image.size,
        bbox=box,
        keypoints=keypoints,
        area=area,
    )
