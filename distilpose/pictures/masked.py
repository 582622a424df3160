"""People with maps over them that a viewer switches on and off: a plain picture, and a file of classes for each map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from distilpose.data.skeleton import Skeleton
from distilpose.pictures.crops import Lattice, enlarged, resampled
from distilpose.pictures.maps import FAINTEST_ATTENTION, FAINTEST_PEAK
from distilpose.pictures.palette import Image
from distilpose.pictures.png import save_png
from distilpose.pictures.scene import Scene

HEIGHT = 192
SHOWN_ABOVE = 0.5  # of a map's peak
LABELS = "labels"  # the PNG text that names a mask's classes

Classes = NDArray[np.uint8]


class Layers(NamedTuple):
    """A picture and its masks by name, each as large: 0 is nothing, n + 1 is the joint n. `labels` names the joints."""

    image: Image
    masks: dict[str, Classes]
    labels: tuple[str, ...]


def layers_of(scene: Scene, skeleton: Skeleton) -> Layers:
    """Return the people side by side, with the model's heatmaps, the teacher's (or the targets) and attention as masks.

    A pixel has the class of the joint whose map is highest there, in parts of that map's own peak, if that is more than
    half. Attention counts above the even share, and a peak lower than what the sheets show in full is taken for that.
    """
    ours, theirs = ("heatmaps", "targets") if scene.is_teacher else ("student_heatmaps", "teacher_heatmaps")
    image = np.concatenate([enlarged(crop, HEIGHT) for crop in scene.crops], axis=1)
    size = (image.shape[1] // len(scene.crops), HEIGHT)
    masks = {}
    for name, maps in ((ours, scene.heatmaps), (theirs, scene.reference)):
        if maps is not None:
            peaks = np.maximum(maps.max((-1, -2), keepdims=True), FAINTEST_PEAK)
            masks[name] = np.concatenate([_classes(person, size, "points") for person in maps / peaks], axis=1)
    if scene.attention is not None:
        grids = scene.attention.reshape(*scene.attention.shape[:2], *scene.grid)
        even = grids.mean((-1, -2), keepdims=True)
        peaks = np.maximum(grids.max((-1, -2), keepdims=True) - even, (FAINTEST_ATTENTION - 1) * even)
        shares = (grids - even) / np.maximum(peaks, 1e-12)
        masks["attention"] = np.concatenate([_classes(person, size, "patches") for person in shares], axis=1)
    return Layers(image, masks, skeleton.names)


def write_layers(layers: Layers, path: Path) -> None:
    """Write the picture to a PNG, and beside it `STEM.NAME.mask.png` for each mask, whose text `labels` names classes.

    The names are a JSON list; the first is the class 1.
    """
    for name, classes in layers.masks.items():
        said = PngInfo()
        said.add_text(LABELS, json.dumps(layers.labels))
        Pillow.fromarray(classes).save(path.with_name(f"{path.stem}.{name}.mask.png"), pnginfo=said)
    save_png(layers.image, path)


def _classes(
    maps: Float[NDArray[np.floating], "joints rows columns"], size: tuple[int, int], lattice: Lattice
) -> Classes:
    """Return the class of each pixel of a crop of a size, (width, height)."""
    large = np.stack([resampled(values, size, lattice) for values in maps])
    classes: Classes = np.where(large.max(0) > SHOWN_ABOVE, large.argmax(0) + 1, 0).astype(np.uint8)
    return classes
