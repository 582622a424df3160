"""A sweep planned: its rows' runs with their ids, the teachers they need, and the cohorts that train together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any, Literal, cast

from distilpose.evaluation.metrics import METRICS, RECORDED
from distilpose.losses.table import LOSSES
from distilpose.parts.own import find_own
from distilpose.parts.reference import Place
from experiments.build.facts import DataFacts
from experiments.plan.external_teacher import given_teacher_id
from experiments.plan.identity import run_identity
from experiments.runs.digest import canonical, digest
from experiments.runs.saved_plan import SavedCohort, SavedData, SavedPlan, SavedRow, SavedRun, SavedSearch, SavedTeacher
from experiments.sweep.recipe import DataChoice, EvaluationChoice, MMPoseChoice, Recipe, RunRecipe, to_json
from experiments.sweep.sweep_file import Sweep, lower_is_better

FactsLookup = Callable[[DataChoice, EvaluationChoice], DataFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One run of a plan. `recipe` and `identity` are JSON; `row` is the table's row, None for a teacher."""

    run_id: str
    role: Literal["student", "teacher"]
    row: str | None
    seed: int
    recipe: dict[str, Any]
    teacher_id: str | None
    identity: dict[str, Any]

    @property
    def spec(self) -> dict[str, Any]:
        """What the run's `run.json` says."""
        return {
            "role": self.role,
            "row": self.row,
            "seed": self.seed,
            "recipe": self.recipe,
            "teacher_id": self.teacher_id,
            "identity": self.identity,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """A row of the table and its runs, one per seed."""

    name: str
    ticks: dict[str, bool]
    factors: dict[str, Any]
    paper: dict[str, float]
    baseline: str | None
    runs: tuple[PlannedRun, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Runs that one process trains together, one pass over the data for all. A teacher is alone in its own."""

    cohort_id: str
    run_ids: tuple[str, ...]
    teacher_id: str | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything there is to do for one profile of a sweep. A plan with problems cannot be launched.

    Of a search, it holds the trials asked so far: `search` says of which search (see `experiments.search.searcher`),
    and `prunable` are the runs that may end before their time.
    """

    sweep: str
    profile: str
    title: str
    table: str
    metric: str
    baseline: str | None
    source: str
    rows: tuple[PlanRow, ...]
    teachers: tuple[PlannedRun, ...]
    cohorts: tuple[Cohort, ...]
    data: tuple[DataChoice, ...]
    settings: dict[str, Any]
    problems: tuple[str, ...] = ()
    train_people: dict[str, int] = field(default_factory=dict)
    facts: tuple[DataFacts, ...] = ()
    search: dict[str, Any] | None = None
    prunable: frozenset[str] = frozenset()
    parts: dict[str, Place] = field(default_factory=dict)
    lower_is_better: tuple[str, ...] = ()
    measured: str | dict[str, Any] | None = None

    @cached_property
    def runs(self) -> dict[str, PlannedRun]:
        """Every run by id, teachers first; a run that two rows share is one run. To be read only."""
        students = (run for row in self.rows for run in row.runs)
        found: dict[str, PlannedRun] = {}
        for run in (*self.teachers, *students):
            found.setdefault(run.run_id, run)
        return found

    def saved(self) -> SavedPlan:
        """The plan as the store keeps it."""
        return SavedPlan(
            sweep=self.sweep,
            profile=self.profile,
            title=self.title,
            table=self.table,
            metric=self.metric,
            lower_is_better=self.lower_is_better,
            measured=self.measured,
            baseline=self.baseline,
            source=self.source,
            rows=tuple(
                SavedRow(
                    name=row.name,
                    ticks=row.ticks,
                    factors=row.factors,
                    paper=row.paper,
                    baseline=row.baseline,
                    runs=tuple(SavedRun(run_id=run.run_id, seed=run.seed) for run in row.runs),
                )
                for row in self.rows
            ),
            teachers=tuple(
                SavedTeacher(run_id=run.run_id, model=run.recipe["model"]["model"]) for run in self.teachers
            ),
            cohorts=tuple(
                SavedCohort(cohort_id=cohort.cohort_id, run_ids=cohort.run_ids, teacher_id=cohort.teacher_id)
                for cohort in self.cohorts
            ),
            settings=self.settings,
            data={one.fingerprint: SavedData(name=one.name, annotations=one.annotations) for one in self.facts},
            search=cast(SavedSearch | None, self.search),
        )

    def json(self) -> dict[str, Any]:
        """The plan as plain values."""
        return self.saved().json()


def make_plan(sweep: Sweep, facts: FactsLookup, *, max_cohort: int | None = None) -> Plan:
    """The plan of one profile of a sweep.

    Args:
        sweep: what is wanted.
        facts: tells the fingerprint and size of the data a row names; a ValueError or OSError of it becomes a problem
        of the
            plan, which then shows ids that will change.
        max_cohort: the most students one process may train together, None for no limit.
    """
    data = _Data(facts)
    by_recipe: dict[RunRecipe, PlannedRun] = {}
    rows = []
    for row in sweep.rows:
        teacher_id = None
        if row.recipe.uses_teacher and row.recipe.given_teacher is not None:
            teacher_id = data.given_teacher(row.recipe.given_teacher)
        elif row.recipe.uses_teacher:
            recipe = row.recipe.teacher_run()
            if recipe not in by_recipe:
                (by_recipe[recipe],) = _planned(recipe, [recipe.seed], data, row=None, teacher_id=None)
            teacher_id = by_recipe[recipe].run_id
        runs = _planned(row.recipe.student_run(0), sweep.seeds, data, row=row.name, teacher_id=teacher_id)
        rows.append(
            PlanRow(
                name=row.name,
                ticks=row.recipe.ticks,
                factors=row.factors,
                paper=row.paper,
                baseline=row.baseline,
                runs=runs,
            )
        )
    teachers = {run.run_id: run for run in by_recipe.values()}
    alone = [Cohort(cohort_id=digest([run_id]), run_ids=(run_id,), teacher_id=None) for run_id in teachers]
    return Plan(
        sweep=sweep.sweep,
        profile=sweep.profile,
        title=sweep.title,
        table=sweep.table,
        metric=sweep.metric.title,
        lower_is_better=lower_is_better(sweep.metric),
        measured=None if sweep.metric in RECORDED else sweep.metric.plain(),
        baseline=sweep.baseline,
        source=sweep.source,
        rows=tuple(rows),
        teachers=tuple(teachers.values()),
        cohorts=(*alone, *_cohorts(rows, max_cohort, trained=teachers.keys())),
        data=tuple(dict.fromkeys(row.recipe.data for row in sweep.rows)),
        settings=_settings([row.recipe for row in sweep.rows], sweep.seeds, data.known),
        problems=tuple(data.problems),
        train_people=data.train_people,
        parts=_parts(sweep),
        facts=tuple(data.known.values()),
    )


def _parts(sweep: Sweep) -> dict[str, Place]:
    """Where each user's own part stands, by the digest of its code."""
    own = {use.own.code: use.name for row in sweep.rows for use in row.recipe.losses or () if use.own is not None}
    places = {code: find_own(name, sweep.folder, "loss", LOSSES) for code, name in own.items()}
    for use in (sweep.metric, *(row.recipe.evaluation.best_by for row in sweep.rows)):
        if use.own is not None:
            places[use.own.code] = find_own(use.name, sweep.folder, "metric", METRICS)
    return places


class _Data:
    """The facts of every data set and given teacher a plan meets, looked up once, and what is wrong with them."""

    def __init__(self, lookup: FactsLookup) -> None:
        self._lookup = lookup
        self.known: dict[tuple[DataChoice, EvaluationChoice], DataFacts] = {}
        self.problems: list[str] = []
        self.train_people: dict[str, int] = {}
        self._given: dict[MMPoseChoice, str] = {}

    def given_teacher(self, choice: MMPoseChoice) -> str:
        if choice not in self._given:
            try:
                self._given[choice] = given_teacher_id(choice)
            except (ValueError, OSError) as error:
                self.problems.append(str(error))
                self._given[choice] = f"unknown {digest(to_json(choice))}"
        return self._given[choice]

    def facts(self, recipe: RunRecipe) -> DataFacts:
        key = (recipe.data, recipe.evaluation)
        if key not in self.known:
            try:
                self.known[key] = self._lookup(*key)
            except (ValueError, OSError) as error:
                message = str(error)
                if message not in self.problems:
                    self.problems.append(message)
                unknown = digest(to_json(recipe.data))
                self.known[key] = DataFacts(fingerprint=f"unknown {unknown}", train_people=0, val_people=0)
        return self.known[key]


def _planned(
    recipe: RunRecipe, seeds: Sequence[int], data: _Data, *, row: str | None, teacher_id: str | None
) -> tuple[PlannedRun, ...]:
    """The recipe's run with each of these seeds, its own set aside. All but the seed is worked out once, and shared."""
    facts = data.facts(recipe)
    values = to_json(recipe)
    identity = run_identity(recipe, facts, teacher_id, values)
    runs = []
    for seed in seeds:
        own = {**identity, "seed": seed}
        run = PlannedRun(
            run_id=digest(own),
            role=recipe.role,
            row=row,
            seed=seed,
            recipe={**values, "seed": seed},
            teacher_id=teacher_id,
            identity=own,
        )
        data.train_people[run.run_id] = facts.train_people
        runs.append(run)
    return tuple(runs)


def _cohorts(rows: Iterable[PlanRow], limit: int | None, *, trained: Collection[str]) -> list[Cohort]:
    """Students grouped by all they must share; one that needs no teacher joins the first group that fits otherwise.

    A cohort names its teacher where it has to wait for it: one of those `trained` by this plan.
    """
    groups: dict[tuple[str, int], dict[str | None, dict[str, None]]] = {}
    for row in rows:
        shared = ("data", "augmentation", "input_size", "schedule", "precision", "evaluation")
        key = canonical({name: row.runs[0].identity[name] for name in shared})  # the same for each of its seeds
        for run in row.runs:
            groups.setdefault((key, run.seed), {}).setdefault(run.teacher_id, {})[run.run_id] = None
    cohorts = []
    for by_teacher in groups.values():
        free = by_teacher.pop(None, {})
        if not by_teacher:
            by_teacher = {None: {}}
        for position, (teacher_id, members) in enumerate(by_teacher.items()):
            run_ids = [*(free if position == 0 else ()), *members]
            size = limit or len(run_ids)
            for start in range(0, len(run_ids), size):
                part = tuple(run_ids[start : start + size])
                awaited = teacher_id if teacher_id in trained else None
                cohorts.append(Cohort(cohort_id=digest(list(part)), run_ids=part, teacher_id=awaited))
    return cohorts


def _teacher_words(recipe: Recipe) -> str:
    if recipe.given_teacher is not None:
        return f"mmpose {PurePath(recipe.given_teacher.config).stem}"
    assert recipe.trained_teacher is not None
    return recipe.trained_teacher.model


def _settings(
    recipes: list[Recipe],
    seeds: tuple[int, ...],
    known: Mapping[tuple[DataChoice, EvaluationChoice], DataFacts],
) -> dict[str, Any]:
    """Short facts for people; where rows differ, every value that occurs."""

    def each(values: Iterable[str]) -> str:
        return ", ".join(dict.fromkeys(values))

    def data(recipe: Recipe) -> str:
        facts = known.get((recipe.data, recipe.evaluation))
        counts = f" ({facts.train_people:,} + {facts.val_people:,} people)" if facts and facts.train_people else ""
        name = (facts and facts.name) or str(recipe.data.root)
        return ("synthetic people" if recipe.data.synthetic else name) + counts

    taught = [recipe for recipe in recipes if recipe.uses_teacher]
    return {
        "data": each(map(data, recipes)),
        "input": each("{}x{}".format(*recipe.input_size) for recipe in recipes),
        "students": each(recipe.student.model for recipe in recipes),
        "teachers": each(map(_teacher_words, taught)) or "none",
        "epochs": each(str(recipe.schedule.epochs) for recipe in recipes),
        "teacher epochs": each(
            str(recipe.trained_teacher.schedule.epochs) if recipe.trained_teacher else "given" for recipe in taught
        )
        or "none",
        "batch": each(str(recipe.schedule.batch_size) for recipe in recipes),
        "precision": each(recipe.precision for recipe in recipes),
        "seeds": ", ".join(map(str, seeds)),
        "boxes": each(
            "ground truth" if recipe.evaluation.boxes == "gt" else recipe.evaluation.boxes for recipe in recipes
        ),
        "flip test": each("yes" if recipe.evaluation.flip_test else "no" for recipe in recipes),
    }
