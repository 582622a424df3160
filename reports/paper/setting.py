"""How the runs of a sweep differ from the setting of the published table, said field by field.

The published values are those of DistilPose (Ye et al., CVPR 2023, section 4 and the authors' configurations), and of
SDPose (Chen et al., CVPR 2024, the authors' configurations) for runs that learn by circulation. In the table of
generalisation, the untaught models are those of mmpose's model zoo; how the taught student was trained is not stated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from reports.numbers.records import Deviation

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


def field_value(recipe: Values, dotted: str) -> Any:
    """The value at `a.b.c`, or None where the recipe has no such field."""
    value: Any = recipe
    for part in dotted.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def value_words(value: Any) -> str:
    """A value of a recipe, for people."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case list() | tuple():
            return ", ".join(value_words(item) for item in value) or "none"
    return str(value)


def setting(recipe: Values, identity: Values, facts: Values) -> Values:
    """A run's recipe as `deviations` compares it: `data` and `boxes` in words, known by their content, and `derived`.

    Args:
        recipe: as run.json holds it.
        identity: what the run's id is a hash of.
        facts: what the plan says of the run's data: their `name`, and the checksums of their `annotations`.
    """
    return {
        **recipe,
        "data": data_words(recipe["data"], facts) if "data" in recipe else None,
        "boxes": _boxes_words(field_value(recipe, "evaluation.boxes"), field_value(identity, "evaluation.boxes")),
        "derived": _derived(recipe, identity),
    }


def data_words(data: Any, facts: Values) -> str:
    """A data choice in words, without where it lies on this machine; COCO is known by its annotation files alone."""
    if not isinstance(data, Mapping):
        return "unknown"
    if isinstance(data.get("synthetic"), Mapping):
        spec = data["synthetic"]
        train, val = (value_words(spec.get(split)) for split in ("train", "val"))
        return f"synthetic people: {train} to train on, {val} to validate on"
    if tuple(facts.get("annotations") or ()) == COCO_ANNOTATIONS:
        return _COCO
    splits = f"{data.get('train')} / {data.get('val')}"
    other = " (not COCO's annotation files)" if splits in _COCO else ""
    return f"{facts.get('name') or PurePath(str(data.get('root'))).name}, {splits}{other}"


def _boxes_words(told: Any, checksum: Any) -> str | None:
    if told is None or told == "gt":
        return "ground truth" if told else None
    return _DETECTOR if checksum == DETECTIONS else f"another detector's ({PurePath(str(told)).name})"


