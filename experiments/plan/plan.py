"""A sweep planned: runs with their ids, the teachers they need, and the cohorts that train together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import PurePath
from typing import Any, Literal

from distilpose.evaluation.metrics import METRICS, RECORDED, MetricUse, lacking
from distilpose.losses.table import LOSSES
from distilpose.models.use import places_of_model
from distilpose.parts.own import find_own
from distilpose.parts.reference import Place
from experiments.build.facts import DataFacts
from experiments.plan.external_teacher import given_teacher_id
from experiments.plan.identity import run_identity
from experiments.runs.digest import canonical, digest
from experiments.runs.saved_plan import SavedCohort, SavedData, SavedPlan, SavedRow, SavedRun, SavedTeacher
from experiments.runs.selection import Selection
from experiments.runs.store import Store
from experiments.sweep.choices import DataChoice, EvaluationChoice, MMPoseChoice, ModelChoice, OtherRow
from experiments.sweep.recipe import Recipe, RunRecipe
from experiments.sweep.recipe_json import to_json
from experiments.sweep.sweep_file import Sweep, lower_is_better

FactsLookup = Callable[[DataChoice, EvaluationChoice], DataFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One run of a plan. `recipe` and `identity` are JSON; `row` is the table's row, None for a teacher.

    `people` is how many it trains on.
    """

    run_id: str
    role: Literal["student", "teacher"]
    row: str | None
    seed: int
    recipe: dict[str, Any]
    teacher_id: str | None
    identity: dict[str, Any]
    people: int

    @property
    def start_id(self) -> str | None:
        """The run whose trunk it begins with."""
        return self.identity.get("start")

    @property
    def needs(self) -> tuple[str, ...]:
        """The runs that must be there before it: its teacher and its start."""
        return tuple(one for one in (self.teacher_id, self.start_id) if one is not None)

    @property
    def spec(self) -> dict[str, Any]:
        """The content of the run's `run.json`."""
        return {name: getattr(self, name) for name in ("role", "row", "seed", "recipe", "teacher_id", "identity")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(SavedPlan):
    """Everything there is to do for one profile of a sweep. A plan with problems cannot be launched.

    `runs` are all of them by id, teachers first; a run that two rows share is one run. Of a search they are the trials
    asked so far, and those in `prunable` may end before their time. `parts` are users' own parts by the digest of their
    code.
    """

    runs: dict[str, PlannedRun]
    problems: tuple[str, ...] = ()
    prunable: frozenset[str] = frozenset()
    parts: dict[str, Place] = field(default_factory=dict)
    lower_is_better: tuple[str, ...] = ()
    measured: str | dict[str, Any] | None = None

    def part(self, selection: Selection) -> Plan:
        """The selected rows and runs, with the teachers that they need."""
        part = selection.of(self)
        kept = {run_id for cohort in part.cohorts for run_id in cohort.run_ids}
        return replace(part, runs={run_id: run for run_id, run in self.runs.items() if run_id in kept})

    def keep_parts(self, store: Store) -> None:
        """Copy the code of users into the store, from which jobs import it."""
        for code, place in self.parts.items():
            place.keep_in(store.parts / code)

    def saved(self) -> SavedPlan:
        """The plan as the store keeps it."""
        return SavedPlan(**{one.name: getattr(self, one.name) for one in fields(SavedPlan)})

    def json(self) -> dict[str, Any]:
        """The saved plan as plain values."""
        return self.saved().json()


def make_plan(sweep: Sweep, facts: FactsLookup, *, max_cohort: int | None = None) -> Plan:
    """The plan of one profile of a sweep.

    Args:
        sweep: what is wanted.
        facts: the fingerprint and size of the data a row names. Its ValueError or OSError becomes a problem of the
            plan, whose ids will then change.
        max_cohort: the most students one process may train together, None for no limit.
    """
    data = _Data(facts)
    teachers: dict[RunRecipe, PlannedRun] = {}
    needed: dict[tuple[str, int], PlannedRun] = {}  # rows' runs that others need, by row and seed

    def planned(recipe: Recipe, seeds: Sequence[int], row: str) -> tuple[PlannedRun, ...]:
        if recipe.other_rows and len(seeds) > 1:
            return tuple(run for seed in seeds for run in planned(recipe, [seed], row))
        start_id = None if recipe.start is None else other(recipe.start, seeds[0])
        teacher_id = taught_by(recipe, seeds[0])
        return _planned(recipe.student_run(0), seeds, data, row=row, teacher_id=teacher_id, start_id=start_id)

    def other(row: OtherRow, seed: int) -> str:
        key = row.row, seed
        if key not in needed:
            (needed[key],) = planned(row.recipe, [seed], row.row)
        return needed[key].run_id

    def taught_by(recipe: Recipe, seed: int) -> str | None:
        if not recipe.uses_teacher:
            return None
        if recipe.given_teacher is not None:
            return data.given_teacher(recipe.given_teacher)
        if isinstance(recipe.teacher, OtherRow):
            return other(recipe.teacher, seed)
        teacher = recipe.teacher_run(seed)
        if teacher not in teachers:
            (teachers[teacher],) = _planned(teacher, [teacher.seed], data, row=None, teacher_id=None)
        return teachers[teacher].run_id

    students = []
    for row in sweep.rows:
        students.append(planned(row.recipe, sweep.seeds, row.name))
        data.demand(row.recipe, sweep.metric)
    runs = {run.run_id: run for run in teachers.values()}
    alone = [SavedCohort(cohort_id=digest([run_id]), run_ids=(run_id,), teacher_id=None) for run_id in runs]
    trained = {*runs, *(run.run_id for run in needed.values())}
    whole = [*students, *([run] for run in needed.values())]  # these need not be among the sweep's
    for run in itertools.chain(*whole):
        runs.setdefault(run.run_id, run)
    baseline = {
        run.run_id for row, own in zip(sweep.rows, students, strict=True) if row.name == sweep.baseline for run in own
    }

    def turn(cohort: SavedCohort) -> tuple[int, bool]:
        """Wherever a launch ends, rows have as many seeds as can be, and what they are measured against."""
        return sweep.seeds.index(runs[cohort.run_ids[0]].seed), baseline.isdisjoint(cohort.run_ids)

    cohorts = (*alone, *sorted(_cohorts(whole, max_cohort, trained=trained), key=turn))
    return Plan(
        sweep=sweep.sweep,
        profile=sweep.profile,
        title=sweep.title,
        table=sweep.table,
        metric=sweep.metric.title,
        lower_is_better=lower_is_better(sweep.metric),
        measured=None if sweep.metric in RECORDED else sweep.metric.plain(),
        test=all(row.recipe.data.test is not None for row in sweep.rows),
        baseline=sweep.baseline,
        source=sweep.source,
        report=sweep.report,
        rows=tuple(
            SavedRow(
                name=row.name,
                ticks=row.recipe.ticks,
                factors=row.factors,
                paper=row.paper,
                quoted=row.quoted,
                baseline=row.baseline,
                runs=tuple(
                    SavedRun(
                        run_id=run.run_id,
                        seed=run.seed,
                        teacher_id=run.teacher_id if run.teacher_id in runs else None,
                        start_id=run.start_id,
                    )
                    for run in own
                ),
            )
            for row, own in zip(sweep.rows, students, strict=True)
        ),
        teachers=tuple(SavedTeacher(run_id=run.run_id, model=recipe.model.model) for recipe, run in teachers.items()),
        cohorts=cohorts,
        settings={
            **({"changed": sweep.changed} if sweep.changed else {}),
            **_settings([row.recipe for row in sweep.rows], sweep.seeds, data.known),
        },
        data={one.fingerprint: SavedData(name=one.name, annotations=one.annotations) for one in data.known.values()},
        runs=runs,
        problems=tuple(data.problems),
        parts=_own_places(sweep),
    )


def _own_places(sweep: Sweep) -> dict[str, Place]:
    """Where each user's own part stands, by the digest of its code."""
    losses: dict[str, str] = {}
    choices: dict[ModelChoice, None] = {}
    recipes = dict.fromkeys(row.recipe for row in sweep.rows)
    while recipes:
        for recipe in recipes:
            teacher = recipe.trained_teacher
            uses = (*(recipe.losses or ()), *((teacher and teacher.losses) or ()))
            losses |= {use.own.code: use.name for use in uses if use.own is not None}
            choices |= dict.fromkeys([recipe.student, *([teacher.choice] if teacher else [])])
        recipes = dict.fromkeys(other.recipe for recipe in recipes for other in recipe.other_rows.values())
    places = {code: find_own(name, sweep.folder, "loss", LOSSES) for code, name in losses.items()}
    for choice in choices:
        places |= places_of_model(choice, sweep.folder)
    for use in (sweep.metric, *(row.recipe.evaluation.best_by for row in sweep.rows)):
        if use.own is not None:
            places[use.own.code] = find_own(use.name, sweep.folder, "metric", METRICS)
    return places


class _Data:
    """The facts of every data set and given teacher of a plan, looked up once, and their problems."""

    def __init__(self, lookup: FactsLookup) -> None:
        self._lookup = lookup
        self.known: dict[tuple[DataChoice, EvaluationChoice], DataFacts] = {}
        self.problems: list[str] = []
        self._given: dict[MMPoseChoice, str] = {}

    def given_teacher(self, choice: MMPoseChoice) -> str:
        if choice not in self._given:
            try:
                self._given[choice] = given_teacher_id(choice)
            except (ValueError, OSError) as error:
                self.problems.append(str(error))
                self._given[choice] = f"unknown {digest(to_json(choice))}"
        return self._given[choice]

    def demand(self, recipe: Recipe, metric: MetricUse) -> None:
        """Note the problem where the data lack what the sweep's metric, or that of the best weights, asks for."""
        facts = self.known[recipe.data, recipe.evaluation]
        for use in dict.fromkeys((metric, recipe.evaluation.best_by)) if facts.val_people else ():
            if lacks := lacking(use, facts.gives):
                message = (
                    f"metric {use.title}: needs {lacks}, and {recipe.data.val} of {facts.name or 'the data'} has none"
                )
                self.problems += [] if message in self.problems else [message]

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
    recipe: RunRecipe,
    seeds: Sequence[int],
    data: _Data,
    *,
    row: str | None,
    teacher_id: str | None,
    start_id: str | None = None,
) -> tuple[PlannedRun, ...]:
    """The recipe's run with each of these seeds. All but the seed is computed once."""
    facts = data.facts(recipe)
    values = to_json(recipe)
    identity = run_identity(recipe, facts, teacher_id, values)
    if start_id is not None:
        identity["start"] = start_id
    return tuple(
        PlannedRun(
            run_id=digest({**identity, "seed": seed}),
            role=recipe.role,
            row=row,
            seed=seed,
            recipe={**values, "seed": seed},
            teacher_id=teacher_id,
            identity={**identity, "seed": seed},
            people=facts.train_people,
        )
        for seed in seeds
    )


