"""How the runs of a sweep differ from the setting of the published table, said field by field.

The published values are those of DistilPose (Ye et al., CVPR 2023, section 4 and the authors' configurations), and of
SDPose (Chen et al., CVPR 2024, the authors' configurations) for runs that learn by circulation. Of its table of
generalisation (SimpleBaseline and DeepPose), DistilPose says the models and the data, and not how they were trained.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from reports.records import Deviation

Values = Mapping[str, Any]


def field_value(recipe: Values, dotted: str) -> Any:
    """The value at `a.b.c`, or None where the recipe has no such field."""
    value: Any = recipe
    for part in dotted.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case list() | tuple():
            return ", ".join(_plain(item) for item in value) or "none"
    return str(value)


def _size(value: Any) -> str:
    return "×".join(str(side) for side in value) if isinstance(value, list | tuple) else str(value)


def data_words(data: Any) -> str:
    """A data choice in words, without where it lies on this machine."""
    if not isinstance(data, Mapping):
        return "unknown"
    if isinstance(data.get("synthetic"), Mapping):
        spec = data["synthetic"]
        return f"synthetic people: {_plain(spec.get('train'))} to train on, {_plain(spec.get('val'))} to validate on"
    return f"{PurePath(str(data.get('root'))).name}, {data.get('train')} / {data.get('val')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published setting: where a run's recipe says it, the values that are the paper's, and how both are worded.

    The values in `also` are the paper's in company only: where another run of the sweep has one of `values`.
    """

    setting: str
    field: str
    values: tuple[Any, ...]
    words: str
    also: tuple[Any, ...] = ()
    show: Callable[[Any], str] = _plain


_DATA = (
    Published(
        setting="data",
        field="data",
        values=("coco, train2017 / val2017",),
        words="COCO, train2017 / val2017 (17 joints)",
        show=data_words,
    ),
    Published(setting="input (w×h pixels)", field="input_size", values=("192×256",), words="192×256", show=_size),
)
_TRAINING = (
    Published(setting="learning rate", field="schedule.lr", values=("0.001",), words="0.001"),
    Published(setting="warm-up steps", field="schedule.warmup_steps", values=("500",), words="500"),
    Published(setting="rate drops at epochs", field="schedule.milestones", values=("200, 260",), words="200, 260"),
    Published(setting="flip probability", field="augmentation.flip", values=("0.5",), words="0.5"),
    Published(setting="half-body probability", field="augmentation.half_body", values=("0.3",), words="0.3"),
    Published(setting="scale jitter", field="augmentation.scale", values=("0.35",), words="0.35"),
    Published(setting="rotation (degrees)", field="augmentation.rotation", values=("45",), words="45"),
    Published(setting="precision", field="precision", values=("fp32",), words="fp32"),
)
_TEST = (
    Published(setting="flip test", field="evaluation.flip_test", values=("yes",), words="yes"),
    Published(setting="best weights chosen by", field="evaluation.best_by", values=("AP",), words="AP"),
    Published(
        setting="test boxes",
        field="evaluation.boxes",
        values=("COCO_val2017_detections_AP_H_56_person.json",),
        words="a detector's (56 AP on persons)",
        show=lambda boxes: "ground truth" if boxes == "gt" else PurePath(str(boxes)).name,
    ),
)
STUDENT = (
    *_DATA,
    Published(
        setting="student",
        field="model.model",
        values=("distilpose_s", "distilpose_l", "base_stemnet", "base_hr48_3stage"),
        words="DistilPose-S (DistilPose-L where the backbone is HRNet-W48-stage3)",
    ),
    Published(setting="stem channels", field="model.width", values=(None,), words="64"),
    Published(setting="token dimensions", field="model.dim", values=(None,), words="192"),
    Published(setting="encoder layers", field="model.depth", values=(None,), words="12"),
    Published(setting="attention heads", field="model.heads", values=(None,), words="8"),
    Published(setting="patch (rows, columns)", field="model.patch", values=(None,), words="4, 3"),
    Published(setting="epochs", field="schedule.epochs", values=("300",), words="300"),
    Published(
        setting="batch",
        field="schedule.batch_size",
        values=("256",),
        also=("512",),
        words="256 (512 without a teacher)",
    ),
    *_TRAINING,
    Published(setting="simulated heatmap loss", field="losses.SH.form", values=("official",), words="official"),
    Published(setting="confidence read at", field="losses.CS.cell", values=("official",), words="official"),
    Published(
        setting="flipped coordinates", field="evaluation.flip_coordinates", values=("official",), words="official"
    ),
    Published(setting="flipped scores", field="evaluation.flip_scores", values=("official",), words="official"),
    *_TEST,
)
CIRCULATION = (
    *_DATA,
    Published(
        setting="first channels",
        field="model.width",
        values=(None,),
        words="64 (SDPose-B, TokenPose-B: 32)",
    ),
    Published(setting="token dimensions", field="model.dim", values=(None,), words="192"),
    Published(setting="encoder layers", field="model.depth", values=(None,), words="12 (SDPose-T: 6)"),
    Published(setting="attention heads", field="model.heads", values=(None,), words="8 (TokenPose-T: 16)"),
    Published(
        setting="patch (rows, columns)",
        field="model.patch",
        values=(None,),
        words="4, 3 (S-V2: 2, 2; TokenPose-T: 16, 12 of the picture)",
    ),
    Published(setting="epochs", field="schedule.epochs", values=("300",), words="300"),
    Published(
        setting="batch",
        field="schedule.batch_size",
        values=("512", "192", "256"),
        words="512 (SDPose-S-V2: 192, SDPose-B: 256)",
    ),
    *_TRAINING,
    *_TEST,
)
_NOT_STATED = (
    Published(setting="epochs", field="schedule.epochs", values=(), words="not stated"),
    Published(setting="batch", field="schedule.batch_size", values=(), words="not stated"),
)
GENERALISATION = (
    *_DATA,
    Published(setting="student", field="model.model", values=("deeppose_r50",), words="DeepPose (ResNet-50)"),
    Published(setting="first channels", field="model.width", values=(None,), words="64"),
    *_NOT_STATED,
    *_TEST,
)
GENERALISATION_TEACHER = (
    Published(
        setting="teacher", field="model.model", values=("simplebaseline_r50",), words="SimpleBaseline (ResNet-50)"
    ),
    Published(setting="teacher's first channels", field="model.width", values=(None,), words="64"),
)
TEACHER = (
    Published(
        setting="teacher",
        field="model.model",
        values=("teacher_tokenpose_l",),
        also=("teacher_stemnet",),
        words="TokenPose-L on HRNet-W48, 69.4 M parameters",
    ),
    Published(setting="teacher's stem channels", field="model.width", values=(None,), words="64"),
    Published(setting="teacher's token dimensions", field="model.dim", values=(None,), words="192"),
    Published(setting="teacher's encoder layers", field="model.depth", values=(None,), words="12"),
    Published(setting="teacher's epochs", field="schedule.epochs", values=("300",), words="300"),
    Published(setting="teacher's batch", field="schedule.batch_size", values=("512",), words="512"),
)


