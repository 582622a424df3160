"""From run directories to numbers: what every row of a sweep measured, and what is missing from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from experiments.journal import PictureRow, metric_rows, picture_rows
from experiments.store import RunDir, Store
from reports.curves import mean_curve, run_curves
from reports.facts import provenance_facts
from reports.published import data_words, deviations
from reports.records import (
    Curve,
    Metric,
    Picture,
    RowNumbers,
    RunNumbers,
    SweepNumbers,
    TeacherNumbers,
)
from reports.statistics import holm, paired_difference, rank_agreement, spread

PICTURE_KINDS = ("skeleton", "heatmaps", "attention")
_ACCURACIES = ("AP", "AR", "PCK")


def metric_scale(name: str) -> float:
    """100 for accuracies, which papers print in points; 1 for everything else."""
    return 100.0 if name.removeprefix("val/").startswith(_ACCURACIES) else 1.0


def shown(metrics: Mapping[str, float] | None) -> dict[str, float]:
    """Metrics in the units they are shown in."""
    return {name: value * metric_scale(name) for name, value in (metrics or {}).items()}


@dataclass(frozen=True, slots=True)
class _Read:
    """A run as read once from its directory."""

    numbers: RunNumbers
    curves: Mapping[str, Mapping[float, float]]
    pictures: tuple[Picture, ...]
    result: Mapping[str, Any]
    recipe: Mapping[str, Any]


def _reason(run: RunDir, state: str, epochs: float | None, curves: Mapping[str, Mapping[float, float]]) -> str:
    """Why a run has no result, in words."""
    if state in ("planned", "missing"):
        return "not started"
    reached = max((epoch for curve in curves.values() for epoch in curve), default=0)
    where = f"at epoch {reached:g}" + (f" of {epochs:g}" if epochs else "")
    if state == "failed":
        failure = run.failure
        told = "" if failure is None else f": {failure.message} ({failure.kind}, attempt {failure.attempts})"
        return where + told
    return f"{where}, still running" if state == "running" else f"{where}, stopped before its end"


LAYERS = "layers"  # plain people, for W&B to lay masks over: a page has the sheets


def _pictures(run: RunDir, rows: Iterable[PictureRow], seed: int, best_epoch: float | None) -> tuple[Picture, ...]:
    """The pictures of the best evaluation, or else the newest, one of each kind, from the run's directory alone."""
    inside = run.path.resolve()
    chosen: dict[str, Picture] = {}
    for row in rows:
        path = (inside / row.path).resolve()
        earlier = chosen.get(row.kind)
        if row.kind == LAYERS or not path.is_relative_to(inside) or not path.is_file():
            continue
        if earlier is None or best_epoch is None or earlier.epoch != best_epoch:
            chosen[row.kind] = Picture(kind=row.kind, path=path, caption=row.caption, seed=seed, epoch=row.epoch)
    known = {kind: position for position, kind in enumerate(PICTURE_KINDS)}
    return tuple(sorted(chosen.values(), key=lambda picture: (known.get(picture.kind, len(known)), picture.kind)))


def _read(run: RunDir, run_id: str, row: str, seed: int, role: str) -> _Read:
    exists = (run.path / "run.json").exists()
    spec = run.spec() if exists else {}
    recipe = spec.get("recipe") or {}
    result = run.result() or {}
    events = run.read_journal()
    curves = run_curves(metric_rows(events))
    epochs = result.get("epochs") or (recipe.get("schedule") or {}).get("epochs")
    state = run.state() if exists else "missing"
    best_epoch = result.get("best_epoch")
    numbers = RunNumbers(
        run_id=run_id,
        row=row,
        role=role,
        seed=spec.get("seed", seed),
        state=state,
        reason="" if state == "finished" else _reason(run, state, epochs, curves),
        metrics=shown(result.get("metrics")),
        last=shown(result.get("last")),
        best_epoch=best_epoch,
        epochs=epochs,
        seconds=result.get("seconds"),
        parameters=result.get("parameters"),
    )
    return _Read(numbers, curves, _pictures(run, picture_rows(events), seed, best_epoch), result, recipe)


def _row_curves(runs: Sequence[_Read]) -> dict[str, Curve]:
    """Curves over the finished runs, or, while none is finished, over those that have begun."""
    finished = [run for run in runs if run.numbers.state == "finished"]
    sources = finished or [run for run in runs if run.curves]
    names = dict.fromkeys(name for run in sources for name in run.curves)
    curves = {name: mean_curve([run.curves.get(name, {}) for run in sources], metric_scale(name)) for name in names}
    return {name: curve for name, curve in curves.items() if curve is not None}


def _row_pictures(runs: Sequence[_Read]) -> tuple[Picture, ...]:
    """The pictures of the first finished seed that has any, or else of any seed."""
    ranked = sorted(runs, key=lambda run: run.numbers.state != "finished")
    return next((run.pictures for run in ranked if run.pictures), ())