def _cohorts(
    rows: Iterable[Sequence[PlannedRun]], limit: int | None, *, trained: Collection[str]
) -> Iterator[SavedCohort]:
    """Students grouped by all they must share; one without a teacher, that none waits for, joins the first group that
    fits otherwise.

    A cohort names its teacher where it waits for it: one of those `trained` by this plan.
    """
    groups: dict[tuple[str, int, str | None], dict[str | None, dict[str, None]]] = {}
    for runs in rows:
        shared = ("data", "augmentation", "input_size", "schedule", "precision", "compile", "evaluation")
        key = canonical({name: runs[0].identity.get(name) for name in shared})  # the same for each of its seeds
        for run in runs:
            groups.setdefault((key, run.seed, run.start_id), {}).setdefault(run.teacher_id, {})[run.run_id] = None
    for by_teacher in groups.values():
        free = by_teacher.pop(None, {})
        host = next(iter(by_teacher), None)
        guests = [] if host is None else [run_id for run_id in free if run_id not in trained]
        alone = [run_id for run_id in free if host is None or run_id in trained]
        for teacher_id, members in {None: alone, **by_teacher}.items():
            run_ids = [*(guests if teacher_id == host else ()), *members]
            size = limit or len(run_ids) or 1
            for start in range(0, len(run_ids), size):
                part = tuple(run_ids[start : start + size])
                awaited = teacher_id if teacher_id in trained else None
                yield SavedCohort(cohort_id=digest(list(part)), run_ids=part, teacher_id=awaited)


