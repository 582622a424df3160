"""What finished runs see in the pictures they were validated on: attention, confidence, heatmaps."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch

from distilpose.data.coco import Person, PoseData, load_pose_data, some_people
from distilpose.data.skeleton import Skeleton
from distilpose.data.stream import Batch, eval_batches
from distilpose.evaluation.metrics import shown as metric_text
from distilpose.parts.naming import nearest
from distilpose.pictures.comparison import Seen, comparison_sheet
from distilpose.pictures.layers import joints_sheet, layer_sheet
from distilpose.pictures.maps import telling_joints
from distilpose.pictures.montage import stacked
from distilpose.pictures.palette import Image
from distilpose.pictures.scene import Scene, observe
from distilpose.pictures.sheets import heatmap_sheet, skeleton_sheet
from distilpose.prediction.inputs import safe_name
from experiments.runs.atomic import ForeignError
from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import RunDir, Store
from experiments.trained.load import LoadedModel, load_weights, run_data

log = logging.getLogger(__name__)

RUN_JOINTS, SWEEP_JOINTS = 5, 3
SHOWN = 4


class Sheet(NamedTuple):
    """A picture with the name of its file, a heading and a caption."""

    name: str
    heading: str
    caption: str
    image: Image


class Explained(NamedTuple):
    """Sheets about a run or a sweep. `missing` are the rows without a finished run; `name` is safe for a folder."""

    name: str
    title: str
    lead: str
    sheets: list[Sheet]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Whom and what to show.

    images: COCO ids of validation pictures, all people of each; empty for a few people from all over the split.
    joints: names of those whose attention is shown; empty for a few telling ones.
    data: folder of the data, instead of where the run was trained.
    """

    images: tuple[int, ...] = ()
    joints: tuple[str, ...] = ()
    data: Path | None = None
    device: str | torch.device = "cpu"


def explain_run(run: RunDir, store: Store, wish: Wish) -> Explained:
    """A sheet per person: skeleton and confidence, heatmaps, attention by layer, attention between keypoints.

    Raises:
        ValueError: the run is not finished, its data are gone, or an image or joint is unknown.
    """
    loaded = load_weights(run.run_id, store=store)
    data, people = _people(loaded, store, wish)
    teacher = _teacher_of(loaded, store, wish)
    joints = _joints(data.skeleton, wish, RUN_JOINTS)
    scene = _observe(loaded, teacher, data, people, wish)
    sheets = []
    for number, person in enumerate(people):
        one, where = scene.of(number), _where(person)
        parts = [skeleton_sheet(one, data.skeleton, where), heatmap_sheet(one, data.skeleton, "", joints[:4])]
        if scene.maps is not None:
            parts += [layer_sheet(one, 0, joints, data.skeleton), joints_sheet(one, 0, data.skeleton)]
        caption = " ".join(text for _, text in parts)
        sheets.append(Sheet(_file(person), where, caption, stacked([image for image, _ in parts])))
    lead = f"{_note(loaded)}. People of its validation split, {data.split}."
    return Explained(run.run_id, f"{loaded.name} ({loaded.description.model})", lead[0].upper() + lead[1:], sheets)


