"""The data a plan names: where they lie, their fingerprints, and everything that must be in order before training.

What reads pictures is imported when it is used: a plan of synthetic people needs none of it.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING

from distilpose.synthetic.spec import SyntheticSpec
from experiments.build.facts import DataFacts
from experiments.machine.cores import available_cores
from experiments.machine.quantities import data_size
from experiments.runs.atomic import json_text, write_whole
from experiments.runs.digest import digest
from experiments.sweep.choices import DataChoice, EvaluationChoice

if TYPE_CHECKING:
    from distilpose.data.picture_store import StoreSize
    from distilpose.data.problem import Problem

log = logging.getLogger(__name__)

_BYTES_A_PERSON = 10_500  # of the disk for a synthetic person: picture, annotation, rounding up to blocks; as measured
_WORTH_A_PROCESS = 250  # synthetic people: seconds of drawing, where starting a process takes half of one

Progress = Callable[[int, int], None]


def synthetic_spec(data: DataChoice) -> SyntheticSpec:
    """The synthetic people a recipe asks for."""
    assert data.synthetic is not None
    return SyntheticSpec(**asdict(data.synthetic))


def data_root(data: DataChoice, *, root: Path | None, runs: Path) -> Path:
    """The folder the recipe's people are in, or will be once synthetic ones are drawn.

    Args:
        data: what the recipe says.
        root: the folder the user named instead of the recipe's, if any.
        runs: the runs directory, below which synthetic people are kept.
    """
    if data.synthetic is not None:
        return runs / "data" / f"synthetic-{synthetic_spec(data).fingerprint[:12]}"
    assert data.root is not None
    return root or Path(data.root)


def data_facts(data: DataChoice, evaluation: EvaluationChoice, *, root: Path | None, runs: Path) -> DataFacts:
    """What a plan has to know about the recipe's data.

    Raises DataError (a ValueError) where they cannot be read.
    """
    if data.synthetic is not None:
        spec = synthetic_spec(data)
        return DataFacts(fingerprint=spec.fingerprint, train_people=spec.train, val_people=spec.val)
    from distilpose.data.coco import find_split, load_pose_data
    from distilpose.data.download import checksum
    from distilpose.evaluation.measure import given_by_data
    from distilpose.evaluation.pck import torso

    folder = data_root(data, root=root, runs=runs)
    if data.sigmas is not None:
        log.warning("data.sigmas: AP by sigmas of one's own compares with nobody's; PCK needs none")
    train, val = (load_pose_data(folder, split, data.given) for split in (data.train, data.val))
    if data.test is not None:
        find_split(folder, data.test)
    if "torso" in evaluation.best_by.title and torso(val.skeleton) is None:
        raise ValueError(
            f"{val.annotation_file}: evaluation.best_by: {evaluation.best_by.title} needs the joints left_shoulder and "
            f"right_hip, got {', '.join(val.skeleton.names)}"
        )
    boxes = "gt"
    if evaluation.boxes != "gt":
        boxes = _boxes_checksum(folder / evaluation.boxes)
    return DataFacts(
        fingerprint=digest([train.fingerprint, val.fingerprint]),
        train_people=len(train.people),
        val_people=len(val.people),
        boxes=boxes,
        annotations=tuple(checksum(split.annotation_file, "sha256") for split in (train, val)),
        name=folder.resolve().name,
        gives=frozenset(given_by_data(val)),
    )


def prepare(
    data: DataChoice, *, root: Path | None, runs: Path, on_progress: Progress | None = None
) -> tuple["Problem", ...]:
    """Everything wrong with the data; synthetic people are drawn first, where they are not there yet.

    Every picture is decoded. That this was done, and found nothing, is kept beside the runs by fingerprint.
    """
    from distilpose.data.check import check_split

    folder = data_root(data, root=root, runs=runs)
    if data.synthetic is not None:
        draw_people(synthetic_spec(data), folder, on_progress=on_progress)
    problems: list[Problem] = []
    for split in data.splits:
        mark = _mark_of_soundness(data, folder, split, runs)
        if mark is not None and mark.exists():
            continue
        report = check_split(folder, split, given=data.given)
        problems += report.problems
        if report.ok and mark is not None:
            write_whole(mark, json_text(report.to_json()))
    return tuple(problems)


def draw_people(spec: SyntheticSpec, folder: Path, *, on_progress: Progress | None = None) -> None:
    """Draw synthetic people into a folder, where they are not there yet, on as many cores as are worth starting.

    Raises ValueError where its disk has no room for them.
    """
    from distilpose.synthetic.dataset import write_synthetic

    if not folder.exists():
        needed = (spec.train + spec.val) * _BYTES_A_PERSON
        free = disk_usage(next(place for place in folder.absolute().parents if place.exists())).free
        if needed > free:
            raise ValueError(
                f"{folder}: {spec.train:,} + {spec.val:,} synthetic people take about {data_size(needed)}, and "
                f"{data_size(free)} of its disk are free; ask for fewer (data.synthetic)"
            )
    processes = min(available_cores(), (spec.train + spec.val) // _WORTH_A_PROCESS)
    write_synthetic(spec, folder, on_progress=on_progress, processes=max(1, processes))


def cache_size(chosen: Iterable[DataChoice], *, root: Path | None, runs: Path, cache: Path) -> "StoreSize":
    """How large the decoded pictures of all splits, kept in `cache`, are and will be."""
    from distilpose.data.coco import load_pose_data
    from distilpose.data.picture_store import StoreSize, store_size

    splits = {
        (data_root(data, root=root, runs=runs), split): data.given
        for data in chosen
        for split in (data.train, data.val)  # of a test split nothing is kept: it is read once
    }
    sizes = [store_size(load_pose_data(*split, given), cache) for split, given in splits.items()]
    whole, written = (sum(size[field] for size in sizes) for field in (0, 1))
    return StoreSize(whole, written, min(size.free for size in sizes))


def _mark_of_soundness(data: DataChoice, folder: Path, split: str, runs: Path) -> Path | None:
    """The file that says that these very pictures were checked; None where there is nothing to check."""
    from distilpose.data.coco import data_fingerprint, find_split
    from distilpose.data.errors import DataError

    try:
        annotations, _ = find_split(folder, split)
        fingerprint = data_fingerprint(folder, split, data.given)
    except (DataError, OSError):
        return None
    return runs / "data" / f"sound-{digest([fingerprint, str(annotations.resolve())])}.json"


def _boxes_checksum(file: Path) -> str:
    from distilpose.data.download import checksum

    if not file.is_file():
        raise ValueError(
            f"{file}: evaluation.boxes must be a detector's result file below the data folder, got none there; "
            "put it there, or evaluate annotated boxes with `boxes: gt`"
        )
    return checksum(file, "sha256")