def _teacher_words(recipe: Recipe) -> str:
    if recipe.given_teacher is not None:
        return f"mmpose {PurePath(recipe.given_teacher.config).stem}"
    if isinstance(recipe.teacher, OtherRow):
        return f"row {recipe.teacher.row}"
    assert recipe.trained_teacher is not None
    return recipe.trained_teacher.model


def _settings(
    recipes: list[Recipe],
    seeds: tuple[int, ...],
    known: Mapping[tuple[DataChoice, EvaluationChoice], DataFacts],
) -> dict[str, Any]:
    """Short facts for people; where rows differ, every value."""

    def each(values: Iterable[str]) -> str:
        return ", ".join(dict.fromkeys(values))

    def data(recipe: Recipe) -> str:
        facts = known.get((recipe.data, recipe.evaluation))
        counts = f" ({facts.train_people:,} + {facts.val_people:,} people)" if facts and facts.train_people else ""
        name = (facts and facts.name) or str(recipe.data.root)
        return ("synthetic people" if recipe.data.synthetic else name) + counts

    taught = [recipe for recipe in recipes if recipe.uses_teacher]
    starts = [f"row {recipe.start.row}" for recipe in recipes if recipe.start is not None]
    return {
        "data": each(map(data, recipes)),
        "input": each("{}x{}".format(*recipe.input_size) for recipe in recipes),
        "students": each(recipe.student.model for recipe in recipes),
        "teachers": each(map(_teacher_words, taught)) or "none",
        **({"start": f"trunk of {each(starts)}"} if starts else {}),
        "epochs": each(str(recipe.schedule.epochs) for recipe in recipes),
        "teacher epochs": each(
            "given" if recipe.given_teacher else str(recipe.teacher_run(0).schedule.epochs) for recipe in taught
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
