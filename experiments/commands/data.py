"""`distilpose data`: check data sets, and draw synthetic people."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import USER_ERROR, AsJson, console, print_json


def check(
    path: Annotated[Path, typer.Argument(help="Folder of a COCO-format data set.")],
    split: Annotated[list[str] | None, typer.Option(help="Only this split; may be repeated.")] = None,
    shallow: Annotated[bool, typer.Option(help="Do not decode the pictures.")] = False,
    as_json: AsJson = False,
) -> None:
    """Everything wrong with a data set, all of it listed."""
    from distilpose.data.check import check_data

    reports = check_data(path, tuple(split) if split else None, deep=not shallow)
    if as_json:
        print_json([found.to_json() for found in reports])
    else:
        for found in reports:
            for line in found.lines():
                print(line)
    if not all(found.ok for found in reports):
        raise typer.Exit(USER_ERROR)


def synthetic(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    train: Annotated[int, typer.Option(help="Pictures to train on.")] = 1200,
    val: Annotated[int, typer.Option(help="Pictures to validate on.")] = 300,
    seed: Annotated[int, typer.Option(help="What they are drawn from.")] = 0,
) -> None:
    """Draw synthetic people as a COCO-format data set."""
    from distilpose.data.synthetic import SyntheticSpec, write_synthetic
    from experiments.display import counting

    with counting(console, "drawing people") as on_progress:
        folder = write_synthetic(SyntheticSpec(train=train, val=val, seed=seed), out, on_progress=on_progress)
    print(folder)
