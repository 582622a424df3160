"""From run directories to numbers: what every row of a sweep measured, and what is missing from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from experiments.runs.store import Store
from reports.numbers.agreement import improvement_agreement, rank_agreement
from reports.numbers.confounds import confounds
from reports.numbers.loss_effects import loss_effects
from reports.numbers.records import Cost, Curve, LossEffects, Metric, Picture, RowNumbers, TeacherNumbers
from reports.numbers.search import search_numbers, table_rows
from reports.numbers.statistics import corrected, paired_difference, spread
from reports.numbers.sweep_numbers import SweepNumbers
from reports.paper.setting import deviations, on_published_data, setting
from reports.read.curves import mean_curve
from reports.read.diagnoses import row_calibration, row_joints
from reports.read.facts import provenance_facts
from reports.read.reader import ON, RunDetails, RunRead, RunReader, metric_scale

LOSS_ORDER = ("CS", "SH", "KT", "VT")
OTHER_METRICS = ("AP", "PCK@0.2", "PCK@0.2-torso")  # shown after the sweep's own
# Drawings of more rows cannot be read, and their journals take long to read: the rest stands in the tables alone.
DRAWN_ROWS = 12
DRAWN_SEEDS = 12

Values = Mapping[str, Mapping[int, float]]


def _measured(runs: Sequence[RunRead], metrics: Iterable[str]) -> dict[str, dict[int, float]]:
    """For each of the metrics that the finished runs have, its value by seed."""
    finished = [run.numbers for run in runs if run.numbers.state == "finished"]
    found = {name: {run.seed: run.metrics[name] for run in finished if name in run.metrics} for name in metrics}
    return {name: by_seed for name, by_seed in found.items() if by_seed}


def _row_cost(runs: Sequence[RunRead]) -> Cost | None:
    """What the row's model costs: of the finished runs that know most, the one of median speed."""
    costs = [run.numbers.cost for run in runs if run.numbers.cost is not None]
    timed = sorted((cost.speed.fps, place) for place, cost in enumerate(costs) if cost.speed is not None)
    if timed:
        return costs[timed[len(timed) // 2][1]]
    return max(costs, key=lambda cost: cost.gflops is not None, default=None)


def _numbers(
    row: Mapping[str, Any], runs: Sequence[RunRead], paper: Mapping[str, float], baseline: str | None, metric: str
) -> RowNumbers:
    """A row by itself, before it is compared or drawn."""
    finished = [run for run in runs if run.numbers.state == "finished"]
    begins = f"{metric}{ON}"
    elsewhere = dict.fromkeys(name for run in finished for name in run.numbers.metrics if name.startswith(begins))
    last = {run.numbers.seed: run.numbers.last[metric] for run in finished if metric in run.numbers.last}
    return RowNumbers(
        name=row["name"],
        baseline=None if baseline == row["name"] else baseline,
        ticks=dict(row.get("ticks") or {}),
        factors={factor: str(value) for factor, value in (row.get("factors") or {}).items()},
        runs=tuple(run.numbers for run in runs),
        measured={
            one: spread(by_seed)
            for one, by_seed in _measured(runs, {metric: None, **dict.fromkeys(OTHER_METRICS), **elsewhere}).items()
        },
        improvement=None,
        paper=paper,
        paper_improvement=None,
        curves={},
        pictures=(),
        cost=_row_cost(finished),
        last=spread(last) if last else None,
    )


def _compared(
    rows: Sequence[RowNumbers], recipes: Mapping[str, Mapping[str, Any]], metric: str, paper_metric: str
) -> list[RowNumbers]:
    """The rows with their improvements over their baselines, tested and corrected over all of them.

    `recipes` holds one of each row that has begun.
    """
    by_name = {row.name: row for row in rows}
    bases = [None if row.baseline is None else by_name.get(row.baseline) for row in rows]
    found = corrected(
        [
            None
            if base is None or metric not in row.measured or metric not in base.measured
            else paired_difference(row.measured[metric].values, base.measured[metric].values)
            for row, base in zip(rows, bases, strict=True)
        ]
    )
    return [
        replace(
            row,
            improvement=improvement,
            paper_improvement=row.paper[paper_metric] - base.paper[paper_metric]
            if base is not None and paper_metric in row.paper and paper_metric in base.paper
            else None,
            unlike=confounds(recipes[row.name], recipes[base.name])
            if base is not None and improvement is not None
            else (),
        )
        for row, base, improvement in zip(rows, bases, found, strict=True)
    ]


def _drawn(rows: Sequence[RowNumbers], baseline: str | None, metric: Metric) -> tuple[str, ...]:
    """The rows worth drawing: all, or of a great many the baseline and the best."""
    if len(rows) <= DRAWN_ROWS:
        return tuple(row.name for row in rows)
    best = sorted(rows, key=lambda row: _place(row, metric))
    chosen = {row.name for row in rows if row.name == baseline}
    for row in best[:DRAWN_ROWS]:
        if len(chosen) < DRAWN_ROWS:
            chosen.add(row.name)
    return tuple(row.name for row in rows if row.name in chosen)


def _place(row: RowNumbers, metric: Metric) -> float:
    """The lower, the better the row."""
    return -metric.sign * row.measured[metric.name].mean if metric.name in row.measured else float("inf")


def _row_curves(read: Sequence[tuple[RunRead, RunDetails]]) -> dict[str, Curve]:
    """Curves over the finished runs, or, while none is finished, over those that have begun."""
    finished = [details for run, details in read if run.numbers.state == "finished"]
    sources = finished or [details for _, details in read if details.curves]
    names = dict.fromkeys(name for details in sources for name in details.curves)
    curves = {
        name: mean_curve([details.curves.get(name, {}) for details in sources], metric_scale(name)) for name in names
    }
    return {name: curve for name, curve in curves.items() if curve is not None}


def _illustrated(row: RowNumbers, runs: Sequence[RunRead], reader: RunReader) -> RowNumbers:
    """The row with its curves, its errors, and the pictures of the first finished seed that has any, or of any seed."""
    ranked = sorted(runs, key=lambda run: run.numbers.state != "finished")[:DRAWN_SEEDS]
    read = [(run, reader.details(run)) for run in ranked]
    pictures: tuple[Picture, ...] = next((details.pictures for _, details in read if details.pictures), ())
    diagnoses = {run.numbers.seed: details.diagnosis for run, details in read if run.numbers.state == "finished"}
    return replace(
        row,
        curves=_row_curves(read),
        pictures=pictures,
        calibration=row_calibration(diagnoses),
        joints=row_joints(diagnoses),
    )


def _paper_metric(metric: str, papers: Mapping[str, Mapping[str, float]]) -> str:
    """What the paper's numbers measure: our metric where the paper prints it, else the first that it prints."""
    printed = list(dict.fromkeys(name for paper in papers.values() for name in paper))
    return metric if metric in printed or not printed else printed[0]


def _effects(rows: Sequence[RowNumbers], metric: str, paper_metric: str) -> LossEffects | None:
    """The effects of the losses that rows tick; None where rows with the same ticks differ by something else."""
    ticked = {name for row in rows for name, on in row.ticks.items() if on}
    losses = [name for name in LOSS_ORDER if name in ticked] + sorted(ticked.difference(LOSS_ORDER))
    subsets = [frozenset(name for name, on in row.ticks.items() if on) for row in rows]
    if len(set(subsets)) < len(subsets):
        return None
    ours = {
        subset: row.measured[metric].values if metric in row.measured else {}
        for subset, row in zip(subsets, rows, strict=True)
    }
    paper = {
        subset: row.paper[paper_metric] for subset, row in zip(subsets, rows, strict=True) if paper_metric in row.paper
    }
    return loss_effects(losses, ours, paper)


def aggregate(store: Store, plan: Mapping[str, Any], reader: RunReader | None = None) -> SweepNumbers:
    """All numbers of a planned sweep: rows with their seeds, improvements, curves and pictures; teachers; provenance.

    A run counts towards a mean only when it is finished. Nothing is left out silently: every run without a result
    keeps its state and a reason.

    Args:
        store: the run directories.
        plan: the saved plan of the sweep, as JSON.
        reader: keeps what it read of finished runs from one call to the next.
    """
    reader = reader or RunReader(store)
    scale, lower = metric_scale(plan["metric"]), plan["metric"] in plan.get("lower_is_better", ())
    metric = Metric(name=plan["metric"], scale=scale, digits=1 if scale == 100 else 2, lower_is_better=lower)
    read: dict[str, RunRead] = {}

    def once(run_id: str, row: str, seed: int, role: str) -> RunRead:
        if run_id not in read:
            read[run_id] = reader.read(run_id, row, seed, role)
        return read[run_id]

    planned_rows = table_rows(plan)
    students = [
        [once(run["run_id"], row["name"], run["seed"], "student") for run in row["runs"]] for row in planned_rows
    ]
    search = search_numbers(plan, reader)
    if search is not None:
        for trial in search.trials:
            once(trial.run_id, trial.row, search.seed, "student")
    papers = {
        row["name"]: {name: float(value) for name, value in (row.get("paper") or {}).items()} for row in planned_rows
    }
    baseline = plan.get("baseline")
    paper_metric = _paper_metric(metric.name, papers)
    rows = _compared(
        [
            _numbers(row, runs, papers[row["name"]], row.get("baseline", baseline), metric.name)
            for row, runs in zip(planned_rows, students, strict=True)
        ],
        {
            row["name"]: next(run.recipe for run in runs if run.numbers.state == "finished")
            for row, runs in zip(planned_rows, students, strict=True)
            if any(run.numbers.state == "finished" for run in runs)
        },
        metric.name,
        paper_metric,
    )
    drawn = _drawn(rows, baseline, metric)
    rows = [
        _illustrated(row, runs, reader) if row.name in set(drawn) else row
        for row, runs in zip(rows, students, strict=True)
    ]
    teachers = []
    for teacher in plan.get("teachers") or ():
        found = once(teacher["run_id"], teacher["model"], 0, "teacher")
        teachers.append(
            TeacherNumbers(model=teacher["model"], run=found.numbers, pictures=reader.details(found).pictures)
        )
    data = plan.get("data") or {}
    recipes = {
        role: [
            setting(run.recipe, run.identity, data.get(run.identity.get("data")) or {})
            for run in read.values()
            if run.numbers.role == role and run.recipe
        ]
        for role in ("student", "teacher")
    }
    return SweepNumbers(
        sweep=plan["sweep"],
        profile=plan["profile"],
        title=plan.get("title") or plan["sweep"],
        layout=plan.get("table") or "rows",
        metric=metric,
        paper_metric=paper_metric,
        baseline=baseline,
        rows=tuple(rows),
        teachers=tuple(teachers),
        agreement=rank_agreement(
            {row.name: row.measured[metric.name].values if metric.name in row.measured else {} for row in rows},
            {name: paper[paper_metric] for name, paper in papers.items() if paper_metric in paper},
        ),
        improvements=improvement_agreement(
            {row.name: row.improvement.mean for row in rows if row.improvement is not None},
            {row.name: row.paper_improvement for row in rows if row.paper_improvement is not None},
        ),
        effects=_effects(rows, metric.name, paper_metric),
        facts=provenance_facts(run.provenance for run in read.values() if run.provenance),
        deviations=deviations(
            recipes["student"], recipes["teacher"], seeds=max((len(row.runs) for row in rows), default=0)
        )
        if any(papers.values())
        else (),
        settings={name: str(value) for name, value in (plan.get("settings") or {}).items()},
        seconds=sum(run.numbers.seconds or 0.0 for run in read.values()),
        drawn=drawn,
        search=search,
        as_published=bool(recipes["student"]) and all(map(on_published_data, recipes["student"])),
    )
