"""Parts of data sets, and several as one: written anew in our form, with links to the pictures where they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from distilpose.data.coco import PoseData, find_split, find_splits, load_pose_data, some_people
from distilpose.data.errors import DataError
from distilpose.data.foreign import read_json
from distilpose.data.skeleton import Skeleton, category_of
from distilpose.whole_files import write_whole

Content = dict[str, Any]


def write_split(
    out: Path, split: str, content: Mapping[str, Any], pictures: Mapping[str, Path], *, copy: bool = False
) -> None:
    """Write annotations, and the folders of pictures by their names below the split's ('' for the split's own) as
    links, or their pictures as copies.

    Raises:
        DataError: there is such a split already.
    """
    file, folder = out / "annotations" / f"{split}.json", out / "images" / split
    if file.exists() or folder.exists() or folder.is_symlink():
        raise DataError(f"{out}: holds a split {split} already; name another folder, or remove it")
    if copy:
        for image in content["images"]:
            to = folder / image["file_name"]
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(pictures[""] / image["file_name"], to)
    else:
        for name, source in pictures.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(source.resolve(), target_is_directory=True)
    write_whole(file, json.dumps(content, separators=(",", ":")))


def write_subset(root: Path, out: Path, counts: Mapping[str, int], *, drop: Sequence[str] = ()) -> dict[str, int]:
    """Write some people of each split, from all over it and always the same, without the joints of `drop`.

    Who has no other labelled joint, and who else is in a picture, is left out. Returns the people of each split.

    Raises:
        DataError: a split cannot be read, has nobody, or is there already.
        ValueError: there is no such joint.
    """
    written = {}
    for split, count in counts.items():
        content, data = _read(root, split)
        dropped = {data.skeleton.find(name) for name in drop}
        kept = [joint for joint in range(data.skeleton.num_joints) if joint not in dropped]
        people = tuple(person for person in data.people if (person.keypoints[kept, 2] > 0).any())
        if not people:
            raise DataError(f"{data.annotation_file}: nobody has a labelled joint beside {', '.join(drop)}")
        chosen = {person.annotation_id for person in some_people(replace(data, people=people), count).people}
        rows = [row for row in content["annotations"] if row["id"] in chosen]
        if dropped:
            skeleton = data.skeleton.take(kept)
            content["categories"] = [_with(skeleton, row) for row in content["categories"] if row.get("keypoints")]
            for row in rows:
                flat = row["keypoints"]
                row["keypoints"] = [value for joint in kept for value in flat[3 * joint : 3 * joint + 3]]
                row["num_keypoints"] = sum(flag > 0 for flag in row["keypoints"][2::3])
        write_split(out, split, _of_people(content, rows), {"": data.image_dir})
        written[split] = len(chosen)
    return written


def write_division(root: Path, out: Path, split: str, *, into: str, share: float, seed: int) -> dict[str, int]:
    """Write a set whose split gives this share of its pictures to a new one, `into`; others are as they were.

    People of one picture stay together. Returns the people of both.

    Raises:
        DataError: a split cannot be read, is there already, or would have nobody.
    """
    content, data = _read(root, split)
    others = [other for other in find_splits(root) if other != split]
    if into in (split, *others):
        raise DataError(f"{root}: has a split {into} already; divide {split} into another")
    images = content["images"]
    order = np.random.default_rng(seed).permutation(len(images))
    chosen = {images[place]["id"] for place in order[: round(share * len(images))]}
    counts = {split: 0, into: 0}
    for person in data.people:
        counts[into if person.image_id in chosen else split] += 1
    for half, count in counts.items():
        if not count:
            raise DataError(f"{data.annotation_file}: {half} would have nobody; choose another share than {share:g}")
    for half in counts:
        pictures = [image for image in images if (image["id"] in chosen) == (half == into)]
        rows = [row for row in content["annotations"] if (row["image_id"] in chosen) == (half == into)]
        write_split(out, half, {**content, "images": pictures, "annotations": rows}, {"": data.image_dir})
    for other in others:
        whole, its = _read(root, other)
        write_split(out, other, whole, {"": its.image_dir})
    return counts


def write_merged(roots: Sequence[Path], out: Path) -> dict[str, int]:
    """Write several sets of one skeleton as one, split by split, numbered anew. Returns the people of each split.

    Raises:
        DataError: the joints or the categories differ, or a split cannot be read, or is there already.
    """
    splits = dict.fromkeys(split for root in roots for split in find_splits(root))
    if not splits:
        raise DataError(f"{roots[0]}: has no split to merge")
    first: PoseData | None = None
    written = {}
    for split in splits:
        merged: Content = {"images": [], "annotations": []}
        written[split] = 0
        pictures = {}
        for number, root in enumerate(roots):
            if split not in find_splits(root):
                continue
            content, data = _read(root, split)
            first = first or data
            _refuse_others(first, data)
            written[split] += len(data.people)
            folder = f"{number}-{root.resolve().name}"
            pictures[folder] = data.image_dir
            ids = {row["id"]: len(merged["images"]) + at for at, row in enumerate(content["images"], 1)}
            merged["images"] += [
                {**row, "id": ids[row["id"]], "file_name": f"{folder}/{row['file_name']}"} for row in content["images"]
            ]
            merged["annotations"] += [
                {**row, "id": len(merged["annotations"]) + at, "image_id": ids[row["image_id"]]}
                for at, row in enumerate((row for row in content["annotations"] if _posed(row, data)), 1)
            ]
            if len(first.categories) == 1:
                for row in merged["annotations"]:
                    row["category_id"] = first.category_id
        assert first is not None
        joints = category_of(first.skeleton)
        merged["categories"] = [{**joints, "id": number, "name": name} for number, name in first.categories.items()]
        write_split(out, split, merged, pictures)
    return written


def _read(root: Path, split: str) -> tuple[Content, PoseData]:
    """The file's JSON as it stands, and what it holds."""
    data = load_pose_data(root, split)
    content: Content = read_json(find_split(root, split)[0])[0]
    return content, data


def _of_people(content: Content, rows: list[dict[str, Any]]) -> Content:
    """The content with these people and their pictures alone."""
    shown = {row["image_id"] for row in rows}
    images = [image for image in content["images"] if image["id"] in shown]
    return {**content, "images": images, "annotations": rows}


def _with(skeleton: Skeleton, category: Mapping[str, Any]) -> dict[str, Any]:
    kept = {field: value for field, value in category.items() if field not in ("upper_body", "parts")}
    return {**kept, **category_of(skeleton), "id": category["id"], "name": category.get("name", "person")}


def _posed(row: Mapping[str, Any], data: PoseData) -> bool:
    return row["category_id"] in data.categories


def _refuse_others(first: PoseData, other: PoseData) -> None:
    for field, ours, theirs in (
        ("keypoints", first.skeleton.names, other.skeleton.names),
        ("keypoint_sigmas", first.skeleton.sigmas, other.skeleton.sigmas),
        ("categories", _several(first.categories.values()), _several(other.categories.values())),
    ):
        if ours != theirs:
            rule = f"must be those of {first.annotation_file} to be merged; got {theirs} for {ours}"
            raise DataError(f"{other.annotation_file}: {field}: {rule}")


def _several(names: Iterable[str]) -> tuple[str, ...]:
    found = tuple(names)
    return found if len(found) > 1 else ()
