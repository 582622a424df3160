"""What runs drew of people: people down, rows across, a grid for each way of looking at them."""

from collections.abc import Sequence

from reports.formats.gallery import Gallery, Picture, views_of
from reports.formats.page import Section
from reports.numbers.sweep import SweepNumbers
from reports.read.reader import RunNumbers


def pictures(numbers: SweepNumbers) -> Section | None:
    """Every row's skeletons."""
    grids = _grids(numbers)[:1]
    return Section(key="pictures", title="Predicted poses of the same people", blocks=grids) if grids else None


def views(numbers: SweepNumbers) -> Section | None:
    """Every row's attention and heatmaps."""
    grids = _grids(numbers)[1:]
    return Section(key="views", title="Attention and heatmaps", blocks=grids, folded=True) if grids else None


def _grids(numbers: SweepNumbers) -> tuple[Gallery, ...]:
    """A grid for each view, of the teachers and of the first finished seed of each row that has any, or of any seed."""
    drawn = [_first(name, [run], numbers) for name, run in numbers.named_teachers.items()]
    drawn += [_first(row.name, row.drawn_runs, numbers) for row in numbers.drawn_rows]
    there = [picture for picture in drawn if picture is not None]
    named = dict.fromkeys(view for picture in there for view in views_of(picture.path))
    return tuple(
        Gallery(
            name="-".join(view.replace(":", "").split()),
            view=view,
            caption=f"{view[0].upper()}{view[1:]}; one person a line. White: annotated."
            + (" Limbs are as opaque as their joints are sure." if view == "skeleton" else ""),
            pictures=tuple(there),
        )
        for view in named
    )


def _first(row: str, runs: Sequence[RunNumbers], numbers: SweepNumbers) -> Picture | None:
    for run in runs:
        found = numbers.reader.details(run).people
        if found is not None:
            return Picture(row=row, seed=run.seed, epoch=found.epoch, path=found.path)
    return None
