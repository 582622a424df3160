"""The numbers a report is drawn from: frozen records, in the units they are shown in.

Accuracies (AP, AR, PCK) are in points of 100, as papers print them; every other metric is as the run wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SIGNIFICANT = 0.05
State = Literal["finished", "running", "interrupted", "failed", "planned", "pruned", "damaged", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a table measures: the name in the runs' results, and how its numbers are shown."""

    name: str
    scale: float
    digits: int = 1
    lower_is_better: bool = False

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self.lower_is_better else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Two bounds, in the units of what they bound."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Mean and sample standard deviation over seeds; `std` is None for a single seed, which has no spread.

    `bootstrap` bounds the 95 % percentile bootstrap interval of the mean; None for fewer than three seeds.
    """

    values: Mapping[int, float]
    mean: float
    std: float | None
    bootstrap: Interval | None = None

    @property
    def n(self) -> int:
        """How many seeds finished."""
        return len(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One row minus another, paired by seed.

    `low` and `high` bound the 95 % paired t interval; `p` is its two-sided test and `p_adjusted` the same after
    Holm's correction over the rows of the table. `flip_p` is the two-sided sign-flip test, which assumes no normal
    distribution, and `flip_p_adjusted` the same after Holm's; it cannot go below `least_flip_p`. `bootstrap` bounds
    the 95 % percentile bootstrap interval. All are None for fewer than three pairs, and where the pairs do not vary.
    """

    pairs: Mapping[int, float]
    mean: float
    std: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None = None
    flip_p: float | None = None
    flip_p_adjusted: float | None = None
    least_flip_p: float | None = None
    bootstrap: Interval | None = None

    @property
    def n(self) -> int:
        """How many seeds both finished."""
        return len(self.pairs)

    @property
    def distinguishable(self) -> bool | None:
        """Whether the difference is significant (adjusted p below 0.05); None where it was not tested."""
        return None if self.p_adjusted is None else self.p_adjusted < SIGNIFICANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Images a second, one at a time: the median, its quartiles, and where that was measured."""

    fps: float
    quartiles: Interval
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a model costs: trained parameters, GFLOPs as papers count them for the size of `input`, and its speed."""

    parameters: int
    gflops: float | None = None
    speed: Speed | None = None
    input: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How well a person's score foretells its OKS: over bins of the score, how many people, and both means.

    `spearman` is the rank correlation of score and OKS by seed; a run whose scores are all the same has none.
    """

    people: tuple[int, ...]
    score: tuple[float, ...]
    oks: tuple[float, ...]
    spearman: Mapping[int, float]

    @property
    def constant(self) -> bool:
        """Whether every score is 1, as of a model without a confidence output in annotated boxes."""
        return not any(self.people[:-1]) and self.score[-1] > 1 - 1e-9

    @property
    def error(self) -> float:
        """The expected calibration error: the mean gap between score and OKS over the people, in [0, 1]."""
        gaps = (n * abs(a - b) for n, a, b in zip(self.people, self.score, self.oks, strict=True))
        return sum(gaps) / max(1, sum(self.people))


@dataclass(frozen=True, slots=True, kw_only=True)
class JointErrors:
    """For each joint, the share found within a tenth of the person's box (in points), by seed."""

    names: tuple[str, ...]
    found: tuple[Spread, ...]


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
    model: str = ""
    teacher_id: str | None = None
    cost: Cost | None = None


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
    baseline: str | None
    """The row its improvements are measured against; None for a row that is measured against none."""
    ticks: Mapping[str, bool]
    factors: Mapping[str, str]
    runs: tuple[RunNumbers, ...]
    measured: Mapping[str, Spread]
    improvement: Difference | None
    paper: Mapping[str, float]
    paper_improvement: float | None
    curves: Mapping[str, Curve]
    pictures: tuple[Picture, ...]
    cost: Cost | None = None
    calibration: Calibration | None = None
    joints: JointErrors | None = None
    last: Spread | None = None
    """The sweep's metric at the last validation of each finished run; `measured` is of the best."""
    unlike: tuple[str, ...] = ()
    """How the row was trained differently from its baseline, in words, beyond models and losses."""

    @property
    def shares_teacher(self) -> bool:
        """Whether several finished seeds learned from one teacher."""
        teachers = [run.teacher_id for run in self.runs if run.state == "finished"]
        return len(teachers) > 1 and len(set(teachers)) == 1 and teachers[0] is not None

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

    `p` is the chance that a random order of `n` rows agrees at least as well. `over_rows` is the 95 % interval for
    rows drawn from many like them (None below four rows, and for a perfect correlation); `over_seeds` the 95 %
    bootstrap interval for these rows and other seeds (None below three seeds). `per_seed` holds the same correlation
    for every seed that finished all `n` rows.
    """

    rho: float
    n: int
    p: float
    per_seed: Mapping[int, float]
    over_rows: Interval | None = None
    over_seeds: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImprovementAgreement:
    """How our improvements over the baseline agree with the paper's, over the `n` rows that have both.

    `pearson` is None below three rows or where one side does not vary; `interval` is Fisher's, from four rows on.
    """

    n: int
    same_sign: int
    pearson: float | None
    interval: Interval | None
    mean_gap: float
    """Ours minus the paper's, on average over the rows; means little where the two measure different things."""
    mean_absolute_gap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What adding the losses `added` to those of `to` changes, and the paper's value for it where it printed both rows.

    `found` is None where a seed of both has not finished, and where the sweep does not train both (`trained`).
    """

    added: tuple[str, ...]
    to: tuple[str, ...]
    found: Difference | None
    paper: float | None
    trained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapleyValue:
    """What a loss, or a group of losses taken as one, is worth by seed; the paper's, worked out of its rows alike."""

    player: tuple[str, ...]
    found: Difference | None
    paper: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """Players (losses or groups of them) of whom every combination was trained, and their Shapley values."""

    players: tuple[tuple[str, ...], ...]
    values: tuple[ShapleyValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossEffects:
    """The effect of every loss, by each way the trained subsets allow.

    `missing` are the subsets without which the single losses have no exact Shapley values.
    """

    losses: tuple[str, ...]
    additions: tuple[Addition, ...]
    games: tuple[Game, ...]
    missing: tuple[tuple[str, ...], ...]


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
