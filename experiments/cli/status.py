"""`distilpose status`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import RUNS, All, AsJson, Profile, Rows, Runs, Seeds, launched, print_json, selection_of
from experiments.terminal.output import terminal

if TYPE_CHECKING:
    from experiments.runs.saved_plan import SavedPlan
    from experiments.runs.store import Store


def status(
    sweep: Annotated[str | None, typer.Argument(help="A sweep file or name; none: every launched one.")] = None,
    profile: Profile = None,
    runs: Runs = RUNS,
    rows: Rows = None,
    seeds: Seeds = "",
    everything: All = False,
    watch: Annotated[bool, typer.Option("--watch", help="A live view, until q or Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Status of every run, and whether one was lost or done twice; --watch shows it live."""
    from experiments.runs.status import proof
    from experiments.runs.store import Store
    from experiments.terminal.status_view import proof_parts

    if watch and (as_json or everything):
        raise ValueError("--watch: draws for people, what there is room for; leave out --json and --all")
    if sweep is None and profile is not None:
        raise ValueError(f"--profile {profile}: means nothing without a sweep; name one before it")
    store = Store(runs)
    names = [launched(sweep, profile, store)] if sweep is not None else store.plans()
    if not names:
        raise ValueError(f"sweep: there is no launched one in {runs}; launch one, or name its folder with --runs")
    if everything and len(names) > 1:
        raise ValueError("--all: shows the runs of one sweep; name it")
    selection = selection_of(rows, seeds)
    if selection and len(names) > 1:
        raise ValueError("--rows, --seeds: select a part of one sweep; name it")
    plans = [selection.of(store.load_plan(*names[0]))] if len(names) == 1 else store.read_plans()[0]
    if watch:
        if len(names) > 1:
            said = ", ".join(f"{name} --profile {size}" for name, size in names)
            raise ValueError(f"sweep: name the one to watch of those launched: {said}")
        from experiments.terminal.live import watch as watch_plan

        watch_plan(store, plans[0], terminal())
        return
    shown = (
        _print_one(store, plans[0], everything=everything, as_json=as_json)
        if len(names) == 1
        else _print_each(store, plans, as_json=as_json)
    )
    found = proof(store, dict.fromkeys(run_id for plan in plans for run_id in plan.run_names))
    if as_json:
        orphaned = None if found.orphaned is None else list(found.orphaned)
        lists = {"duplicates": list(found.duplicates), "damaged": list(found.damaged), "orphaned": orphaned}
        print_json({**shown, **lists})
    else:
        for part in proof_parts(found):
            terminal().print(part, soft_wrap=True)


def _print_one(store: "Store", plan: "SavedPlan", *, everything: bool, as_json: bool) -> dict[str, Any]:
    """Print every run of one plan, or return it as JSON values."""
    from experiments.runs.status import counts, standings
    from experiments.terminal.status_view import status_parts

    found, metric = standings(store, plan), plan.metric
    if not as_json:
        for part in status_parts(found, metric, everything=everything):
            terminal().print(part)
        return {}
    named = {"sweep": plan.sweep, "profile": plan.profile}
    return {**named, "counts": counts(found), "runs": [one.json(metric) for one in found]}


def _print_each(store: "Store", plans: "list[SavedPlan]", *, as_json: bool) -> dict[str, Any]:
    """Print a line for each plan, or return them as JSON values."""
    from collections import Counter

    from experiments.terminal.tables import said_counts

    each: list[dict[str, Any]] = []
    for plan in plans:
        states = Counter(store.states(plan.run_names).values())
        each.append({"sweep": plan.sweep, "profile": plan.profile, "counts": dict(states)})
        if not as_json:
            terminal().print(f"{plan.sweep}, profile {plan.profile}: {said_counts(states)}")
    return {"plans": each}
