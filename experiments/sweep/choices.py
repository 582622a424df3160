"""What a row of a sweep chooses: its model, teacher, data, evaluation; typed, frozen records, and their scalars."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import (
    BeforeValidator,
    Discriminator,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    Strict,
    StringConstraints,
    Tag,
)
from pydantic_core import PydanticCustomError

from distilpose.data.augmentation import Augmentation
from distilpose.data.library import find_skeleton
from distilpose.data.skeleton import Skeleton, category_of
from distilpose.evaluation.metrics import AP, METRICS, MetricUse
from distilpose.losses.use import Losses
from distilpose.models.use import ModelUse
from distilpose.synthetic.spec import Style
from distilpose.training.optimizers import ADAM, OPTIMIZERS, SGD, Adam, AdamW
from distilpose.training.schedule import Schedule

# Scalars are strict: "1", 1.0 or true is no count. Whole numbers are taken for floats and become floats.
# The upper limits are far beyond use: they refuse a slip of the keyboard before anything is built or drawn from it.
Count = Annotated[int, Strict(), Ge(1), Le(10_000)]
LargeCount = Annotated[int, Strict(), Ge(1), Le(1_000_000)]
Natural = Annotated[int, Strict(), Ge(0)]
Rate = Annotated[float, Strict(), Gt(0)]
Weight = Annotated[float, Strict(), Ge(0)]
Chance = Annotated[float, Strict(), Ge(0), Le(1)]
Name = Annotated[str, Strict(), MinLen(1), MaxLen(1_000)]
# What becomes part of a file's name: it must not lead out of its folder, and without a dot `SWEEP.PROFILE` is of one
# sweep and one profile alone.
FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9_+-]{0,59}"
FileName = Annotated[str, Strict(), StringConstraints(pattern=f"^{FILE_NAME}$")]
Switch = Annotated[bool, Strict()]
Init = Literal["fresh", "teacher_backbone", "teacher_trunk", "imagenet"]
OF_TEACHER: tuple[Init, ...] = ("teacher_backbone", "teacher_trunk")
Precision = Literal["fp32", "bf16"]

if TYPE_CHECKING:
    PrintedMetric = str
else:
    PrintedMetric = Literal[tuple(METRICS)]

TEST = "test"
"""The name of the test split among the sets that runs are measured on."""

VALIDATION_CROPS = 64
"""How many crops are evaluated at once; no result depends on it."""

FORBID: Any = {"extra": "forbid", "allow_inf_nan": False}


def _exactly(source: Any, handler: GetCoreSchemaHandler) -> Any:
    """The schema of a record of the science whose numbers and switches are taken for nothing else: "1" is no 1."""
    schema = handler.resolve_ref_schema(handler(source))
    fields: Any = schema
    for field in fields["schema"]["fields"]:
        scalar = field["schema"]
        while "schema" in scalar:  # of a field with a default
            scalar = scalar["schema"]
        for one in scalar.get("items_schema", [scalar]):
            if one["type"] in ("int", "float", "bool"):
                one["strict"] = True
    return schema


def _skeleton(value: Any) -> Any:
    """A skeleton's name or file as the skeleton; anything else as it is, to be checked."""
    if value is None or isinstance(value, Skeleton | Mapping):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("rule", "must be a skeleton of the library, or a YAML file")
    try:
        return find_skeleton(value)
    except ValueError as error:
        raise PydanticCustomError("said", "{message}", {"message": str(error)}) from None


