"""`distilpose stop` and `distilpose retry`: end single runs, and try them again."""

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import RUNS, Runs
from experiments.terminal.output import print_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.runs.store import RunDir, State, Store

_UNFINISHED: "tuple[State, ...]" = ("planned", "running", "interrupted", "failed", "pruned", "stopped")
RunIds = Annotated[list[str], typer.Argument(help="Ids of runs, or their beginnings.", metavar="RUN_ID")]


def stop(run_ids: RunIds, runs: Runs = RUNS) -> None:
    """End runs for good, wherever they train: a launch neither counts them as failed nor starts them again.

    A run that trains writes its checkpoint after its next step, and its cohort goes on without it.
    """
    for run, state in _found(run_ids, runs, rule="must not be finished or damaged", able=_UNFINISHED):
        run.stop()
        soon = "ends after its next step" if state == "running" else "will not be trained"
        print_line(f"{run.run_id} {soon}; distilpose retry {run.run_id} takes that back")


def retry(run_ids: RunIds, runs: Runs = RUNS) -> None:
    """Try runs again that failed or were stopped: a launch at work takes them up, else the next one does."""
    for run, state in _found(run_ids, runs, rule="must have failed or been stopped", able=("failed", "stopped")):
        run.forgive()
        print_line(f"{run.run_id} was {state} and is tried again, by a launch at work or the next one")


def _found(references: list[str], runs: "Runs", *, rule: str, able: "Sequence[State]") -> "list[tuple[RunDir, State]]":
    """Each run with its state. Raises ValueError, before anything is done, for one that is not there or not `able`."""
    from experiments.runs.store import Store

    store = Store(runs)
    found = [(run, run.state()) for run in (_find(reference, store) for reference in references)]
    for run, state in found:
        if state not in able and not run.is_stopped:
            raise ValueError(f"run {run.run_id}: {rule}, is {state}")
    return found


def _find(reference: str, store: "Store") -> "RunDir":
    """A run of the store or of a saved plan, by its id or the only beginning of one."""
    from distilpose.parts.naming import nearest
    from experiments.runs.store import ids_like

    known = dict.fromkeys(run.run_id for run in store.runs())
    known |= dict.fromkeys(run_id for plan in store.read_plans()[0] for run_id in plan.run_names)
    alike = ids_like(reference, known)
    if len(alike) != 1:
        rule = f"more than one begins so: {', '.join(alike)}" if alike else nearest(reference, known)
        raise ValueError(f"run {reference!r:.80}: must be a run in {store.root}; {rule}")
    return store.run(alike[0])
