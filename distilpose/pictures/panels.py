"""The pictures of a validation: from models and a batch to PNG files with captions."""

import json
from pathlib import Path
from typing import Literal, NamedTuple

from torch import nn

from distilpose.data.skeleton import Skeleton
from distilpose.data.stream import Batch
from distilpose.pictures.masked import layers_of, write_layers
from distilpose.pictures.palette import Image
from distilpose.pictures.people import VIEWS, people_grid
from distilpose.pictures.png import save_png
from distilpose.pictures.scene import observe
from distilpose.pictures.sheets import attention_sheet, heatmap_sheet

Kind = Literal["people", "heatmaps", "attention", "layers"]
LAYERS_CAPTION = "The same people: heatmaps and attention as masks to be switched on and off, a colour for each joint."


class PictureFile(NamedTuple):
    """A picture that was written, and a sentence about it."""

    kind: Kind
    path: Path
    caption: str


def write_pictures(
    student: nn.Module,
    teacher: nn.Module | None,
    batch: Batch,
    skeleton: Skeleton,
    directory: Path,
    *,
    count: int = 4,
    title: str = "",
    aside: Path | None = None,
) -> list[PictureFile]:
    """Return the pictures written into a directory: people, heatmaps, attention where the model has it, layers.

    Args:
        student: the model that is shown, a heatmap model too; on the device of the batch.
        teacher: whose heatmaps are shown beside a student's.
        batch: people; the first `count` are shown.
        skeleton: the data's.
        directory: is made if need be. The files are `KIND.png`; the masks of `layers.png` lie beside it.
        count: of people.
        title: said first on each sheet, say the row's name.
        aside: the folder where files are first written; see `write_whole`.

    Raises:
        ValueError: when there is nobody to show, or a model returns neither regression nor heatmap output.
    """
    if min(count, len(batch.images)) < 1:
        raise ValueError(f"count: at least one person is needed, got count {count} of {len(batch.images)} people")
    scene = observe(student, teacher, Batch(*(part[:count] for part in batch)))
    grid, views = people_grid(scene, skeleton)
    drawn: list[tuple[Kind, Image, str]] = [
        ("people", grid, f"People down; across: {'; '.join(views)}. White: annotated."),
        ("heatmaps", *heatmap_sheet(scene, skeleton, title)),
    ]
    if scene.attention is not None:
        drawn.append(("attention", *attention_sheet(scene, skeleton, title)))
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for kind, image, caption in drawn:
        path = directory / f"{kind}.png"
        save_png(image, path, aside=aside, said={VIEWS: json.dumps(views)} if kind == "people" else {})
        files.append(PictureFile(kind, path, caption))
    layers = layers_of(scene, skeleton)
    if layers.masks:
        path = directory / "layers.png"
        write_layers(layers, path)
        files.append(PictureFile("layers", path, LAYERS_CAPTION))
    return files
