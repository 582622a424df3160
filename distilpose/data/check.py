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

from distilpose.data.coco import (
    data_fingerprint,
    find_split,
    find_splits,
    load_pose_data,
    read_annotations,
    stays_inside,
)
from distilpose.data.errors import DataError
from distilpose.data.pictures import picture_defect
from distilpose.data.problem import Problem, problem
from distilpose.data.records import is_whole, record_problems, rows_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitStats:
    """What a sound split holds."""

    images: int
    annotations: int
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
        """The report as text: a line for the split, then one for every problem."""
        if self.stats is not None:
            s = self.stats
            holds = f"{s.people} people in {s.images} pictures, {sum(s.joints.values())} labelled joints"
        else:
            holds = "cannot be used"
        found = "sound" if self.ok else f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        counts = Counter(fault.kind for fault in self.problems)
        kinds = f" ({', '.join(f'{n} {kind}' for kind, n in sorted(counts.items()))})" if counts else ""
        return [f"{self.split}: {found}{kinds}: {holds}", *(f"  {fault}" for fault in self.problems)]


def check_data(
    root: str | Path, splits: tuple[str, ...] | None = None, *, deep: bool = True
) -> tuple[CheckReport, ...]:
    """A report for each split, by default for every split that has an annotation file; never empty."""
    return tuple(check_split(root, split, deep=deep) for split in splits or find_splits(root) or ("train",))


def check_split(root: str | Path, split: str, *, deep: bool = True, workers: int | None = None) -> CheckReport:
    """Everything wrong with the split, all of it listed, and what it holds. Never raises for bad data.

    Args:
        root: the data set.
        split: its part, as `find_split` finds it.
        deep: decode every picture; otherwise only look whether it is there.
        workers: threads that decode; None for one a processor.
    """
    problems: list[Problem] = []
    stats, fingerprint = None, None
    try:
        file, image_dir = find_split(root, split)
    except DataError as error:
        problems.append(problem("missing_split", Path(root), "split", split, str(error)))
    else:
        try:
            parsed = read_annotations(file)
            fingerprint = data_fingerprint(root, split)
        except (DataError, OSError) as error:
            problems.append(problem("unreadable_annotations", file, "file", "", str(error)))
        else:
            problems += record_problems(parsed, file)
            problems += _pictures(parsed, image_dir, deep, workers)
            try:
                stats = _stats(root, split, parsed)
            except DataError as error:
                # what the loader rejects must never look sound
                if not problems:
                    problems.append(problem("unusable", file, "file", "", str(error)))
    return CheckReport(
        root=str(root), split=split, problems=tuple(problems), stats=stats, fingerprint=fingerprint, deep=deep
    )


def _stats(root: str | Path, split: str, parsed: dict[str, Any]) -> SplitStats:
    data = load_pose_data(root, split)
    keypoints = np.stack([person.keypoints for person in data.people])
    labelled = keypoints[..., 2] > 0
    return SplitStats(
        images=len(data.images),
        annotations=len(parsed["annotations"]),
        people=len(data.people),
        joints={name: int(n) for name, n in zip(data.skeleton.names, labelled.sum(0), strict=True)},
        occluded=float((keypoints[..., 2] == 1).sum() / labelled.sum()),
        box_height=float(np.median([person.bbox[3] for person in data.people])),
    )


def _pictures(parsed: dict[str, Any], image_dir: Path, deep: bool, workers: int | None) -> Iterator[Problem]:
    """The problems of the picture files, in the order of the annotation file."""
    wanted: dict[str, tuple[int, int] | None] = {}
    for row in rows_of(parsed, "images"):
        if isinstance(row, dict) and isinstance(row.get("file_name"), str) and stays_inside(row["file_name"]):
            width, height = row.get("width"), row.get("height")
            wanted.setdefault(row["file_name"], (width, height) if is_whole(width) and is_whole(height) else None)
    with ThreadPoolExecutor(workers or min(os.cpu_count() or 1, 16)) as pool:
        defects = pool.map(lambda item: picture_defect(image_dir / item[0], item[1], decode=deep), wanted.items())
        for name, defect in zip(wanted, defects, strict=True):
            if defect is not None:
                yield problem(defect.kind, image_dir / name, "picture", "", defect.message)
