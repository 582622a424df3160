"""How the runs of a sweep differ from the setting of the published table, field by field.

The published values, in `settings.csv`, are those of DistilPose (Ye et al., CVPR 2023, section 4 and the authors'
configurations), and of SDPose (Chen et al., CVPR 2024, the authors' configurations) for runs that learn by circulation.
In the table of generalisation, the untaught models are those of mmpose's model zoo; how the taught student was trained
is not stated.
"""

import csv
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import Any, NamedTuple

from experiments.runs.saved_plan import SavedData
from reports.formats.words import field_value, value_words

Values = Mapping[str, Any]

COCO_ANNOTATIONS = (
    "sha256:7fc1549d934547c470384d8a207c38707ca33fc016d00e33b795e408603af83e",
    "sha256:788e2dae83c86bd547be7fab269d6399df5671063d29a61360cdb2cc370d2b14",
)
"""Checksums of person_keypoints_train2017.json and person_keypoints_val2017.json."""
DETECTIONS = "sha256:53ba0ad8d0fd461c5a000cd90797fa8c39cd8c38cd125125c0412626ff592d59"
"""Checksum of COCO_val2017_detections_AP_H_56_person.json."""
TARGET_SIGMA, DARK_KERNEL = 2, 11
"""In heatmap pixels, here as published."""

_COCO = "COCO, train2017 / val2017 (17 joints)"
_DETECTOR = "a detector's (56 AP on persons)"


class Published(NamedTuple):
    """A published setting: where a run's recipe says it, and the paper's values.

    The values in `also` are the paper's in company only: where another run of the sweep has one of `values`. A size
    that a recipe leaves out is the published one.
    """

    setting: str
    field: str
    values: tuple[str, ...]
    also: tuple[str, ...]
    words: str


class Deviation(NamedTuple):
    """A setting in which these runs differ from the published ones."""

    setting: str
    paper: str
    here: str


@cache
def published_settings(of: str) -> tuple[Published, ...]:
    """The published settings of a kind of run: student, teacher, circulation, generalisation, generalisation teacher.

    `settings.csv` holds them, values apart by `|`, and `words` where the first value alone would not say enough.
    """
    text = files("reports.paper").joinpath("settings.csv").read_text(encoding="utf-8")
    found = []
    for row in csv.DictReader(text.splitlines()):
        values, also = (tuple(filter(None, row[name].split("|"))) for name in ("published", "also"))
        if row["of"] == of:
            found.append(Published(row["setting"], row["field"], values, also, row["words"] or values[0]))
    return tuple(found)


def setting(recipe: Values, identity: Values, data: SavedData | None) -> Values:
    """A run's recipe as `deviations` compares it: `data` and `boxes` in words, known by their content, and `derived`.

    Args:
        recipe: as run.json holds it.
        identity: what the run's id is a hash of.
        data: what the plan says of the run's data.
    """
    return {
        **recipe,
        "data": data_words(recipe["data"], data) if "data" in recipe else None,
        "boxes": _boxes_words(field_value(recipe, "evaluation.boxes"), field_value(identity, "evaluation.boxes")),
        "derived": _derived(recipe, identity),
    }


def data_words(choice: Any, data: SavedData | None) -> str:
    """A data choice in words, without where it lies on this machine; COCO is known by its annotation files alone."""
    if not isinstance(choice, Mapping):
        return "unknown"
    if isinstance(choice.get("synthetic"), Mapping):
        train, val = (value_words(choice["synthetic"].get(split)) for split in ("train", "val"))
        return f"synthetic people: {train} to train on, {val} to validate on"
    if data is not None and data.annotations == COCO_ANNOTATIONS:
        return _COCO
    splits = f"{choice.get('train')} / {choice.get('val')}"
    other = " (not COCO's annotation files)" if splits in _COCO else ""
    return f"{data.name if data is not None else PurePath(str(choice.get('root'))).name}, {splits}{other}"


def _boxes_words(file: Any, checksum: Any) -> str | None:
    if file is None or file == "gt":
        return "ground truth" if file else None
    return _DETECTOR if checksum == DETECTIONS else f"another detector's ({PurePath(str(file)).name})"


def _derived(recipe: Values, identity: Values) -> Values:
    """What follows from the sizes: the input, its visual tokens, and the target and DARK's blur beside the heatmap."""
    if not recipe.get("input_size"):
        return {}
    width, height = recipe["input_size"]
    columns = width // 4
    found: dict[str, Any] = {"input": f"{width}×{height}"}
    for name, pixels in (("target", TARGET_SIGMA), ("dark", DARK_KERNEL)):
        found[name] = f"{pixels} of {columns} heatmap columns ({100 * pixels / columns:.0f} %)"
    patch = field_value(identity, "model.patch")
    if patch and all(patch):
        stride = 1 if field_value(recipe, "model.model") == "tokenpose_t" else 4
        found["visual_tokens"] = (height // stride // patch[0]) * (width // stride // patch[1])
    return found


def on_published_data(found: Values) -> bool:
    """Whether a run's `setting` has the papers' data, measured in the papers' boxes."""
    return found.get("data") == _COCO and found.get("boxes") == _DETECTOR


def deviations(students: Iterable[Values], teachers: Iterable[Values], *, seeds: int) -> tuple[Deviation, ...]:
    """Every setting in which a run differs from the published one, students' before teachers'.

    Args:
        students: the `setting` of every student run.
        teachers: the same of the teacher runs.
        seeds: how many seeds a row asks for; the paper does not state its own number, so more than one is named.
    """
    groups: dict[str, list[Values]] = {}
    for found in students:
        deeppose = field_value(found, "model.model") == "deeppose_r50"
        of = "circulation" if found.get("circulation") else "generalisation" if deeppose else "student"
        groups.setdefault(of, []).append(found)
    for found in teachers:
        resnet = field_value(found, "model.model") == "simplebaseline_r50"
        groups.setdefault("generalisation teacher" if resnet else "teacher", []).append(found)
    compared = dict.fromkeys(
        _compare(one, of_group) for of, of_group in groups.items() for one in published_settings(of)
    )
    of_seeds = [Deviation("seeds a row", "not stated", str(seeds))] if seeds else []
    return (*(one for one in compared if one is not None), *of_seeds)


def _compare(published: Published, recipes: Iterable[Values]) -> Deviation | None:
    """The difference, if any recipe has one; several values of ours are all named."""
    found = [field_value(recipe, published.field) for recipe in recipes]
    here = list(dict.fromkeys(None if value is None else value_words(value) for value in found))
    theirs = published.values + (published.also if any(value in published.values for value in here) else ())
    if all(value is None or value in theirs for value in here):
        return None
    words = "; ".join(published.words if value is None else value for value in here)
    return Deviation(published.setting, published.words, words)
