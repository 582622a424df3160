"""`distilpose wandb`: the mirror of a sweep on W&B, made good."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import (
    INCOMPLETE,
    RUNS,
    AsJson,
    Profile,
    Runs,
    SweepName,
    WandbArtifacts,
    console,
    launched,
    print_json,
)
from experiments.runs.job import Mode as WandbMode
from experiments.terminal.output import print_line

if TYPE_CHECKING:
    from experiments.track.wandb.mirror import Mirrored

ProjectName = Annotated[str | None, typer.Option("--project", help="W&B project; else WANDB_PROJECT, or distilpose.")]
Entity = Annotated[str | None, typer.Option(help="W&B user or team; else WANDB_ENTITY, or the key's own.")]


Mode = Annotated[WandbMode, typer.Option(help="auto (offline without a key), online, or offline: files alone.")]


def sync(
    sweep: SweepName,
    profile: Profile = None,
    runs: Runs = RUNS,
    project: ProjectName = None,
    entity: Entity = None,
    as_json: AsJson = False,
) -> None:
    """Send what was mirrored offline to W&B's server, each run once; what was lost is rebuilt from the journals."""
    from experiments.runs.store import Store
    from experiments.track.wandb.mirror import sync_sweep
    from experiments.track.wandb.record import Project
    from experiments.track.wandb.server import check_server

    store = Store(runs)
    plan = store.load_plan(*launched(sweep, profile))
    check_server()
    _show(sync_sweep(store, plan, Project.of(project, entity)), as_json=as_json)


def replay(
    sweep: SweepName,
    profile: Profile = None,
    runs: Runs = RUNS,
    mode: Mode = "auto",
    project: ProjectName = None,
    entity: Entity = None,
    wandb_artifacts: WandbArtifacts = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild the W&B runs of a sweep from the journals and pictures; what W&B has already is passed over."""
    from experiments.runs.store import Store
    from experiments.track.wandb.mirror import replay_sweep
    from experiments.track.wandb.record import Project
    from experiments.track.wandb.server import check_server, resolve_mode

    chosen = resolve_mode(mode)
    if chosen == "disabled":
        raise ValueError("wandb: mode: must be online or offline to replay, got disabled (see WANDB_MODE)")
    store = Store(runs)
    plan = store.load_plan(*launched(sweep, profile))
    if chosen == "online":
        check_server()
    told = replay_sweep(store, plan, Project.of(project, entity), mode=chosen, artifacts=wandb_artifacts)
    _show(told, as_json=as_json)


def dashboard(
    sweep: SweepName,
    profile: Profile = None,
    runs: Runs = RUNS,
    project: ProjectName = None,
    entity: Entity = None,
) -> None:
    """Make, or bring up to date, a Workspace and a Report of a sweep on W&B; prints their addresses."""
    from experiments.runs.store import Store
    from experiments.track.wandb.dashboard import check_installed, make_dashboard, save_dashboard
    from experiments.track.wandb.record import Project
    from experiments.track.wandb.server import check_server, default_entity

    check_installed()
    plan = Store(runs).load_plan(*launched(sweep, profile))
    check_server()
    place = Project.of(project, entity)
    owner = place.entity or default_entity()
    memory = runs / "wandb" / f"{plan.name}.json"
    addresses = save_dashboard(make_dashboard(plan, entity=owner, project=place.project), memory)
    for address in addresses.values():
        print_line(address)


def _show(done: "Iterable[Mirrored]", *, as_json: bool) -> None:
    """Show what was done about each run as it is done; end with 1 where one failed."""
    all_done = []
    for run in done:
        all_done.append(run)
        if not as_json:
            print_line(f"{run.what:<9}  {run.run_id}  {run.name}{': ' + run.why if run.why else ''}")
    counts = Counter(run.what for run in all_done)
    if as_json:
        print_json({"counts": dict(counts), "runs": [asdict(run) for run in all_done]})
    console.print(", ".join(f"{count} {what}" for what, count in counts.items()) or "no runs")
    if counts["failed"]:
        raise typer.Exit(INCOMPLETE)
