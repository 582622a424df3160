"""pycocotools against faster-coco-eval: the same ten numbers, and the ratio of their times, over numbers of detections.

    python benchmarks/coco_evaluators.py [--detections 1000 10000 100000] [--repeats 3]

Both get the same truth and the same results, one after the other in one run; each repeat takes new people. Timed is
what `eval` does with a list of results: reading it, matching and summing up.
"""

import argparse
import json
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

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


def seconds(truth: KeypointTruth, results: list[dict[str, Any]], evaluator: Any) -> tuple[float, dict[str, float]]:
    """What one count took, and its numbers."""
    start = time.perf_counter()
    metrics = average_precision(truth, results, evaluator=evaluator)
    return time.perf_counter() - start, metrics


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detections", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, commit {commit}")
    print(f"{'detections':>10}  {'pycocotools s':>20}  {'faster-coco-eval s':>20}  ratio  greatest difference")
    for detections in chosen.detections:
        times: dict[str, list[float]] = {"pycocotools": [], "faster": []}
        apart = 0.0
        for repeat in range(chosen.repeats + 1):  # the first warms up
            content, results = made_up(detections if repeat else min(detections, 1_000), seed=repeat)
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "val.json"
                file.write_text(json.dumps(content))
                truth = read_truth(file, COCO.sigmas)
            taken = {name: seconds(truth, results, name) for name in times}
            numbers = [metrics for _, metrics in taken.values()]
            assert numbers[0].keys() == numbers[1].keys()
            apart = max(apart, *(abs(numbers[0][name] - numbers[1][name]) for name in numbers[0]))
            if repeat:
                for name, (time_taken, _) in taken.items():
                    times[name].append(time_taken)
        median = {name: statistics.median(values) for name, values in times.items()}
        shown = [f"{median[name]:8.2f} ({min(values):.2f}-{max(values):.2f})" for name, values in times.items()]
        ratio = median["pycocotools"] / median["faster"]
        print(f"{detections:>10,}  {shown[0]:>20}  {shown[1]:>20}  {ratio:5.1f}  {apart:.1e}", flush=True)


if __name__ == "__main__":
    main()