def explain_sweep(plan: SavedPlan, store: Store, wish: Wish) -> Explained:
    """A sheet per person with a row for every row of the sweep and its teachers, by their first finished seeds.

    Raises:
        ValueError: no row is finished, rows were validated on different people, or as for a run.
    """
    models, missing = [], []
    data: PoseData | None = None
    people: tuple[Person, ...] = ()
    joints: tuple[int, ...] = ()
    for name, run_ids in _rows(plan):
        finished = [run_id for run_id in run_ids if store.run(run_id).state() == "finished"]
        if not finished:
            missing.append(name)
            continue
        try:
            loaded = load_weights(finished[0], store=store)
        except ForeignError as error:
            log.warning("row %s is not shown: %s", name, error)
            missing.append(name)
            continue
        own, some = _people(loaded, store, wish)
        if data is None:
            data, people, joints = own, some, _joints(own.skeleton, wish, SWEEP_JOINTS)
        elif own.fingerprint != data.fingerprint:
            raise ValueError(
                f"row {name}: was validated on other people than the rows before it; explain these runs one by one"
            )
        scene = _observe(loaded, None, own, some, wish)
        models.append(Seen(name, _note(loaded), scene))
    if data is None:
        raise ValueError(f"{plan.sweep} ({plan.profile}): no row has a finished run yet; launch it first")
    sheets = []
    for number, person in enumerate(people):
        title = f"{plan.title} ({plan.profile}): {_where(person)}"
        image, caption = comparison_sheet(models, number, joints, data.skeleton, title)
        sheets.append(Sheet(_file(person), _where(person), caption, image))
    title, lead = f"{plan.title} ({plan.profile})", "The same people as every row's model sees them."
    if missing:
        lead += f" Not finished, and so not shown: {', '.join(missing)}."
    return Explained(safe_name(plan.name), title, lead, sheets, tuple(missing))


def _rows(plan: SavedPlan) -> list[tuple[str, list[str]]]:
    """Every row with its runs, then every teacher."""
    rows = [(row.name, [run.run_id for run in row.runs]) for row in plan.rows]
    return rows + [(f"teacher {teacher.model}", [teacher.run_id]) for teacher in plan.teachers]


def _note(loaded: LoadedModel) -> str:
    assert loaded.run is not None
    assert loaded.recipe is not None
    result = loaded.run.result()
    metric = loaded.recipe.evaluation.best_by.title
    value = None if result is None else result.metrics.get(metric)
    measured = "" if value is None else f", {metric} {metric_text(metric, value)}"
    return f"seed {loaded.recipe.seed}{measured}; run {loaded.run.run_id}"


def _people(loaded: LoadedModel, store: Store, wish: Wish) -> tuple[PoseData, tuple[Person, ...]]:
    """The run's validation split, and the people to show."""
    assert loaded.run is not None
    assert loaded.recipe is not None
    choice = loaded.recipe.data
    data = load_pose_data(run_data(loaded.run, loaded.recipe, store, wish.data), choice.val, choice.given)
    if data.skeleton.num_joints != loaded.joints:
        raise ValueError(
            f"{data.annotation_file}: must have the {loaded.joints} joints of run {loaded.run.run_id}, "
            f"has {data.skeleton.num_joints}"
        )
    if not wish.images:
        return data, some_people(data, SHOWN).people
    there = {person.image_id for person in data.people}
    for image_id in wish.images:
        if image_id not in there:
            raise ValueError(
                f"--image {image_id}: no picture of {data.annotation_file} with people in it has this id; "
                f"{nearest(image_id, map(str, sorted(there)))}"
            )
    return data, tuple(person for image_id in wish.images for person in data.people if person.image_id == image_id)


def _joints(skeleton: Skeleton, wish: Wish, count: int) -> tuple[int, ...]:
    if not wish.joints:
        return telling_joints(skeleton, count)
    return tuple(skeleton.find(name) for name in wish.joints)


def _observe(
    loaded: LoadedModel, teacher: LoadedModel | None, data: PoseData, people: Sequence[Person], wish: Wish
) -> Scene:
    shown = replace(data, people=tuple(people))
    batch = next(eval_batches(shown, input_size=loaded.input_size, batch_size=len(people)))
    on_device = Batch(*(part.to(wish.device) for part in batch))
    module = None if teacher is None else teacher.module.to(wish.device)
    return observe(loaded.module.to(wish.device), module, on_device)


def _teacher_of(loaded: LoadedModel, store: Store, wish: Wish) -> LoadedModel | None:
    """The run that taught this one, if it is there and finished."""
    assert loaded.run is not None
    teacher_id = loaded.run.spec()["teacher_id"]
    if teacher_id is None or not store.run(teacher_id).finished:
        return None
    return load_weights(teacher_id, store=store)


def _where(person: Person) -> str:
    return f"image {person.image_id}, person {person.annotation_id}"


def _file(person: Person) -> str:
    return safe_name(f"image-{person.image_id}-person-{person.annotation_id}")
