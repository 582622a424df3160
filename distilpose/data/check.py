"""Everything that is wrong with a data set, found before anything trains on it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distilpose.data.coco import PoseData, find_split, find_splits, fingerprint_of, pose_data
from distilpose.data.errors import DataError
from distilpose.data.pictures import picture_defect
from distilpose.data.problem import Problem, problem, problem_lines
from distilpose.data.records import AnnotationRow, Given, Records, read_records

_BOX_TOLERANCE = 1.0
"""Pixels that a box may reach beyond its picture: rounding, which the loader clips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitStats:
    """What a sound split holds."""

    images: int
    annotations: int
    """Of people, crowds and unlabelled ones too."""
    people: int
    """Those that can be trained on."""
    joints: dict[str, int]
    """Labelled joints by name."""
    occluded: float
    """The share of labelled joints with visibility 1."""
    box_height: float
    """Median of the people's box heights, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check found. `stats` is None where problems keep the split from being read."""

    root: str
    split: str
    problems: tuple[Problem, ...]
    stats: SplitStats | None
    fingerprint: str | None
    deep: bool

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return asdict(self) | {"ok": self.ok}

    def lines(self) -> list[str]:
        """The report as text: a line for the split, then one for each fault that it or several of its records have."""
        if self.stats is not None:
            s = self.stats
            holds = f"{s.people} people in {s.images} pictures, {sum(s.joints.values())} labelled joints"
        else:
            holds = "cannot be used"
        found = "sound" if self.ok else f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        counts = Counter(fault.kind for fault in self.problems)
        kinds = f" ({', '.join(f'{n} {kind}' for kind, n in sorted(counts.items()))})" if counts else ""
        return [f"{self.split}: {found}{kinds}: {holds}", *(f"  {line}" for line in problem_lines(self.problems))]


def check_data(
    root: str | Path, splits: tuple[str, ...] | None = None, *, deep: bool = True, given: Given | None = None
) -> tuple[CheckReport, ...]:
    """A report for each split, by default for every split that has an annotation file; never empty."""
    names = splits or find_splits(root) or ("train",)
    return tuple(check_split(root, split, deep=deep, given=given) for split in names)


def check_split(
    root: str | Path, split: str, *, deep: bool = True, workers: int | None = None, given: Given | None = None
) -> CheckReport:
    """Everything wrong with the split, all of it listed, and what it holds. Never raises for bad data.

    Args:
        root: the data set.
        split: its part, as `find_split` finds it.
        deep: decode every picture; otherwise only look whether it is there.
        workers: threads that decode; None for one a processor.
        given: of the joints, what stands in for what the file says.
    """
    problems: list[Problem] = []
    stats, fingerprint = None, None
    try:
        file, image_dir = find_split(root, split)
    except DataError as error:
        problems.append(problem("missing_split", Path(root), "split", split, str(error)))
    else:
        try:
            records = read_records(file, given)
        except DataError as error:
            problems.append(problem("unreadable_annotations", file, "file", "", str(error)))
        else:
            fingerprint = fingerprint_of(records, image_dir)
            problems += [*records.problems, *_inconsistencies(records)]
            if not records.problems:
                try:
                    stats = _stats(pose_data(records, split, image_dir), len(records.annotations))
                except DataError as error:
                    problems.append(problem("empty_split", file, "annotations", "", str(error)))
            problems += _pictures(records, image_dir, deep, workers)
    return CheckReport(
        root=str(root), split=split, problems=tuple(problems), stats=stats, fingerprint=fingerprint, deep=deep
    )


def _stats(data: PoseData, annotations: int) -> SplitStats:
    keypoints = np.stack([person.keypoints for person in data.people])
    labelled = keypoints[..., 2] > 0
    return SplitStats(
        images=len(data.images),
        annotations=annotations,
        people=len(data.people),
        joints={name: int(n) for name, n in zip(data.skeleton.names, labelled.sum(0), strict=True)},
        occluded=float((keypoints[..., 2] == 1).sum() / labelled.sum()),
        box_height=float(np.median([person.bbox[3] for person in data.people])),
    )


def _inconsistencies(records: Records) -> Iterator[Problem]:
    """What can be read and cannot be meant."""
    names: set[str] = set()
    for image in records.images:
        if image.file_name in names:
            rule = "each picture once; merge the two records"
            yield problem("duplicate_file", records.file, f"{image.place}.file_name", image.file_name, rule)
        names.add(image.file_name)
    for place, category in records.others:
        rule = "must be a category's id; add it"
        yield problem("unknown_category", records.file, f"{place}.category_id", category, rule)
    sizes = {image.image_id: image.size for image in records.images}
    for row in records.annotations:
        if row.image_id in sizes:
            yield from _misplaced(row, records.file, sizes[row.image_id])
        yield from _mislabelled(row, records.file)


def _misplaced(row: AnnotationRow, file: Path, size: tuple[int, int]) -> Iterator[Problem]:
    x, y, w, h = row.bbox
    # the official loader drops labelled people without a box or area in silence; here each is reported
    if row.labelled and not row.crowd and (w <= 1 or h <= 1 or (row.area is not None and row.area <= 0)):
        rule = "a labelled person needs a box and an area"
        yield problem("empty_box", file, f"{row.place}.bbox, area", [list(row.bbox), row.area], rule)
    elif (
        x < -_BOX_TOLERANCE
        or y < -_BOX_TOLERANCE
        or x + w > size[0] + _BOX_TOLERANCE
        or y + h > size[1] + _BOX_TOLERANCE
    ):
        rule = f"must lie in its picture of {size[0]}x{size[1]}; clip it"
        yield problem("box_outside_image", file, f"{row.place}.bbox", list(row.bbox), rule)


def _mislabelled(row: AnnotationRow, file: Path) -> Iterator[Problem]:
    if row.keypoints is None:
        return
    odd = [flag for flag in row.keypoints[2::3] if flag not in (0, 1, 2)]
    if odd:
        yield problem("visibility", file, f"{row.place}.keypoints", odd[0], "visibility must be 0, 1 or 2")
    if row.num_keypoints is not None and bool(row.num_keypoints) != bool(row.labelled):
        rule = f"must count the labelled joints, {row.labelled}"
        yield problem("num_keypoints", file, f"{row.place}.num_keypoints", row.num_keypoints, rule)


def _pictures(records: Records, image_dir: Path, deep: bool, workers: int | None) -> Iterator[Problem]:
    """The problems of the picture files, in the order of the annotation file."""
    wanted: dict[str, tuple[int, int]] = {}
    for image in records.images:
        wanted.setdefault(image.file_name, image.size)
    with ThreadPoolExecutor(workers or min(os.cpu_count() or 1, 16)) as pool:
        defects = pool.map(lambda item: picture_defect(image_dir / item[0], item[1], decode=deep), wanted.items())
        for name, defect in zip(wanted, defects, strict=True):
            if defect is not None:
                yield problem(defect.kind, image_dir / name, "picture", "", defect.message)
