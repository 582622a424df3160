"""The numbers that all sections share: what every row of a sweep measured, and how it differs from its baseline.

Accuracies (AP, AR, PCK) are in points of 100, as papers print them; every other metric is as the run wrote it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from experiments.runs.saved_plan import SavedPlan, SavedRow
from experiments.runs.store import Store
from reports.read.reader import ON, ON_TEST, Cost, RunNumbers, RunReader, metric_digits
from reports.statistics.differences import Difference, Spread, corrected, paired_difference, spread

# Shown after the sweep's own and its parts, where the data give them.
OTHER_METRICS = (
    "AP", "AP-easy", "AP-medium", "AP-hard", "AP-categories", "PCKh@0.5", "PCKh@0.1", "PCK@0.2", "PCK@0.2-torso",
)  # fmt: skip
# Drawings of more cannot be read, and their journals take long to read: the rest stands in the tables alone.
DRAWN_ROWS = 12
DRAWN_SEEDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class RowNumbers:
    """One row of the table: what was asked, what the seeds measured, what the paper printed.

    `baseline` is the row that it is measured against, if any; `measured` is of each run's best validation, `last` of
    the last. `paper` is in points; so is `quoted`, what others print of other settings, by their names.
    """

    name: str
    baseline: str | None
    ticks: Mapping[str, bool]
    factors: Mapping[str, str]
    paper: Mapping[str, float]
    quoted: Mapping[str, Mapping[str, float]]
    runs: tuple[RunNumbers, ...]
    measured: Mapping[str, Spread]
    last: Spread | None
    cost: Cost | None
    improvement: Difference | None = None
    paper_improvement: float | None = None

    @property
    def shares_teacher(self) -> bool:
        """Whether several finished seeds learned from one teacher."""
        teachers = [run.teacher_id for run in self.runs if run.finished]
        return len(teachers) > 1 and len(set(teachers)) == 1 and teachers[0] is not None

    @property
    def drawn_runs(self) -> list[RunNumbers]:
        """The runs whose curves and pictures are drawn: finished ones first, of a great many the first."""
        return sorted(self.runs, key=lambda run: not run.finished)[:DRAWN_SEEDS]

    @property
    def losses(self) -> frozenset[str]:
        """The losses in use."""
        return frozenset(name for name, on in self.ticks.items() if on)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SweepNumbers:
    """What every section is made from: the plan, the runs and their reader, and the rows.

    `metric` is what the sweep compares, on the test split where there is one. `paper_metric` is what the paper's
    numbers measure; another metric than ours where the paper does not print ours.
    `drawn` names the rows that are drawn: all of them, or the baseline and the best of a great many.
    """

    plan: SavedPlan
    reader: RunReader
    metric: str
    paper_metric: str
    rows: tuple[RowNumbers, ...]
    teachers: tuple[RunNumbers, ...]
    drawn: tuple[str, ...]

    @property
    def digits(self) -> int:
        """How many decimals the metric is shown with."""
        return metric_digits(self.metric)

    @property
    def sign(self) -> int:
        """1 where more of the metric is better, -1 where less is."""
        return _sign(self.plan)

    @property
    def measured(self) -> dict[str, Spread]:
        """Every row's metric, of those that have it."""
        return {row.name: row.measured[self.metric] for row in self.rows if self.metric in row.measured}

    @property
    def compared(self) -> list[tuple[RowNumbers, Difference]]:
        """The rows that have an improvement over a baseline."""
        return [(row, row.improvement) for row in self.rows if row.improvement is not None]

    @property
    def own_baselines(self) -> bool:
        """Whether rows are measured against different baselines."""
        return len({row.baseline for row in self.rows if row.baseline is not None}) > 1

    @property
    def against(self) -> str:
        """What improvements are over, for sentences: the one baseline in quotation marks, or `its baseline`."""
        return "its baseline" if self.own_baselines else f"“{self.plan.baseline}”"

    @property
    def over(self) -> str:
        """What improvements are over, for the title of a column."""
        return "over its baseline" if self.own_baselines else f"over {self.plan.baseline}"

    @property
    def other_metrics(self) -> tuple[str, ...]:
        """The metrics shown after the sweep's own: those that were measured."""
        found = dict.fromkeys(name for row in self.rows for name in row.measured)
        return tuple(name for name in found if name not in (self.metric, *self.parts))

    @property
    def parts(self) -> tuple[str, ...]:
        """Of the body, or whatever the sweep's metric tells apart: `PCKh@0.5.wrist`."""
        found = dict.fromkeys(name for row in self.rows for name in row.measured)
        return tuple(name for name in found if name.startswith(f"{self.plan.metric}.") and ON not in name)

    @property
    def drawn_rows(self) -> tuple[RowNumbers, ...]:
        """The rows that are drawn, in the order of the table."""
        return tuple(row for row in self.rows if row.name in self.drawn)

    @property
    def runs(self) -> tuple[RunNumbers, ...]:
        """Every run of the tables, teachers first; a run that two rows share is listed once."""
        runs = [*self.teachers, *(run for row in self.rows for run in row.runs)]
        return tuple({run.run_id: run for run in runs}.values())

    @property
    def named_teachers(self) -> dict[str, RunNumbers]:
        """The teachers by what figures call them: `teacher`, or of several their models."""
        return {"teacher" if len(self.teachers) == 1 else run.row: run for run in self.teachers}

    @property
    def all_runs(self) -> tuple[RunNumbers, ...]:
        """Every run of the sweep: of a search, its trials too."""
        trials = (run for row in self.plan.rows for run in _read_row(self.reader, row))
        runs = [*(run for row in self.rows for run in row.runs), *trials, *self.teachers]
        return tuple({run.run_id: run for run in runs}.values())

    @property
    def unfinished(self) -> tuple[RunNumbers, ...]:
        """The runs without a result."""
        return tuple(run for run in self.runs if not run.finished)