def _compare(published: Published, recipes: Iterable[Values]) -> Deviation | None:
    """The difference, if any recipe has one; several values of ours are all named."""
    found = [field_value(recipe, published.field) for recipe in recipes]
    here = list(dict.fromkeys(None if value is None else published.show(value) for value in found))
    theirs = published.values + (published.also if any(value in published.values for value in here) else ())
    differing = [value for value in here if value not in theirs and value is not None]
    if not differing:
        return None
    words = [published.words if value is None else value for value in here]
    return Deviation(setting=published.setting, paper=published.words, here="; ".join(words))


def _of_student(recipe: Values) -> tuple[Published, ...]:
    """The published setting that a student's recipe is held against."""
    if recipe.get("circulation"):
        return CIRCULATION
    return GENERALISATION if field_value(recipe, "model.model") == "deeppose_r50" else STUDENT


def on_published_data(recipe: Values) -> bool:
    """Whether a run is trained and measured on the papers' data."""
    (data, *_) = _DATA
    return data_words(recipe.get("data")) in data.values


def deviations(students: Iterable[Values], teachers: Iterable[Values], *, seeds: int) -> tuple[Deviation, ...]:
    """Every setting in which a run's recipe differs from the published one, students' before teachers'.

    Args:
        students: recipes of the student runs.
        teachers: recipes of the teacher runs.
        seeds: how many seeds a row asks for; the paper does not say its own number, so more than one is said.
    """
    groups: dict[tuple[Published, ...], list[Values]] = {}
    for recipe in students:
        groups.setdefault(_of_student(recipe), []).append(recipe)
    for recipe in teachers:
        resnet = field_value(recipe, "model.model") == "simplebaseline_r50"
        groups.setdefault(GENERALISATION_TEACHER if resnet else TEACHER, []).append(recipe)
    found = dict.fromkeys(_compare(one, recipes) for settings, recipes in groups.items() for one in settings)
    seeds_said = [Deviation(setting="seeds a row", paper="not stated", here=str(seeds))] if seeds else []
    return (*(one for one in found if one is not None), *seeds_said)
