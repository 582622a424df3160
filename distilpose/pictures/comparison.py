"""The same person as several models see it, a row a model."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from distilpose.data.skeleton import Skeleton
from distilpose.pictures.crops import enlarged
from distilpose.pictures.joint import joint_picture, sigma_note
from distilpose.pictures.lettering import Label, lettered, text_width, wrapped
from distilpose.pictures.maps import attention_picture, heatmap_picture, peak_over_even
from distilpose.pictures.montage import Panel, sheet
from distilpose.pictures.palette import FAINT, INK, PAPER, Image, short_name
from distilpose.pictures.scene import Scene, in_pixels
from distilpose.pictures.sheets import described, map_legend
from distilpose.pictures.skeleton import confidence_chart, skeleton_picture

ROW_HEIGHT = 208
_NAME_WIDTH = 128


class Seen(NamedTuple):
    """What one model says of some people: what it is called, a second line, and the scene."""

    name: str
    note: str
    scene: Scene


def comparison_sheet(
    models: Sequence[Seen], person: int, joints: Sequence[int], skeleton: Skeleton, title: str
) -> tuple[Image, str]:
    """Return one person as each model sees it, a row a model, and a caption.

    A row has the skeleton, the attention of each of `joints` (last layer, mean of heads), what its head draws of the
    first of them, and each joint's confidence. What a model lacks of these is the predicted joint alone.
    """
    rows = []
    first = joints[0]
    with_drawing = any(seen.scene.draws for seen in models)
    with_attention = any(seen.scene.maps is not None for seen in models)
    for number, seen in enumerate(models):
        scene = seen.scene
        crop = enlarged(scene.crops[person], ROW_HEIGHT)
        points, truth = in_pixels(crop, scene.points[person], scene), in_pixels(crop, scene.truth[person], scene)
        scores = None if scene.scores is None else scene.scores[person]
        picture = skeleton_picture(crop, points, scores, skeleton, truth)
        row = [
            _name(seen, ROW_HEIGHT),
            Panel(picture, above="skeleton" if number == 0 else "", below=_error(points, truth, len(crop))),
        ]
        for joint in joints if with_attention else ():
            name = skeleton.names[joint]
            above = f"attention: {short_name(name)}" if number == 0 else ""
            if scene.attention is None:
                drawn = heatmap_picture(crop, None, points[joint], truth[joint], name=name)
                row.append(Panel(drawn, above=above, below="no tokens"))
                continue
            values = scene.attention[person, joint]
            drawn = attention_picture(crop, values.reshape(scene.grid), points[joint], truth[joint], name=name)
            row.append(Panel(drawn, above=above, below=f"{100 * values.sum():.0f} %, {peak_over_even(values):.1f}x"))
        if with_drawing:
            above = f"output: {short_name(skeleton.names[first])}" if number == 0 else ""
            drawn = joint_picture(crop, scene, person, first, skeleton.names[first])
            row.append(Panel(drawn, above=above, below=scene.name + sigma_note(scene, person, first)))
        if scores is not None:
            row.append(Panel(confidence_chart(scores, skeleton, ROW_HEIGHT)))
        rows.append(row)
    what = "White limbs and crosses: annotated. Bars: each joint's confidence. "
    if with_attention:
        what += "Below attention (last layer, mean of heads): the share that is on the picture and not on keypoint "
        what += "tokens, and how many times the even share the most attended patch has. "
    if with_drawing:
        what += described([seen.scene for seen in models])
    legend = map_legend(models[0].scene, "0 to most attended (or peak)")
    image = sheet(rows, title=title, subtitle=what, legend=legend, gap=12)
    names = ", ".join(seen.name for seen in models)
    return image, f"The same person by {len(models)} models: {names}."


def _name(seen: Seen, height: int) -> Panel:
    """Return a model's name and note as a panel of their own."""
    labels = []
    y = height / 2 - 16
    for text, size, bold in ((seen.name, 13, True), (seen.note, 10, False)):
        for line in wrapped(text, _NAME_WIDTH, size + bold):
            labels.append(Label(0, y, line, size, INK if bold else FAINT, bold=bold))
            y += size + 5
    width = max(_NAME_WIDTH, *(text_width(label.text, label.size, bold=label.bold) for label in labels))
    return Panel(lettered(np.full((height, width, 3), PAPER, np.uint8), labels))


def _error(points: np.ndarray, truth: np.ndarray, height: int) -> str:
    error = np.linalg.norm(points - truth, axis=-1) / height
    seen = np.isfinite(error)
    return f"mean error {100 * error[seen].mean():.1f} % of the crop's height" if seen.any() else "none annotated"
