"""AP and PCK of drawn pictures: what a run would have shown on other pictures of the same kind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]

_RECALLS = np.linspace(0.0, 1.0, 101)
_AT_ONCE = 32  # draws
# Of the areas all, medium and large (axis 0) and of OKS .50:.95 (axis 1), the cells that each metric is the mean of.
_CELLS: Mapping[str, tuple[int, slice]] = {
    "": (0, slice(None)),
    "50": (0, slice(0, 1)),
    "75": (0, slice(5, 6)),
    "M": (1, slice(None)),
    "L": (2, slice(None)),
}


class PerPicture(NamedTuple):
    """What a run found, picture by picture, as `per_picture.npz` holds it; detections by falling score.

    image: place of each detection's picture in `images`.
    matched, ignored: [detections, area, OKS threshold].
    people: to find, by picture and area.
    hits, labelled: joints found and joints there are, by picture and metric of `names`.
    """

    images: NDArray[np.int64]
    image: Counts
    matched: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    people: Counts
    names: tuple[str, ...] = ()
    hits: Counts = np.zeros((0, 0), np.int32)
    labelled: Counts = np.zeros((0, 0), np.int32)

    def metric(self, name: str, draws: Counts) -> Floats | None:
        """A metric in [0, 1] of each draw, None for one that is not counted here.

        `draws` says how often each picture is in a draw [draws, images]. A metric that a draw leaves undefined, AP of
        medium people without any, is NaN there.
        """
        if name in self.names:
            column = self.names.index(name)
            with np.errstate(invalid="ignore"):
                shares: Floats = (draws @ self.hits[:, column]) / (draws @ self.labelled[:, column])
            return shares
        return self.average_precision(draws)[name] if name[2:] in _CELLS and name[:2] in ("AP", "AR") else None

    def average_precision(self, draws: Counts) -> dict[str, Floats]:
        """AP and AR with their companions, as `metric` gives each."""
        parts = [self._average_precision(draws[n : n + _AT_ONCE]) for n in range(0, len(draws), _AT_ONCE)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _average_precision(self, weights: Counts) -> dict[str, Floats]:
        """AP and AR of draws [draws, images], counted as pycocotools counts a set in which pictures are repeated."""
        precision, recall = np.full((2, 3, 10, len(weights)), np.nan)
        for area in range(3):
            people = weights @ self.people[:, area]
            counted = np.flatnonzero(~self.ignored[:, area].all(1))
            drawn = weights.take(self.image[counted], axis=1)
            passed = np.cumsum(drawn, axis=1, dtype=np.int32)
            for threshold in range(10):
                ignored = self.ignored[counted, area, threshold]
                found = np.flatnonzero(self.matched[counted, area, threshold] & ~ignored)
                left_out = np.flatnonzero(ignored)
                skipped = np.zeros((len(weights), len(left_out) + 1), np.int32)
                np.cumsum(drawn.take(left_out, axis=1), axis=1, out=skipped[:, 1:])
                tried = passed.take(found, axis=1) - skipped.take(np.searchsorted(left_out, found), axis=1)
                hits = np.cumsum(drawn.take(found, axis=1), axis=1, dtype=np.int32)
                precision[area, threshold], recall[area, threshold] = _summary(hits, tried, people)
        values = {}
        for name, (area, thresholds) in _CELLS.items():
            values[f"AP{name}"] = precision[area, thresholds].mean(0)
            values[f"AR{name}"] = recall[area, thresholds].mean(0)
        return values


def _summary(hits: Counts, tried: Counts, people: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Mean precision over 101 recalls, and the recall reached, of each draw.

    `hits` and `tried` [draws, detections that found somebody] count those up to it; precision is greatest there, and
    only there does recall grow.
    """
    if not hits.shape[1]:
        nothing = np.where(people > 0, 0.0, np.nan)
        return nothing, nothing
    best = np.maximum.accumulate((hits / np.maximum(tried, 1))[:, ::-1], axis=1)[:, ::-1]
    mean = np.full(len(people), np.nan)
    for draw in np.flatnonzero(people):
        first = np.searchsorted(hits[draw] / people[draw], _RECALLS, side="left")
        mean[draw] = best[draw, first[first < hits.shape[1]]].sum() / len(_RECALLS)
    with np.errstate(invalid="ignore", divide="ignore"):
        return mean, hits[:, -1] / np.where(people > 0, people, np.nan)


def read_per_picture(file: Path) -> PerPicture:
    """What a file of `per_picture.npz` holds. Raises ValueError that names the file where it holds anything else."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            parts: dict[str, Any] = {name: arrays[name] for name in arrays.files}
        shape = tuple(parts.pop("shape"))
        for name in ("matched", "ignored"):
            parts[name] = np.unpackbits(parts[name], count=int(np.prod(shape))).reshape(shape).astype(bool)
        return PerPicture(**{**parts, "names": tuple(map(str, parts.get("names", ())))})
    except (OSError, KeyError, TypeError, ValueError, BadZipFile) as error:
        raise ValueError(f"{file}: must be what `per_picture` wrote: {error}") from error
