"""`distilpose plan`."""

from dataclasses import asdict
from math import inf
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import (
    RUNS,
    All,
    AsJson,
    Changes,
    DataRoot,
    More,
    NewName,
    Place,
    Profile,
    Rows,
    Runs,
    Seeds,
    SweepName,
    console,
    end_on,
    plan_sweep,
    print_json,
    read_profile,
    refuse_taken_name,
    say_changes,
    selection_of,
)
from experiments.terminal.output import terminal

if TYPE_CHECKING:
    from experiments.plan.estimate import Costs
    from experiments.plan.plan import Plan
    from experiments.runs.store import Store
    from reports.numbers.detect import Needed


def plan(
    sweep: SweepName,
    profile: Profile = None,
    data: DataRoot = None,
    runs: Runs = RUNS,
    everything: All = False,
    as_json: AsJson = False,
    rows: Rows = None,
    seeds: Seeds = "",
    more_seeds: More = 0,
    changes: Changes = None,
    name: NewName = None,
    detect: Annotated[
        float | None,
        typer.Option(
            help="Say how many seeds tell rows that differ by so much of the metric from their baselines, with 80 % "
            "power over seeds, corrected over the sweep's rows."
        ),
    ] = None,
    spread: Annotated[
        float | None, typer.Option(help="For --detect: how much that difference varies from seed to seed.")
    ] = None,
    pull_as: Annotated[
        str | None,
        typer.Option(
            help="Suggest weights by which losses pull as in the finished runs of this profile, or SWEEP.PROFILE."
        ),
    ] = None,
) -> None:
    """Show rows, run ids, cohorts, the cost of what is left, and the GPU memory it needs. Starts nothing."""
    from experiments.launch.memory_needs import memory_needs
    from experiments.plan.estimate import estimate
    from experiments.runs.store import Store
    from experiments.terminal.launch_view import decision_table, measuring, plan_tables
    from experiments.terminal.tables import plain_table

    for option, value in (("--detect", detect), ("--spread", spread)):
        if value is not None and not 0 < value < inf:
            raise ValueError(f"{option}: must be above 0, got {value}")
    if spread is not None and detect is None:
        raise ValueError(f"--spread: says how much --detect has to see through, got {spread} alone; give --detect too")
    place = Place(data=data, runs=runs)
    selection = selection_of(rows, seeds)
    chosen = read_profile(sweep, profile, data, changes, name)
    whole = plan_sweep(chosen, place, selection, more_seeds=more_seeds)
    planned = whole.part(selection)
    store = Store(runs)
    refuse_taken_name(store, whole)
    states = store.states(planned.runs)
    with measuring(console) as say:
        costs = estimate(planned, store, say)
        needs = memory_needs(planned, store, costs, _smallest_gpu, say)
    needed = None if detect is None else _needed(store, whole, planned, costs, detect, spread)
    suggested = None if pull_as is None else _suggested(store, planned, pull_as)
    if as_json:
        memory = {cohort_id: None if need is None else asdict(need) for cohort_id, need in needs.items()}
        print_json(
            {
                **planned.json(),
                "states": states,
                "problems": list(planned.problems),
                "cost": costs.json(),
                "memory": memory,
                **({} if needed is None else {"detect": [asdict(one) | {"hours": hours} for one, hours in needed]}),
                **({} if suggested is None else {"weights": suggested}),
            }
        )
    else:
        for part in plan_tables(planned, states, costs, needs, everything=everything):
            terminal().print(part)
        if planned.until is not None:
            terminal().print(decision_table(planned.until))
        if needed is not None:
            said = f"To tell a difference of {detect:g} in {planned.metric} with 80 % power, over seeds alone"
            corrected = f", p corrected over {needed[0][0].comparisons} rows" if needed else ""
            terminal().print(f"{said}{corrected}:", markup=False)
            lines = [
                (
                    one.row,
                    one.baseline,
                    "" if one.spread is None else f"{one.spread:.2f}",
                    one.basis,
                    "?" if one.seeds is None else str(one.seeds),
                    "?" if hours is None else f"{hours:.2g}",
                )
                for one, hours in needed
            ]
            columns = ("row", "against", "spread", "by", "seeds", "hours")
            terminal().print(plain_table(columns, lines, left=2))
            if any(one.seeds is None for one, _ in needed):
                terminal().print("Too few seeds have finished; state a spread, as in --spread 1.2.")
        if suggested is not None:
            terminal().print(f"To pull beside reg as in {pull_as}, gradient by gradient:", markup=False)
            pulled = [
                tuple(f"{value:.3g}" if isinstance(value, float) else value for value in one.values())
                for one in suggested
            ]
            terminal().print(plain_table(("row", "loss", "pull here", "there", "weight", "suggested"), pulled, left=2))
        say_changes(store, whole, "would want")
    end_on(planned.problems)


def _needed(
    store: "Store", whole: "Plan", planned: "Plan", costs: "Costs", difference: float, spread: float | None
) -> "list[tuple[Needed, float | None]]":
    """Every planned row's seeds, and the hours of one core or GPU that so many runs of it take, each trained alone."""
    from reports.numbers.detect import needed_seeds
    from reports.numbers.sweep import aggregate

    seconds = {row.name: costs.runs[row.runs[0].run_id].seconds for row in planned.rows}
    return [
        (one, None if one.seeds is None or (cost := seconds[one.row]) is None else one.seeds * cost / 3600)
        for one in needed_seeds(aggregate(store, whole.saved()), difference, spread)
        if one.row in seconds
    ]


def _suggested(store: "Store", planned: "Plan", other: str) -> list[dict[str, str | float]]:
    """Every loss of every row with its pull beside `reg`, here and elsewhere, and the weight that makes them equal."""
    from experiments.sweep.recipe_json import run_recipe_from_json
    from reports.numbers.pulls import compared_pulls
    from reports.numbers.sweep import aggregate

    name, _, profile = other.rpartition(".")
    there = aggregate(store, store.load_plan(name or planned.sweep, profile))
    recipes = {row.name: run_recipe_from_json(planned.runs[row.runs[0].run_id].recipe) for row in planned.rows}
    weights = {row: {use.title: use.weight for use in recipe.losses or ()} for row, recipe in recipes.items()}
    found: list[dict[str, str | float]] = [
        {**asdict(pull), "weight": weight, "suggested": weight * pull.factor}
        for pull in compared_pulls(aggregate(store, planned.saved()), there)
        if (weight := weights[pull.row].get(pull.loss))
    ]
    if not found:
        raise ValueError(f"--pull-as {other}: needs finished runs, there and here, of a row with reg and another loss")
    return found


def _smallest_gpu() -> int | None:
    """Asked for only where a cohort is for a GPU."""
    from experiments.launch.device_memory import smallest_gpu

    return smallest_gpu()
