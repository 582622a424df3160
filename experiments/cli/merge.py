"""`distilpose merge` and `distilpose pull`: runs from elsewhere."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import INCOMPLETE, RUNS, AsJson, Runs, print_json
from experiments.terminal.output import print_line

if TYPE_CHECKING:
    from experiments.runs.merge import Merged


def merge(
    sources: Annotated[list[Path], typer.Argument(help="Folders of runs; they are only read.", metavar="DIR...")],
    into: Annotated[Path, typer.Option(help="The folder that gets their runs and plans; it may have runs already.")],
    as_json: AsJson = False,
) -> None:
    """Bring the runs of several folders into one. Finished beats unfinished, and the newest life wins."""
    from experiments.runs.merge import merge as merge_runs

    _show(merge_runs(sources, into), as_json=as_json)


def pull(
    source: Annotated[
        str, typer.Argument(help="A folder of runs on another machine, as ssh knows it.", metavar="HOST:DIR")
    ],
    runs: Runs = RUNS,
    checkpoints: Annotated[bool, typer.Option("--checkpoints", help="Fetch checkpoints and weights too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch runs from another machine by rsync over ssh, and merge them into the folder of runs here."""
    from experiments.runs.pull import pull as pull_runs

    _show(pull_runs(source, runs, checkpoints=checkpoints), as_json=as_json)


def _show(done: "Merged", *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(done))
    else:
        for line in done.lines():
            print_line(line)
    if done.left_out:
        raise typer.Exit(INCOMPLETE)
