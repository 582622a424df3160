"""Rows compared over drawn pictures, at the size of COCO val: 1,000 draws of 8 rows, and drawn sets by pycocotools.

Made up in val2017's shape: 5,000 pictures, half of them with 11,000 people, and 104,000 detections a row. A new process
reads the rows' files, draws and compares every two rows as a report does; counted are its seconds of CPU and its
greatest memory. Beside it pycocotools counts some of the draws, as sets in which pictures are repeated.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Figure, Settings, most_gigabytes, timing
from distilpose.data.skeleton import COCO, coco_category
from distilpose.evaluation.average_precision import KeypointTruth, average_precision, read_truth
from distilpose.evaluation.per_picture import per_picture, write_per_picture
from reports.read.per_picture import read_per_picture
from reports.statistics.evidence import RowEvidence, compare_all, drawn_pictures

LIMIT_SECONDS, LIMIT_GB = 60.0, 2.0
VAL = {"pictures": 5_000, "people": 11_000, "detections": 104_000}
DRAWS, ROWS, DRAWN_SETS = 1_000, 8, 3

Json = dict[str, Any]
Draws = NDArray[np.int32]


def people(pictures: int, people: int, random: np.random.Generator) -> list[Json]:
    """Annotations of people in half of the pictures, one in twenty a crowd, four in ten without a joint."""
    sizes = random.uniform(30, 300, (people, 2))
    joints = random.uniform(0, 1, (people, 17, 2)) * sizes[:, None] + random.uniform(0, 300, (people, 1, 2))
    seen = random.integers(0, 3, (people, 17)) * (random.random((people, 1)) < 0.6)
    images = random.integers(0, max(1, pictures // 2), people)
    crowds = random.random(people) < 0.05
    return [
        {"id": n + 1, "image_id": int(images[n]), "category_id": 1, "area": float(sizes[n].prod() / 2),
         "bbox": [*joints[n].min(0).tolist(), *np.ptp(joints[n], axis=0).tolist()], "iscrowd": int(crowds[n]),
         "keypoints": np.c_[joints[n], seen[n]].ravel().tolist(), "num_keypoints": int((seen[n] > 0).sum())}
        for n in range(people)
    ]  # fmt: skip


def detected(annotations: list[Json], pictures: int, count: int, random: np.random.Generator) -> list[Json]:
    """One detection near each person, the rest anywhere, in any picture."""
    true = np.array([one["keypoints"] for one in annotations]).reshape(-1, 17, 3)[..., :2]
    rest = count - len(true)
    near = true + random.normal(0, 1, true.shape) * random.uniform(1, 30, (len(true), 1, 1))
    away = random.uniform(0, 600, (rest, 1, 2)) + random.normal(0, 50, (rest, 17, 2))
    joints = np.concatenate([near, away]).round(2)
    images = [*(one["image_id"] for one in annotations), *random.integers(0, pictures, rest).tolist()]
    scores = np.concatenate([random.beta(5, 2, len(true)), random.beta(1, 5, rest)])
    flat = np.concatenate([joints, np.ones((count, 17, 1))], axis=2).reshape(count, -1)
    return [
        {"image_id": image, "category_id": 1, "keypoints": row.tolist(), "score": score}
        for image, row, score in zip(images, flat, scores.tolist(), strict=True)
    ]


def truth_of(annotations: list[Json], pictures: int, folder: Path) -> KeypointTruth:
    """The annotations as evaluation reads them."""
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 640} for n in range(pictures)]
    file = folder / "val.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [coco_category()]}))
    return read_truth(file, COCO.sigmas)


def repeated(rows: list[Json], draw: Draws) -> list[Json]:
    """The annotations or detections of the drawn pictures, a picture drawn twice there twice, as two."""
    first = np.cumsum(draw) - draw
    copies = [
        {**one, "image_id": int(first[one["image_id"]]) + copy} for one in rows for copy in range(draw[one["image_id"]])
    ]
    return [{**one, "id": n} if "id" in one else one for n, one in enumerate(copies, 1)]


def measure(folder: Path, draws: int) -> Mapping[str, float]:
    """Seconds of CPU to read, draw and compare every row of this folder, and the most memory in GB of this process."""
    begin, rows = time.process_time(), {}
    for file in sorted(folder.glob("*.npz")):
        found = read_per_picture(file)
        values = found.metric("AP", drawn_pictures(len(found.images), draws))
        assert values is not None
        rows[file.stem] = RowEvidence({0: float(values[0])}, {0: values})
    assert all(one.p is not None for one in compare_all(rows))
    return {"cpu": time.process_time() - begin, "memory": most_gigabytes()}


def measured_anew(folder: Path, draws: int) -> Mapping[str, float]:
    """What a new process measures."""
    command = [sys.executable, "-m", "benchmarks.evidence", str(folder), str(draws)]
    found: Mapping[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def figures(settings: Settings) -> Iterator[Figure]:
    """What the draws of a report's rows cost, and how far their AP is from pycocotools'."""
    size = {name: count // 100 if settings.quick else count for name, count in VAL.items()}
    draws = DRAWS // 100 if settings.quick else DRAWS
    pictures, random, apart = size["pictures"], np.random.default_rng(0), 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        annotations = people(pictures, size["people"], random)
        truth = truth_of(annotations, pictures, folder)
        for row in range(ROWS):
            results = detected(annotations, pictures, size["detections"], random)
            file = folder / f"row {row}.npz"
            write_per_picture(file, per_picture(truth, results))
            if row < DRAWN_SETS:
                draw = drawn_pictures(pictures, draws)[row]
                expected = average_precision(
                    truth_of(repeated(annotations, draw), pictures, folder), repeated(results, draw)
                )
                ours = read_per_picture(file).average_precision(draw[None])
                apart = max(apart, *(abs(float(ours[metric][0]) - value) for metric, value in expected.items()))
        found = [measured_anew(folder, draws) for _ in range(settings.rounds)]
    seconds = [one["cpu"] for one in found]
    yield Figure(
        what=f"{draws:,} draws of {ROWS} rows, {pictures:,} pictures and {size['detections']:,} detections each",
        against=f"the {LIMIT_SECONDS:g} s of CPU wanted",
        ratios=tuple(LIMIT_SECONDS / taken for taken in seconds),
        aim=1.0,
        note=f"{timing(seconds)}, at most {max(one['memory'] for one in found):.2f} GB of the {LIMIT_GB:g} wanted; the "
        f"ten numbers of {DRAWN_SETS} drawn sets at most {apart:.0e} from pycocotools'",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("draws", type=int)
    print(json.dumps(measure(**vars(parser.parse_args()))))
