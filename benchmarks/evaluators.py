"""pycocotools against faster-coco-eval: the same ten numbers, and the ratio of their times.

Both get the same truth and the same results, one after the other in one run. Timed is what `eval` does with a list of
results: reading it, matching and summing up.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Figure, Settings, ratios, timing
from distilpose.data.skeleton import COCO, coco_category
from distilpose.evaluation.average_precision import KeypointTruth, average_precision, read_truth

PEOPLE_A_PICTURE = 4
GUESSES_A_PERSON = 5


def made_up(detections: int, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A data set and so many results near its people, one person in twenty a crowd, one in ten without a joint."""
    rng = np.random.default_rng(seed)
    people = detections // GUESSES_A_PERSON
    annotations, results = [], []
    for person in range(people):
        size = rng.uniform(40, 300, 2)
        joints = rng.uniform(0, 1, (17, 2)) * size + rng.uniform(0, 300, 2)
        seen = np.zeros(17) if rng.random() < 0.1 else rng.integers(0, 3, 17)
        image = person // PEOPLE_A_PICTURE
        annotations.append(
            {"id": person + 1, "image_id": image, "category_id": 1, "area": float(size.prod() / 2),
             "bbox": [*joints.min(0).tolist(), *np.ptp(joints, axis=0).tolist()], "iscrowd": int(rng.random() < 0.05),
             "keypoints": np.column_stack([joints, seen]).ravel().tolist(), "num_keypoints": int((seen > 0).sum())}
        )  # fmt: skip
        for spread in rng.uniform(0.01, 0.15, GUESSES_A_PERSON):
            moved = joints + rng.normal(0, spread * size.mean(), (17, 2))
            flat = np.column_stack([moved, np.ones(17)]).ravel().round(3).tolist()
            results.append({"image_id": image, "category_id": 1, "keypoints": flat, "score": float(rng.random())})
    images = [
        {"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 640} for n in range(-(-people // PEOPLE_A_PICTURE))
    ]
    return {"images": images, "annotations": annotations, "categories": [coco_category()]}, results


def figures(settings: Settings) -> Iterator[Figure]:
    """Each round counts other people."""
    for detections in (500,) if settings.quick else (1_000, 10_000, 100_000):
        rounds = 1 if detections > 10_000 else settings.rounds
        times: dict[str, list[float]] = {"pycocotools": [], "faster": []}
        apart = 0.0
        for number in range(rounds + 1):  # the first warms up
            content, results = made_up(detections if number else min(detections, 1_000), seed=number)
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "val.json"
                file.write_text(json.dumps(content))
                truth = read_truth(file, COCO.sigmas)
            numbers = []
            for name, taken in times.items():
                seconds, metrics = _count(truth, results, name)
                numbers.append(metrics)
                if number:
                    taken.append(seconds)
            apart = max(apart, *(abs(numbers[0][name] - numbers[1][name]) for name in numbers[0]))
        both = f"{timing(times['pycocotools'])}, {timing(times['faster'])}"
        yield Figure(
            what=f"faster-coco-eval, {detections:,} detections",
            against="pycocotools",
            ratios=ratios(times["pycocotools"], times["faster"]),
            note=f"{both}; the ten numbers at most {apart:.0e} apart",
        )


def _count(truth: KeypointTruth, results: list[dict[str, Any]], evaluator: Any) -> tuple[float, dict[str, float]]:
    """What one count took, and its numbers."""
    begin = time.perf_counter()
    metrics = average_precision(truth, results, evaluator=evaluator)
    return time.perf_counter() - begin, metrics
