"""One page on a split: joints, occlusion, sizes, people a picture, and some of the people."""

from collections import Counter
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from distilpose.data.coco import Person, PoseData, some_people
from distilpose.data.skeleton import Skeleton
from distilpose.data.transforms import read_rgb
from distilpose.pictures.skeleton import skeleton_picture

_SHOWN = 12
_VISIBLE, _OCCLUDED, _ABSENT = "#2b6cb0", "#90cdf4", "#edf2f7"
_MOST_NAMED = 40
"""Joints beyond which their names are too small to be read."""


def write_data_page(data: PoseData, path: Path) -> None:
    """Write the page as an image, its kind told by the path's ending."""
    figure = Figure(figsize=(16, 17), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=[10, 7])
    upper, lower = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    axes = upper.subplot_mosaic(
        [["joints", "height"], ["joints", "share"], ["joints", "people"], ["joints", "labelled"]]
    )
    flags = np.stack([person.keypoints[:, 2] for person in data.people])
    _joints(axes["joints"], flags, data.skeleton)
    _histogram(axes["height"], [p.bbox[3] for p in data.people], "height of the box, pixels", log=True)
    shares = [np.sqrt(p.bbox[2] * p.bbox[3] / (p.image_size[0] * p.image_size[1])) for p in data.people]
    _histogram(axes["share"], shares, "size of the box over its picture's, root of the areas")
    per_picture = Counter(person.image_id for person in data.people)
    _counts(axes["people"], [per_picture[image.image_id] for image in data.images], "people in a picture", "pictures")
    _counts(axes["labelled"], (flags > 0).sum(1).tolist(), "labelled joints of a person", "people")
    occluded = (flags == 1).sum() / (flags > 0).sum()
    figure.suptitle(
        f"{data.annotation_file.parents[1].resolve().name}, {data.split}: {len(data.people):,} people in "
        f"{len(data.images):,} pictures, {(flags > 0).sum():,} labelled joints, {occluded:.1%} of them occluded",
        fontsize=15,
    )
    places = lower.subplots(2, _SHOWN // 2).flat
    for axis, person in zip(places, some_people(data, _SHOWN).people, strict=False):
        axis.imshow(_picture(person, data.skeleton))
        axis.set_title(f"{person.image.name}, person {person.annotation_id}"[-34:], fontsize=8)
    for axis in lower.axes:
        axis.set_axis_off()
    figure.savefig(path, dpi=110)


def _joints(axis: Axes, flags: ndarray, skeleton: Skeleton) -> None:
    rows = np.arange(skeleton.num_joints)
    left = np.zeros(len(rows))
    for flag, colour, label in ((2, _VISIBLE, "visible"), (1, _OCCLUDED, "occluded"), (0, _ABSENT, "not labelled")):
        share = 100 * (flags == flag).mean(0)
        axis.barh(rows, share, left=left, color=colour, label=label, height=0.9)
        left += share
    named = rows if len(rows) <= _MOST_NAMED else rows[:: len(rows) // _MOST_NAMED + 1]
    axis.set_yticks(named, [skeleton.names[row] for row in named])
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.margins(y=0.005)
    axis.set_xlabel("% of people")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)


def _histogram(axis: Axes, values: list[float], label: str, *, log: bool = False) -> None:
    low, high = min(values), max(values)
    edges = (np.geomspace(low, high * 1.001, 40) if log else np.linspace(0, 1, 41)).tolist()
    axis.hist(values, edges, color=_VISIBLE)
    if log:
        axis.set_xscale("log")
        ticks = [tick for tick in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if low <= tick <= high] or [round(low)]
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
    axis.axvline(float(np.median(values)), color="black", linewidth=1)
    axis.set_xlabel(f"{label} (line: median {np.median(values):.3g})")
    axis.set_ylabel("people")


def _counts(axis: Axes, values: list[int], label: str, what: str) -> None:
    numbers = Counter(values)
    axis.bar(list(numbers), list(numbers.values()), color=_VISIBLE)
    axis.set_xlim(min(numbers) - 0.6, max(numbers) + 0.6)
    axis.locator_params(axis="x", integer=True)
    axis.set_xlabel(label)
    axis.set_ylabel(what)


def _picture(person: Person, skeleton: Skeleton) -> UInt8[ndarray, "rows columns 3"]:
    """The person with some of the picture round it, its labelled joints drawn."""
    image = read_rgb(str(person.image))
    x, y, w, h = person.bbox
    margin = 0.15 * max(w, h)
    left, top = (int(max(0, side - margin)) for side in (x, y))
    right, bottom = (int(side + margin) + 1 for side in (x + w, y + h))
    crop = np.ascontiguousarray(image[top:bottom, left:right])
    labelled = np.flatnonzero(person.keypoints[:, 2])
    points = person.keypoints[labelled, :2] - (left, top)
    return skeleton_picture(crop, points, None, skeleton.take(labelled.tolist()))
