"""`distilpose data subset|split|merge|stats|sigmas`: parts of data sets, several as one, and what is in them."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import AsJson, SkeletonName, print_json
from experiments.terminal.output import print_line

Source = Annotated[Path, typer.Argument(help="Folder of a COCO-format data set.")]
Out = Annotated[Path, typer.Argument(help="Folder to make: annotations, and links to the pictures.")]
Sets = Annotated[list[Path], typer.Argument(help="Folders of COCO-format data sets.")]


def subset(
    source: Source,
    out: Out,
    train: Annotated[int | None, typer.Option(help="People of the training split.", min=1)] = None,
    val: Annotated[int | None, typer.Option(help="People of the validation split.", min=1)] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A joint to leave out; may be repeated.")] = None,
) -> None:
    """Some people of each split, always the same, all of their joints or some."""
    from distilpose.data.coco import find_splits
    from distilpose.data.editing import write_subset

    if train is None and val is None:
        raise ValueError("data subset: say how many people are wanted, with --train, --val or both")
    counts = {}
    for begins, count in (("train", train), ("val", val)):
        found = [name for name in find_splits(source) if name.startswith(begins)]
        if count is not None and len(found) != 1:
            raise ValueError(f"data subset: {source}: must have one split named {begins}..., got {found or 'none'}")
        if count is not None:
            counts[found[0]] = count
    _say(write_subset(source, out, counts, drop=drop or ()), out)


def split(
    source: Source,
    out: Out,
    of: Annotated[str, typer.Option(help="The split to divide.")] = "train",
    into: Annotated[str, typer.Option(help="The new split.")] = "val",
    share: Annotated[float, typer.Option(help="The share of its pictures that it gives.", min=0.0, max=1.0)] = 0.1,
    seed: Annotated[int, typer.Option(help="What is drawn by it.", min=0)] = 0,
) -> None:
    """Give some of one split's pictures to a new split; other splits stay as they are."""
    from distilpose.data.editing import write_division

    _say(write_division(source, out, of, into=into, share=share, seed=seed), out)


def merge(sets: Sets, out: Annotated[Path, typer.Option("--out", help="Folder to make.")]) -> None:
    """Several sets of the same joints as one, split by split."""
    from distilpose.data.editing import write_merged

    _say(write_merged(sets, out), out)


def stats(
    path: Source,
    split: Annotated[str, typer.Option(help="The split to look at.")] = "train",
    out: Annotated[Path | None, typer.Option(help="The page, .png, .pdf or .svg; by default SPLIT.png here.")] = None,
    skeleton: SkeletonName = None,
) -> None:
    """A page on a split: joints, occlusion, sizes, people a picture, and some of the people."""
    from distilpose.data.coco import load_pose_data
    from distilpose.data.library import find_skeleton
    from distilpose.data.skeleton import category_of
    from distilpose.pictures.data_page import write_data_page

    page = out or Path(f"{split}.png")
    if page.suffix not in (".png", ".pdf", ".svg"):
        raise ValueError(f"data stats: --out must end with .png, .pdf or .svg, got {str(page)!r}")
    given = None if skeleton is None else category_of(find_skeleton(skeleton))
    write_data_page(load_pose_data(path, split, given), page)
    print_line(page)


def sigmas(
    sets: Sets,
    split: Annotated[str, typer.Option(help="The split that both have.")] = "train",
    as_json: AsJson = False,
) -> None:
    """OKS sigmas, from the same people annotated independently in two sets or more."""
    from distilpose.data.agreement import estimate_sigmas
    from distilpose.data.coco import load_pose_data

    if len(sets) < 2:
        raise ValueError("data sigmas: two sets of the same pictures are needed, by different annotators; got one")
    given = {"keypoint_sigmas": 1.0}  # the files need none: they are what is asked
    found = estimate_sigmas([load_pose_data(one, split, given) for one in sets])
    if as_json:
        print_json([one._asdict() for one in found])
        return
    for one in found:
        print_line(f"{one.joint:24}{'no pair' if one.sigma is None else f'{one.sigma:.4f}'}  ({one.pairs:,} pairs)")
    if all(one.sigma is not None for one in found):
        print_line(f"keypoint_sigmas: [{', '.join(f'{one.sigma:.4f}' for one in found)}]")


def _say(written: dict[str, int], out: Path) -> None:
    for name, count in written.items():
        print_line(f"{name}: {count:,} people in {out}")