def _measured(runs: Sequence[_Read]) -> dict[str, dict[int, float]]:
    """For each metric of the finished runs, its value by seed."""
    found: dict[str, dict[int, float]] = {}
    for run in runs:
        if run.numbers.state == "finished":
            for name, value in run.numbers.metrics.items():
                found.setdefault(name, {})[run.numbers.seed] = value
    return found


def _corrected(rows: Sequence[RowNumbers]) -> tuple[RowNumbers, ...]:
    """The rows with Holm's correction over all the comparisons that the table makes."""
    testable = [row.name for row in rows if row.improvement is not None and row.improvement.p is not None]
    p_values = [row.improvement.p for row in rows if row.improvement is not None and row.improvement.p is not None]
    adjusted = dict(zip(testable, holm(p_values), strict=True))
    return tuple(
        replace(row, improvement=replace(row.improvement, p_adjusted=adjusted[row.name]))
        if row.improvement is not None and row.name in adjusted
        else row
        for row in rows
    )


def _paper_metric(metric: str, papers: Mapping[str, Mapping[str, float]]) -> str:
    """What the paper's numbers measure: our metric where the paper prints it, else the first that it prints."""
    printed = list(dict.fromkeys(name for paper in papers.values() for name in paper))
    return metric if metric in printed or not printed else printed[0]


def aggregate(store: Store, plan: Mapping[str, Any]) -> SweepNumbers:
    """All numbers of a planned sweep: rows with their seeds, improvements, curves and pictures; teachers; provenance.

    A run counts towards a mean only when it is finished. Nothing is left out silently: every run without a result
    keeps its state and a reason.

    Args:
        store: the run directories.
        plan: the saved plan of the sweep, as JSON.
    """
    metric = Metric(name=plan["metric"], scale=metric_scale(plan["metric"]))
    read: dict[str, _Read] = {}

    def once(run_id: str, row: str, seed: int, role: str) -> _Read:
        if run_id not in read:
            read[run_id] = _read(store.run(run_id), run_id, row, seed, role)
        return read[run_id]

    students = {
        row["name"]: [once(run["run_id"], row["name"], run["seed"], "student") for run in row["runs"]]
        for row in plan["rows"]
    }
    values = {name: _measured(runs) for name, runs in students.items()}
    papers = {
        row["name"]: {name: float(value) for name, value in (row.get("paper") or {}).items()} for row in plan["rows"]
    }
    baseline = plan.get("baseline")
    base_values = values.get(baseline, {}).get(metric.name, {})
    paper_metric = _paper_metric(metric.name, papers)
    base_paper = papers.get(baseline, {}).get(paper_metric)
    rows = []
    for row in plan["rows"]:
        name = row["name"]
        paper = papers[name].get(paper_metric)
        rows.append(
            RowNumbers(
                name=name,
                ticks=dict(row.get("ticks") or {}),
                factors={factor: str(value) for factor, value in (row.get("factors") or {}).items()},
                runs=tuple(run.numbers for run in students[name]),
                measured={one: spread(by_seed) for one, by_seed in values[name].items()},
                improvement=None
                if name == baseline
                else paired_difference(values[name].get(metric.name, {}), base_values),
                paper=papers[name],
                paper_improvement=None if paper is None or base_paper is None else paper - base_paper,
                curves=_row_curves(students[name]),
                pictures=_row_pictures(students[name]),
            )
        )
    teachers = []
    for teacher in plan.get("teachers") or ():
        found = once(teacher["run_id"], teacher["model"], 0, "teacher")
        teachers.append(TeacherNumbers(model=teacher["model"], run=found.numbers, pictures=found.pictures))
    recipes = {
        role: [run.recipe for run in read.values() if run.numbers.role == role and run.recipe]
        for role in ("student", "teacher")
    }
    has_paper = any(papers.values())
    settings = {name: str(value) for name, value in (plan.get("settings") or {}).items()}
    if "data" not in settings and recipes["student"]:
        settings = {"data": data_words(recipes["student"][0].get("data")), **settings}
    return SweepNumbers(
        sweep=plan["sweep"],
        profile=plan["profile"],
        title=plan.get("title") or plan["sweep"],
        layout=plan.get("table") or "rows",
        metric=metric,
        paper_metric=paper_metric,
        baseline=baseline,
        rows=_corrected(rows),
        teachers=tuple(teachers),
        agreement=rank_agreement(
            {name: by_metric.get(metric.name, {}) for name, by_metric in values.items()},
            {name: paper[paper_metric] for name, paper in papers.items() if paper_metric in paper},
        ),
        facts=provenance_facts(run.result["provenance"] for run in read.values() if run.result.get("provenance")),
        deviations=deviations(
            recipes["student"], recipes["teacher"], seeds=max((len(row.runs) for row in rows), default=0)
        )
        if has_paper
        else (),
        settings=settings,
        seconds=sum(run.numbers.seconds or 0.0 for run in read.values()),
    )