def _sigmas(value: Any) -> Any:
    values = value if isinstance(value, tuple) else (value,)
    if value is None or (values and all(type(one) in (int, float) and 0 < one < inf for one in values)):
        return value
    raise PydanticCustomError("rule", "must be a number above 0, or a list of these, one a joint")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice(ModelUse):
    """A model and where its weights start: `fresh` (drawn from the seed), `teacher_backbone` (the trained teacher's
    backbone, the rest drawn), `teacher_trunk` (all of the teacher but its head) or `imagenet` (the backbone trained on
    ImageNet, the rest drawn).

    With `train: head` a trunk from a teacher stays as it is, its batch normalisation too.
    """

    __pydantic_config__ = FORBID

    model: Name
    head: Name | None = None
    init: Init = "fresh"
    train: Literal["all", "head"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticChoice:
    """Synthetic people drawn from a seed: how many to train on and how many to validate on.

    `style: studio` are easy ones, `everyday` is the default.
    """

    __pydantic_config__ = FORBID

    train: LargeCount
    val: LargeCount
    seed: Natural = 0
    style: Style = "everyday"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joints:
    """What stands in for what a folder's files say of their joints.

    `skeleton` is one of the library by its name, or a YAML file's; the recipe holds all of it. `sigmas` are one for
    all joints, or one each.
    """

    __pydantic_config__ = FORBID

    skeleton: Annotated[Skeleton | None, BeforeValidator(_skeleton)] = None
    sigmas: Annotated[float | tuple[float, ...] | None, BeforeValidator(_sigmas)] = None

    @property
    def given(self) -> dict[str, Any] | None:
        """The fields of a category that stand in for the files' own."""
        fields = {} if self.skeleton is None else category_of(self.skeleton)
        return fields | ({} if self.sigmas is None else {"keypoint_sigmas": self.sigmas}) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataChoice(Joints):
    """Where the people come from: a COCO-format folder and its splits, or synthetic people; exactly one of them.

    On `test` runs are measured once, at their end, by the weights that were chosen on `val`. No run's id knows of it.
    """

    __pydantic_config__ = FORBID

    root: Name | None = None
    train: Name = "train"
    val: Name = "val"
    test: Name | None = None
    synthetic: SyntheticChoice | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """Their names, each once."""
        return tuple(dict.fromkeys(filter(None, (self.train, self.val, self.test))))

    def test_set(self, folder: Path) -> dict[str, dict[str, Any]]:
        """The test split, by its name in reports, as a set that runs are measured on; empty where there is none."""
        found = {"root": str(folder.resolve()), "split": self.test, "given": self.given}
        return {} if self.test is None else {TEST: found}


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSet(Joints):
    """People that runs are measured on beside their own: the split of a COCO-format folder. No run's id knows of it."""

    __pydantic_config__ = FORBID

    root: Name
    split: Name = "val"

    @property
    def data(self) -> DataChoice:
        """The same as if it were trained on."""
        return DataChoice(root=self.root, train=self.split, val=self.split, skeleton=self.skeleton, sigmas=self.sigmas)


AugmentationChoice = Annotated[Augmentation, GetPydanticSchema(_exactly)]
ScheduleChoice = Annotated[Schedule, GetPydanticSchema(_exactly)]


def _optimizer_kind(value: Any) -> str:
    """Which optimizer is meant; without a name the published one."""
    name = value.get("name", "adam") if isinstance(value, Mapping) else getattr(value, "name", "adam")
    kind = OPTIMIZERS.get(name) if isinstance(name, str) else None
    return str(name) if kind is None else f"[{kind.__name__}]"


OptimizerChoice = Annotated[
    Annotated[Adam, GetPydanticSchema(_exactly), Tag("[Adam]")]
    | Annotated[AdamW, GetPydanticSchema(_exactly), Tag("[AdamW]")]
    | Annotated[SGD, GetPydanticSchema(_exactly), Tag("[SGD]")],
    Discriminator(_optimizer_kind),
]
Average = Annotated[float, Strict(), Gt(0), Lt(1)]
"""The decay of an exponential moving average of the weights, which are then those that are evaluated and kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationChoice:
    """How a run is measured: flip test or not; ground-truth boxes (`gt`) or a detector's result file.

    `flip_coordinates` and `flip_scores` choose between a flip test put right and the authors' own (`official`).
    `best_by` names the metric whose best validation decides which weights are kept and reported; as published, AP.
    Where AP would stay at 0, as for small models on small pictures, it tells nothing apart and PCK does.
    """

    __pydantic_config__ = FORBID

    flip_test: Switch = True
    flip_coordinates: Literal["pixel", "official"] = "pixel"
    flip_scores: Literal["swapped", "official"] = "swapped"
    boxes: Name = "gt"
    best_by: MetricUse = AP


@dataclass(frozen=True, slots=True, kw_only=True)
class CirculationChoice:
    """How a model learns by itself: every cycle from the truth, its tokens from the next cycle's.

    The truth are the recipe's losses or, without any, true heatmaps, weighted by `heatmap`. KT and VT of 0 are off; a
    model of one cycle has nothing to compare. The official form stops no gradient between cycles; `stop_gradient` holds
    the later one still.
    """

    __pydantic_config__ = FORBID

    heatmap: Rate = 1.0
    KT: Weight = 0.0
    VT: Weight = 0.0
    stop_gradient: Switch = False

    @property
    def compares_cycles(self) -> bool:
        """Whether any term compares a cycle with the next."""
        return any(self.ticks.values())

    @property
    def ticks(self) -> dict[str, bool]:
        """Which distillation terms are in use."""
        return {"KT": self.KT > 0, "VT": self.VT > 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherChoice(ModelChoice):
    """A teacher, trained first by a recipe of its own: what it does not say, it takes from the row it teaches.

    Its `seed` is its own, so that the students of every seed share one teacher. Without `losses` it learns heatmaps.
    """

    losses: Losses | None = None
    init: Literal["fresh", "imagenet"] = "fresh"
    seed: Natural = 0
    schedule: ScheduleChoice
    augmentation: AugmentationChoice
    precision: Precision
    optimizer: OptimizerChoice = ADAM
    ema: Average | None = None
    clip_grad_norm: Rate | None = None
    compile: bool = False

    @property
    def choice(self) -> ModelChoice:
        """The teacher's model alone."""
        return ModelChoice(**{field.name: getattr(self, field.name) for field in dataclasses.fields(ModelChoice)})


@dataclass(frozen=True, slots=True, kw_only=True)
class MMPoseChoice:
    """An mmpose 1.x configuration, a file or one that mmpose ships (`mmpose::...`), and the file of its checkpoint."""

    __pydantic_config__ = FORBID

    config: Name
    checkpoint: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTeacher:
    """A teacher that comes trained, and is not a run of ours."""

    __pydantic_config__ = FORBID

    mmpose: MMPoseChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRow:
    """Another row of the sweep: its run of the same seed. `recipe` is that row's, once found."""

    __pydantic_config__ = FORBID

    row: Name
    recipe: Any = dataclasses.field(init=False, default=None)

    def found(self, recipe: Any) -> OtherRow:
        """The same row with its recipe."""
        other = OtherRow(row=self.row)
        object.__setattr__(other, "recipe", recipe)
        return other


def _teacher_kind(value: Any) -> str:
    """Which kind of teacher a mapping is meant to be."""
    given, by_row = isinstance(value, GivenTeacher), isinstance(value, OtherRow)
    if isinstance(value, Mapping):
        given, by_row = "mmpose" in value, "row" in value
    return "[GivenTeacher]" if given else "[OtherRow]" if by_row else "[TeacherChoice]"


Teacher = Annotated[
    Annotated[TeacherChoice, Tag("[TeacherChoice]")]
    | Annotated[GivenTeacher, Tag("[GivenTeacher]")]
    | Annotated[OtherRow, Tag("[OtherRow]")],
    Discriminator(_teacher_kind),
]
