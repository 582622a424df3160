"""Small valid data sets: a blurred noise picture a person."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from distilpose.data.skeleton import COCO, coco_category

JOINTS = COCO.num_joints


def write_people(root: Path, count: int = 7, *, split: str = "train", size: tuple[int, int] = (60, 80)) -> Path:
    """A valid split of `count` pictures of one person each, layout `annotations/SPLIT.json`, `images/SPLIT/`."""
    rng = np.random.default_rng(3)
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "images" / split).mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        name = f"{number:03d}.jpg"
        picture = cv2.GaussianBlur(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8), (0, 0), 3)
        cv2.imwrite(str(root / "images" / split / name), picture)
        images.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
        joints = np.column_stack([rng.uniform(12, 48, JOINTS), rng.uniform(15, 65, JOINTS)])
        annotations.append(
            {
                "id": 100 + number,
                "image_id": number,
                "category_id": 1,
                "keypoints": [v for x, y in joints.round(2).tolist() for v in (x, y, 2)],
                "num_keypoints": JOINTS,
                "bbox": [10.0, 12.0, 40.0, 56.0],
                "area": 1200.0,
                "iscrowd": 0,
            }
        )
    parsed = {"images": images, "annotations": annotations, "categories": [coco_category()]}
    (root / "annotations" / f"{split}.json").write_text(json.dumps(parsed))
    return root
