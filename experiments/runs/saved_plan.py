"""The saved plan, `sweeps/SWEEP.PROFILE.json`: all that status, reports and mirrors know of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, FiniteFloat, TypeAdapter, with_config
from typing_extensions import TypedDict

from experiments.runs.run_files import Count, RunId
from experiments.sweep.table_choices import TableChoices as TableChoices  # for reports

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """A row's run of one seed, and the runs that teach it and that it starts from, if there are."""

    run_id: RunId
    seed: int
    teacher_id: RunId | None = None
    start_id: RunId | None = None

    @property
    def needs(self) -> frozenset[str]:
        """The runs that must be there before it."""
        return frozenset(one for one in (self.teacher_id, self.start_id) if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRow:
    """A row of the table and its runs."""

    name: str
    ticks: dict[str, bool]
    factors: dict[str, Any]
    paper: dict[str, FiniteFloat]
    runs: tuple[SavedRun, ...]
    baseline: str | None = None
    quoted: dict[str, dict[str, FiniteFloat]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTeacher:
    """A teacher that the sweep trains."""

    run_id: RunId
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCohort:
    """Runs that one process trains together."""

    cohort_id: str
    run_ids: tuple[RunId, ...]
    teacher_id: RunId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedData:
    """A data set: the name of its folder, and the digests of its annotation files."""

    name: str
    annotations: tuple[str, ...]


class SavedTrial(TypedDict):
    """A trial of a search."""

    number: Count
    row: str
    run_id: RunId
    params: dict[str, Any]
    costs: dict[str, FiniteFloat]
    batch: Count


@with_config(ConfigDict(extra="allow"))
class SavedRange(TypedDict):
    """A searched field's range."""

    low: FiniteFloat
    high: FiniteFloat
    log: bool


@with_config(ConfigDict(extra="allow"))
class SavedEntry(TypedDict):
    """A sweep file's `search`, the part that reports show."""

    space: dict[str, SavedRange | Annotated[list[Any], Field(min_length=2)]]
    sampler: dict[str, Any]
    pruner: dict[str, Any] | None


class SavedConfirmation(TypedDict):
    """A row, and the row that trains it again from other seeds."""

    row: str
    again: str


@with_config(ConfigDict(extra="allow"))
class SavedSearch(TypedDict):
    """The trials of a search so far."""

    entry: SavedEntry
    objectives: Annotated[list[str], Field(min_length=1)]
    lower_is_better: list[str]
    budget: Count
    seed: int
    own: list[str]
    trials: list[SavedTrial]
    confirmed: list[SavedConfirmation]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedDecision:
    """What the last look at a row saw: its mean gain over its baseline, the interval that holds at every look, and the
    verdict. `seeds` were looked at, 0 before the first look; `wanted` is how many the row should have.
    """

    verdict: Literal["better", "worse", "equivalent", "undecided"]
    seeds: int
    wanted: int
    gain: FiniteFloat = 0.0
    low: FiniteFloat = 0.0
    high: FiniteFloat = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedUntil:
    """Until when rows get more seeds, and what was decided of each."""

    margin: FiniteFloat
    alpha: FiniteFloat
    looks: tuple[int, ...]
    decisions: dict[str, SavedDecision]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """The plan of one profile of a sweep, as it was last launched.

    `lower_is_better` names metrics, of ours and the sweep's; of all others more is better. `measured` is the sweep's
    metric with its options, where it is none of those that every evaluation has. `test`: all rows have a test split.
    `report` is how the table for a paper looks.
    """

    sweep: str
    profile: str
    title: str
    table: str
    metric: str
    lower_is_better: tuple[str, ...] = ()
    measured: str | dict[str, Any] | None = None
    test: bool = False
    baseline: str | None
    source: str
    rows: tuple[SavedRow, ...]
    teachers: tuple[SavedTeacher, ...]
    cohorts: tuple[SavedCohort, ...]
    settings: dict[str, Any]
    data: dict[str, SavedData] = field(default_factory=dict)
    search: SavedSearch | None = None
    until: SavedUntil | None = None
    report: TableChoices | None = None

    @property
    def name(self) -> str:
        """`SWEEP.PROFILE`; neither contains a dot, so the name is unique."""
        return f"{self.sweep}.{self.profile}"

    @property
    def run_names(self) -> dict[str, str]:
        """Each run's name for people, by id; teachers first."""
        names = {teacher.run_id: f"teacher {teacher.model}" for teacher in self.teachers}
        for row in self.rows:
            for run in row.runs:
                names.setdefault(run.run_id, f"{row.name}, seed {run.seed}")
        return names

    def json(self) -> dict[str, Any]:
        """The plan as plain values."""
        plain = {"schema": SCHEMA, **asdict(self)}
        optional = ("search", "until", "report")
        return {name: value for name, value in plain.items() if value is not None or name not in optional}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The plan that `json` gave. Raises pydantic's ValidationError, a ValueError, for anything else."""
        plan: Self = TypeAdapter(cls).validate_python(value)
        return plan
