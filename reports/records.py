"""The numbers a report is drawn from: frozen records, in the units they are shown in.

Accuracies (AP, AR, PCK) are in points of 100, as papers print them; every other metric is as the run wrote it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["finished", "running", "interrupted", "failed", "planned", "pruned", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a table measures: the name in the runs' results, and how its numbers are shown."""

    name: str
    scale: float
    digits: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Mean and sample standard deviation over seeds; `std` is None for a single seed, which has no spread."""

    values: Mapping[int, float]
    mean: float
    std: float | None

    @property
    def n(self) -> int:
        """How many seeds finished."""
        return len(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Row minus baseline, paired by seed.

    `low` and `high` bound the 95 % paired t interval; `p` is its two-sided test and `p_adjusted` the same after
    Holm's correction over the rows of the table. All four are None for a single pair, and where the pairs do not vary.
    """

    pairs: Mapping[int, float]
    mean: float
    std: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None = None

    @property
    def n(self) -> int:
        """How many seeds both finished."""
        return len(self.pairs)

    @property
    def distinguishable(self) -> bool | None:
        """Whether the difference is more than seeds explain (adjusted p below 0.05); None where that cannot be said."""
        return None if self.p_adjusted is None else self.p_adjusted < 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNumbers:
    """One run: where it stands and, when finished, what it measured (metrics in shown units)."""

    run_id: str
    row: str
    role: str
    seed: int
    state: State
    reason: str
    metrics: Mapping[str, float]
    last: Mapping[str, float]
    best_epoch: float | None
    epochs: float | None
    seconds: float | None
    parameters: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One metric of one row over epochs: mean of the seeds present at each epoch, and their least and greatest."""

    epochs: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The newest picture of one kind that a run of the row drew."""

    kind: str
    path: Path
    caption: str
    seed: int
    epoch: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowNumbers:
    """One row of the table: what was asked, what the seeds measured, what the paper printed."""

    name: str
    ticks: Mapping[str, bool]
    factors: Mapping[str, str]
    runs: tuple[RunNumbers, ...]
    measured: Mapping[str, Spread]
    improvement: Difference | None
    paper: Mapping[str, float]
    paper_improvement: float | None
    curves: Mapping[str, Curve]
    pictures: tuple[Picture, ...]

    @property
    def wanted(self) -> int:
        """How many seeds the sweep asks for."""
        return len(self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherNumbers:
    """A teacher of the sweep: its model and its run."""

    model: str
    run: RunNumbers
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How our order of the rows agrees with the paper's: Spearman's rank correlation.

    `p` is the chance that a random order of `n` rows agrees at least as well. `per_seed` holds the same correlation
    for every seed that finished all `n` rows.
    """

    rho: float
    n: int
    p: float
    per_seed: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact of provenance and how many runs say what.

    More than one value means that the runs disagree, but for facts that `may_differ`, such as the command.
    """

    name: str
    values: tuple[tuple[str, int], ...]
    may_differ: bool = False

    @property
    def agrees(self) -> bool:
        """Whether all runs say the same, or need not."""
        return self.may_differ or len(self.values) <= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A setting in which these runs differ from the published ones."""

    setting: str
    paper: str
    here: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepNumbers:
    """Everything a report says, before it is drawn."""

    sweep: str
    profile: str
    title: str
    layout: str
    metric: Metric
    paper_metric: str
    """What the paper's numbers measure; another metric than ours where the paper does not print ours."""
    baseline: str | None
    rows: tuple[RowNumbers, ...]
    teachers: tuple[TeacherNumbers, ...]
    agreement: Agreement | None
    facts: tuple[Fact, ...]
    deviations: tuple[Deviation, ...]
    settings: Mapping[str, str]
    seconds: float

    @property
    def runs(self) -> tuple[RunNumbers, ...]:
        """Every run of the sweep, teachers first; a run that two rows share is listed once."""
        found = {teacher.run.run_id: teacher.run for teacher in self.teachers}
        for row in self.rows:
            for run in row.runs:
                found.setdefault(run.run_id, run)
        return tuple(found.values())

    @property
    def unfinished(self) -> tuple[RunNumbers, ...]:
        """The runs without a result."""
        return tuple(run for run in self.runs if run.state != "finished")
