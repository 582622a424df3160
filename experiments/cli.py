"""The `distilpose` command. Heavy imports wait inside the commands, so that help and mistakes come at once."""

import gc
import logging
import os
import sys
from collections.abc import Callable

import typer

from experiments.commands import data, diagnose, launch, models, plan, report, status
from experiments.commands.options import USER_ERROR, console

app = typer.Typer(
    name="distilpose",
    help="Ablation studies of heatmap-to-regression pose distillation: plan, run, watch and publish them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Check data sets, and draw synthetic people.", no_args_is_help=True)
app.add_typer(data_app, name="data")

COMMANDS: tuple[Callable[..., None], ...] = (
    launch.demo,
    plan.plan,
    launch.launch,
    status.status,
    report.report,
    diagnose.diagnose,
    models.models,
    models.convert,
)
DATA_COMMANDS: tuple[Callable[..., None], ...] = (data.check, data.synthetic)
for _command in COMMANDS:
    app.command()(_command)
for _command in DATA_COMMANDS:
    data_app.command()(_command)


def main() -> None:
    """Run the command. A user's mistake is one message and exit code 2; DISTILPOSE_DEBUG=1 adds the traceback."""
    gc.set_threshold(
        100_000
    )  # plans are made of many small records that stay: looking through them again costs a third
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except (ValueError, OSError) as error:
        if os.environ.get("DISTILPOSE_DEBUG"):
            raise
        console.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(USER_ERROR)


if __name__ == "__main__":
    main()
