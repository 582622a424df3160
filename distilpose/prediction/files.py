"""One picture or video of a user's: its people's poses as rows of results, and the pictures of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from distilpose.data.pictures import picture_defect
from distilpose.data.stream import Batch
from distilpose.data.transforms import read_rgb
from distilpose.pictures.layers import head_sheet
from distilpose.pictures.maps import telling_joints
from distilpose.pictures.palette import Image
from distilpose.pictures.png import save_png
from distilpose.pictures.scene import observe
from distilpose.pictures.sheets import HEATMAP_JOINTS, heatmap_sheet
from distilpose.prediction.boxes import BoxSource, Frame
from distilpose.prediction.drawing import people_picture, people_sheet
from distilpose.prediction.inputs import ImageId, Input
from distilpose.prediction.predictor import People, Predictor, crop_people, result_rows
from distilpose.prediction.video import VideoWriter, read_frames, video_facts

CLOSELY = 4  # people of a picture whose heatmaps and attention are drawn: the surest
_FRAMES_MISSING = 0.95  # containers estimate how many frames they hold

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of every file.

    boxes: finds people; `where` says in words how.
    teacher: whose heatmaps are drawn beside, on the same device.
    attention: the joint whose attention is drawn, None for no such pictures.
    threshold: joints scored lower are not drawn. They stay in the results.
    """

    predictor: Predictor
    boxes: BoxSource
    where: str
    title: str
    teacher: nn.Module | None = None
    attention: int | None = None
    threshold: float = 0.0


def predict_picture(request: Request, file: Input, image_id: ImageId, folder: Path) -> Rows:
    """Return the rows of a picture's people, after writing its pictures into `folder`.

    Raises ValueError, naming the file, where it cannot be decoded or has no boxes.
    """
    defect = picture_defect(file.path, None)
    if defect is not None:
        raise ValueError(f"{file.path}: {defect.message}")
    frame = Frame(file.path.name, image_id.number, read_rgb(str(file.path)), image_id.meant)
    people = request.predictor.predict(frame.image, request.boxes(frame))
    drawn = {"": people_sheet(
        frame.image, people, request.predictor.skeleton,
        threshold=request.threshold, title=f"{request.title}: {file.name}", where=request.where,
    )}  # fmt: skip
    if len(people.scores):
        drawn |= _closely(request, frame.image, people, file.name)
    for kind, image in drawn.items():
        save_png(image, folder / f"{file.name}{kind}.png")
    return result_rows(frame, people)


def predict_video(request: Request, file: Input, folder: Path, on_frame: Callable[[], None]) -> tuple[Rows, int]:
    """Return the rows of a video's people, their image ids its frames from 0, and how many frames it lacks.

    Its frames with everybody drawn on them are written into `folder` as an mp4. `on_frame` is called after each.

    Raises ValueError, naming the file, where it cannot be read.
    """
    facts = video_facts(file.path)
    rows: Rows = []
    count = 0
    with VideoWriter(folder / f"{file.name}.mp4", size=facts.size, fps=facts.fps) as writer:
        for count, image in enumerate(read_frames(file.path), 1):
            frame = Frame(file.path.name, count - 1, image)
            people = request.predictor.predict(image, request.boxes(frame))
            writer.add(people_picture(image, people, request.predictor.skeleton, threshold=request.threshold))
            rows += result_rows(frame, people)
            on_frame()
    return rows, facts.frames - count if count < facts.frames * _FRAMES_MISSING else 0


def rows_text(rows: Rows) -> str:
    """Return rows as JSON, one a line."""
    return "[\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in rows) + "\n]\n"


def _closely(request: Request, image: Image, people: People, name: str) -> dict[str, Image]:
    """Return pictures of the surest people's heatmaps and of one joint's attention, by what their names end on."""
    predictor = request.predictor
    skeleton = predictor.skeleton
    some = people.boxes[:CLOSELY].astype(np.float64)
    crops = crop_people(image, some, input_size=predictor.input_size, joints=skeleton.num_joints)
    scene = observe(predictor.model, request.teacher, Batch(*(part.to(predictor.device) for part in crops)))
    title = f"{request.title}: {name}"
    drawn: dict[str, Image] = {}
    if scene.draws or scene.reference is not None:
        joints = telling_joints(skeleton, HEATMAP_JOINTS)
        if request.attention is not None and request.attention not in joints:
            joints = (request.attention, *joints[1:])
        drawn[".heatmaps"], _ = heatmap_sheet(scene, skeleton, title, joints)
    if request.attention is not None:
        for person in range(len(some)):
            which = f"{title}, person {person + 1}"
            drawn[f".attention-{person + 1}"], _ = head_sheet(scene, person, request.attention, skeleton, which)
    return drawn
