"""One joint as the model's head draws it: a heatmap, two curves along the edges, an ellipse around the point."""

from __future__ import annotations

import numpy as np

from distilpose.pictures.maps import Line, heatmap_picture
from distilpose.pictures.palette import Image
from distilpose.pictures.scene import Scene, in_pixels

CURVE_DEPTH = 0.2  # of the crop's width: how far from its edge a curve's peak is


def joint_picture(crop: Image, scene: Scene, person: int, joint: int, name: str) -> Image:
    """Return a person's enlarged crop in grey under what there is to see of a joint, of this name.

    The curve along x stands on the lower edge, that along y on the left one, each scaled by its peak.
    """
    point, truth = (in_pixels(crop, places[person, joint], scene) for places in (scene.points, scene.truth))
    heatmap = None if scene.heatmaps is None else scene.heatmaps[person, joint]
    lines: list[Line] = []
    if scene.curves is not None:
        height, width = crop.shape[:2]
        depth = CURVE_DEPTH * width
        (x, across), (y, down) = (_curve(crop, scene, values[person, joint]) for values in scene.curves)
        lines += [np.stack([x[:, 0], height - 2 - depth * across], -1), np.stack([1 + depth * down, y[:, 1]], -1)]
    if scene.sigmas is not None:
        angle = np.linspace(0, 2 * np.pi, 73)
        radii = scene.sigmas[person, joint] * crop.shape[1::-1]
        lines.append(point + radii * np.stack([np.cos(angle), np.sin(angle)], -1))
    return heatmap_picture(crop, heatmap, point, truth, name=name, lines=lines)


def sigma_note(scene: Scene, person: int, joint: int) -> str:
    """Return how large a joint's ellipse is in parts of the crop, after a comma; nothing where there is none."""
    if scene.sigmas is None:
        return ""
    x, y = (100 * scene.sigmas[person, joint]).tolist()
    return f", {x:.0f} x {y:.0f} %"


def _curve(crop: Image, scene: Scene, values: np.ndarray) -> tuple[Line, np.ndarray]:
    """Return where a curve's values are, along either axis, in pixels of the enlarged crop, and its heights."""
    places = np.arange(len(values), dtype=np.float32)[:, None].repeat(2, -1)
    return in_pixels(crop, places / np.float32(len(values)), scene), values / max(float(values.max()), 1e-12)
