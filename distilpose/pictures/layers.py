"""Attention layer by layer: one joint's by heads, several joints', and that between joints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from distilpose.data.skeleton import Skeleton
from distilpose.pictures.crops import enlarged
from distilpose.pictures.lettering import Label, lettered, text_width
from distilpose.pictures.maps import attention_picture, peak_over_even
from distilpose.pictures.matrix import matrix_picture
from distilpose.pictures.montage import Key, Panel, sheet
from distilpose.pictures.palette import INK, PAPER, Image, short_name
from distilpose.pictures.scene import Scene, in_pixels
from distilpose.pictures.sheets import map_legend, titled
from distilpose.pictures.skeleton import skeleton_picture

_HEIGHT, _LARGE_HEIGHT = 112, 168
_FEW = 6  # columns, that leave room for larger pictures
_SHOWN_LAYERS = 12


def head_sheet(scene: Scene, person: int, joint: int, skeleton: Skeleton, title: str = "") -> tuple[Image, str]:
    """Return where one joint's token of one person looks, a row a layer and a column a head, and a caption.

    Raises ValueError for a model without attention.
    """
    maps = _maps(scene)[person, :, :, joint, skeleton.num_joints :]
    crop = enlarged(scene.crops[person], _height(maps.shape[1]))
    name = skeleton.names[joint]
    point = in_pixels(crop, scene.points[person, joint], scene)
    truth = in_pixels(crop, scene.truth[person, joint], scene)
    rows = []
    for layer, heads in enumerate(maps):
        columns = [("mean of heads", heads.mean(0))]
        columns += [(f"head {number}", head) for number, head in enumerate(heads, 1)] if len(heads) > 1 else []
        row = [_side_label(f"layer {layer + 1}", len(crop), [f"layer {len(maps)}"])]
        for above, values in columns:
            picture = attention_picture(crop, values.reshape(scene.grid), point, truth, name=name)
            row.append(Panel(picture, above=above if layer == 0 else "", below=_measured(values)))
        rows.append(row)
    what = f"Where the token of {name} looks among {_grid(scene)} patches. {_EXPLAINED}"
    image = sheet(
        rows,
        title=titled(title, f"Attention of {name} by layer and head"),
        subtitle=what,
        legend=map_legend(scene, "no attention to most"),
    )
    return image, f"Attention of {name} over the picture by layer and head, {_grid(scene)} patches."


def layer_sheet(
    scene: Scene, person: int, joints: Sequence[int], skeleton: Skeleton, title: str = ""
) -> tuple[Image, str]:
    """Return where some joints' tokens of one person look, a row a joint and a column a layer, and a caption.

    The last column is the prediction; of more than twelve layers as many are shown, the first and the last among them.

    Raises ValueError for a model without attention.
    """
    maps = _maps(scene)[person].mean(1)[..., skeleton.num_joints :]
    crop = enlarged(scene.crops[person], _height(len(maps)))
    points, truth = in_pixels(crop, scene.points[person], scene), in_pixels(crop, scene.truth[person], scene)
    rows = []
    for joint in joints:
        name = skeleton.names[joint]
        row = [_side_label(short_name(name), len(crop), [short_name(skeleton.names[j]) for j in joints])]
        for layer in _shown(len(maps)):
            values = maps[layer, joint]
            picture = attention_picture(crop, values.reshape(scene.grid), points[joint], truth[joint], name=name)
            above = f"layer {layer + 1}" if joint == joints[0] else ""
            row.append(Panel(picture, above=above, below=_measured(values)))
        if joint == joints[0]:
            row.append(Panel(skeleton_picture(crop, points, None, skeleton), above="predicted"))
        rows.append(row)
    what = f"Where keypoint tokens look among {_grid(scene)} patches, layer by layer (mean of heads). {_EXPLAINED}"
    image = sheet(
        rows,
        title=titled(title, "Attention to the picture by layer"),
        subtitle=what,
        legend=map_legend(scene, "no attention to most"),
    )
    return image, f"Attention of keypoint tokens over the picture, layer by layer, {_grid(scene)} patches."


def joints_sheet(scene: Scene, person: int, skeleton: Skeleton, title: str = "") -> tuple[Image, str]:
    """Return how keypoint tokens of one person attend to each other in the first, a middle and the last layer.

    Raises ValueError for a model without attention.
    """
    maps = _maps(scene)[person].mean(1)[..., : skeleton.num_joints]
    layers = sorted({0, len(maps) // 2, len(maps) - 1})
    names = [short_name(name) for name in skeleton.names]
    panels = []
    for place, layer in enumerate(layers):
        values = maps[layer]
        top = float(values.max())
        picture = matrix_picture(values / max(top, 1e-12), names, names if place == 0 else None)
        share = 100 * values.sum(-1).mean()
        below = f"0 to {100 * top:.0f} %; {share:.0f} % on keypoints"
        panels.append(Panel(picture, above=f"layer {layer + 1}", below=below))
    what = "Row: the keypoint token that looks; column: the one it looks at (mean of heads). What is missing to 100 % "
    what += "of a row is on the picture. Below each: what black and pale yellow stand for, and a row's mean sum."
    image = sheet(
        [panels],
        title=titled(title, "Attention between keypoints"),
        subtitle=what,
        legend=[Key("heat", "0 to the layer's largest")],
    )
    return image, "Attention of keypoint tokens to each other in the first, a middle and the last layer."


_EXPLAINED = (
    "Below each: the share of its attention that is on the picture and not on keypoint tokens, and how many times the "
    "even share the most attended patch has."
)


def _maps(scene: Scene) -> Float[NDArray[np.float32], "people layers heads joints joints+tokens"]:
    if scene.maps is None:
        raise ValueError("attention: the model must have keypoint tokens, got one without; choose a token model")
    return scene.maps


def _shown(layers: int) -> list[int]:
    return sorted({round(n) for n in np.linspace(0, layers - 1, min(layers, _SHOWN_LAYERS)).tolist()})


def _grid(scene: Scene) -> str:
    return f"{scene.grid[0]} x {scene.grid[1]}"


def _measured(values: NDArray[np.float32]) -> str:
    return f"{100 * values.sum():.0f} %, {peak_over_even(values):.1f}x"


def _height(columns: int) -> int:
    """Return how high a crop is drawn beside as many others."""
    return _LARGE_HEIGHT if columns <= _FEW else _HEIGHT


def _side_label(text: str, height: int, of_all: Sequence[str]) -> Panel:
    """Return a row's name as a panel of its own, as wide as the names of all rows want."""
    width = max(text_width(name, 12, bold=True) for name in of_all) + 8
    paper = np.full((height, width, 3), PAPER, np.uint8)
    return Panel(lettered(paper, [Label(0, height / 2 + 4, text, 12, INK, bold=True)]))
