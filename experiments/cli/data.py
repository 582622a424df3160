"""`distilpose data`: check data sets, fetch COCO, and draw synthetic people."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from distilpose.synthetic.spec import Style
from experiments.cli.options import (
    USER_ERROR,
    AsJson,
    Profile,
    SkeletonName,
    SweepName,
    console,
    print_json,
    read_profile,
)
from experiments.terminal.output import print_line

FAST_BYTES_PER_S = 100e6 / 8


def check(
    path: Annotated[Path, typer.Argument(help="Folder of a COCO-format data set.")],
    split: Annotated[list[str] | None, typer.Option(help="Only this split; may be repeated.")] = None,
    shallow: Annotated[bool, typer.Option(help="Do not decode the pictures.")] = False,
    skeleton: SkeletonName = None,
    as_json: AsJson = False,
) -> None:
    """Everything wrong with a data set, all of it listed."""
    from distilpose.data.check import check_data
    from distilpose.data.library import find_skeleton
    from distilpose.data.skeleton import category_of

    given = None if skeleton is None else category_of(find_skeleton(skeleton))
    reports = check_data(path, tuple(split) if split else None, deep=not shallow, given=given)
    if as_json:
        print_json([found.to_json() for found in reports])
    else:
        for found in reports:
            for line in found.lines():
                print_line(line)
    if not all(found.ok for found in reports):
        raise typer.Exit(USER_ERROR)


def synthetic(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    train: Annotated[int, typer.Option(help="Pictures to train on.")] = 1200,
    val: Annotated[int, typer.Option(help="Pictures to validate on.")] = 300,
    seed: Annotated[int, typer.Option(help="What they are drawn from.")] = 0,
    style: Annotated[Style, typer.Option(help="studio: easy people, alone before a wall.")] = "everyday",
) -> None:
    """Draw synthetic people as a COCO-format data set."""
    from distilpose.synthetic.spec import SyntheticSpec
    from experiments.build.data import draw_people
    from experiments.terminal.launch_view import counting

    with counting(console, "drawing people") as on_progress:
        draw_people(SyntheticSpec(train=train, val=val, seed=seed, style=style), out, on_progress=on_progress)
    print_line(out)


def coco(
    path: Annotated[Path, typer.Argument(help="Folder of COCO 2017, or the folder to make.")],
    download: Annotated[bool, typer.Option("--download", help="Fetch what is lacking; goes on after a cut.")] = False,
    test: Annotated[bool, typer.Option("--test", help="The test pictures too, for submissions to test-dev.")] = False,
    keep: Annotated[bool, typer.Option("--keep-archives", help="Leave the archives in downloads/.")] = False,
    server: Annotated[str | None, typer.Option(help="Another server with COCO's own paths.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check that COCO 2017 is complete and unchanged; or fetch it, with the detector's boxes of the papers."""
    from distilpose.data.coco2017 import SERVER, coco2017, lacking, problems_of, space_needed
    from distilpose.data.coco2017 import download as fetch_all

    release = coco2017(server or SERVER, test=test)
    if download:
        archives = lacking(path, release)
        size = sum(archive.remote.size or 0 for archive in archives)
        minutes = size / (FAST_BYTES_PER_S * 60)
        console.print(
            f"{path} lacks {size / 1e9:.1f} GB in {len(archives)} archives: about {minutes:.0f} minutes at 100 Mbit/s; "
            f"{space_needed(path, archives, keep=keep) / 1e9:.1f} GB of room while it is unpacked",
            highlight=False,
            soft_wrap=True,
        )
        with _bytes_coming() as on_progress:
            fetch_all(path, release, keep=keep, on_progress=on_progress)
    problems = problems_of(path, release)
    if as_json:
        print_json({"root": str(path), "ok": not problems, "problems": [asdict(one) for one in problems]})
    else:
        print_line(f"{path}: {'COCO 2017, complete and as published' if not problems else f'{len(problems)} problems'}")
        for one in problems:
            print_line(f"  {one}")
        if problems and not download:
            console.print(f"`distilpose data coco {path} --download` fetches what is lacking", soft_wrap=True)
        if not problems:
            console.print(f"`distilpose data check {path}` opens every picture and reads every record", soft_wrap=True)
    if problems:
        raise typer.Exit(USER_ERROR)


def teachers(
    sweep: SweepName,
    profile: Profile = None,
    server: Annotated[str | None, typer.Option(help="Another server with OpenMMLab's own paths.")] = None,
) -> None:
    """Fetch the checkpoints that mmpose publishes of a sweep's teachers, each checked, to where the sweep looks."""
    from distilpose.data.download import fetch, matches
    from distilpose.integrations.mmpose_checkpoints import published_checkpoint

    given = [row.recipe.given_teacher for row in read_profile(sweep, profile).rows]
    choices = dict.fromkeys(one for one in given if one is not None)
    if not choices:
        raise ValueError(f"{sweep}: no row of it has a teacher of mmpose's")
    for choice in choices:
        remote, file = published_checkpoint(choice.config, server=server), Path(choice.checkpoint)
        if not matches(file, remote):
            if file.exists():
                raise ValueError(f"{file}: is there, and is not the published {remote.name}; move it away")
            with _bytes_coming() as on_progress:
                fetch(remote, file, on_progress=partial(on_progress, remote.name))
        print_line(file)


@contextmanager
def _bytes_coming() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing fetched: yields a function of (what, bytes here, bytes in all)."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)

        yield show
