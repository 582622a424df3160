"""The `distilpose` command. Heavy imports wait inside the commands, so that help and mistakes come at once."""

import logging
import os
import sys
from collections.abc import Callable
from gc import set_threshold
from typing import Annotated

import typer

from experiments.cli import (
    bench,
    compare,
    data,
    data_edit,
    data_import,
    eval,
    explain,
    export,
    gc,
    launch,
    merge,
    models,
    parts,
    plan,
    predict,
    replay,
    report,
    status,
    stop,
    track,
    work,
)
from experiments.cli.options import USER_ERROR, console
from experiments.terminal.output import PlainFormatter

app = typer.Typer(
    name="distilpose",
    help="Ablation studies of heatmap-to-regression pose distillation: plan, run, watch and publish them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # what draws boxes round help takes as long to import as all the rest
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("distilpose"))
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    pass


data_app = typer.Typer(
    help="Import, check, divide and look at data sets; fetch COCO; draw synthetic people.", no_args_is_help=True
)
app.add_typer(data_app, name="data")
track_app = typer.Typer(help="Send finished runs to a tracker.", no_args_is_help=True)
app.add_typer(track_app, name="track")
wandb_app = typer.Typer(help="Send finished runs to W&B.", no_args_is_help=True)
app.add_typer(wandb_app, name="wandb")

COMMANDS: tuple[Callable[..., None], ...] = (
    launch.demo,
    plan.plan,
    launch.launch,
    work.work,
    status.status,
    stop.stop,
    stop.retry,
    replay.replay,
    replay.show,
    report.report,
    compare.compare,
    eval.eval,
    export.export,
    gc.gc,
    merge.merge,
    merge.pull,
    models.models,
    models.convert,
    parts.parts,
    parts.check,
    parts.new,
    predict.predict,
    explain.explain,
    bench.bench,
)
DATA_COMMANDS: tuple[Callable[..., None], ...] = (
    data.check,
    data.coco,
    data.synthetic,
    data.teachers,
    data_import.import_,
    data_edit.subset,
    data_edit.split,
    data_edit.merge,
    data_edit.stats,
    data_edit.sigmas,
)
for _command in COMMANDS:
    app.command()(_command)
for _command in DATA_COMMANDS:
    data_app.command(_command.__name__.rstrip("_"))(_command)
track_app.command()(track.replay)
wandb_app.command()(track.sync)


def main() -> None:
    """Run the command. A user's mistake is one message and exit code 2; DISTILPOSE_DEBUG=1 adds the traceback."""
    set_threshold(100_000)  # plans are made of many small records that stay: looking through them again costs a third
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    try:
        app()
    except (ValueError, OSError) as error:
        if os.environ.get("DISTILPOSE_DEBUG"):
            raise
        console.print(f"error: {error}", soft_wrap=True)
        sys.exit(USER_ERROR)


if __name__ == "__main__":
    main()
