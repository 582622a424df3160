"""A small split in memory and models that know its poses, for these tests."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from distilpose.data.coco import PoseData, load_pose_data
from distilpose.data.codecs import gaussian_heatmaps
from distilpose.data.skeleton import coco_category
from distilpose.data.stream import Batch
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.heads.regression import RegressionOutput

SIZE = (48, 64)


def write_split(root: Path, count: int = 6, per_image: int = 2) -> PoseData:
    """A split of `count` people, some joints unlabelled, `per_image` people in each picture; no picture is written."""
    rng = np.random.default_rng(5)
    people = []
    for number in range(count):
        corner = np.array([10.0 + 90 * (number % per_image), 20.0])
        joints = corner + rng.uniform(0, 1, (17, 2)) * (60, 90)
        visible = np.where(rng.random(17) < 0.8, 2, 0)
        visible[0] = 2
        flat = np.column_stack([joints * (visible[:, None] > 0), visible]).round(2).ravel().tolist()
        box = [*corner.tolist(), 60.0, 90.0]
        people.append(
            {"id": number, "image_id": number // per_image, "category_id": 1, "bbox": box, "area": 3000, "iscrowd": 0,
             "keypoints": flat, "num_keypoints": int((visible > 0).sum())}
        )  # fmt: skip
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 140} for n in range(-(-count // per_image))]
    (root / "annotations").mkdir(parents=True)
    (root / "images" / "val").mkdir(parents=True)
    content = {"images": images, "annotations": people, "categories": [coco_category()]}
    (root / "annotations" / "val.json").write_text(json.dumps(content))
    return load_pose_data(root, "val")


def batches(data: PoseData, size: int = 4, order: list[int] | None = None) -> list[Batch]:
    """Crops whose left upper pixel holds the person's number plus one, and nothing else."""
    made = []
    order = list(range(len(data.people))) if order is None else order
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        people = [data.people[row] for row in rows]
        box = torch.tensor([person.bbox for person in people])
        scale = torch.stack([box[:, 2], box[:, 2] * 4 / 3], -1) * 1.5
        center = box[:, :2] + box[:, 2:] / 2
        points = torch.from_numpy(np.stack([person.keypoints for person in people]))
        labelled = (points[..., 2] > 0).float()
        images = torch.zeros(len(rows), 3, SIZE[1], SIZE[0])
        images[:, 0, 0, 0] = torch.tensor(rows) + 1
        crop = (points[..., :2] - (center - scale / 2)[:, None]) / scale[:, None]
        made.append(Batch(images, crop, labelled, torch.tensor(rows), center, scale, labelled))
    return made


class Knowing(nn.Module):
    """Returns the poses of `batches`, of a mirrored crop the mirrored ones, off by `error` crop widths."""

    def __init__(self, data: PoseData, *, heatmaps: bool = False, scores: bool = True, error: float = 0.0) -> None:
        super().__init__()
        self.poses = torch.cat([batch.keypoints for batch in batches(data)])
        self.partners = list(data.skeleton.flip_permutation)
        self.heatmaps, self.scores, self.error = heatmaps, scores, error
        self.calls = 0

    def forward(self, images: Tensor, *, attention: bool = False) -> RegressionOutput | HeatmapOutput:
        self.calls += 1
        mirrored = bool(images[0, 0, 0, 0] == 0)
        rows = images[:, 0, 0, -1 if mirrored else 0].long() - 1
        points = self.poses[rows] + torch.tensor([self.error, 0.0])
        scores = (1 + torch.arange(17.0)).expand(len(rows), 17) / 20
        if mirrored:
            x = (SIZE[0] - 1) / SIZE[0] - points[..., 0]
            points = torch.stack([x, points[..., 1]], -1)[:, self.partners]
            scores = scores[:, self.partners]
        if self.heatmaps:
            drawn = gaussian_heatmaps(points, torch.ones(points.shape[:2]), (SIZE[0] // 4, SIZE[1] // 4))
            return HeatmapOutput(drawn)
        return RegressionOutput(points, scores=scores if self.scores else None)
