"""`distilpose data import`: published data sets and exports of annotation tools, as our COCO form."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import AsJson, SkeletonName, console, print_json
from experiments.terminal.output import print_line


def import_(
    kind: Annotated[str, typer.Argument(help="What it is; a wrong name lists them.", metavar="KIND")],
    source: Annotated[Path, typer.Argument(help="Folder as published or exported; or one file, with --split.")],
    out: Annotated[Path, typer.Argument(help="Folder to write annotations and links to pictures into.")],
    split: Annotated[str | None, typer.Option(help="Only this split; of a file, what to call it.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Their folder, where it is not as published.")] = None,
    skeleton: SkeletonName = None,
    sigmas: Annotated[
        float | None, typer.Option(help="One OKS sigma for all joints, instead of the skeleton's.")
    ] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the pictures instead of linking to their folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read a published data set, or an annotation tool's export, into our COCO form; account for every person."""
    from distilpose.data.importers.table import IMPORTERS, find_pictures, find_sources
    from distilpose.data.library import find_skeleton
    from distilpose.parts.naming import nearest

    if kind not in IMPORTERS:
        raise ValueError(f"data import: no such kind, got {kind!r}; {nearest(kind, IMPORTERS)}")
    name = skeleton or next(iter(IMPORTERS[kind].skeletons), None)
    if name is None:
        rule = "its files say too little of the joints; name them with --skeleton, of the library or a YAML file"
        raise ValueError(f"data import {kind}: {rule}")
    joints = find_skeleton(name, sigmas=sigmas)
    if source.is_dir():
        found = [one for one in find_sources(kind, source) if split in (None, one[0])]
        if not found:
            raise ValueError(f"{source}: holds no split {split!r} of {kind}")
    elif split is None or not source.exists():
        got = "no such file or folder" if split else "a file: say with --split what it is, such as train or val"
        raise ValueError(f"data import: {source}: must be a folder as published, got {got}")
    else:
        found = [(split, source, pictures or find_pictures(kind, source.parent, split))]
    report = {}
    for called, file, folder in found:
        gathered = IMPORTERS[kind].reader(called)(file, pictures or folder, joints)
        gathered.write(out, called, copy=copy)
        report[called] = [{"fate": fate, "what": what, "people": count} for fate, what, count in gathered.table()]
        if not as_json:
            total = sum(count for *_, count in gathered.table())
            print_line(f"{called}: {total:,} people of {file}, {len(gathered.images):,} pictures")
            for fate, what, count in gathered.table():
                print_line(f"  {fate:8}{count:9,}  {what}")
    if as_json:
        print_json(report)
    console.print(f"`distilpose data check {out}` opens every picture and reads every record", soft_wrap=True)
