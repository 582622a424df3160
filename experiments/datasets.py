"""The data a plan names: their fingerprints, and everything that must be in order before anything trains."""

from collections.abc import Callable
from pathlib import Path

from distilpose.data.check import check_split
from distilpose.data.coco import data_fingerprint, find_split, load_pose_data
from distilpose.data.errors import DataError
from distilpose.data.problem import Problem
from distilpose.data.synthetic import write_synthetic
from experiments.atomic import json_text, write_text
from experiments.build import data_root, synthetic_spec
from experiments.identity import DataFacts, digest
from experiments.recipe import DataChoice, EvaluationChoice

Progress = Callable[[int, int], None]


def data_facts(data: DataChoice, evaluation: EvaluationChoice, *, root: Path | None, runs: Path) -> DataFacts:
    """What a plan has to know about the recipe's data.

    Raises DataError (a ValueError) where they cannot be read.
    """
    if data.synthetic is not None:
        spec = synthetic_spec(data)
        return DataFacts(fingerprint=spec.fingerprint, train_people=spec.train, val_people=spec.val)
    folder = data_root(data, root=root, runs=runs)
    train, val = load_pose_data(folder, data.train), load_pose_data(folder, data.val)
    boxes = "gt"
    if evaluation.boxes != "gt":
        boxes = _boxes_fingerprint(folder / evaluation.boxes)
    return DataFacts(
        fingerprint=digest([train.fingerprint, val.fingerprint]),
        train_people=len(train.people),
        val_people=len(val.people),
        boxes=boxes,
    )


def prepare(
    data: DataChoice, *, root: Path | None, runs: Path, on_progress: Progress | None = None
) -> tuple[Problem, ...]:
    """Everything wrong with the data; synthetic people are drawn first, where they are not there yet.

    Every picture is decoded. That this was done, and found nothing, is kept beside the runs by fingerprint.
    """
    folder = data_root(data, root=root, runs=runs)
    if data.synthetic is not None:
        write_synthetic(synthetic_spec(data), folder, on_progress=on_progress)
    problems: list[Problem] = []
    for split in (data.train, data.val):
        mark = _mark_of_soundness(folder, split, runs)
        if mark is not None and mark.exists():
            continue
        report = check_split(folder, split)
        problems += report.problems
        if report.ok and mark is not None:
            write_text(mark, json_text(report.to_json()))
    return tuple(problems)


def _mark_of_soundness(folder: Path, split: str, runs: Path) -> Path | None:
    """The file that says that these very pictures were checked; None where there is nothing to check."""
    try:
        annotations, _ = find_split(folder, split)
        fingerprint = data_fingerprint(folder, split)
    except (DataError, OSError):
        return None
    return runs / "data" / f"sound-{digest([fingerprint, str(annotations.resolve())])}.json"


def _boxes_fingerprint(file: Path) -> str:
    if not file.is_file():
        raise ValueError(
            f"{file}: evaluation.boxes must be a detector's result file below the data folder, got none there; "
            "put it there, or evaluate annotated boxes with `boxes: gt`"
        )
    return digest(file.read_bytes().hex())
