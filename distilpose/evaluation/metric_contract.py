"""What every metric promises, held against one: a best value, and no eye for order or invisible joints."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distilpose.data.coco import ImageRecord, Person, PoseData
from distilpose.data.skeleton import COCO
from distilpose.evaluation.average_precision import KeypointTruth, read_truth
from distilpose.evaluation.measure import given_to_metrics, measure
from distilpose.evaluation.metrics import MetricUse
from distilpose.losses.contract import Finding

PEOPLE, PICTURE = 12, (640, 480)
SKELETON = replace(COCO, parts=(("upper", COCO.upper_body), ("lower", tuple(range(11, 17)))))
Value = Callable[[NDArray[np.float32], PoseData], float]


def check_metric(use: MetricUse, parts: Path | None = None) -> Iterator[Finding]:
    """Every promise of a metric in turn, on made-up people; `parts` holds the kept code of a user's own."""
    with tempfile.TemporaryDirectory() as folder:
        data = _people(Path(folder) / "people.json")
        truth = read_truth(data.annotation_file, COCO.sigmas)

        def value(keypoints: NDArray[np.float32], people: PoseData) -> float:
            given = _given(keypoints, people, truth)
            found = measure(given, [use], parts=parts, required=use.title)
            if use.title not in found:
                raise ValueError("gave no number for people with visible joints")
            return found[use.title]

        for promise, broken in (
            ("gives one finite number", _finite),
            ("gives perfect predictions the best value, as higher_is_better says", _best),
            ("does not depend on the order of people", _in_any_order),
            ("does not count invisible joints", _masked),
            ("gives the same number again, and leaves what it was given as it was", _pure),
        ):
            try:
                yield Finding(promise=promise, fault=broken(use, value, data))
            except Exception as error:  # a user's own code may raise anything
                yield Finding(promise=promise, fault=str(error))


def _people(file: Path) -> PoseData:
    """People in twos on pictures, each with half of its joints or more visible; written down as COCO's truth too."""
    draw = np.random.default_rng(0)
    people, annotations = [], []
    for number in range(PEOPLE):
        x, y, size = draw.uniform(50, 200, 3)
        keypoints = np.zeros((COCO.num_joints, 3), np.float32)
        keypoints[:, :2] = [x, y] + size * draw.random((COCO.num_joints, 2))
        keypoints[:, 2] = np.where(draw.random(COCO.num_joints) < 0.7, 2, 0)
        keypoints[[5, 12], 2] = 2  # a torso
        keypoints[keypoints[:, 2] == 0] = 0
        person = Person(
            annotation_id=number + 1,
            image_id=number // 2,
            image=file,
            image_size=PICTURE,
            bbox=(float(x), float(y), float(size), float(size)),
            keypoints=keypoints,
            area=float(size * size),
            category_id=1 + number % 2,
            head_size=float(size / 5),
        )
        people.append(person)
        annotations.append(
            {
                "id": person.annotation_id,
                "image_id": person.image_id,
                "category_id": person.category_id,
                "bbox": list(person.bbox),
                "area": person.area,
                "iscrowd": 0,
                "num_keypoints": int((keypoints[:, 2] > 0).sum()),
                "keypoints": [float(number) for number in keypoints.ravel()],
            }
        )
    size_of = dict(zip(("width", "height"), PICTURE, strict=True))
    images = [{"id": number, "file_name": f"{number}.png", **size_of} for number in range(PEOPLE // 2)]
    categories = [{"id": n, "name": f"kind {n}", "keypoints": list(COCO.names), "skeleton": []} for n in (1, 2)]
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return PoseData(
        split="people",
        annotation_file=file,
        image_dir=file.parent,
        skeleton=SKELETON,
        people=tuple(people),
        images=tuple(ImageRecord(number, file, PICTURE, (0.1, 0.5, 0.9)[number % 3]) for number in range(PEOPLE // 2)),
        fingerprint="",
        category_id=1,
        categories={1: "kind 1", 2: "kind 2"},
    )


def _given(keypoints: NDArray[np.float32], data: PoseData, truth: KeypointTruth) -> dict[str, Any]:
    results = [
        {
            "image_id": person.image_id,
            "category_id": person.category_id,
            "keypoints": found.ravel().tolist(),
            "score": float(score),
        }
        for person, found, score in zip(data.people, keypoints, keypoints[..., 2].mean(1), strict=True)
    ]
    return given_to_metrics(data, keypoints=keypoints, results=results, truth=truth)


def _perfect(data: PoseData) -> NDArray[np.float32]:
    """The annotated joints, each person with a score of its own."""
    keypoints = np.stack([person.keypoints for person in data.people])
    keypoints[..., 2] = np.linspace(0.5, 1, len(keypoints))[:, None]
    return keypoints


def _off(data: PoseData, share: float) -> NDArray[np.float32]:
    """Predictions off by a share of the person's box."""
    keypoints = _perfect(data)
    draw = np.random.default_rng(1)
    sizes = np.array([person.bbox[2] for person in data.people])[:, None, None]
    keypoints[..., :2] += share * sizes * draw.standard_normal(keypoints[..., :2].shape)
    return keypoints


def _finite(use: MetricUse, value: Value, data: PoseData) -> str | None:
    value(_off(data, 0.05), data)
    return None


def _best(use: MetricUse, value: Value, data: PoseData) -> str | None:
    sign = 1 if use.higher_is_better else -1
    perfect, near, far = (value(_off(data, share), data) for share in (0, 0.1, 3))
    if sign * perfect >= sign * near and sign * perfect > sign * far:
        return None
    other = f"write `{use.title}.higher_is_better = {not use.higher_is_better}` if it is the other way round"
    return f"gave {perfect:.4g} for perfect predictions, {near:.4g} for near and {far:.4g} for far ones; {other}"


def _in_any_order(use: MetricUse, value: Value, data: PoseData) -> str | None:
    order = np.random.default_rng(2).permutation(len(data.people))
    turned = replace(data, people=tuple(data.people[number] for number in order))
    keypoints = _off(data, 0.1)
    before, after = value(keypoints, data), value(keypoints[order], turned)
    return None if np.isclose(before, after) else f"gave {before:.6g}, and {after:.6g} for the same people turned round"


def _masked(use: MetricUse, value: Value, data: PoseData) -> str | None:
    keypoints = _off(data, 0.1)
    hidden = np.stack([person.keypoints[:, 2] == 0 for person in data.people])
    moved = keypoints.copy()
    moved[..., :2][hidden] += 50
    before, after = value(keypoints, data), value(moved, data)
    if np.isclose(before, after):
        return None
    return f"gave {before:.6g}, and {after:.6g} once invisible joints had moved; leave out what `visible` says is 0"


def _pure(use: MetricUse, value: Value, data: PoseData) -> str | None:
    keypoints = _off(data, 0.1)
    people = copy.deepcopy(data.people)
    first = value(keypoints, data)
    value(_off(data, 0.3), data)
    if first != value(keypoints, data):
        return "gave another number for the same people; keep no state and draw no random numbers"
    same = np.array_equal(keypoints, _off(data, 0.1))
    same &= all(np.array_equal(a.keypoints, b.keypoints) for a, b in zip(people, data.people, strict=True))
    return None if same else "changed what it was given; work on a copy"