def _derived(recipe: Values, identity: Values) -> Values:
    """What follows from the sizes: the input, its visual tokens, and the target and DARK's blur beside the heatmap."""
    if not recipe.get("input_size"):
        return {}
    width, height = recipe["input_size"]
    found: dict[str, Any] = {
        "input": f"{width}×{height}",
        "target": _of_columns(TARGET_SIGMA, width // 4),
        "dark": _of_columns(DARK_KERNEL, width // 4),
    }
    patch = field_value(identity, "model.patch")
    if patch and all(patch):
        stride = 1 if field_value(recipe, "model.model") == "tokenpose_t" else 4
        found["visual_tokens"] = (height // stride // patch[0]) * (width // stride // patch[1])
    return found


def _of_columns(pixels: int, columns: int) -> str:
    return f"{pixels} of {columns} heatmap columns ({100 * pixels / columns:.0f} %)"


@dataclass(frozen=True, slots=True)
class Published:
    """One published setting: where a run's recipe says it, and the values that are the paper's.

    The values in `also` are the paper's in company only: where another run of the sweep has one of `values`. A size
    that a recipe leaves out is the published one.
    """

    setting: str
    field: str
    values: tuple[str, ...]
    words: str
    also: tuple[str, ...] = ()


def _is(setting: str, field: str, *values: str, words: str = "", also: tuple[str, ...] = ()) -> Published:
    return Published(setting, field, values, words or values[0], also)


def _training(
    of: str = "",
    *,
    epochs: str = "300",
    rate: str = "0.001",
    drops: str = "200, 260",
    scale: tuple[str, ...] = ("0.35",),
    rotation: tuple[str, ...] = ("45",),
    shift: str = "0.2",
    drawn: str = "for 30 % of the people, drawn once",
) -> tuple[Published, ...]:
    """How a model was trained; `of` stands in front of each setting. Of several values all but the first are `also`."""
    return (
        _is(f"{of}epochs", "schedule.epochs", epochs),
        _is(f"{of}learning rate", "schedule.lr", rate),
        _is(f"{of}warm-up steps", "schedule.warmup_steps", "500"),
        _is(f"{of}rate decay", "schedule.decay", "milestones"),
        _is(f"{of}rate drops at epochs", "schedule.milestones", drops),
        _is(f"{of}optimizer", "optimizer.name", "adam"),
        _is(f"{of}weight decay", "optimizer.weight_decay", "0"),
        _is(f"{of}moving average of weights", "ema", "none"),
        _is(f"{of}largest norm of gradients", "clip_grad_norm", "none"),
        _is(f"{of}flip probability", "augmentation.flip", "0.5"),
        _is(f"{of}half-body probability", "augmentation.half_body", "0.3"),
        _is(f"{of}scale jitter", "augmentation.scale", scale[0], also=scale[1:]),
        _is(f"{of}rotation (degrees)", "augmentation.rotation", rotation[0], also=rotation[1:]),
        _is(f"{of}rotation probability", "augmentation.rotation_p", "0.6"),
        _is(f"{of}shift of the box", "augmentation.shift", shift, words=f"{shift} {drawn}"),
        _is(f"{of}precision", "precision", "fp32"),
    )


def _heatmaps(of: str = "") -> tuple[Published, ...]:
    """How heatmaps are learned and read."""
    return (
        _is(f"{of}target sigma", "derived.target", _of_columns(TARGET_SIGMA, 48)),
        _is(f"{of}DARK kernel", "derived.dark", _of_columns(DARK_KERNEL, 48)),
    )


_DATA = (_is("data", "data", _COCO), _is("input (w×h pixels)", "derived.input", "192×256"))
_TEST = (
    _is("flip test", "evaluation.flip_test", "yes"),
    _is("best weights chosen by", "evaluation.best_by", "AP"),
    _is("test boxes", "boxes", _DETECTOR),
)
STUDENT = (
    *_DATA,
    _is(
        "student",
        "model.model",
        *("distilpose_s", "distilpose_l", "base_stemnet", "base_hr48_3stage"),
        words="DistilPose-S (DistilPose-L where the backbone is HRNet-W48-stage3)",
    ),
    _is("stem channels", "model.width", words="64"),
    _is("token dimensions", "model.dim", words="192"),
    _is("encoder layers", "model.depth", words="12"),
    _is("attention heads", "model.heads", words="8"),
    _is("patch (rows, columns)", "model.patch", words="4, 3"),
    _is("visual tokens", "derived.visual_tokens", "256"),
    _is("batch", "schedule.batch_size", "256", also=("512",), words="256 (512 without a teacher)"),
    *_training(),
    _is("simulated heatmap loss", "losses.SH.form", "official"),
    _is("confidence read at", "losses.CS.cell", "official"),
    _is("flipped coordinates", "evaluation.flip_coordinates", "official"),
    _is("flipped scores", "evaluation.flip_scores", "official"),
    *_TEST,
)
CIRCULATION = (
    *_DATA,
    _is("first channels", "model.width", words="64 (SDPose-B, TokenPose-B: 32)"),
    _is("token dimensions", "model.dim", words="192"),
    _is("encoder layers", "model.depth", words="12 (SDPose-T: 6)"),
    _is("attention heads", "model.heads", words="8 (TokenPose-T: 16)"),
    _is("patch (rows, columns)", "model.patch", words="4, 3 (S-V2: 2, 2; TokenPose-T: 16, 12 of the picture)"),
    _is("visual tokens", "derived.visual_tokens", "256", "768", words="256 (S-V2: 768)"),
    *_heatmaps(),
    _is("batch", "schedule.batch_size", "512", "192", "256", words="512 (SDPose-S-V2: 192, SDPose-B: 256)"),
    *_training(shift="0.16", drawn="at probability 0.3"),
    *_TEST,
)
GENERALISATION = (
    *_DATA,
    _is("student", "model.model", "deeppose_r50", words="DeepPose (ResNet-50)"),
    _is("student starts from", "model.init", "imagenet"),
    _is("first channels", "model.width", words="64"),
    _is("batch", "schedule.batch_size", "512"),
    *_training(epochs="210", rate="0.0005", drops="170, 200", scale=("0.5",), rotation=("40",)),
    *_TEST,
)
GENERALISATION_TEACHER = (
    _is("teacher", "model.model", "simplebaseline_r50", words="SimpleBaseline (ResNet-50)"),
    _is("teacher starts from", "model.init", "imagenet"),
    _is("teacher's first channels", "model.width", words="64"),
    *_heatmaps("teacher's "),
    _is("teacher's batch", "schedule.batch_size", "512"),
    *_training("teacher's ", epochs="210", rate="0.0005", drops="170, 200", scale=("0.5",), rotation=("40",)),
)
TEACHER = (
    _is(
        "teacher",
        "model.model",
        "teacher_tokenpose_l",
        also=("teacher_stemnet",),
        words="TokenPose-L on HRNet-W48, 69.4 M parameters",
    ),
    _is("teacher starts from", "model.init", "imagenet", also=("fresh",)),
    _is("teacher's stem channels", "model.width", words="64"),
    _is("teacher's token dimensions", "model.dim", words="192"),
    _is("teacher's encoder layers", "model.depth", words="12"),
    _is("teacher's visual tokens", "derived.visual_tokens", "256"),
    *_heatmaps("teacher's "),
    _is("teacher's batch", "schedule.batch_size", "512"),
    *_training("teacher's ", scale=("0.5", "0.35"), rotation=("40", "45")),
)


def _compare(published: Published, recipes: Iterable[Values]) -> Deviation | None:
    """The difference, if any recipe has one; several values of ours are all named."""
    found = [field_value(recipe, published.field) for recipe in recipes]
    here = list(dict.fromkeys(None if value is None else value_words(value) for value in found))
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


def on_published_data(found: Values) -> bool:
    """Whether a run's `setting` has the papers' data, measured in the papers' boxes."""
    return found.get("data") == _COCO and found.get("boxes") == _DETECTOR


def deviations(students: Iterable[Values], teachers: Iterable[Values], *, seeds: int) -> tuple[Deviation, ...]:
    """Every setting in which a run differs from the published one, students' before teachers'.

    Args:
        students: the `setting` of every student run.
        teachers: the same of the teacher runs.
        seeds: how many seeds a row asks for; the paper does not say its own number, so more than one is said.
    """
    groups: dict[tuple[Published, ...], list[Values]] = {}
    for found in students:
        groups.setdefault(_of_student(found), []).append(found)
    for found in teachers:
        resnet = field_value(found, "model.model") == "simplebaseline_r50"
        groups.setdefault(GENERALISATION_TEACHER if resnet else TEACHER, []).append(found)
    compared = dict.fromkeys(_compare(one, of_group) for settings, of_group in groups.items() for one in settings)
    seeds_said = [Deviation(setting="seeds a row", paper="not stated", here=str(seeds))] if seeds else []
    return (*(one for one in compared if one is not None), *seeds_said)
