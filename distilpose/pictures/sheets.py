"""The three sheets of a validation: skeletons, heatmaps, attention."""

from collections.abc import Sequence

import numpy as np

from distilpose.data.skeleton import Skeleton
from distilpose.pictures.crops import enlarged
from distilpose.pictures.joint import joint_picture, sigma_note
from distilpose.pictures.maps import attention_picture, heatmap_picture, peak_over_even, telling_joints
from distilpose.pictures.montage import Key, Panel, beside, sheet
from distilpose.pictures.palette import FAINT, SIDES, TRUTH, Image, short_name
from distilpose.pictures.scene import Scene, in_pixels
from distilpose.pictures.skeleton import confidence_chart, skeleton_picture

SKELETON_HEIGHT = 272
MAP_HEIGHT = 168
ATTENDED_JOINTS = 5
HEATMAP_JOINTS = 4


def skeleton_sheet(scene: Scene, skeleton: Skeleton, title: str = "") -> tuple[Image, str]:
    """Return the people's skeletons with the confidence of each joint, two to a row, and a caption."""
    panels = []
    for person in range(len(scene.crops)):
        crop = enlarged(scene.crops[person], SKELETON_HEIGHT)
        points, truth = in_pixels(crop, scene.points[person], scene), in_pixels(crop, scene.truth[person], scene)
        scores = None if scene.scores is None else scene.scores[person]
        picture = skeleton_picture(crop, points, scores, skeleton, truth)
        pair = [picture] if scores is None else [picture, confidence_chart(scores, skeleton, SKELETON_HEIGHT)]
        error = np.linalg.norm(points - truth, axis=-1) / len(crop)
        seen = np.isfinite(error)
        below = "none annotated" if scene.annotated else ""
        if seen.any():
            below = f"mean error {100 * error[seen].mean():.1f} % of the crop's height"
            below += f"; {(error[seen] < 0.1).sum()} of {seen.sum()} joints within 10 %"
        panels.append(Panel(beside(pair), below=below))
    counts = "peak of the heatmap" if scene.is_teacher else "predicted score"
    legend = [
        Key("line", "left", SIDES["left"]),
        Key("line", "right", SIDES["right"]),
        Key("line", "middle", SIDES["middle"]),
        *([Key("line", "annotated", TRUTH)] if scene.annotated else []),
    ]
    if scene.scores is None:
        subtitle = "Predicted joints; this model has no score output, so every joint counts as sure."
    else:
        subtitle = f"Predicted joints; bars and opacity: confidence ({counts})."
        legend += [Key("dot", "counts in the person's score", FAINT), Key("ring", "does not (0.2 or less)", FAINT)]
    image = sheet(
        [panels[start : start + 2] for start in range(0, len(panels), 2)],
        title=titled(title, "Skeletons and confidence"),
        subtitle=subtitle,
        legend=legend,
        gap=22,
        row_gap=10,
    )
    return (
        image,
        f"Predicted joints of {len(panels)} validation crops beside the annotated ones, with their confidence.",
    )


def heatmap_sheet(
    scene: Scene, skeleton: Skeleton, title: str = "", joints: Sequence[int] | None = None
) -> tuple[Image, str]:
    """Return some joints as the head draws them beside the teacher's heatmaps (or targets), and a caption."""
    joints = telling_joints(skeleton, HEATMAP_JOINTS) if joints is None else joints
    ours, theirs = "predicted" if scene.is_teacher else "student", scene.reference_is
    rows = []
    for person in range(len(scene.crops)):
        crop = enlarged(scene.crops[person], MAP_HEIGHT)
        truth = in_pixels(crop, scene.truth[person], scene)
        row = []
        for joint in joints:
            name = skeleton.names[joint]
            pictures = [joint_picture(crop, scene, person, joint, name)]
            below = ours + sigma_note(scene, person, joint)
            if scene.reference is not None:
                other = scene.reference[person, joint]
                pictures.append(heatmap_picture(crop, other, None, truth[joint], name=name))
                below += f"  |  {theirs}, peak {max(0.0, float(other.max())):.2f}"
                if scene.is_teacher and scene.heatmaps is not None and scene.reference_is == "target":
                    below = f"{ours}, peak {max(0.0, float(scene.heatmaps[person, joint].max())):.2f}  |  {theirs}"
            row.append(Panel(beside(pictures, 2), above=short_name(name) if person == 0 else "", below=below))
        rows.append(row)
    caption, legend = described([scene]), map_legend(scene, "0 to the map's peak")
    if scene.reference is not None:
        beside_it = {"target": "the targets", "teacher": "the teacher's heatmaps"}
        caption += f" Beside: {beside_it[scene.reference_is]}."
    elif scene.heatmaps is None:
        legend = legend[1:]
    return sheet(rows, title=titled(title, "Joint by joint"), subtitle=caption, legend=legend, gap=14), caption


def attention_sheet(scene: Scene, skeleton: Skeleton, title: str = "") -> tuple[Image, str]:
    """Return the attention of some keypoint tokens over the picture, a row a person, and a caption.

    Raises ValueError for a model without attention.
    """
    if scene.attention is None:
        raise ValueError("attention: the model must return it, got none; ask for attention=True of a token model")
    joints = telling_joints(skeleton, ATTENDED_JOINTS)
    rows = []
    for person in range(len(scene.crops)):
        crop = enlarged(scene.crops[person], MAP_HEIGHT)
        points, truth = in_pixels(crop, scene.points[person], scene), in_pixels(crop, scene.truth[person], scene)
        row = [Panel(skeleton_picture(crop, points, None, skeleton), above="predicted" if person == 0 else "")]
        for joint in joints:
            name = skeleton.names[joint]
            attention = scene.attention[person, joint].reshape(scene.grid)
            picture = attention_picture(crop, attention, points[joint], truth[joint], name=name)
            below = f"{100 * attention.sum():.0f} % on picture, {peak_over_even(attention):.1f}x"
            row.append(Panel(picture, above=short_name(name) if person == 0 else "", below=below))
        rows.append(row)
    rows_columns = f"{scene.grid[0]} x {scene.grid[1]}"
    legend = map_legend(scene, "no attention to most")
    what = f"Where each keypoint token looks among {rows_columns} patches (last layer, mean of heads). Below each: the "
    what += (
        "share of its attention that is on the picture and not on other keypoint tokens, and how many times the even "
    )
    what += "share the most attended patch has."
    image = sheet(rows, title=titled(title, "Attention of keypoint tokens"), subtitle=what, legend=legend)
    return image, f"Attention of keypoint tokens over the picture, {rows_columns} patches, last layer, mean of heads."


def described(scenes: Sequence[Scene]) -> str:
    """Return in the heads' words what is seen of a joint, a sentence for each way of drawing it."""
    said = [f"{scene.name[0].upper()}{scene.name[1:]}: {scene.words}." for scene in scenes]
    if any(scene.sigmas is not None for scene in scenes):
        said.append("Below an ellipse: its sigmas, in % of the crop's width and height.")
    return " ".join(dict.fromkeys(said))


def map_legend(scene: Scene, heat: str) -> list[Key]:
    """Return the legend of maps over crops, `heat` saying what their colours span."""
    return [
        Key("heat", heat),
        Key("dot", "predicted: left", SIDES["left"]),
        Key("dot", "right", SIDES["right"]),
        Key("dot", "middle", SIDES["middle"]),
        *([Key("cross", "annotated", TRUTH)] if scene.annotated else []),
    ]


def titled(title: str, what: str) -> str:
    """Return a sheet's heading: what it shows, after the title where there is one."""
    return f"{title}: {what[0].lower()}{what[1:]}" if title else what
