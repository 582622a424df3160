"""The content of the JSON files in a run's directory. A file of another content is refused by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, FiniteFloat, StringConstraints, with_config
from typing_extensions import TypedDict

from experiments.runs.journal import JournalMark

FailureKind = Literal["nan", "oom", "disk", "killed", "error"]
Count = Annotated[int, Field(ge=0, le=2**53)]
# Becomes part of a path: it must not lead out of its folder.
RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]


@with_config(ConfigDict(extra="allow"))
class ModelJson(TypedDict):
    """A recipe's model, the part that all versions share; sizes stand beside its name."""

    model: str


@with_config(ConfigDict(extra="allow"))
class ScheduleJson(TypedDict, total=False):
    """A recipe's schedule, the part that all versions share."""

    epochs: Count
    batch_size: Count


@with_config(ConfigDict(extra="allow"))
class RecipeJson(TypedDict):
    """A run's recipe, the part that all versions share; `RunDir.recipe` reads all of it."""

    model: ModelJson
    schedule: NotRequired[ScheduleJson]


@with_config(ConfigDict(extra="allow"))
class RunSpec(TypedDict):
    """`run.json`: what the run is. `row` is the table's row, None for a teacher."""

    run_id: RunId
    role: Literal["student", "teacher"]
    row: str | None
    seed: int
    recipe: RecipeJson
    teacher_id: RunId | None
    identity: dict[str, Any]


@with_config(ConfigDict(extra="allow"))
class JobOrigin(TypedDict):
    """In a result's provenance: the job of the run's last process."""

    data_root: str


@with_config(ConfigDict(extra="allow"))
class Provenance(TypedDict, total=False):
    """Where a result comes from: machine, packages, code, data and job."""

    device: str
    threads: Count
    commit: str | None
    diff: str | None
    environment: str | None
    data_fingerprint: dict[str, str] | str
    job: JobOrigin | None
    code: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`result.json`: the outcome of a run; unknown values are None.

    `metrics` are those of the best validation, `last` of the last; `journal` is the journal's mark when the run
    finished.
    """

    run_id: RunId
    metrics: dict[str, FiniteFloat]
    journal: JournalMark | None = None
    best_epoch: Count | None = None
    last: dict[str, FiniteFloat] = field(default_factory=dict)
    epochs: Count | None = None
    steps: Count | None = None
    seconds: FiniteFloat | None = None
    cpu_seconds: FiniteFloat | None = None
    gpu_seconds: FiniteFloat | None = None
    cohort: RunId | None = None
    cohort_size: Count | None = None
    memory_bytes: Count | None = None
    micro_batch: Count | None = None
    parameters: Count | None = None
    provenance: Provenance = field(default_factory=lambda: Provenance())

    def json(self) -> dict[str, Any]:
        """The result as plain values, without unknown ones."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`failure.json`: why a run's last attempt failed, and how many failed in a row without progress.

    `step` is that of its newest checkpoint then. `did_not_fit` is the micro-batch that ran out of memory, in that
    attempt or an earlier one.
    """

    attempts: Count
    kind: FailureKind
    message: str
    step: Count = 0
    did_not_fit: Count | None = None


class MeasuredMetric(TypedDict):
    """Of `measured.json`: what a metric came to (a function may give several values), by which code of it."""

    code: str
    values: dict[str, FiniteFloat]


class Measured(TypedDict):
    """`measured.json`: metrics of a sweep's own, by title."""

    metrics: dict[str, MeasuredMetric]


@with_config(ConfigDict(extra="allow"))
class Pruning(TypedDict):
    """`pruned.json`: which search ended the run early, and at which epoch."""

    by: str
    epoch: int


@with_config(ConfigDict(extra="allow"))
class SpeedJson(TypedDict):
    """In `cost.json`: images a second, their quartiles, and the device."""

    fps: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    device: str


@with_config(ConfigDict(extra="allow"))
class Cost(TypedDict):
    """`cost.json`: what the run's model costs."""

    input: list[Count]
    parameters: Count
    gflops: FiniteFloat
    speed: NotRequired[SpeedJson | None]


class CalibrationJson(TypedDict):
    """In `diagnosis.json`: people, mean score and mean OKS by score, and their rank correlation."""

    people: list[Count]
    score: list[FiniteFloat | None]
    oks: list[FiniteFloat | None]
    spearman: FiniteFloat | None


class JointsJson(TypedDict):
    """In `diagnosis.json`: the joints, how often each was labelled, and the share found."""

    names: list[str]
    seen: list[Count]
    found: list[FiniteFloat | None]


def _equally_long(part: Any) -> Any:
    if len({len(value) for value in part.values() if isinstance(value, list)}) > 1:
        raise ValueError("its lists must be equally long")
    return part


@with_config(ConfigDict(extra="allow"))
class Diagnosis(TypedDict, total=False):
    """`diagnosis.json`: how the errors of the best weights are spread."""

    calibration: Annotated[CalibrationJson, AfterValidator(_equally_long)]
    joints: Annotated[JointsJson, AfterValidator(_equally_long)]


class OnOtherSet(TypedDict):
    """Of `elsewhere.json`: a set by its fingerprint, its people, the joints that it shares, and what was measured.

    `asked` are the sweeps' own metrics that it was measured by, with their code.
    """

    fingerprint: str
    people: Count
    joints: Count
    metrics: dict[str, FiniteFloat]
    asked: NotRequired[dict[str, str]]


@with_config(ConfigDict(extra="allow"))
class Elsewhere(TypedDict):
    """`elsewhere.json`: what the best weights are worth on other sets than the run's own, by the sets' names."""

    sets: dict[str, OnOtherSet]
