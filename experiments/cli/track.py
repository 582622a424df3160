"""`distilpose track` and `distilpose wandb`: what a service lacks of a sweep, made good."""

from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer

from experiments.cli.options import INCOMPLETE, RUNS, AsJson, Profile, Runs, SweepName, console, launched, print_json
from experiments.terminal.output import print_line
from experiments.track.trackers import TRACKERS

TrackerName = Annotated[
    str, typer.Argument(help=f"NAME or NAME:OPTIONS: {', '.join(TRACKERS)}.", metavar="TRACKER", show_default=False)
]
Again = Annotated[bool, typer.Option(help="Tell runs that arrived before, too.")]
Together = Annotated[int, typer.Option("--jobs", help="Runs at a time.", min=1)]
ProjectName = Annotated[str, typer.Option("--project", help="W&B project; else WANDB_PROJECT, or distilpose.")]
Entity = Annotated[str, typer.Option(help="W&B user or team; else WANDB_ENTITY, or the key's own.")]


def replay(
    tracker: TrackerName,
    sweep: SweepName,
    profile: Profile = None,
    runs: Runs = RUNS,
    again: Again = False,
    jobs: Together = 16,
    as_json: AsJson = False,
) -> None:
    """Tell a tracker the runs of a sweep from their journals and pictures; what it has already is passed over."""
    from experiments.runs.store import Store
    from experiments.track.replay import replay_sweep
    from experiments.track.trackers import open_service, read_tracker

    service = open_service(read_tracker(tracker))
    store = Store(runs)
    plan = store.load_plan(*launched(sweep, profile, store))
    service.check(reach=True)
    all_done, count = [], len(plan.run_names)
    for run in replay_sweep(store, plan, service, again=again, together=jobs):
        all_done.append(run)
        if not as_json:
            print_line(f"{run.what:<9}  {run.run_id}  {run.name}{': ' + run.why if run.why else ''}")
        if console.is_terminal:
            console.print(f"{len(all_done)}/{count}", end="\r")
    counts = Counter(run.what for run in all_done)
    if as_json:
        print_json({"counts": dict(counts), "runs": [asdict(run) for run in all_done]})
    console.print(", ".join(f"{count} {what}" for what, count in counts.items()) or "no runs")
    if counts["failed"]:
        raise typer.Exit(INCOMPLETE)


def sync(
    sweep: SweepName,
    profile: Profile = None,
    runs: Runs = RUNS,
    project: ProjectName = "",
    entity: Entity = "",
    jobs: Together = 16,
    as_json: AsJson = False,
) -> None:
    """Send a sweep to W&B's server, each run once: `track replay wandb:online`."""
    options = [f"{key}={value}" for key, value in (("project", project), ("entity", entity)) if value]
    replay(",".join(["wandb:online", *options]), sweep, profile, runs, jobs=jobs, as_json=as_json)