def aggregate(store: Store, plan: SavedPlan, reader: RunReader | None = None) -> SweepNumbers:
    """The numbers of a planned sweep.

    A run counts towards a mean only when it is finished. Nothing is left out silently: every run without a result
    keeps its state and a reason.

    Args:
        store: the run directories.
        plan: the saved plan of the sweep.
        reader: keeps what it read of finished runs from one call to the next.
    """
    reader = reader or RunReader(store)
    reader.forget_unfinished()
    planned = table_rows(plan)
    printed = [name for row in planned for name in row.paper]
    paper_metric = plan.metric if plan.metric in printed or not printed else printed[0]
    runs = {row.name: _read_row(reader, row) for row in planned}
    metric = f"{plan.metric}{ON_TEST}"
    if not plan.test or not any(metric in run.metrics for own in runs.values() for run in own if run.finished):
        metric = plan.metric
    rows = _compared([_row(row, runs[row.name], plan.metric, metric) for row in planned], metric, paper_metric)
    return SweepNumbers(
        plan=plan,
        reader=reader,
        metric=metric,
        paper_metric=paper_metric,
        rows=tuple(rows),
        teachers=tuple(reader.read(teacher.run_id, teacher.model, 0, "teacher") for teacher in plan.teachers),
        drawn=_drawn(rows, plan, metric),
    )


def _read_row(reader: RunReader, row: SavedRow) -> tuple[RunNumbers, ...]:
    return tuple(reader.read(run.run_id, row.name, run.seed, "student") for run in row.runs)


def table_rows(plan: SavedPlan) -> list[SavedRow]:
    """The rows of a plan that its tables show: of a search the file's own and those that confirm."""
    if plan.search is None:
        return list(plan.rows)
    trials = {trial["row"] for trial in plan.search["trials"]} - set(plan.search["own"])
    return [row for row in plan.rows if row.name not in trials]


def _sign(plan: SavedPlan) -> int:
    return -1 if plan.metric in plan.lower_is_better else 1


def _row(row: SavedRow, runs: tuple[RunNumbers, ...], metric: str, headline: str) -> RowNumbers:
    """A row by itself, before it is compared; `headline` is the metric by which it will be."""
    finished = [run for run in runs if run.finished]
    named = dict.fromkeys(name for run in finished for name in run.metrics)
    parts = [name for name in named if name.startswith(f"{metric}.")]
    sets = dict.fromkeys(name.partition(ON)[2] for name in named if ON in name)
    elsewhere = [f"{metric if f'{metric}{ON}{one}' in named else 'AP'}{ON}{one}" for one in sets]
    measured = {
        name: spread(by_seed)
        for name in dict.fromkeys((metric, *parts, *OTHER_METRICS, *elsewhere))
        if (by_seed := {run.seed: run.metrics[name] for run in finished if name in run.metrics})
    }
    last = {run.seed: run.last[headline] for run in finished if headline in run.last}
    return RowNumbers(
        name=row.name,
        baseline=None if row.baseline == row.name else row.baseline,
        ticks=row.ticks,
        factors={factor: str(value) for factor, value in row.factors.items()},
        paper=row.paper,
        quoted=row.quoted,
        runs=runs,
        measured=measured,
        last=spread(last) if last else None,
        cost=_row_cost(finished),
    )


def _row_cost(runs: Iterable[RunNumbers]) -> Cost | None:
    """The cost of the row's model: of the finished runs that know most, that of median speed."""
    costs = [run.cost for run in runs if run.cost is not None]
    timed = sorted((cost.fps, place) for place, cost in enumerate(costs) if cost.fps is not None)
    if timed:
        return costs[timed[len(timed) // 2][1]]
    return max(costs, key=lambda cost: cost.gflops is not None, default=None)


def _compared(rows: Sequence[RowNumbers], metric: str, paper_metric: str) -> list[RowNumbers]:
    """The rows with their improvements over their baselines, tested and corrected over all of them."""
    by_name = {row.name: row for row in rows}
    pairs = [(row, by_name.get(row.baseline or "")) for row in rows]
    improvements = corrected(
        [
            paired_difference(row.measured[metric].values, base.measured[metric].values)
            if base is not None and metric in row.measured and metric in base.measured
            else None
            for row, base in pairs
        ]
    )
    published = [
        row.paper[paper_metric] - base.paper[paper_metric]
        if base is not None and paper_metric in row.paper and paper_metric in base.paper
        else None
        for row, base in pairs
    ]
    return [
        replace(row, improvement=improvement, paper_improvement=paper)
        for row, improvement, paper in zip(rows, improvements, published, strict=True)
    ]


def _drawn(rows: Sequence[RowNumbers], plan: SavedPlan, metric: str) -> tuple[str, ...]:
    """The rows worth drawing: all, or of a great many the baseline and the best."""
    means = {row.name: row.measured[metric].mean for row in rows if metric in row.measured}
    best = sorted(rows, key=lambda row: -_sign(plan) * means[row.name] if row.name in means else float("inf"))
    ranked = sorted(best, key=lambda row: row.name != plan.baseline)
    chosen = {row.name for row in ranked[:DRAWN_ROWS]}
    return tuple(row.name for row in rows if row.name in chosen)
